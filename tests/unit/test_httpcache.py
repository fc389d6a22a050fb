"""Gates stay out of the HTTP cache, compressed as they are."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from scrapy import Request
from scrapy.extensions.httpcache import DummyPolicy, RFC2616Policy
from scrapy.http import HtmlResponse, Response
from scrapy.settings import Settings

from scrapy_onecaptcha.httpcache import (
    GatelessDummyPolicy,
    GatelessRFC2616Policy,
    gateless,
)
from tests.flow.virtual import GATE, PAGE, SITEKEY

URL = "https://shop.example/0"
GATE_PAGE = GATE.format(action="", ticket=1, sitekey=SITEKEY).encode()
CONTENT = PAGE.format(path="/0").encode()


def response(body: bytes, encoding: str = "", **options: Any) -> Response:
    """Return a response as the cache sees it."""
    headers = {"Content-Type": "text/html", "Date": "Mon, 01 Jan 2024 00:00:00 GMT"}
    if encoding == "gzip":
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
    return HtmlResponse(URL, body=body, headers=headers, **options)


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("policy", [GatelessDummyPolicy, GatelessRFC2616Policy])
def test_a_gate_is_neither_stored_nor_served(policy: Any, encoding: str) -> None:
    cache = policy(Settings())
    request = Request(URL)
    gate = response(GATE_PAGE, encoding)
    page = response(CONTENT, encoding)
    assert not cache.should_cache_response(gate, request)
    assert not cache.is_cached_response_fresh(gate, request)
    assert not cache.is_cached_response_valid(gate, page, request)


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_page_is_left_to_the_policy_and_as_it_was(encoding: str) -> None:
    cache = GatelessDummyPolicy(Settings({"HTTPCACHE_IGNORE_HTTP_CODES": [404]}))
    request = Request(URL)
    page = response(CONTENT, encoding)
    body = page.body
    assert cache.should_cache_response(page, request)
    assert cache.is_cached_response_fresh(page, request)
    assert cache.is_cached_response_valid(page, page, request)
    assert page.body == body
    assert page.headers.get("Content-Encoding") == (encoding.encode() or None)
    assert not cache.should_cache_response(response(CONTENT, status=404), request)


def test_the_users_word_on_a_page_holds() -> None:
    cache = GatelessDummyPolicy(Settings({"ONECAPTCHA_EXPECT": "h1"}))
    gate = response(GATE_PAGE)
    assert cache.should_cache_response(gate, Request(URL))
    cache = GatelessDummyPolicy(Settings())
    for said in (False, {"gate": False}, {"expect": "h1"}):
        request = Request(URL, meta={"onecaptcha": said})
        assert cache.should_cache_response(gate, request)


def test_broken_compression_is_the_policys_business() -> None:
    cache = GatelessDummyPolicy(Settings())
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/html"}
    broken = HtmlResponse(URL, body=b"no gzip", headers=headers)
    assert cache.should_cache_response(broken, Request(URL))


def test_any_policy_can_be_wrapped_once() -> None:
    class Mine(DummyPolicy):
        pass

    wrapped = gateless(Mine)
    assert issubclass(wrapped, Mine)
    assert gateless(wrapped) is wrapped
    assert issubclass(gateless(RFC2616Policy), RFC2616Policy)
    assert not wrapped(Settings()).should_cache_response(
        response(GATE_PAGE), Request(URL)
    )
