"""Sessions: what is remembered of them, and when two of them are one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy import Request
from twisted.internet.task import Clock

from scrapy_onecaptcha.crawl import sessions as module
from scrapy_onecaptcha.crawl.line import Go, Waiting
from scrapy_onecaptcha.crawl.sessions import (
    MAX_SESSIONS,
    SessionKey,
    Sessions,
    session_key,
)
from tests.unit.helpers import SITE, SITEKEY, Run, Sent

if TYPE_CHECKING:
    import pytest

URL = f"{SITE}/page"


def made(clock: Clock | None = None) -> Sessions:
    return Sessions(clock or Clock(), 600, 32, Sent())


def test_a_session_begins_with_a_gate() -> None:
    sessions, request = made(), Request(URL)
    key = session_key(request)
    assert sessions.of(request) is None
    session = sessions.open(key)
    assert session.key == key
    assert (session.generation, session.user_agent) == (0, None)
    assert sessions.open(key) is session
    assert sessions.of(request) is session


def test_a_clearance_is_a_generation_and_begins_with_the_cost_so_far() -> None:
    clock = Clock()
    clock.advance(5)
    sessions = made(clock)
    session, other = (sessions.open(key) for key in keys(2))
    session.cost = 3
    first = sessions.grant(session, None)
    assert (first.generation, first.cost, first.since) == (1, 3, 5)
    assert session.cost == 0
    assert sessions.grant(other, None).generation == 2
    assert sessions.grant(session, None).generation == session.generation == 3


def test_hosts_of_one_domain_share_what_is_first_solved_alone() -> None:
    sessions = made()
    one, two = (sessions.open(key) for key in keys(2))
    other = sessions.open(SessionKey("https://elsewhere.example", None, ""))
    assert one.line.domain is two.line.domain is not other.line.domain
    jar = sessions.open(SessionKey("https://a1.shop.example", 1, ""))
    assert jar.line.domain is not one.line.domain


def test_two_sessions_that_are_one_have_one_line() -> None:
    sessions = made()
    one, two = (sessions.open(key) for key in keys(2))
    solving = Run(two.line.wait(Waiting(order=(0, 1), stamp=0, sitekey=SITEKEY)))
    waits = Run(two.line.wait(Waiting(order=(0, 2), stamp=0, sitekey=SITEKEY)))
    assert solving.value == (Go.SOLVE, None)
    assert not waits.done
    sessions.grant(one, None)
    assert sessions.merge(two, one.line) is one
    assert sessions.current(two) is one
    assert sessions.open(two.key) is one
    assert waits.value[0] is Go.SEND  # it is older than the clearance
    assert len(sessions.all()) == 1


def test_a_merge_while_one_solves_keeps_no_neighbour_waiting() -> None:
    """The solve ends in the line that its session has become one with."""
    sessions = made()
    one, two, other = (sessions.open(key) for key in keys(3))
    solving = Run(two.line.wait(Waiting(order=(0, 1), stamp=0, sitekey=SITEKEY)))
    assert solving.value == (Go.SOLVE, None)
    sessions.grant(one, None)
    waits = Run(other.line.wait(Waiting(order=(0, 2), stamp=1, sitekey=SITEKEY)))
    assert not waits.done
    merged = sessions.merge(two, one.line)
    merged.line.solved(SITEKEY, failed=True)
    assert waits.value == (Go.SOLVE, None)


def test_a_merge_keeps_the_place_of_who_asks_for_a_solve() -> None:
    sessions = made()
    one, two, other = (sessions.open(key) for key in keys(3))
    sessions.grant(one, None)
    solving = Run(other.line.wait(Waiting(order=(0, 1), stamp=1, sitekey=SITEKEY)))
    assert solving.value == (Go.SOLVE, None)
    waits = Run(two.line.wait(Waiting(order=(0, 2), stamp=1, sitekey=SITEKEY)))
    sessions.merge(two, one.line)
    other.line.solved(SITEKEY, failed=True)
    assert waits.value == (Go.SOLVE, None)


def test_a_solve_that_began_before_a_merge_is_one_still() -> None:
    """No other begins beside it when the other session's own has ended."""
    sessions = made()
    one, two = (sessions.open(key) for key in keys(2))
    one.line.domain.allows(one.line, SITEKEY)
    one.line.domain.solved(one.line, SITEKEY, failed=False)  # it takes tokens
    for session in (one, two):
        solving = Run(
            session.line.wait(Waiting(order=(0, 1), sitekey=SITEKEY, stamp=0))
        )
        assert solving.value == (Go.SOLVE, None)
    line = sessions.merge(two, one.line).line
    waits = Run(line.wait(Waiting(order=(0, 2), stamp=0, sitekey=SITEKEY)))
    line.solved(SITEKEY, failed=True)
    line.move()
    assert not waits.done
    line.solved(SITEKEY, failed=True)
    line.move()
    assert waits.value == (Go.SOLVE, None)


# Sessions without end, as a wildcard in DNS makes them


def keys(count: int, start: int = 0) -> list[SessionKey]:
    numbers = range(start, start + count)
    return [SessionKey(f"https://a{n}.shop.example", None, "") for n in numbers]


def request_of(key: SessionKey) -> Request:
    return Request(f"{key.site}/")


def test_so_many_sessions_are_remembered() -> None:
    sessions = made()
    first, *others = keys(MAX_SESSIONS + 10)
    sessions.open(first)
    for key in others:
        sessions.open(key)
        assert sessions.of(request_of(first)) is not None  # it is used all the time
    assert len(sessions) == MAX_SESSIONS
    gone = [key for key in others if sessions.of(request_of(key)) is None]
    assert gone == others[:10]


def test_a_session_that_is_held_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else two requests of one session would pay for a solve each."""
    monkeypatch.setattr(module, "MAX_SESSIONS", 4)
    sessions = made()
    held = sessions.open(keys(1)[0])
    line = held.line
    for key in keys(100, start=1):
        sessions.open(key)
    assert sessions.open(held.key) is held
    assert held.line is line


def test_a_clearance_is_kept_until_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 4)
    clock = Clock()
    sessions = made(clock)
    paid = keys(10)
    for key in paid:
        sessions.grant(sessions.open(key), None)
    for key in keys(100, start=50):
        sessions.open(key)
    assert len(sessions) <= 2 * len(paid) + 4
    assert all(key in sessions._kept for key in paid)
    clock.advance(601)
    for key in keys(100, start=200):
        sessions.open(key)
    assert len(sessions) == 4
    assert not any(key in sessions._kept for key in paid)


def test_a_session_that_begins_anew_is_newer_than_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 4)
    clock = Clock()
    sessions = made(clock)
    key = keys(1)[0]
    for _ in range(5):
        sessions.grant(sessions.open(key), None)
    stamped = sessions.granted
    clock.advance(601)
    for other in keys(10, start=1):
        sessions.open(other)
    again = sessions.open(key)
    assert again.generation == 0  # what left before is not older than it
    sessions.grant(again, None)
    assert again.generation > stamped
