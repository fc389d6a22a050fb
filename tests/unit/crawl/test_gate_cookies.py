"""The cookies that gates set."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from scrapy import Request
from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.http import Response

from scrapy_onecaptcha._scrapy import NEEDS_SPIDER
from scrapy_onecaptcha.crawl.engine import Engine
from scrapy_onecaptcha.crawl.gate_cookies import GateCookies

URL = "https://shop.example/a"
SPIDER: dict[str, Any] = {"spider": None} if NEEDS_SPIDER else {}


class Crawl:
    """Stores cookies as Scrapy does."""

    def __init__(self) -> None:
        self.cookies = CookiesMiddleware()
        crawler: Any = SimpleNamespace(get_downloader_middleware=lambda _: self.cookies)
        self.engine = Engine(crawler)
        self.gate_cookies = GateCookies(self.engine)

    def queue(self, **meta: Any) -> Request:
        """Return a request with the cookies that there are now."""
        request = Request(URL, meta=meta)
        self.cookies.process_request(request, **SPIDER)
        return request

    def answer(self, request: Request, *lines: str, gate: bool = True) -> None:
        """Answer a request, with a gate or a page."""
        response = Response(URL, headers={"Set-Cookie": list(lines)})
        self.gate_cookies.note(request, response)
        self.cookies.process_response(request, response, **SPIDER)
        if gate:
            self.gate_cookies.put_back(request, response)

    def due(self, **meta: Any) -> dict[str, str]:
        return dict(self.engine.due_cookies(Request(URL, meta=meta)))


@pytest.fixture
def crawl() -> Crawl:
    return Crawl()


def test_a_gate_does_not_replace_a_cookie_that_its_request_did_not_carry(
    crawl: Crawl,
) -> None:
    first, second = crawl.queue(), crawl.queue()
    crawl.answer(first, "sid=1; Path=/", "seen=1; Path=/")
    crawl.answer(second, "sid=2; Path=/", "new=2; Path=/")
    assert crawl.due() == {"sid": "1", "seen": "1", "new": "2"}


def test_nor_does_it_delete_one(crawl: Crawl) -> None:
    first, second = crawl.queue(), crawl.queue()
    crawl.answer(first, "sid=1; Path=/")
    crawl.answer(second, "sid=; Path=/; Max-Age=0")
    assert crawl.due() == {"sid": "1"}


def test_a_gate_may_replace_what_its_request_carried(crawl: Crawl) -> None:
    crawl.answer(crawl.queue(), "sid=1; Path=/")
    crawl.answer(crawl.queue(), "sid=2; Path=/")
    assert crawl.due() == {"sid": "2"}


def test_a_page_may_replace_anything(crawl: Crawl) -> None:
    first, second = crawl.queue(), crawl.queue()
    crawl.answer(first, "sid=1; Path=/")
    crawl.answer(second, "sid=2; Path=/", gate=False)
    assert crawl.due() == {"sid": "2"}


def test_what_another_response_has_set_meanwhile_stays(crawl: Crawl) -> None:
    first, second = crawl.queue(), crawl.queue()
    crawl.answer(first, "sid=1; Path=/")
    gate = Response(URL, headers={"Set-Cookie": "sid=2; Path=/"})
    crawl.gate_cookies.note(second, gate)
    crawl.cookies.process_response(second, gate, **SPIDER)
    crawl.answer(crawl.queue(), "sid=3; Path=/", gate=False)
    crawl.gate_cookies.put_back(second, gate)
    assert crawl.due() == {"sid": "3"}


def test_a_browser_keeps_its_own(crawl: Crawl) -> None:
    first, second = crawl.queue(playwright=True), crawl.queue(playwright=True)
    crawl.answer(first, "sid=1; Path=/")
    crawl.answer(second, "sid=2; Path=/")
    assert crawl.due() == {"sid": "2"}


def test_jars_are_apart_and_there_may_be_none(crawl: Crawl) -> None:
    first, other = crawl.queue(), crawl.queue(cookiejar="other")
    crawl.answer(first, "sid=1; Path=/")
    crawl.answer(other, "sid=2; Path=/")
    crawl.answer(crawl.queue(dont_merge_cookies=True), "sid=3; Path=/")
    assert crawl.due() == {"sid": "1"}
    assert crawl.due(cookiejar="other") == {"sid": "2"}


def test_what_is_noted_goes_with_its_request(crawl: Crawl) -> None:
    first, second = crawl.queue(), crawl.queue()
    crawl.answer(first, "sid=1; Path=/")
    crawl.answer(second, "sid=2; Path=/")
    crawl.answer(second, "sid=3; Path=/", gate=False)  # a retry of the same object
    assert crawl.due() == {"sid": "3"}
