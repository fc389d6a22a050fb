"""What is kept in ``request.meta``, and what becomes of it on the way."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from scrapy import FormRequest, Request
from scrapy.downloadermiddlewares.retry import get_retry_request
from scrapy.utils.request import request_from_dict

from scrapy_onecaptcha.crawl import request_meta
from tests.unit.helpers import redirected, spider_with_crawler

URL = "https://shop.example/list"


def stamped(request: Request, generation: int = 0) -> Request:
    request_meta.stamp(request, generation)
    return request


def post() -> Request:
    return Request(
        URL,
        method="POST",
        body=b"q=tea",
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "X-A": ["1", "2"],
        },
    )


# The stamp


def test_a_request_carries_the_generation_of_its_clearance() -> None:
    request = stamped(Request(URL), 3)
    assert request.meta[request_meta.KEY]["generation"] == 3
    assert request_meta.stamp(request, 4) == request.meta[request_meta.KEY]
    assert request.meta[request_meta.KEY]["generation"] == 4


def test_what_it_was_at_first_is_noted_once() -> None:
    request = stamped(post())
    changed = stamped(request.replace(method="GET", body=b"", headers={"X-B": "3"}))
    first = request_meta.first_of(changed)
    assert (first["url"], first["method"], first["body"]) == (URL, "POST", b"q=tea")
    assert dict(Request(URL, headers=first["headers"]).headers) == dict(post().headers)


def test_of_a_plain_get_no_more_is_noted_than_there_is() -> None:
    first = request_meta.first_of(stamped(Request(URL)))
    assert first["url"] == URL
    assert not {"method", "body", "download_slot"} & set(first)


def test_a_get_with_a_body_is_noted_whole() -> None:
    first = request_meta.first_of(stamped(Request(URL, body=b"{}")))
    assert (first["method"], first["body"]) == ("GET", b"{}")


def test_a_stamp_leaves_the_copies_of_a_request_alone() -> None:
    request = stamped(Request(URL), 1)
    copy = request.copy()
    request_meta.stamp(copy, 2)
    assert request.meta[request_meta.KEY]["generation"] == 1


@pytest.mark.parametrize("status", [301, 302, 303])
def test_it_survives_a_redirect_that_makes_a_get_of_a_post(status: int) -> None:
    hop = redirected(stamped(post()), status, "/captcha")
    if status != 301:  # which keeps the method up to Scrapy 2.13
        assert (hop.method, hop.body) == ("GET", b"")
    assert hop.url == "https://shop.example/captcha"
    hop = redirected(stamped(hop), 302, "https://gate.example/")
    stamped(hop, 5)
    first = request_meta.first_of(hop)
    assert (first["url"], first["method"], first["body"]) == (URL, "POST", b"q=tea")
    assert first["headers"][b"X-A"] == [b"1", b"2"]
    # What was granted since the first one left says nothing of where it was led.
    assert hop.meta[request_meta.KEY]["generation"] == 0


def test_it_survives_a_retry() -> None:
    request = stamped(post(), 1)
    again = get_retry_request(request, spider=spider_with_crawler(), reason="test")
    assert again is not None
    stamped(again, 2)
    assert request_meta.first_of(again) == request_meta.first_of(request)
    assert again.meta[request_meta.KEY]["generation"] == 2


def test_it_survives_a_redirect_after_a_retry() -> None:
    again = get_retry_request(
        stamped(post()), spider=spider_with_crawler(), reason="test"
    )
    assert again is not None
    hop = stamped(redirected(stamped(again), 302, "/captcha"))
    assert request_meta.first_of(hop)["method"] == "POST"


def is_plain(value: Any) -> bool:
    if type(value) is dict:
        return all(is_plain(key) and is_plain(entry) for key, entry in value.items())
    if type(value) is list:
        return all(is_plain(entry) for entry in value)
    return value is None or type(value) in (str, bytes, int, float, bool)


def test_it_is_plain_data() -> None:
    request = stamped(post(), 2)
    request_meta.borrow(request, dont_retry=True)
    assert is_plain(request.meta[request_meta.KEY])
    for role in ("submission", "replay", "refetch"):
        assert is_plain(request_meta.mark(request, role, "agent")[request_meta.KEY])


def test_it_survives_pickling_and_external_schedulers() -> None:
    request = stamped(post(), 2)
    stored = pickle.loads(pickle.dumps(request.to_dict()))
    again = request_from_dict(stored)
    assert again.meta[request_meta.KEY] == request.meta[request_meta.KEY]
    assert request_meta.first_of(stamped(again, 3)) == request_meta.first_of(request)


@pytest.mark.parametrize("meta", ["copied", "shared"])
def test_the_state_of_another_page_is_not_taken_for_its_own(meta: str) -> None:
    one = stamped(post(), 7)
    request_meta.borrow(one, dont_retry=True)
    one.meta[request_meta.KEY]["given_back"] = True
    other = Request(
        "https://shop.example/other",
        meta=dict(one.meta) if meta == "copied" else one.meta,
    )
    stamped(other, 1)
    assert set(other.meta[request_meta.KEY]) == {"first", "generation", "sent"}
    first = request_meta.first_of(other)
    assert (first["url"], first["headers"]) == (other.url, {})
    assert not {"method", "body"} & set(first)


def test_the_redirects_of_another_page_are_not_taken_for_its_own() -> None:
    one = stamped(redirected(stamped(Request(URL)), 302, "/moved"))
    request_meta.forget(one)  # as before the callback
    other = stamped(Request("https://shop.example/other", meta=one.meta))
    assert request_meta.first_of(other)["url"] == other.url


def test_a_form_request_is_noted_as_what_it_sends() -> None:
    first = request_meta.first_of(stamped(FormRequest(URL, formdata={"q": "tea"})))
    assert (first["method"], first["body"]) == ("POST", b"q=tea")


def test_what_was_never_stamped_is_what_it_is() -> None:
    assert request_meta.first_of(post())["body"] == b"q=tea"
    hop = redirected(post(), 302, "/captcha")
    assert request_meta.first_of(hop)["url"] == hop.url


# Requests of our own


def test_a_crawls_request_has_no_role() -> None:
    assert request_meta.role_of(Request(URL)) is None
    assert request_meta.role_of(stamped(Request(URL))) is None


def test_a_request_of_our_own_keeps_its_role_when_it_leaves() -> None:
    meta = request_meta.mark(stamped(Request(URL), 3), "refetch", "agent")
    request = stamped(Request("https://shop.example/captcha", meta=meta), 4)
    assert request_meta.role_of(request) == "refetch"
    assert request.meta[request_meta.KEY]["user_agent"] == "agent"
    assert request.meta[request_meta.KEY]["generation"] == 4


def test_marking_drops_what_belongs_to_one_download() -> None:
    kept = {"cookiejar": 3, "proxy": "http://p.example", "depth": 2, "mine": [1]}
    transient = {
        "redirect_ttl": 19,
        "redirect_times": 1,
        "redirect_urls": [URL],
        "redirect_reasons": [302],
        "retry_times": 2,
        "download_latency": 0.1,
        "cached_response": None,
        "cache_timestamp": 1.0,
        "_dont_cache": True,
    }
    request = stamped(Request(URL, meta=kept | transient))
    request.meta["download_slot"] = "shop.example"  # by Scrapy, as it was downloaded
    meta = request_meta.mark(request, "replay")
    assert meta == {**kept, request_meta.KEY: {"role": "replay", "user_agent": None}}
    assert request.meta["redirect_times"] == 1


def test_the_users_own_download_slot_is_kept() -> None:
    request = stamped(Request(URL, meta={"download_slot": "slow"}))
    hop = redirected(request, 302, "https://gate.example/")
    hop.meta["download_slot"] = "gate.example"
    assert request_meta.mark(stamped(hop), "replay")["download_slot"] == "slow"


# By which proxy a request of our own leaves

BASIC = b"Basic dXNlcjp3b3Jk"
ONE, TWO = "http://one.example:8080", "http://two.example:8080"


def pinned(headers: dict[str, Any] | None = None, **meta: Any) -> Request:
    gate = stamped(Request(URL, headers=headers, meta=meta))
    return request_meta.pin(gate.replace(meta=request_meta.mark(gate, "replay")))


def test_whatever_proxy_is_set_a_request_leaves_as_its_gate_came() -> None:
    own = {"proxy": ONE, "_auth_proxy": ONE, "download_slot": "one"}
    request = pinned({"Proxy-Authorization": BASIC}, **own)
    request.meta.update({"proxy": TWO, "_auth_proxy": TWO, "download_slot": "two"})
    request.headers["Proxy-Authorization"] = "Basic another"
    request_meta.keep_way(request)
    assert {name: request.meta[name] for name in own} == own
    assert request.headers["Proxy-Authorization"] == BASIC


def test_what_came_by_no_proxy_leaves_by_none() -> None:
    request = pinned()
    request.meta.update({"proxy": TWO, "download_slot": "two"})
    request.headers["Proxy-Authorization"] = BASIC
    request_meta.keep_way(request)
    assert set(request.meta) == {request_meta.KEY}
    assert "Proxy-Authorization" not in request.headers


def test_a_retry_of_our_own_may_leave_by_another_proxy() -> None:
    request = pinned(proxy=ONE)
    retry = get_retry_request(request, spider=spider_with_crawler())
    assert retry is not None
    retry.meta["proxy"] = TWO
    request_meta.keep_way(retry)
    assert retry.meta["proxy"] == TWO


def test_the_crawls_own_requests_leave_by_whatever_proxy_is_set() -> None:
    request = stamped(Request(URL, meta={"proxy": ONE}))
    request.meta["proxy"] = TWO
    request_meta.keep_way(request)
    assert request.meta["proxy"] == TWO


def test_a_request_takes_the_way_of_another_with_its_credentials() -> None:
    old = Request(
        URL,
        headers={"Proxy-Authorization": "Basic old", "Accept": "*/*"},
        meta={"proxy": ONE, "_auth_proxy": ONE, "cookiejar": 1, "download_slot": "my"},
    )
    headers = {"Proxy-Authorization": BASIC}
    sent = Request(URL, headers=headers, meta={"proxy": TWO, "download_slot": "two"})
    led = request_meta.by_way_of(old, sent)
    assert led.meta == {"proxy": TWO, "cookiejar": 1, "download_slot": "my"}
    assert led.headers["Proxy-Authorization"] == BASIC
    assert led.headers["Accept"] == b"*/*"
    assert old.meta["proxy"] == ONE
    direct = request_meta.by_way_of(old, Request(URL))
    assert "proxy" not in direct.meta
    assert "Proxy-Authorization" not in direct.headers


# Borrowed keys


def test_borrowed_keys_are_given_back() -> None:
    request = stamped(Request(URL, meta={"mine": 1}))
    request_meta.borrow(request, dont_retry=True, dont_redirect=True)
    assert request.meta["dont_retry"] is True
    assert request.meta["dont_redirect"] is True
    request_meta.forget(request)
    assert request.meta == {"mine": 1}


@pytest.mark.parametrize("own", [True, False])
def test_the_users_own_keys_stay_as_they_were(own: bool) -> None:
    request = stamped(Request(URL, meta={"dont_retry": own}))
    request_meta.borrow(request, dont_retry=own, dont_redirect=True)
    request_meta.forget(request)
    assert request.meta == {"dont_retry": own}


def test_keys_may_be_borrowed_twice() -> None:
    request = stamped(Request(URL))
    request_meta.borrow(request, dont_retry=True)
    request_meta.borrow(request, dont_retry=True, handle_httpstatus_all=True)
    assert request.meta["handle_httpstatus_all"] is True
    request_meta.forget(request)
    assert request.meta == {}


def test_keys_may_be_borrowed_without_a_stamp() -> None:
    request = Request(URL)
    request_meta.borrow(request, dont_retry=True)
    assert request.meta["dont_retry"] is True
    request_meta.forget(request)
    assert request.meta == {}


def test_borrowed_keys_are_given_back_after_a_retry_too() -> None:
    request = stamped(Request(URL))
    request_meta.borrow(request, dont_retry=True)
    again = stamped(request.copy())
    request_meta.forget(again)
    assert again.meta == {}


def test_forgetting_what_was_never_known() -> None:
    request = Request(URL, meta={"mine": 1})
    request_meta.forget(request)
    assert request.meta == {"mine": 1}
