"""A line of the ledger: what it holds, what it never holds, what is read from it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrapy_onecaptcha.report.record import (
    KEYS,
    MAX_OPENED,
    MAX_SENTENCES,
    OUTCOMES,
    VERSION,
    Parser,
    Record,
)
from tests.unit.report.helpers import many, record


def told(each: Record) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(each.line())
    return read


def parsed(line: bytes) -> Record:
    return Parser().parse(line)


def written(**changed: Any) -> bytes:
    """Return a good line, some keys changed; ``...`` takes one out."""
    read = told(record()) | changed
    left = {key: value for key, value in read.items() if value is not ...}
    return json.dumps(left).encode()


def test_the_keys_are_those_of_the_contract() -> None:
    assert list(told(record())) == list(KEYS)
    assert list(KEYS) == [
        *("v", "time", "run", "spider", "site", "sitekey", "session", "attempt"),
        *("task", "type", "seconds", "points", "outcome", "code", "opened", "evidence"),
    ]
    assert told(record())["v"] == VERSION == 1


def test_the_time_is_iso_in_utc() -> None:
    assert told(record())["time"] == "2026-11-25T00:01:00.000+00:00"


def test_it_is_one_line_of_ascii() -> None:
    line = record(spider="b\nücher", evidence=("Line\u2028one\x1b[0m",)).line()
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert told(record(spider="b\nü\x9b"))["spider"] == "b ü "


@pytest.mark.parametrize("each", many(50))
def test_what_is_written_is_read(each: Record) -> None:
    again = parsed(each.line())
    assert again == parsed(again.line())
    assert again.time == pytest.approx(each.time, abs=0.001)
    assert (again.outcome, again.code, again.site) == (
        each.outcome,
        each.code,
        each.site,
    )
    assert again.evidence == each.evidence


def test_a_line_holds_no_secret() -> None:
    line = record(
        site="https://user:hush@shop.example:8443/path?session=hush#hush",
        evidence=(
            "The form leads to https://me:hush@shop.example/check?s=hush.",
            "A script names 0a1b2c3d4e5f60718293a4b5c6d7e8f9.",
        ),
    ).line()
    assert b"hush" not in line
    assert b"0a1b2c3d4e5f" not in line
    assert json.loads(line)["site"] == "https://shop.example:8443"


def test_a_line_is_bounded() -> None:
    endless = "x" * 100_000
    line = record(
        **dict.fromkeys(("run", "spider", "task", "code", "type"), endless),
        site=f"https://{endless}/",
        evidence=(endless,) * 1000,
        opened=10**30,
    ).line()
    assert len(line) < 16_384
    assert json.loads(line)["opened"] == MAX_OPENED
    assert len(json.loads(line)["evidence"]) == MAX_SENTENCES


def test_the_number_of_pages_takes_the_same_room_always() -> None:
    assert len(record(opened=0).line()) == len(record(opened=123_456).line())


# Reading


def test_keys_that_are_missing_or_unknown_do_not_matter() -> None:
    least = b'{"v": 1, "time": "2026-11-25", "outcome": "failed", "new": [1]}'
    assert parsed(least) == Record(
        time=record().time - 60, site="", outcome="failed", attempt=0
    )


@pytest.mark.parametrize(
    "time",
    ["2026-11-25T00:01:00Z", "2026-11-25T01:01:00+01:00", "2026-11-25T00:01:00"],
)
def test_times_of_others(time: str) -> None:
    assert parsed(written(time=time)).time == record().time


def test_keys_in_another_order() -> None:
    """By another tool, for example: evidence is not the last."""
    read = told(record())
    line = json.dumps(dict(reversed(read.items()))).encode()
    assert parsed(line) == parsed(record().line())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (record().line()[:-20], "no JSON"),
        (record().line()[:100], "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[1]", "no JSON object"),
        (b'"text", "evidence": []}', "no JSON"),
        (written(v=2), "not version 1 of the format"),
        (written(v=...), "not version 1"),
        (written(outcome="won"), "no outcome that is known"),
        (written(outcome=["accepted"]), "no outcome that is known"),
        (written(time=1795564860), "no time"),
        (written(time="yesterday"), "no ISO time"),
        (written(time="0001-01-01"), "time is out of range"),
        (written(time="9999-12-31"), "time is out of range"),
        (written(points="7"), "points is no number"),
        (written(points=True), "points is no number"),
        (written(points=float("nan")), "points is out of range"),
        (written(seconds=-1), "seconds is out of range"),
        (written(opened=1e300), "opened is out of range"),
        (written(site=7), "not text where it should be"),
    ],
)
def test_what_is_no_record(line: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parsed(line)


def test_what_others_wrote_is_bounded_and_can_be_shown() -> None:
    read = parsed(
        written(site="a\x1b" * 1000, evidence=["b\n" * 1000, 7, *["x"] * 100])
    )
    assert read.site.isprintable()
    assert len(read.site) == 300
    assert len(read.evidence) == MAX_SENTENCES - 1
    assert all(each.isprintable() and len(each) <= 300 for each in read.evidence)


def test_evidence_that_was_read_before_is_that_of_its_line() -> None:
    parser = Parser()
    for each in many(20):
        changed = record(evidence=(each.code, each.outcome))
        assert parser.parse(changed.line()).evidence == changed.evidence


def test_every_outcome_but_those_that_say_more_has_advice() -> None:
    assert [name for name, advice in OUTCOMES.items() if not advice] == [
        "accepted",
        "failed",
        "handed_over",
    ]
    assert all(advice.endswith(".") for advice in OUTCOMES.values() if advice)
