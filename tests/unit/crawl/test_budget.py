"""The crawl's rules on money: attempts, budget, circuit breaker."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from scrapy_onecaptcha.crawl.budget import PageAttempts, Policy, TaskReservation
from scrapy_onecaptcha.crawl.shutdown import CrawlClosing
from scrapy_onecaptcha.exceptions import (
    AttemptsExhausted,
    BudgetExceeded,
    CircuitOpen,
    PolicyError,
    SolveTimeout,
    TaskFailed,
)
from scrapy_onecaptcha.models import Solution
from scrapy_onecaptcha.report.journal import Journal, Subject
from scrapy_onecaptcha.report.ledger import Fault, Ledger, read
from tests.unit.helpers import OTHER_SITE, SITE, Run, configure

if TYPE_CHECKING:
    from pathlib import Path

COOLDOWN = 600.0


class Rules:
    """A policy in virtual time."""

    def __init__(self, **values: Any) -> None:
        self.clock = Clock()
        self.policy = Policy(configure(**values), self.clock.seconds)

    def reserve(self, site: str = SITE) -> Run[TaskReservation]:
        return Run(self.policy.reserve(site))

    def task(
        self, site: str = SITE, attempts: PageAttempts | None = None
    ) -> TaskReservation:
        """Reserve and spend one task that nothing holds back."""
        reservation = self.reserve(site).value
        reservation.spend(attempts or PageAttempts("page", 1000))
        return reservation

    def fail(self, count: int, site: str = SITE) -> None:
        for _ in range(count):
            self.task(site).settle("failed")

    def accept(self, site: str = SITE) -> None:
        self.task(site).settle("accepted")


def trusting(**values: Any) -> Rules:
    """Rules whose breaker is out of the way."""
    return Rules(max_failures=10_000, **values)


# Budget


def test_the_budget_holds_with_all_tasks_in_flight() -> None:
    rules = trusting(max_tasks=7)
    reservations = [rules.task() for _ in range(7)]
    assert (rules.policy.tasks, rules.policy.exhausted) == (7, True)
    with pytest.raises(BudgetExceeded, match="ONECAPTCHA_MAX_TASKS: 7 tasks spent"):
        rules.task()
    assert rules.policy.tasks == 7
    for reservation in reservations:
        reservation.settle("accepted")
    with pytest.raises(BudgetExceeded):
        rules.task(OTHER_SITE)


def test_without_a_budget_nothing_is_exhausted() -> None:
    rules = trusting()
    for _ in range(100):
        rules.task()
    assert not rules.policy.exhausted


def test_a_reserved_task_is_not_counted_before_it_is_spent() -> None:
    rules = trusting(max_tasks=1)
    reservations = [rules.reserve().value for _ in range(3)]
    assert rules.policy.tasks == 0
    reservations[0].spend(PageAttempts("page", 3))
    with pytest.raises(BudgetExceeded):
        reservations[1].spend(PageAttempts("page", 3))
    assert (reservations[0].spent, reservations[1].spent) == (True, False)


def test_the_budget_of_a_site_is_its_own() -> None:
    rules = trusting(max_tasks_per_site=2)
    rules.task()
    rules.task()
    with pytest.raises(BudgetExceeded, match=f"PER_SITE: 2 tasks of {SITE}"):
        rules.task()
    rules.task(OTHER_SITE)
    assert rules.policy.tasks == 3
    assert not rules.policy.exhausted


def test_both_budgets_hold() -> None:
    rules = trusting(max_tasks=3, max_tasks_per_site=2)
    rules.task()
    rules.task()
    rules.task(OTHER_SITE)
    with pytest.raises(BudgetExceeded, match="ONECAPTCHA_MAX_TASKS:"):
        rules.task(OTHER_SITE)


@pytest.mark.parametrize("budget", ["max_tasks", "max_tasks_per_site"])
def test_a_refund_frees_the_budget_once(budget: str) -> None:
    rules = trusting(**{budget: 2})
    reservation = rules.task()
    rules.task()
    reservation.refund()
    reservation.refund()
    assert rules.policy.tasks == 1
    assert not reservation.spent
    rules.task()
    with pytest.raises(BudgetExceeded):
        rules.task()


def test_a_refund_of_what_was_not_spent_gives_nothing() -> None:
    rules = trusting(max_tasks=1)
    reservation = rules.reserve().value
    rules.task()
    reservation.refund()
    assert rules.policy.tasks == 1


def test_a_task_that_is_refused_for_the_budget_costs_no_attempt() -> None:
    rules = trusting(max_tasks=1)
    attempts = PageAttempts("page", 5)
    rules.task(attempts=attempts)
    with pytest.raises(BudgetExceeded):
        rules.task(attempts=attempts)
    assert attempts.spent == 1


# Attempts


def test_a_page_has_so_many_attempts() -> None:
    rules = trusting()
    attempts, other = (
        PageAttempts("https://shop.example/7", 3),
        PageAttempts("other", 3),
    )
    for _ in range(3):
        attempts.check()
        rules.task(attempts=attempts)
    with pytest.raises(AttemptsExhausted, match=r"shop.example/7 .* 3 tasks"):
        attempts.check()
    with pytest.raises(AttemptsExhausted):
        rules.task(attempts=attempts)
    assert rules.policy.tasks == 3
    rules.task(attempts=other)


def test_a_refund_gives_the_attempt_back() -> None:
    rules = trusting()
    attempts = PageAttempts("page", 1)
    rules.task(attempts=attempts).refund()
    attempts.check()
    rules.task(attempts=attempts)
    with pytest.raises(AttemptsExhausted):
        attempts.check()


# The breaker, before a site has accepted a token


def test_no_more_tasks_without_a_verdict_than_failures_are_allowed() -> None:
    rules = Rules(max_failures=5)
    for _ in range(5):
        rules.task()
    sixth = rules.reserve()
    assert not sixth.done
    assert rules.policy.tasks == 5


def test_failures_and_tasks_without_a_verdict_count_together() -> None:
    rules = Rules(max_failures=5)
    rules.fail(3)
    rules.task()
    rules.task()
    assert not rules.reserve().done


def test_it_waits_for_a_verdict_and_goes_on_where_that_is_good() -> None:
    rules = Rules(max_failures=2)
    reservations = [rules.task(), rules.task()]
    waiting = [rules.reserve() for _ in range(3)]
    reservations[0].settle("accepted")
    assert all(run.value for run in waiting)


def test_it_waits_for_a_verdict_and_fails_where_that_is_bad() -> None:
    rules = Rules(max_failures=2)
    reservations = [rules.task(), rules.task()]
    waiting = [rules.reserve() for _ in range(3)]
    reservations[0].settle("failed")
    assert not any(run.done for run in waiting)
    reservations[1].settle("failed")
    assert [type(run.error) for run in waiting] == [CircuitOpen] * 3


@pytest.mark.parametrize("void", ["void", "refund", "unspent"])
def test_a_task_that_told_nothing_lets_one_other_in(void: str) -> None:
    rules = Rules(max_failures=2)
    reservation = rules.reserve().value
    rules.task()
    waiting = [rules.reserve() for _ in range(3)]
    if void != "unspent":
        reservation.spend(PageAttempts("page", 3))
    if void == "refund":
        reservation.refund()
    else:
        reservation.settle("void" if void == "void" else "failed")
    assert [run.done for run in waiting] == [True, False, False]


def test_those_who_wait_go_in_turn() -> None:
    rules = Rules(max_failures=1)
    reservation = rules.task()
    waiting = [rules.reserve() for _ in range(3)]
    for count in range(3):
        reservation.settle("void")
        assert [run.done for run in waiting] == [n <= count for n in range(3)]
        reservation = waiting[count].value


def test_a_row_of_failures_opens_it() -> None:
    rules = Rules(max_failures=5)
    rules.fail(4)
    rules.reserve().value.settle("void")
    rules.fail(1)
    error = rules.reserve().error
    assert isinstance(error, CircuitOpen)
    assert isinstance(error, PolicyError)
    assert SITE in str(error)
    assert "5 tasks in a row" in str(error)
    assert "600 s" in str(error)
    assert rules.policy.tasks == 5


def test_another_site_has_a_breaker_of_its_own() -> None:
    rules = Rules(max_failures=1)
    rules.fail(1)
    assert rules.reserve().failed
    rules.fail(1, OTHER_SITE)


def test_open_it_fails_at_once_until_the_cooldown_is_over() -> None:
    rules = Rules(max_failures=2, cooldown=COOLDOWN)
    rules.fail(1)
    rules.clock.advance(100)
    rules.fail(1)
    rules.clock.advance(COOLDOWN - 1)
    assert isinstance(rules.reserve().error, CircuitOpen)
    rules.clock.advance(1)
    assert rules.reserve().done


def opened() -> Rules:
    rules = Rules(max_failures=3, cooldown=COOLDOWN)
    rules.fail(3)
    rules.clock.advance(COOLDOWN)
    return rules


def test_after_the_cooldown_one_probe_goes() -> None:
    rules = opened()
    probe, *others = [rules.reserve() for _ in range(4)]
    assert probe.value
    assert not any(run.done for run in others)
    probe.value.spend(PageAttempts("page", 3))
    probe.value.settle("failed")
    assert [type(run.error) for run in others] == [CircuitOpen] * 3
    assert isinstance(rules.reserve().error, CircuitOpen)
    rules.clock.advance(COOLDOWN)
    assert rules.reserve().value


def test_a_probe_that_is_accepted_closes_it() -> None:
    rules = opened()
    probe, *others = [rules.reserve() for _ in range(4)]
    probe.value.spend(PageAttempts("page", 3))
    probe.value.settle("accepted")
    assert all(run.value for run in others)
    for run in others:
        run.value.spend(PageAttempts("page", 3))
        run.value.settle("failed")
    assert rules.reserve().value


def test_a_probe_that_told_nothing_is_followed_by_another() -> None:
    rules = opened()
    probe, *others = [rules.reserve() for _ in range(4)]
    probe.value.spend(PageAttempts("page", 3))
    probe.value.refund()
    assert [run.done for run in others] == [True, False, False]


def test_a_wait_that_is_cancelled_holds_nobody_up() -> None:
    rules = Rules(max_failures=1)
    reservation = rules.task()
    first, second, third = (rules.reserve() for _ in range(3))
    first.cancel()
    assert isinstance(first.error, CancelledError)
    reservation.settle("void")
    assert second.value
    assert not third.done
    second.value.settle("void")
    assert third.value


# The breaker, afterwards


def test_a_site_that_has_accepted_a_token_may_have_any_number_under_way() -> None:
    rules = Rules(max_failures=5)
    rules.accept()
    for _ in range(100):
        rules.task()


def test_after_the_first_acceptance_four_times_as_many_failures_open_it() -> None:
    rules = Rules(max_failures=5)
    rules.accept()
    rules.fail(20)
    assert isinstance(rules.reserve().error, CircuitOpen)


def test_only_failures_in_a_row_count() -> None:
    rules = Rules(max_failures=5)
    rules.fail(4)
    rules.accept()
    for _ in range(3):
        rules.fail(19)
        rules.accept()


def test_a_trusted_site_waits_too_once_its_limit_is_reached() -> None:
    rules = Rules(max_failures=1, cooldown=COOLDOWN)
    rules.accept()
    under_way = rules.task()
    rules.fail(4)
    waiting = rules.reserve()
    assert not waiting.done
    under_way.settle("failed")
    assert isinstance(waiting.error, CircuitOpen)


def test_a_trusted_site_is_probed_one_by_one_too() -> None:
    rules = Rules(max_failures=1, cooldown=COOLDOWN)
    rules.accept()
    rules.fail(4)
    rules.clock.advance(COOLDOWN)
    probe, other = rules.reserve(), rules.reserve()
    assert (probe.done, other.done) == (True, False)


@pytest.mark.parametrize("at_once", [1, 16])
def test_a_site_that_accepts_three_of_ten_is_not_cut_off(at_once: int) -> None:
    cut_off = 0
    for seed in range(50):
        dice = random.Random(seed)
        rules = Rules(max_failures=5)
        rules.accept()
        try:
            for _ in range(100 // at_once):
                for reservation in [rules.task() for _ in range(at_once)]:
                    reservation.settle("accepted" if dice.random() < 0.3 else "failed")
        except CircuitOpen:
            cut_off += 1
    assert cut_off <= 3


def test_a_site_that_refuses_all_costs_no_more_whatever_its_pages() -> None:
    rules = Rules(max_failures=5)
    pages = [rules.reserve() for _ in range(200)]
    for page in pages:
        if page.done and not page.failed:
            page.value.spend(PageAttempts("page", 3))
            page.value.settle("failed")
    assert rules.policy.tasks == 5
    assert sum(page.failed for page in pages) == 195


# A reservation


def test_only_the_first_verdict_counts() -> None:
    rules = Rules(max_failures=2)
    reservation = rules.task()
    reservation.settle("failed")
    reservation.settle("failed")
    reservation.settle("accepted")
    rules.fail(1)
    assert rules.reserve().failed


def test_nothing_is_learnt_where_nothing_was_spent() -> None:
    rules = Rules(max_failures=1)
    rules.reserve().value.settle("failed")
    rules.reserve().value.settle("accepted")
    rules.fail(1)
    assert rules.reserve().failed


def test_a_unit_ends_as_failed_unless_something_else_was_said() -> None:
    rules = Rules(max_failures=2)
    with rules.task():
        pass
    with rules.task() as reservation:
        reservation.settle("void")
    with pytest.raises(ZeroDivisionError), rules.task():
        raise ZeroDivisionError
    assert rules.reserve().failed


# Whatever the order


OPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "spend", "fail", "refund", "cancel", "exit"]),
        st.integers(0, 1000),
    ),
    max_size=80,
)


class Schedule:
    """Does to a policy what it is told, in any order."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.waiting: list[Run[TaskReservation]] = []
        self.reservations: list[TaskReservation] = []
        self.tasks_seen = 0

    def do(self, op: str, number: int, site: str = SITE) -> None:
        if op == "reserve":
            self.waiting.append(self.rules.reserve(site))
        elif op == "cancel" and self.waiting:
            self.waiting.pop(number % len(self.waiting)).cancel()
        elif self.reservations:
            self.on_unit(op, self.reservations[number % len(self.reservations)])
        self.reservations += [
            run.value for run in self.waiting if run.done and not run.failed
        ]
        self.waiting = [run for run in self.waiting if not run.done]

    def on_unit(self, op: str, reservation: TaskReservation) -> None:
        if op == "spend" and not reservation.spent:
            try:
                reservation.spend(PageAttempts("page", 1))
            except BudgetExceeded:
                reservation.settle("failed")
        elif op == "refund":
            reservation.refund()
        elif op == "exit":
            reservation.__exit__(None, None, None)
        elif op in ("failed", "accepted", "void"):
            reservation.settle(op)  # type: ignore[arg-type]
        elif op == "fail":
            reservation.settle("failed")
        else:
            return
        if op != "spend" or not reservation.spent:
            self.reservations.remove(reservation)

    def finish(self) -> None:
        while self.reservations:
            self.do("fail", 0)


@settings(derandomize=True, max_examples=150)
@given(ops=OPS, limit=st.integers(1, 4))
def test_a_site_that_accepts_nothing_costs_no_more_than_its_failures(
    ops: list[tuple[str, int]], limit: int
) -> None:
    schedule = Schedule(Rules(max_failures=limit))
    for op, number in ops:
        schedule.do(op, number)
        assert schedule.rules.policy.tasks <= limit
    schedule.finish()
    assert not schedule.waiting


MIXED = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "reserve",
                "reserve",
                "spend",
                "spend",
                "failed",
                "accepted",
                "void",
                "refund",
                "cancel",
                "exit",
            ]
        ),
        st.integers(0, 1000),
        st.sampled_from([SITE, OTHER_SITE]),
    ),
    max_size=120,
)


@settings(derandomize=True, max_examples=150)
@given(ops=MIXED, cap=st.integers(1, 6), site_cap=st.integers(1, 4))
def test_the_budget_holds_and_nobody_waits_for_ever(
    ops: list[tuple[str, int, str]], cap: int, site_cap: int
) -> None:
    rules = Rules(max_failures=2, max_tasks=cap, max_tasks_per_site=site_cap)
    schedule = Schedule(rules)
    for op, number, site in ops:
        schedule.do(op, number, site)
        assert 0 <= rules.policy.tasks <= min(cap, 2 * site_cap)
    schedule.finish()
    assert not schedule.waiting


# Sites without end


def test_a_site_that_cost_nothing_is_not_kept() -> None:
    rules = Rules(max_tasks=1)
    for number in range(10):
        site = f"https://a{number}.shop.example"
        rules.reserve(site).value.settle("failed")  # there was no task
        rules.reserve(site).value.refund()
        reservation = rules.reserve(site).value
        if number:
            with pytest.raises(BudgetExceeded):
                reservation.spend(PageAttempts("page", 3))
        else:
            reservation.spend(PageAttempts("page", 3))
        reservation.settle("failed")
    assert list(rules.policy._sites) == ["https://a0.shop.example"]


def test_a_site_that_others_wait_for_is_kept() -> None:
    rules = Rules(max_failures=1)
    first, second = rules.reserve().value, rules.reserve()
    assert not second.done
    first.settle("void")
    reservation = second.value
    reservation.spend(PageAttempts("page", 3))
    reservation.settle("failed")
    with pytest.raises(CircuitOpen):
        _ = rules.reserve().value


def test_a_site_is_kept_for_whoever_waits_behind_one_that_gave_up_at_once() -> None:
    rules = Rules(max_failures=1)
    first = rules.reserve().value

    async def give_up() -> None:
        (await rules.policy.reserve(SITE)).settle("void")

    quitting, last = Run(give_up()), rules.reserve()
    first.settle("void")
    assert quitting.done
    last.value.spend(PageAttempts("page", 3))
    last.value.settle("failed")
    with pytest.raises(CircuitOpen):
        _ = rules.reserve().value


# The journal


def journalled(path: Path, **values: Any) -> tuple[Rules, PageAttempts, Journal]:
    """Return rules whose tasks are written down."""
    rules = trusting(**values)
    journal = Journal(
        run="r",
        spider="s",
        secret=b"s",
        now=rules.clock.seconds,
        today=rules.clock.seconds,
        ledger=Ledger(path),
    )
    attempts = PageAttempts("page", 3, journal)
    attempts.subject = Subject(site=SITE, sitekey="k", session=SITE)
    return rules, attempts, journal


def outcomes(path: Path) -> list[tuple[str, str, float, int]]:
    faults: list[Fault] = []
    lines = list(read([path], faults.append))
    assert faults == []
    return [(each.outcome, each.code, each.points, each.attempt) for each in lines]


@pytest.mark.parametrize(
    ("end", "line"),
    [
        (
            lambda reservation: reservation.settle("accepted", "accepted"),
            ("accepted", "", 7),
        ),
        (lambda reservation: reservation.settle("void", "unused"), ("unused", "", 7)),
        (
            lambda reservation: reservation.settle("failed", "rejected"),
            ("rejected", "", 7),
        ),
        (lambda reservation: reservation.abandoned(), ("abandoned", "", 7)),
        (
            lambda reservation: reservation.failed(SolveTimeout("slow"), charged=True),
            ("failed", "timeout", 7),
        ),
        (
            lambda reservation: reservation.failed(
                TaskFailed(code="ERROR_X"), charged=False
            ),
            ("failed", "ERROR_X", 0),
        ),
    ],
)
def test_a_task_is_written_down(
    tmp_path: Path, end: Any, line: tuple[str, str, float]
) -> None:
    path = tmp_path / "ledger"
    rules, attempts, _ = journalled(path)
    reservation = rules.task(attempts=attempts)
    reservation.created("task-1", "HCaptchaTask")
    assert outcomes(path) == []
    end(reservation)
    reservation.settle("void")
    reservation.settle("failed", "rejected")
    assert outcomes(path) == [(*line, 1)]


def test_what_a_token_cost_is_what_the_service_says(tmp_path: Path) -> None:
    rules, attempts, _ = journalled(tmp_path / "ledger", task_cost=7)
    for cost in (None, 0.0, 9.5):
        reservation = rules.task(attempts=attempts)
        reservation.created("task", "HCaptchaTask")
        reservation.solved(Solution(token="P1", cost=cost))
        reservation.settle("accepted", "accepted")
    assert [points for _, _, points, _ in outcomes(tmp_path / "ledger")] == [7, 0, 9.5]


def test_a_task_that_is_given_back_is_not_written_down(tmp_path: Path) -> None:
    rules, attempts, journal = journalled(tmp_path / "ledger")
    reservation = rules.task(attempts=attempts)
    reservation.refund()
    reservation.failed(TaskFailed(), charged=True)
    journal.close()
    assert outcomes(tmp_path / "ledger") == []
    assert attempts.spent == 0


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (CrawlClosing(), ("abandoned", "")),
        (OSError("no route"), ("failed", "error")),
        (None, ("failed", "error")),
    ],
)
def test_a_token_whose_use_is_cut_short(
    tmp_path: Path, error: Exception | None, line: tuple[str, str]
) -> None:
    rules, attempts, _ = journalled(tmp_path / "ledger")
    with suppress(CrawlClosing, OSError), rules.task(attempts=attempts):
        if error is not None:
            raise error
    assert [each[:2] for each in outcomes(tmp_path / "ledger")] == [line]


def test_each_task_of_a_page_has_its_number(tmp_path: Path) -> None:
    rules, attempts, _ = journalled(tmp_path / "ledger")
    for _ in range(3):
        rules.task(attempts=attempts).settle("failed", "rejected")
    assert [attempt for *_, attempt in outcomes(tmp_path / "ledger")] == [1, 2, 3]


def test_without_a_subject_nothing_is_written(tmp_path: Path) -> None:
    rules, attempts, _ = journalled(tmp_path / "ledger")
    attempts.subject = None
    reservation = rules.task(attempts=attempts)
    reservation.created("task", "HCaptchaTask")
    reservation.solved(Solution(token="P1"))
    reservation.abandoned()
    reservation.failed(TaskFailed(), charged=True)
    assert reservation.entry is None
    assert outcomes(tmp_path / "ledger") == []
