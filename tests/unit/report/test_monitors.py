"""The alarms in Spidermon: run by its own extension."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from scrapy import Spider

pytest.importorskip("spidermon")

from spidermon.contrib.scrapy.extensions import Spidermon

from scrapy_onecaptcha.report import monitors
from scrapy_onecaptcha.report.alarms import ALARMS, Limits
from scrapy_onecaptcha.report.monitors import LIMITS, limits_of
from tests.crawlers import make_crawler

# Spidermon's own, on new versions of Scrapy and Python.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::scrapy.exceptions.ScrapyDeprecationWarning"),
]

SUITE = "scrapy_onecaptcha.report.monitors.CaptchaMonitorSuite"


def monitored(
    stats: dict[str, Any], caplog: pytest.LogCaptureFixture, **settings: Any
) -> str:
    """Return what Spidermon logs of a crawl with these stats."""
    crawler = make_crawler(
        {
            "SPIDERMON_ENABLED": True,
            "SPIDERMON_SPIDER_CLOSE_MONITORS": [SUITE],
            **settings,
        },
    )
    assert crawler.stats is not None
    crawler.spider = Spider.from_crawler(crawler, "shop")
    for name, value in stats.items():
        crawler.stats.set_value(f"onecaptcha/{name}", value)
    caplog.set_level(logging.INFO)
    extension = Spidermon.from_crawler(crawler)
    extension.spider_opened(crawler.spider)
    extension.spider_closed(crawler.spider)
    return caplog.text


def test_all_is_well(caplog: pytest.LogCaptureFixture) -> None:
    log = monitored({"gates": 10, "tasks": 1, "tasks/ready": 1}, caplog)
    assert f"{len(ALARMS)} monitors" in log
    assert "hCaptcha/Sites accept the tokens... OK" in log
    assert "... FAIL" not in log


def test_something_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    log = monitored({"gates": 10, "failed/account": 4}, caplog)
    assert "hCaptcha/The service accepts the account... FAIL" in log
    assert "Captchas: the service refuses the account; 4 pages lost" in log
    assert "hCaptcha/Gated pages are delivered... FAIL" in log
    assert "hCaptcha/No site is left alone... OK" in log


def test_the_settings_are_heeded(caplog: pytest.LogCaptureFixture) -> None:
    log = monitored(
        {"gates": 10, "failed/attempts": 1, "points": 70.0, "tasks": 10},
        caplog,
        SPIDERMON_ONECAPTCHA_MAX_LOST=0.1,
        SPIDERMON_ONECAPTCHA_MAX_POINTS=69,
        ONECAPTCHA_MAX_TASKS=20,
    )
    assert "hCaptcha/Gated pages are delivered... OK" in log
    assert "70 points (0.070 CNY) were spent, more than 69" in log


def test_every_alarm_is_a_monitor() -> None:
    tests = [name for name in dir(monitors.CaptchaMonitor) if name.startswith("test_")]
    assert {name.removeprefix("test_") for name in tests} == ALARMS.keys()


def test_the_limits_that_are_not_set_are_the_defaults() -> None:
    crawler = make_crawler({})
    assert limits_of(crawler.settings) == Limits()
    assert set(LIMITS) | {"tasks"} == set(Limits.__dataclass_fields__)


def test_a_limit_that_is_no_number() -> None:
    crawler = make_crawler({LIMITS["points"]: "many"})
    with pytest.raises(ValueError, match="many"):
        limits_of(crawler.settings)
