"""The life of one gated request, from its gate to its page.

All of it happens in the one coroutine of the ``process_response`` that met the gate, so
that no token enters the scheduler, ``meta`` or a cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha.crawl.bookkeeping import tell_end
from scrapy_onecaptcha.crawl.gate import Gated, note_passed
from scrapy_onecaptcha.crawl.line import Go, Waiting
from scrapy_onecaptcha.crawl.next_proxy import NextProxy
from scrapy_onecaptcha.crawl.payment import Payment
from scrapy_onecaptcha.exceptions import ProxyFailed

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.crawl.domains import Movable
    from scrapy_onecaptcha.crawl.flow_context import FlowContext
    from scrapy_onecaptcha.crawl.gate import Gate, Outcome
    from scrapy_onecaptcha.crawl.sessions import Session
    from scrapy_onecaptcha.crawl.site import SiteClient
    from scrapy_onecaptcha.crawl.window import Ticket

__all__ = ["GateFlow"]


class GateFlow:
    """Takes one gated request to its page.

    Args:
        context: the crawl's.
        site: asks the site for this request.
        arrival: number of the request, in order of arrival.
    """

    def __init__(self, context: FlowContext, site: SiteClient, arrival: int) -> None:
        self._context = context
        self._sessions = context.site.sessions
        self._site = site
        self._payment = Payment(context, site)
        self._proxies = NextProxy(context, site, self._payment)
        self._arrival = arrival
        self._shared = False
        self._has_tried_cookies = False

    async def page(self, outcome: Outcome) -> Response:
        """Return the page that the request asked for, which met *outcome*.

        Raises:
            OneCaptchaError: it stays gated.
            CrawlClosing: the crawl closed first.
        """
        if isinstance(outcome, Gated) and "cached" in outcome.gate.response.flags:
            outcome = await self._site.ask()  # the site may have let go since
        if isinstance(outcome, Gated):
            outcome = await self._try_free_cookies(outcome.gate)
        try:
            while isinstance(outcome, Gated):
                outcome = await self._advance(outcome.gate)
        finally:
            if self._site.gate is not None:
                self._session(self._site.gate).line.move()
        if not self._payment.made and self._site.gate is not None:
            self._context.site.report.shared(self._site.gate.site)
        return outcome.response

    async def _advance(self, gate: Gate) -> Outcome:
        attempts = self._payment.attempts
        try:
            return await self._step(gate)
        except ProxyFailed as error:
            self._session(gate).line.move()  # this one may not join it again
            created = self._payment.attempts > attempts
            return await self._proxies.ask(gate, error, created=created)
        finally:
            self._leave(gate)

    def _leave(self, gate: Gate) -> None:
        """Move the line of *gate*, where the next one belongs to another session.

        That one waited for this request to join it again, which it will not.
        """
        now, line = self._site.gate, self._session(gate).line
        if now is not None and self._session(now).line is not line:
            line.move()

    async def _step(self, gate: Gate) -> Outcome:
        """Wait until something may be done about *gate*, and do it."""
        if not self._context.config.share_clearance:
            return await self._pay(gate)
        self._session(gate).line.gated(gate.stamp)
        if not self._session(gate).clearances.is_stale(gate.stamp):
            await self._payment.check(gate)
        go, ticket = await self._context.waits.until_closing(self._wait(gate))
        if go is Go.SEND:
            return await self._replay(gate, ticket)
        if go is Go.RECHECK:
            return await self._recheck(gate)
        before = self._session(gate).generation
        try:
            return await self._pay(gate)
        finally:
            session = self._session(gate)
            failed = session.generation == before
            session.line.solved(gate.sitekey, failed=failed)

    async def _pay(self, gate: Gate) -> Outcome:
        """Pay for *gate*, unless its scripts show that it is none."""
        outcome = await self._site.read_on(gate)
        if isinstance(outcome, Gated) and gate.challenge.needs_scripts:
            outcome = await self._try_free_cookies(outcome.gate)
        if not isinstance(outcome, Gated) or outcome.gate.challenge.needs_scripts:
            return outcome
        await self._payment.check(outcome.gate)
        return await self._payment.attempt(outcome.gate)

    async def _try_free_cookies(self, gate: Gate) -> Outcome:
        """Do once as the page's scripts do, where they want nothing but a cookie."""
        if not gate.challenge.free_cookies or self._has_tried_cookies:
            return Gated(gate)
        self._has_tried_cookies = True
        return await self._site.ask_with_cookies(gate)

    def _session(self, gate: Gate) -> Session:
        """Return the session of *gate*, which may have become one with another."""
        return self._sessions.current(gate.session)

    # Waiting for others

    async def _wait(self, gate: Gate) -> tuple[Go, Ticket | None]:
        engine = self._context.site.engine
        line = self._session(gate).line
        line.window.set_pace(*engine.pace(gate.request))
        waiting = Waiting(
            order=(self._payment.attempts, self._arrival),
            stamp=gate.stamp,
            sitekey=gate.sitekey,
            unsent_cookies=lambda: engine.unsent_cookies(gate.request),
            shared=self._shared,
            lend=lambda: self._payment.drop_body(gate),
        )
        return await line.wait(waiting)

    async def _replay(self, gate: Gate, ticket: Ticket | None) -> Outcome:
        """Ask for the page on a clearance that another request has earned."""
        neighbour = None
        if not self._session(gate).clearances.is_stale(gate.stamp):
            self._shared = True
            unsent = self._context.site.engine.unsent_cookies(gate.request)
            domain = self._session(gate).line.domain
            neighbour = domain.opener(gate.stamp, unsent)
        line = self._session(gate).line
        gated = False
        try:
            outcome = await self._site.ask()
            if isinstance(outcome, Gated):
                gated = True
                return outcome
            if neighbour is not None and outcome.shows_content:
                self._merge(self._session(gate), neighbour)
            note_passed(self._session(gate), outcome)
            return outcome
        finally:
            line.return_ticket(ticket, gated=gated)

    def _merge(self, session: Session, neighbour: Movable) -> None:
        """Make *session* one with its neighbour, and tell what it was good for."""
        own = session.clearances.current
        if self._sessions.merge(session, neighbour) is not session and own is not None:
            own.write_down()
            tell_end(self._context.site.report, session.key.site, own)

    async def _recheck(self, gate: Gate) -> Outcome:
        """Ask once more for the page that the last clearance was paid for."""
        session = self._session(gate)
        current = session.clearances.current
        try:
            if current is not None and current.paid_for is not None:
                passes = await self._site.recheck(current.paid_for)
                session.clearances.rechecked(current.generation, passes=passes)
        finally:
            session.line.rechecked()
        return Gated(gate)
