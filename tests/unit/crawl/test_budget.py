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

from scrapy_onecaptcha.crawl.budget import Allowance, Policy, Unit
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

    def reserve(self, site: str = SITE) -> Run[Unit]:
        return Run(self.policy.reserve(site))

    def task(self, site: str = SITE, allowance: Allowance | None = None) -> Unit:
        """Reserve and spend one task that nothing holds back."""
        unit = self.reserve(site).value
        unit.spend(allowance or Allowance("page", 1000))
        return unit

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
    units = [rules.task() for _ in range(7)]
    assert (rules.policy.tasks, rules.policy.exhausted) == (7, True)
    with pytest.raises(BudgetExceeded, match="ONECAPTCHA_MAX_TASKS: all 7"):
        rules.task()
    assert rules.policy.tasks == 7
    for unit in units:
        unit.settle("accepted")
    with pytest.raises(BudgetExceeded):
        rules.task(OTHER_SITE)


def test_without_a_budget_nothing_is_exhausted() -> None:
    rules = trusting()
    for _ in range(100):
        rules.task()
    assert not rules.policy.exhausted


def test_a_reserved_task_is_not_counted_before_it_is_spent() -> None:
    rules = trusting(max_tasks=1)
    units = [rules.reserve().value for _ in range(3)]
    assert rules.policy.tasks == 0
    units[0].spend(Allowance("page", 3))
    with pytest.raises(BudgetExceeded):
        units[1].spend(Allowance("page", 3))
    assert (units[0].spent, units[1].spent) == (True, False)


def test_the_budget_of_a_site_is_its_own() -> None:
    rules = trusting(max_tasks_per_site=2)
    rules.task()
    rules.task()
    with pytest.raises(BudgetExceeded, match=f"PER_SITE: all 2 tasks of {SITE}"):
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
    unit = rules.task()
    rules.task()
    unit.refund()
    unit.refund()
    assert rules.policy.tasks == 1
    assert not unit.spent
    rules.task()
    with pytest.raises(BudgetExceeded):
        rules.task()


def test_a_refund_of_what_was_not_spent_gives_nothing() -> None:
    rules = trusting(max_tasks=1)
    unit = rules.reserve().value
    rules.task()
    unit.refund()
    assert rules.policy.tasks == 1


def test_a_task_that_is_refused_for_the_budget_costs_no_attempt() -> None:
    rules = trusting(max_tasks=1)
    allowance = Allowance("page", 5)
    rules.task(allowance=allowance)
    with pytest.raises(BudgetExceeded):
        rules.task(allowance=allowance)
    assert allowance.spent == 1


# Attempts


def test_a_page_has_so_many_attempts() -> None:
    rules = trusting()
    allowance, other = Allowance("https://shop.example/7", 3), Allowance("other", 3)
    for _ in range(3):
        allowance.check()
        rules.task(allowance=allowance)
    with pytest.raises(AttemptsExhausted, match=r"shop.example/7 .* 3 tasks"):
        allowance.check()
    with pytest.raises(AttemptsExhausted):
        rules.task(allowance=allowance)
    assert rules.policy.tasks == 3
    rules.task(allowance=other)


def test_a_refund_gives_the_attempt_back() -> None:
    rules = trusting()
    allowance = Allowance("page", 1)
    rules.task(allowance=allowance).refund()
    allowance.check()
    rules.task(allowance=allowance)
    with pytest.raises(AttemptsExhausted):
        allowance.check()


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
    units = [rules.task(), rules.task()]
    waiting = [rules.reserve() for _ in range(3)]
    units[0].settle("accepted")
    assert all(run.value for run in waiting)


def test_it_waits_for_a_verdict_and_fails_where_that_is_bad() -> None:
    rules = Rules(max_failures=2)
    units = [rules.task(), rules.task()]
    waiting = [rules.reserve() for _ in range(3)]
    units[0].settle("failed")
    assert not any(run.done for run in waiting)
    units[1].settle("failed")
    assert [type(run.error) for run in waiting] == [CircuitOpen] * 3


@pytest.mark.parametrize("void", ["void", "refund", "unspent"])
def test_a_task_that_told_nothing_lets_one_other_in(void: str) -> None:
    rules = Rules(max_failures=2)
    unit = rules.reserve().value
    rules.task()
    waiting = [rules.reserve() for _ in range(3)]
    if void != "unspent":
        unit.spend(Allowance("page", 3))
    if void == "refund":
        unit.refund()
    else:
        unit.settle("void" if void == "void" else "failed")
    assert [run.done for run in waiting] == [True, False, False]


def test_those_who_wait_go_in_turn() -> None:
    rules = Rules(max_failures=1)
    unit = rules.task()
    waiting = [rules.reserve() for _ in range(3)]
    for count in range(3):
        unit.settle("void")
        assert [run.done for run in waiting] == [n <= count for n in range(3)]
        unit = waiting[count].value


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
    probe.value.spend(Allowance("page", 3))
    probe.value.settle("failed")
    assert [type(run.error) for run in others] == [CircuitOpen] * 3
    assert isinstance(rules.reserve().error, CircuitOpen)
    rules.clock.advance(COOLDOWN)
    assert rules.reserve().value


def test_a_probe_that_is_accepted_closes_it() -> None:
    rules = opened()
    probe, *others = [rules.reserve() for _ in range(4)]
    probe.value.spend(Allowance("page", 3))
    probe.value.settle("accepted")
    assert all(run.value for run in others)
    for run in others:
        run.value.spend(Allowance("page", 3))
        run.value.settle("failed")
    assert rules.reserve().value


def test_a_probe_that_told_nothing_is_followed_by_another() -> None:
    rules = opened()
    probe, *others = [rules.reserve() for _ in range(4)]
    probe.value.spend(Allowance("page", 3))
    probe.value.refund()
    assert [run.done for run in others] == [True, False, False]


def test_a_wait_that_is_cancelled_holds_nobody_up() -> None:
    rules = Rules(max_failures=1)
    unit = rules.task()
    first, second, third = (rules.reserve() for _ in range(3))
    first.cancel()
    assert isinstance(first.error, CancelledError)
    unit.settle("void")
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
                for unit in [rules.task() for _ in range(at_once)]:
                    unit.settle("accepted" if dice.random() < 0.3 else "failed")
        except CircuitOpen:
            cut_off += 1
    assert cut_off <= 3


def test_a_site_that_refuses_all_costs_no_more_whatever_its_pages() -> None:
    rules = Rules(max_failures=5)
    pages = [rules.reserve() for _ in range(200)]
    for page in pages:
        if page.done and not page.failed:
            page.value.spend(Allowance("page", 3))
            page.value.settle("failed")
    assert rules.policy.tasks == 5
    assert sum(page.failed for page in pages) == 195


# A unit


def test_only_the_first_verdict_counts() -> None:
    rules = Rules(max_failures=2)
    unit = rules.task()
    unit.settle("failed")
    unit.settle("failed")
    unit.settle("accepted")
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
    with rules.task() as unit:
        unit.settle("void")
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
        self.waiting: list[Run[Unit]] = []
        self.units: list[Unit] = []
        self.tasks_seen = 0

    def do(self, op: str, number: int, site: str = SITE) -> None:
        if op == "reserve":
            self.waiting.append(self.rules.reserve(site))
        elif op == "cancel" and self.waiting:
            self.waiting.pop(number % len(self.waiting)).cancel()
        elif self.units:
            self.on_unit(op, self.units[number % len(self.units)])
        self.units += [run.value for run in self.waiting if run.done and not run.failed]
        self.waiting = [run for run in self.waiting if not run.done]

    def on_unit(self, op: str, unit: Unit) -> None:
        if op == "spend" and not unit.spent:
            try:
                unit.spend(Allowance("page", 1))
            except BudgetExceeded:
                unit.settle("failed")
        elif op == "refund":
            unit.refund()
        elif op == "exit":
            unit.__exit__(None, None, None)
        elif op in ("failed", "accepted", "void"):
            unit.settle(op)  # type: ignore[arg-type]
        elif op == "fail":
            unit.settle("failed")
        else:
            return
        if op != "spend" or not unit.spent:
            self.units.remove(unit)

    def finish(self) -> None:
        while self.units:
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
        unit = rules.reserve(site).value
        if number:
            with pytest.raises(BudgetExceeded):
                unit.spend(Allowance("page", 3))
        else:
            unit.spend(Allowance("page", 3))
        unit.settle("failed")
    assert list(rules.policy._sites) == ["https://a0.shop.example"]


def test_a_site_that_others_wait_for_is_kept() -> None:
    rules = Rules(max_failures=1)
    first, second = rules.reserve().value, rules.reserve()
    assert not second.done
    first.settle("void")
    unit = second.value
    unit.spend(Allowance("page", 3))
    unit.settle("failed")
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
    last.value.spend(Allowance("page", 3))
    last.value.settle("failed")
    with pytest.raises(CircuitOpen):
        _ = rules.reserve().value


# The journal


def journalled(path: Path, **values: Any) -> tuple[Rules, Allowance, Journal]:
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
    allowance = Allowance("page", 3, journal)
    allowance.subject = Subject(site=SITE, sitekey="k", session=SITE)
    return rules, allowance, journal


def outcomes(path: Path) -> list[tuple[str, str, float, int]]:
    faults: list[Fault] = []
    lines = list(read([path], faults.append))
    assert faults == []
    return [(each.outcome, each.code, each.points, each.attempt) for each in lines]


@pytest.mark.parametrize(
    ("end", "line"),
    [
        (lambda unit: unit.settle("accepted", "accepted"), ("accepted", "", 7)),
        (lambda unit: unit.settle("void", "unused"), ("unused", "", 7)),
        (lambda unit: unit.settle("failed", "rejected"), ("rejected", "", 7)),
        (lambda unit: unit.abandoned(), ("abandoned", "", 7)),
        (
            lambda unit: unit.failed(SolveTimeout("slow"), charged=True),
            ("failed", "timeout", 7),
        ),
        (
            lambda unit: unit.failed(TaskFailed(code="ERROR_X"), charged=False),
            ("failed", "ERROR_X", 0),
        ),
    ],
)
def test_a_task_is_written_down(
    tmp_path: Path, end: Any, line: tuple[str, str, float]
) -> None:
    path = tmp_path / "ledger"
    rules, allowance, _ = journalled(path)
    unit = rules.task(allowance=allowance)
    unit.created("task-1", "HCaptchaTask")
    assert outcomes(path) == []
    end(unit)
    unit.settle("void")
    unit.settle("failed", "rejected")
    assert outcomes(path) == [(*line, 1)]


def test_what_a_token_cost_is_what_the_service_says(tmp_path: Path) -> None:
    rules, allowance, _ = journalled(tmp_path / "ledger", task_cost=7)
    for cost in (None, 0.0, 9.5):
        unit = rules.task(allowance=allowance)
        unit.created("task", "HCaptchaTask")
        unit.solved(Solution(token="P1", cost=cost))
        unit.settle("accepted", "accepted")
    assert [points for _, _, points, _ in outcomes(tmp_path / "ledger")] == [7, 0, 9.5]


def test_a_task_that_is_given_back_is_not_written_down(tmp_path: Path) -> None:
    rules, allowance, journal = journalled(tmp_path / "ledger")
    unit = rules.task(allowance=allowance)
    unit.refund()
    unit.failed(TaskFailed(), charged=True)
    journal.close()
    assert outcomes(tmp_path / "ledger") == []
    assert allowance.spent == 0


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
    rules, allowance, _ = journalled(tmp_path / "ledger")
    with suppress(CrawlClosing, OSError), rules.task(allowance=allowance):
        if error is not None:
            raise error
    assert [each[:2] for each in outcomes(tmp_path / "ledger")] == [line]


def test_each_task_of_a_page_has_its_number(tmp_path: Path) -> None:
    rules, allowance, _ = journalled(tmp_path / "ledger")
    for _ in range(3):
        rules.task(allowance=allowance).settle("failed", "rejected")
    assert [attempt for *_, attempt in outcomes(tmp_path / "ledger")] == [1, 2, 3]


def test_without_a_subject_nothing_is_written(tmp_path: Path) -> None:
    rules, allowance, _ = journalled(tmp_path / "ledger")
    allowance.subject = None
    unit = rules.task(allowance=allowance)
    unit.created("task", "HCaptchaTask")
    unit.solved(Solution(token="P1"))
    unit.abandoned()
    unit.failed(TaskFailed(), charged=True)
    assert unit.entry is None
    assert outcomes(tmp_path / "ledger") == []
