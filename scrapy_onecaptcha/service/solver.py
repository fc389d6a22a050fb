"""One paid solve: its turn among the open tasks, its retries, its deadline."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from twisted.internet.defer import CancelledError

from scrapy_onecaptcha._logging import counted, get_logger
from scrapy_onecaptcha._twisted import Semaphore, sleep
from scrapy_onecaptcha.exceptions import (
    AttemptsExhausted,
    OneCaptchaError,
    ServiceError,
    SolveTimeout,
    Unavailable,
)
from scrapy_onecaptcha.models import Proxy, Reservation, Solution
from scrapy_onecaptcha.service.health import Health
from scrapy_onecaptcha.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.models import Attempts, Budget, SolveReport
    from scrapy_onecaptcha.service.client import Client
    from scrapy_onecaptcha.service.protocol import TaskResult
    from scrapy_onecaptcha.service.task import Task
    from scrapy_onecaptcha.settings import Config

__all__ = ["Solver"]

logger = get_logger(__name__)

_R = TypeVar("_R", bound=Reservation)

#: The longest pause between two tries to create a task, in seconds.
MAX_RETRY_DELAY = 60.0

#: Seconds between two steps back to the full number of tasks at once.
WIDEN_SECONDS = 60.0

#: Polls are due at multiples of this, in seconds: those of many open tasks share turns
#: of the event loop, which cost more than the polls.
TICK = 0.05

#: Seconds between two looks at whether the engine is still paused.
PAUSE_LOOK = 1.0

#: The service itself gives up on a task after so many seconds (its description).
TASK_SECONDS = 300.0


class Solver(Generic[_R]):
    """Has tasks solved by the service.

    Args:
        client: calls the service.
        config: the settings.
        budget: says what may be paid for.
        report: is told what happens.
        clock: measures time and wakes up.
        is_paused: tells whether the engine is paused; then no task is created.
        random: returns a number from 0 to 1, for the jitter of retries.

    Attributes:
        health: what is known of the service.
    """

    def __init__(
        self,
        client: Client,
        config: Config,
        budget: Budget[_R],
        report: SolveReport,
        clock: Clock,
        is_paused: Callable[[], bool],
        random: Callable[[], float],
    ) -> None:
        self._client = client
        self._config = config
        self._budget = budget
        self._report = report
        self._clock = clock
        self._is_paused = is_paused
        self._random = random
        self._open = Semaphore(config.concurrent_tasks)
        self._widen_at = 0.0
        self._told: set[str] = set()
        self.health = Health(config, clock.seconds, report.tell)

    async def solve(
        self, task: Task, site: str, attempts: Attempts
    ) -> tuple[Solution, _R]:
        """Return a solution, and the reservation that awaits the site's verdict on it.

        Raises:
            CircuitOpen, BudgetExceeded, AttemptsExhausted: it may not be paid for.
            ServiceError: the service refuses, or stays out of reach.
            SolveTimeout: there was no token in time.
        """
        delay = self._config.retry_delay
        give_up = 0.0
        fault: Unavailable | None = None
        while True:
            try:
                return await self._try(task, site, attempts)
            except AttemptsExhausted:
                if fault is not None:  # it was the service's fault, not the page's
                    raise fault from None
                raise
            except Unavailable as error:
                if fault is None:
                    give_up = self._clock.seconds() + self._config.solve_timeout
                fault = error
                pause = delay * (0.5 + self._random())
                if self._clock.seconds() + pause > give_up:
                    raise
                self._report.tell(
                    logging.INFO, f"{site}: {error} Next try in {pause:.1f} s."
                )
                await sleep(self._clock, pause)
                delay = min(2 * delay, MAX_RETRY_DELAY)

    async def _try(
        self, task: Task, site: str, attempts: Attempts
    ) -> tuple[Solution, _R]:
        task = replace(task, proxy=self._proxy_for(task))
        self._check(task, site)
        reservation = await self._budget.reserve(site)
        try:
            await self._open.take()
            try:
                await self._wait_while_paused()
                self._check(task, site)
                solution = await self._run(task, site, reservation, attempts)
            finally:
                self._open.release()
        except BaseException:
            # Whatever went wrong was not the site's fault: it has seen no token.
            reservation.settle("void")
            raise
        return solution, reservation

    def _check(self, task: Task, site: str) -> None:
        self.health.check(site, task.sitekey)
        self.health.check_proxy(task.proxy)

    async def _run(
        self, task: Task, site: str, reservation: Reservation, attempts: Attempts
    ) -> Solution:
        """Create the task and wait for its token; note what it came to."""
        reservation.spend(attempts)
        try:
            started = self._clock.seconds()
            task_id = await self._create(task, site, reservation)
            reservation.created(task_id, self.health.task_type)
            solution = await self._poll(task_id, started, task, site)
        except CancelledError:
            reservation.abandoned()
            raise
        except _Lost as lost:
            reservation.failed(lost.error, charged=lost.charged)
            raise lost.error from None
        except OneCaptchaError as error:
            if reservation.spent:
                reservation.failed(error, charged=True)
            raise
        reservation.solved(solution)
        return solution

    # Creating a task

    async def _create(self, task: Task, site: str, reservation: Reservation) -> str:
        probe = self.health.begin_probe()
        try:
            task_id = await self._create_by_type(task, site)
        except ServiceError as error:
            if error.answered or not error.sent:
                reservation.refund()
            raise
        else:
            self._widen()
            return task_id
        finally:
            if probe:
                self.health.end_probe()

    async def _create_by_type(self, task: Task, site: str) -> str:
        """Create the task, with another type if the service refuses the first."""
        health = self.health
        while True:
            sent = replace(task, type=health.task_type)
            try:
                task_id = await self._client.create_task(sent)
            except ServiceError as error:
                if health.falls_back(sent.type, error):
                    continue
                health.learn(error, site, task.sitekey, creating=True)
                health.learn_proxy(error, task.proxy)
                if error.code == "ERROR_THREADS_MAXIMUM":
                    self._narrow()
                raise
            health.created(sent.type)
            return task_id

    def _proxy_for(self, task: Task) -> Proxy | None:
        """Return the proxy to send with *task*, as ``ONECAPTCHA_TASK_PROXY`` says."""
        config = self._config
        proxy = task.proxy if config.task_proxy == "request" else config.task_proxy
        if not isinstance(proxy, Proxy):
            return None
        if proxy.is_local and not config.loopback:
            self._tell_once(
                "local proxy",
                logging.WARNING,
                f"The service cannot reach {proxy}, which is local to this machine or "
                f"network: tasks are created without it ({PREFIX}TASK_PROXY).",
            )
            return None
        self._tell_once(
            "proxy",
            logging.INFO,
            f"The proxy's address and credentials are sent to {config.api_url} with "
            f"each task ({PREFIX}TASK_PROXY).",
        )
        return proxy

    def _tell_once(self, kind: str, level: int, message: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self._report.tell(level, message)

    def _narrow(self) -> None:
        """Have one task less open at once."""
        self._open.limit = max(1, self._open.taken - 1)
        self._widen_at = self._clock.seconds() + WIDEN_SECONDS
        self._tell_once(
            "threads",
            logging.WARNING,
            f"The service takes at most {counted(self._open.limit, 'task')} at once; "
            f"one more is tried every {WIDEN_SECONDS:.0f} s. If nobody else uses the "
            f"account, lower {PREFIX}CONCURRENT_TASKS.",
        )

    def _widen(self) -> None:
        """Raise the limit step by step: other users of the account may have stopped."""
        now = self._clock.seconds()
        if self._open.limit < self._config.concurrent_tasks and now >= self._widen_at:
            self._open.limit += 1
            self._widen_at = now + WIDEN_SECONDS

    # Waiting for its result

    async def _poll(
        self, task_id: str, started: float, task: Task, site: str
    ) -> Solution:
        """Ask for the result until it comes.

        Raises:
            _Lost: there will be none, or not in time.
        """
        config = self._config
        give_up = started + config.solve_timeout
        unready = started
        polls, max_polls = 0, config.max_polls
        pause = config.poll_delay
        while True:
            if self._clock.seconds() + pause > give_up or polls == max_polls:
                raise self._timed_out(task_id, started)
            await sleep(self._clock, self._until_tick(pause))
            pause = config.poll_interval
            try:
                self.health.check_calls()
            except ServiceError as error:
                # It was said of another task; this one may be solved, and billed.
                raise _Lost(error, charged=True) from None
            asked = self._clock.seconds()
            polls += 1
            self._report.count("polls")
            result = await self._ask(task_id, task, site)
            if isinstance(result, Unavailable):
                continue  # the task goes on at the service: asking again loses nothing
            if result is not None:
                self.health.proxy_worked(task.proxy)
                return self._solution(result, task_id, started, unready)
            unready = asked

    async def _ask(
        self, task_id: str, task: Task, site: str
    ) -> TaskResult | Unavailable | None:
        """Return the result, ``None`` while there is none, or a passing fault."""
        try:
            return await self._client.get_task_result(task_id)
        except ServiceError as error:
            self.health.learn(error, site, task.sitekey, creating=False)
            self.health.learn_proxy(error, task.proxy)
            if error.code == "ERROR_THREADS_MAXIMUM":
                self._narrow()
            if isinstance(error, Unavailable):
                logger.debug("Task %s: %s", task_id, error)
                return error
            # The service does not charge tasks without a result, it says. An answer
            # that is not one of its errors may have been a result.
            raise _Lost(error, charged=not error.answered) from None

    def _solution(
        self, result: TaskResult, task_id: str, started: float, unready: float
    ) -> Solution:
        for name in result.ignored:
            self._report.tell(
                logging.WARNING,
                f"The service returned a {name} that cannot be sent to a site; it is "
                "ignored, and the site may refuse the token for it.",
            )
        return Solution(
            token=result.token,
            user_agent=result.user_agent,
            resp_key=result.resp_key,
            task_id=task_id,
            issued_at=unready,
            seconds=self._clock.seconds() - started,
            cost=result.cost,
        )

    def _timed_out(self, task_id: str, started: float) -> _Lost:
        seconds = self._clock.seconds() - started
        error = SolveTimeout(
            f"The service had no token for task {task_id} within {seconds:.0f} s "
            f"({PREFIX}SOLVE_TIMEOUT)."
        )
        # Given up earlier than by the service, it may still be solved, and billed.
        return _Lost(error, charged=self._config.solve_timeout < TASK_SECONDS)

    def _until_tick(self, pause: float) -> float:
        """Return *pause*, or a little more, so that it ends at a tick."""
        now = self._clock.seconds()
        return math.ceil((now + pause) / TICK) * TICK - now

    async def _wait_while_paused(self) -> None:
        while self._is_paused():
            await sleep(self._clock, PAUSE_LOOK)


class _Lost(Exception):
    """A task that was created has given no token.

    Attributes:
        error: why.
        charged: whether it may have been billed.
    """

    def __init__(self, error: OneCaptchaError, *, charged: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.charged = charged
