"""``scrapy onecaptcha report``: which lines it reads, and where it tells of them."""

from __future__ import annotations

import io
import json
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.exceptions import UsageError
from scrapy.settings import Settings

from scrapy_onecaptcha import exceptions
from scrapy_onecaptcha.cli.base import DONE, FAILED, Call
from scrapy_onecaptcha.cli.report import ReportTool, advice, moment_of
from scrapy_onecaptcha.cli.terminal import Terminal
from scrapy_onecaptcha.report.ledger import Ledger
from scrapy_onecaptcha.service.error_codes import RULES
from tests.unit.report.helpers import MIDNIGHT, SITES, many, record

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy_onecaptcha.report.record import Record

HOUR = 3600.0


class Told:
    """What the tool came to."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err

    @property
    def tasks(self) -> int:
        count: int = json.loads(self.out)["total"]["tasks"]
        return count


def report(*arguments: str) -> Told:
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    tool = ReportTool()
    tool.add_options(parser)
    options, ledgers = parser.parse_known_args(arguments)
    tool.check(ledgers, options)
    out, err = io.StringIO(), io.StringIO()
    call = Call(
        arguments=ledgers,
        options=options,
        settings=Settings(),
        terminal=Terminal(out, err),
    )
    return Told(tool.run(call), out.getvalue(), err.getvalue())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "captchas.jsonl"


def write(path: Path, *records: Record) -> str:
    ledger = Ledger(path)
    for each in records:
        ledger.append(each)
    ledger.close()
    return str(path)


def test_it_tells_a_person(path: Path) -> None:
    told = report(write(path, *many(30)))
    assert (told.status, told.err) == (DONE, "")
    assert told.out.startswith("30 tasks, 1 run of books, 2026-11-")


def test_several_ledgers_are_one_report(path: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", record())
    assert report(write(path, *many(30)), other, "--json").tasks == 31


def test_the_json_is_one_line(path: Path) -> None:
    told = report(write(path, record()), "--json")
    assert told.out.count("\n") == 1
    read = json.loads(told.out)
    assert read["total"]["seconds_median"] == 20.0
    assert read["sites"][SITES[0]]["points"] == 7
    assert (read["skipped"], read["html"]) == (0, None)


def test_the_page(path: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    told = report(write(path, record()), "--html", str(page))
    assert told.out.endswith(f"\n\nReport: {page}\n")
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>\n<html")
    told = report(str(path), "--html", str(page), "--json")
    assert json.loads(told.out)["html"] == str(page)


def test_what_is_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = write(
        path,
        record(time=MIDNIGHT - 25 * HOUR),
        record(time=MIDNIGHT - HOUR),
        record(time=MIDNIGHT, site=SITES[1]),
    )
    monkeypatch.setattr("time.time", lambda: MIDNIGHT)
    assert report(ledger, "--json").tasks == 3
    assert report(ledger, "--json", "--since", "1d").tasks == 2
    assert report(ledger, "--json", "--since", "59m").tasks == 1
    assert report(ledger, "--json", "--since", "2026-11-24").tasks == 2
    assert report(ledger, "--json", "--site", "shop.example").tasks == 2
    assert (
        report(ledger, "--json", "--site", "a.example", "--site", SITES[1]).tasks == 1
    )
    assert report(ledger, "--json", "--site", "b.example").tasks == 0
    assert report(ledger, "--site", "b.example").out == "No task.\n"


def test_lines_that_are_no_records(path: Path) -> None:
    path.write_bytes(b"nonsense\n" * 7 + record().line())
    told = report(str(path), "--json")
    assert told.tasks == 1
    assert json.loads(told.out)["skipped"] == 7
    assert told.err.splitlines() == [
        *(f"{path}, line {number}: no JSON; left out" for number in range(1, 6)),
        "2 more lines left out",
    ]


def test_files_that_cannot_be_read_or_written(path: Path, tmp_path: Path) -> None:
    told = report(str(path))
    assert (told.status, told.out) == (FAILED, "")
    assert told.err == f"{path}: No such file or directory\n"
    told = report(write(path, record()), "--html", str(tmp_path / "no" / "x.html"))
    assert (told.status, told.out) == (FAILED, "")
    assert told.err == f"{tmp_path / 'no' / 'x.html'}: No such file or directory\n"


def test_a_wrong_command_line() -> None:
    with pytest.raises(UsageError, match="name the LEDGER to read"):
        report()
    with pytest.raises(UsageError, match="--since is '7 days'; allowed: 7d, 12h"):
        report("captchas.jsonl", "--since", "7 days")


@pytest.mark.parametrize(
    ("when", "before"),
    [("30m", 0.5), ("12h", 12), ("7d", 168), ("2w", 336), ("0d", 0)],
)
def test_a_span(when: str, before: float) -> None:
    assert moment_of(when, MIDNIGHT) == MIDNIGHT - before * HOUR


@pytest.mark.parametrize(
    "when",
    ["2026-11-25", "2026-11-25T00:00", "2026-11-25T00:00Z", "2026-11-25T01:00+01:00"],
)
def test_a_moment(when: str) -> None:
    assert moment_of(when, 0.0) == MIDNIGHT


@pytest.mark.parametrize("code", [*RULES, "timeout", "ERROR_NOBODY_KNOWS", "account"])
def test_each_code_has_advice_that_is_a_sentence(code: str) -> None:
    told = advice(code)
    assert told[0].isupper()
    assert told.endswith(".")


def test_the_advice_is_that_of_the_errors() -> None:
    assert advice("timeout") == exceptions.SolveTimeout.advice
    assert advice("ERROR_NOBODY_KNOWS") == exceptions.ServiceError.advice
    assert advice("ERROR_ZERO_BALANCE").endswith("top it up.")


def test_its_options_are_shown_as_they_are() -> None:
    parser: Any = ArgumentParser()
    ReportTool().add_options(parser)
    assert "--since WHEN" in parser.format_help()
