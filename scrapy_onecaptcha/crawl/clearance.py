"""Clearances, which sites grant for tokens: generation, end, yield.

A *clearance* has a generation, a number that only grows through the crawl. Each request
is stamped with the last one when its cookies are attached. A gate whose stamp is older
than its session's clearance is no evidence against that clearance: its page is asked
for again, free.

How a clearance ended is told by its *yield*, the other pages that passed on it. One
with a yield has simply ended. One without opened nothing but the page that it was paid
for, or a part of the site; `Clearances` counts how many of the first kind came in a
row, because only a site that wants a token for each page is solved side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapy import Request

    from scrapy_onecaptcha.report.journal import Entry

__all__ = ["Clearance", "Clearances"]

#: Tokens in a row that opened nothing else, after which their page is not asked again.
MAX_RECHECKS = 2

#: Clearances in a row that opened nothing else, from which on they count as one.
MIN_ROW = 2


@dataclass(slots=True, kw_only=True)
class Clearance:
    """What one accepted token has granted.

    Attributes:
        generation: its number.
        since: when it was granted, in seconds of the crawl's clock.
        cost: tasks that it took.
        paid_for: asks for the page that it was paid for; ``None`` where that must not
            be asked for again, or came in the answer to the submission.
        pages: other pages that have passed on it.
        judged: whether it is known what it opened.
        ended_at: when a gate told that it has ended.
        imported: whether another process or run has earned it, maybe from another
            address: then it may open nothing here, and that says nothing of the site.
        entry: of its task in the journal, if there is one.
    """

    generation: int
    since: float
    cost: int = 0
    paid_for: Request | None = None
    pages: int = 0
    judged: bool = False
    ended_at: float | None = None
    imported: bool = False
    entry: Entry | None = None

    def write_down(self) -> None:
        """Write how many pages it has opened by now, the first one included."""
        if self.entry is not None:
            self.entry.opened(self.pages + 1)


class Clearances:
    """The clearances of one session.

    Attributes:
        current: the last one, if there was any.
        unproductive: how many in a row opened nothing else.
    """

    def __init__(self) -> None:
        self.current: Clearance | None = None
        self.unproductive = 0
        self._row_since = 0
        self._in_row = 0

    @property
    def generation(self) -> int:
        """The number of the last clearance, or 0."""
        return self.current.generation if self.current else 0

    @property
    def most_open(self) -> int:
        """How many tasks may be open at once."""
        return max(1, self.unproductive)

    def is_stale(self, stamp: int) -> bool:
        """Tell whether what left with *stamp* says nothing of the last clearance.

        A row of clearances that opened nothing else ages a stamp once, not once each.
        """
        if self.unproductive >= MIN_ROW:
            return stamp < self._row_since
        return stamp < self.generation

    def grant(self, clearance: Clearance) -> None:
        """Note a new clearance."""
        if self.current is not None:
            self.current.write_down()
        self.current = clearance
        self._in_row += 1

    def passed(self, stamp: int) -> None:
        """Note that a page passed without a token of its own."""
        if self.current is not None and stamp >= self.generation:
            self.current.pages += 1
            self.current.judged = True
            self.current.ended_at = None
            self.unproductive = 0

    def gated(self, stamp: int, now: float, memory: float) -> None:
        """Note a gate, met on a request with *stamp*.

        After *memory* seconds it is forgotten that tokens opened nothing else.
        """
        current = self.current
        if current and stamp >= current.generation and current.ended_at is None:
            current.ended_at = now
            current.write_down()
            if now - current.since > memory:
                self.unproductive = 0
                current.judged = False

    def must_recheck(self, stamp: int) -> Request | None:
        """Return what tells a part of a site from a site that grants nothing.

        Called for a gate of *stamp*. Where that is enough evidence as it is, it counts
        at once.
        """
        current = self.current
        if current is None or current.judged or stamp < current.generation:
            return None
        if self.unproductive < MAX_RECHECKS and current.paid_for is not None:
            return current.paid_for
        self.rechecked(current.generation, passes=False)
        return None

    def rechecked(self, generation: int, *, passes: bool) -> None:
        """Note whether the page that a clearance was paid for still passes."""
        current = self.current
        if current is None or current.judged or current.generation != generation:
            return
        current.judged = True
        if passes:
            self.unproductive = 0
            return
        if current.imported:
            self._in_row -= 1
            return
        if not self.unproductive:
            self._row_since, self._in_row = generation, 1
        self.unproductive = self._in_row
