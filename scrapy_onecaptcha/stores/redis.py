"""A store on Redis: for processes on several machines.

One script does each call, by Redis's own clock (`redis.lua`).
"""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from scrapy_onecaptcha.stores import payload
from scrapy_onecaptcha.stores.base import (
    LEASE_SECONDS,
    Busy,
    Clearance,
    Entry,
    Fact,
    Lease,
    Limits,
    Refusal,
    StoreFault,
)
from scrapy_onecaptcha.stores.naming import site_of
from scrapy_onecaptcha.stores.redis_client import make_client, run_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scrapy_onecaptcha.stores.base import FactName, Reservation, Spent, Verdict
    from scrapy_onecaptcha.stores.redis_client import Client

__all__ = ["RedisStore", "shown_address"]

#: The version in each key, raised when the form of the rows changes.
KEY_VERSION = 2

#: Keys that are deleted in one call.
BATCH = 500


def shown_address(url: str) -> str:
    """Return *url* without user, password and options."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


class RedisStore:
    """A store on Redis.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        owner: names the process.
        limits: what may be spent.
        namespace: keeps projects on one Redis apart.
        make: makes the client of a URL and a script.
        shift: seconds that are added to Redis's clock, for tests.
    """

    def __init__(
        self,
        url: str,
        owner: str,
        limits: Limits | None = None,
        *,
        namespace: str = "",
        make: Callable[[str, str], Client] = make_client,
        shift: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._url = url
        self._owner = owner
        self._limits = limits or Limits()
        # All keys in one slot of a cluster, whatever the name holds.
        tag = f"onecaptcha:{KEY_VERSION}:{quote(namespace, safe='')}"
        self._prefix = f"{{{tag}}}:"
        self._make = make
        self._shift = shift
        self._client: Client | None = None
        self.seen: Spent | None = None

    def _key(self, kind: str, *name: str) -> str:
        return self._prefix + ":".join([kind, *name])

    # Calls

    def check(self) -> None:
        """See whether Redis answers, runs scripts and can be written; blocks.

        Raises:
            StoreFault: it cannot be used, with what to do about it.
        """
        arguments = ["open", json.dumps({"shift": 0})]
        with self._faults():
            run_once(self._url, _script(), [self._key("open")], arguments)

    async def open(self) -> None:
        """Connect, and see that scripts run and keys can be written.

        Raises:
            StoreFault: it cannot be used, with what to do about it.
        """
        await self._run("open", [self._key("open")])

    async def close(self) -> None:
        """Hang up."""
        client, self._client = self._client, None
        if client is not None:
            with self._faults():
                await client.close()

    def _connected(self) -> Client:
        if self._client is None:
            with self._faults():
                self._client = self._make(self._url, _script())
        return self._client

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turn what the client raises into a StoreFault, without its password."""
        try:
            yield
        except ImportError:
            raise StoreFault(
                "a store on Redis needs redis-py; run: "
                "pip install scrapy-onecaptcha[redis]"
            ) from None
        except _errors() as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise StoreFault(f"{shown_address(self._url)}: {said[:200]}") from None

    async def _run(self, operation: str, keys: list[str], **args: Any) -> Any:
        args["shift"] = self._shift()
        text = json.dumps(args, separators=(",", ":"))
        client = self._connected()
        with self._faults():
            reply = await client.script(keys, [operation, text])
        try:
            return json.loads(reply)
        except (ValueError, TypeError):
            raise StoreFault(
                f"{shown_address(self._url)}: an answer that cannot be read"
            ) from None

    async def _command(self, name: str, *args: Any) -> Any:
        client = self._connected()
        with self._faults():
            return await client.command(name, *args)

    # Clearances and leases

    def _lease_key(self, session: str, sitekey: str) -> str:
        return self._key("lease", sitekey, session)

    async def take(
        self, session: str, sitekey: str, known: int = 0, *, ended: bool = False
    ) -> Clearance | Lease | Busy:
        """Return a newer clearance, else the lease, else Busy."""
        reply = await self._run(
            "take",
            [
                self._key("counter", session),
                self._key("clearance", session),
                self._lease_key(session, sitekey),
            ],
            owner=self._owner,
            known=known,
            ended=ended,
            lease_seconds=LEASE_SECONDS,
        )
        if "clearance" in reply:
            return _clearance(reply["clearance"])
        if "busy" in reply:
            return Busy(seconds=reply["busy"])
        return Lease(session=session, sitekey=sitekey, number=reply["lease"])

    async def renew(self, lease: Lease) -> bool:
        """Extend *lease*; tell whether it is still held."""
        return bool(await self._of_lease("renew", lease))

    async def give_up(self, lease: Lease) -> None:
        """Free *lease* without a clearance."""
        await self._of_lease("give_up", lease)

    async def _of_lease(self, operation: str, lease: Lease) -> Any:
        return await self._run(
            operation,
            [self._lease_key(lease.session, lease.sitekey)],
            owner=self._owner,
            number=lease.number,
            lease_seconds=LEASE_SECONDS,
        )

    async def publish(
        self, lease: Lease, clearance: Clearance, seconds: float
    ) -> Clearance | None:
        """Store *clearance* and free the lease."""
        text = payload.dump(clearance)
        if text is None or seconds <= 0:
            await self.give_up(lease)
            return None
        reply = await self._run(
            "publish",
            [
                self._key("counter", lease.session),
                self._key("clearance", lease.session),
                self._lease_key(lease.session, lease.sitekey),
                self._key("sessions"),
            ],
            owner=self._owner,
            session=lease.session,
            number=lease.number,
            payload=text,
            seconds=seconds,
        )
        if not reply:
            return None
        generation, earned_at = reply
        return replace(clearance, generation=generation, earned_at=earned_at)

    # Money

    def _money(self, reservation: Reservation) -> list[str]:
        return [
            self._key("task", reservation.task),
            self._key("budget", self._limits.period or "ever"),
            self._key("breaker", reservation.site),
        ]

    async def reserve(self, reservation: Reservation) -> Refusal | None:
        """Count one task before it is created."""
        limits = self._limits
        reply = await self._run(
            "reserve",
            self._money(reservation),
            task=reservation.task,
            period=limits.period or "ever",
            max_tasks=limits.max_tasks,
            max_failures=limits.max_failures,
            trusted_factor=limits.trusted_factor,
            cooldown=limits.cooldown,
            pending_seconds=limits.pending_seconds,
            seen=self.seen or False,
        )
        if "refusal" in reply:
            return Refusal(**reply["refusal"])
        period, tasks = reply["spent"]
        self.seen = period, tasks
        return None

    async def refund(self, reservation: Reservation) -> None:
        """Take one task back."""
        await self._run(
            "refund",
            self._money(reservation),
            task=reservation.task,
            period=self._limits.period or "ever",
        )

    async def verdict(self, reservation: Reservation, verdict: Verdict) -> None:
        """Say what a task came to."""
        await self._run(
            "verdict",
            [self._key("breaker", reservation.site)],
            task=reservation.task,
            verdict=verdict,
        )

    # Facts

    async def tell(
        self, name: FactName, subject: str, text: str, seconds: float
    ) -> None:
        """Let all processes know of a fact."""
        if seconds <= 0:
            return
        keys = [self._key("fact", name, subject)]
        if name == "token_per_page":
            keys.append(self._key("sessions"))
        await self._run("tell", keys, subject=subject, text=text, seconds=seconds)

    async def ask(self, name: FactName, subject: str) -> Fact | None:
        """Return a fact that still holds."""
        reply = await self._run("ask", [self._key("fact", name, subject)])
        return Fact(name=name, subject=subject, **reply) if reply else None

    # Tools

    async def show(self) -> tuple[Entry, ...]:
        """Return the sessions of which something is known."""
        sessions = await self._sessions()
        if not sessions:
            return ()
        facts = [self._key("fact", "token_per_page", name) for name in sessions]
        rows = await self._run(
            "read", [self._key("clearance", name) for name in sessions] + facts
        )
        return tuple(
            Entry(
                session=session,
                clearance=_clearance(row) if row else None,
                seconds=row["left"] if row else 0.0,
                token_per_page=bool(fact),
            )
            for session, row, fact in zip(
                sessions, rows, rows[len(sessions) :], strict=False
            )
            if row or fact
        )

    async def _sessions(self) -> list[str]:
        return sorted(await self._run("sessions", [self._key("sessions")]))

    async def forget(self, site: str) -> int:
        """Drop what is known of a site."""
        entries = [entry.session for entry in await self.show()]
        sessions = [name for name in entries if site_of(name) == site]
        keys = [self._key("breaker", site)]
        for session in sessions:
            keys.append(self._key("clearance", session))
            keys.append(self._key("fact", "token_per_page", session))
        await self._delete(keys)
        return len(sessions)

    async def clear(self) -> None:
        """Drop everything."""
        pattern = _literal(self._prefix) + "*"
        cursor: Any = "0"
        while True:
            cursor, keys = await self._command(
                "SCAN", cursor, "MATCH", pattern, "COUNT", BATCH
            )
            await self._delete(keys)
            if int(cursor) == 0:
                return

    async def _delete(self, keys: list[str]) -> None:
        for start in range(0, len(keys), BATCH):
            await self._command("DEL", *keys[start : start + BATCH])


def _errors() -> tuple[type[Exception], ...]:
    """Return what the client raises where Redis cannot be reached or used."""
    errors = import_module("redis.exceptions").RedisError
    return errors, OSError, ValueError, asyncio.TimeoutError


def _script() -> str:
    return files(__package__).joinpath("redis.lua").read_text("utf-8")


def _literal(text: str) -> str:
    """Return *text* as a pattern that matches nothing else."""
    return "".join(f"\\{c}" if c in "*?[]\\^-" else c for c in text)


def _clearance(row: dict[str, Any]) -> Clearance:
    return payload.load(row["payload"], row["generation"], row["earned_at"])
