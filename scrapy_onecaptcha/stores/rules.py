"""What a store does at each call, over rows of JSON; memory and SQLite share it.

`redis.lua` says the same in Redis's own language; contract tests hold them together.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

from scrapy_onecaptcha.stores import payload
from scrapy_onecaptcha.stores.base import (
    LEASE_SECONDS,
    Busy,
    Clearance,
    Entry,
    Fact,
    Lease,
    Refusal,
)
from scrapy_onecaptcha.stores.naming import site_of

if TYPE_CHECKING:
    from scrapy_onecaptcha.stores.base import (
        FactName,
        Limits,
        Period,
        Reservation,
        Spent,
        Verdict,
    )

__all__ = ["DAY", "KEEP_SECONDS", "Rows", "Rules", "period_number"]

DAY = 86_400.0

#: How long counters of a session, a breaker, and the tasks of a period are kept after
#: their last use; tasks that are counted for ever are kept for ever.
KEEP_SECONDS = 62 * DAY

#: Separates the parts of a row's name: neither site nor sitekey can hold it.
SEPARATOR = "\n"

Row = dict[str, Any]


class Rows(Protocol):
    """Rows of JSON by kind and name; one that is past its time is not there."""

    def get(self, kind: str, name: str) -> Row | None:
        """Return a row."""
        ...

    def put(self, kind: str, name: str, row: Row, until: float | None) -> None:
        """Write a row that ends at *until*; ``None`` for never."""

    def drop(self, kind: str, name: str) -> None:
        """Delete a row, if there is one."""

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind, sorted."""
        ...

    def clear(self) -> None:
        """Delete every row."""


def period_number(now: float, period: Period | None) -> int:
    """Return a number that grows from period to period, in UTC."""
    if period == "day":
        return int(now // DAY)
    if period == "month":
        date = datetime.fromtimestamp(now, timezone.utc)
        return date.year * 12 + date.month
    return 0


class Rules:
    """The calls of a store at one moment, within one transaction.

    Args:
        rows: what it works on.
        now: the moment, in seconds since 1970.
        owner: names the process.
        limits: what may be spent.
    """

    def __init__(self, rows: Rows, now: float, owner: str, limits: Limits) -> None:
        self._rows = rows
        self._now = now
        self._owner = owner
        self._limits = limits

    # Clearances and leases

    def take(
        self, session: str, sitekey: str, known: int, *, ended: bool
    ) -> Clearance | Lease | Busy:
        """Do as `Store.take` says."""
        clearance = self._rows.get("clearance", session)
        if clearance and ended and clearance["generation"] == known:
            self._rows.drop("clearance", session)
            clearance = None
        if clearance and clearance["generation"] > known:
            return _clearance(clearance)
        name = session + SEPARATOR + sitekey
        lease = self._rows.get("lease", name)
        if lease and lease["owner"] != self._owner:
            return Busy(seconds=lease["until"] - self._now)
        number = lease["number"] if lease else self._count(session, known)
        self._hold(name, number)
        return Lease(session=session, sitekey=sitekey, number=number)

    def _count(self, session: str, known: int = 0) -> int:
        """Return the next number of a session, also where the store lost the last."""
        counter = self._rows.get("counter", session) or {"number": 0}
        number: int = max(counter["number"], known) + 1
        until = self._now + KEEP_SECONDS
        self._rows.put("counter", session, {"number": number}, until)
        return number

    def _hold(self, name: str, number: int) -> None:
        until = self._now + LEASE_SECONDS
        row = {"owner": self._owner, "number": number, "until": until}
        self._rows.put("lease", name, row, until)

    def _holds(self, lease: Lease) -> bool:
        row = self._rows.get("lease", _lease_name(lease))
        held = (self._owner, lease.number)
        return row is not None and (row["owner"], row["number"]) == held

    def renew(self, lease: Lease) -> bool:
        """Do as `Store.renew` says."""
        if not self._holds(lease):
            return False
        self._hold(_lease_name(lease), lease.number)
        return True

    def publish(
        self, lease: Lease, clearance: str, seconds: float
    ) -> tuple[int, float] | None:
        """Do as `Store.publish` says; return generation and date."""
        if not self._holds(lease):
            row = self._rows.get("clearance", lease.session)
            mine = (self._owner, lease.number)
            if row is None or (row["owner"], row["number"]) != mine:
                return None
            return row["generation"], row["earned_at"]  # the reply was lost
        self._rows.drop("lease", _lease_name(lease))
        row = {
            "generation": self._count(lease.session),
            "earned_at": self._now,
            "owner": self._owner,
            "number": lease.number,
            "payload": clearance,
        }
        until = self._now + seconds
        self._rows.put("clearance", lease.session, row | {"until": until}, until)
        return row["generation"], row["earned_at"]

    def give_up(self, lease: Lease) -> None:
        """Do as `Store.give_up` says."""
        if self._holds(lease):
            self._rows.drop("lease", _lease_name(lease))

    # Money

    def reserve(self, reservation: Reservation, seen: Spent | None) -> Refusal | Spent:
        """Do as `Store.reserve` says.

        Args:
            reservation: of the task.
            seen: what the caller last saw of the count.
        """
        period, tasks = self._spent(seen)
        if self._rows.get("task", reservation.task):
            return period, tasks  # the reply was lost
        limits = self._limits
        if limits.max_tasks and tasks >= limits.max_tasks:
            return Refusal(reason="budget", count=tasks)
        breaker = self._breaker(reservation.site)
        refusal = self._refused(breaker)
        if refusal:
            return refusal
        until = self._now + limits.pending_seconds
        breaker["pending"][reservation.task] = until
        self._keep_breaker(reservation.site, breaker)
        self._spend(period, tasks + 1)
        # Longer than the task is pending, for a refund that comes late.
        row = {"period": period}
        self._rows.put("task", reservation.task, row, until + limits.pending_seconds)
        return period, tasks + 1

    def _spent(self, seen: Spent | None) -> Spent:
        """Return the number of the period, which never goes back, and its tasks."""
        period = period_number(self._now, self._limits.period)
        row = self._rows.get("budget", self._limits.period or "ever")
        if row is None:
            return seen if seen and seen[0] >= period else (period, 0)
        if row["period"] >= period:
            return row["period"], row["tasks"]
        return period, 0

    def _spend(self, period: int, tasks: int) -> None:
        name = self._limits.period
        until = None if name is None else self._now + KEEP_SECONDS
        row = {"period": period, "tasks": tasks}
        self._rows.put("budget", name or "ever", row, until)

    def _breaker(self, site: str) -> Row:
        row = self._rows.get("breaker", site) or {
            "failures": 0,
            "accepted": False,
            "failed_at": 0.0,
            "pending": {},
        }
        pending = row["pending"].items()
        row["pending"] = {task: end for task, end in pending if end > self._now}
        return row

    def _keep_breaker(self, site: str, row: Row) -> None:
        self._rows.put("breaker", site, row, self._now + KEEP_SECONDS)

    def _refused(self, breaker: Row) -> Refusal | None:
        limits = self._limits
        failures, pending = breaker["failures"], len(breaker["pending"])
        if limits.admits(failures, pending, accepted=breaker["accepted"]):
            return None
        if pending:
            return Refusal(reason="pending", count=pending)
        left = breaker["failed_at"] + limits.cooldown - self._now
        if left > 0:
            return Refusal(reason="breaker", count=failures, seconds=left)
        return None  # one task, which tells whether the site accepts tokens now

    def refund(self, reservation: Reservation) -> None:
        """Do as `Store.refund` says."""
        task = self._rows.get("task", reservation.task)
        if task is None:
            return  # the reply was lost, or it is too late
        self._rows.drop("task", reservation.task)
        period, tasks = self._spent(None)
        if task["period"] == period and tasks:
            self._spend(period, tasks - 1)
        self._settle(reservation, "void")

    def verdict(self, reservation: Reservation, verdict: Verdict) -> None:
        """Do as `Store.verdict` says."""
        self._settle(reservation, verdict)

    def _settle(self, reservation: Reservation, verdict: Verdict) -> None:
        breaker = self._breaker(reservation.site)
        if breaker["pending"].pop(reservation.task, None) is None:
            return  # the reply was lost, or it is too late
        if verdict == "accepted":
            breaker |= {"accepted": True, "failures": 0}
        elif verdict == "failed":
            breaker |= {"failures": breaker["failures"] + 1, "failed_at": self._now}
        self._keep_breaker(reservation.site, breaker)

    # Facts

    def tell(self, name: FactName, subject: str, text: str, seconds: float) -> None:
        """Do as `Store.tell` says."""
        if seconds <= 0:
            return
        until = self._now + seconds
        row = {"text": text, "told_at": self._now, "until": until}
        self._rows.put("fact", name + SEPARATOR + subject, row, until)

    def ask(self, name: FactName, subject: str) -> Fact | None:
        """Do as `Store.ask` says."""
        row = self._rows.get("fact", name + SEPARATOR + subject)
        if row is None:
            return None
        return Fact(
            name=name,
            subject=subject,
            text=row["text"],
            age=max(0.0, self._now - row["told_at"]),
            seconds=row["until"] - self._now,
        )

    # Tools

    def show(self) -> tuple[Entry, ...]:
        """Do as `Store.show` says."""
        rows = {name: self._rows.get("clearance", name) for name in self._sessions()}
        return tuple(
            Entry(
                session=session,
                clearance=_clearance(row) if row else None,
                seconds=row["until"] - self._now if row else 0.0,
                token_per_page=self.ask("token_per_page", session) is not None,
            )
            for session, row in rows.items()
        )

    def _sessions(self) -> list[str]:
        """Return the sessions of which something is known."""
        facts = (name.split(SEPARATOR, 1) for name in self._rows.names("fact"))
        per_page = [subject for name, subject in facts if name == "token_per_page"]
        return sorted({*self._rows.names("clearance"), *per_page})

    def forget(self, site: str) -> int:
        """Do as `Store.forget` says."""
        self._rows.drop("breaker", site)
        sessions = [name for name in self._sessions() if site_of(name) == site]
        for session in sessions:
            self._rows.drop("clearance", session)
            self._rows.drop("fact", "token_per_page" + SEPARATOR + session)
        return len(sessions)

    def clear(self) -> None:
        """Do as `Store.clear` says."""
        self._rows.clear()


def _lease_name(lease: Lease) -> str:
    return lease.session + SEPARATOR + lease.sitekey


def _clearance(row: Row) -> Clearance:
    return payload.load(row["payload"], row["generation"], row["earned_at"])
