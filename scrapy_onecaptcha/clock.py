"""The time that everything here goes by: a reactor's, or a test's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clock", "sleep"]


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


def sleep(clock: Clock, seconds: float) -> Deferred[None]:
    """Return a Deferred that fires after *seconds*; it can be cancelled."""
    done: Deferred[None] = Deferred(lambda _: call.cancel())
    call = clock.callLater(seconds, done.callback, None)
    return done
