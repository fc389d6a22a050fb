"""Waiting and waking, with any reactor or none.

Clocks and sleep, repeated calls, permits, calls in the background and from threads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = [
    "Background",
    "Beat",
    "Clock",
    "LoopClock",
    "Semaphore",
    "Waiters",
    "caller_of_this_thread",
    "sleep",
]

_Subject = TypeVar("_Subject")


class Clock(Protocol):
    """What is used of Twisted's ``IReactorTime``, as a type that mypy can hold."""

    def seconds(self) -> float:
        """Return the seconds since some fixed moment."""
        ...

    def callLater(  # noqa: N802  (Twisted's name)
        self, delay: float, call: Callable[..., object], /, *args: object
    ) -> Any:
        """Call *call* after *delay* seconds; the result can ``cancel()`` it."""
        ...


class LoopClock:
    """The time of the running asyncio loop, where there is no reactor."""

    def seconds(self) -> float:
        """Return the seconds since some fixed moment."""
        return asyncio.get_running_loop().time()

    def callLater(  # noqa: N802  (Twisted's name)
        self, delay: float, call: Callable[..., object], /, *args: object
    ) -> Alarm:
        """Call *call* after *delay* seconds; the result can ``cancel()`` it."""
        return Alarm(delay, call, args)


class Alarm:
    """A call to come, as much as is used of Twisted's ``IDelayedCall``."""

    def __init__(
        self, delay: float, call: Callable[..., object], args: tuple[object, ...]
    ) -> None:
        self._call = call
        self._args = args
        self._handle = asyncio.get_running_loop().call_later(delay, self._ring)
        self._rung = False

    def _ring(self) -> None:
        self._rung = True
        self._call(*self._args)

    def active(self) -> bool:
        """Tell whether the call is still to come."""
        return not (self._rung or self._handle.cancelled())

    def cancel(self) -> None:
        """Have the call not made."""
        self._handle.cancel()


class Beat:
    """Makes a call again and again, from its start to its stop.

    Twisted's ``LoopingCall`` needs a reactor.

    Args:
        clock: wakes up.
        seconds: between two calls, and before the first.
        call: what is called; it may stop the beat.
    """

    def __init__(
        self, clock: Clock, seconds: float, call: Callable[[], object]
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._call = call
        self._next: Any = None

    def start(self) -> None:
        """Begin, unless it goes on already."""
        if self._next is None:
            self._next = self._clock.callLater(self._seconds, self._beat)

    def stop(self) -> None:
        """End, if it goes on."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _beat(self) -> None:
        self._next = None
        self.start()  # before the call, which may stop it
        self._call()


def sleep(clock: Clock, seconds: float) -> Deferred[None]:
    """Return a Deferred that fires after *seconds*; it can be cancelled."""
    done: Deferred[None] = Deferred(lambda _: call.cancel())
    call = clock.callLater(seconds, done.callback, None)
    return done


class Waiters:
    """Those who wait until something has changed; they look again when they wake."""

    def __init__(self) -> None:
        self._waiting: list[Deferred[None]] = []

    async def wait(self) -> None:
        """Return at the next `wake`."""
        woken: Deferred[None] = Deferred()
        self._waiting.append(woken)
        await woken

    def wake(self) -> None:
        """Wake all who wait now. Each goes on within this call."""
        waiting, self._waiting = self._waiting, []
        for woken in waiting:
            woken.callback(None)  # of no effect on one that was cancelled


class Background(Generic[_Subject]):
    """Coroutines that nobody awaits.

    Args:
        failed: is told of each that raises.
    """

    def __init__(self, failed: Callable[[Any], object]) -> None:
        self._failed = failed
        self._running: list[_Subject] = []
        self._ended = Waiters()

    def __bool__(self) -> bool:
        return bool(self._running)

    def run(self, call: Coroutine[Deferred[Any], Any, Any], subject: _Subject) -> None:
        """Run *call*, which is about *subject*."""
        self._running.append(subject)
        running = Deferred.fromCoroutine(call)
        running.addErrback(self._failed)
        running.addBoth(lambda _: self._end(subject))

    def _end(self, subject: _Subject) -> None:
        self._running.remove(subject)
        self._ended.wake()

    async def until_done(
        self, concerns: Callable[[_Subject], bool] = lambda _: True
    ) -> None:
        """Return when all are done whose subject is one that *concerns* the caller."""
        while any(map(concerns, self._running)):
            await self._ended.wait()


def caller_of_this_thread() -> Callable[..., object]:
    """Return what makes a call in this thread's event loop, from another thread.

    That raises ``RuntimeError`` where the loop has ended. There may be no reactor, in
    which case none must be imported.
    """
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:  # then a reactor runs, and not on asyncio
        from twisted.internet import reactor  # noqa: PLC0415  (it is installed by now)

        caller: Any = reactor
        return caller.callFromThread  # type: ignore[no-any-return]


class Semaphore:
    """A number of permits, given out first come first served.

    Twisted's ``DeferredSemaphore`` has no limit that can be changed, and hands a
    permit on inside ``release``: some hundred waiters that take and return at once
    would exhaust the stack.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._ahead: deque[Deferred[None]] = deque()
        self._waiting: deque[Deferred[None]] = deque()
        self._serving = False

    @property
    def limit(self) -> int:
        """How many permits there are; it may be changed at any time."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self._serve()

    @property
    def taken(self) -> int:
        """How many permits are taken."""
        return self._taken

    @property
    def waiting(self) -> int:
        """How many callers wait for a permit."""
        return len(self._ahead) + len(self._waiting)

    async def take(self, *, ahead: bool = False) -> None:
        """Take a permit; wait for one where none is free.

        Args:
            ahead: whether to go before those who wait and do not say this.
        """
        queue = self._ahead if ahead else self._waiting
        turn: Deferred[None] = Deferred(queue.remove)
        queue.append(turn)
        self._serve()
        await turn

    def release(self) -> None:
        """Return a permit that was taken."""
        self._taken -= 1
        self._serve()

    def _serve(self) -> None:
        if self._serving:
            return  # the loop below goes on with the others
        self._serving = True
        try:
            while self.waiting and self._taken < self._limit:
                self._taken += 1
                (self._ahead or self._waiting).popleft().callback(None)
        finally:
            self._serving = False
