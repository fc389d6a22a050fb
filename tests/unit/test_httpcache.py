"""Gates stay out of the HTTP cache, compressed as they are."""

from __future__ import annotations

import gzip
from inspect import signature
from time import thread_time
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.extensions.httpcache import DummyPolicy, RFC2616Policy
from scrapy.http import HtmlResponse, JsonResponse, Response
from scrapy.settings import Settings

from scrapy_onecaptcha.httpcache import (
    MAX_SECONDS,
    GatelessDummyPolicy,
    GatelessRFC2616Policy,
    gateless,
    keeps_gates_out,
)
from tests.flow.virtual import GATE, PAGE, SITEKEY

if TYPE_CHECKING:
    from scrapy_onecaptcha import Challenge

URL = "https://shop.example/0"
GATE_PAGE = GATE.format(action="", ticket=1, sitekey=SITEKEY).encode()
DATED = {"Date": "Mon, 01 Jan 2024 00:00:00 GMT"}
CONTENT = PAGE.format(path="/0").encode()


def response(body: bytes, encoding: str = "", **options: Any) -> Response:
    """Return a response as the cache sees it."""
    headers = {"Content-Type": "text/html", **DATED}
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


def test_a_policy_asks_what_the_middleware_asks() -> None:
    asked: list[Response] = []

    def decide(page: Response, _: Challenge) -> bool:
        asked.append(page)
        return page.request is not None and "no-gate" in page.request.meta

    cache = GatelessDummyPolicy(Settings({"ONECAPTCHA_GATE": decide}))
    assert cache.should_cache_response(response(GATE_PAGE), Request(URL))
    gate = Request(URL, meta={"no-gate": True})
    assert not cache.should_cache_response(response(GATE_PAGE), gate)
    assert [page.body for page in asked] == [GATE_PAGE] * 2
    # A reply that names no sitekey is a gate where the user knows it.
    said = JsonResponse(
        URL, status=403, body=b'{"error": "captcha_required"}', headers=DATED
    )
    cache = GatelessDummyPolicy(Settings())
    known = {"sitekey": SITEKEY, "field": "token"}
    assert cache.should_cache_response(said, Request(URL))
    known_request = Request(URL, meta={"onecaptcha": known})
    assert not cache.should_cache_response(said, known_request)
    with pytest.raises(ValueError, match="field"):
        cache.should_cache_response(
            said, Request(URL, meta={"onecaptcha": {"field": 1}})
        )


@pytest.mark.parametrize("status", [200, 503])
def test_a_gate_makes_no_stored_page_valid(status: int) -> None:
    cache = GatelessRFC2616Policy(Settings())
    request = Request(URL)
    stored = response(CONTENT)
    assert not cache.is_cached_response_valid(
        stored, response(GATE_PAGE, status=status), request
    )
    error = response(b"<p>down", status=503)
    assert cache.is_cached_response_valid(stored, error, request)


def test_broken_compression_is_the_policys_business() -> None:
    cache = GatelessDummyPolicy(Settings())
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/html"}
    broken = HtmlResponse(URL, body=b"no gzip", headers=headers)
    assert cache.should_cache_response(broken, Request(URL))


class Clock:
    """Gives each step of a reading so many seconds."""

    def __init__(self, each: float) -> None:
        self._each, self.asked = each, 0

    def __call__(self) -> float:
        self.asked += 1
        return self.asked * self._each


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_page_that_takes_too_long_to_be_read_is_not_stored(
    encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Scrapy asks at once: the crawl does nothing else while it is read."""
    caplog.set_level("INFO", "scrapy_onecaptcha")
    clock = Clock(MAX_SECONDS / 3)
    policy: Any = GatelessDummyPolicy
    cache = policy(Settings(), clock)
    request, other = Request(URL), Request(URL)
    slow = response(GATE_PAGE, encoding)
    page = response(CONTENT, encoding)  # it speaks of no captcha: there is no step
    assert not cache.should_cache_response(slow, request)
    asked = clock.asked
    assert 2 <= asked <= 5
    # Not even begun again for the same response.
    assert not cache.is_cached_response_fresh(slow, request)
    assert not cache.is_cached_response_valid(slow, page, request)
    assert clock.asked == asked
    assert not cache.is_cached_response_valid(page, slow.copy(), other)
    assert cache.should_cache_response(page, other)
    told = [record for record in caplog.records if "does not store" in record.message]
    assert [record.levelname for record in told] == ["INFO"]
    assert URL in told[0].message


def test_a_page_that_is_read_in_time_is_stored_for_what_it_is() -> None:
    policy: Any = GatelessDummyPolicy
    login = (
        '<script src="https://js.hcaptcha.com/1/api.js"></script><form action=/login>'
        f"<input name=user><input type=password name=word><div class=h-captcha "
        f"data-sitekey={SITEKEY}></div></form>"
    ).encode()
    for body, is_stored in ((login, True), (GATE_PAGE, False)):
        for each, decided in ((MAX_SECONDS / 40, True), (MAX_SECONDS / 3, False)):
            cache = policy(Settings(), Clock(each))
            stored = cache.should_cache_response(response(body), Request(URL))
            assert stored is (decided and is_stored)


def test_the_steps_of_the_slow_pages_are_counted_by_the_cpu() -> None:
    """So that the machine's other work makes no page one that takes too long."""
    taken = signature(GatelessDummyPolicy.__init__).parameters["clock"].default
    assert taken is thread_time


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


REDIRECTS = [
    ("/page", "/captcha"),
    ("/page", "/check?next=/page"),
    ("/check?next=/page", "/page"),
]


@pytest.mark.parametrize(("of", "to"), REDIRECTS)
def test_no_redirect_to_a_gate_or_back_is_stored(of: str, to: str) -> None:
    """It would lead to the gate again and again after that was passed."""
    policy: Any = GatelessDummyPolicy(Settings())
    request = Request(f"https://shop.example{of}")
    answer = Response(request.url, status=302, headers={"Location": to})
    assert not policy.should_cache_response(answer, request)


def test_what_a_gate_shows_to_a_cleared_visitor_is_not_stored() -> None:
    policy: Any = GatelessDummyPolicy(Settings())
    meta = {"redirect_urls": ["https://shop.example/page"]}
    request = Request("https://shop.example/check?next=/page", meta=meta)
    assert not policy.should_cache_response(Response(request.url), request)


def test_other_redirects_and_what_they_lead_to_are_stored() -> None:
    policy: Any = GatelessDummyPolicy(Settings())
    request = Request("https://shop.example/old")
    answer = Response(request.url, status=301, headers={"Location": "/new?a=b"})
    assert policy.should_cache_response(answer, request)
    led = Request("https://shop.example/new?a=b", meta={"redirect_urls": [request.url]})
    assert policy.should_cache_response(Response(led.url), led)


def test_the_cache_is_asked_whether_it_keeps_gates_out() -> None:
    path = "scrapy_onecaptcha.httpcache.GatelessDummyPolicy"
    on = {"HTTPCACHE_ENABLED": True, "HTTPCACHE_POLICY": path}
    assert keeps_gates_out(Settings(on))
    assert not keeps_gates_out(Settings(on | {"HTTPCACHE_ENABLED": False}))
    assert not keeps_gates_out(Settings({"HTTPCACHE_ENABLED": True}))


@pytest.mark.parametrize("policy", [GatelessDummyPolicy, GatelessRFC2616Policy])
def test_a_stored_redirect_is_not_for_the_middlewares_own_requests(policy: Any) -> None:
    """It may lead to the gate of which the session was cleared since."""
    cache = policy(Settings())
    headers = {"Location": f"{URL}/gate", "Expires": "Mon, 01 Jan 2124 00:00:00 GMT"}
    stored = Response(URL, status=302, headers=headers | DATED)
    replay = Request(URL, meta={"_onecaptcha": {"role": "replay"}})
    page = response(CONTENT)
    assert cache.is_cached_response_fresh(stored, Request(URL))
    assert not cache.is_cached_response_fresh(stored, replay)
    assert not cache.is_cached_response_valid(stored, page, replay)
