"""Lends the slot of a request that waits back to the crawl.

A request that waits in a downloader middleware still counts in ``Downloader.active``
and so takes one of the ``CONCURRENT_REQUESTS``. While it waits it loads no site, so its
slot is lent: ``Downloader.total_concurrency`` is one higher for as long.

Each slot that is lent takes one more request out of the scheduler's queue. So one limit
holds for all of them, whether their requests have met a gate or were not sent yet: a
process never has more requests than that and ``CONCURRENT_REQUESTS`` together.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha._logging import counted, get_logger
from scrapy_onecaptcha.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_onecaptcha.crawl.engine import Engine

__all__ = ["Held", "SlotLoans"]

logger = get_logger(__name__)


class SlotLoans:
    """Counts the requests that wait, and lends their slots.

    Args:
        engine: the crawl's.
        limit: slots that are lent at most; a request that waits past it keeps its own.
        limit_gated: of these, slots of requests that have met a gate.
    """

    def __init__(self, engine: Engine, limit: int, limit_gated: int) -> None:
        self._engine = engine
        self._limit = limit
        self._limit_gated = limit_gated
        self._gated = 0
        self._lent = 0
        self._held = 0
        self._held_lent = 0
        self._own = 0
        self._written: int | None = None
        self._warned = False
        self._told = False

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._gated + self._held

    @property
    def held(self) -> int:
        """How many of them were not sent yet."""
        return self._held

    @property
    def lent(self) -> int:
        """How many slots are lent."""
        return self._lent + self._held_lent

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Count one gated request as waiting, and lend its slot."""
        self._gated += 1
        lent = self._lend_gated()
        self._lent += lent
        try:
            yield
        finally:
            self._gated -= 1
            if lent:
                self._lent -= 1
                self._settle()

    @contextmanager
    def hold(self) -> Iterator[Held]:
        """Count one request as held unsent; its slot is lent when it says so."""
        self._held += 1
        held = Held(self)
        try:
            yield held
        finally:
            self._held -= 1
            if held.lent:
                self._held_lent -= 1
                self._settle()

    def lend_held(self) -> bool:
        """Lend the slot of a request that is held unsent, within the limit."""
        lent = self._lend()
        self._held_lent += lent
        return lent

    def _lend_gated(self) -> bool:
        """Lend the slot of a request that has met a gate, within its limit."""
        if self._lent >= self._limit_gated:
            self._tell_limit(self._limit_gated, "that have met a gate ", "MAX_PARKED")
            return False
        return self._lend()

    def _lend(self) -> bool:
        """Lend one slot; tell whether that was done."""
        if self.lent >= self._limit:
            self._tell_limit(self._limit, "", "MAX_HELD")
            return False
        return self._raise()

    def _tell_limit(self, limit: int, whose: str, setting: str) -> None:
        if not self._told:
            self._told = True
            logger.info(
                "Slots of %s %sare lent while captchas are solved. Further requests "
                "that wait keep theirs, and the crawl waits (%s%s).",
                counted(limit, "request"),
                whose,
                PREFIX,
                setting,
            )

    def _raise(self) -> bool:
        """Raise ``total_concurrency`` by one; tell whether there is a limit."""
        own = self._own_limit()
        if not own:  # 0 means no limit, since Scrapy 2.14
            return False
        self._write(own + self.lent + 1)
        self._engine.nudge()
        return True

    def _settle(self) -> None:
        """Set ``total_concurrency`` for the slots that are lent now."""
        own = self._own_limit()
        if own:
            self._write(own + self.lent)

    def _own_limit(self) -> int | None:
        """Return the limit without the slots that are lent.

        Other code may set it meanwhile: what they have set is what it ends at.
        """
        downloader: Any = self._engine.downloader
        now = getattr(downloader, "total_concurrency", None)
        if not isinstance(now, int):
            self._warn(downloader)
            return None
        if now != self._written:
            self._own = self._written = now
        return self._own

    def _write(self, limit: int) -> None:
        self._written = self._engine.downloader.total_concurrency = limit

    def _warn(self, downloader: object) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "%s has no total_concurrency: requests that wait for a captcha keep "
                "their slots in CONCURRENT_REQUESTS. Raise that setting if the crawl "
                "slows down.",
                type(downloader).__qualname__,
            )


class Held:
    """A request that is held before it was sent.

    Attributes:
        lent: whether its slot is lent.
    """

    def __init__(self, loans: SlotLoans) -> None:
        self._loans = loans
        self.lent = False

    def lend(self) -> None:
        """Lend its slot, if that was not done yet and may be."""
        if not self.lent:
            self.lent = self._loans.lend_held()
