"""Stopping: waiting requests go back as they were, and nothing is left running."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from scrapy.exceptions import IgnoreRequest
from twisted.internet.defer import Deferred

from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.exceptions import AccountError, OneCaptchaError

from .test_flow_sharing import paths
from .virtual import KEY, Crawl

if TYPE_CHECKING:
    from collections.abc import Callable

    Crawling = Callable[..., Crawl]


@pytest.mark.parametrize("moment", [0.5, 1.5, 5.0, 5.05, 9.0, 12.0])
def test_waiting_requests_go_back_within_two_seconds(
    crawling: Crawling, moment: float
) -> None:
    crawl = crawling()
    crawl.site()
    asked = crawl.ask(*paths(30), priority=3)
    crawl.advance(moment)
    crawl.stop()
    crawl.advance(2)
    assert not crawl.downloader.active
    ended = [event.request.url for event in crawl.events]
    back = [request.url for request in crawl.given_back]
    unsent = [request.url for request in crawl._scheduled]
    assert sorted(ended + back + unsent) == sorted(r.url for r in asked)
    for request in crawl.given_back:
        assert request.dont_filter, "the dupefilter has seen it"
        assert request.priority == 3
        assert pickle.loads(pickle.dumps(request.meta)) == request.meta
        assert KEY not in repr(request.meta)
        assert "P1_" not in repr(request.meta)
    crawl.finish()


def test_requests_that_were_led_to_the_gate_go_back_as_the_spider_made_them(
    crawling: Crawling,
) -> None:
    crawl = crawling()
    crawl.site(redirects=True)
    crawl.ask("/wanted", meta={"mine": 1})
    crawl.advance(3)
    crawl.stop()
    crawl.advance(2)
    (request,) = crawl.given_back
    assert request.url == "https://shop.example/wanted"
    assert request.meta.keys() == {"mine", request_meta.KEY}
    crawl.finish()


def test_the_next_run_delivers_what_was_given_back(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = crawling()
    first.site()
    first.ask(*paths(20))
    first.advance(6)
    first.stop()
    first.advance(2)
    first.finish()
    second = Crawl()
    second.site()
    second._scheduled.extend([*first.given_back, *first._scheduled])
    second._slot.nextcall.schedule()
    second.run()
    assert sorted(second.pages) == sorted(paths(20))
    for event in second.events:
        assert request_meta.KEY not in event.request.meta
    second.finish()


def test_a_request_that_comes_again_while_closing_ends_in_an_error(
    crawling: Crawling,
) -> None:
    """As it does for a caller of ``download_async``, who would loop for ever."""
    crawl = crawling()
    crawl.site()
    (request,) = crawl.ask("/0")
    crawl._scheduled.clear()
    results: list[object] = []
    crawl._download(request).addBoth(results.append)
    crawl.advance(3)
    sent = len(crawl.sent)
    crawl.stop()
    crawl.advance(2)
    assert len(results) == 1
    assert isinstance(results[0].value, OneCaptchaError)  # type: ignore[attr-defined]
    assert len(crawl.sent) <= sent + 1


def test_tasks_left_behind_are_in_the_summary(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    crawl = crawling()
    crawl.site()
    crawl.ask("/0")
    crawl.advance(6)
    crawl.stop()
    crawl.advance(2)
    caplog.set_level("INFO")
    crawl.finish()
    assert crawl.stat("tasks/failed/abandoned") == 1
    assert "1 abandoned" in caplog.text


@pytest.mark.parametrize("spent", [False, True])
def test_close_on_fatal_closes_the_spider_and_gives_everything_back(
    crawling: Crawling, *, spent: bool
) -> None:
    options = {"max_tasks": 1} if spent else {}
    crawl = crawling(close_on_fatal=True, **options)
    crawl.site(grants="nothing")
    if not spent:
        crawl.service.creating = lambda _: AccountError(
            "empty", code="ERROR_ZERO_BALANCE", answered=True
        )
    asked = crawl.ask(*paths(10))
    crawl.advance(60)
    assert crawl.closed_as == ("onecaptcha_budget" if spent else "onecaptcha_account")
    assert not crawl.errors
    back = [request.url for request in crawl.given_back]
    done = [event.request.url for event in crawl.events]
    assert sorted(back + done) == sorted(request.url for request in asked)
    assert len(done) == (1 if spent else 0)
    crawl.finish()


def test_a_budget_of_a_site_does_not_close_the_spider(crawling: Crawling) -> None:
    crawl = crawling(close_on_fatal=True, max_tasks_per_site=1)
    crawl.site(grants="nothing")
    crawl.ask(*paths(3))
    crawl.run()
    assert not crawl.closed_as
    assert len(crawl.errors) == 2
    crawl.finish()


def test_the_progress_line_comes_while_anything_waits(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    crawl = crawling(log_interval=4.0)
    crawl.site()
    crawl.ask("/0", "/1")
    caplog.set_level("INFO")
    crawl.run()
    said = [record.getMessage() for record in caplog.records]
    lines = [line for line in said if line.startswith("Waiting for captchas")]
    assert len(lines) == 3
    assert "2 requests waiting, 1 task open" in lines[1]
    crawl.finish()


def test_held_requests_go_back_too(crawling: Crawling) -> None:
    crawl = crawling(concurrency=4)
    crawl.site()
    asked = crawl.ask(*paths(40))
    crawl.advance(5)
    crawl.stop()
    crawl.advance(2)
    assert len(crawl.given_back) == len(asked)
    crawl.finish()


def test_held_requests_of_an_earlier_run_go_back_again(crawling: Crawling) -> None:
    first = crawling(concurrency=4)
    first.site()
    asked = first.ask(*paths(40))
    first.advance(5)
    first.stop()
    first.advance(2)
    first.finish()
    second = crawling(concurrency=4)
    second.site()
    second._scheduled.extend(first.given_back)
    second._slot.nextcall.schedule()
    second.advance(5)
    second.stop()
    second.advance(2)
    assert not second.errors
    assert len(second.given_back) == len(asked)
    second.finish()


def test_the_key_is_nowhere_to_be_seen(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    crawl = crawling()
    crawl.site()
    crawl.ask(*paths(3))
    crawl.run()
    Deferred.fromCoroutine(crawl.middleware.spider_closed())
    assert KEY not in caplog.text
    assert KEY not in repr(crawl.stats.get_stats())
    assert "P1_token" not in caplog.text


def test_a_stop_does_not_wait_for_a_robots_txt_that_hangs(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it cancel that, for which others wait as well."""
    crawl = crawling()
    crawl.site()
    cancelled: list[object] = []
    robots: Deferred[None] = Deferred(cancelled.append)
    monkeypatch.setattr(crawl, "robots_check", lambda _: robots)
    crawl.ask("/0")
    crawl.advance(3)
    crawl.stop()
    crawl.advance(2)
    assert len(crawl.given_back) == 1
    assert not cancelled
    robots.errback(IgnoreRequest("late"))
    crawl.finish()
