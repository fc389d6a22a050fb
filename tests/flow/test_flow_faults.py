"""What goes wrong on the way: neither pages nor paid tokens are lost for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scrapy.exceptions import IgnoreRequest
from scrapy.http import HtmlResponse, Response
from twisted.internet.error import ConnectionLost

from scrapy_onecaptcha.exceptions import TaskFailed, Unavailable

from .test_flow_sharing import paths
from .virtual import SITEKEY, Crawl

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request

    Crawling = Callable[..., Crawl]


def test_an_outage_of_the_service_is_not_held_against_the_site(
    crawling: Crawling,
) -> None:
    crawl = crawling(max_attempts=10, max_failures=2)
    crawl.site()
    crawl.service.creating = lambda _: (
        Unavailable("HTTP 503") if crawl.clock.seconds() < 60 else None
    )
    crawl.ask(*paths(30))
    crawl.run()
    assert len(crawl.pages) == 30
    crawl.finish()


def test_a_task_that_was_never_sent_costs_nothing(crawling: Crawling) -> None:
    crawl = crawling(max_tasks=1)
    crawl.site()
    crawl.service.creating = lambda n: (
        Unavailable("no connection", sent=False) if n < 4 else None
    )
    crawl.ask("/0")
    crawl.run()
    assert crawl.pages == ["/0"]
    assert crawl.stat("tasks") == 1
    crawl.finish()


def test_a_gate_that_is_gone_is_gone_for_all_who_wait(crawling: Crawling) -> None:
    crawl = crawling(gate_max_age=5.0)
    site = crawl.site()
    crawl.ask(*paths(10))
    crawl.advance(6)
    site.gated = lambda _: False
    crawl.run()
    assert len(crawl.pages) == 10
    assert len(crawl.service.created) == 1
    crawl.finish()


def test_a_spent_budget_closes_only_when_what_was_paid_for_is_used(
    crawling: Crawling,
) -> None:
    crawl = crawling(close_on_fatal=True, max_tasks=6)
    crawl.site(grants="nothing")
    crawl.ask(*paths(12))
    crawl.advance(60)
    assert crawl.closed_as == "onecaptcha_budget"
    assert len(crawl.service.created) == 6
    assert len(crawl.pages) == 6
    assert len(crawl.given_back) == 6
    crawl.finish()


@pytest.mark.parametrize("status", [403, 422, 429, 500])
def test_a_site_that_answers_every_token_with_an_error_is_cut_off(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    crawl = crawling()
    site = crawl.site()
    submitted = site._submitted
    banned: list[bool] = []

    def ban(*arguments: Any) -> Response:
        banned.append(True)
        return submitted(*arguments)

    def page(request: Request, _: str) -> Response:
        if banned:
            banned.clear()
            return HtmlResponse(
                request.url, status=status, body=b"<p>No.</p>", request=request
            )
        return site._gate(request)

    monkeypatch.setattr(site, "_submitted", ban)
    monkeypatch.setattr(site, "_page", page)
    crawl.ask(*paths(30))
    crawl.run()
    assert len(crawl.service.created) == 5
    assert len(crawl.events) == 30
    crawl.finish()


def test_a_page_that_is_missing_is_an_answer_like_any_other(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawl = crawling()
    site = crawl.site()
    content = site._content

    def missing(request: Request) -> Response:
        return content(request).replace(status=404)

    monkeypatch.setattr(site, "_content", missing)
    crawl.ask(*paths(10))
    crawl.run()
    assert len(crawl.service.created) == 1
    assert crawl.stat("tokens/accepted") == 1
    crawl.finish()


@pytest.mark.parametrize("error", [IgnoreRequest("robots.txt"), ConnectionLost()])
def test_a_redirect_to_nothing_is_followed_by_a_replay(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    crawl = crawling()
    site = crawl.site()
    submitted = site._submitted

    def done(*arguments: Any) -> Response:
        answer = submitted(*arguments)
        headers = {"Location": "/done"}
        return Response(answer.url, status=302, headers=headers, request=answer.request)

    monkeypatch.setattr(site, "_submitted", done)
    site.fault = lambda _, request: error if request.url.endswith("/done") else None
    crawl.ask(*paths(4))
    crawl.run()
    assert len(crawl.pages) == 4
    assert len(crawl.service.created) == 1
    crawl.finish()


def test_a_refetch_that_fails_leaves_the_old_form(crawling: Crawling) -> None:
    crawl = crawling(gate_max_age=5.0)
    site = crawl.site()
    site.fault = lambda n, _: ConnectionLost() if n == 2 else None
    crawl.ask("/0")
    crawl.run()
    assert crawl.pages == ["/0"]
    assert len(crawl.service.created) == 1
    crawl.finish()


def test_a_page_lost_on_the_way_is_told(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    crawl = crawling()
    site = crawl.site()
    site.fault = lambda n, _: ConnectionLost() if n > 1 else None
    crawl.ask("/0")
    crawl.run()
    assert [type(error) for error in crawl.errors] == [ConnectionLost]
    lost = [r for r in caplog.records if "Gated page lost" in r.getMessage()]
    assert len(lost) == 1
    assert crawl.stat("failed/error") == 1
    crawl.finish()


def test_rqdata_is_had_anew_before_another_task(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawl = crawling(max_attempts=3, max_failures=9)
    site = crawl.site(accepts=lambda n: n == 3)
    plain = site._gate

    def gate(request: Request) -> Response:
        page = plain(request)
        script = f'<script>hcaptcha.setData(0, {{rqdata: "data{site.gates}"}})</script>'
        return page.replace(body=page.body.replace(b"</body>", script.encode()))

    monkeypatch.setattr(site, "_gate", gate)
    crawl.service.latency = 50.0
    crawl.ask("/0")
    crawl.run()
    used = [task.rqdata for task in crawl.service.created]
    assert len(set(used)) == len(used) == 3
    assert crawl.pages == ["/0"]
    crawl.finish()


def test_pages_that_all_redirect_to_one_gate_are_not_lost_as_duplicates(
    crawling: Crawling,
) -> None:
    crawl = crawling()
    crawl.filters = True
    site = crawl.site(redirects=True, entrance="/captcha")
    site.answer = "json"
    site.sitekey = lambda _: SITEKEY
    crawl.ask(*paths(6))
    crawl.run()
    assert sorted(crawl.pages) == paths(6)
    assert len(crawl.events) == 6
    crawl.finish()


def test_an_ordinary_duplicate_stays_dropped(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawl = crawling()
    crawl.filters = True
    site = crawl.site(gated=lambda _: False)
    page = site._page

    def to_home(request: Request, agent: str) -> Response:
        if request.url.endswith("/home"):
            return page(request, agent)
        headers = {"Location": "/home"}
        return Response(request.url, status=302, headers=headers, request=request)

    monkeypatch.setattr(site, "_page", to_home)
    crawl.ask(*paths(3))
    crawl.run()
    assert len(crawl.events) == 1
    assert len(crawl.sent) == 4
    crawl.finish()


def test_a_gate_that_is_had_anew_is_checked_before_it_is_paid_for(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have lost its form, or have it sent elsewhere."""
    crawl = crawling()
    site = crawl.site()
    crawl.service.outcome = lambda _: TaskFailed("unsolvable")
    plain = site._gate

    def gate(request: Request) -> Response:
        page = plain(request)
        body = page.body
        if site.gates > 1:
            body = body.replace(b'action="', b'action="https://evil.example')
        script = f'<script>hcaptcha.setData(0, {{rqdata: "data{site.gates}"}})</script>'
        return page.replace(body=body.replace(b"</body>", script.encode()))

    monkeypatch.setattr(site, "_gate", gate)
    crawl.ask("/0")
    crawl.run()
    assert [type(error).__name__ for error in crawl.errors] == ["SubmissionRefused"]
    assert len(crawl.service.created) == 1, "the one before"
    crawl.finish()
