"""A dry run: gates are met, read and counted, and nothing is paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scrapy_onecaptcha import DryRun
from scrapy_onecaptcha.exceptions import SubmissionRefused

from .test_flow_sharing import paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from .virtual import Crawl

    Crawling = Callable[..., Crawl]

SITE = "https://shop.example"


def test_nothing_is_paid_and_each_gate_is_counted(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    crawl = crawling(dry_run=True)
    crawl.site()
    crawl.ask(*paths(20), "/open/1")
    crawl.run()
    crawl.finish()
    assert crawl.service.create_calls == 0
    assert len(crawl.pages) == 1
    assert [type(error) for error in crawl.errors] == [DryRun] * 20
    assert crawl.stat("gates") == crawl.stat("failed/dry_run") == 20
    assert crawl.stat("dry_run/tasks") == 1
    assert crawl.stat("tasks") == 0
    assert all(record.levelname == "INFO" for record in caplog.records)
    told = caplog.messages
    assert told[0] == (
        "Dry run: hCaptcha gates on every host that the spider asks for are read and "
        "counted, and nothing is paid (ONECAPTCHA_DRY_RUN)"
    )
    plans = [text for text in told if "would be sent by" in text and "lost" not in text]
    assert plans
    assert "would be sent by POST to" in plans[0]
    assert told[-1] == (
        "Dry run in all: 20 gates met; a browser would need at least 1 task, 7 points "
        "(0.007 CNY), and 20 tasks, 140 points (0.140 CNY) if each page wanted a token "
        "of its own; nothing was paid"
    )


def test_the_gate_goes_to_the_callback_where_that_is_asked_for(
    crawling: Crawling,
) -> None:
    crawl = crawling(dry_run=True, on_failure="response")
    crawl.site(status=403)
    crawl.ask(*paths(2))
    crawl.run()
    crawl.finish()
    assert crawl.errors == []
    responses = [event.response for event in crawl.events if event.response]
    assert len(responses) == 2
    assert all("onecaptcha-failed" in response.flags for response in responses)


def test_a_session_needs_a_token_of_its_own(crawling: Crawling) -> None:
    crawl = crawling(dry_run=True)
    crawl.site()
    for jar in range(3):
        crawl.ask(*(f"/{jar}-{n}" for n in range(4)), meta={"cookiejar": jar})
    crawl.run()
    crawl.finish()
    assert crawl.stat("dry_run/tasks") == 3


@pytest.mark.parametrize(
    ("settings", "meta"),
    [({"share_clearance": False}, {}), ({}, {"dont_merge_cookies": True})],
)
def test_pages_that_share_no_clearance(
    crawling: Crawling, settings: dict[str, bool], meta: dict[str, bool]
) -> None:
    crawl = crawling(dry_run=True, **settings)
    crawl.site()
    crawl.ask(*paths(4), meta=meta)
    crawl.run()
    crawl.finish()
    assert crawl.stat("dry_run/tasks") == 4


def test_what_could_not_be_paid_for_anyway_is_told_as_ever(crawling: Crawling) -> None:
    crawl = crawling(dry_run=True)
    crawl.site(action="http://127.0.0.1:6379/")
    crawl.ask("/1")
    crawl.run()
    crawl.finish()
    assert [type(error) for error in crawl.errors] == [SubmissionRefused]
    assert crawl.stat("dry_run/tasks") == 0


def test_it_needs_no_key(crawling: Crawling) -> None:
    crawl = crawling(dry_run=True, api_key="")
    crawl.site()
    crawl.ask("/1")
    crawl.run()
    crawl.finish()
    assert [type(error) for error in crawl.errors] == [DryRun]


def test_the_error_says_what_would_be_sent(crawling: Crawling) -> None:
    crawl = crawling(dry_run=True)
    crawl.site()
    crawl.ask("/1")
    crawl.run()
    crawl.finish()
    (error,) = crawl.errors
    assert str(error).startswith("This is a dry run: a token for sitekey ")
    assert isinstance(error, DryRun)
    assert error.challenge is not None
    assert error.challenge.solvable
