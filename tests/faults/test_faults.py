"""The table of faults is as it has to be; it can fail; and the page shows it."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from scrapy_onecaptcha.sandbox import FAULTS, Sandbox
from scrapy_onecaptcha.service.error_codes import PREFIXES, RULES
from tests.docs.pages import ROOT, environment, page, rows, section
from tests.faults.judging import PLACES, log_problems, problems
from tests.faults.rows import BALANCE, DELIVERED, FIRST, ROWS, Row
from tests.faults.running import SITE, SITES, Log, Outcome, returning
from tests.faults.table import HEAD, coded, faults_of, groups

PAGE = page("faults.md")
NAMES = [row.id for row in ROWS]
#: The others of a kind take as long again: they are for `make fuzz`.
EACH = [
    pytest.param(row, id=row.id, marks=() if row in FIRST else pytest.mark.long)
    for row in ROWS
]
#: Seconds for the whole table, which takes a tenth of that.
HANGS = 300


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest) -> Any:
    """What came of the rows, and what is wrong in the log."""
    mine = (item for item in request.session.items if item.path == request.path)
    some = [] if any(item.get_closest_marker("long") for item in mine) else ["--first"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.faults", "--json", *some],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.crawl
@pytest.mark.parametrize("row", EACH)
def test_a_fault(row: Row, told: Any) -> None:
    outcome = Outcome(**told["outcomes"][row.id])
    assert list(problems(row, outcome)) == []


@pytest.mark.crawl
def test_nothing_goes_wrong_aloud(told: Any) -> None:
    assert told["log"] == []


# What is in the table


def test_every_row_has_a_name_of_its_own() -> None:
    assert len(set(NAMES)) == len(ROWS)


@pytest.mark.parametrize("call", ["createTask", "getTaskResult", "getBalance"])
def test_every_code_is_met_at_every_call(call: str) -> None:
    met = {row.name for row in ROWS if row.call == call}
    assert set(RULES) <= met
    for prefix in PREFIXES:
        assert any(name.startswith(f"{prefix}_") for name in met)


@pytest.mark.parametrize("call", ["createTask", "getTaskResult", "getBalance"])
def test_every_kind_of_fault_is_met_at_every_call(call: str) -> None:
    script = [
        name
        for row in ROWS
        for befallen, names in row.script.items()
        for name in names
        if befallen == call or "down" in name
    ]
    kinds = {re.split("[:…]", name)[0].partition("ERROR")[0] for name in FAULTS}
    met = {name.split(":")[0].partition("ERROR")[0] for name in script}
    # "done" is met as what loses an answer; "without" needs a field to be without.
    assert kinds - met <= {"ok", "done"} | ({"without"} if call == BALANCE else set())


def test_what_passes_is_survived_and_what_lasts_has_an_end() -> None:
    """So that no row is there that only says what happens to happen."""
    once = {(row.call, row.what) for row in ROWS if row.page == DELIVERED}
    lasting = [row for row in ROWS if row.page in ("Unavailable", "AttemptsExhausted")]
    for row in lasting:
        if row.call != BALANCE and row.name != "never ready":
            assert (row.call, row.what) in once, row.id


# It can fail


def good(row: Row) -> Outcome:
    """Return the outcome that *row* wants."""
    return Outcome(
        ends=[(number, row.page) for number in range(row.pages)],
        codes=[row.code] if row.code else [],
        created=row.created,
        counted=row.counted,
        calls=list(row.calls),
        lost=0 if row.page == DELIVERED else row.pages,
        seconds=2.0,
        said=[row.says],
    )


ROW = Row(
    what="x",
    name="x",
    call="createTask",
    pages=2,
    page="AccountError",
    code="ERROR_ZERO_BALANCE",
    calls=(3, 2),
    least_seconds=1.0,
    says="so it is",
)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ends": [(0, "AccountError")]}, "ends once"),
        ({"ends": [(0, "AccountError")] * 2}, "ends once"),
        ({"ends": [(0, "AccountError"), (1, "KeyError")]}, "KeyError"),
        ({"codes": []}, "the code"),
        ({"codes": ["ERROR_ZERO_BALANCE", "X"]}, "the code"),
        ({"created": 0}, "created"),
        ({"counted": 2}, "counted"),
        ({"counted": 0}, "paid for"),
        ({"calls": [4, 2]}, "calls"),
        ({"calls": [3]}, "calls"),
        ({"lost": 1}, "lost"),
        ({"places": PLACES - 1}, "places"),
        ({"seconds": 0.5}, "over after"),
        ({"said": ["something else"]}, "was not said"),
        ({"said": []}, "was not said"),
    ],
)
def test_what_is_otherwise_is_found(changed: dict[str, Any], said: str) -> None:
    assert list(problems(ROW, good(ROW))) == []
    found = list(problems(ROW, replace(good(ROW), **changed)))
    assert any(said in problem for problem in found), found


def test_fewer_calls_than_the_most_are_fine_and_more_are_not() -> None:
    bounded = replace(ROW, most=True)
    assert list(problems(bounded, replace(good(ROW), calls=[1, 2]))) == []
    assert list(problems(bounded, replace(good(ROW), calls=[1, 3])))
    assert list(problems(bounded, replace(good(ROW), calls=[1])))


def test_a_page_that_was_never_refused_proves_no_patience() -> None:
    again = replace(ROW, again=True, page=DELIVERED, pages=1, code=None)
    assert list(problems(again, replace(good(again), lost=2))) == []
    assert list(problems(again, good(again)))


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (logging.INFO, "Traceback (most recent call last):"),
        (logging.CRITICAL, "Unhandled error in Deferred:"),
        (logging.DEBUG, "sent the-key"),
        (logging.DEBUG, f"sent P1_{'x' * 200}"),
        (logging.ERROR, "something"),
        (logging.CRITICAL, "No further call to the service in this crawl"),
    ],
)
def test_what_is_logged_is_looked_at(level: int, text: str) -> None:
    log = Log(set(), "the-key")
    log.handle(logging.LogRecord("x", level, "", 0, text, None, None))
    assert list(log_problems([], log))


def test_what_rows_want_to_hear_is_heard() -> None:
    log = Log({"this is"}, "the-key")
    told: list[str] = []
    log.told.append(told.append)
    for line in ("that is not", "this is heard"):
        log.handle(logging.LogRecord("x", logging.INFO, "", 0, line, None, None))
    assert log.heard == told == ["[x] INFO: this is heard"]
    assert list(log_problems([], log)) == []


def test_a_row_is_told_nothing_once_it_has_ended() -> None:
    """The port of its sandbox may be a later row's by then.

    What a handler raises comes out of the crawl's own call of its logger.
    """
    log = Log({"refused"}, "the-key")
    sandbox = Sandbox(sites=SITES)
    sandbox.urls = {SITE: "http://127.0.0.1:40001"}
    back: list[str] = []
    sandbox.come_back = lambda: back.append("it is")  # type: ignore[method-assign]
    with returning(replace(ROW, returns=True), sandbox, log):
        for url in ("http://127.0.0.1:40002", "http://127.0.0.1:40001"):
            hear(log, f"{url} refused")
            assert len(back) == url.endswith("1")
    hear(log, "http://127.0.0.1:40001 refused")
    assert back == ["it is"]


def hear(log: Log, line: str) -> None:
    log.handle(logging.LogRecord("x", logging.INFO, "", 0, line, None, None))


def test_what_has_to_be_logged_is_looked_for() -> None:
    log = Log(set(), "the-key")
    assert list(log_problems([], log)) == []
    assert list(log_problems([ROW], log))


# The page's


def numbers(cell: str) -> list[list[float]]:
    """Return the spans of a cell: ``"3 + 9-17"`` is ``[[3], [9, 17]]``."""
    return [[float(n) for n in part.split("-")] for part in cell.split(" + ")]


def test_the_page_shows_the_table() -> None:
    shown = rows("Faults of the service", PAGE)
    head = next(
        x for x in section("Faults of the service", PAGE).split("\n") if x[:1] == "|"
    )
    assert tuple(cell.strip() for cell in head.strip("|").split("|")) == HEAD
    wanted = groups(ROWS)
    assert len(shown) == len(wanted)
    for cells, (line, same) in zip(shown, wanted.items(), strict=True):
        calls = numbers(cells[6])
        assert cells[:4] == [
            f"`{line.call}`",
            faults_of(same),
            line.times,
            coded(line.page),
        ]
        assert cells[4:6] == [str(line.created), str(line.counted)]
        assert len(calls) == len(line.calls)
        if same[0].most:
            assert all(
                max(c) <= most for c, most in zip(calls, line.calls, strict=True)
            )
        else:
            assert calls == [[most] for most in line.calls]
        assert numbers(cells[7])[0][0] >= 0


def test_the_page_counts_the_rows() -> None:
    assert f"{len(ROWS)} faults" in PAGE
