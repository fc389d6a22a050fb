"""Lends the place of a request that waits back to the crawl.

A request that waits in a downloader middleware still counts in
``Downloader.active`` and so takes one of the ``CONCURRENT_REQUESTS``. While it waits
it loads no site, so its place is lent: ``Downloader.total_concurrency`` is one higher
for as long.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Parking"]

logger = logging.getLogger(__name__)


class Parking:
    """Counts the requests that wait, and lends their places.

    Args:
        downloader: returns the crawl's downloader.
        nudge: tells the engine that there is a place again.
        limit: places lent at most; a request parked past it keeps its own place, so
            that memory stays bounded.
    """

    def __init__(
        self,
        downloader: Callable[[], Any],
        nudge: Callable[[], None],
        limit: int,
    ) -> None:
        self._downloader = downloader
        self._nudge = nudge
        self._limit = limit
        self._parked = 0
        self._lent = 0
        self._warned = False

    @property
    def parked(self) -> int:
        """How many requests wait."""
        return self._parked

    @property
    def lent(self) -> int:
        """How many places are lent."""
        return self._lent

    @contextmanager
    def park(self) -> Iterator[None]:
        """Count one request as waiting, and lend its place."""
        self._parked += 1
        lent = self._lend()
        try:
            yield
        finally:
            self._parked -= 1
            if lent:
                self._give_back()

    def _lend(self) -> bool:
        downloader = self._downloader()
        places = getattr(downloader, "total_concurrency", None)
        if not isinstance(places, int):
            self._warn(downloader)
            return False
        if places == 0 or self._lent >= self._limit:  # 0: no limit, since Scrapy 2.14
            return False
        downloader.total_concurrency = places + 1
        self._lent += 1
        self._nudge()
        return True

    def _give_back(self) -> None:
        self._lent -= 1
        downloader = self._downloader()
        places = downloader.total_concurrency
        if places:  # somebody may have lifted the limit meanwhile: it stays lifted
            downloader.total_concurrency = max(1, places - 1)

    def _warn(self, downloader: object) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "%s has no total_concurrency: requests that wait for a captcha keep "
                "their places in CONCURRENT_REQUESTS. Raise that setting if the crawl "
                "slows down.",
                type(downloader).__qualname__,
            )
