"""A task from its creation to its verdict: its line, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scrapy_onecaptcha.report.journal import Journal, Subject
from scrapy_onecaptcha.report.ledger import Fault, Ledger, read
from tests.unit.report.helpers import EVIDENCE, MIDNIGHT, SITE, Told

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy_onecaptcha.report.record import Record

SUBJECT = Subject(
    site=SITE,
    sitekey="338af34c-7bcb-4c7c-900b-acbec73d7d43",
    session=(SITE, 1, "http://user:hush@proxy.example"),
    evidence=EVIDENCE,
)


class Setting:
    """A journal whose time does not move until it is moved."""

    def __init__(self, path: Path | None, secret: bytes = b"s") -> None:
        self.path = path
        self.seconds = 1000.0
        self.told = Told()
        self.journal = Journal(
            run="r1",
            spider="books",
            secret=secret,
            now=lambda: self.seconds,
            today=lambda: MIDNIGHT + self.seconds,
            ledger=None if path is None else Ledger(path),
            listener=self.told,
        )

    def lines(self) -> list[Record]:
        assert self.path is not None
        faults: list[Fault] = []
        found = list(read([self.path], faults.append))
        assert faults == []
        return found


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path / "captchas.jsonl")


def test_a_token_that_is_accepted(setting: Setting) -> None:
    entry = setting.journal.begin(SUBJECT, 2)
    entry.created("task-1", "HCaptchaTask", 7.0)
    setting.seconds += 20
    entry.solved(8.0)
    setting.seconds += 3
    assert setting.lines() == []
    entry.end("accepted", opened=1)
    (line,) = setting.lines()
    assert (line.time, line.seconds, line.points) == (MIDNIGHT + 1023, 20.0, 8.0)
    assert (line.run, line.spider, line.site) == ("r1", "books", SITE)
    assert (line.sitekey, line.evidence) == (SUBJECT.sitekey, EVIDENCE)
    assert (line.attempt, line.task, line.type) == (2, "task-1", "HCaptchaTask")
    assert (line.outcome, line.code, line.opened) == ("accepted", "", 1)
    assert setting.told.calls == [
        ("solved", "task-1", SITE, 20.0),
        ("verdict", "task-1", SITE, "accepted"),
    ]


def test_a_task_that_fails(setting: Setting) -> None:
    entry = setting.journal.begin(SUBJECT, 1)
    entry.created("task-1", "HCaptchaTask", 7.0)
    setting.seconds += 50
    entry.end("failed", "ERROR_CAPTCHA_UNSOLVABLE", points=0.0)
    (line,) = setting.lines()
    assert (line.seconds, line.points) == (50.0, 0.0)
    assert (line.outcome, line.code) == ("failed", "ERROR_CAPTCHA_UNSOLVABLE")
    assert setting.told.calls == [("verdict", "task-1", SITE, "failed")]


def test_a_task_that_the_service_did_not_take(setting: Setting) -> None:
    entry = setting.journal.begin(SUBJECT, 1)
    entry.drop()
    entry.end("failed", "ERROR_ZERO_BALANCE")
    setting.journal.close()
    assert setting.lines() == []
    assert setting.told.calls == []


def test_only_the_first_word_counts(setting: Setting) -> None:
    entry = setting.journal.begin(SUBJECT, 1)
    entry.end("expired")
    entry.end("failed")
    assert [line.outcome for line in setting.lines()] == ["expired"]
    assert len(setting.told.calls) == 1


def test_the_pages_that_a_clearance_opened(setting: Setting) -> None:
    one, two = (setting.journal.begin(SUBJECT, 1) for _ in range(2))
    one.opened(5)  # before there is a line
    for entry in (one, two):
        entry.end("accepted", opened=1)
    one.opened(25)
    one.opened(26)
    assert [line.opened for line in setting.lines()] == [26, 1]


def test_what_is_open_at_the_end_is_paid_for(setting: Setting) -> None:
    ended, still = (setting.journal.begin(SUBJECT, n) for n in (1, 2))
    still.created("task-2", "HCaptchaTask", 7.0)
    ended.end("rejected")
    setting.journal.close()
    assert [(each.outcome, each.points) for each in setting.lines()] == [
        ("rejected", 0.0),
        ("abandoned", 7.0),
    ]


def test_a_session_is_a_hash_that_tells_nothing(setting: Setting) -> None:
    others = [
        SUBJECT,
        Subject(site=SITE, sitekey="", session=(SITE, 2, None)),
        Subject(site=SITE, sitekey="", session=(SITE, "\udc80", None)),
    ]
    for subject in others:
        setting.journal.begin(subject, 1).end("rejected")
    names = [line.session for line in setting.lines()]
    assert len(set(names)) == 3
    assert all(len(name) == 12 for name in names)
    again = setting.journal.session(SUBJECT)
    assert again == names[0]
    assert Setting(None, secret=b"t").journal.session(SUBJECT) != again


def test_no_secret_is_written_or_shown(setting: Setting) -> None:
    assert setting.path is not None
    setting.journal.begin(SUBJECT, 1).end("rejected")
    assert b"hush" not in setting.path.read_bytes()
    assert "hush" not in repr(SUBJECT)


def test_without_a_ledger_and_without_a_listener() -> None:
    setting = Setting(None)
    setting.journal.listener = None
    entry = setting.journal.begin(SUBJECT, 1)
    entry.created("task-1", "HCaptchaTask", 7.0)
    entry.solved(7.0)
    entry.end("accepted")
    entry.opened(3)
    setting.journal.close()


def test_nothing_is_kept_of_tasks_that_have_ended(setting: Setting) -> None:
    for _ in range(100):
        setting.journal.begin(SUBJECT, 1).end("rejected")
    setting.journal.close()
    assert len(setting.lines()) == 100


def test_when_the_next_token_is_due(setting: Setting) -> None:
    journal = setting.journal
    first = journal.begin(SUBJECT, 1)
    assert journal.seconds_to_go() is None, "nothing was solved yet"
    setting.seconds += 20
    first.solved(7.0)
    assert journal.seconds_to_go() is None, "no task is open"
    journal.begin(SUBJECT, 1)
    setting.seconds += 5
    second = journal.begin(SUBJECT, 1)
    assert journal.seconds_to_go() == 15.0
    setting.seconds += 16
    assert journal.seconds_to_go() == 4.0, "the first one is late"
    setting.seconds += 24
    assert journal.seconds_to_go() == 0.0, "both are"
    second.solved(7.0)
    assert journal.mean_seconds == 30.0
