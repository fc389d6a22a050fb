"""A page whose scripts do not end is a failure of its site."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from scrapy_onecaptcha.crawl.script_turns import ScriptTurns
from scrapy_onecaptcha.scripts.child import NoEngine
from scrapy_onecaptcha.scripts.models import Reading, Visit
from tests.unit.helpers import Run

FAILED, FINE = Reading(stopped="killed"), Reading()


class Pool:
    """Ends a visit when it is told to."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        self.waiting: list[Deferred[Any]] = []
        self.closed = False

    async def visit(self, visit: Visit) -> Reading:
        self.visits.append(visit.url)
        done: Deferred[Reading] = Deferred()
        self.waiting.append(done)
        return await done

    def close(self) -> None:
        self.closed = True

    def end(self, *readings: Any) -> None:
        for reading in readings:
            self.waiting.pop(0).callback(reading)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool() -> Pool:
    return Pool()


@pytest.fixture
def turns(pool: Pool, clock: Clock) -> ScriptTurns:
    return ScriptTurns(pool, limit=2, cooldown=60, now=clock.seconds)


def ask(turns: ScriptTurns, path: str, *, paid: bool = False) -> Run[Reading]:
    return Run(turns.visit(Visit(html="", url=f"https://{path}", paid=paid)))


def test_a_site_that_fails_is_left_alone_for_a_while(
    turns: ScriptTurns, pool: Pool, clock: Clock
) -> None:
    asked = [ask(turns, f"bad.test/{number}") for number in range(5)]
    other = ask(turns, "good.test/")
    assert pool.visits == ["https://bad.test/0"]  # one after another
    pool.end(FAILED, FAILED)
    assert [run.done for run in asked] == [True] * 5  # nobody waits for those to come
    assert "2 pages of its site" in str(asked[4].value.stopped)
    assert "ONECAPTCHA_MAX_FAILURES" in str(asked[4].value.stopped)
    pool.end(FINE)
    assert other.value is FINE
    clock.advance(59)
    assert ask(turns, "bad.test/5").value.stopped is not None
    clock.advance(1)
    again = ask(turns, "bad.test/6")
    pool.end(FAILED)
    assert again.value is FAILED
    assert ask(turns, "bad.test/7").done
    assert len(pool.visits) == 4


def test_a_page_that_ends_begins_the_count_anew(turns: ScriptTurns, pool: Pool) -> None:
    for reading in (FAILED, FINE, FAILED, FINE, FAILED):
        run = ask(turns, "shop.test/")
        pool.end(reading)
        assert run.value is reading
    assert not ask(turns, "shop.test/").done


def test_what_was_paid_for_is_tried(turns: ScriptTurns, pool: Pool) -> None:
    for _ in range(2):
        ask(turns, "shop.test/")
        pool.end(FAILED)
    paid = ask(turns, "shop.test/", paid=True)
    pool.end(FINE)
    assert paid.value is FINE


def test_what_was_paid_for_does_not_wait_behind_what_was_not(
    turns: ScriptTurns, pool: Pool
) -> None:
    for path in ("a.test/", "b.test/", "c.test/"):
        ask(turns, path)
    for path in ("paid.test/1", "paid.test/2"):
        ask(turns, path, paid=True)
    for _ in range(5):
        pool.end(FINE)
    order = [url.removeprefix("https://") for url in pool.visits]
    assert order == ["a.test/", "paid.test/1", "paid.test/2", "b.test/", "c.test/"]


def test_no_engine_is_no_failure_of_the_site(turns: ScriptTurns, pool: Pool) -> None:
    runs = [ask(turns, "shop.test/") for _ in range(3)]
    for run in runs:
        pool.waiting.pop(0).errback(NoEngine("none"))
        assert run.failed
    assert not ask(turns, "shop.test/").done


def test_closing(turns: ScriptTurns, pool: Pool) -> None:
    turns.close()
    assert pool.closed
