"""Tasks that are counted for all processes, and what these tell each other."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from scrapy_onecaptcha.crawl.budget import PageAttempts, Policy
from scrapy_onecaptcha.crawl.shared_budget import SharedBudget
from scrapy_onecaptcha.exceptions import (
    AccountError,
    BlockedError,
    BudgetExceeded,
    CircuitOpen,
    TaskFailed,
)
from scrapy_onecaptcha.stores.base import Limits, Reservation
from scrapy_onecaptcha.stores.memory import MemoryRows, MemoryStore
from tests.unit.helpers import SITE, Run, advance, configure

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.exceptions import ServiceError
    from scrapy_onecaptcha.stores.rules import Rules


class Health:
    def __init__(self) -> None:
        self.heard: list[ServiceError] = []
        self.share: Callable[[ServiceError], None] | None = None

    def hear(self, error: ServiceError) -> None:
        self.heard.append(error)


class Slow(MemoryStore):
    """A store whose calls can be held up."""

    gate: Deferred[None] | None = None

    def __init__(self, owner: str, limits: Limits, rows: MemoryRows) -> None:
        super().__init__(owner, limits, rows)
        self.asked: list[float] = []

    async def _run(self, call: Callable[[Rules], Any]) -> Any:
        self.asked.append(self._rows.now())
        if self.gate is not None:
            await self.gate
        return await super()._run(call)


class Stage:
    def __init__(self, **limits: Any) -> None:
        self.clock = Clock()
        self.limits = Limits(**limits)
        self.rows = MemoryRows(self.clock.seconds)
        self.store = Slow("one", self.limits, self.rows)
        self.other = MemoryStore("two", self.limits, self.rows)
        self.budget = self.process("one")
        self.health = Health()
        self.budget.listen(self.health)

    def process(self, run: str) -> SharedBudget:
        store = self.store if run == "one" else self.other
        return SharedBudget(store, self.clock, lambda: 0.5, run, "account")


def test_tasks_have_names_of_their_own() -> None:
    stage = Stage()
    names = {Run(stage.budget.reserve(SITE)).value.task for _ in range(3)}
    two = stage.process("two")
    names |= {Run(two.reserve(SITE)).value.task for _ in range(2)}
    assert len(names) == 5


def test_the_budget_is_spent() -> None:
    stage = Stage(max_tasks=1)
    reservation = Run(stage.budget.reserve(SITE)).value
    run = Run(stage.process("two").reserve(SITE))
    assert isinstance(run.error, BudgetExceeded)
    assert str(run.error) == "ONECAPTCHA_SHARED_MAX_TASKS: 1 task spent, none left"
    assert isinstance(Run(stage.budget.reserve(SITE)).error, BudgetExceeded)
    assert stage.budget.is_spent
    stage.budget.refund(reservation)
    assert Run(stage.budget.reserve(SITE)).value
    assert not stage.budget.is_spent


def test_a_breaker_that_is_open() -> None:
    stage = Stage(max_failures=1, cooldown=600)
    stage.budget.settle(Run(stage.budget.reserve(SITE)).value, "failed")
    advance(stage.clock, 100)
    assert isinstance(Run(stage.budget.reserve(SITE)).error, CircuitOpen)
    end = stage.clock.seconds() + 500
    assert stage.budget.cooldown_end(SITE) == pytest.approx(end)
    assert stage.budget.cooldown_end("https://other.example") == 0
    advance(stage.clock, 500)
    assert Run(stage.budget.reserve(SITE)).value


def test_a_task_waits_for_verdicts_of_others() -> None:
    stage = Stage(max_failures=1)
    other = stage.process("two")
    pending = Run(other.reserve(SITE)).value
    run = Run(stage.budget.reserve(SITE))
    advance(stage.clock, 30)
    assert not run.done
    other.settle(pending, "accepted")
    advance(stage.clock, 1)
    assert run.value


def test_who_waits_asks_twice_a_second_at_most_and_not_in_step() -> None:
    stage = Stage(max_failures=1)
    pending = Run(stage.process("two").reserve(SITE)).value
    dice = itertools.cycle((0.0, 0.2, 1.0))
    budget = SharedBudget(
        stage.store, stage.clock, lambda: next(dice), "one", "account"
    )
    run = Run(budget.reserve(SITE))
    stage.store.asked.clear()
    advance(stage.clock, 6)
    gaps = [b - a for a, b in itertools.pairwise(stage.store.asked)]
    assert gaps[:3] == pytest.approx([0.6, 1.0, 0.5], abs=0.02)
    assert min(gaps) >= 0.5
    stage.process("two").settle(pending, "accepted")
    advance(stage.clock, 1)
    assert run.value


def test_a_wait_that_is_cancelled_takes_nothing() -> None:
    stage = Stage(max_tasks=1)
    stage.store.gate = Deferred()
    run = Run(stage.budget.reserve(SITE))
    run.cancel()
    stage.store.gate = None
    assert Run(stage.budget.reserve(SITE)).value


def test_closing_waits_for_what_is_being_sent() -> None:
    stage = Stage(max_tasks=1)
    reservation = Run(stage.budget.reserve(SITE)).value
    gate: Deferred[None] = Deferred()
    stage.store.gate = gate
    stage.budget.refund(reservation)
    closing = Run(stage.budget.close())
    before = closing.done
    gate.callback(None)
    assert (before, closing.done) == (False, True)
    stage.store.gate = None
    assert Run(stage.other.reserve(Reservation(task="x", site=SITE))).value is None


# Facts


def refused() -> AccountError:
    return AccountError(
        "The account is empty.",
        code="ERROR_ZERO_POINT",
        description="points",
        answered=True,
    )


def test_an_account_that_is_refused_is_told() -> None:
    stage = Stage()
    two, health = stage.process("two"), Health()
    two.listen(health)
    assert stage.health.share is not None
    stage.health.share(refused())
    error = Run(two.reserve(SITE)).error
    assert isinstance(error, AccountError)
    assert str(error) == "Another process was told: The account is empty."
    assert (error.code, error.description) == ("ERROR_ZERO_POINT", "points")
    assert health.heard == [error]


def test_who_begins_after_that_asks_by_itself() -> None:
    stage = Stage()
    stage.budget.tell(refused())
    advance(stage.clock, 1)
    later = stage.process("two")
    advance(stage.clock, 1)
    assert Run(later.reserve(SITE)).value


def test_a_block_holds_for_all_until_it_ends() -> None:
    stage = Stage()
    block = BlockedError("blocked", answered=True)
    block.seconds = 60
    stage.budget.tell(block)
    advance(stage.clock, 20)
    error = Run(stage.process("two").reserve(SITE)).error
    assert isinstance(error, BlockedError)
    assert error.seconds == 40
    advance(stage.clock, 40)
    assert Run(stage.process("two").reserve(SITE)).value


def test_what_says_nothing_of_the_account_is_not_told() -> None:
    stage = Stage()
    stage.budget.tell(TaskFailed("no", answered=True))
    assert len(stage.rows) == 0


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "7", '["a"]'])
def test_a_fact_that_cannot_be_read_holds_still(text: str) -> None:
    stage = Stage()
    Run(stage.other.tell("blocked", "account", text, 60))
    assert isinstance(Run(stage.budget.reserve(SITE)).error, BlockedError)


# Behind the rules of one crawl


def policy(stage: Stage, **settings: Any) -> Policy:
    return Policy(configure(**settings), stage.clock.seconds, shared=stage.budget)


def test_a_policy_counts_for_all() -> None:
    stage = Stage(max_tasks=2)
    ours = policy(stage, max_tasks=9)
    reservation = Run(ours.reserve(SITE)).value
    reservation.spend(PageAttempts("page", 3))
    reservation.settle("accepted")
    spent = Run(ours.reserve(SITE)).value
    spent.spend(PageAttempts("page", 3))
    assert isinstance(Run(ours.reserve(SITE)).error, BudgetExceeded)
    assert ours.exhausted
    spent.refund()
    assert Run(ours.reserve(SITE)).value
    assert not ours.exhausted


def test_a_task_that_was_never_created_is_given_back() -> None:
    stage = Stage(max_tasks=1)
    ours = policy(stage)
    Run(ours.reserve(SITE)).value.settle("void")
    assert Run(ours.reserve(SITE)).value


def test_what_is_refused_leaves_nothing_pending() -> None:
    stage = Stage(max_tasks=1)
    ours = policy(stage, max_failures=1)
    reservation = Run(ours.reserve("https://other.example")).value
    assert isinstance(Run(ours.reserve(SITE)).error, BudgetExceeded)
    # Else this one would wait for its verdict.
    assert isinstance(Run(ours.reserve(SITE)).error, BudgetExceeded)
    reservation.settle("void")
    assert Run(ours.until_settled()).done


def test_the_longer_of_two_cool_downs_counts() -> None:
    stage = Stage(max_failures=1, cooldown=600)
    ours = policy(stage, cooldown=60)
    stage.budget.settle(Run(stage.budget.reserve(SITE)).value, "failed")
    assert isinstance(Run(ours.reserve(SITE)).error, CircuitOpen)
    assert ours.cooldown_left(SITE) == pytest.approx(600)
