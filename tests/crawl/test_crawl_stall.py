"""A page that waits for a captcha keeps nobody else waiting."""

from __future__ import annotations

import pytest
from crawl_harness import EACH_REACTOR, REACTORS, ask, crawl, crawling, pages, sandbox

pytestmark = [pytest.mark.crawl, pytest.mark.versions]


@pytest.mark.parametrize("reactor", EACH_REACTOR)
def test_plain_pages_do_not_wait_for_gated_ones(reactor: str) -> None:
    """The captcha is never solved, so that no page comes too late to count."""
    with sandbox("--latency", "3600", "--site", "button", "--site", "plain") as servers:
        gated = [
            ask(f"{servers['button']}/page/{number}", priority=100)
            for number in range(20)
        ]
        plan = gated + pages(servers["plain"], range(20))
        settings = {"CONCURRENT_REQUESTS": 4, **REACTORS[reactor][0]}
        with crawling(servers, plan, settings) as running:
            running.until(lambda: running.events.read_text().count('"page"') == 20)
            running.until(lambda: servers.tasks == 1)
            running.interrupt()
            result = running.result()
        result.assert_clean()
        assert set(result.pages) == set(range(20, 40))
        assert servers.tasks == 1
        assert result.stat("parked/max") > 4
        assert result.places == 4


def test_places_that_are_held_are_the_users_limit() -> None:
    """Past ONECAPTCHA_MAX_PARKED a page that waits holds its own place."""
    with sandbox("--latency", "0.3", "--site", "wall", "--site", "plain") as servers:
        plan = pages(servers["wall"], range(12)) + pages(servers["plain"], range(12))
        settings = {
            "CONCURRENT_REQUESTS": 3,
            "ONECAPTCHA_MAX_PARKED": 2,
            "RETRY_ENABLED": False,
        }
        result = crawl(servers, plan, settings)
        result.assert_clean()
        result.assert_delivered()
        assert servers.tasks == 12
        assert result.stat("parked/max") <= 5
        assert result.places == 3
