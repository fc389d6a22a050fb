"""A store whose calls are transactions over rows, as `Rules` has them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from scrapy_onecaptcha.stores import payload
from scrapy_onecaptcha.stores.base import Limits, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.stores.base import (
        Busy,
        Clearance,
        Entry,
        Fact,
        FactName,
        Lease,
        Reservation,
        Spent,
        Verdict,
    )
    from scrapy_onecaptcha.stores.rules import Rules

__all__ = ["TransactionStore"]

_T = TypeVar("_T")


class TransactionStore(ABC):
    """All of a `Store` but where its rows are.

    Args:
        owner: names the process.
        limits: what may be spent.
    """

    def __init__(self, owner: str, limits: Limits | None = None) -> None:
        self._owner = owner
        self._limits = limits or Limits()
        self.seen: Spent | None = None

    @abstractmethod
    async def _run(self, call: Callable[[Rules], _T]) -> _T:
        """Return what *call* does in one transaction."""

    async def take(
        self, session: str, sitekey: str, known: int = 0, *, ended: bool = False
    ) -> Clearance | Lease | Busy:
        """Return a newer clearance, else the lease, else Busy."""
        return await self._run(
            lambda rules: rules.take(session, sitekey, known, ended=ended)
        )

    async def renew(self, lease: Lease) -> bool:
        """Extend *lease*; tell whether it is still held."""
        return await self._run(lambda rules: rules.renew(lease))

    async def publish(
        self, lease: Lease, clearance: Clearance, seconds: float
    ) -> Clearance | None:
        """Store *clearance* and free the lease."""
        text = payload.dump(clearance)
        if text is None or seconds <= 0:
            await self.give_up(lease)
            return None
        stored = await self._run(lambda rules: rules.publish(lease, text, seconds))
        if stored is None:
            return None
        generation, earned_at = stored
        return replace(clearance, generation=generation, earned_at=earned_at)

    async def give_up(self, lease: Lease) -> None:
        """Free *lease* without a clearance."""
        await self._run(lambda rules: rules.give_up(lease))

    async def reserve(self, reservation: Reservation) -> Refusal | None:
        """Count one task before it is created."""
        outcome = await self._run(lambda rules: rules.reserve(reservation, self.seen))
        if isinstance(outcome, Refusal):
            return outcome
        self.seen = outcome
        return None

    async def refund(self, reservation: Reservation) -> None:
        """Take one task back."""
        await self._run(lambda rules: rules.refund(reservation))

    async def verdict(self, reservation: Reservation, verdict: Verdict) -> None:
        """Say what a task came to."""
        await self._run(lambda rules: rules.verdict(reservation, verdict))

    async def tell(
        self, name: FactName, subject: str, text: str, seconds: float
    ) -> None:
        """Let all processes know of a fact."""
        await self._run(lambda rules: rules.tell(name, subject, text, seconds))

    async def ask(self, name: FactName, subject: str) -> Fact | None:
        """Return a fact that still holds."""
        return await self._run(lambda rules: rules.ask(name, subject))

    async def show(self) -> tuple[Entry, ...]:
        """Return the sessions of which something is known."""
        return await self._run(lambda rules: rules.show())

    async def forget(self, site: str) -> int:
        """Drop what is known of a site."""
        return await self._run(lambda rules: rules.forget(site))

    async def clear(self) -> None:
        """Drop everything."""
        await self._run(lambda rules: rules.clear())
