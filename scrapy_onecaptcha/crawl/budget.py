"""Whether a task may be paid for: attempts, budget, circuit breaker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha._twisted import Waiters
from scrapy_onecaptcha.crawl.shutdown import CrawlClosing
from scrapy_onecaptcha.exceptions import (
    AttemptsExhausted,
    BudgetExceeded,
    CircuitOpen,
)
from scrapy_onecaptcha.report.tally import TaskCount
from scrapy_onecaptcha.stores.base import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from scrapy_onecaptcha.crawl.shared_budget import SharedBudget
    from scrapy_onecaptcha.exceptions import OneCaptchaError
    from scrapy_onecaptcha.models import Solution, Verdict
    from scrapy_onecaptcha.report.journal import Entry, Journal, Subject
    from scrapy_onecaptcha.report.snapshot import BreakerState
    from scrapy_onecaptcha.settings import Config
    from scrapy_onecaptcha.stores.base import Reservation

__all__ = ["PageAttempts", "Policy", "TaskReservation"]


@dataclass(slots=True)
class _Site:
    """What the tasks of one site came to."""

    pending: int = 0
    failures: int = 0
    accepted: bool = False
    failed_at: float = 0.0
    settled: Waiters = field(default_factory=Waiters, compare=False)


class TaskReport(Protocol):
    """Is told what happens to tasks."""

    def task_created(self, site: str, /) -> None:
        """Note a task that was counted now, before the service is called."""

    def task_refunded(self, site: str, /) -> None:
        """Note a task that was taken back: the service refused to create it."""

    def task_ready(self, site: str, solution: Solution, attempt: int, /) -> None:
        """Note a token."""

    def task_failed(
        self, site: str, error: OneCaptchaError, /, *, charged: bool
    ) -> None:
        """Note a task without a token; *charged*: whether it may have been billed."""

    def task_abandoned(self) -> None:
        """Note a task that the stop of the crawl left behind."""


class TaskReservation:
    """One task, from the right to create it to the site's verdict on its token.

    Used as a context manager, it ends as failed unless something else was said.

    Attributes:
        entry: the task's entry in the journal, where there is one.
    """

    def __init__(
        self,
        policy: Policy,
        site: str,
        cost: float,
        shared: Reservation | None = None,
    ) -> None:
        self.entry: Entry | None = None
        self._policy = policy
        self._report = policy.report
        self._site = site
        self._cost = cost
        self._shared = shared
        self._attempts: PageAttempts | None = None
        self._settled = False

    @property
    def spent(self) -> bool:
        """Whether a task was counted, and not given back."""
        return self._attempts is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, CrawlClosing):
            self.settle("failed", "abandoned")
        self.settle("failed", "failed", "error")

    def spend(self, attempts: PageAttempts) -> None:
        """Count the task, before it is created.

        Raises:
            BudgetExceeded: the crawl or the site has none left.
            AttemptsExhausted: the page has none left.
        """
        attempts.check()
        self._policy.spend(self._site)
        attempts.spent += 1
        self._attempts = attempts
        self.entry = attempts.begin()
        if self._report is not None:
            self._report.task_created(self._site)

    def refund(self) -> None:
        """Give the task back: the service refused to create it."""
        if self._attempts is not None:
            self._policy.refund(self._site)
            self._attempts.spent -= 1
            self._attempts = None
            if self._report is not None:
                self._report.task_refunded(self._site)
        if self.entry is not None:
            self.entry.drop()
        self.settle("void")

    # What the service made of it

    def created(self, task_id: str, task_type: str) -> None:
        """Note that the service has created the task."""
        if self.entry is not None:
            self.entry.created(task_id, task_type, self._cost)

    def solved(self, solution: Solution) -> None:
        """Note that the task gave a token."""
        if self._report is not None and self._attempts is not None:
            self._report.task_ready(self._site, solution, self._attempts.spent)
        if self.entry is not None:
            cost = solution.cost
            self.entry.solved(self._cost if cost is None else cost)

    def failed(self, error: OneCaptchaError, *, charged: bool) -> None:
        """Note that it gave none; *charged*: whether it may have been billed."""
        if self._report is not None:
            self._report.task_failed(self._site, error, charged=charged)
        if self.entry is not None:
            code = error.code or error.reason
            points = self._cost if charged else 0.0
            self.entry.end("failed", code, points=points)

    def abandoned(self) -> None:
        """Note that the stop of the crawl left it behind."""
        if self._report is not None:
            self._report.task_abandoned()
        if self.entry is not None:
            self.entry.end("abandoned")

    def settle(self, verdict: Verdict, outcome: str = "", code: str = "") -> None:
        """Note the verdict on the task; only the first one counts.

        Args:
            verdict: what it means to the rules on money.
            outcome: what the journal says of it, if it has not ended there.
            code: of a failed task: what it failed by.
        """
        if self.entry is not None and outcome:
            opened = 1 if outcome == "accepted" else 0
            self.entry.end(outcome, code, opened=opened)
        if not self._settled:
            self._settled = True
            if not self.spent:
                verdict = "void"  # no task, and so nothing learnt of the site
            self._policy.settle(self._site, verdict)
            self._settle_shared(verdict)

    def _settle_shared(self, verdict: Verdict) -> None:
        shared = self._policy.shared
        if shared is not None and self._shared is not None:
            if self.spent:
                shared.settle(self._shared, verdict)
            else:
                shared.refund(self._shared)


class PageAttempts:
    """The tasks that one page may cost.

    Args:
        page: its URL, for the error.
        limit: tasks.
        journal: has an entry for each task, if there is one.

    Attributes:
        subject: what the next task is for; without it there is no entry.
    """

    def __init__(self, page: str, limit: int, journal: Journal | None = None) -> None:
        self.page = page
        self.limit = limit
        self.spent = 0
        self.subject: Subject | None = None
        self._journal = journal

    def begin(self) -> Entry | None:
        """Return the entry of a task that was counted now."""
        if self._journal is None or self.subject is None:
            return None
        return self._journal.begin(self.subject, self.spent)

    def check(self) -> None:
        """Raise AttemptsExhausted where all are spent."""
        if self.spent >= self.limit:
            raise AttemptsExhausted(
                f"{self.page} stayed gated after {counted(self.spent, 'task')} "
                "(ONECAPTCHA_MAX_ATTEMPTS)"
            )


class Policy:
    """The crawl's rules on money.

    Args:
        config: the settings.
        now: seconds of a clock that never goes back.
        tasks: counts them.
        report: is told what happens to them, if anybody is.
        shared: counts the tasks of all processes, if there are others.

    Attributes:
        report, shared: as above.
    """

    def __init__(
        self,
        config: Config,
        now: Callable[[], float],
        tasks: TaskCount | None = None,
        report: TaskReport | None = None,
        shared: SharedBudget | None = None,
    ) -> None:
        self._config = config
        self._now = now
        self._tasks = TaskCount() if tasks is None else tasks
        self.report = report
        self.shared = shared
        self._sites: dict[str, _Site] = {}
        self._limits = Limits(max_failures=config.max_failures)
        self._settled = Waiters()

    @property
    def tasks(self) -> int:
        """Tasks counted in this crawl, those in flight included."""
        return self._tasks.total

    @property
    def left(self) -> int | None:
        """Tasks that ``ONECAPTCHA_MAX_TASKS`` leaves; ``None`` for no limit."""
        limit = self._config.max_tasks
        return max(0, limit - self.tasks) if limit else None

    def breakers(self) -> list[BreakerState]:
        """Return the sites that are left alone now."""
        return [
            {"site": site, "failures": state.failures, "seconds": left}
            for site, state in self._sites.items()
            if not self._closed(state) and (left := self.cooldown_left(site))
        ]

    @property
    def exhausted(self) -> bool:
        """Whether the budget of this run, or of all processes, is spent."""
        spent = self.shared is not None and self.shared.is_spent
        return spent or 0 < self._config.max_tasks <= self.tasks

    async def until_settled(self) -> None:
        """Wait until every task has its verdict: what was paid for is used."""
        while any(state.pending for state in self._sites.values()):
            await self._settled.wait()

    async def reserve(self, site: str) -> TaskReservation:
        """Return the right to create one task for *site*.

        While the tasks that wait for a verdict could still open the circuit, it waits
        for them.

        Raises:
            CircuitOpen: the site failed too often in a row.
            BudgetExceeded: the tasks of all processes are spent.
            StoreUnavailable: nobody knows whether they are.
        """
        # Looked up each time: it may have been dropped while this one waited.
        while not self._closed(state := self._sites.setdefault(site, _Site())):
            if not state.pending:
                self._probe(site, state)
                break
            await state.settled.wait()
        state.pending += 1
        cost = self._config.task_cost
        if self.shared is None:
            return TaskReservation(self, site, cost)
        try:
            return TaskReservation(self, site, cost, await self.shared.reserve(site))
        except BaseException:
            self.settle(site, "void")
            raise

    def cooldown_end(self, site: str) -> float:
        """Return when the next task of *site* is tried, by the clock of the crawl."""
        shared = self.shared.cooldown_end(site) if self.shared else 0.0
        state = self._sites.get(site)
        if state is None:
            return shared
        return max(shared, state.failed_at + self._config.cooldown)

    def cooldown_left(self, site: str) -> float:
        """Return the seconds until then, or 0."""
        return max(0.0, self.cooldown_end(site) - self._now())

    def _closed(self, state: _Site) -> bool:
        return self._limits.admits(
            state.failures, state.pending, accepted=state.accepted
        )

    def _probe(self, site: str, state: _Site) -> None:
        now = self._now()
        left = state.failed_at + self._config.cooldown - now
        if left > 0:
            raise CircuitOpen(
                f"{site} failed {counted(state.failures, 'task')} in a row "
                f"(ONECAPTCHA_MAX_FAILURES): the next one is tried in {left:.0f} s"
            )

    def spend(self, site: str) -> None:
        """Count one task of *site*; by `TaskReservation.spend`.

        Raises:
            BudgetExceeded: the crawl or the site has none left.
        """
        limit, site_limit = self._config.max_tasks, self._config.max_tasks_per_site
        if limit and self.tasks >= limit:
            raise BudgetExceeded(
                f"ONECAPTCHA_MAX_TASKS: {counted(limit, 'task')} spent, none left"
            )
        if site_limit and self._tasks.of(site) >= site_limit:
            raise BudgetExceeded(
                f"ONECAPTCHA_MAX_TASKS_PER_SITE: {counted(site_limit, 'task')} of "
                f"{site} spent, none left"
            )
        self._tasks.add(site)

    def refund(self, site: str) -> None:
        """Take one task of *site* back; by `TaskReservation.refund`."""
        self._tasks.take_back(site)

    def settle(self, site: str, verdict: Verdict) -> None:
        """Count the verdict on one task of *site*; by `TaskReservation.settle`."""
        state = self._sites[site]
        state.pending -= 1
        if verdict == "accepted":
            state.accepted = True
            state.failures = 0
        elif verdict == "failed":
            state.failures += 1
            state.failed_at = self._now()
        if state == _Site():
            # Nothing is known of it: so memory grows no faster than the bill.
            del self._sites[site]
        state.settled.wake()
        self._settled.wake()
