"""Visits while the event loop goes on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from scrapy_onecaptcha.scripts import pool as module
from scrapy_onecaptcha.scripts.child import Child, NoEngine
from scrapy_onecaptcha.scripts.models import Reading, Visit
from scrapy_onecaptcha.scripts.pool import CLOSED, KILLED, ScriptPool, visit_once

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

PAGE = Visit(html="<script>document.cookie = 'a=1'</script>", url="https://site.test/")
OTHER = Visit(html="<p>", url="https://site.test/other")
HUNG = Visit(html="<script>hung</script>", url="https://site.test/hung")


class FakeChild:
    """Reads what it is told, in the pool's thread."""

    made: list[FakeChild]

    def __init__(self) -> None:
        self.visits: list[str] = []
        self._killed = threading.Event()
        self.closed = False
        self.pid = 1
        self.made.append(self)

    def visit(self, visit: Visit) -> Reading | None:
        self.visits.append(visit.url)
        if "hung" in visit.html:
            self._killed.wait(20)
        return (
            None
            if self._killed.is_set() or "kills" in visit.html
            else Reading(cookies=(visit.url,))
        )

    @property
    def killed(self) -> bool:
        return self._killed.is_set()

    def kill(self) -> None:
        self._killed.set()

    def close(self) -> str:
        self.closed = True
        return "it said so"


def make_pool() -> tuple[ScriptPool, list[FakeChild]]:
    made: list[FakeChild] = []
    start: Any = type("Started", (FakeChild,), {"made": made})
    return ScriptPool(start), made


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run what awaits Deferreds to its end, in a loop of its own."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        return await Deferred.fromCoroutine(coroutine).asFuture(loop)

    return asyncio.run(main())


def test_a_page_is_visited_once() -> None:
    pool, made = make_pool()

    async def scenario() -> None:
        assert made == []
        first = await pool.visit(PAGE)
        assert first.cookies == (PAGE.url,)
        assert await pool.visit(PAGE) is first
        assert await pool.visit(replace(PAGE, paid=True)) is first
        await pool.visit(OTHER)

    run(scenario())
    pool.close()
    [child] = made
    assert child.visits == [PAGE.url, OTHER.url]
    assert child.closed
    assert pool.pid is None


def test_a_visit_with_a_real_token_is_never_kept() -> None:
    pool, made = make_pool()
    paid = Visit(html="<p>", url="https://site.test/", token="real")

    async def scenario() -> None:
        await pool.visit(paid)
        await pool.visit(paid)

    run(scenario())
    pool.close()
    assert len(made[0].visits) == 2
    assert not pool._kept


def test_a_child_that_was_killed_as_it_answered_visits_no_other_page() -> None:
    """So it goes where the crawl is stopped by a signal, and goes on later."""
    pool, made = make_pool()

    async def scenario() -> None:
        await pool.visit(PAGE)
        made[0].visit = _answer_and_die(made[0])  # type: ignore[method-assign,assignment]
        assert (await pool.visit(OTHER)).cookies == (OTHER.url,)
        after = await pool.visit(replace(PAGE, url="https://site.test/after"))
        assert after.cookies == ("https://site.test/after",)

    run(scenario())
    assert [child.visits for child in made] == [
        [PAGE.url, OTHER.url],
        ["https://site.test/after"],
    ]
    assert made[0].closed
    pool.close()


def _answer_and_die(child: FakeChild) -> Callable[[Visit], Reading | None]:
    answer = child.visit

    def visit(visit: Visit) -> Reading | None:
        try:
            return answer(visit)
        finally:
            child.kill()

    return visit


def test_a_visit_that_came_to_no_end_is_not_kept() -> None:
    pool, made = make_pool()
    page = Visit(html="kills", url="https://shop.test/")
    for _ in range(2):
        assert run(pool.visit(page)).stopped is not None
    assert [child.visits for child in made] == [[page.url]] * 2 * module.TRIES
    pool.close()


def test_readings_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 2)
    pool, made = make_pool()

    async def scenario() -> None:
        for html in ["a", "b", "a", "c", "a", "b"]:
            await pool.visit(Visit(html=html, url=f"https://site.test/{html}"))

    run(scenario())
    pool.close()
    assert [url[-1] for url in made[0].visits] == ["a", "b", "c", "b"]


def test_a_child_that_a_page_ended_is_replaced_and_the_page_visited_again() -> None:
    """The machine may have been busy."""
    pool, made = make_pool()
    page = Visit(html="kills", url="https://site.test/")

    async def scenario() -> None:
        assert await pool.visit(page) is KILLED
        assert (await pool.visit(PAGE)).stopped is None

    run(scenario())
    pool.close()
    assert [child.visits for child in made] == [[page.url], [page.url], [PAGE.url]]
    assert [child.closed for child in made] == [True] * 3


def test_closing_ends_a_visit_that_hangs() -> None:
    pool, made = make_pool()

    async def scenario() -> None:
        hanging = Deferred.fromCoroutine(pool.visit(HUNG))
        waiting = Deferred.fromCoroutine(pool.visit(PAGE))
        while not (made and made[0].visits):
            await Deferred.fromFuture(asyncio.ensure_future(asyncio.sleep(0.01)))
        pool.close()
        assert await hanging is CLOSED
        assert await waiting is CLOSED
        assert await pool.visit(OTHER) is CLOSED

    run(scenario())
    assert made[0].closed
    pool.close()  # as often as one likes


def test_a_visit_that_nobody_waits_for_any_longer() -> None:
    pool, _made = make_pool()

    async def scenario() -> None:
        cancelled = Deferred.fromCoroutine(pool.visit(PAGE))
        failed: list[Any] = []
        cancelled.addErrback(failed.append)
        cancelled.cancel()
        assert failed[0].check(CancelledError)
        await pool.visit(OTHER)

    run(scenario())
    pool.close()


def test_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "problem", lambda: "install one")
    pool, made = make_pool()

    async def scenario() -> None:
        with pytest.raises(NoEngine, match="install one"):
            await pool.visit(PAGE)

    run(scenario())
    assert made == []
    pool.close()
    with pytest.raises(NoEngine, match="install one"):
        visit_once(PAGE)


def test_a_child_that_does_not_start() -> None:
    def start() -> Any:
        raise NoEngine("no luck")

    pool = ScriptPool(start)

    async def scenario() -> None:
        for _ in range(2):
            with pytest.raises(NoEngine, match="no luck"):
                await pool.visit(PAGE)

    run(scenario())
    pool.close()


def start_unhurried() -> Child:
    """Start a child that kills no page that only waits for a busy machine."""
    return Child(page_seconds=60)


def test_a_real_child(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ScriptPool(start_unhurried)

    async def scenario() -> None:
        assert (await pool.visit(PAGE)).cookies == ("a=1",)
        assert pool.pid is not None

    run(scenario())
    pool.close()
    monkeypatch.setattr(module, "Child", start_unhurried)
    assert visit_once(PAGE).cookies == ("a=1",)


# The child starts once the loop has had two turns: if the loop did not go on, never.
REACTOR = """
import threading
from twisted.internet.defer import Deferred
if {asyncio}:
    from twisted.internet.asyncioreactor import install
    install()
from twisted.internet import reactor
from scrapy_onecaptcha.scripts.child import Child
from scrapy_onecaptcha.scripts.models import Visit
from scrapy_onecaptcha.scripts.pool import ScriptPool
two_turns = threading.Event()
went_on = []
def start():
    went_on.append(two_turns.wait(20))
    return Child(page_seconds=60)
pool = ScriptPool(start)
turns = []
def turn():
    turns.append(1)
    if len(turns) == 2:
        two_turns.set()
    reactor.callLater(0.01, turn)
async def scenario():
    reading = await pool.visit(Visit(html="<script>document.cookie = 'a=1'</script>", url="https://site.test/"))
    print(reading.cookies, went_on)
def go():
    turn()
    Deferred.fromCoroutine(scenario()).addBoth(lambda result: (pool.close(), reactor.stop(), result)[2])
reactor.callWhenRunning(go)
reactor.run()
"""


@pytest.mark.parametrize("asyncio_", [True, False])
def test_on_each_reactor_the_loop_goes_on(asyncio_: bool) -> None:
    code = REACTOR.format(asyncio=asyncio_)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("('a=1',) [True]\n", "")


def test_without_a_reactor_none_is_imported() -> None:
    code = """
import asyncio, sys
from twisted.internet.defer import Deferred
from scrapy_onecaptcha.scripts.child import Child
from scrapy_onecaptcha.scripts.models import Visit
from scrapy_onecaptcha.scripts.pool import ScriptPool
async def main():
    pool = ScriptPool(lambda: Child(page_seconds=60))
    visit = Visit(html="<script>document.cookie = 'a=1'</script>", url="https://site.test/")
    reading = await Deferred.fromCoroutine(pool.visit(visit)).asFuture(asyncio.get_running_loop())
    print(reading.cookies, "twisted.internet.reactor" in sys.modules)
    # It is not closed: the interpreter's exit has to do that.
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("('a=1',) False\n", "")
