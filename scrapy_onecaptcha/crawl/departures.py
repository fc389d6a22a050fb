"""Requests as they leave: stamped, bound to a User-Agent, held if they have to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha import _scrapy
from scrapy_onecaptcha.crawl import request_meta, requests
from scrapy_onecaptcha.crawl.gate import Gated
from scrapy_onecaptcha.crawl.line import Waiting
from scrapy_onecaptcha.crawl.request_rules import must_not_wait
from scrapy_onecaptcha.crawl.shutdown import CrawlClosing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.addresses import GateAddresses
    from scrapy_onecaptcha.crawl.endings import Endings
    from scrapy_onecaptcha.crawl.engine import Engine
    from scrapy_onecaptcha.crawl.gate import Gate, Outcome
    from scrapy_onecaptcha.crawl.request_rules import RequestRules
    from scrapy_onecaptcha.crawl.sessions import Session, Sessions
    from scrapy_onecaptcha.crawl.shutdown import Waits
    from scrapy_onecaptcha.crawl.slots import SlotLoans
    from scrapy_onecaptcha.stats import Report

__all__ = ["Departures", "take_pass_off"]

#: Seconds after which a request that has left the downloader is looked for again.
LOOK_AGAIN = 0.5


class Departures:
    """Handles the requests of a crawl before they are sent.

    Args:
        rules: say which requests concern us.
        engine: the crawl's.
        clock: wakes up.
        sessions: of the crawl.
        addresses: which URLs are no page of their site.
        loans: lend the slots of what waits.
        waits: end when the crawl does.
        endings: give back what waits then.
        report: is told how many wait.
        arrivals: numbers requests in order of arrival.
        shares: whether one request's clearance serves others; else none is held.
        notes_cookies: whether to note which requests carry no cookie.
    """

    def __init__(
        self,
        *,
        rules: RequestRules,
        engine: Engine,
        clock: Clock,
        sessions: Sessions,
        addresses: GateAddresses,
        loans: SlotLoans,
        waits: Waits,
        endings: Endings,
        report: Report,
        arrivals: Iterator[int],
        shares: bool = True,
        notes_cookies: bool = False,
    ) -> None:
        self._rules = rules
        self._engine = engine
        self._clock = clock
        self._sessions = sessions
        self._addresses = addresses
        self._loans = loans
        self._waits = waits
        self._endings = endings
        self._report = report
        self._arrivals = arrivals
        self._shares = shares
        self._notes_cookies = notes_cookies

    def leave(self, request: Request) -> Awaitable[Request | None] | None:
        """Prepare *request* to be sent, at once where it has nothing to wait for."""
        if not self._rules.concerns(request):
            return None
        request_meta.keep_way(request)
        if request_meta.was_given_back(request) and not self._engine.is_closing:
            request_meta.resume(request)
        session = self._sessions.of(request)
        if session is not None and self._shares and not must_not_wait(request):
            line = session.line
            line.window.set_pace(*self._engine.pace(request))
            if not (line.is_free or line.enter(request)):
                return self._hold(request, session)
        self._depart(request, session)
        return None

    async def _hold(self, request: Request, session: Session) -> Request | None:
        with self._loans.hold() as held:

            def lend() -> None:
                held.lend()
                self._report.waiting(self._loans.waiting)

            waiting = Waiting(
                order=(0, next(self._arrivals)), request=request, lend=lend
            )
            wait = self._waits.until_closing(session.line.wait(waiting))
            try:
                await self._engine.as_scrapy(wait)
            except CrawlClosing:
                return self._endings.give_back(request, None)
        self._depart(request, self._sessions.of(request))
        return None

    def _depart(self, request: Request, session: Session | None) -> None:
        noted = request_meta.stamp(request, self._sessions.granted)
        if self._notes_cookies and "bare" not in noted:
            noted["bare"] = self._engine.has_no_cookies(request)
        user_agent = noted.get("user_agent") or (session and session.user_agent)
        if user_agent:
            request.headers["User-Agent"] = user_agent
        if session is not None and session.url_pass:
            self._add_pass(request, session, noted)

    def _add_pass(
        self, request: Request, session: Session, noted: dict[str, Any]
    ) -> None:
        """Have *request* carry the session's pass in its URL, where it is a page's."""
        if noted.get("role") not in (None, "look", "replay"):
            return
        url = requests.with_query(request.url, session.url_pass)
        if url != request.url and not self._addresses.is_known(request.url):
            noted["asked"], noted["sent"] = request.url, url
            _scrapy.set_url(request, url)

    def left_downloader(self, request: Request) -> None:
        """Look whether the answer to *request* comes here: it may be a redirect."""
        if request_meta.role_of(request) is None and self._ticketed(request):
            self._clock.callLater(0, self._release_if_gone, request)

    def _ticketed(self, request: Request) -> bool:
        session = self._sessions.of(request)
        return (
            session is not None and session.line.window.ticket_of(request) is not None
        )

    def _release_if_gone(self, request: Request) -> None:
        if not self._engine.is_active(request):
            self.return_ticket(request)
        elif self._ticketed(request):
            self._clock.callLater(LOOK_AGAIN, self._release_if_gone, request)

    def return_ticket(self, request: Request, *, gated: bool = False) -> None:
        """Note that *request* has its answer."""
        session = self._sessions.of(request)
        if session is not None:
            line = session.line
            line.return_ticket(line.window.ticket_of(request), gated=gated)

    async def until_read(
        self, request: Request, reading: Awaitable[Outcome]
    ) -> Outcome:
        """Await what the gate of *request* is, and note then that it has its answer.

        Until then it counts as one that waits, lest all others meet the gate meanwhile.
        """
        session = self._sessions.of(request)
        gate: Gate | None = None
        if session is not None:
            session.line.reading += 1
        try:
            outcome = await reading
            if isinstance(outcome, Gated):
                gate = outcome.gate
        finally:
            self.return_ticket(request, gated=gate is not None)
            if session is not None:
                session.line.reading -= 1
                if gate is None or self._sessions.current(gate.session) is not session:
                    session.line.move()  # its request will not, by joining this line
        return outcome

    def without_pass(self, request: Request, response: Response) -> Response:
        """Return *response*, and *request* changed, as if it had carried no pass."""
        sent, asked = request.url, take_pass_off(request)
        if asked is not None and response.url == sent:
            return response.replace(url=asked)
        return response


def take_pass_off(request: Request) -> str | None:
    """Have *request* ask for what it asked for without a pass; return that URL."""
    noted = request.meta.get(request_meta.KEY) or {}
    asked: str | None = noted.pop("asked", None)
    if asked is not None:
        _scrapy.set_url(request, asked)
        noted["sent"] = asked
    return asked
