"""One-time values in the pages of a gate, such as CSRF tokens."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

__all__ = ["Ticket", "Tickets"]

_MOST = 10_000


@dataclass(slots=True, kw_only=True)
class Ticket:
    """The one-time values of one gate page.

    Attributes:
        value: value of the hidden field.
        target: path and query of the page that was asked for.
        user_agent: User-Agent of the request for the gate page.
        cookie: value of the CSRF cookie that belongs to it.
        rqdata: value that the page gives to its widget; ``""`` for none.
        issued_at: seconds of the sandbox's clock.
        used: whether a submission has used it.
    """

    value: str
    target: str
    user_agent: str
    cookie: str
    rqdata: str = ""
    issued_at: float = 0.0
    used: bool = False


class Issuer(Protocol):
    """What the values depend on: a gate's page, or an API's demand."""

    @property
    def rqdata(self) -> bool:
        """Whether the page hands rqdata to its widget."""

    @property
    def page_seconds(self) -> float:
        """Seconds for which the values of one page are accepted."""


class Tickets:
    """The tickets of one site.

    Args:
        gate: describes the ticket and its lifetime.
        clock: returns the time in seconds.
        rng: one-time values are drawn from it.
    """

    def __init__(
        self, gate: Issuer, *, clock: Callable[[], float], rng: random.Random
    ) -> None:
        self._gate = gate
        self._clock = clock
        self._rng = rng
        self._tickets: dict[str, Ticket] = {}

    def issue(self, target: str, *, user_agent: str, cookie: str) -> Ticket:
        """Make the ticket of a new page; an empty *cookie* gets a new value."""
        ticket = Ticket(
            value=self._drawn(18),
            target=target,
            user_agent=user_agent,
            cookie=cookie or self._drawn(18),
            # Standard base64, because a careless encoding breaks its + / =.
            rqdata=self._drawn(150) if self._gate.rqdata else "",
            issued_at=self._clock(),
        )
        self._tickets[ticket.value] = ticket
        if len(self._tickets) > _MOST:
            del self._tickets[next(iter(self._tickets))]
        return ticket

    def take(self, value: str) -> tuple[Ticket | None, str]:
        """Use up a ticket; return it, and why it is not valid (``""`` if it is)."""
        if not value:
            return None, "ticket-missing"
        ticket = self._tickets.get(value)
        if ticket is None:
            return None, "ticket-unknown"
        if ticket.used:
            return ticket, "ticket-used"
        ticket.used = True
        if self._clock() - ticket.issued_at > self._gate.page_seconds:
            return ticket, "ticket-expired"
        return ticket, ""

    def _drawn(self, size: int) -> str:
        return base64.b64encode(self._rng.randbytes(size)).decode()
