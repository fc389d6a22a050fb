"""Names of sessions: a site, a cookiejar and a proxy."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest
from scrapy import Request
from scrapy.downloadermiddlewares.httpproxy import HttpProxyMiddleware

from scrapy_onecaptcha.crawl.session_key import SessionKey, session_key
from tests.unit.helpers import SITE, spider_argument

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
