"""The line of a session's waiting requests, and the window that they leave by.

After a clearance one request goes first, the probe. Once it has its page the window is
open, and the others follow in order of arrival, so many at once as the site's download
slot sends in about a second. The first gate of the current clearance closes it.
"""

from __future__ import annotations

import enum
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.clearance import Clearances
    from scrapy_onecaptcha.crawl.domains import Domain

__all__ = ["Go", "Line", "Phase", "Ticket", "Waiting"]

#: Seconds after which another probe goes beside one that has no answer yet.
PROBE_SECONDS = 5.0

#: Seconds after which a request in the window no longer keeps the next one waiting.
WINDOW_SECONDS = 10.0

#: Responses in a row that were gates, after which requests of a session that was never
#: cleared wait unsent while it is being solved.
WALL = 16

#: Answers of which a probe learns nothing: they may come from before any gate.
MISSING = (404, 410)
SERVER_ERROR = 500


class Phase(enum.Enum):
    """How a session's requests are let go.

    ``FREE``: there was no clearance yet. ``PROBE``: one at a time, until one has its
    page. ``OPEN``: as many as the window holds. ``CLOSED``: none, it is being solved.
    """

    FREE = enum.auto()
    PROBE = enum.auto()
    OPEN = enum.auto()
    CLOSED = enum.auto()


class Go(enum.Enum):
    """What a waiting request may do next."""

    SEND = enum.auto()
    SOLVE = enum.auto()
    RECHECK = enum.auto()


@dataclass(eq=False, slots=True)
class Ticket:
    """The place of one request in the window.

    Attributes:
        kind: ``"probe"``, ``"window"`` or ``"single"`` (let go while it is closed).
        request: the crawl's own that holds it, if it is one.
        alarm: ends its claim, where no answer comes.
    """

    kind: str
    request: Request | None = None
    alarm: Any = None


@dataclass(eq=False, slots=True, kw_only=True)
class Waiting:
    """One request in the line.

    Attributes:
        order: attempts so far and number of arrival; the smallest goes first.
        stamp: of the gate that it met; ``None`` for one that is held unsent.
        sitekey: of that gate.
        request: the crawl's own, where it is held unsent.
        unsent_cookies: returns the cookies that would be sent now and were not.
        shared: whether it was asked for on a neighbour's clearance already.
        lend: called when the wait is going to be long.
        ready: fires when it may go.
    """

    order: tuple[int, int]
    stamp: int | None = None
    sitekey: str = ""
    request: Request | None = None
    unsent_cookies: Callable[[], frozenset[tuple[str, str]]] = frozenset
    shared: bool = False
    lend: Callable[[], None] | None = None
    ready: Deferred[tuple[Go, Ticket | None]] = field(default_factory=Deferred)


class Line:
    """The waiting requests of one session.

    Args:
        clearances: the session's.
        domain: the sessions of neighbouring hosts.
        clock: measures time and wakes up.
        most_tasks: tasks that may be open at once, at most.
        is_active: whether a request is in the downloader still.
        memory: seconds for which it counts that tokens opened nothing else.

    Attributes:
        phase: how requests are let go.
        size: requests in the window at once, at most.
    """

    def __init__(
        self,
        clearances: Clearances,
        domain: Domain,
        clock: Clock,
        most_tasks: int,
        is_active: Callable[[Request], bool],
        memory: float = math.inf,
    ) -> None:
        self.clearances = clearances
        self.domain = domain
        self.phase = Phase.FREE
        self.size = 1
        self._clock = clock
        self._most_tasks = most_tasks
        self._is_active = is_active
        self._memory = memory
        self._waiting: list[Waiting] = []
        self._solving: Counter[str] = Counter()
        self._tickets: set[Ticket] = set()
        self._recheck_due = False
        self._rechecking = False
        self._gates_in_a_row = 0
        self._moving = False

    # What is asked

    def set_pace(self, concurrency: int, delay: float) -> None:
        """Note how the session's download slot sends."""
        size = 1 + math.ceil(1 / delay) if delay else concurrency
        self.size = max(1, min(concurrency, size))

    @property
    def is_walled(self) -> bool:
        """Whether a request would only meet the gate that is being solved already."""
        return self._gates_in_a_row >= WALL and (
            bool(self._solving) or any(w.stamp is not None for w in self._waiting)
        )

    @property
    def is_free(self) -> bool:
        """Whether a request needs no place in the window, nor has to wait."""
        return self.phase is Phase.FREE and not self.is_walled

    def enter(self, request: Request) -> Ticket | None:
        """Return the place of *request* in the window if there is one at once."""
        if self.phase is not Phase.OPEN or self._waiting or not self._has_room():
            return None
        return self._issue("window", request)

    def ticket_of(self, request: Request) -> Ticket | None:
        """Return the place of *request*, one of the crawl's own, if it has one."""
        return next((t for t in self._tickets if t.request is request), None)

    async def wait(self, waiting: Waiting) -> tuple[Go, Ticket | None]:
        """Wait until *waiting* may go."""
        self._waiting.append(waiting)
        if waiting.lend and self.phase is not Phase.OPEN:
            waiting.lend()
        self.move()
        try:
            return await waiting.ready
        finally:
            if waiting in self._waiting:  # it was cancelled
                self._waiting.remove(waiting)
                self.move()

    # What happens

    def saw(self, *, gate: bool) -> None:
        """Note whether the latest response of the site was a gate."""
        self._gates_in_a_row = self._gates_in_a_row + 1 if gate else 0
        if not gate and self.phase is Phase.FREE and self._waiting:
            self.move()

    def gated(self, stamp: int) -> None:
        """Note a gate, met on a request with *stamp*."""
        if stamp < self.clearances.generation or self.phase is Phase.FREE:
            return
        self._close()
        self.clearances.gated(stamp, self._clock.seconds(), self._memory)
        if not self._rechecking and self.clearances.must_recheck(stamp) is not None:
            self._recheck_due = True

    def answered(self, stamp: int, status: int, *, content: bool) -> None:
        """Note an answer that is no gate, to a request with *stamp* and no token.

        Args:
            stamp: of the request.
            status: of the answer.
            content: whether it is a page, and not an error.
        """
        if stamp < self.clearances.generation:
            return
        if content:
            self.clearances.passed(stamp)
        missing = status in MISSING or status >= SERVER_ERROR
        if self.phase is Phase.PROBE and not missing:
            self.phase = Phase.OPEN

    def granted(self) -> None:
        """Begin anew with a probe: there is a new clearance."""
        self.phase = Phase.PROBE
        self._recheck_due = False
        for ticket in [t for t in self._tickets if t.kind == "probe"]:
            self._drop(ticket)

    def return_ticket(self, ticket: Ticket | None, *, gated: bool = False) -> None:
        """Note that what left with *ticket* has its answer.

        One that met a gate joins the line next, which moves then.
        """
        if ticket is not None:
            self._drop(ticket)
        if not gated:
            self.move()

    def solved(self, sitekey: str, *, failed: bool) -> None:
        """Note the end of a solve; the line moves when its request has its page."""
        self._solving[sitekey] -= 1
        if self._solving[sitekey] <= 0:
            del self._solving[sitekey]
        self.domain.solved(self, sitekey, failed=failed)

    def rechecked(self) -> None:
        """Note that a recheck has ended; its request joins the line again."""
        self._rechecking = False

    def absorb(self, other: Line) -> None:
        """Take over who waits in *other*, whose session is one with this one."""
        moved, other._waiting = other._waiting, []
        for waiting in moved:
            if waiting.lend and self.phase is not Phase.OPEN:
                waiting.lend()
        self._waiting.extend(moved)
        self.move()

    # Who goes next

    def move(self) -> None:
        """Let go who may go now."""
        if self._moving:
            return  # the loop below goes on with whoever was added or left
        self._moving = True
        try:
            while self._step():
                pass
        finally:
            self._moving = False

    def _step(self) -> bool:
        """Let one go, or change the phase; tell whether there may be more to do."""
        # A session that became one with this one cannot take out who was cancelled.
        self._waiting = [w for w in self._waiting if not w.ready.called]
        if self.phase is Phase.FREE and self._send_held():
            return True
        current = self._current()
        if current and (self._rechecking or self._solve(current)):
            return not self._rechecking
        alone = self._most_open == 1
        if alone and (current or self._solving):
            return False
        if len(self._waiting) == len(current):
            return self._rest()
        if self.phase is Phase.PROBE:
            return not self._count("probe") and self._send("probe")
        if self.phase is Phase.OPEN:
            return self._has_room() and self._send("window")
        if self.phase is Phase.FREE:
            return False
        singles = self._count("single")
        if not alone:
            busy = sum(self._solving.values()) + singles + len(current)
            return busy < self._most_open and self._send("single")
        if singles:
            return False
        self.phase = Phase.PROBE  # whoever met the gate is gone
        return True

    def _current(self) -> list[Waiting]:
        stale = self.clearances.is_stale
        return [w for w in self._waiting if w.stamp is not None and not stale(w.stamp)]

    @property
    def _most_open(self) -> int:
        return min(self.clearances.most_open, self._most_tasks)

    def _solve(self, current: list[Waiting]) -> bool:
        """Let one of *current* go on to its solve, if it may."""
        if self.phase is not Phase.FREE:
            self._close()
        if self._recheck_due:
            self._recheck_due, self._rechecking = False, True
            self._release(min(current, key=_order), Go.RECHECK, None)
            return True
        able = [w for w in current if self._solving[w.sitekey] < self._most_open]
        able = [w for w in able if self.domain.allows(self, w.sitekey)]
        if not able:
            return False
        first = min(able, key=_order)
        assert first.stamp is not None  # noqa: S101  (the current ones have one)
        if (
            not self.clearances.generation
            and not first.shared
            and self.domain.may_open(first.stamp, first.unsent_cookies)
        ):
            self._release(first, Go.SEND, self._issue("single"))
            return True
        self._solving[first.sitekey] += 1
        self.domain.begins(self, first.sitekey)
        self._release(first, Go.SOLVE, None)
        return True

    def _send_held(self) -> bool:
        """Let go one that is held unsent, where its session is not walled any more."""
        held = next((w for w in self._waiting if w.stamp is None), None)
        if held is None or self.is_walled:
            return False
        self._release(held, Go.SEND, None)
        return True

    def _send(self, kind: str) -> bool:
        stale = self.clearances.is_stale
        first = min(
            (w for w in self._waiting if w.stamp is None or stale(w.stamp)), key=_order
        )
        self._release(first, Go.SEND, self._issue(kind, first.request))
        return True

    def _release(self, waiting: Waiting, go: Go, ticket: Ticket | None) -> None:
        self._waiting.remove(waiting)
        waiting.ready.callback((go, ticket))

    def _rest(self) -> bool:
        """Open the window where nobody is left who could."""
        if self._waiting:
            return False
        busy = self._solving or self._count("single")
        closed = self.phase is Phase.CLOSED and not busy
        unprobed = self.phase is Phase.PROBE and not self._count("probe")
        if closed or unprobed:
            self.phase = Phase.OPEN
        return False

    def _close(self) -> None:
        if self.phase is not Phase.CLOSED:
            self.phase = Phase.CLOSED
            for waiting in self._waiting:
                if waiting.lend:
                    waiting.lend()

    # The window

    def _has_room(self) -> bool:
        if self._count("window") < self.size:
            return True
        for ticket in list(self._tickets):  # redirected, dropped or answered elsewhere
            if ticket.request is not None and not self._is_active(ticket.request):
                self._drop(ticket)
        return self._count("window") < self.size

    def _count(self, kind: str) -> int:
        return sum(1 for ticket in self._tickets if ticket.kind == kind)

    def _issue(self, kind: str, request: Request | None = None) -> Ticket:
        ticket = Ticket(kind, request)
        if kind != "single":
            seconds = PROBE_SECONDS if kind == "probe" else WINDOW_SECONDS
            ticket.alarm = self._clock.callLater(seconds, self._overdue, ticket)
        self._tickets.add(ticket)
        return ticket

    def _overdue(self, ticket: Ticket) -> None:
        ticket.alarm = None
        self.return_ticket(ticket)

    def _drop(self, ticket: Ticket) -> None:
        self._tickets.discard(ticket)
        if ticket.alarm is not None and ticket.alarm.active():
            ticket.alarm.cancel()
        ticket.alarm = None


def _order(waiting: Waiting) -> tuple[int, int]:
    return waiting.order
