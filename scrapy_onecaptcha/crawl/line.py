"""The line of a session's waiting requests, and which of them goes next.

After a clearance one request goes first, the probe. Once it has its page the window is
open, and the others follow in order of arrival, so many at once as the site's download
slot sends in about a second. The first gate of the current clearance closes it. Before
the first clearance requests go freely, until a whole window of responses were gates.
"""

from __future__ import annotations

import enum
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from scrapy_onecaptcha.crawl.statuses import tells_nothing
from scrapy_onecaptcha.crawl.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.clearance import Clearances
    from scrapy_onecaptcha.crawl.domains import Domain
    from scrapy_onecaptcha.crawl.window import Ticket, TicketKind, Transit

__all__ = ["Go", "Line", "Phase", "Waiting"]


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
        transit: knows where requests are.
        memory: seconds for which it counts that tokens opened nothing else.

    Attributes:
        phase: how requests are let go.
        window: those that are on their way.
        reading: gates of the session that are being read; their requests join next.
    """

    def __init__(
        self,
        clearances: Clearances,
        domain: Domain,
        clock: Clock,
        most_tasks: int,
        transit: Transit,
        memory: float = math.inf,
    ) -> None:
        self.clearances = clearances
        self.domain = domain
        self.phase = Phase.FREE
        self.window = Window(clock, transit, self.move)
        self.reading = 0
        self._clock = clock
        self._most_tasks = most_tasks
        self._memory = memory
        self._waiting: list[Waiting] = []
        self._solving: Counter[str] = Counter()
        self._taken_over: Counter[str] = Counter()
        self._recheck_due = False
        self._rechecking = False
        self._gates_in_a_row = 0
        self._moving = False

    # What is asked

    @property
    def meets_only_gates(self) -> bool:
        """Whether a request would only meet the gate that is being solved already.

        Before the first clearance nobody knows how many pages are gated. That all are
        is taken for granted once a whole window of responses in a row were gates.
        """
        return self._gates_in_a_row >= self.window.size and (
            bool(self._solving or self.reading)
            or any(w.stamp is not None for w in self._waiting)
        )

    @property
    def is_free(self) -> bool:
        """Whether a request needs no place in the window, nor has to wait."""
        return self.phase is Phase.FREE and not self.meets_only_gates

    def enter(self, request: Request) -> Ticket | None:
        """Return the place of *request* in the window if there is one at once."""
        if self.phase is not Phase.OPEN or self._waiting or not self.window.has_room():
            return None
        return self.window.issue("window", request)

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
        if self.phase is Phase.PROBE and not tells_nothing(status):
            self.phase = Phase.OPEN

    def granted(self) -> None:
        """Begin anew with a probe: there is a new clearance."""
        self.phase = Phase.PROBE
        self._recheck_due = False
        self.window.drop_probes()

    def return_ticket(self, ticket: Ticket | None, *, gated: bool = False) -> None:
        """Note that what left with *ticket* has its answer.

        One that met a gate joins the line next, which moves then.
        """
        if ticket is not None:
            self.window.drop(ticket)
        if not gated:
            self.move()

    def solved(self, sitekey: str, *, failed: bool) -> None:
        """Note the end of a solve; the line moves when its request has its page."""
        solves = self._taken_over if self._taken_over[sitekey] else self._solving
        solves[sitekey] -= 1
        if solves[sitekey] <= 0:
            del solves[sitekey]
        self.domain.solved(self, sitekey, failed=failed)

    def rechecked(self) -> None:
        """Note that a recheck has ended; its request joins the line again."""
        self._rechecking = False

    def absorb(self, other: Line) -> None:
        """Take over who waits in *other*, whose session is one with this one.

        Its solves end here, too. Nobody waits for them: they began on older gates.
        """
        self.domain.merged(other, self)
        self._taken_over.update(other._solving + other._taken_over)
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
            return  # the loop below goes on with the others
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
        if self._most_open == 1 and (current or self._solving):
            return False
        if len(self._waiting) == len(current):
            self._rest()
            return False
        return self._let_go(len(current))

    def _let_go(self, current: int) -> bool:
        """Let one go that is held, or whose gate is out of date."""
        if self.phase is Phase.PROBE:
            return not self.window.count("probe") and self._send("probe")
        if self.phase is Phase.OPEN:
            return self.window.has_room() and self._send("window")
        if self.phase is Phase.FREE:
            return False
        singles = self.window.count("single")
        if self._most_open > 1:
            busy = sum(self._solving.values()) + singles + current
            return busy < self._most_open and self._send("single")
        if not singles:
            self.phase = Phase.PROBE  # the requests that met the gate are gone
        return not singles

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
            self._release(first, Go.SEND, self.window.issue("single"))
            return True
        self._solving[first.sitekey] += 1
        self.domain.begins(self, first.sitekey)
        self._release(first, Go.SOLVE, None)
        return True

    def _send_held(self) -> bool:
        """Let go one that is held unsent, where it would meet more than the gate."""
        held = next((w for w in self._waiting if w.stamp is None), None)
        if held is None or self.meets_only_gates:
            return False
        self._release(held, Go.SEND, None)
        return True

    def _send(self, kind: TicketKind) -> bool:
        stale = self.clearances.is_stale
        first = min(
            (w for w in self._waiting if w.stamp is None or stale(w.stamp)), key=_order
        )
        self._release(first, Go.SEND, self.window.issue(kind, first.request))
        return True

    def _release(self, waiting: Waiting, go: Go, ticket: Ticket | None) -> None:
        self._waiting.remove(waiting)
        waiting.ready.callback((go, ticket))

    def _rest(self) -> None:
        """Open the window if no request is left that could."""
        if self._waiting:
            return
        busy = self._solving or self.window.count("single")
        closed = self.phase is Phase.CLOSED and not busy
        unprobed = self.phase is Phase.PROBE and not self.window.count("probe")
        if closed or unprobed:
            self.phase = Phase.OPEN

    def _close(self) -> None:
        if self.phase is not Phase.CLOSED:
            self.phase = Phase.CLOSED
            for waiting in self._waiting:
                if waiting.lend:
                    waiting.lend()


def _order(waiting: Waiting) -> tuple[int, int]:
    return waiting.order
