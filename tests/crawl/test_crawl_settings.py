"""What the settings of a project do to its crawl."""

from __future__ import annotations

import pytest
from crawl_harness import ask, crawl, pages, sandbox

pytestmark = pytest.mark.crawl

GATE = "Checking that you are human"


def test_without_a_key_the_crawl_goes_on_without_it() -> None:
    with sandbox("--site", "button", "--site", "plain") as servers:
        plan = pages(servers["button"], [1]) + pages(servers["plain"], [1, 2])
        for name, value in (
            ("ONECAPTCHA_API_KEY", None),
            ("ONECAPTCHA_ENABLED", False),
        ):
            result = crawl(servers, plan, {name: value})
            result.assert_clean()
            assert (result.code, result.ended) == (0, {0: 1, 1: 1, 2: 1})
            shown = [result.pages[number]["h1"] for number in range(3)]
            assert shown == [GATE, "Page 1 of plain", "Page 2 of plain"]
            (said,) = (line for line in result.lines("WARNING") if "Disabled" in line)
            assert "OneCaptchaMiddleware" in said
            assert name in said
        assert servers.ledger()["calls"] == {}


def test_a_bad_setting_stops_the_crawl_at_its_start() -> None:
    with sandbox("--site", "plain") as servers:
        for name, value in (
            ("ONECAPTCHA_MAX_TASKS", "many"),
            ("ONECAPTCHA_API_URL", "http://service.example"),
        ):
            result = crawl(servers, pages(servers["plain"], [1]), {name: value})
            (failed,) = result.of("failed")
            assert failed["error"] == "ValueError"
            assert name in failed["message"]
            assert value in failed["message"]
            assert (result.code, result.ended) == (1, {})
            assert servers.key not in result.log
        assert servers.ledger()["sites"] == {}


def test_the_add_on_alone_is_enough() -> None:
    with sandbox("--latency", "0.1", "--site", "button", "--site", "wall") as servers:
        plan = pages(servers["button"], range(3)) + pages(servers["wall"], range(2))
        settings = {"ADDONS": {"scrapy_onecaptcha.Addon": 500}}
        result = crawl(servers, plan, settings, middlewares={})
        result.assert_clean()
        result.assert_delivered()
        assert servers.tasks == 3


def test_out_of_scope_gates_and_requests_left_alone_cost_nothing() -> None:
    with sandbox("--site", "button") as servers:
        site = servers["button"]
        left = [ask(f"{site}/page/{n}", meta={"onecaptcha": False}) for n in range(2)]
        result = crawl(servers, left)
        result.assert_clean()
        assert [result.pages[number]["h1"] for number in range(2)] == [GATE] * 2
        settings = {"ONECAPTCHA_ALLOWED_DOMAINS": ["shop.example"]}
        result = crawl(servers, pages(site, range(3)), settings)
        result.assert_clean()
        assert [result.pages[number]["h1"] for number in range(3)] == [GATE] * 3
        said = [line for line in result.lines("WARNING") if "out of scope" in line]
        assert len(said) == 1
        assert "ONECAPTCHA_ALLOWED_DOMAINS" in said[0]
        assert servers.ledger()["calls"] == {}
