"""What the faults of a store mean: in virtual time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from scrapy_onecaptcha.exceptions import StoreUnavailable
from scrapy_onecaptcha.stores.base import (
    LEASE_SECONDS,
    Busy,
    Clearance,
    Lease,
    Limits,
    Refusal,
    Reservation,
    StoreFault,
)
from scrapy_onecaptcha.stores.guard import REST_SECONDS, GuardedStore
from scrapy_onecaptcha.stores.memory import MemoryRows, MemoryStore
from tests.unit.helpers import Run, advance
from tests.unit.stores.worlds import OTHER, SESSION, SITE, SITEKEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.stores.rules import Rules

ONE, TWO, THREE = (Reservation(task=f"task-{n}", site=SITE) for n in (1, 2, 3))
EARNED = Clearance(user_agent="Mozilla/5.0")


class Shaky(MemoryStore):
    """A store that can be down."""

    def __init__(self, owner: str, limits: Limits, rows: MemoryRows) -> None:
        super().__init__(owner, limits, rows)
        self.is_down = False
        self.calls = 0

    async def _run(self, call: Callable[[Rules], Any]) -> Any:
        self.calls += 1
        if self.is_down:
            raise StoreFault("connection refused")
        return await super()._run(call)


class Stage:
    def __init__(self, *, on_fault: Any = "fail", max_tasks: int = 0) -> None:
        self.clock = Clock()
        limits = Limits(max_tasks=max_tasks)
        self.rows = MemoryRows(self.clock.seconds)
        self.shaky = Shaky("one", limits, self.rows)
        self.other = MemoryStore("two", limits, self.rows)
        self.local = MemoryStore("one", limits, MemoryRows(self.clock.seconds))
        self.store = GuardedStore(
            self.shaky, self.clock, 60, on_fault, self.local, lambda: 0.5
        )

    def down(self, *, down: bool = True) -> None:
        self.shaky.is_down = down

    def leased(self) -> Lease:
        lease = Run(self.store.take(SESSION, SITEKEY)).value
        assert isinstance(lease, Lease)
        return lease


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert {record.levelno for record in caplog.records} <= {logging.WARNING}
    return [record.getMessage() for record in caplog.records]


def test_while_it_answers_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    lease = stage.leased()
    assert Run(stage.store.renew(lease)).value is True
    assert Run(stage.store.reserve(ONE)).value is None
    Run(stage.store.verdict(ONE, "accepted"))
    assert Run(stage.store.publish(lease, EARNED, 60)).value is not None
    assert isinstance(Run(stage.other.take(SESSION, SITEKEY)).value, Clearance)
    assert messages(caplog) == []


@pytest.mark.parametrize("call", ["take", "reserve"])
def test_money_waits_for_it(call: str, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    stage.down()
    run: Run[Any] = Run(
        stage.store.take(SESSION, SITEKEY)
        if call == "take"
        else stage.store.reserve(ONE)
    )
    advance(stage.clock, 30)
    assert not run.done
    stage.down(down=False)
    advance(stage.clock, 2)
    assert isinstance(run.value, Lease) if call == "take" else run.value is None
    fault, back = messages(caplog)
    assert fault.startswith("ONECAPTCHA_STORE does not answer: connection refused")
    assert back == "ONECAPTCHA_STORE answers again, after 32 s."


@pytest.mark.parametrize("call", ["take", "reserve"])
def test_at_last_it_is_unavailable(call: str, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    stage.down()
    runs: list[Run[Any]] = [
        Run(
            stage.store.take(SESSION, SITEKEY)
            if call == "take"
            else stage.store.reserve(ONE)
        )
        for _ in range(5)
    ]
    advance(stage.clock, 57)
    assert not any(run.done for run in runs)
    advance(stage.clock, 3)
    for run in runs:
        assert isinstance(run.error, StoreUnavailable)
        assert "60 s (ONECAPTCHA_STORE_TIMEOUT): connection refused" in str(run.error)
    assert len(messages(caplog)) == 1  # for all of them
    # Not asked more often than each second for each page.
    assert stage.shaky.calls <= 5 * 60


def test_pages_that_wait_in_line_give_up_together() -> None:
    stage = Stage()
    advance(stage.clock, 100)
    stage.down()
    first = Run(stage.store.take(SESSION, SITEKEY, since=10))
    advance(stage.clock, 60)
    assert isinstance(first.error, StoreUnavailable)
    # One that has waited as long, for the first.
    assert isinstance(
        Run(stage.store.take(SESSION, SITEKEY, since=20)).error, StoreUnavailable
    )
    later = Run(stage.store.take(SESSION, SITEKEY, since=155))
    assert not later.done
    advance(stage.clock, 50)
    assert not later.done
    advance(stage.clock, 5)
    assert isinstance(later.error, StoreUnavailable)


def test_each_change_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    for _ in range(2):
        stage.down()
        run = Run(stage.store.reserve(ONE))
        advance(stage.clock, 10)
        stage.down(down=False)
        advance(stage.clock, 10)
        assert run.value is None
    assert ["again" in message for message in messages(caplog)] == [
        *(False, True, False, True)
    ]


def test_what_can_be_done_without_it_does_not_wait() -> None:
    stage = Stage(max_tasks=1)
    lease = stage.leased()
    assert Run(stage.store.reserve(ONE)).value is None
    stage.down()
    assert Run(stage.store.renew(lease)).value is True  # as far as is known
    assert Run(stage.store.give_up(lease)).value is None
    assert Run(stage.store.refund(ONE)).value is None
    assert Run(stage.store.verdict(ONE, "failed")).value is None
    assert Run(stage.store.tell("blocked", "account", "", 60)).value is None
    assert Run(stage.store.ask("blocked", "account")).value is None
    stage.down(down=False)
    advance(stage.clock, REST_SECONDS)
    # What was not given back stays counted, and what was not freed ends by itself.
    assert Run(stage.store.reserve(TWO)).value == Refusal(reason="budget", count=1)
    assert isinstance(Run(stage.other.take(SESSION, SITEKEY)).value, Busy)
    advance(stage.clock, 30)
    assert isinstance(Run(stage.other.take(SESSION, SITEKEY)).value, Lease)


def test_what_was_earned_is_stored_when_the_store_is_back() -> None:
    """It is worth a task to the other processes, and its lease holds for a while."""
    stage = Stage()
    lease = stage.leased()
    stage.down()
    publishing = Run(stage.store.publish(lease, EARNED, 60))
    advance(stage.clock, 10)
    assert not publishing.done
    stage.down(down=False)
    advance(stage.clock, 2)
    stored = publishing.value
    assert stored is not None
    assert Run(stage.other.take(SESSION, SITEKEY)).value == stored


@pytest.mark.parametrize("on_fault", ["fail", "local"])
def test_what_was_earned_is_let_go_of_at_last(on_fault: str) -> None:
    stage = Stage(on_fault=on_fault)
    lease = stage.leased()
    stage.down()
    publishing = Run(stage.store.publish(lease, EARNED, 60))
    advance(stage.clock, LEASE_SECONDS)
    assert publishing.value is None
    # The time of the lease is over: another process may have another one.
    stage.down(down=False)
    assert isinstance(Run(stage.other.take(SESSION, SITEKEY)).value, Lease)


def test_how_long_the_store_has_been_silent() -> None:
    stage = Stage()
    assert stage.store.silent_seconds == 0
    stage.down()
    Run(stage.store.ask("blocked", "account"))
    advance(stage.clock, 7)
    assert stage.store.silent_seconds == 7
    stage.down(down=False)
    Run(stage.store.ask("blocked", "account"))
    assert stage.store.silent_seconds == 0


def test_a_store_that_failed_is_left_alone_for_a_moment() -> None:
    stage = Stage()
    stage.down()
    for _ in range(20):
        Run(stage.store.ask("blocked", "account"))
    assert stage.shaky.calls == 1
    advance(stage.clock, REST_SECONDS)
    Run(stage.store.ask("blocked", "account"))
    assert stage.shaky.calls == 2


def test_a_lease_that_was_lost_is_told() -> None:
    stage = Stage()
    lease = stage.leased()
    advance(stage.clock, 31)
    assert Run(stage.store.renew(lease)).value is False


def test_a_wait_can_be_cancelled() -> None:
    stage = Stage()
    stage.down()
    run = Run(stage.store.take(SESSION, SITEKEY))
    run.cancel()
    assert run.done
    assert not stage.clock.getDelayedCalls()


def test_a_fault_at_the_start_is_the_callers() -> None:
    class Absent(Shaky):
        async def open(self) -> None:
            raise StoreFault("not there")

    clock = Clock()
    absent = Absent("one", Limits(), MemoryRows(clock.seconds))
    store = GuardedStore(absent, clock, 60, "local", MemoryStore(), lambda: 0.5)
    assert isinstance(Run(store.open()).error, StoreFault)


# On its own


def test_on_its_own_it_goes_on_at_once(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(on_fault="local")
    stage.down()
    lease = stage.leased()
    assert Run(stage.store.reserve(ONE)).value is None
    assert Run(stage.store.renew(lease)).value is True
    assert Run(stage.store.publish(lease, EARNED, 60)).value is None  # for nobody else
    Run(stage.store.verdict(ONE, "accepted"))
    (message,) = messages(caplog)
    assert "goes on by itself" in message
    assert stage.shaky.calls == 1


@pytest.mark.parametrize("first", ["reserve", "ask"])
def test_on_its_own_it_counts_on_from_what_the_store_said(first: str) -> None:
    stage = Stage(on_fault="local", max_tasks=2)
    assert Run(stage.store.reserve(ONE)).value is None
    stage.down()
    if first == "ask":  # which meets the fault before money does
        Run(stage.store.ask("token_per_page", SESSION))
    assert Run(stage.store.reserve(TWO)).value is None
    assert Run(stage.store.reserve(THREE)).value == Refusal(reason="budget", count=2)


def test_it_comes_back_from_its_own() -> None:
    stage = Stage(on_fault="local")
    stage.down()
    local = stage.leased()
    stage.down(down=False)
    advance(stage.clock, REST_SECONDS)
    shared = Run(stage.store.take(SESSION, SITEKEY)).value
    assert isinstance(shared, Lease)
    assert isinstance(Run(stage.other.take(SESSION, SITEKEY)).value, Busy)
    # The stand-in's lease is nothing to the store.
    assert Run(stage.store.renew(local)).value is True
    assert Run(stage.store.give_up(local)).value is None
    assert isinstance(Run(stage.other.take(SESSION, OTHER)).value, Lease)


def test_a_lease_of_its_own_is_never_taken_for_one_of_the_store() -> None:
    """Both begin to count, and neither knows of the other."""
    stage = Stage(on_fault="local")
    stage.down()
    local = stage.leased()
    stage.down(down=False)
    advance(stage.clock, REST_SECONDS)
    shared = stage.leased()
    advance(stage.clock, 20)
    assert Run(stage.store.renew(shared)).value is True
    advance(stage.clock, 20)
    assert isinstance(Run(stage.other.take(SESSION, SITEKEY)).value, Busy)
    Run(stage.store.give_up(local))
    stored = Run(stage.store.publish(shared, EARNED, 60)).value
    assert stored is not None
    assert Run(stage.other.take(SESSION, SITEKEY)).value == stored


def test_a_clearance_of_its_own_hides_none_of_the_store() -> None:
    """Its generation would be taken for that of another process's clearance."""
    stage = Stage(on_fault="local")
    stage.down()
    assert Run(stage.store.publish(stage.leased(), EARNED, 60)).value is None
    stage.down(down=False)
    advance(stage.clock, REST_SECONDS)
    lease = Run(stage.other.take(SESSION, SITEKEY)).value
    assert isinstance(lease, Lease)
    stored = Run(stage.other.publish(lease, EARNED, 60)).value
    assert stored is not None
    assert Run(stage.store.take(SESSION, SITEKEY)).value == stored


def test_what_was_reserved_alone_is_settled_alone() -> None:
    stage = Stage(on_fault="local", max_tasks=1)
    stage.down()
    assert Run(stage.store.reserve(TWO)).value is None
    Run(stage.store.refund(TWO))
    assert Run(stage.store.reserve(ONE)).value is None
    stage.down(down=False)
    advance(stage.clock, REST_SECONDS)
    Run(stage.store.refund(ONE))
    assert Run(stage.store.reserve(TWO)).value is None  # the store's own count
    assert Run(stage.store.reserve(THREE)).value == Refusal(reason="budget", count=1)


def test_a_slow_store_is_waited_for() -> None:
    answer: Deferred[None] = Deferred()

    class Slow(Shaky):
        async def _run(self, call: Callable[[Rules], Any]) -> Any:
            await answer
            return await super()._run(call)

    clock = Clock()
    slow = Slow("one", Limits(), MemoryRows(clock.seconds))
    store = GuardedStore(slow, clock, 60, "fail", MemoryStore(), lambda: 0.5)
    run = Run(store.take(SESSION, SITEKEY))
    assert not run.done
    answer.callback(None)
    assert isinstance(run.value, Lease)
