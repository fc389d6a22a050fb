"""The report for a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scrapy_onecaptcha.report.text import MAX_ROWS, in_words
from tests.unit.report.helpers import SITES, many, record, summary

if TYPE_CHECKING:
    from scrapy_onecaptcha.report.record import Record


def lines(*records: Record) -> list[str]:
    return list(in_words(summary(*records)))


def test_no_task() -> None:
    assert lines() == ["No task."]


def test_what_is_told() -> None:
    told = lines(
        record(),
        record(site=SITES[1], seconds=30.0),
        record(outcome="failed", code="timeout", points=0.0),
    )
    assert told[:6] == [
        "3 tasks, 1 run of books, 2026-11-25 00:00 to 2026-11-25 00:01 UTC",
        "Spent 14 points (0.014 CNY); an accepted page cost 7 points (0.007 CNY)",
        "2 accepted, a pass rate of 66.7%",
        "Seconds until a token: median 20.0, p95 30.0",
        "Pages per clearance: 25.0",
        "",
    ]
    assert told[-3:] == [
        "What failed most, and what to do",
        "  timeout: 1 task, 0 points (0.000 CNY), on https://shop.example",
        "    Advice for timeout.",
    ]


def test_the_tables() -> None:
    told = lines(record(), record(site=SITES[1], seconds=30.0, opened=0))
    days, sites = told[6:8], told[9:12]
    for table in (days, sites):
        assert len({len(line) for line in table}) == 1, "the columns are not in line"
    cells = [re.split(r"  +", line) for line in (days[1], *sites[1:])]
    heads = [re.split(r"  +", line) for line in (days[0], sites[0])]
    assert [len(row) for row in (*heads, *cells)] == [9] * 5
    assert cells == [
        ["2026-11-25", *["2", "2", "100.0%", "14", "7.0", "12.5", "20.0", "30.0"]],
        [SITES[0], *["1", "1", "100.0%", "7", "7.0", "25.0", "20.0", "20.0"]],
        [SITES[1], *["1", "1", "100.0%", "7", "7.0", "0.0", "30.0", "30.0"]],
    ]


def test_all_is_well() -> None:
    assert lines(record())[-1] == "Each task brought a page."


def test_nothing_was_accepted() -> None:
    told = "\n".join(lines(record(outcome="abandoned")))
    assert "0 accepted, a pass rate of 0.0%" in told
    assert "accepted page cost" not in told
    assert "Seconds until" not in told


def test_it_is_bounded() -> None:
    records = [record(site=f"https://s{n}.example") for n in range(500)]
    told = lines(*records, *many(500))
    assert len(told) < 3 * MAX_ROWS + 20
    assert any(f"By site (the first {MAX_ROWS} of 503)" in line for line in told)
