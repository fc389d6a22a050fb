"""Follows each paid task from its creation to its verdict, and writes it down.

Each task has an `Entry` here. When its verdict is known the entry becomes a line of the
ledger, if there is one, and the handlers of the signals are called.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

from scrapy_onecaptcha.report.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from scrapy_onecaptcha.report.ledger import Ledger, Line

__all__ = ["Entry", "Journal", "Listener", "Subject"]

#: Bytes of the hash that names a session.
SESSION_BYTES = 6


class Listener(Protocol):
    """Is told what happens to tasks."""

    def solved(self, task: str, site: str, seconds: float) -> None:
        """Note that *task* gave a token."""

    def verdict(self, task: str, site: str, outcome: str) -> None:
        """Note what *task* came to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What tasks are created for.

    Attributes:
        site: scheme, host and port of the gate.
        sitekey: of its captcha.
        session: what tells the session from others. It is written as a hash only.
        evidence: why the page was taken for a gate.
    """

    site: str
    sitekey: str
    session: Hashable = field(repr=False)
    evidence: tuple[str, ...] = ()


class Journal:
    """Has an entry for each open task.

    Args:
        run: names the crawl.
        spider: its name.
        secret: keys the hashes of sessions, so that a session, with its proxy's
            password for example, cannot be found by trying.
        now: seconds of a clock that never goes back.
        today: seconds since 1970.
        ledger: takes the lines, if there is one.
        listener: is told what happens, if there is one.
    """

    def __init__(
        self,
        *,
        run: str,
        spider: str,
        secret: bytes,
        now: Callable[[], float],
        today: Callable[[], float],
        ledger: Ledger | None = None,
        listener: Listener | None = None,
    ) -> None:
        self.run = run
        self.spider = spider
        self.now = now
        self.today = today
        self.listener = listener
        self.ledger = ledger
        self._secret = secret
        self._open: dict[Entry, None] = {}
        self._solves = 0
        self._seconds = 0.0

    @property
    def mean_seconds(self) -> float | None:
        """Seconds that a token took so far, in the mean."""
        return self._seconds / self._solves if self._solves else None

    def seconds_to_go(self) -> float | None:
        """Return in how many seconds the next token is due, by the solves so far.

        ``None`` where nothing was solved yet, or no task waits for its token; 0 where
        all that wait have waited longer than the mean.
        """
        mean, now = self.mean_seconds, self.now()
        ages = [now - entry.begun for entry in self._open if not entry.is_solved]
        if mean is None or not ages:
            return None
        return min((mean - age for age in ages if age < mean), default=0.0)

    def forecast(self) -> str:
        """Say when the next token is due, if that can be told; else nothing."""
        seconds = self.seconds_to_go()
        if seconds is None:
            return ""
        if not seconds:
            return "the next token is later than usual"
        return f"the next token is due in about {seconds:.0f} s"

    def solved(self, seconds: float) -> None:
        """Note how long a token took."""
        self._solves += 1
        self._seconds += seconds

    def begin(self, subject: Subject, attempt: int) -> Entry:
        """Return the entry of a task that is created now.

        Args:
            subject: what it is for.
            attempt: how many tasks its page has taken, this one included.
        """
        entry = Entry(self, subject, attempt)
        self._open[entry] = None
        return entry

    def forget(self, entry: Entry) -> None:
        """Drop the entry of a task that was not created, or is written already."""
        self._open.pop(entry, None)

    def session(self, subject: Subject) -> str:
        """Return the name of a session, which is the same throughout the run."""
        text = repr(subject.session).encode("utf-8", "backslashreplace")
        return blake2b(text, digest_size=SESSION_BYTES, key=self._secret).hexdigest()

    def close(self) -> None:
        """Write the tasks that are still open: they are paid for."""
        for entry in list(self._open):
            entry.end("abandoned")
        if self.ledger is not None:
            self.ledger.close()


class Entry:
    """One task, from its creation on.

    Attributes:
        begun: when it was created.
    """

    def __init__(self, journal: Journal, subject: Subject, attempt: int) -> None:
        self._journal = journal
        self._subject = subject
        self._attempt = attempt
        self.begun = journal.now()
        self._seconds: float | None = None
        self._points = 0.0
        self._task = ""
        self._type = ""
        self._ended = False
        self._line: Line | None = None

    @property
    def is_solved(self) -> bool:
        """Whether there is a token."""
        return self._seconds is not None

    def created(self, task: str, kind: str, points: float) -> None:
        """Note that the service has taken the task.

        Args:
            task: its name there.
            kind: its type.
            points: what it costs.
        """
        self._task, self._type, self._points = task, kind, points

    def solved(self, points: float) -> None:
        """Note that there is a token, and what it cost."""
        self._seconds = self._journal.now() - self.begun
        self._points = points
        self._journal.solved(self._seconds)
        if self._journal.listener is not None:
            self._journal.listener.solved(self._task, self._subject.site, self._seconds)

    def drop(self) -> None:
        """Forget a task that the service refused to create."""
        self._ended = True
        self._journal.forget(self)

    def end(
        self,
        outcome: str,
        code: str = "",
        *,
        points: float | None = None,
        opened: int = 0,
    ) -> None:
        """Note the outcome of the task; only the first one counts.

        Args:
            outcome: one of `OUTCOMES`.
            code: of a failed task, what it failed by.
            points: what it cost, where that is known better by now.
            opened: pages that were delivered for it so far.
        """
        if self._ended:
            return
        self._ended = True
        journal, subject = self._journal, self._subject
        journal.forget(self)
        if self._seconds is None:
            self._seconds = journal.now() - self.begun
        if journal.listener is not None:
            journal.listener.verdict(self._task, subject.site, outcome)
        if journal.ledger is None:
            return
        self._line = journal.ledger.append(
            Record(
                time=journal.today(),
                run=journal.run,
                spider=journal.spider,
                site=subject.site,
                sitekey=subject.sitekey,
                session=journal.session(subject),
                attempt=self._attempt,
                task=self._task,
                type=self._type,
                seconds=self._seconds,
                points=self._points if points is None else points,
                outcome=outcome,
                code=code,
                opened=opened,
                evidence=subject.evidence,
            )
        )

    def opened(self, pages: int) -> None:
        """Write how many pages its clearance has opened by now."""
        if self._journal.ledger is not None and self._line is not None:
            self._line = self._journal.ledger.update(self._line, pages)
