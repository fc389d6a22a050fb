"""When an alarm is due, and when not."""

from __future__ import annotations

from typing import Any

import pytest

from scrapy_onecaptcha.report.alarms import ALARMS, Limits, complaint
from scrapy_onecaptcha.stats import STATS

#: The stats of a crawl that went well.
WELL = {
    "gates": 1000,
    "tasks": 50,
    "tasks/ready": 45,
    "tasks/failed/ERROR_CAPTCHA_UNSOLVABLE": 5,
    "tokens/accepted": 43,
    "tokens/rejected": 2,
    "failed/attempts": 3,
    "seconds/total": 1350.0,
    "points": 350.0,
}


def told(limits: Limits | None = None, **changed: Any) -> dict[str, str]:
    named = {name.replace("__", "/"): value for name, value in changed.items()}
    stats = {f"onecaptcha/{name}": value for name, value in {**WELL, **named}.items()}
    stats["item_scraped_count"] = 990
    found = {name: complaint(name, stats, limits or Limits()) for name in ALARMS}
    return {name: text for name, text in found.items() if text is not None}


def test_a_crawl_that_went_well() -> None:
    assert told() == {}


def test_a_crawl_that_met_no_gate() -> None:
    assert [complaint(name, {}, Limits(points=1.0, tasks=50)) for name in ALARMS] == [
        None
    ] * len(ALARMS)


def test_the_account_is_refused() -> None:
    assert told(failed__account=4) == {
        "account": "the service refuses the account; 4 pages lost by it"
    }


def test_a_breaker_is_open() -> None:
    (text,) = told(failed__circuit_open=2).values()
    assert text.startswith("2 pages lost, because a site refused")


@pytest.mark.parametrize(("lost", "due"), [(10, False), (11, True)])
def test_pages_are_lost(lost: int, due: bool) -> None:
    assert ("lost" in told(failed__attempts=lost)) is due


def test_any_lost_page_where_none_may_be() -> None:
    assert told(Limits(lost=0.0))["lost"] == "3 of 1000 gated pages were lost"


@pytest.mark.parametrize(("rejected", "due"), [(22, False), (23, True)])
def test_tokens_are_refused(rejected: int, due: bool) -> None:
    assert ("rejected" in told(tokens__rejected=rejected)) is due


@pytest.mark.parametrize(("failed", "due"), [(35, False), (36, True)])
def test_tasks_give_no_token(failed: int, due: bool) -> None:
    assert ("failed" in told(tasks__failed__timeout=failed - 5)) is due


def test_few_tasks_say_nothing() -> None:
    few: dict[str, Any] = {
        "tasks": 9,
        "tasks__ready": 9,
        "tokens__rejected": 9,
        "tasks__failed__timeout": 9,
        "seconds__total": 9000.0,
    }
    assert told(**few) == {}


@pytest.mark.parametrize(("seconds", "due"), [(120.0, False), (121.0, True)])
def test_tokens_take_long(seconds: float, due: bool) -> None:
    assert ("slow" in told(seconds__total=45 * seconds)) is due


def test_the_spend() -> None:
    assert "spend" not in told(Limits(points=350.0, tasks=56))
    assert told(Limits(points=349.0)) == {
        "spend": "350 points (0.350 CNY) were spent, more than 349"
    }
    assert told(Limits(tasks=55)) == {"spend": "50 of 55 tasks of the budget are spent"}


def test_the_stats_are_ones_that_exist() -> None:
    """Of those with a part that varies, only the first part is named."""
    exist = {name.partition("{")[0] for name in STATS}
    used = {name for name in WELL if not name.startswith(("failed/", "tasks/failed/"))}
    assert used <= exist
    assert {"failed/", "tasks/failed/"} <= exist
