"""Whom a clearance belongs to, and how others wait for it."""

from __future__ import annotations

import base64
import gc
import itertools
import os
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.downloadermiddlewares.httpproxy import HttpProxyMiddleware
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from scrapy_onecaptcha.crawl import sessions as module
from scrapy_onecaptcha.crawl.sessions import (
    MAX_SESSIONS,
    WALL,
    Session,
    SessionKey,
    Sessions,
    session_key,
)
from tests.unit.helpers import (
    OTHER_SITE,
    OTHER_SITEKEY,
    SITE,
    SITEKEY,
    Run,
    spider_argument,
)

if TYPE_CHECKING:
    from collections.abc import Callable

URL = f"{SITE}/page"
SECRET = "proxyword"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(user.encode()).decode()


def proxied(url: str = URL, *, proxy: str, authorization: str = "") -> Request:
    headers = {"Proxy-Authorization": authorization} if authorization else {}
    return Request(url, meta={"proxy": proxy}, headers=headers)


def keys_of(request: Request, encoding: str = "latin-1") -> tuple[Any, Any]:
    """Return the key in ``process_request``, and the one in ``process_response``."""
    before = session_key(request, encoding)
    process = HttpProxyMiddleware(encoding).process_request
    process(request, **spider_argument(process))
    return before, session_key(request, encoding)


# The key


def test_a_session_is_a_site_a_cookiejar_and_a_proxy() -> None:
    key = session_key(Request(URL, meta={"cookiejar": 7}))
    assert key == SessionKey(site=SITE, cookiejar=7, proxy="")
    assert session_key(Request(URL)).cookiejar is None


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("https://shop.example/a?b#c", "https://shop.example/d", True),
        ("https://shop.example/", "http://shop.example/", False),
        ("https://shop.example/", "https://shop.example:8443/", False),
        ("https://shop.example/", "https://www.shop.example/", False),
        ("https://SHOP.example/", "https://shop.example/", True),
    ],
)
def test_the_site_is_scheme_and_netloc(first: str, second: str, same: bool) -> None:
    equal = session_key(Request(first)) == session_key(Request(second))
    assert equal is same


def test_two_cookiejars_are_two_sessions() -> None:
    jars = [1, 2, "1", None]
    keys = {session_key(Request(URL, meta={"cookiejar": jar})) for jar in jars}
    assert len(keys) == 4


PROXIES = [
    "http://proxy.example:8080",
    "https://proxy.example:8080",
    "proxy.example:8080",
    "http://proxy.example:8080/",
    "http://user:word@proxy.example:8080",
    "user:word@proxy.example:8080",
    "http://us%40er:w%3Ard@proxy.example:8080",
    "http://user:@proxy.example:8080",
    "http://us%C3%A9r:word@proxy.example:8080",
    "http://[2001:db8::1]:8080",
]


@pytest.mark.parametrize("proxy", PROXIES)
def test_scrapys_proxy_middleware_does_not_change_the_key(proxy: str) -> None:
    request = proxied(proxy=proxy)
    before, after = keys_of(request)
    assert before.proxy
    assert before == after
    assert keys_of(request) == (before, before)  # as in a retry


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_the_header_names_the_user_as_the_url_does(scheme: str) -> None:
    by_url = proxied(proxy="http://user:word@proxy.example:8080")
    by_header = proxied(
        proxy=f"{scheme}proxy.example:8080", authorization=basic("user:word")
    )
    before, after = keys_of(by_header)
    assert before == after == session_key(by_url)


@pytest.mark.parametrize(
    "other",
    [
        "http://proxy.example:8080",
        "http://user:other@proxy.example:8080",
        "http://other:word@proxy.example:8080",
        "http://user:word@proxy.example:8081",
        "http://user:word@proxy2.example:8080",
    ],
)
def test_other_proxies_and_users_are_other_sessions(other: str) -> None:
    one = keys_of(proxied(proxy="http://user:word@proxy.example:8080"))
    assert keys_of(proxied(proxy=other))[1] != one[1]


def test_a_browser_has_sessions_of_its_own() -> None:
    """scrapy-playwright's: its contexts keep cookies that Scrapy's jars have not."""

    def key(**meta: Any) -> SessionKey:
        return session_key(Request(URL, meta=meta))

    assert key(playwright=True) != key()
    assert key(playwright=True, cookiejar=1) == key(playwright=True)
    # The handler notes the context's name once it has seen the request.
    assert key(playwright=True) == key(playwright=True, playwright_context="default")
    assert key(playwright=True) != key(playwright=True, playwright_context="other")
    assert key(playwright=False, cookiejar=1) == key(cookiejar=1)


def test_no_proxy_is_another_session_than_one() -> None:
    assert session_key(Request(URL)) != session_key(proxied(proxy="proxy.example:1"))
    none = Request(URL, meta={"proxy": None})
    assert keys_of(none) == (session_key(Request(URL)),) * 2


@pytest.mark.parametrize(
    "proxy", ["http://env.example:3128", "http://user:word@env.example:3128"]
)
def test_a_proxy_of_the_environment(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    request = Request(URL)
    before, after = keys_of(request)
    assert request.meta["proxy"].endswith("env.example:3128")
    assert before == after == session_key(Request(URL))
    assert keys_of(request.copy()) == (before, before)


def test_the_environments_proxy_does_not_hide_a_requests_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://env.example:3128")
    before, after = keys_of(proxied(proxy="http://user:word@proxy.example:8080"))
    assert before == after != session_key(Request(URL))


def test_the_encoding_of_credentials_does_not_change_the_key() -> None:
    request = proxied(proxy="http://us%C3%A9r:word@proxy.example:8080")
    before, after = keys_of(request, "utf-8")
    assert before == after


def test_credentials_without_a_user_do_not_change_the_key() -> None:
    before, after = keys_of(proxied(proxy="http://:word@proxy.example:8080"))
    assert before == after


def test_the_key_does_not_show_the_credentials() -> None:
    url = f"http://user:{SECRET}@proxy.example:8080"
    for request in (
        proxied(proxy=url),
        proxied(proxy="proxy.example:8080", authorization=basic(f"user:{SECRET}")),
    ):
        shown = repr(session_key(request))
        assert "proxy.example:8080" in shown
        assert SECRET not in shown
        assert "user" not in shown
        assert basic(f"user:{SECRET}")[6:] not in shown


# Sessions


def test_a_session_begins_with_a_gate() -> None:
    sessions, request = Sessions(Clock().seconds, 600), Request(URL)
    key = session_key(request)
    assert sessions.of(request) is None
    session = sessions.open(key)
    assert session.key == key
    assert (session.generation, session.proven, session.user_agent) == (0, 0, None)
    assert sessions.open(key) is session
    assert sessions.of(request) is session


def test_that_a_site_grants_nothing_is_forgotten_after_a_time() -> None:
    clock = Clock()
    clock.advance(5)
    sessions = Sessions(clock.seconds, 600)
    assert not sessions.grants_nothing(SITE, SITEKEY)
    sessions.learn_grants_nothing(SITE, SITEKEY)
    clock.advance(599)
    assert sessions.grants_nothing(SITE, SITEKEY)
    clock.advance(1)
    assert not sessions.grants_nothing(SITE, SITEKEY)


def test_it_is_learnt_of_one_site_and_sitekey() -> None:
    sessions = Sessions(Clock().seconds, 600)
    sessions.learn_grants_nothing(SITE, SITEKEY)
    assert not sessions.grants_nothing(SITE, OTHER_SITEKEY)
    assert not sessions.grants_nothing(OTHER_SITE, SITEKEY)


def test_learning_it_again_counts_from_then() -> None:
    clock = Clock()
    sessions = Sessions(clock.seconds, 600)
    sessions.learn_grants_nothing(SITE, SITEKEY)
    clock.advance(500)
    sessions.learn_grants_nothing(SITE, SITEKEY)
    clock.advance(500)
    assert sessions.grants_nothing(SITE, SITEKEY)


def test_what_a_site_did_not_grant_is_not_kept_for_ever() -> None:
    clock = Clock()
    sessions = Sessions(clock.seconds, 600)
    for number in range(1000):
        sessions.learn_grants_nothing(SITE, str(number))
        clock.advance(60)
    assert len(sessions._grants_nothing) <= 11


# Sessions without end, as a wildcard in DNS makes them


def keys(count: int, start: int = 0) -> list[SessionKey]:
    numbers = range(start, start + count)
    return [SessionKey(f"https://a{n}.shop.example", None, "") for n in numbers]


def request_of(key: SessionKey) -> Request:
    return Request(f"{key.site}/")


def test_so_many_sessions_are_remembered() -> None:
    sessions = Sessions(Clock().seconds, 600)
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
    sessions = Sessions(Clock().seconds, 600)
    held = sessions.open(keys(1)[0])
    turn = held.turn(SITEKEY)
    for key in keys(100, start=1):
        sessions.open(key)
    assert sessions.open(held.key) is held
    assert held.turn(SITEKEY) is turn


def test_a_clearance_is_kept_until_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 4)
    clock = Clock()
    sessions = Sessions(clock.seconds, 600)
    paid = keys(10)
    for key in paid:
        sessions.open(key).cleared(SITEKEY)
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
    sessions = Sessions(clock.seconds, 600)
    key = keys(1)[0]
    for _ in range(5):
        sessions.open(key).cleared(SITEKEY)
    stamped = sessions.granted
    clock.advance(601)
    for other in keys(10, start=1):
        sessions.open(other)
    again = sessions.open(key)
    assert again.generation == 0  # what left before is not older than it
    again.cleared(SITEKEY)
    assert again.generation > stamped


def test_turns_that_nobody_has_are_not_kept() -> None:
    """A site may name another sitekey in each of its gates."""
    session = Sessions(Clock().seconds, 600).open(keys(1)[0])
    held = session.turn(SITEKEY)
    for number in range(100):
        turn = session.turn(str(number))
        assert Run(turn.take()).done
        turn.release()
    del turn
    gc.collect()
    assert len(session._turns) == 1
    assert session.turn(SITEKEY) is held


# One session


@pytest.fixture
def session() -> Session:
    return Session(SessionKey(SITE, None, ""), itertools.count(1).__next__)


def test_a_clearance_is_a_generation(session: Session) -> None:
    session.cleared(SITEKEY)
    session.cleared(OTHER_SITEKEY)
    assert session.generation == 2
    assert session.cleared_by == OTHER_SITEKEY
    assert session.proven == 0


def test_one_turn_for_a_sitekey(session: Session) -> None:
    turn = session.turn(SITEKEY)
    assert Run(turn.take()).done
    second = Run(session.turn(SITEKEY).take())
    assert not second.done
    assert Run(session.turn(OTHER_SITEKEY).take()).done
    turn.release()
    assert second.done


def wall(session: Session, gates: int = WALL) -> None:
    for _ in range(gates):
        session.saw(gate=True)


def is_walled(session: Session) -> bool:
    return session.is_walled


def test_a_wall_is_a_row_of_gates_while_one_is_being_solved(session: Session) -> None:
    wall(session)
    assert not is_walled(session)
    with session.being_solved():
        assert is_walled(session)
        with session.being_solved():
            assert is_walled(session)
        assert is_walled(session)
    assert not is_walled(session)


def test_fewer_gates_are_no_wall(session: Session) -> None:
    with session.being_solved():
        wall(session, 15)
        assert not is_walled(session)
        session.saw(gate=True)
        assert is_walled(session)
        session.saw(gate=False)
        assert not is_walled(session)
        wall(session, 15)
        assert not is_walled(session)


def test_nobody_is_held_where_there_is_no_wall(session: Session) -> None:
    assert Run(session.until_passable()).done


def page_comes(session: Session, end: Callable[[], object]) -> None:
    session.saw(gate=False)


def solve_ends(session: Session, end: Callable[[], object]) -> None:
    end()


@pytest.mark.parametrize("event", [page_comes, solve_ends])
def test_who_is_held_goes_on_when_the_wall_is_gone(
    session: Session, event: Callable[[Session, Callable[[], object]], None]
) -> None:
    solving = session.being_solved()
    solving.__enter__()
    wall(session)
    held = [Run(session.until_passable()) for _ in range(3)]
    session.saw(gate=True)
    with session.being_solved():
        pass
    assert not any(run.done for run in held)
    event(session, lambda: solving.__exit__(None, None, None))
    for run in held:
        assert run.value is None


def test_who_is_held_stays_held_if_the_wall_is_up_again(session: Session) -> None:
    order: list[str] = []

    async def first() -> None:
        await session.until_passable()
        order.append("first")
        wall(session)

    async def second() -> None:
        await session.until_passable()
        order.append("second")

    with session.being_solved():
        wall(session)
        runs = [Run(first()), Run(second())]
        session.saw(gate=False)
        assert order == ["first"]
        session.saw(gate=False)
        assert order == ["first", "second"]
        assert all(run.done for run in runs)


def test_a_failing_solve_lets_them_go_too(session: Session) -> None:
    solving = session.being_solved()
    solving.__enter__()
    wall(session)
    held = Run(session.until_passable())
    error = ZeroDivisionError()
    assert not solving.__exit__(ZeroDivisionError, error, None)
    assert held.value is None


def test_one_that_is_cancelled_does_not_hold_the_others(session: Session) -> None:
    with session.being_solved():
        wall(session)
        first, second = Run(session.until_passable()), Run(session.until_passable())
        first.cancel()
        assert isinstance(first.error, CancelledError)
        session.saw(gate=False)
        assert second.value is None
