"""A crawl that is stopped while pages wait, and one that goes on from there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import (
    EACH_REACTOR,
    NO_SCRIPT,
    REACTORS,
    Crawl,
    Result,
    Servers,
    ask,
    assert_as_asked,
    crawl,
    crawling,
    sandbox,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

NAMES = ("button", "antibot", "wall", "plain")
#: Nothing is solved before the stop: a crawl that waits for that hangs.
SLOW = {
    "sites": {
        name: {
            "gate": None
            if name == "plain"
            else {"like": name, "csrf": False, **NO_SCRIPT}
        }
        for name in NAMES
    },
    "service": {"latency": 3600},
}


def job(servers: Servers) -> list[dict[str, Any]]:
    """Return pages of sites that share, redirect and grant nothing."""
    plan = [
        ask(
            f"{servers[name]}/page/{number}?of={name}",
            priority=number % 3,
            callback=("parse", "other")[number % 2],
            cb_kwargs={"colour": [number]},
            meta={"cookiejar": name, "mark": {"a": number}},
        )
        for number in range(6)
        for name in NAMES
    ]
    return [*plan, plan[0] | {"method": "POST", "body": "a=1"}]


def plain(plan: list[dict[str, Any]]) -> set[int]:
    return {n for n, wanted in enumerate(plan) if wanted["url"].endswith("of=plain")}


def waits(running: Crawl, servers: Servers) -> None:
    """Wait until all that is left waits for three captchas."""
    free = len(plain(running.plan))
    running.until(lambda: running.events.read_text().count('"page"') == free)
    running.until(lambda: servers.tasks == 3)


def polls(servers: Servers) -> int:
    """Return how often the crawl has asked for results.

    It asks ten times a second for each of three tasks, by its own event loop. So this
    says how long it went on, whatever else the machine does.
    """
    return int(servers.ledger()["calls"].get("getTaskResult", 0))


def stops(running: Crawl) -> Result:
    result = running.result()
    result.assert_clean()
    assert result.code == 0
    assert result.places == 16
    return result


def assert_resumed(first: Result, second: Result) -> None:
    """Assert that two runs delivered every page once, as it was asked for."""
    assert set(first.pages) <= plain(first.plan)
    assert first.ended + second.ended == dict.fromkeys(range(len(first.plan)), 1)
    assert first.errors == second.errors == {}
    for number, wanted in enumerate(first.plan):
        page = first.pages.get(number) or second.pages[number]
        assert_as_asked(page, wanted)
        assert (page["echo"]["body"] or "") == wanted.get("body", "")


@pytest.mark.parametrize("reactor", EACH_REACTOR)
def test_an_interrupted_crawl_goes_on_where_it_was(
    reactor: str, tmp_path: Path
) -> None:
    with sandbox(options=SLOW) as servers:
        plan = job(servers)
        settings = {
            "JOBDIR": str(tmp_path),
            **REACTORS[reactor][0],
            "REDIRECT_PRIORITY_ADJUST": 0,
        }
        with crawling(servers, plan, settings) as running:
            waits(running, servers)
            running.interrupt()
            # From now on: this process may have waited for its turn before.
            before = polls(servers)
            first = stops(running)
        assert polls(servers) - before <= 3 * 10 * 2, "waiting ends within two seconds"
        assert first.stats["finish_reason"] == "shutdown"
        assert first.stat("tasks/failed/abandoned") == 3
        assert "3 abandoned" in first.log
        quick = settings | {"ONECAPTCHA_API_URL": servers.info["quick"]}
        second = crawl(servers, plan, quick)
        second.assert_clean()
        assert second.stats["finish_reason"] == "finished"
        assert_resumed(first, second)
        assert servers.ledger()["rejections"] == {}


def test_a_closed_spider_leaves_nothing_running() -> None:
    with sandbox(options=SLOW) as servers:
        plan = job(servers)
        with crawling(servers, plan, {"CLOSESPIDER_TIMEOUT": 2}) as running:
            result = stops(running)
        assert result.stats["finish_reason"] == "closespider_timeout"
        assert set(result.pages) <= plain(plan)
        assert result.errors == {}
        assert result.stat("tasks/failed/abandoned") == result.stat("tasks")
        made = polls(servers)
        assert made <= 3 * 10 * (2 + 2), "waiting ends within two seconds"
        time.sleep(0.3)
        assert polls(servers) == made


def test_a_spider_that_closes_itself_goes_on_where_it_was(tmp_path: Path) -> None:
    with sandbox(options=SLOW) as servers:
        plan = job(servers)
        settings = {
            "CLOSESPIDER_PAGECOUNT": 4,
            "JOBDIR": str(tmp_path),
            "REDIRECT_PRIORITY_ADJUST": 0,
        }
        with crawling(servers, plan, settings) as running:
            first = stops(running)
        assert first.stats["finish_reason"] == "closespider_pagecount"
        quick = {
            **settings,
            "CLOSESPIDER_PAGECOUNT": 0,
            "ONECAPTCHA_API_URL": servers.info["quick"],
        }
        second = crawl(servers, plan, quick)
        second.assert_clean()
        assert_resumed(first, second)


def test_a_spent_budget_closes_the_spider_where_that_is_wanted(tmp_path: Path) -> None:
    """ONECAPTCHA_CLOSE_ON_FATAL: what waits is kept for the next run."""
    with sandbox(options=SLOW) as servers:
        plan = [ask(f"{servers['wall']}/page/{number}") for number in range(8)]
        settings = {
            "JOBDIR": str(tmp_path),
            "ONECAPTCHA_API_URL": servers.info["quick"],
            "ONECAPTCHA_CLOSE_ON_FATAL": True,
            "ONECAPTCHA_MAX_TASKS": 3,
        }
        with crawling(servers, plan, settings) as running:
            first = running.result()
        first.assert_clean(allowed=["ONECAPTCHA_CLOSE_ON_FATAL"])
        assert first.stats["finish_reason"] == "onecaptcha_budget"
        assert servers.tasks == 3
        assert (len(first.pages), first.errors) == (3, {})
        second = crawl(servers, plan, settings | {"ONECAPTCHA_MAX_TASKS": 0})
        second.assert_clean()
        assert first.ended + second.ended == dict.fromkeys(range(8), 1)
        assert second.errors == {}
        assert servers.tasks == 8
