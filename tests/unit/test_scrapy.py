"""The seam to Scrapy, as far as it shows without a crawl."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.http import HtmlResponse, Response
from twisted.internet.defer import Deferred, fail, succeed

from scrapy_onecaptcha import _scrapy

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://shop.example/"


@pytest.fixture(autouse=True)
def _no_reactor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take Scrapy's functions that ask for the reactor as they are on one of old."""
    monkeypatch.setattr(_scrapy, "maybe_deferred_to_future", lambda deferred: deferred)
    monkeypatch.setattr(_scrapy, "deferred_from_coro", Deferred.fromCoroutine)


class Slot:
    def __init__(self) -> None:
        self.closing: Any = None
        self.scheduled = 0
        self.nextcall = SimpleNamespace(schedule=self.schedule)

    def schedule(self) -> None:
        self.scheduled += 1


def crawler(*, attribute: str = "_slot", slot: Any = None, **engine: Any) -> Any:
    given = {"running": True, "paused": False, attribute: slot or Slot()}
    return SimpleNamespace(engine=SimpleNamespace(**given | engine), spider="spider")


def outcome(deferred: Deferred[Any]) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    [result] = results
    return result


# Is it closing?


@pytest.mark.parametrize("attribute", ["_slot", "slot"])
def test_a_crawl_that_runs_is_not_closing(attribute: str) -> None:
    assert _scrapy.is_closing(crawler(attribute=attribute)) is False


@pytest.mark.parametrize("attribute", ["_slot", "slot"])
def test_a_slot_that_closes_is_a_crawl_that_closes(attribute: str) -> None:
    running = crawler(attribute=attribute)
    getattr(running.engine, attribute).closing = Deferred()
    assert _scrapy.is_closing(running) is True


def test_an_engine_that_stopped_is_closing() -> None:
    assert _scrapy.is_closing(crawler(running=False)) is True


def test_an_engine_without_a_slot_is_closing() -> None:
    engine = SimpleNamespace(running=True, paused=False, _slot=None)
    without: Any = SimpleNamespace(engine=engine)
    assert _scrapy.is_closing(without) is True


@pytest.mark.parametrize("paused", [True, False])
def test_is_paused(paused: bool) -> None:
    assert _scrapy.is_paused(crawler(paused=paused)) is paused


# The engine


@pytest.mark.parametrize("attribute", ["_slot", "slot"])
def test_the_engine_is_nudged(attribute: str) -> None:
    slot = Slot()
    _scrapy.nudge(crawler(attribute=attribute, slot=slot))
    assert slot.scheduled == 1


def test_an_engine_without_a_slot_is_not_nudged() -> None:
    engine = SimpleNamespace(_slot=None)
    without: Any = SimpleNamespace(engine=engine)
    _scrapy.nudge(without)


def test_the_downloader_may_be_of_any_class() -> None:
    downloader = object()
    assert _scrapy.downloader_of(crawler(downloader=downloader)) is downloader


def test_a_download_by_the_coroutine_of_newer_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_scrapy, "HAS_DOWNLOAD_ASYNC", True)
    response = Response(URL)

    async def download_async(request: Request) -> Response:
        assert request.url == URL
        return response

    running = crawler(download_async=download_async)
    assert outcome(_scrapy.download(running, Request(URL))) is response


def test_a_download_by_the_deferred_of_older_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_scrapy, "HAS_DOWNLOAD_ASYNC", False)
    response = Response(URL)
    running = crawler(download=lambda request: succeed(response))
    assert outcome(_scrapy.download(running, Request(URL))) is response


def test_the_spider_is_closed_by_the_coroutine_of_newer_versions() -> None:
    reasons = []

    async def close_spider_async(*, reason: str) -> None:
        reasons.append(reason)

    running = crawler(close_spider_async=close_spider_async)
    assert outcome(_scrapy.close_spider(running, "why")) is None
    assert reasons == ["why"]


def test_the_spider_is_closed_by_the_deferred_of_older_versions() -> None:
    calls = []

    def close_spider(*arguments: str) -> Deferred[None]:
        calls.append(arguments)
        return succeed(None)

    running = crawler(close_spider=close_spider)
    assert outcome(_scrapy.close_spider(running, "why")) is None
    assert calls == [("spider", "why")]


def test_our_coroutines_may_be_awaited() -> None:
    inner: Deferred[str] = Deferred()

    async def ours() -> str:
        return await inner

    async def scrapys() -> str:
        return await _scrapy.as_scrapy(ours())

    results: list[str] = []
    Deferred.fromCoroutine(scrapys()).addCallback(results.append)
    assert results == []
    inner.callback("page")
    assert results == ["page"]


# robots.txt


async def allows(request: Request, spider: Any = None) -> None:
    pass


async def forbids(request: Request, spider: Any = None) -> None:
    raise IgnoreRequest("Forbidden by robots.txt")


def with_robots(process_request: Callable[..., Any] | None) -> Any:
    running = crawler()
    middleware = process_request and SimpleNamespace(process_request=process_request)
    running.get_downloader_middleware = lambda cls: middleware
    return running


def test_a_crawl_without_robots_txt_asks_nobody() -> None:
    assert outcome(_scrapy.robots_check(with_robots(None), Request(URL))) is None


@pytest.mark.parametrize(
    "process_request",
    [
        allows,
        lambda request, spider=None: None,
        lambda request, spider=None: succeed(None),
    ],
)
def test_robots_txt_allows_it(process_request: Any) -> None:
    running = with_robots(process_request)
    assert outcome(_scrapy.robots_check(running, Request(URL))) is None


@pytest.mark.parametrize(
    "process_request",
    [forbids, lambda request, spider=None: fail(IgnoreRequest("Forbidden"))],
)
def test_robots_txt_forbids_it(process_request: Any) -> None:
    checked = outcome(_scrapy.robots_check(with_robots(process_request), Request(URL)))
    assert checked.check(IgnoreRequest)


# A response that nobody reads


def test_a_body_that_nobody_reads_is_freed() -> None:
    response = HtmlResponse(URL, body=b"<h1>title</h1>" * 1000, encoding="utf-8")
    assert response.css("h1")
    assert response.text
    _scrapy.drop_body(response)
    assert response.body == b""
    assert response.text == ""
    assert response.css("h1") == []


def test_a_body_of_any_kind_may_be_dropped() -> None:
    response = Response(URL, body=b"\0" * 100)
    _scrapy.drop_body(response)
    assert response.body == b""
