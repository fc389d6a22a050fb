"""Leases: which process may solve for a session, if several crawl the same site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from scrapy_onecaptcha.crawl.gate import Gate
    from scrapy_onecaptcha.crawl.session_key import SessionKey

__all__ = ["Imported", "Lease", "Leases", "LocalLeases", "UrlPass"]

#: Names and values of query parameters.
UrlPass: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to earn a session's next clearance.

    Attributes:
        key: the session's.
        sitekey: of the gate.
        number: grows with each lease of the session: a late owner is told by it; 0 for
            one that no other process knows of.
    """

    key: SessionKey
    sitekey: str
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A clearance that was earned elsewhere; its cookies are in the jar.

    Attributes:
        user_agent: the one that it is bound to, if any.
        url_pass: query parameters that open its pages, if the site grants that.
        cookies: names and values of what was put into the jar.
    """

    user_agent: str | None = None
    url_pass: UrlPass = ()
    cookies: frozenset[tuple[str, str]] = frozenset()


class Leases(Protocol):
    """Decides which process may solve for a session; its coroutines await Deferreds."""

    async def take(self, gate: Gate) -> Lease | Imported:
        """Wait for the right to solve, or for what another process has earned.

        Raises:
            StoreUnavailable: nobody knows whether another process solves.
        """
        ...

    def publish(self, lease: Lease, user_agent: str | None, url_pass: UrlPass) -> None:
        """Hand on what was earned, and end *lease*; nobody waits for it."""

    def give_up(self, lease: Lease) -> None:
        """End *lease* without a clearance; nobody waits for it."""

    async def close(self) -> None:
        """End all leases, and return when all that was earned is handed on."""


class LocalLeases:
    """Leases of a process that crawls alone: its waiting lines decide everything."""

    async def take(self, gate: Gate) -> Lease | Imported:
        """Return a lease at once."""
        return Lease(key=gate.session.key, sitekey=gate.sitekey)

    def publish(self, lease: Lease, user_agent: str | None, url_pass: UrlPass) -> None:
        """Do nothing."""

    def give_up(self, lease: Lease) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""
