"""A store that may fail: money waits for it and fails closed, clearances fail open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha._twisted import sleep
from scrapy_onecaptcha.exceptions import StoreUnavailable
from scrapy_onecaptcha.stores.base import LEASE_SECONDS, Lease, StoreFault

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from twisted.internet.defer import Deferred

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.stores.base import (
        Busy,
        Clearance,
        Entry,
        Fact,
        FactName,
        Refusal,
        Reservation,
        Spent,
        Store,
        Verdict,
    )
    from scrapy_onecaptcha.stores.memory import MemoryStore

    Call = Coroutine[Deferred[Any], Any, "_T"]

__all__ = ["GuardedStore"]

logger = get_logger(__name__)

_T = TypeVar("_T")

#: Seconds between two calls of a page that waits for the store; drawn out by chance to
#: up to twice as many.
RETRY_SECONDS = 1.0

#: Seconds for which a store that failed is not asked for what can do without it.
REST_SECONDS = 5.0

#: Number of a lease that no other process knows of; the store's begin at 1.
_OWN = 0


class GuardedStore:
    """Passes calls on to a store, and decides what its faults mean.

    Without the store no task is created: `take` and `reserve` wait for it, and raise
    `StoreUnavailable` in the end. Other calls may get lost, which costs no money: a
    task that is not given back stays counted, and a lease that is not freed ends
    by itself.

    Args:
        store: that may fail.
        clock: measures the wait.
        timeout: seconds that `take` and `reserve` wait.
        on_fault: ``"local"``: this process goes on by itself meanwhile.
        local: counts tasks in its place then; leases and clearances are for other
            processes, which this one cannot reach.
        random: returns a number from 0 to 1.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        timeout: float,
        on_fault: Literal["fail", "local"],
        local: MemoryStore,
        random: Callable[[], float],
    ) -> None:
        self._store = store
        self._clock = clock
        self._timeout = timeout
        self._is_local = on_fault == "local"
        self._local = local
        self._random = random
        self._failed_at: float | None = None
        self._tried_at = 0.0
        # The fault for which the stand-in counts.
        self._local_since: float | None = None
        # Tasks that the store itself does not know of.
        self._of_local: set[Reservation] = set()

    @property
    def seen(self) -> Spent | None:
        """What was last seen of the count of tasks."""
        return self._store.seen

    @property
    def silent_seconds(self) -> float:
        """For how long the store has not answered; 0 while it does."""
        if self._failed_at is None:
            return 0.0
        return self._clock.seconds() - self._failed_at

    def check(self) -> None:
        """See whether the store can be used; a fault at the start is the caller's."""
        self._store.check()

    async def open(self) -> None:
        """Connect; a fault at the start is the caller's."""
        await self._store.open()

    async def close(self) -> None:
        """Hang up."""
        try:
            await self._store.close()
        except StoreFault as fault:
            logger.debug("The store could not be closed: %s", fault)

    # How calls are made

    async def _call(self, call: Call[_T]) -> _T:
        """Make one call, and note whether the store answers."""
        try:
            answer = await call
        except StoreFault as fault:
            self._failed(fault)
            raise
        self._answered()
        return answer

    def _failed(self, fault: StoreFault) -> None:
        self._tried_at = self._clock.seconds()
        if self._failed_at is not None:
            return
        self._failed_at = self._tried_at
        if self._is_local:
            logger.warning(
                "ONECAPTCHA_STORE does not answer: %s. This process goes on by itself; "
                "it may pay for what another one has paid for.",
                fault,
            )
        else:
            logger.warning(
                "ONECAPTCHA_STORE does not answer: %s. No task is created without it; "
                "gated pages wait up to %g s.",
                fault,
                self._timeout,
            )

    def _answered(self) -> None:
        if self._failed_at is not None:
            seconds = self._clock.seconds() - self._failed_at
            self._failed_at = None
            logger.warning("ONECAPTCHA_STORE answers again, after %.0f s.", seconds)

    @property
    def _rests(self) -> bool:
        """Whether the store failed a moment ago."""
        since = self._clock.seconds() - self._tried_at
        return self._failed_at is not None and since < REST_SECONDS

    async def _patiently(
        self, make: Callable[[Store], Call[_T]], since: float | None = None
    ) -> _T:
        """Make a call that money depends on until the store answers.

        All who wait when it fails give up together, and not one after another.
        """
        since = self._clock.seconds() if since is None else since
        while True:
            try:
                return await self._call(make(self._store))
            except StoreFault as fault:
                pause = RETRY_SECONDS * (1 + self._random())
                failed_at = self._failed_at or 0.0
                give_up = max(since, failed_at) + self._timeout
                if self._clock.seconds() + pause > give_up:
                    raise StoreUnavailable(
                        "ONECAPTCHA_STORE did not answer within "
                        f"{self._timeout:g} s (ONECAPTCHA_STORE_TIMEOUT): {fault}"
                    ) from None
            await sleep(self._clock, pause)

    async def _locally(
        self, make: Callable[[Store], Call[_T]], alone: Callable[[], Call[_T]]
    ) -> _T:
        """Make a call to the store, or else do *alone*.

        The stand-in begins with each fault from what the store has counted.
        """
        if not self._rests:
            try:
                return await self._call(make(self._store))
            except StoreFault:
                pass  # was logged
        if self._local_since != self._failed_at:
            self._local_since = self._failed_at
            await self._local.clear()
            self._local.seen = self._store.seen
        return await alone()

    async def _if_possible(
        self, make: Callable[[Store], Call[_T]], otherwise: _T
    ) -> _T:
        """Make a call that can be done without."""
        if self._rests:
            return otherwise
        try:
            return await self._call(make(self._store))
        except StoreFault:
            return otherwise  # was logged

    async def _while_leased(self, make: Callable[[Store], Call[_T]]) -> _T | None:
        """Make a call that is worth a task to other processes, until its lease ends."""
        give_up = self._clock.seconds() + min(self._timeout, LEASE_SECONDS)
        while True:
            try:
                return await self._call(make(self._store))
            except StoreFault:  # was logged
                pause = RETRY_SECONDS * (1 + self._random())
                if self._clock.seconds() + pause > give_up:
                    return None
            await sleep(self._clock, pause)

    # Money depends on these

    async def take(
        self,
        session: str,
        sitekey: str,
        known: int = 0,
        *,
        ended: bool = False,
        since: float | None = None,
    ) -> Clearance | Lease | Busy:
        """Return a newer clearance, else the lease, else Busy.

        Args:
            session: as for a store.
            sitekey: as for a store.
            known: as for a store.
            ended: as for a store.
            since: when the page began to wait, in seconds of the clock.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """

        def make(store: Store) -> Call[Clearance | Lease | Busy]:
            return store.take(session, sitekey, known, ended=ended)

        if not self._is_local:
            return await self._patiently(make, since)

        async def alone() -> Lease:
            return Lease(session=session, sitekey=sitekey, number=_OWN)

        return await self._locally(make, alone)

    async def reserve(self, reservation: Reservation) -> Refusal | None:
        """Count one task before it is created.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """

        def make(store: Store) -> Call[Refusal | None]:
            return store.reserve(reservation)

        if not self._is_local:
            return await self._patiently(make)

        async def alone() -> Refusal | None:
            refusal = await self._local.reserve(reservation)
            if refusal is None:
                self._of_local.add(reservation)
            return refusal

        return await self._locally(make, alone)

    # These can be done without

    async def renew(self, lease: Lease) -> bool:
        """Extend *lease*; while the store fails it counts as held."""
        if lease.number == _OWN:
            return True
        return await self._if_possible(lambda store: store.renew(lease), True)

    async def publish(
        self, lease: Lease, clearance: Clearance, seconds: float
    ) -> Clearance | None:
        """Store *clearance* and free the lease; retry while the store may fail."""
        if lease.number == _OWN:
            return None
        return await self._while_leased(
            lambda store: store.publish(lease, clearance, seconds)
        )

    async def give_up(self, lease: Lease) -> None:
        """Free *lease* without a clearance."""
        if lease.number != _OWN:
            await self._if_possible(lambda store: store.give_up(lease), None)

    async def refund(self, reservation: Reservation) -> None:
        """Take one task back."""
        if reservation in self._of_local:
            self._of_local.discard(reservation)
            await self._local.refund(reservation)
        else:
            await self._if_possible(lambda store: store.refund(reservation), None)

    async def verdict(self, reservation: Reservation, verdict: Verdict) -> None:
        """Say what a task came to."""
        if reservation in self._of_local:
            self._of_local.discard(reservation)
            await self._local.verdict(reservation, verdict)
        else:
            await self._if_possible(
                lambda store: store.verdict(reservation, verdict), None
            )

    async def tell(
        self, name: FactName, subject: str, text: str, seconds: float
    ) -> None:
        """Let all processes know of a fact."""
        await self._if_possible(
            lambda store: store.tell(name, subject, text, seconds), None
        )

    async def ask(self, name: FactName, subject: str) -> Fact | None:
        """Return a fact that still holds, as far as is known."""
        return await self._if_possible(lambda store: store.ask(name, subject), None)

    # Tools

    async def show(self) -> tuple[Entry, ...]:
        """Return the sessions of which something is known."""
        return await self._store.show()

    async def forget(self, site: str) -> int:
        """Drop what is known of a site."""
        return await self._store.forget(site)

    async def clear(self) -> None:
        """Drop everything."""
        await self._store.clear()
