"""The page on ledger, report and alarms is held against the code."""

from __future__ import annotations

import json
import re
from typing import get_type_hints

import pytest
from scrapy.utils.misc import load_object

from scrapy_onecaptcha.report import signals, snapshot
from scrapy_onecaptcha.report.alarms import Limits
from scrapy_onecaptcha.report.charts import MAX_BARS
from scrapy_onecaptcha.report.record import KEYS, OUTCOMES, VERSION, Parser
from tests.docs.pages import code, executed, page, samples, section, words

REPORT = page("report.md")


def table(head: str, after: str = "") -> list[list[str]]:
    """Return the cells of the table whose first column has this head."""
    text = REPORT[REPORT.index(after) :]
    found = re.search(rf"^\| {head} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found is not None, head
    lines = found[1].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_key_is_documented() -> None:
    assert [code(row[0]) for row in table("key")] == list(KEYS)


def test_every_outcome_is_documented() -> None:
    assert [code(row[0]) for row in table("outcome")] == list(OUTCOMES)


def test_the_line_is_one_that_is_written() -> None:
    (sample,) = samples("The ledger", REPORT, "json")
    record = Parser().parse(sample.encode())
    assert record.line().decode() == sample
    assert json.loads(sample)["v"] == VERSION


def test_the_number_of_bars_is_that_of_the_code() -> None:
    told = " ".join(section("The report", REPORT).split())
    assert f"more than {MAX_BARS:,}" in told


def test_the_set_up_of_the_alarms() -> None:
    pytest.importorskip("spidermon")
    settings = executed(samples("Alarms", REPORT)[0])
    (suite,) = settings["SPIDERMON_SPIDER_CLOSE_MONITORS"]
    assert load_object(suite)().number_of_monitors == len(table("monitor"))
    assert all(load_object(name) for name in settings["EXTENSIONS"])


def test_every_monitor_is_documented_with_its_limit() -> None:
    monitors = pytest.importorskip("scrapy_onecaptcha.report.monitors")
    names = [
        getattr(monitors.CaptchaMonitor, name).options.name
        for name in vars(monitors.CaptchaMonitor)
        if name.startswith("test_")
    ]
    rows = table("monitor")
    assert [row[0] for row in rows] == names
    defaults = {code(row[2]): row[3] for row in rows if row[2]}
    assert defaults == {
        setting: f"{value:g}" if (value := getattr(Limits(), field)) else "none"
        for field, setting in monitors.LIMITS.items()
    }


def test_the_snapshot_is_documented() -> None:
    documented = table("key", after="## In a running crawl")
    fields = get_type_hints(snapshot.Snapshot)
    assert [code(row[0]) for row in documented] == list(fields)
    meanings = {code(row[0]): words(row[1]) for row in documented}
    for name, of in (
        ("sessions", snapshot.SessionState),
        ("breakers", snapshot.BreakerState),
        ("service", snapshot.ServiceState),
        ("spent", snapshot.Spent),
        ("store", snapshot.StoreState),
    ):
        assert meanings[name] >= get_type_hints(of).keys(), name


def test_the_signals_are_documented() -> None:
    named = re.findall(r"^### (onecaptcha_\w+)\(", REPORT, re.MULTILINE)
    assert sorted(named) == [name for name in signals.__all__ if name[0] == "o"]
