"""Waits that end when the crawl does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred

from scrapy_onecaptcha._twisted import Beat

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from scrapy_onecaptcha._twisted import Clock

__all__ = ["CrawlClosing", "Waits", "shielded"]

_T = TypeVar("_T")

#: Seconds between two looks at whether the crawl is closing.
LOOK_INTERVAL = 0.5


class CrawlClosing(Exception):
    """The crawl is being stopped: the wait was given up."""


def shielded(work: Deferred[_T]) -> Deferred[_T]:
    """Return what fires as *work* does, and may be cancelled without cancelling it.

    For work that others wait for as well.
    """
    wait: Deferred[_T] = Deferred()
    work.addBoth(wait.callback)  # of no effect once *wait* was cancelled
    return wait


class Waits:
    """The waits of a crawl, all of which are cancelled once it closes.

    Args:
        clock: says when to look.
        is_closing: says whether the crawl is closing; no signal does while a
            middleware waits.
    """

    def __init__(self, clock: Clock, is_closing: Callable[[], bool]) -> None:
        self._is_closing = is_closing
        self._open: set[Deferred[Any]] = set()
        self._look_out = Beat(clock, LOOK_INTERVAL, self._look)

    async def until_closing(self, coro: Coroutine[Deferred[Any], Any, _T]) -> _T:
        """Return the result of *coro*.

        Raises:
            CrawlClosing: the crawl closed first; *coro* was cancelled.
        """
        if self._is_closing():
            coro.close()
            raise CrawlClosing
        wait = Deferred.fromCoroutine(coro)
        self._open.add(wait)
        self._watch()
        try:
            return await wait
        except CancelledError:
            if self._is_closing():
                raise CrawlClosing from None
            raise
        finally:
            self._open.discard(wait)
            self._watch()

    def _watch(self) -> None:
        if self._open:
            self._look_out.start()
        else:
            self._look_out.stop()

    def _look(self) -> None:
        if self._is_closing():
            for wait in tuple(self._open):
                wait.cancel()
