"""Places that are taken in turn: one solve for a session, so many open tasks."""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred

__all__ = ["Places"]


class Places:
    """A number of places, given out first come first served.

    Twisted's ``DeferredSemaphore`` has no limit that can be changed, and hands a place
    on inside ``release``: some hundred waiters that take and return at once would
    exhaust the stack.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._waiting: deque[Deferred[None]] = deque()
        self._serving = False

    @property
    def limit(self) -> int:
        """How many places there are. May be changed at any time."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self._serve()

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return self._taken

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    async def take(self) -> None:
        """Take a place, waiting for one where none is free."""
        turn: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(turn)
        self._serve()
        await turn

    def release(self) -> None:
        """Return a place that was taken."""
        self._taken -= 1
        self._serve()

    def _serve(self) -> None:
        if self._serving:
            return  # the loop below goes on with whoever was added or left
        self._serving = True
        try:
            while self._waiting and self._taken < self._limit:
                self._taken += 1
                self._waiting.popleft().callback(None)
        finally:
            self._serving = False
