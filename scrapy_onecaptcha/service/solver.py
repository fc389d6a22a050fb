"""One paid solve: its place among the open tasks, its retries, its deadline."""

from __future__ import annotations

import copy
import logging
import math
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import CancelledError

from scrapy_onecaptcha._twisted import Semaphore, sleep
from scrapy_onecaptcha.exceptions import (
    AccountError,
    AttemptsExhausted,
    BlockedError,
    OneCaptchaError,
    ServiceError,
    SiteRefusedError,
    SolveTimeout,
    Unavailable,
)
from scrapy_onecaptcha.models import Solution

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.budget import Allowance, Policy, Unit
    from scrapy_onecaptcha.service.client import Client, Task
    from scrapy_onecaptcha.settings import Config
    from scrapy_onecaptcha.stats import Report

__all__ = ["Solver"]

_T = TypeVar("_T")

logger = logging.getLogger(__name__)

#: The longest pause between two tries to create a task, in seconds.
MAX_RETRY_DELAY = 60.0

#: Seconds after which one more task is tried, where the service took no more at once.
WIDEN_SECONDS = 60.0

#: In seconds. Polls are due at its multiples, so that those of many open tasks share
#: turns of the event loop, which cost more than the polls.
TICK = 0.05

#: Seconds between two looks at whether the engine is still paused.
PAUSE_LOOK = 1.0

#: Sites that are remembered as refused; the first are forgotten first, and cost a call.
MAX_REFUSED = 10_000


class Solver:
    """Has tasks solved by the service.

    Args:
        client: speaks to the service.
        config: the settings.
        policy: says what may be paid.
        report: is told what happens.
        clock: measures time and wakes up.
        is_paused: whether the engine is paused: then no task is created.
        random: returns a number from 0 to 1, for the jitter of retries.
    """

    def __init__(
        self,
        client: Client,
        config: Config,
        policy: Policy,
        report: Report,
        clock: Clock,
        is_paused: Callable[[], bool],
        random: Callable[[], float],
    ) -> None:
        self._client = client
        self._config = config
        self._policy = policy
        self._report = report
        self._clock = clock
        self._is_paused = is_paused
        self._random = random
        self._open = Semaphore(config.concurrent_tasks)
        self._widen_at = 0.0
        self._account: AccountError | None = None
        self._blocked: BlockedError | None = None
        self._blocked_until = 0.0
        self._probing = False
        self._refused: dict[str, dict[str, SiteRefusedError]] = {}

    async def solve(
        self, task: Task, site: str, allowance: Allowance
    ) -> tuple[Solution, Unit]:
        """Return a solution, and the unit that waits for the site's verdict on it.

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
                return await self._try(task, site, allowance)
            except AttemptsExhausted:
                if fault is not None:  # the service's doing, not the page's
                    raise fault from None
                raise
            except Unavailable as error:
                if fault is None:
                    give_up = self._clock.seconds() + self._config.solve_timeout
                fault = error
                pause = delay * (0.5 + self._random())
                if self._clock.seconds() + pause > give_up:
                    raise
                logger.info("%s: %s Next try in %.1f s.", site, error, pause)
                await sleep(self._clock, pause)
                delay = min(2 * delay, MAX_RETRY_DELAY)

    async def _try(
        self, task: Task, site: str, allowance: Allowance
    ) -> tuple[Solution, Unit]:
        self._check(site, task.sitekey)
        unit = await self._policy.reserve(site)
        try:
            await self._open.take()
            try:
                await self._unpaused()
                self._check(site, task.sitekey)
                solution = await self._run(task, site, unit, allowance)
            finally:
                self._open.release()
        except Unavailable:
            unit.settle("void")  # the service's doing: it says nothing of the site
            raise
        except BaseException:
            unit.settle("failed")
            raise
        return solution, unit

    async def _run(
        self, task: Task, site: str, unit: Unit, allowance: Allowance
    ) -> Solution:
        """Create the task and wait for its token, accounting for what it came to."""
        unit.spend(allowance)
        self._report.task_created(site)
        try:
            started = self._clock.seconds()
            task_id = await self._create(task, site, unit)
            solution = await self._poll(task_id, started, task, site)
        except CancelledError:
            self._report.task_abandoned()
            raise
        except OneCaptchaError as error:
            if unit.spent:
                self._report.task_failed(site, error)
            raise
        self._report.task_ready(site, solution, allowance.spent)
        return solution

    async def _create(self, task: Task, site: str, unit: Unit) -> str:
        probe = self._begin_probe()
        try:
            task_id = await self._heed(self._client.create_task(task), task, site)
        except ServiceError as error:
            if error.answered or not error.sent:
                unit.refund()
                self._report.task_refunded(site)
            raise
        else:
            self._blocked = None
            self._widen()
            return task_id
        finally:
            if probe:
                self._probing = False

    async def _poll(
        self, task_id: str, started: float, task: Task, site: str
    ) -> Solution:
        config = self._config
        give_up = started + config.solve_timeout
        unready = started
        polls = 0
        pause = config.poll_delay
        while True:
            if self._clock.seconds() + pause > give_up or polls == config.max_polls:
                raise SolveTimeout(
                    f"The service had no token for task {task_id} within "
                    f"{self._clock.seconds() - started:.0f} s "
                    "(ONECAPTCHA_SOLVE_TIMEOUT)."
                )
            await sleep(self._clock, self._until_tick(pause))
            pause = config.poll_interval
            self._check_account()
            asked = self._clock.seconds()
            polls += 1
            self._report.count("polls")
            try:
                result = await self._heed(
                    self._client.get_task_result(task_id), task, site
                )
            except Unavailable as error:
                # The task goes on at the service: asking again loses nothing.
                logger.debug("Task %s: %s", task_id, error)
                continue
            if result is not None:
                return Solution(
                    token=result.token,
                    user_agent=result.user_agent,
                    resp_key=result.resp_key,
                    task_id=task_id,
                    issued_at=unready,
                    seconds=self._clock.seconds() - started,
                )
            unready = asked

    def _until_tick(self, pause: float) -> float:
        """Return *pause*, or a little more."""
        now = self._clock.seconds()
        return math.ceil((now + pause) / TICK) * TICK - now

    # What the service has said of us

    async def _heed(self, call: Coroutine[Any, Any, _T], task: Task, site: str) -> _T:
        """Return what *call* does; what its error says of us is known at once."""
        try:
            return await call
        except ServiceError as error:
            self._learn(error, site, task.sitekey)
            raise

    def _learn(self, error: ServiceError, site: str, sitekey: str) -> None:
        if isinstance(error, AccountError) and self._account is None:
            self._account = copy.copy(error)  # the page's own gets its response
            logger.critical(
                "No further call to the service in this crawl, every gated page fails: "
                "%s",
                error,
            )
        elif isinstance(error, BlockedError) and not self._is_blocked():
            self._blocked = copy.copy(error)
            self._blocked_until = self._clock.seconds() + error.seconds
            logger.error("No call to the service for %.0f s: %s", error.seconds, error)
        elif isinstance(error, SiteRefusedError):
            self._learn_refused(error, site, sitekey)
        elif error.code == "ERROR_THREADS_MAXIMUM":
            self._narrow()

    def _narrow(self) -> None:
        self._open.limit = max(1, self._open.taken - 1)
        self._widen_at = self._clock.seconds() + WIDEN_SECONDS
        self._report.warn_once(
            "threads",
            f"The service takes no more tasks at once: at most {self._open.limit}, and "
            f"one more for each {WIDEN_SECONDS:.0f} s in which it does. If nobody else "
            "uses the account, lower ONECAPTCHA_CONCURRENT_TASKS.",
        )

    def _widen(self) -> None:
        """Take back a limit step by step: what else used the account may have ended."""
        now = self._clock.seconds()
        if self._open.limit < self._config.concurrent_tasks and now >= self._widen_at:
            self._open.limit += 1
            self._widen_at = now + WIDEN_SECONDS

    def _learn_refused(self, error: SiteRefusedError, site: str, sitekey: str) -> None:
        if site not in self._refused and len(self._refused) >= MAX_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._refused.setdefault(site, {})[sitekey] = copy.copy(error)

    def _is_blocked(self) -> bool:
        return self._clock.seconds() < self._blocked_until

    def _check(self, site: str, sitekey: str) -> None:
        self._check_account()
        refused = self._refused.get(site, {})
        # A site may name a new sitekey in each of its gates.
        wholly = len(refused) >= self._config.max_failures
        if sitekey in refused or wholly:
            raise copy.copy(refused.get(sitekey) or next(iter(refused.values())))

    def _check_account(self) -> None:
        """Raise what forbids any call; a copy, for each page adds its own response."""
        if self._account is not None:
            raise copy.copy(self._account)
        if self._blocked is not None and (self._probing or self._is_blocked()):
            raise copy.copy(self._blocked)

    def _begin_probe(self) -> bool:
        """Make the first task after a block a probe; tell whether this one is."""
        probe = self._blocked is not None
        self._probing = self._probing or probe
        return probe

    # Waiting

    async def _unpaused(self) -> None:
        while self._is_paused():
            await sleep(self._clock, PAUSE_LOOK)
