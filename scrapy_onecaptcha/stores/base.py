"""What every store can do: clearances, leases, budget, breaker and facts.

A store is asked only at gates. Each call that changes something may be repeated: a
reply that was lost on the way costs nothing, because the store knows the caller by its
owner, and a task by the identifier of its reservation.

Times within a store are those of the store's own clock. What leaves it is a number of
seconds from now, or a date that is only shown, so that machines may disagree about the
time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from scrapy_onecaptcha.models import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Busy",
    "Clearance",
    "Entry",
    "Fact",
    "FactName",
    "Lease",
    "Limits",
    "Period",
    "Refusal",
    "Reservation",
    "Spent",
    "Store",
    "StoreFault",
    "Verdict",
]

#: How long a lease lasts unless it is renewed.
LEASE_SECONDS = 30.0

#: Seconds after which the owner of a lease renews it.
RENEW_SECONDS = 10.0

#: A process that waits for another one's solve asks again after this many seconds, or
#: after up to twice as many.
ASK_SECONDS = 0.5

#: Sites that accept tokens also refuse some of them, so that a series of refusals is
#: normal there: the limit of such a site is so many times higher.
TRUSTED_FACTOR = 4

Period = Literal["day", "month"]

#: Number of a period and the tasks counted in it.
Spent = tuple[int, int]

FactName = Literal["account_refused", "blocked", "token_per_page"]


class StoreFault(Exception):
    """The store did not answer, or not as a store of ours does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """What a site granted to a session for a token.

    Attributes:
        cookies: those that the site set or changed between its gate and its page.
        url_pass: query parameters that open its pages, if the site grants that.
        user_agent: the one that the clearance is bound to, if any.
        egress: the address that it was earned from: a proxy, or the name of a host.
        generation: grows with each clearance of its session; given by the store.
        earned_at: when it was published, in seconds since 1970; given by the store.
    """

    cookies: tuple[Mapping[str, object], ...] = field(default=(), repr=False)
    url_pass: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    user_agent: str | None = None
    egress: str = ""
    generation: int = 0
    earned_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to solve for a session and sitekey while no other process does.

    Attributes:
        session: the text that names the session.
        sitekey: of the gate.
        number: the fencing number: grows with each lease of the session. A clearance
            that is published gets one that is higher still as its generation.
    """

    session: str
    sitekey: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Another process solves for this session and sitekey.

    Attributes:
        seconds: after which its lease ends unless it is renewed.
    """

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """The right to create one task.

    Attributes:
        task: an identifier that no other reservation has; made by the caller.
        site: scheme and netloc of the site that it is for.
    """

    task: str
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a task may not be created.

    Attributes:
        reason: ``"budget"`` (all tasks of the period are spent), ``"breaker"`` (the
            site failed too often in a row) or ``"pending"`` (tasks that are under way
            could still open the breaker: ask again).
        count: tasks that are spent; failures in a row; tasks under way.
        seconds: after which asking again may help; 0 where that is not known.
    """

    reason: Literal["budget", "breaker", "pending"]
    count: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that one process has learnt and all of them should know.

    Attributes:
        name: the kind of fact.
        subject: what it is about: a session, or a hash of the account's key.
        text: what to say of it.
        age: seconds since it was told.
        seconds: for which it still holds.
    """

    name: FactName
    subject: str
    text: str = ""
    age: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One session in a store, for `scrapy onecaptcha store show`; without secrets.

    Attributes:
        session: the text that names the session.
        clearance: its clearance, or ``None``.
        seconds: for which the clearance is still kept.
        token_per_page: whether its site wants a token for each page.
    """

    session: str
    clearance: Clearance | None
    seconds: float = 0.0
    token_per_page: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the processes that share a store may spend together.

    Attributes:
        max_tasks: tasks in a period; 0 for no limit.
        period: after which the count begins again, in UTC; ``None`` for never.
        max_failures: failures of a site in a row that open its breaker.
        trusted_factor: multiplies the limit of a site that has accepted a token.
        cooldown: seconds for which an open breaker refuses.
        pending_seconds: after which a task without a verdict counts as lost with its
            process.
    """

    max_tasks: int = 0
    period: Period | None = None
    max_failures: int = 5
    trusted_factor: int = TRUSTED_FACTOR
    cooldown: float = 600.0
    pending_seconds: float = 900.0

    def admits(self, failures: int, pending: int, *, accepted: bool) -> bool:
        """Tell whether the breaker of a site is closed.

        Args:
            failures: of its tasks, in a row.
            pending: tasks without a verdict yet.
            accepted: whether it has ever accepted a token.
        """
        if accepted:
            return failures < self.max_failures * self.trusted_factor
        return failures + pending < self.max_failures


class Store(Protocol):
    """Shared memory of processes and runs; its coroutines await Deferreds only.

    Every method may raise `StoreFault`.
    """

    @property
    def seen(self) -> Spent | None:
        """What was last seen of the count of tasks.

        It is the least that is true, should the store lose it.
        """
        ...

    def check(self) -> None:
        """See whether the store can be used, before a loop or reactor runs; blocks.

        Raises:
            StoreFault: it cannot be reached or used, with what to do about it.
        """

    async def open(self) -> None:
        """Connect, and check that this is a store of ours.

        Raises:
            StoreFault: it cannot be reached or used, with what to do about it.
        """

    async def close(self) -> None:
        """Hang up. Leases that are held end by themselves."""

    async def take(
        self, session: str, sitekey: str, known: int = 0, *, ended: bool = False
    ) -> Clearance | Lease | Busy:
        """Return a clearance newer than *known*, else the lease on a solve, else Busy.

        A process that holds the lease already gets it again.

        Args:
            session: the text that names the session.
            sitekey: of the gate.
            known: generation of the last clearance that the caller knows; 0 for none.
            ended: the caller passed on that clearance and is gated now: it is dropped,
                unless a newer one has taken its place.
        """
        ...

    async def renew(self, lease: Lease) -> bool:
        """Extend *lease*; tell whether it is still held."""
        ...

    async def publish(
        self, lease: Lease, clearance: Clearance, seconds: float
    ) -> Clearance | None:
        """Store *clearance* for *seconds* and free the lease.

        Returns:
            It with its generation and date; ``None`` where nothing was stored: the
            lease was lost meanwhile, its time is over already, or it is too large.
        """
        ...

    async def give_up(self, lease: Lease) -> None:
        """Free *lease* without a clearance."""

    async def reserve(self, reservation: Reservation) -> Refusal | None:
        """Count one task before it is created; ``None``: it may be."""
        ...

    async def refund(self, reservation: Reservation) -> None:
        """Take one task back: the service refused to create it."""

    async def verdict(self, reservation: Reservation, verdict: Verdict) -> None:
        """Say what a task came to, for the breaker of its site."""

    async def tell(
        self, name: FactName, subject: str, text: str, seconds: float
    ) -> None:
        """Let all processes know of a fact for *seconds*."""

    async def ask(self, name: FactName, subject: str) -> Fact | None:
        """Return a fact that still holds."""
        ...

    # For the tools

    async def show(self) -> tuple[Entry, ...]:
        """Return the sessions of which something is known, in the order of names."""
        ...

    async def forget(self, site: str) -> int:
        """Drop what is known of a site; return how many sessions it had."""
        ...

    async def clear(self) -> None:
        """Drop everything, the counted tasks included."""
