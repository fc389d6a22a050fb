"""robots.txt, where the crawl obeys it."""

from __future__ import annotations

import pytest
from crawl_harness import crawl, pages, sandbox

pytestmark = pytest.mark.crawl

OBEY = {"ROBOTSTXT_OBEY": True}


def test_a_forbidden_submission_is_not_paid_for() -> None:
    sites = {"asker": {"gate": "asker", "robots": "User-agent: *\nDisallow: /verify"}}
    with sandbox(options={"sites": sites}) as servers:
        result = crawl(servers, pages(servers["asker"], range(3)), OBEY)
        result.assert_clean()
        assert result.ended == {0: 1, 1: 1, 2: 1}
        kinds = {error["error"] for error in result.errors.values()}
        assert kinds == {"SubmissionRefused"}
        assert "robots.txt" in result.errors[0]["message"]
        assert servers.ledger()["calls"] == {}


def test_a_gated_robots_txt_is_left_unsolved() -> None:
    sites = {"button": {"gate": "button", "robots": True}}
    with sandbox(options={"sites": sites}) as servers:
        result = crawl(servers, pages(servers["button"], range(5)), OBEY)
        result.assert_clean()
        result.assert_delivered()
        assert servers.tasks == 1  # for the pages
        said = [line for line in result.lines("WARNING") if "/robots.txt" in line]
        assert len(said) == 1
        assert "is gated" in said[0]


def test_an_open_robots_txt_lets_everything_pass() -> None:
    sites = {"asker": {"gate": "asker", "robots": "User-agent: *\nDisallow: /private"}}
    with sandbox(options={"sites": sites}) as servers:
        plan = pages(servers["asker"], range(3))
        plan += [{"url": f"{servers['asker']}/private"}]
        result = crawl(servers, plan, OBEY)
        result.assert_clean()
        result.assert_delivered(but=[3])
        assert result.errors[3]["error"] == "IgnoreRequest"
        assert servers.tasks == 1
