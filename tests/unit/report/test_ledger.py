"""The file: appended to by several processes, read whatever is in it."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from scrapy_onecaptcha.report import ledger
from scrapy_onecaptcha.report.ledger import Fault, Ledger, Line, read
from tests.unit.report.helpers import many, record

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy_onecaptcha.report.record import Record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "captchas.jsonl"


def records_of(*paths: Path) -> tuple[list[Record], list[Fault]]:
    faults: list[Fault] = []
    return list(read(paths, faults.append)), faults


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def appended(path: Path, *records: Record) -> list[Line]:
    written = Ledger(path)
    entries = [written.append(each) for each in records]
    written.close()
    assert None not in entries
    return [each for each in entries if each is not None]


def test_what_is_appended_is_there_at_once(path: Path) -> None:
    written = Ledger(path)
    for count in (1, 2, 3):
        written.append(record(task=f"task-{count}"))
        assert [line["task"] for line in lines_of(path)][-1] == f"task-{count}"
        assert len(lines_of(path)) == count
    written.close()


def test_a_file_is_gone_on_with(path: Path) -> None:
    appended(path, record(run="one"))
    appended(path, record(run="two"))
    assert [line["run"] for line in lines_of(path)] == ["one", "two"]


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Ledger(tmp_path / "nowhere" / "captchas.jsonl")


def test_one_line_is_one_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the lines of several processes do not mix."""
    written, writes = Ledger(path), []
    write = os.write

    def noted(file: int, data: bytes) -> int:
        writes.append(data)
        return write(file, data)

    monkeypatch.setattr(os, "write", noted)
    written.append(record())
    assert writes == [record().line()]


def test_several_processes_share_a_file(path: Path) -> None:
    code = f"""
from scrapy_onecaptcha.report.ledger import Ledger
from tests.unit.report.helpers import record
import sys
ledger = Ledger({str(path)!r})
for number in range(200):
    entry = ledger.append(record(run=sys.argv[1], task=str(number), opened=0))
    ledger.update(entry, number)
ledger.close()
"""
    runs = ["a", "b", "c"]
    processes = [subprocess.Popen([sys.executable, "-c", code, run]) for run in runs]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    found, faults = records_of(path)
    assert faults == []
    assert len(found) == 600
    for run in runs:
        own = [each for each in found if each.run == run]
        assert [(each.task, each.opened) for each in own] == [
            (str(number), number) for number in range(200)
        ]


def test_a_line_after_one_that_was_cut_short(path: Path) -> None:
    """A crash of the machine, or a full disk, leaves a part of a line."""
    path.write_bytes(record().line()[:50])
    appended(path, record(run="next"))
    found, faults = records_of(path)
    assert [each.run for each in found] == ["next"]
    assert faults == [Fault(str(path), 1, "no JSON")]


def test_a_full_disk_costs_lines_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written = Ledger(path)
    write = os.write

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def half(file: int, data: bytes) -> int:
        return write(file, data[: len(data) // 2])

    for fake in (full, full, half):
        monkeypatch.setattr(os, "write", fake)
        assert written.append(record(run="lost")) is None
    monkeypatch.undo()
    assert written.append(record(run="kept")) is not None
    written.close()
    found, faults = records_of(path)
    assert [each.run for each in found] == ["kept"]
    assert len(faults) == 1
    assert [each.getMessage() for each in caplog.records] == [
        (
            f"The ledger {path} cannot be written: No space left on device. The crawl "
            "goes on without it; further lines are tried."
        ),
        f"The ledger {path} lacks 3 tasks.",
    ]


def test_where_nothing_can_be_changed() -> None:
    """A pipe, a terminal, a null device."""
    written = Ledger(os.devnull)
    assert written.append(record()) is None
    written.close()


# The number of pages


def test_the_pages_of_a_clearance_are_brought_up_to_date(path: Path) -> None:
    written = Ledger(path)
    entries = [written.append(record(task=str(n), opened=0)) for n in range(3)]
    size = path.stat().st_size
    for count in (1, 50, 123_456_789):
        assert entries[1] is not None
        entries[1] = written.update(entries[1], count)
        assert [each.opened for each in records_of(path)[0]] == [0, count, 0]
    assert path.stat().st_size == size
    written.close()


@pytest.mark.parametrize("text", ['", "opened": 1', '"opened": ', "opened"])
def test_a_text_is_not_taken_for_the_number(path: Path, text: str) -> None:
    written = Ledger(path)
    entry = written.append(record(spider=text, opened=0, evidence=(text,)))
    assert entry is not None
    written.update(entry, 7)
    (found,), _ = records_of(path)
    assert (found.opened, found.spider, found.evidence) == (7, text, (text,))


def test_a_file_that_was_truncated_is_left_alone(path: Path) -> None:
    written = Ledger(path)
    written.append(record())
    entry = written.append(record(opened=0))
    assert entry is not None
    path.write_bytes(b"")  # copied away and truncated, as logrotate may do
    assert written.update(entry, 7) == entry
    assert path.read_bytes() == b""
    written.append(record(run="next"))
    other = record(spider="of another process").line() * 3
    path.write_bytes(other)
    assert written.update(entry, 7) == entry
    assert path.read_bytes() == other


def test_a_fault_while_it_is_changed_is_no_reason_to_stop(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    written = Ledger(path)
    entry = written.append(record(opened=0))
    assert entry is not None

    def fault(*_: Any) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "read", fault)
    assert written.update(entry, 7) == entry
    assert "a number stays as it is" in caplog.text


# Reading


def test_several_files_and_faults_in_them(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    good = record().line()
    one.write_bytes(good + b"\n   \nnonsense\n" + good)
    two.write_bytes(good[:-1])  # without an end
    found, faults = records_of(one, two)
    assert len(found) == 3
    assert faults == [Fault(str(one), 4, "no JSON")]


def test_a_line_without_end_is_read_in_bounded_pieces(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MAX_LINE", 1000)
    path.write_bytes(b"x" * 10_500 + b"\n" + record(evidence=()).line())
    found, faults = records_of(path)
    assert len(found) == 1
    assert faults == [Fault(str(path), 1, "no JSON")]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        records_of(tmp_path / "nothing")


def test_a_real_one(path: Path) -> None:
    records = many(300)
    appended(path, *records)
    found, faults = records_of(path)
    assert faults == []
    assert [each.task for each in found] == [each.task for each in records]
