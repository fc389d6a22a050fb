"""What is asked of Scrapy's engine: its cookies."""

from __future__ import annotations

import pytest
from scrapy import Request
from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.http import Response

from scrapy_onecaptcha.crawl.engine import Engine


class Jars(Engine):
    """An engine whose jars hold what a site has set."""

    def __init__(self, url: str, *cookies: str) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.middleware = CookiesMiddleware()
        response = Response(url, headers={"Set-Cookie": list(cookies)})
        self.middleware.jars[None].extract_cookies(response, Request(url))

    def _cookies_middleware(self) -> CookiesMiddleware:
        return self.middleware


@pytest.mark.parametrize(
    ("setter", "cookie", "asked", "bare"),
    [
        ("https://shop.example/", "a=1", "https://shop.example/x", False),
        ("https://shop.example/", "a=1", "https://news.example/", True),
        ("https://shop.example/", "a=1", "https://www.shop.example/", True),
        (
            "https://shop.example/",
            "a=1; Domain=shop.example",
            "https://w.shop.example/",
            False,
        ),
        ("http://localhost:1/", "a=1", "http://localhost:2/", False),
        ("http://127.0.0.1:1/", "a=1", "http://127.0.0.1:1/", False),
        ("https://shop.example/", "", "https://shop.example/", True),
    ],
)
def test_requests_that_carry_no_cookie(
    setter: str, cookie: str, asked: str, bare: bool
) -> None:
    engine = Jars(setter, cookie)
    assert engine.has_no_cookies(Request(asked)) is bare
    assert engine.has_no_cookies(Request(asked, meta={"cookiejar": "other"}))
    assert not engine.has_no_cookies(Request(asked, cookies={"login": "me"}))
    assert not engine.has_no_cookies(Request(asked, headers={"Cookie": "login=me"}))


def test_the_jar_of_a_request() -> None:
    engine = Jars("https://shop.example/", "a=1")
    request = Request("https://shop.example/")
    jar = engine.cookie_jar(request)
    assert [cookie.name for cookie in jar] == ["a"]
    without = request.replace(meta={"dont_merge_cookies": True})
    assert engine.cookie_jar(without) is None
