"""The requests that are sent again."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from scrapy import Request
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.request import request_from_dict

from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.requests import (
    ONCE,
    give_back,
    hop,
    inherit,
    original,
    redirect_target,
    refetch,
    replay,
)
from tests.unit.helpers import AGENT, redirected

URL = "https://shop.example/list"
TOKEN = "P1_secret"


def parse(response: Response) -> None:
    pass


def lost(failure: object) -> None:
    pass


def asked(**changes: Any) -> Request:
    """Return a request as a spider makes it, on its way out."""
    values: dict[str, Any] = {
        "method": "POST",
        "body": b"q=tea",
        "headers": {"Content-Type": "text/x", "Authorization": "mine", "Referer": "r"},
        "cookies": {"basket": "1"},
        "meta": {"cookiejar": 2, "mine": "kept"},
        "callback": parse,
        "errback": lost,
        "cb_kwargs": {"page": 2},
        "priority": 9,
        "flags": ["mine"],
    }
    request = Request(URL, **(values | changes))
    request_meta.stamp(request, 0)
    return request


def gated(**changes: Any) -> Request:
    """Return it as a redirect to another host has made it, when it meets a gate."""
    request = redirected(asked(**changes), 302, "https://gate.example/captcha")
    request_meta.stamp(request, 0)
    request.meta["download_slot"] = "gate.example"
    request.meta["download_latency"] = 0.1
    assert "Authorization" not in request.headers
    return request


# The original


def test_without_a_redirect_it_is_the_request_itself() -> None:
    request = asked()
    assert original(request) is request


def test_after_a_redirect_it_is_as_it_was_first_sent() -> None:
    first, found = asked(), original(gated())
    assert (found.url, found.method, found.body) == (URL, "POST", b"q=tea")
    assert dict(found.headers) == dict(first.headers)
    assert found.meta["mine"] == "kept"
    assert found.meta["cookiejar"] == 2
    for name in ("redirect_urls", "redirect_times", "redirect_ttl", "download_slot"):
        assert name not in found.meta
    assert (found.callback, found.errback) == (parse, lost)
    assert found.cb_kwargs == {"page": 2}
    assert request_meta.role_of(found) is None
    assert found.meta[request_meta.KEY]["first"]["url"] == URL


def test_after_a_redirect_by_another_proxy_it_has_the_credentials_of_the_last() -> None:
    request = gated(headers={"Proxy-Authorization": "Basic first"})
    request.headers["Proxy-Authorization"] = "Basic last"
    assert original(request).headers["Proxy-Authorization"] == b"Basic last"
    del request.headers["Proxy-Authorization"]
    assert "Proxy-Authorization" not in original(request).headers


# The page


@pytest.mark.parametrize("role", ["replay", "refetch"])
def test_what_its_download_has_noted_is_told_with_the_page(role: Any) -> None:
    request = asked(meta={"mine": "kept", "download_latency": 9.0})
    sent = request.replace(meta=request_meta.mark(request, role) | {"dont_cache": True})
    noted = {"download_latency": 0.5, "redirect_urls": [URL], "redirect_times": 1}
    sent.meta.update(noted)
    inherit(request, Response(URL, request=sent))
    told = {
        name: request.meta[name] for name in request.meta if name != request_meta.KEY
    }
    assert told == {"mine": "kept", **noted}
    assert "role" not in request.meta[request_meta.KEY]


def test_where_a_submission_was_redirected_is_not_told() -> None:
    """As a browser does it, for one: the URL may hold the token."""
    request = asked(meta={"mine": "kept"})
    sent = request.replace(meta=request_meta.mark(request, "submission") | ONCE)
    sent.meta.update(
        download_latency=0.5,
        redirect_urls=[f"{URL}?token={TOKEN}"],
        redirect_reasons=[302],
        redirect_times=1,
        redirect_ttl=19,
        playwright_page_goto_kwargs={"referer": URL},
    )
    inherit(request, Response(URL, request=sent))
    told = {
        name: request.meta[name] for name in request.meta if name != request_meta.KEY
    }
    assert told == {"mine": "kept", "download_latency": 0.5}


# The replay


@pytest.mark.parametrize("make", [asked, gated])
def test_a_replay_is_the_request_as_it_was_first_sent(make: Any) -> None:
    request = make()
    sent = replay(original(request), user_agent=AGENT)
    assert (sent.url, sent.method, sent.body) == (URL, "POST", b"q=tea")
    assert dict(sent.headers) == dict(asked().headers)
    assert sent.cookies == {}
    assert sent.meta == {
        "cookiejar": 2,
        "mine": "kept",
        "dont_cache": True,
        request_meta.KEY: {"role": "replay", "user_agent": AGENT},
    }
    assert (sent.callback, sent.errback) == (NO_CALLBACK, lost)
    assert sent is not request
    assert "dont_cache" not in request.meta


def test_a_replay_goes_without_what_a_cache_has_put_in() -> None:
    """A site would answer it by a bare 304."""
    request = asked()
    request.headers["If-None-Match"] = '"abc"'
    assert "If-None-Match" not in replay(request).headers
    assert "If-None-Match" in request.headers


def test_a_replay_keeps_the_spiders_own_condition() -> None:
    request = asked(headers={"If-None-Match": '"own"'})
    assert replay(request).headers["If-None-Match"] == b'"own"'


def test_a_replay_goes_through_a_cache_that_keeps_gates_out() -> None:
    assert "dont_cache" not in replay(asked(), cached=True).meta


def test_a_replay_of_a_get() -> None:
    sent = replay(original(gated(method="GET", body=b"")))
    assert (sent.url, sent.method, sent.body) == (URL, "GET", b"")
    assert sent.meta[request_meta.KEY]["user_agent"] is None


def test_a_replay_keeps_the_users_own_download_slot() -> None:
    meta = {"download_slot": "slow"}
    assert replay(asked(meta=meta)).meta["download_slot"] == "slow"
    assert replay(gated(meta=meta)).meta["download_slot"] == "slow"
    assert "download_slot" not in replay(gated()).meta


def test_a_replay_begins_its_own_retries() -> None:
    request = asked(meta={"max_retry_times": 5})
    request.meta["retry_times"] = 2
    sent = replay(request)
    assert "retry_times" not in sent.meta
    assert sent.meta["max_retry_times"] == 5


def test_a_replay_asks_for_its_own_page_whatever_meta_was_copied() -> None:
    other = gated()
    request_meta.forget(other)  # as before the callback
    request = Request("https://shop.example/other", meta=other.meta)
    request_meta.stamp(request, 0)
    assert replay(request).url == "https://shop.example/other"


# The refetch


def test_a_refetch_asks_for_the_gate_itself() -> None:
    request = gated()
    sent = refetch(request, AGENT)
    assert (sent.url, sent.method) == ("https://gate.example/captcha", "GET")
    assert sent.cookies == {}
    assert sent.meta == {
        "cookiejar": 2,
        "mine": "kept",
        "dont_cache": True,
        request_meta.KEY: {"role": "refetch", "user_agent": AGENT},
    }
    assert request.meta["download_slot"] == "gate.example"


def test_a_refetch_of_a_post_is_a_post() -> None:
    sent = refetch(asked(), None)
    assert sent.cookies == {}
    assert (sent.url, sent.method, sent.body) == (URL, "POST", b"q=tea")


# Back to the scheduler


@pytest.mark.parametrize("make", [asked, gated])
def test_what_is_given_back_is_as_it_was(make: Any) -> None:
    request = original(make())
    back = give_back(request)
    assert back.dont_filter
    assert (back.url, back.method, back.body) == (URL, "POST", b"q=tea")
    assert dict(back.headers) == dict(request.headers)
    assert (back.callback, back.errback, back.priority) == (
        parse,
        lost,
        request.priority,
    )
    assert back.cb_kwargs == {"page": 2}
    assert back.meta["mine"] == "kept"
    assert back.meta[request_meta.KEY]["given_back"] is True
    assert request_meta.role_of(back) is None
    assert "given_back" not in request.meta[request_meta.KEY]


def test_what_is_given_back_can_be_stored_and_goes_on() -> None:
    back = give_back(asked(callback=None, errback=None))
    again = request_from_dict(pickle.loads(pickle.dumps(back.to_dict())))
    request_meta.stamp(again, 3)
    assert again.meta[request_meta.KEY]["given_back"] is True
    found = replay(original(redirected(again, 302, "/captcha")))
    assert (found.url, found.method, found.body) == (URL, "POST", b"q=tea")
    assert "given_back" not in found.meta[request_meta.KEY]


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://shop.example/page", "https://shop.example/page"),
        ("/page?a=b", "https://shop.example/page?a=b"),
        ("page", "https://shop.example/verify/page"),
        ("../page", "https://shop.example/page"),
        ("?ok=1", "https://shop.example/verify/form?ok=1"),
        ("//www.shop.example/page", "https://www.shop.example/page"),
        ("/a b/é", "https://shop.example/a%20b/%C3%A9"),
        ("javascript:alert(1)", "javascript:alert(1)"),
    ],
)
def test_where_a_redirect_leads(status: int, location: str, target: str) -> None:
    response = Response(
        "https://shop.example/verify/form",
        status=status,
        headers={"Location": location.encode()},
    )
    assert redirect_target(response) == target


@pytest.mark.parametrize("status", [200, 201, 204, 300, 304, 307, 308, 403, 503])
def test_what_is_not_followed(status: int) -> None:
    response = Response(URL, status=status, headers={"Location": "/page"})
    assert redirect_target(response) is None


@pytest.mark.parametrize("headers", [{}, {"Location": ""}])
def test_a_redirect_to_nowhere(headers: dict[str, str]) -> None:
    assert redirect_target(Response(URL, status=302, headers=headers)) is None


@pytest.mark.parametrize(
    "location", ["http://[", "//[::1", "http://shop.example:99999999/"]
)
def test_a_redirect_to_what_is_no_url(location: str) -> None:
    response = Response(URL, status=302, headers={"Location": location})
    assert redirect_target(response) is None


# The hop


def submission(url: str = "https://shop.example/verify") -> Request:
    return Request(
        url,
        method="POST",
        body=f"h-captcha-response={TOKEN}",
        headers={
            "User-Agent": AGENT,
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": "33",
            "Origin": "https://shop.example",
            "Referer": f"https://shop.example/?t={TOKEN}",
            "Authorization": "mine",
            "Cookie": "a=b",
            "Accept-Language": "de",
        },
        meta=request_meta.mark(asked(), "submission", AGENT) | ONCE,
        dont_filter=True,
        callback=NO_CALLBACK,
    )


def holds_token(request: Request) -> bool:
    return TOKEN in f"{request.url} {request.headers} {request.body!r} {request.meta}"


def test_a_hop_is_a_get_without_the_token() -> None:
    sent = hop(submission(), "https://shop.example/ok?a=b#top", TOKEN)
    assert (sent.url, sent.method) == ("https://shop.example/ok?a=b", "GET")
    assert not holds_token(sent)
    for name in ("Content-Type", "Content-Length", "Origin", "Referer"):
        assert name not in sent.headers
    assert sent.headers["User-Agent"] == AGENT.encode()
    assert sent.headers["Accept-Language"] == b"de"


def test_a_hop_after_a_form_that_is_sent_by_get_has_no_token() -> None:
    form = submission(f"https://shop.example/verify?token={TOKEN}")
    sent = hop(form.replace(method="GET", body=b""), "https://shop.example/ok", TOKEN)
    assert not holds_token(sent)


@pytest.mark.parametrize("name", ["X-Captcha", "Authorization"])
def test_no_header_with_the_token_goes_along(name: str) -> None:
    """No matter who has put it there: a plan of ours, or a user's submitter."""
    made = submission()
    made.headers[name] = f"Bearer {TOKEN}"
    sent = hop(made, "https://shop.example/ok", TOKEN)
    assert name not in sent.headers
    assert sent.headers["Accept-Language"] == b"de"
    assert name in made.headers


def test_no_query_with_the_token_is_followed() -> None:
    sent = hop(submission(), f"https://shop.example/ok?t={TOKEN}&a=1", TOKEN)
    assert sent.url == "https://shop.example/ok?a=1"


@pytest.mark.parametrize("name", ["Authorization", "Cookie"])
def test_credentials_stay_with_their_host(name: str) -> None:
    assert name in hop(submission(), "https://shop.example/ok", TOKEN).headers
    for url in ("https://www.shop.example/ok", "https://shop.example:8443/ok"):
        assert name not in hop(submission(), url, TOKEN).headers


def test_a_hop_may_not_be_repeated_redirected_or_stored_either() -> None:
    form = submission().replace(callback=parse)
    sent = hop(form, "https://shop.example/ok", TOKEN)
    assert ONCE.items() <= sent.meta.items()
    assert request_meta.role_of(sent) == "submission"
    assert sent.meta["cookiejar"] == 2
    assert sent.callback is NO_CALLBACK
    assert sent.dont_filter
    assert form.headers == submission().headers


def test_what_must_leave_once_says_so() -> None:
    assert set(ONCE) == {
        "dont_retry",
        "dont_redirect",
        "handle_httpstatus_all",
        "dont_cache",
        "allow_offsite",
    }
    assert all(value is True for value in ONCE.values())
