"""Whatever happens: nothing is lost, nothing is paid twice, nothing waits for ever."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost

from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.exceptions import (
    AccountError,
    BlockedError,
    ServiceError,
    TaskFailed,
    Unavailable,
)

from .virtual import OTHER_SITEKEY, SITEKEY, Crawl

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request

#: What a call of the service may come to; ``None``: it succeeds.
CREATING: list[Callable[[], Exception] | None] = [
    None,
    None,
    None,
    lambda: Unavailable("full", code="ERROR_NO_SLOT_AVAILABLE", answered=True),
    lambda: Unavailable("full", code="ERROR_THREADS_MAXIMUM", answered=True),
    lambda: Unavailable("no answer"),
    lambda: ServiceError("what?", code="ERROR_NEW", answered=True),
]
OUTCOMES: list[Callable[[], Exception] | None] = [
    None,
    None,
    lambda: TaskFailed("unsolvable", code="ERROR_CAPTCHA_UNSOLVABLE", answered=True),
    lambda: Unavailable("no answer"),
]
RARE: list[Callable[[], Exception] | None] = [
    lambda: AccountError("empty", code="ERROR_ZERO_BALANCE", answered=True),
    lambda: BlockedError("blocked", code="ERROR_IP_BLOCKED", answered=True),
]


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what one crawl meets."""
    return {
        "pages": draw(st.integers(1, 24)),
        "concurrency": draw(st.sampled_from([1, 2, 8, 0])),
        "grants": draw(st.sampled_from(["cookie", "ip", "nothing"])),
        "answer": draw(st.sampled_from(["redirect", "content", "json"])),
        "redirects": draw(st.booleans()),
        "jars": draw(st.integers(1, 3)),
        "keys": draw(st.integers(1, 2)),
        "lasting": draw(st.sampled_from([None, 3, 0])),
        "status": draw(st.sampled_from([200, 403, 503])),
        "accepts": draw(st.lists(st.booleans(), max_size=8)),
        "creating": draw(st.lists(st.sampled_from(CREATING), max_size=8)),
        "outcomes": draw(st.lists(st.sampled_from(OUTCOMES), max_size=8)),
        "disaster": draw(st.none() | st.tuples(st.integers(1, 6), st.integers(0, 1))),
        "losses": draw(st.sets(st.integers(1, 60), max_size=6)),
        "latencies": draw(st.lists(st.floats(0.1, 90), min_size=1, max_size=5)),
        "agent": draw(st.sampled_from([None, "solver/2.0"])),
        "stop": draw(st.none() | st.floats(0.0, 120.0)),
        "settings": draw(
            st.fixed_dictionaries(
                {
                    "max_attempts": st.integers(1, 3),
                    "max_tasks": st.sampled_from([0, 0, 1, 3, 7]),
                    "max_tasks_per_site": st.sampled_from([0, 0, 2]),
                    "max_failures": st.integers(1, 5),
                    "cooldown": st.sampled_from([0.0, 600.0]),
                    "concurrent_tasks": st.integers(1, 8),
                    "max_parked": st.sampled_from([0, 2, 512]),
                    "max_held": st.sampled_from([None, 0, 3]),
                    "share_clearance": st.booleans(),
                    "on_failure": st.sampled_from(["error", "response"]),
                    "close_on_fatal": st.booleans(),
                }
            )
        ),
    }


def _nth(entries: list[Any], number: int) -> Any:
    return entries[(number - 1) % len(entries)] if entries else None


def _raise_or_not(make: Callable[[], Exception] | None) -> Exception | None:
    return None if make is None else make()


def crawl_of(plan: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Crawl:
    """Return the crawl that *plan* describes, its requests scheduled."""
    crawl = Crawl(concurrency=plan["concurrency"], **plan["settings"])
    service = crawl.service
    service.user_agent = plan["agent"]
    service.latency = lambda number: float(_nth(plan["latencies"], number))

    def creating(number: int) -> Exception | None:
        if plan["disaster"] and plan["disaster"][0] == number:
            return _raise_or_not(RARE[plan["disaster"][1]])
        return _raise_or_not(_nth(plan["creating"], number))

    service.creating = creating
    service.outcome = lambda number: _raise_or_not(_nth(plan["outcomes"], number))

    def fault(number: int, _request: Request) -> Exception | None:
        return ConnectionLost() if number in plan["losses"] else None

    def sitekey(path: str) -> str:
        odd = plan["keys"] == 2 and path.rpartition("/")[2] in "13579"
        return OTHER_SITEKEY if odd else SITEKEY

    crawl.site(
        grants=plan["grants"],
        answer=plan["answer"] if not plan["redirects"] else "redirect",
        redirects=plan["redirects"] and plan["keys"] == 1,
        pages=plan["lasting"],
        status=plan["status"],
        accepts=lambda number: _nth(plan["accepts"], number) is not False,
        fault=fault,
        sitekey=sitekey,
    )
    for number in range(plan["pages"]):
        crawl.ask(f"/{number}", meta={"cookiejar": number % plan["jars"], "n": number})
    return crawl


@pytest.mark.parametrize("stopping", [False, True])
@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(plan=plans())
def test_every_request_ends_once_and_nothing_is_wasted(
    plan: dict[str, Any], *, stopping: bool
) -> None:
    """The one promise, over random schedules of gates, faults, refusals and stops."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        crawl = crawl_of(plan, monkeypatch)
        if stopping and plan["stop"] is not None:
            crawl.advance(plan["stop"], step=0.25)
            crawl.stop()
            _check_stop(crawl)
        else:
            crawl.run(seconds=40_000, step=1.0)
        unsent = len(crawl._scheduled)
        _check(crawl, plan, unsent)
        crawl.finish()


def _check_stop(crawl: Crawl) -> None:
    crawl.advance(2.0, step=0.1)
    assert not crawl.downloader.active, "still waiting two seconds after the stop"


def _check(crawl: Crawl, plan: dict[str, Any], unsent: int) -> None:
    ended = [event.request.meta["n"] for event in crawl.events]
    back = [request.meta["n"] for request in crawl.given_back]
    counts = Counter([*ended, *back])
    assert all(count == 1 for count in counts.values()), counts
    assert len(counts) + unsent == plan["pages"]
    if not (crawl._slot.closing):
        assert not back
        assert not unsent
    for event in crawl.events:
        if event.response is not None and event.error is None:
            assert request_meta.KEY not in event.request.meta
            assert "dont_retry" not in event.request.meta
    given = Counter(crawl.sites["shop.example"].submissions)
    assert all(count == 1 for count in given.values()), "a token was sent twice"
    if plan["settings"]["max_tasks"]:
        assert len(crawl.service.created) <= plan["settings"]["max_tasks"]
    if plan["settings"]["max_tasks_per_site"]:
        assert len(crawl.service.created) <= plan["settings"]["max_tasks_per_site"]
    assert crawl.service.open_most <= plan["settings"]["concurrent_tasks"]
    assert crawl.stat("tasks") >= len(crawl.service.created)
    assert crawl.stat("tasks/ready") == len(crawl.service.tokens)
