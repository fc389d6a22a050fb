"""Visits pages in a child process while the crawl's event loop goes on."""

from __future__ import annotations

import atexit
import hashlib
import json
import queue
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred

from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha._twisted import caller_of_this_thread
from scrapy_onecaptcha._values import Recent
from scrapy_onecaptcha.scripts.child import Child, NoEngine
from scrapy_onecaptcha.scripts.engine import problem
from scrapy_onecaptcha.scripts.models import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.scripts.models import Visit

    Deliver = Callable[[Reading | NoEngine], None]

__all__ = ["Pool", "ScriptPool", "visit_once"]

logger = get_logger(__name__)

# Readings that are kept; a page of the same text at the same address is read once.
MAX_KEPT = 256
# Visits of a page that end with its process.
TRIES = 2
# Seconds that the thread gets to see that its child is gone.
JOIN_SECONDS = 5

KILLED = Reading(stopped="its scripts took too long, and their process was killed")
CLOSED = Reading(stopped="the crawl ends")


class Pool(Protocol):
    """Visits pages."""

    async def visit(self, visit: Visit) -> Reading:
        """Visit a page.

        Raises:
            NoEngine: there is no usable engine; the text says why.
        """
        ...

    def close(self) -> None:
        """End what it has started; no visit comes after this."""
        ...


class ScriptPool:
    """One child process for a crawl, started when it is first needed.

    Args:
        start: starts a child process.
    """

    def __init__(self, start: Callable[[], Child] = Child) -> None:
        self._start = start
        self._jobs: queue.SimpleQueue[tuple[Visit, Deliver] | None] = (
            queue.SimpleQueue()
        )
        self._thread: threading.Thread | None = None
        self._child: Child | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._kept: Recent[str, Reading] = Recent(MAX_KEPT)
        self._waiting: set[Deferred[Reading]] = set()

    @property
    def pid(self) -> int | None:
        """The number of the child process, if there is one now."""
        child = self._child
        return None if child is None else child.pid

    async def visit(self, visit: Visit) -> Reading:
        """Visit a page. To be awaited in a coroutine that a Deferred drives.

        Raises:
            NoEngine: there is no usable engine; the text says why.
        """
        digest = _digest(visit)
        if digest in self._kept:
            self._kept.move_to_end(digest)
            return self._kept[digest]
        reading = await self._deferred(visit)
        # One with a real token in it is good for a single request; what was stopped may
        # come to its end on a machine that has less to do.
        if not visit.token and reading.stopped is None:
            self._kept[digest] = reading
        return reading

    def close(self) -> None:
        """End the child process and wait for it; no visit comes after this."""
        with self._lock:
            self._closed = True
            child = self._child
        if child is not None:
            child.kill()
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)
            self._thread = None
        atexit.unregister(self.close)
        for waiting in tuple(self._waiting):
            waiting.callback(CLOSED)

    def _deferred(self, visit: Visit) -> Deferred[Reading]:
        done: Deferred[Reading] = Deferred(self._waiting.discard)
        if self._closed:
            done.callback(CLOSED)
            return done
        if sentence := problem():
            done.errback(NoEngine(sentence))
            return done
        self._waiting.add(done)
        in_loop = caller_of_this_thread()

        def fire(result: Reading | NoEngine) -> None:
            if done not in self._waiting:
                return  # cancelled, or the pool was closed
            self._waiting.discard(done)
            if isinstance(result, Reading):
                done.callback(result)
            else:
                done.errback(result)

        def deliver(result: Reading | NoEngine) -> None:
            try:
                in_loop(fire, result)
            except RuntimeError:  # the loop is closed, and nobody waits any longer
                logger.debug("A reading came after its crawl: %s", visit.url)

        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="onecaptcha-scripts", daemon=True
            )
            self._thread.start()
            atexit.register(self.close)
        self._jobs.put((visit, deliver))
        return done

    # In the thread

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            visit, deliver = job
            deliver(self._result(visit))
        self._end_child()

    def _result(self, visit: Visit) -> Reading | NoEngine:
        """Return what a page came to.

        One whose process had to be killed is visited once more: a machine that has too
        much to do may have given it no time.
        """
        for _ in range(TRIES):
            try:
                child = self._living_child()
            except NoEngine as error:
                return error
            if child is None:
                return CLOSED
            reading = child.visit(visit)
            if reading is None or child.killed:
                self._end_child()
            if reading is not None:
                return reading
        return CLOSED if self._is_closed() else KILLED

    def _living_child(self) -> Child | None:
        """Return the child, a new one if need be, or ``None`` after `close`."""
        with self._lock:
            if self._closed or self._child is not None:
                return self._child
        child = self._start()
        with self._lock:
            self._child = child
        if self._is_closed():  # while it started
            self._end_child()
            return None
        return child

    def _is_closed(self) -> bool:
        with self._lock:
            return self._closed

    def _end_child(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is None:
            return
        complaint = child.close()
        if complaint and not self._closed:
            logger.debug("The script engine ended: %s", complaint[-500:])


def visit_once(visit: Visit) -> Reading:
    """Visit one page and wait for it; for commands, not for a crawl.

    Raises:
        NoEngine: there is no usable engine; the text says why.
    """
    if sentence := problem():
        raise NoEngine(sentence)
    child = Child()
    try:
        return child.visit(visit) or KILLED
    finally:
        child.close()


def _digest(visit: Visit) -> str:
    # The page and its scripts may be large, and the event loop waits for this.
    digest = hashlib.sha256(visit.html.encode("utf-8", "replace"))
    for url, code in visit.external:
        digest.update(f"\0{url}\0".encode() + code.encode("utf-8", "replace"))
    rest = replace(visit, html="", external=(), paid=False)
    digest.update(json.dumps(rest.as_dict()).encode())
    return digest.hexdigest()
