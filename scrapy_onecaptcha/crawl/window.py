"""The window that a session's requests leave by after a clearance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request

    from scrapy_onecaptcha._twisted import Clock

__all__ = ["Ticket", "TicketKind", "Transit", "Window"]

#: Seconds after which another probe goes beside one that has no answer yet.
PROBE_SECONDS = 5.0

#: Seconds after which a request in the window no longer keeps the next one waiting.
WINDOW_SECONDS = 10.0

#: ``"probe"`` is the first after a clearance, ``"window"`` one of those that follow it,
#: ``"single"`` one that is let go while the window is closed.
TicketKind: TypeAlias = Literal["probe", "window", "single"]


@dataclass(eq=False, slots=True)
class Ticket:
    """The place of one request in the window.

    Attributes:
        kind: what it was let go as.
        request: the crawl's own that holds it, if it is one.
        alarm: ends its claim, where no answer comes.
    """

    kind: TicketKind
    request: Request | None = None
    alarm: Any = None


class Transit(Protocol):
    """Knows where requests are on their way; the engine does."""

    def is_active(self, request: Request) -> bool:
        """Tell whether *request* is in the downloader still."""
        ...

    def is_queued(self, request: Request) -> bool:
        """Tell whether *request* waits in its download slot."""
        ...


class Window:
    """Counts the requests of a session that are on their way.

    Args:
        clock: measures time and wakes up.
        transit: knows where requests are.
        moved: called when a request has taken too long to be waited for.

    Attributes:
        size: requests in the window at once, at most.
    """

    def __init__(
        self,
        clock: Clock,
        transit: Transit,
        moved: Callable[[], None],
    ) -> None:
        self.size = 1
        self._clock = clock
        self._transit = transit
        self._moved = moved
        self._tickets: set[Ticket] = set()

    def set_pace(self, concurrency: int, delay: float) -> None:
        """Note how the session's download slot sends: what leaves in about a second."""
        size = 1 + math.ceil(1 / delay) if delay else concurrency
        self.size = max(1, min(concurrency, size))

    def issue(self, kind: TicketKind, request: Request | None = None) -> Ticket:
        """Return a new ticket."""
        ticket = Ticket(kind, request)
        if kind != "single":
            self._set_alarm(ticket)
        self._tickets.add(ticket)
        return ticket

    def _set_alarm(self, ticket: Ticket) -> None:
        seconds = PROBE_SECONDS if ticket.kind == "probe" else WINDOW_SECONDS
        ticket.alarm = self._clock.callLater(seconds, self._overdue, ticket)

    def drop(self, ticket: Ticket) -> None:
        """Take a ticket back."""
        self._tickets.discard(ticket)
        if ticket.alarm is not None and ticket.alarm.active():
            ticket.alarm.cancel()
        ticket.alarm = None

    def drop_probes(self) -> None:
        """Take the tickets of all probes back."""
        for ticket in [t for t in self._tickets if t.kind == "probe"]:
            self.drop(ticket)

    def count(self, kind: TicketKind) -> int:
        """Return how many tickets of a kind are out."""
        return sum(1 for ticket in self._tickets if ticket.kind == kind)

    def ticket_of(self, request: Request) -> Ticket | None:
        """Return the ticket of *request*, one of the crawl's own, if it has one."""
        return next((t for t in self._tickets if t.request is request), None)

    def has_room(self) -> bool:
        """Tell whether another request may leave."""
        if self.count("window") < self.size:
            return True
        for ticket in list(self._tickets):  # redirected, dropped or answered elsewhere
            if ticket.request is not None and not self._transit.is_active(
                ticket.request
            ):
                self.drop(ticket)
        return self.count("window") < self.size

    def _overdue(self, ticket: Ticket) -> None:
        ticket.alarm = None
        if ticket.request is not None and self._transit.is_queued(ticket.request):
            self._set_alarm(ticket)  # the site cannot have answered it yet
            return
        self.drop(ticket)
        self._moved()
