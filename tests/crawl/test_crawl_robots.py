"""robots.txt, where the crawl obeys it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crawl_harness import Servers, crawl, pages, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

OBEY = {"ROBOTSTXT_OBEY": True}
SITES = {
    "strict": {"gate": "asker", "robots": "User-agent: *\nDisallow: /verify"},
    "open": {"gate": "asker", "robots": "User-agent: *\nDisallow: /private"},
    "gated": {"gate": "button", "robots": True},
}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with sandbox(options={"sites": SITES, "service": {"latency": 0.1}}) as running:
        yield running


def test_a_forbidden_submission_is_not_paid_for(servers: Servers) -> None:
    result = crawl(servers, pages(servers["strict"], range(3)), OBEY)
    result.assert_clean()
    assert result.ended == {0: 1, 1: 1, 2: 1}
    kinds = {error["error"] for error in result.errors.values()}
    assert kinds == {"SubmissionRefused"}
    assert "robots.txt" in result.errors[0]["message"]
    assert servers.tasks_of("strict") == 0


def test_a_gated_robots_txt_is_left_unsolved(servers: Servers) -> None:
    result = crawl(servers, pages(servers["gated"], range(5)), OBEY)
    result.assert_clean()
    result.assert_delivered()
    assert servers.tasks_of("gated") == 1  # for the pages
    said = [line for line in result.lines("WARNING") if "/robots.txt" in line]
    assert len(said) == 1
    assert "is gated" in said[0]


def test_an_open_robots_txt_lets_everything_pass(servers: Servers) -> None:
    plan = pages(servers["open"], range(3))
    plan += [{"url": f"{servers['open']}/private"}]
    result = crawl(servers, plan, OBEY)
    result.assert_clean()
    result.assert_delivered(but=[3])
    assert result.errors[3]["error"] == "IgnoreRequest"
    assert servers.tasks_of("open") == 1
