"""To the site without a token: replays, refetches, and what stands there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from twisted.internet.defer import CancelledError

from scrapy_onecaptcha.crawl import request_meta, requests
from scrapy_onecaptcha.crawl.gate import Gate, user_agent_of
from scrapy_onecaptcha.crawl.page_match import is_page
from scrapy_onecaptcha.pages.readings import detect_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scrapy import Request
    from scrapy.http import Response
    from twisted.internet.defer import Deferred

    from scrapy_onecaptcha.crawl.scope import Scope
    from scrapy_onecaptcha.crawl.sessions import Sessions
    from scrapy_onecaptcha.crawl.submission import Submitter
    from scrapy_onecaptcha.models import Challenge
    from scrapy_onecaptcha.request_options import RequestOptions
    from scrapy_onecaptcha.stats import Report

__all__ = ["Road", "Visitor"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """What every visitor of a crawl needs.

    Attributes:
        scope: where a token may go.
        sessions: of the crawl.
        report: is told what happens.
        submitters: the user's own, by domain.
        now: seconds of the crawl's clock.
        download: as the engine does.
        send_by: the same, but raises `TokenExpired` for a request that has not left
            its queue by a moment of the clock.
        robots_check: raises ``IgnoreRequest`` for what robots.txt forbids.
    """

    scope: Scope
    sessions: Sessions
    report: Report
    submitters: Mapping[str, Submitter]
    now: Callable[[], float]
    download: Callable[[Request], Deferred[Response]]
    send_by: Callable[[Request, float], Deferred[Response]]
    robots_check: Callable[[Request], Deferred[None]]


class Visitor:
    """Asks the site for what one request asks for.

    What returns a response or a gate returns the page, or the gate that stands there.

    Args:
        road: the crawl's.
        request: met a gate; a redirect may have led it there.
        options: what the request says of itself.

    Attributes:
        original: what the spider asked for.
        gate: the last gate that stood in its way, if any.
    """

    def __init__(self, road: Road, request: Request, options: RequestOptions) -> None:
        self._road = road
        self._options = options
        self.original = requests.original(request)
        self.gate: Gate | None = None

    def meet(self, request: Request, response: Response, challenge: Challenge) -> Gate:
        """Return *response* as a gate, met now."""
        noted = request.meta.get(request_meta.KEY) or {}
        sessions = self._road.sessions
        session = sessions.open(sessions.key_of(request))
        self.gate = Gate(
            request=request,
            response=response,
            challenge=challenge,
            session=session,
            generation=noted.get("generation", 0),
            seen_at=self._road.now(),
            cookies_set=session.cookies_set,
        )
        return self.gate

    def _read(self, request: Request, response: Response) -> Gate | None:
        challenge = detect_once(response, self._options)
        if challenge is None or challenge.kind != "gate":
            return None
        return self.meet(request, response, challenge)

    async def replay(self, user_agent: str | None = None) -> Response | Gate:
        """Ask for the page itself once more, as it was first asked for."""
        self._road.report.count("replayed")
        request = requests.replay(self.original, user_agent)
        answer = await self._road.download(request)
        return self._read(answer.request or request, answer) or answer

    async def refetch(self, gate: Gate, user_agent: str | None) -> Response | Gate:
        """Fetch the gate page once more, for hidden fields that are fresh."""
        if self._kind(gate) == "repeat":
            return gate  # it has no fields that age
        try:
            fresh = await self._fetch(gate, user_agent)
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever a download may raise)
            logger.info(
                "The gate of %s could not be fetched again (%s): its old form is sent",
                self.original.url,
                type(error).__name__,
            )
            return gate
        if not isinstance(fresh, Gate):
            return fresh
        old, new = gate.challenge, fresh.challenge
        if new.sitekey != old.sitekey or new.rqdata or not new.solvable:
            self.gate = gate
            return gate  # the token is for the old one
        return fresh

    async def renew(self, gate: Gate) -> Response | Gate:
        """Fetch the gate page once more, for an rqdata that is fresh."""
        if self._kind(gate) == "repeat":
            return await self.replay()
        return await self._fetch(gate, user_agent_of(gate.request))

    async def _fetch(self, gate: Gate, user_agent: str | None) -> Response | Gate:
        self._road.report.count("refetched")
        request = requests.refetch(gate.request, user_agent)
        answer = await self._road.download(request)
        fresh = self._read(answer.request or request, answer)
        return fresh or await self._settle(answer, user_agent)

    async def _settle(
        self, answer: Response, user_agent: str | None
    ) -> Response | Gate:
        """Return *answer*, no gate any more, where it is the page; else ask for it."""
        if self._is_page(answer, redirected=True):
            return answer
        return await self.replay(user_agent)

    def submitter(self, gate: Gate) -> Submitter | None:
        """Return the user's own submitter for *gate*, if there is one."""
        if self._options.submitter is not None:
            return self._options.submitter
        host = urlsplit(gate.site).hostname or ""
        for domain, submitter in self._road.submitters.items():
            if host == domain or host.endswith(f".{domain}"):
                return submitter
        return None

    def _kind(self, gate: Gate) -> str:
        """Return what is sent for *gate*; the user's own is like a form."""
        form = gate.challenge.form
        return "form" if form is None or self.submitter(gate) else form.kind

    def _is_page(self, answer: Response, *, redirected: bool) -> bool:
        return is_page(
            self.original,
            answer,
            redirected=redirected,
            expect=self._options.expect,
        )
