"""Calls that block, made in threads; the outcome comes to the crawl's own thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Worker"]

_T = TypeVar("_T")


class Worker:
    """Threads that make calls one after another.

    Args:
        name: of the threads.
        back: makes a call in the crawl's thread.
        threads: how many.
    """

    def __init__(
        self, name: str, back: Callable[..., object], threads: int = 1
    ) -> None:
        self._back = back
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def call(self, function: Callable[[], _T]) -> Deferred[_T]:
        """Return a Deferred of what *function* does in a thread.

        Cancelled, it fires at once; the call goes on and its outcome is dropped.
        """
        done: Deferred[_T] = Deferred(lambda _: None)
        self._pool.submit(self._work, function, done)
        return done

    def _work(self, function: Callable[[], _T], done: Deferred[_T]) -> None:
        try:
            outcome = function()
        except Exception as error:  # noqa: BLE001  (the caller that awaits it gets it)
            self._return(_fail, done, error)
        else:
            self._return(_fire, done, outcome)

    def _return(self, *call: object) -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it all who wait
            self._back(*call)

    def close(self) -> None:
        """Let the threads end once their calls have."""
        self._pool.shutdown(wait=False)


def _fire(done: Deferred[_T], outcome: _T) -> None:
    if not done.called:
        done.callback(outcome)


def _fail(done: Deferred[_T], error: Exception) -> None:
    if not done.called:
        done.errback(error)
