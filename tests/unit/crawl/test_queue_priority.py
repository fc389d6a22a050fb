"""What must not grow old goes to the head of its queue."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.core.downloader import Slot
from scrapy.exceptions import NotSupported
from scrapy.http import Response
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from scrapy_onecaptcha import _scrapy
from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.engine import Engine
from scrapy_onecaptcha.crawl.queue_priority import (
    FormOutdated,
    QueuePriority,
    TokenExpired,
)
from tests.unit.helpers import advance

if TYPE_CHECKING:
    from scrapy_onecaptcha.crawl.request_meta import Role

KEY = "shop.example"


class Downloader:
    """Queues requests in Scrapy's own slots, as Scrapy's downloader does."""

    def __init__(self) -> None:
        # Scrapy 2.13 requires the third argument, later versions deprecate it.
        names = inspect.signature(Slot).parameters
        third: Any = {} if "jitter" in names else {"randomize_delay": False}
        self.slots: dict[str, Slot] = {KEY: Slot(1, 1.0, **third)}


class StrictClock(Clock):
    """Takes no moment that is past, as a reactor."""

    def callLater(  # noqa: N802
        self,
        delay: float,
        callable: Any,  # noqa: A002
        *args: object,
        **kw: object,
    ) -> Any:
        assert delay >= 0
        return super().callLater(delay, callable, *args, **kw)


class Crawl:
    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, downloader: Any | None = None
    ) -> None:
        self.clock = StrictClock()
        self.downloader = downloader or Downloader()
        crawler: Any = SimpleNamespace(
            engine=SimpleNamespace(downloader=self.downloader)
        )
        self.rush = QueuePriority(Engine(crawler), self.clock)
        monkeypatch.setattr(_scrapy, "download", self.enqueue)

    def enqueue(self, crawler: Any, request: Request) -> Deferred[Response]:
        """Queue *request* as Scrapy's downloader does: signal first."""
        request.meta["download_slot"] = KEY
        self.rush.request_reached_downloader(request)
        answer: Deferred[Response] = Deferred()
        self.queue.append((request, answer))
        return answer

    @property
    def queue(self) -> Any:
        return self.downloader.slots[KEY].queue

    @property
    def urls(self) -> list[str]:
        return [request.url[-1] for request, _ in self.queue]

    def add(self, name: str, role: Role | None = None) -> Request:
        request = asked(name, role)
        self.enqueue(None, request)
        return request

    def send_by(self, name: str, moment: float) -> list[Any]:
        results: list[Any] = []
        sent = self.rush.send_by(asked(name, "submission"), moment)
        sent.addBoth(results.append)
        return results

    def leave(self, name: str) -> Deferred[Response]:
        """Take a request out of the queue, to be downloaded."""
        for entry in tuple(self.queue):
            if entry[0].url.endswith(name):
                self.queue.remove(entry)
                answer: Deferred[Response] = entry[1]
                return answer
        raise AssertionError(name)


def asked(name: str, role: Role | None = None) -> Request:
    request = Request(f"https://shop.example/{name}")
    request_meta.stamp(request, 0)
    if role:
        request = request.replace(meta=request_meta.mark(request, role))
    return request


@pytest.fixture
def crawl(monkeypatch: pytest.MonkeyPatch) -> Crawl:
    return Crawl(monkeypatch)


@pytest.mark.parametrize("role", ["look", "submission", "refetch", "replay"])
def test_it_goes_ahead_and_the_others_keep_their_order(
    crawl: Crawl, role: Role
) -> None:
    for name in "abc":
        crawl.add(name)
    crawl.add("X", role)
    crawl.add("d")
    advance(crawl.clock, 0)
    assert crawl.urls == list("Xabcd")
    assert crawl.clock.getDelayedCalls() == []


def test_what_can_wait_waits(crawl: Crawl) -> None:
    crawl.add("a")
    crawl.add("b")
    advance(crawl.clock, 0)
    assert crawl.urls == list("ab")
    assert crawl.clock.getDelayedCalls() == []


def test_looks_go_before_submissions_and_those_before_probes(crawl: Crawl) -> None:
    """A clearance must not be spent before it is known to be there."""
    for name, role in (
        ("1", "replay"),
        ("2", "submission"),
        ("3", "look"),
        ("4", "refetch"),
        ("5", "look"),
        ("6", None),
        ("7", "replay"),
    ):
        crawl.add(name, role)  # type: ignore[arg-type]
        advance(crawl.clock, 0)
    assert crawl.urls == list("3524176")


def test_what_is_late_when_it_is_queued_is_not_sent_in_the_same_turn(
    crawl: Crawl,
) -> None:
    """Another middleware may keep it for any time, and the slot send it at once."""
    results = crawl.send_by("X", 60)
    request, answer = crawl.queue.popleft()
    crawl.clock.advance(100)
    crawl.rush.request_reached_downloader(request)
    assert not request.url.startswith("http")
    assert not request.body
    answer.errback(NotSupported(request.url))  # no handler takes it
    assert results[0].check(TokenExpired)


@pytest.mark.parametrize(
    ("sent", "leaves"), [("a=1; b=2", True), ("a=1", False), ("a=1; b=3", False)]
)
def test_a_form_whose_cookies_were_set_anew_is_not_sent(
    crawl: Crawl, sent: str, leaves: bool
) -> None:
    cookies = frozenset({("a", "1"), ("b", "2")})
    request = asked("X", "submission")
    request.headers["Cookie"] = sent  # what CookiesMiddleware has made of it
    results: list[Any] = []
    crawl.rush.send_by(request, 60, cookies).addBoth(results.append)
    _, answer = crawl.queue.popleft()
    assert request.url.startswith("http") == leaves
    answer.errback(NotSupported(request.url))
    assert bool(results[0].check(FormOutdated)) != leaves


def test_its_answer_comes_to_it(crawl: Crawl) -> None:
    crawl.add("a")
    results = crawl.send_by("X", 60)
    advance(crawl.clock, 0)
    request, answer = crawl.queue.popleft()
    response = Response(request.url)
    answer.callback(response)
    assert results == [response]


def test_what_has_left_its_queue_already_is_left_alone(crawl: Crawl) -> None:
    crawl.add("a")
    crawl.add("X", "submission")
    crawl.leave("X")
    advance(crawl.clock, 0)
    assert crawl.urls == ["a"]


def test_what_is_queued_too_long_is_withdrawn(crawl: Crawl) -> None:
    crawl.add("a")
    crawl.clock.advance(100)
    results = crawl.send_by("X", 130)
    advance(crawl.clock, 29.9)
    assert (crawl.urls, results) == (["X", "a"], [])
    advance(crawl.clock, 0.1)
    assert crawl.urls == ["a"]
    assert isinstance(results[0].value, TokenExpired)
    assert crawl.clock.getDelayedCalls() == []


def test_no_other_is_withdrawn(crawl: Crawl) -> None:
    results = crawl.send_by("X", 30)
    advance(crawl.clock, 0)
    crawl.add("Y", "submission")
    advance(crawl.clock, 0)
    assert crawl.urls == list("XY"), "the older token leaves first"
    advance(crawl.clock, 30)
    assert crawl.urls == ["Y"]
    assert len(results) == 1


def test_what_is_late_already_does_not_leave(crawl: Crawl) -> None:
    crawl.clock.advance(100)
    results = crawl.send_by("X", 99)
    advance(crawl.clock, 0)
    assert crawl.urls == []
    assert results[0].check(TokenExpired)


def test_what_is_under_way_is_not_withdrawn(crawl: Crawl) -> None:
    results = crawl.send_by("X", 60)
    answer = crawl.leave("X")
    advance(crawl.clock, 100)
    assert results == []
    response = Response("https://shop.example/X")
    answer.callback(response)
    assert results == [response]


def test_the_alarm_is_off_once_there_is_an_answer(crawl: Crawl) -> None:
    results = crawl.send_by("X", 60)
    advance(crawl.clock, 0)
    crawl.leave("X").callback(Response("https://shop.example/X"))
    assert len(results) == 1
    assert crawl.clock.getDelayedCalls() == []


def test_the_alarm_is_off_once_the_download_failed(crawl: Crawl) -> None:
    results = crawl.send_by("X", 60)
    advance(crawl.clock, 0)
    crawl.leave("X").errback(OSError())
    assert results[0].check(OSError)
    assert crawl.clock.getDelayedCalls() == []


def test_the_alarm_is_off_once_it_is_cancelled(crawl: Crawl) -> None:
    results: list[Any] = []
    sent = crawl.rush.send_by(asked("X", "submission"), 60)
    advance(crawl.clock, 0)
    sent.addBoth(results.append)
    sent.cancel()
    assert results[0].check(CancelledError)
    assert crawl.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    "downloader", [SimpleNamespace(), SimpleNamespace(slots={KEY: object()})]
)
def test_another_downloader_queues_as_it_likes(
    downloader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawl = Crawl(monkeypatch, downloader)
    answer: Deferred[Response] = Deferred()
    monkeypatch.setattr(_scrapy, "download", lambda *_: answer)
    request = asked("X", "submission")
    crawl.rush.request_reached_downloader(request)
    results: list[Any] = []
    crawl.rush.send_by(request, 10).addBoth(results.append)
    advance(crawl.clock, 20)
    assert results == []
    answer.callback(Response(request.url))
    assert len(results) == 1
