"""The right page, to the request that asked for it; the site's view of it all."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.http import HtmlResponse, Response, TextResponse
from twisted.internet.defer import CancelledError

from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.exceptions import (
    OneCaptchaError,
    SubmissionRefused,
    UnsolvableGate,
)

from . import virtual
from .virtual import AGENT, GATE, KEY, OTHER_SITEKEY, SITEKEY, Crawl, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    Crawling = Callable[..., Crawl]


def on_page(response: Response) -> None:
    """Be a spider's callback."""


def on_error(failure: Any) -> None:
    """Be a spider's errback."""


@pytest.mark.parametrize("answer", ["redirect", "content", "json"])
@pytest.mark.parametrize("status", [200, 403, 429, 503])
def test_the_callback_gets_the_page_it_asked_for(
    crawling: Crawling, answer: str, status: int
) -> None:
    crawl = crawling()
    crawl.site(answer=answer, status=status)
    (asked,) = crawl.ask(
        "/wanted?q=1#part",
        callback=on_page,
        errback=on_error,
        cb_kwargs={"a": 1},
        meta={"mine": "kept", "cookiejar": "jar"},
        priority=7,
    )
    (event,) = crawl.run()
    request = event.request
    assert request is asked
    assert event.response is not None
    assert event.response.css("h1.content::text").get() == "/wanted"
    assert request.callback is on_page
    assert request.errback is on_error
    assert request.cb_kwargs == {"a": 1}
    assert request.priority == 7
    assert request.meta == {"mine": "kept", "cookiejar": "jar"}
    crawl.finish()


def test_a_gate_entered_by_a_redirect_ends_at_the_page_asked_for(
    crawling: Crawling,
) -> None:
    crawl = crawling()
    crawl.site(redirects=True)
    crawl.ask("/wanted", callback=on_page, meta={"mine": 1})
    (event,) = crawl.run()
    assert event.response is not None
    assert event.response.url == "https://shop.example/wanted"
    assert event.request.url == "https://shop.example/wanted"
    assert event.request.callback is on_page
    assert event.request.meta == {"mine": 1}
    crawl.finish()


@pytest.mark.parametrize("redirects", [False, True])
def test_a_gated_post_is_replayed_as_it_was(
    crawling: Crawling, *, redirects: bool
) -> None:
    crawl = crawling()
    crawl.site(redirects=redirects)
    headers = {"User-Agent": AGENT, "X-Mine": "1", "Content-Type": "text/plain"}
    crawl.ask("/other")  # schedules the loop
    crawl.run()
    crawl.sites["shop.example"].clearances.clear()
    request = Request(
        "https://shop.example/search", method="POST", body=b"q=1", headers=headers
    )
    crawl._scheduled.append(request)
    crawl._slot.nextcall.schedule()
    crawl.run()
    last = crawl.sent[-1]
    assert (last.url, last.method, last.body) == (
        "https://shop.example/search",
        "POST",
        b"q=1",
    )
    assert last.headers["X-Mine"] == b"1"
    assert last.headers["Content-Type"] == b"text/plain"
    assert crawl.events[-1].request.method == "POST"
    crawl.finish()


def test_the_token_never_leaves_the_coroutine(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site()
    crawl.ask("/0", "/1")
    crawl.run()
    carriers = [r for r in crawl.sent if b"P1_token" in r.body or "P1_" in r.url]
    assert len(carriers) == 1
    assert carriers[0].meta["dont_retry"]
    assert carriers[0].meta["dont_redirect"]
    assert carriers[0].meta["dont_cache"]
    assert carriers[0].meta["handle_httpstatus_all"]
    for event in crawl.events:
        assert "P1_token" not in repr(event.request.meta)
        assert event.request is not carriers[0]
    crawl.finish()


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """Least of all the two that would post the token again."""
    crawl = crawling()
    site = crawl.site()
    submitted = site._submitted

    def elsewhere(*arguments: Any) -> Response:
        answer = submitted(*arguments)
        headers = {"Location": "https://evil.example/collect"}
        return Response(
            answer.url, status=status, headers=headers, request=answer.request
        )

    monkeypatch.setattr(site, "_submitted", elsewhere)
    crawl.site("evil.example")
    crawl.ask("/0")
    crawl.run()
    assert crawl.pages == ["/0"]
    assert crawl.sites["evil.example"].downloads == 0
    crawl.finish()


def test_a_307_on_the_site_itself_is_not_posted_again(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawl = crawling()
    site = crawl.site()
    submitted = site._submitted

    def again(*arguments: Any) -> Response:
        answer = submitted(*arguments)
        headers = {"Location": "/0"}
        return Response(answer.url, status=307, headers=headers, request=answer.request)

    monkeypatch.setattr(site, "_submitted", again)
    crawl.ask("/0")
    crawl.run()
    assert crawl.pages == ["/0"]
    assert len(site.submissions) == 1
    crawl.finish()


@pytest.mark.parametrize(
    "action",
    [
        "https://evil.example/collect",
        "http://shop.example/down",
        "http://127.0.0.1:6379/",
        "https://10.0.0.1/",
        "javascript:alert(1)",
    ],
)
def test_a_form_that_leads_elsewhere_is_refused_before_anything_is_paid(
    crawling: Crawling, action: str
) -> None:
    crawl = crawling()
    crawl.site(action=action)
    crawl.ask("/0")
    crawl.run()
    (error,) = crawl.errors
    assert isinstance(error, SubmissionRefused | UnsolvableGate)
    assert crawl.service.create_calls == 0
    assert crawl.stat(f"failed/{error.reason}") == 1
    crawl.finish()


def test_a_form_that_leads_to_an_allowed_domain_is_submitted(
    crawling: Crawling,
) -> None:
    crawl = crawling(allowed_domains=["shop.example", "auth.example"])
    crawl.site(action="https://auth.example/check")
    crawl.site("auth.example")
    crawl.ask("/0", meta={"onecaptcha": {"max_attempts": 1}})
    crawl.run()
    assert len(crawl.sites["auth.example"].submissions) == 1
    crawl.finish()


def test_robots_txt_is_asked_before_anything_is_paid(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site(action="/verify")
    crawl.robots = lambda request: not request.url.endswith("/verify")
    crawl.ask("/0")
    crawl.run()
    (error,) = crawl.errors
    assert isinstance(error, SubmissionRefused)
    assert "robots.txt" in str(error)
    assert crawl.service.create_calls == 0
    crawl.finish()


def test_a_gated_robots_txt_passes_unsolved(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    from scrapy.http.request import NO_CALLBACK

    crawl = crawling()
    crawl.site()
    crawl.ask("/robots.txt", "/robots.txt", callback=NO_CALLBACK)
    crawl.run()
    assert [event.response is not None for event in crawl.events] == [True, True]
    assert crawl.service.create_calls == 0
    warnings = [r.getMessage() for r in caplog.records if "robots" in r.getMessage()]
    assert len(warnings) == 1
    crawl.finish()


# The User-Agent


def test_every_later_request_carries_the_user_agent_of_the_solution(
    crawling: Crawling,
) -> None:
    crawl = crawling()
    site = crawl.site()
    crawl.service.user_agent = "solver/2.0"
    crawl.ask("/0")
    crawl.run()
    crawl.ask("/1", "/2")
    crawl.run()
    assert sorted(crawl.pages) == ["/0", "/1", "/2"]
    assert len(crawl.service.created) == 1
    agents = [agent for _, agent in site.agents]
    assert agents[0] == AGENT
    assert set(agents[1:]) == {"solver/2.0"}
    crawl.finish()


def test_with_another_user_agent_the_gate_is_fetched_again_first(
    crawling: Crawling,
) -> None:
    crawl = crawling()
    crawl.site()
    crawl.service.user_agent = "solver/2.0"
    crawl.ask("/0")
    crawl.run()
    assert crawl.stat("refetched") == 1
    body = next(request.body for request in crawl.sent if request.method == "POST")
    assert b"ticket=2" in body, "the hidden fields of the second page"
    crawl.finish()


def test_without_one_in_the_solution_the_pages_own_holds(crawling: Crawling) -> None:
    crawl = crawling()
    site = crawl.site()
    crawl.ask("/0")
    crawl.run()
    request = Request("https://shop.example/1", headers={"User-Agent": "rotated/9"})
    crawl._scheduled.append(request)
    crawl._slot.nextcall.schedule()
    crawl.run()
    assert crawl.service.created[0].user_agent == AGENT
    assert site.agents[-1] == ("https://shop.example/1", AGENT)
    assert crawl.stat("refetched") == 0
    crawl.finish()


def test_side_by_side_each_submission_carries_its_own_solutions_agent(
    crawling: Crawling,
) -> None:
    crawl = crawling(share_clearance=False, max_failures=50)
    site = crawl.site(grants="nothing")
    given: dict[str, str] = {}
    fetch = crawl.service.get_task_result

    async def varied(task_id: str) -> Any:
        from dataclasses import replace

        result = await fetch(task_id)
        if result is None:
            return None
        agent = f"solver/{task_id}"
        given[result.token] = agent
        return replace(result, user_agent=agent)

    crawl.service.get_task_result = varied  # type: ignore[method-assign]
    crawl.ask(*[f"/{n}" for n in range(6)])
    crawl.advance(60)
    sent = {
        request.body.decode().partition("h-captcha-response=")[2].partition("&")[0]: (
            request.headers["User-Agent"].decode()  # type: ignore[union-attr]
        )
        for request in crawl.sent
        if request.method == "POST"
    }
    assert len(sent) >= 6
    for token, agent in sent.items():
        assert given[token] == agent
    assert site.submissions


# Fresh pages and tokens


def test_an_old_gate_is_fetched_again(crawling: Crawling) -> None:
    crawl = crawling(gate_max_age=20.0)
    crawl.site()
    crawl.service.latency = 30.0
    crawl.ask("/0")
    crawl.run()
    assert crawl.stat("refetched") == 1
    assert crawl.pages == ["/0"]
    crawl.finish()


def test_a_fresh_gate_is_not(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site()
    crawl.ask("/0")
    crawl.run()
    assert crawl.stat("refetched") == 0
    crawl.finish()


def test_a_gate_with_rqdata_is_never_fetched_again(crawling: Crawling) -> None:
    crawl = crawling(gate_max_age=1.0)
    crawl.site()
    crawl.ask("/0", meta={"onecaptcha": {"rqdata": "from-the-page"}})
    crawl.run()
    assert crawl.service.created[0].rqdata == "from-the-page"
    assert crawl.stat("refetched") == 0
    assert crawl.pages == ["/0"]
    crawl.finish()


def test_a_gate_that_is_gone_meanwhile_is_not_submitted(crawling: Crawling) -> None:
    crawl = crawling(gate_max_age=5.0)
    site = crawl.site()
    crawl.ask("/0")
    crawl.advance(6)
    site.gated = lambda _: False
    crawl.run()
    assert crawl.pages == ["/0"]
    assert not site.submissions
    assert crawl.stat("tokens/unused") == 1
    crawl.finish()


def test_a_page_that_would_send_elsewhere_by_now_sends_nothing(
    crawling: Crawling,
) -> None:
    crawl = crawling(gate_max_age=5.0)
    site = crawl.site()
    plain = site._gate

    def with_script(request: Request) -> Response:
        gate = plain(request)
        script = b"<script>document.forms[0].onsubmit = () => true</script></body>"
        return gate.replace(body=gate.body.replace(b"</body>", script))

    site._gate = with_script  # type: ignore[method-assign]
    crawl.ask("/0")
    crawl.advance(6)
    site.action = "/elsewhere"
    crawl.run()
    [error] = crawl.errors
    assert isinstance(error, SubmissionRefused)
    told = "planned https://shop.example/0; now https://shop.example/elsewhere"
    assert told in str(error)
    assert crawl.stat("refetched") == 1
    assert not site.submissions
    assert crawl.stat("tokens/unused") == 1
    crawl.finish()


def test_a_gate_with_another_sitekey_meanwhile_keeps_the_old_form(
    crawling: Crawling,
) -> None:
    crawl = crawling(gate_max_age=5.0)
    site = crawl.site()
    crawl.ask("/0")
    crawl.advance(6)
    site.sitekey = lambda _: "b1b2c3d4-0000-4000-8000-00000000000f"
    crawl.advance(10)
    body = next(request.body for request in crawl.sent if request.method == "POST")
    assert b"ticket=1" in body


def test_a_token_that_grew_old_is_not_sent(crawling: Crawling) -> None:
    crawl = crawling(token_max_age=10.0, gate_max_age=1.0)
    site = crawl.site()
    crawl.ask("/0")
    crawl.advance(5)
    site.latency = 15.0  # the refetch takes longer than the token lives
    crawl.advance(25)
    site.latency = 0.1
    crawl.run()
    assert crawl.stat("tokens/expired") >= 1
    assert len(site.submissions) == len(set(site.submissions))
    assert site.submissions[0] != "P1_token-number-1-of-the-service"
    assert crawl.pages == ["/0"]
    crawl.finish()


# Caches, state, options


def test_a_gate_from_the_cache_is_fetched_again_and_not_paid_for(
    crawling: Crawling,
) -> None:
    crawl = crawling()
    site = crawl.site(gated=lambda _: False)
    (request,) = crawl.ask("/0")
    page = GATE.format(action="/0", ticket="old", sitekey=SITEKEY)
    cached = HtmlResponse(
        request.url, body=page, encoding="utf-8", request=request, flags=["cached"]
    )
    download = site.download

    async def from_cache(request: Request) -> Response:
        if request.meta.get("dont_cache"):
            return await download(request)
        return cached

    site.download = from_cache  # type: ignore[method-assign]
    crawl.run()
    assert crawl.pages == ["/0"]
    assert crawl.service.create_calls == 0
    crawl.finish()


def test_the_state_in_meta_survives_pickling(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site(redirects=True)
    crawl.ask("/0", meta={"mine": 1})
    crawl.advance(3)
    (waiting,) = crawl.downloader.active
    meta = pickle.loads(pickle.dumps(waiting.meta))
    assert type(meta[request_meta.KEY]) is dict
    assert meta == waiting.meta
    assert KEY not in repr(meta)


def test_onecaptcha_false_leaves_a_request_alone(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site()
    crawl.ask("/0", meta={"onecaptcha": False})
    (event,) = crawl.run()
    assert event.response is not None
    assert b"h-captcha" in event.response.body
    assert crawl.service.create_calls == 0
    crawl.finish()


def test_a_bad_option_reaches_the_errback_by_name(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site()
    crawl.ask("/0", meta={"onecaptcha": {"gates": True}})
    (event,) = crawl.run()
    assert isinstance(event.error, ValueError)
    assert "gates" in str(event.error)
    assert crawl.service.create_calls == 0


def test_expect_decides_what_is_the_page(crawling: Crawling) -> None:
    """An answer that lacks what the user expects is followed by a replay."""
    crawl = crawling()
    crawl.site(answer="content")
    crawl.ask("/0", meta={"onecaptcha": {"expect": "h1.elsewhere"}})
    crawl.run()
    assert crawl.stat("replayed") == 1
    crawl.ask("/1", meta={"onecaptcha": {"expect": "h1.content"}})
    crawl.run()
    assert crawl.stat("replayed") == 1
    crawl.finish()


def test_gate_overrules_detection(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site()
    crawl.ask("/0", meta={"onecaptcha": {"gate": False}})
    (event,) = crawl.run()
    assert event.response is not None
    assert b"h-captcha" in event.response.body
    assert crawl.stat("widgets_ignored") == 1
    crawl.finish()


def test_a_users_submitter_is_used_and_made_safe(crawling: Crawling) -> None:
    def submitter(
        request: Request, response: Response, challenge: Any, solution: Any
    ) -> Request:
        body = f"h-captcha-response={solution.token}"
        return Request(response.url, method="POST", body=body, headers=request.headers)

    crawl = crawling(submitters={"shop.example": submitter})
    crawl.site()
    crawl.ask("/0")
    crawl.run()
    assert crawl.pages == ["/0"]
    sent = next(request for request in crawl.sent if request.method == "POST")
    assert sent.meta["dont_retry"]
    assert b"ticket" not in sent.body
    crawl.finish()


def test_a_gate_that_a_submitter_takes_is_not_unsolvable(crawling: Crawling) -> None:
    def submitter(
        request: Request, response: Response, challenge: Any, solution: Any
    ) -> Request:
        body = f"h-captcha-response={solution.token}&ticket={request.url}"
        return Request(request.url, method="POST", body=body, headers=request.headers)

    for submitters, unsolvable in (({}, 1), ({"shop.example": submitter}, 0)):
        crawl = crawling(submitters=submitters)
        crawl.site(action="javascript:check()")
        crawl.ask("/0")
        crawl.run()
        assert len(crawl.pages) == 1 - unsolvable
        assert crawl.stat("unsolvable/no_submission") == unsolvable
        crawl.finish()


@pytest.mark.parametrize("status", [200, 503])
def test_on_failure_response_hands_the_gate_on(crawling: Crawling, status: int) -> None:
    crawl = crawling(on_failure="response", max_attempts=1)
    crawl.site(status=status, accepts=lambda _: False)
    crawl.ask("/0")
    (event,) = crawl.run()
    response = event.response
    assert isinstance(response, TextResponse)
    assert "onecaptcha-failed" in response.flags
    assert "h-captcha" in response.text
    assert event.request.url == "https://shop.example/0"
    assert crawl.stat("failed/attempts") == 1
    crawl.finish()


def test_solve_returns_a_token_for_a_callback(crawling: Crawling) -> None:
    from twisted.internet.defer import Deferred

    crawl = crawling(max_tasks=1)
    crawl.site(gated=lambda _: False)
    (request,) = crawl.ask("/0")
    page = GATE.format(action="/0", ticket="1", sitekey=SITEKEY)
    response = HtmlResponse(request.url, body=page, encoding="utf-8", request=request)
    got: list[Any] = []
    for _ in range(2):
        solving = Deferred.fromCoroutine(crawl.middleware.solve(response))
        solving.addBoth(got.append)
        crawl.advance(20)
    assert got[0].token.startswith("P1_")
    assert got[1].type.__name__ == "BudgetExceeded"
    plain = HtmlResponse(request.url, body=b"<p>x</p>", request=request)
    Deferred.fromCoroutine(crawl.middleware.solve(plain)).addBoth(got.append)
    assert isinstance(got[2].value, UnsolvableGate)


def test_solve_ends_when_the_crawl_stops(crawling: Crawling) -> None:
    from twisted.internet.defer import Deferred

    crawl = crawling()
    crawl.site(gated=lambda _: False)
    (request,) = crawl.ask("/0")
    page = GATE.format(action="/0", ticket="1", sitekey=SITEKEY)
    response = HtmlResponse(request.url, body=page, encoding="utf-8", request=request)
    got: list[Any] = []
    Deferred.fromCoroutine(crawl.middleware.solve(response)).addErrback(got.append)
    crawl.advance(3)
    crawl.stop()
    crawl.advance(2)
    assert isinstance(got[0].value, OneCaptchaError)


def test_requests_without_the_cookie_jar_are_warned_of_once(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    crawl = crawling()
    crawl.site()
    crawl.ask("/0", "/1", meta={"dont_merge_cookies": True})
    crawl.run()
    lines = [r for r in caplog.records if "dont_merge_cookies" in r.getMessage()]
    assert len(lines) == 1
    assert lines[0].levelname == "WARNING"
    crawl.finish()


def test_a_submission_by_another_proxy_than_its_gate_is_warned_of(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    """As a rotator ordered above 585 does it, which sets the proxy after us."""
    crawl = crawling()
    site = crawl.site()
    download = site.download

    async def rotate(request: Request) -> Response:
        request.meta["proxy"] = f"http://proxy{len(crawl.sent)}.example:8080"
        return await download(request)

    site.download = rotate  # type: ignore[method-assign]
    crawl.ask("/0", meta={"onecaptcha": {"max_attempts": 1}})
    crawl.run()
    assert "another proxy" in caplog.text


def test_sitekey_invisible_and_field_are_the_users_word(crawling: Crawling) -> None:
    key = "b1b2c3d4-0000-4000-8000-0000000000aa"
    crawl = crawling()
    crawl.site(sitekey=lambda _: "your_site_key")
    said = {"sitekey": key, "invisible": True, "field": "proof", "max_attempts": 1}
    crawl.ask("/0", meta={"onecaptcha": said})
    crawl.run()
    (task,) = crawl.service.created
    assert task.sitekey == key
    assert task.invisible
    body = next(request.body for request in crawl.sent if request.method == "POST")
    assert b"proof=P1_token" in body
    assert b"h-captcha-response" not in body
    crawl.finish()


def test_a_submission_that_a_middleware_drops_is_refused_and_hands_over(
    crawling: Crawling,
) -> None:
    """As for one that is off-site: the session's turn must not be lost with it."""
    crawl = crawling()
    site = crawl.site()
    dropped: list[str] = []

    def drop_the_first(_: int, request: Request) -> Exception | None:
        if request.method == "POST" and not dropped:
            dropped.append(request.url)
            return IgnoreRequest("off-site")
        return None

    site.fault = drop_the_first
    crawl.ask("/0", "/1")
    crawl.run()
    assert [type(error) for error in crawl.errors] == [SubmissionRefused]
    assert len(crawl.pages) == 1
    crawl.finish()


@pytest.mark.parametrize("moment", [2.0, 6.0, 11.45])
def test_a_leader_that_is_cancelled_hands_over(
    crawling: Crawling, moment: float
) -> None:
    crawl = crawling()
    crawl.site()
    leader, *_ = crawl.ask("/0", "/1", "/2")
    crawl.advance(moment)
    crawl.under_way[leader].cancel()
    crawl.run()
    assert sorted(crawl.pages) == ["/1", "/2"]
    assert [type(error) for error in crawl.errors] == [CancelledError]
    crawl.finish()


def test_a_refused_get_form_leaves_no_token_in_the_gate(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its token is in the URL of the answer, and in the request that brought it."""
    crawl = crawling(max_attempts=2)
    site = crawl.site()
    gate = GATE.replace('method="post"', 'method="get"')
    monkeypatch.setattr(virtual, "GATE", gate)
    monkeypatch.setattr(site, "_page", lambda request, _: site._gate(request))
    crawl.ask("/0")
    crawl.run()
    assert any("P1_token" in request.url for request in crawl.sent)
    (error,) = crawl.errors
    assert isinstance(error, OneCaptchaError)
    assert error.response is not None
    assert error.response.request is not None
    assert error.challenge is not None
    for url in (error.response.url, error.response.request.url, error.challenge.url):
        assert "P1_" not in url
    assert all("P1_" not in task.url for task in crawl.service.created)
    assert len(crawl.service.created) == 2


def test_a_gate_that_waits_keeps_its_body_for_a_users_submitter(
    crawling: Crawling,
) -> None:
    """Which may read the page; our own has read the form before."""
    bodies: list[int] = []

    def submitter(
        request: Request, response: Response, challenge: Any, solution: Any
    ) -> Request:
        bodies.append(len(response.body))
        body = f"h-captcha-response={solution.token}"
        return Request(response.url, method="POST", body=body, headers=request.headers)

    for submitters in ({}, {"shop.example": submitter}):
        crawl = crawling(submitters=submitters)
        crawl.site(grants="nothing")
        crawl.ask("/0", "/1", "/2")
        crawl.run()
        assert len(crawl.pages) == 3
        assert crawl.stat("refetched") == 0
        crawl.finish()
    assert len(bodies) == 3
    assert all(bodies)


def test_a_page_that_is_let_through_by_its_url_is_the_page_for_a_post_too(
    crawling: Crawling,
) -> None:
    """Where its replay is gated, for the site grants nothing beyond that URL."""
    crawl = crawling()
    site = crawl.site(grants="nothing")
    request = Request(
        "https://shop.example/0",
        method="POST",
        body=b"q=1",
        headers={"User-Agent": AGENT},
    )
    crawl._scheduled.append(request)
    crawl._slot.nextcall.schedule()
    (event,) = crawl.run()
    assert event.response is not None
    assert event.response.url == "https://shop.example/0?pass=1"
    assert event.request.method == "POST"
    assert len(crawl.service.created) == 1
    assert crawl.stat("tokens/accepted") == 1
    assert len(site.submissions) == 1
    crawl.finish()


def test_the_url_of_a_page_that_answers_a_get_form_holds_no_token(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawl = crawling()
    site = crawl.site()
    monkeypatch.setattr(virtual, "GATE", GATE.replace('method="post"', 'method="get"'))

    def page(request: Request, _: str) -> Response:
        if "h-captcha-response" in request.url:
            return site._content(request)
        return site._gate(request)

    monkeypatch.setattr(site, "_page", page)
    crawl.ask("/0")
    (event,) = crawl.run()
    assert event.response is not None
    assert event.response.url == "https://shop.example/0"
    assert crawl.pages == ["/0"]
    assert len(crawl.service.created) == 1
    crawl.finish()


def test_a_refused_token_leaves_the_user_agent_of_the_session_as_it_is(
    crawling: Crawling,
) -> None:
    """Each solution names another one, and the clearance holds for the first."""
    crawl = crawling(max_attempts=2)
    site = crawl.site(
        accepts=lambda number: number == 1,
        sitekey=lambda path: OTHER_SITEKEY if path == "/refused" else SITEKEY,
    )
    crawl.service.user_agent = "solver/1.0"
    crawl.ask("/0")
    crawl.run()
    crawl.service.user_agent = "solver/2.0"
    crawl.ask("/refused")
    crawl.run()
    crawl.ask("/1")
    crawl.run()
    assert crawl.pages == ["/0", "/1"]
    assert len(crawl.service.created) == 1 + 2
    assert site.agents[-1] == ("https://shop.example/1", "solver/1.0")
    crawl.finish()


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_page_of_a_cache_is_no_evidence_unless_the_site_has_confirmed_it(
    crawling: Crawling, *, confirmed: bool
) -> None:
    class FromCache(Site):
        def _content(self, request: Request) -> Response:
            page = super()._content(request)
            if request.url.endswith("/cached"):
                page.flags.append("cached")
                if not confirmed:  # no request has left
                    del request.meta[request_meta.KEY]["reached"]
            return page

    crawl = crawling()
    crawl.sites["shop.example"] = FromCache(crawl.clock, crawl.service)
    crawl.ask("/0")
    crawl.run()
    crawl.ask("/cached")
    crawl.run()
    (session,) = crawl.coordinator.sessions.all()
    current = session.clearances.current
    assert current is not None
    assert current.pages == confirmed
    crawl.ask("/1")
    crawl.run()
    assert current.pages == confirmed + 1
    assert crawl.pages == ["/0", "/cached", "/1"]
    crawl.finish()
