"""Runs a tool on a reactor, and ends it when a signal comes."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from scrapy.crawler import CrawlerProcess
from scrapy.exceptions import UsageError
from scrapy.utils.reactor import install_reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ReactorNotRunning
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from scrapy.settings import Settings

__all__ = ["Interrupted", "Stage", "run"]

_T = TypeVar("_T")

#: Seconds that a tool has to clean up after a signal. Then the process exits: a page
#: that stalls, or a name that is not resolved, must not delay Ctrl-C.
GRACE = 1.0

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHELL = 128  # a shell adds this to the number of a signal


class Interrupted(Exception):
    """A signal has ended a tool.

    Attributes:
        status: the exit status, as a shell counts it: 130 after Ctrl-C.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = _SHELL + number


@dataclass(frozen=True, slots=True)
class Stage:
    """The environment in which a tool works.

    Attributes:
        reactor: the running reactor, the one that the settings name.
        process: runs crawls.
    """

    reactor: Any
    process: CrawlerProcess


def run(
    settings: Settings, work: Callable[[Stage], Coroutine[Deferred[Any], Any, _T]]
) -> _T:
    """Run the coroutine of *work* on the reactor of *settings*; return its result.

    A reactor is used even where the project does without one
    (``TWISTED_REACTOR_ENABLED``). The project's spiders are not loaded.

    Raises:
        UsageError: Scrapy cannot be set up by these settings.
        Interrupted: a signal came; the work was cancelled.
        Exception: whatever the work raised.
    """
    settings.set("TWISTED_REACTOR_ENABLED", value=True, priority="cmdline")
    settings.set("SPIDER_MODULES", [], priority="cmdline")
    try:
        process = CrawlerProcess(settings)
        name = settings["TWISTED_REACTOR"]
        if name:
            install_reactor(name, settings["ASYNCIO_EVENT_LOOP"])
    except Exception as error:
        # Add-ons and settings of the project may raise anything.
        raise UsageError(
            f"Scrapy cannot be set up: {type(error).__name__}: {error}"
        ) from error
    from twisted.internet import reactor  # noqa: PLC0415  (installs one if early)

    return _Run(Stage(reactor, process), work).result()


class _Run(Generic[_T]):
    """One run of the reactor, which cannot be run again."""

    def __init__(
        self, stage: Stage, work: Callable[[Stage], Coroutine[Deferred[Any], Any, _T]]
    ) -> None:
        self._stage = stage
        self._work = work
        self._main: Deferred[_T] | None = None
        self._outcome: _T | Failure | None = None
        self._number = 0

    def result(self) -> _T:
        before = {number: signal.signal(number, self._interrupt) for number in _SIGNALS}
        try:
            self._stage.reactor.callWhenRunning(self._begin)
            self._stage.process.start(
                stop_after_crawl=False, install_signal_handlers=False
            )
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._number:
            raise Interrupted(self._number)
        if isinstance(self._outcome, Failure):
            self._outcome.raiseException()
        return cast("_T", self._outcome)

    def _begin(self) -> None:
        self._main = Deferred.fromCoroutine(self._work(self._stage))
        self._main.addBoth(self._end)

    def _interrupt(self, number: int, _: Any) -> None:
        """Handle a signal: telling the reactor is all that is safe at any moment."""
        if not self._number:
            self._number = number
            self._stage.reactor.callFromThread(self._cancel)

    def _cancel(self) -> None:
        leave = threading.Timer(GRACE, os._exit, (_SHELL + self._number,))
        leave.daemon = True  # does not delay a tool that ends in time
        leave.start()
        if self._main is not None:
            self._main.cancel()

    def _end(self, outcome: _T | Failure) -> None:
        self._outcome = outcome
        stopped: Deferred[Any] = maybeDeferred(self._stage.process.stop)
        stopped.addBoth(lambda _: self._stop())

    def _stop(self) -> None:
        with suppress(ReactorNotRunning):  # the project has stopped it already
            self._stage.reactor.stop()
