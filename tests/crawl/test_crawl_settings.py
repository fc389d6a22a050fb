"""What the settings of a project do to its crawl."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crawl_harness import Servers, ask, crawl, pages, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

GATE = "Checking that you are human"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    sites = ("--site", "button", "--site", "wall", "--site", "plain")
    with sandbox("--latency", "0.1", *sites) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "value"), [("ONECAPTCHA_API_KEY", None), ("ONECAPTCHA_ENABLED", False)]
)
def test_without_a_key_the_crawl_goes_on_without_it(
    servers: Servers, name: str, value: object
) -> None:
    before = servers.tasks
    plan = pages(servers["button"], [1]) + pages(servers["plain"], [1, 2])
    result = crawl(servers, plan, {name: value})
    result.assert_clean()
    assert (result.code, result.ended) == (0, {0: 1, 1: 1, 2: 1})
    shown = [result.pages[number]["h1"] for number in range(3)]
    assert shown == [GATE, "Page 1 of plain", "Page 2 of plain"]
    (said,) = (line for line in result.lines("WARNING") if "Disabled" in line)
    assert "OneCaptchaMiddleware" in said
    assert name in said
    assert servers.tasks == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONECAPTCHA_MAX_TASKS", "many"),
        ("ONECAPTCHA_API_URL", "http://service.example"),
    ],
)
def test_a_bad_setting_stops_the_crawl_at_its_start(
    servers: Servers, name: str, value: str
) -> None:
    before = servers.hits("plain", "content")
    result = crawl(servers, pages(servers["plain"], [1]), {name: value})
    (failed,) = result.of("failed")
    assert failed["error"] == "ValueError"
    assert name in failed["message"]
    assert value in failed["message"]
    assert (result.code, result.ended) == (1, {})
    assert servers.key not in result.log
    assert servers.hits("plain", "content") == before


def test_the_add_on_alone_is_enough(servers: Servers) -> None:
    before = servers.tasks
    plan = pages(servers["button"], range(3)) + pages(servers["wall"], range(2))
    settings = {"ADDONS": {"scrapy_onecaptcha.Addon": 500}}
    result = crawl(servers, plan, settings, middlewares={})
    result.assert_clean()
    result.assert_delivered()
    assert servers.tasks - before == 3


def test_gates_out_of_scope_cost_nothing(servers: Servers) -> None:
    before = servers.tasks
    plan = pages(servers["button"], range(3))
    settings = {"ONECAPTCHA_ALLOWED_DOMAINS": ["shop.example"]}
    result = crawl(servers, plan, settings)
    result.assert_clean()
    assert [result.pages[number]["h1"] for number in range(3)] == [GATE] * 3
    assert result.stat("gates") == 0
    (said,) = (line for line in result.lines("WARNING") if "out of scope" in line)
    assert "ONECAPTCHA_ALLOWED_DOMAINS" in said
    assert servers.tasks == before


def test_a_request_left_alone_passes_untouched(servers: Servers) -> None:
    before = servers.tasks
    left = ask(f"{servers['button']}/page/1", meta={"onecaptcha": False})
    result = crawl(servers, [left, *pages(servers["button"], [2])])
    result.assert_clean()
    assert (result.ended, result.pages[0]["h1"]) == ({0: 1, 1: 1}, GATE)
    assert result.pages[1]["h1"] == "Page 2 of button"
    assert servers.tasks - before == 1
