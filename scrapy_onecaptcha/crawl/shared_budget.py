"""Tasks that all processes and runs count together, and what they tell each other.

What one process learns of the account or of a block, the others need not learn by
calls of their own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import CancelledError

from scrapy_onecaptcha._logging import counted, get_logger
from scrapy_onecaptcha._twisted import Background, sleep
from scrapy_onecaptcha.exceptions import (
    AccountError,
    BlockedError,
    BudgetExceeded,
    CircuitOpen,
    ServiceError,
)
from scrapy_onecaptcha.stores.base import ASK_SECONDS, Reservation

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.stores.base import Fact, FactName, Refusal, Store, Verdict

__all__ = ["SharedBudget"]

logger = get_logger(__name__)

#: How long it is told that the account is refused. Processes that start later ask the
#: service themselves, because the account may be right again by then.
ACCOUNT_SECONDS = 86_400.0

_FACTS: dict[FactName, type[ServiceError]] = {
    "account_refused": AccountError,
    "blocked": BlockedError,
}


class Health(Protocol):
    """What is known of the service in this process."""

    share: Callable[[ServiceError], None] | None

    def hear(self, error: ServiceError) -> None:
        """Act as if a call of this process had come to *error*."""


class SharedBudget:
    """Reserves tasks in a store.

    Args:
        store: counts them.
        clock: measures time and wakes up.
        random: returns a number from 0 to 1.
        run: names this run; begins the names of its tasks.
        account: names the account without showing its key.

    Attributes:
        is_spent: whether all tasks of the period were spent when last asked.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        random: Callable[[], float],
        run: str,
        account: str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._random = random
        self._run = run
        self._account = account
        self._began = clock.seconds()
        self._number = 0
        self._open_until: dict[str, float] = {}
        self._sending: Background[str] = Background(_log_fault)
        self.is_spent = False
        self._health: Health | None = None

    def listen(self, health: Health) -> None:
        """Exchange with other processes what is known of the service."""
        self._health = health
        health.share = self.tell

    # Tasks

    async def reserve(self, site: str) -> Reservation:
        """Count one task before it is created.

        Raises:
            BudgetExceeded: all tasks of the period are spent.
            CircuitOpen: the site failed too often in a row.
            AccountError, BlockedError: another process was told so.
            StoreUnavailable: nobody knows what is left.
        """
        await self._heed_facts()
        self._number += 1
        reservation = Reservation(task=f"{self._run}-{self._number}", site=site)
        try:
            while (refusal := await self._store.reserve(reservation)) is not None:
                self._raise(refusal, site)
                await sleep(self._clock, ASK_SECONDS * (1 + self._random()))
        except CancelledError:
            self.refund(reservation)  # it may be counted already
            raise
        self.is_spent = False
        return reservation

    def _raise(self, refusal: Refusal, site: str) -> None:
        """Raise what *refusal* says, unless asking again may help."""
        if refusal.reason == "budget":
            self.is_spent = True
            raise BudgetExceeded(
                "ONECAPTCHA_SHARED_MAX_TASKS: "
                f"{counted(refusal.count, 'task')} spent, none left"
            )
        if refusal.reason == "breaker":
            self._open_until[site] = self._clock.seconds() + refusal.seconds
            raise CircuitOpen(
                f"{site} failed {counted(refusal.count, 'task')} in a row, over all "
                f"processes (ONECAPTCHA_MAX_FAILURES): the next one is tried in "
                f"{refusal.seconds:.0f} s"
            )

    def cooldown_end(self, site: str) -> float:
        """Return when the next task of *site* is tried, by the clock of the crawl."""
        return self._open_until.get(site, 0.0)

    def refund(self, reservation: Reservation) -> None:
        """Take one task back, in the background."""
        self._sending.run(self._store.refund(reservation), reservation.task)

    def settle(self, reservation: Reservation, verdict: Verdict) -> None:
        """Say what a task came to, in the background."""
        self._sending.run(self._store.verdict(reservation, verdict), reservation.task)

    # Facts

    def tell(self, error: ServiceError) -> None:
        """Let other processes know what the service said, in the background."""
        for name, kind in _FACTS.items():
            if isinstance(error, kind):
                seconds = getattr(error, "seconds", ACCOUNT_SECONDS)
                text = json.dumps([str(error), error.code, error.description])
                call = self._store.tell(name, self._account, text, seconds)
                self._sending.run(call, name)

    async def _heed_facts(self) -> None:
        for name, kind in _FACTS.items():
            fact = await self._store.ask(name, self._account)
            if fact is None or self._is_outdated(fact):
                continue
            error = _error_of(fact, kind)
            if self._health is not None:
                self._health.hear(error)
            raise error

    def _is_outdated(self, fact: Fact) -> bool:
        """Tell whether *fact* was told before this process began, and may be over."""
        since = self._clock.seconds() - self._began
        return fact.name == "account_refused" and fact.age > since

    async def close(self) -> None:
        """Return when all that is in the background is done."""
        await self._sending.until_done()


def _error_of(fact: Fact, kind: type[ServiceError]) -> ServiceError:
    try:
        message, code, description = json.loads(fact.text)
    except (ValueError, TypeError):
        message, code, description = "no reason was kept", "", ""
    error = kind(
        f"Another process was told: {message}",
        code=str(code),
        description=str(description),
        answered=True,
    )
    if isinstance(error, BlockedError):
        error.seconds = fact.seconds
    return error


def _log_fault(failure: Any) -> None:
    logger.error("The store could not be told of a task: %s", failure.value)
