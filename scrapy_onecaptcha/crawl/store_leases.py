"""Leases and clearances that a store keeps for all processes and runs.

At a gate, before a task is paid for, the store is asked: is there a newer clearance,
and if not, does another process earn one? A clearance that came from elsewhere goes
into the jar, and the page is asked for again, free.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha._twisted import Background, Beat, sleep
from scrapy_onecaptcha._values import Recent
from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.cookie_headers import set_by
from scrapy_onecaptcha.crawl.leases import Imported, Lease
from scrapy_onecaptcha.stores.base import (
    ASK_SECONDS,
    LEASE_SECONDS,
    RENEW_SECONDS,
    Busy,
)
from scrapy_onecaptcha.stores.base import Clearance as StoredClearance
from scrapy_onecaptcha.stores.cookies import (
    CookieKey,
    granted,
    inject,
    lifetime,
    older,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scrapy import Request

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.engine import Engine
    from scrapy_onecaptcha.crawl.gate import Gate
    from scrapy_onecaptcha.crawl.leases import UrlPass
    from scrapy_onecaptcha.crawl.session_key import SessionKey
    from scrapy_onecaptcha.crawl.sessions import Sessions
    from scrapy_onecaptcha.crawl.store import CrawlStore
    from scrapy_onecaptcha.stores.base import Lease as StoredLease

__all__ = ["StoreLeases"]

logger = get_logger(__name__)

#: Tokens in a row that opened nothing else, above which a site wants one for each page.
MAX_UNPRODUCTIVE = 1

#: Sessions whose clearances in the store are remembered.
MAX_KNOWN = 4096


@dataclass(slots=True)
class _Known:
    """What this process knows of a session's clearances in the store.

    Attributes:
        generation: of the last one that was published or imported here.
        is_ours: whether it was earned here.
        cookies: keys of those that came with clearances, or with the gate.
        told_at: when the store was told that the site wants a token for each page.
    """

    generation: int = 0
    is_ours: bool = False
    cookies: set[CookieKey] = field(default_factory=set)
    told_at: float | None = None


@dataclass(slots=True, kw_only=True)
class _Held:
    """A lease that is held here, by as many solves as *count*.

    Attributes:
        lease: as the store knows it.
        request: has met the gate, and tells the jar of its cookies.
        before: cookies that are older than the gate.
        renewal: renews it.
    """

    lease: StoredLease
    request: Request
    before: Mapping[CookieKey, str | None]
    renewal: Beat
    count: int = 1


class StoreLeases:
    """Leases that a store keeps.

    Args:
        shared: the store, and what this crawl is called in it.
        sessions: of this process.
        engine: knows the jars.
        clock: measures time and wakes up.
        random: returns a number from 0 to 1.
        max_age: the longest that a clearance is kept, in seconds.
        memory: for how many seconds it is remembered that a site wants a token for
            each page.
    """

    def __init__(
        self,
        shared: CrawlStore,
        sessions: Sessions,
        engine: Engine,
        clock: Clock,
        random: Callable[[], float],
        *,
        max_age: float,
        memory: float,
    ) -> None:
        self._store = shared.store
        self._name = shared.name
        self._egress = shared.egress
        self._wall = shared.wall
        self._sessions = sessions
        self._engine = engine
        self._clock = clock
        self._random = random
        self._max_age = max_age
        self._memory = memory
        self._known: Recent[SessionKey, _Known] = Recent(MAX_KNOWN)
        self._held: dict[Lease, _Held] = {}
        self._telling: Background[Lease] = Background(_log_fault)
        self._has_imported = False

    # Taking

    async def take(self, gate: Gate) -> Lease | Imported:
        """Wait for the right to solve, or for what another process has earned."""
        key = gate.session.key
        name = self._name(key)
        if name is None or await self._wants_token_per_page(gate, name):
            return Lease(key=key, sitekey=gate.sitekey)
        # Until its end is told, the store would give the last lease once more, and the
        # end of that one would be taken for the end of this one.
        await self._until_told(key, gate.sitekey)
        known = self._of(key)
        before = self._older(gate, known)
        outcome = await self._ask(gate, name, known)
        if isinstance(outcome, StoredClearance):
            return self._import(gate, outcome, known, before)
        lease = Lease(key=key, sitekey=gate.sitekey, number=outcome.number)
        self._hold(lease, outcome, gate.request, before)
        return lease

    def _of(self, key: SessionKey) -> _Known:
        known = self._known.get(key) or _Known()
        self._known[key] = known  # the last used is the last to go
        return known

    async def _wants_token_per_page(self, gate: Gate, name: str) -> bool:
        """Tell whether a clearance of this session opens nothing else.

        Then processes solve side by side, as requests of one process do.
        """
        session = self._sessions.current(gate.session)
        if session.clearances.unproductive <= MAX_UNPRODUCTIVE:
            return await self._store.ask("token_per_page", name) is not None
        known, now = self._of(gate.session.key), self._clock.seconds()
        if known.told_at is None or now - known.told_at > self._memory / 2:
            known.told_at = now
            await self._store.tell("token_per_page", name, "", self._memory)
        return True

    async def _ask(
        self, gate: Gate, name: str, known: _Known
    ) -> StoredClearance | StoredLease:
        told = False
        while True:
            # Gated where it once let a page pass, a clearance is over. Where it never
            # did, it may still be good where it was earned.
            current = self._sessions.current(gate.session).clearances.current
            opened = current is not None and current.pages > 0
            outcome = await self._store.take(
                name,
                gate.sitekey,
                known.generation,
                ended=known.is_ours or opened,
                since=gate.seen_at,
            )
            if not isinstance(outcome, Busy):
                return outcome
            if not told:
                told = True
                logger.info(
                    "%s: another process solves; its clearance is waited for.",
                    gate.site,
                )
            await sleep(self._clock, ASK_SECONDS * (1 + self._random()))

    # What came from elsewhere

    def _import(
        self,
        gate: Gate,
        clearance: StoredClearance,
        known: _Known,
        before: Mapping[CookieKey, str | None],
    ) -> Imported:
        jar = self._engine.cookie_jar(gate.request)
        known.generation, known.is_ours = clearance.generation, False
        put: list[CookieKey] = []
        if jar is not None:
            put = inject(jar, gate.session.key.host, clearance.cookies, before)
            known.cookies.update(put)
        if not self._has_imported:
            self._has_imported = True
            logger.info(
                "%s: a clearance from the store is tried, earned %.0f s ago; pages "
                "that it opens cost nothing.",
                gate.site,
                max(0.0, self._wall() - clearance.earned_at),
            )
        names = {key.name for key in put}
        pairs = ((str(c["name"]), str(c["value"])) for c in clearance.cookies)
        return Imported(
            user_agent=clearance.user_agent,
            url_pass=clearance.url_pass,
            cookies=frozenset(pair for pair in pairs if pair[0] in names),
        )

    def _older(self, gate: Gate, known: _Known) -> dict[CookieKey, str | None]:
        """Return the cookies that are no part of any clearance, with their values."""
        jar = self._engine.cookie_jar(gate.request)
        if jar is None:
            return {}
        cookies = older(jar, gate.session.key.host)
        new = set_by(gate.request, gate.response)
        # Nobody has seen the cookies of a redirect, but a first visit had no others.
        led = "redirect_urls" in gate.request.meta
        first_visit = led and request_meta.had_no_cookies(gate.request)
        known.cookies.update(key for key in cookies if first_visit or key.name in new)
        return {key: cookies[key] for key in cookies.keys() - known.cookies}

    # What is earned here

    def _hold(
        self,
        lease: Lease,
        stored: StoredLease,
        request: Request,
        before: Mapping[CookieKey, str | None],
    ) -> None:
        held = self._held.get(lease)
        if held is not None:  # another page of this process solves by it, too
            held.count += 1
            return
        renewal = Beat(self._clock, RENEW_SECONDS, lambda: self._renew(stored))
        renewal.start()
        self._held[lease] = _Held(
            lease=stored, request=request, before=before, renewal=renewal
        )

    def _renew(self, stored: StoredLease) -> None:
        renewing = Deferred.fromCoroutine(self._store.renew(stored))
        renewing.addErrback(_log_fault)

    def _release(self, lease: Lease) -> _Held | None:
        """Return what the store is to be told of, if it is."""
        held = self._held.get(lease)
        if held is None:
            return None
        held.count -= 1
        if held.count:
            return None
        del self._held[lease]
        held.renewal.stop()
        return held

    def publish(self, lease: Lease, user_agent: str | None, url_pass: UrlPass) -> None:
        """Hand on what was earned, and end *lease*, in the background."""
        held = self._held.get(lease)
        if held is not None:
            held.count = 1  # what was earned is for all
            self._release(lease)
            call = self._publish(lease, held, user_agent, url_pass)
            self._telling.run(call, lease)

    async def _publish(
        self, lease: Lease, held: _Held, user_agent: str | None, url_pass: UrlPass
    ) -> None:
        jar = self._engine.cookie_jar(held.request)
        cookies = () if jar is None else granted(jar, lease.key.host, held.before)
        known = self._of(lease.key)
        known.cookies.update(_keys(cookies))
        earned = StoredClearance(
            cookies=cookies,
            url_pass=url_pass,
            user_agent=user_agent,
            egress=lease.key.proxy or self._egress,
        )
        seconds = lifetime(cookies, self._wall(), self._max_age)
        stored = await self._store.publish(held.lease, earned, seconds)
        if stored is not None:
            known.generation, known.is_ours = stored.generation, True

    def give_up(self, lease: Lease) -> None:
        """End *lease* without a clearance, in the background."""
        held = self._release(lease)
        if held is not None:
            self._telling.run(self._store.give_up(held.lease), lease)

    async def _until_told(self, key: SessionKey, sitekey: str) -> None:
        """Return when the store was told of the ends of all such leases."""

        def is_one(lease: Lease) -> bool:
            return (lease.key, lease.sitekey) == (key, sitekey)

        await self._telling.until_done(is_one)

    async def close(self) -> None:
        """End all leases, and return when all that was earned is handed on."""
        for lease, held in list(self._held.items()):
            held.count = 1
            self.give_up(lease)
        if self._telling and self._store.silent_seconds:
            logger.info(
                "The crawl ends when ONECAPTCHA_STORE has got what was earned, in %g s "
                "at most.",
                LEASE_SECONDS,
            )
        await self._telling.until_done()


def _keys(cookies: Any) -> set[CookieKey]:
    return {
        CookieKey(str(c["domain"]), str(c["path"]), str(c["name"])) for c in cookies
    }


def _log_fault(failure: Any) -> None:
    logger.error("The store could not be told of a lease: %s", failure.value)
