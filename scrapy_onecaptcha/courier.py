"""To the site and back: replay, refetch, submission, and what the answers are."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy.exceptions import IgnoreRequest
from twisted.internet.defer import CancelledError

from scrapy_onecaptcha import reissue, state
from scrapy_onecaptcha.answers import is_page
from scrapy_onecaptcha.detection import detect
from scrapy_onecaptcha.exceptions import OneCaptchaError, SubmissionRefused
from scrapy_onecaptcha.gate import Gate
from scrapy_onecaptcha.submission import submit, submit_by, without_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scrapy import Request
    from scrapy.http import Response
    from twisted.internet.defer import Deferred

    from scrapy_onecaptcha.challenge import Challenge, Solution
    from scrapy_onecaptcha.detection import Hints
    from scrapy_onecaptcha.options import RequestOptions
    from scrapy_onecaptcha.report import Report
    from scrapy_onecaptcha.scope import Scope
    from scrapy_onecaptcha.sessions import Sessions
    from scrapy_onecaptcha.submission import Submitter

__all__ = ["Courier", "Road", "TokenExpired"]

logger = logging.getLogger(__name__)

#: Redirects that are followed after one submission, as many as browsers do.
MAX_HOPS = 20


class TokenExpired(Exception):
    """The token grew too old before its submission could leave; it was not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """What every courier of a crawl needs.

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


class Courier:
    """Brings one request's submission and replays to the site.

    Its methods return the page, or the gate that still stands.

    Args:
        road: the crawl's.
        request: met a gate; a redirect may have led it there.
        options: what the request says of itself.
        hints: what the user says of its page.

    Attributes:
        original: what the spider asked for.
        gate: the last gate that stood in its way, if any.
    """

    def __init__(
        self, road: Road, request: Request, options: RequestOptions, hints: Hints
    ) -> None:
        self._road = road
        self._options = options
        self._hints = hints
        self.original = reissue.original(request)
        self.gate: Gate | None = None

    def meet(self, request: Request, response: Response, challenge: Challenge) -> Gate:
        """Return *response* as a gate, met now."""
        noted = request.meta.get(state.KEY) or {}
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
        challenge = detect(response, self._hints)
        if challenge is None or challenge.kind != "gate":
            return None
        return self.meet(request, response, challenge)

    # Without a token

    async def replay(self, user_agent: str | None = None) -> Response | Gate:
        """Ask for the page itself once more, as it was first asked for."""
        self._road.report.count("replayed")
        request = reissue.replay(self.original, user_agent)
        answer = await self._road.download(request)
        return self._read(answer.request or request, answer) or answer

    async def refetch(self, gate: Gate, user_agent: str | None) -> Response | Gate:
        """Fetch the gate page once more, for hidden fields that are fresh."""
        if self._kind(gate) == "repeat":
            return gate  # it has no fields that age
        self._road.report.count("refetched")
        request = reissue.refetch(gate.request, user_agent)
        answer = await self._road.download(request)
        fresh = self._read(answer.request or request, answer)
        if fresh is None:
            return await self._settle(answer, user_agent)
        old, new = gate.challenge, fresh.challenge
        if new.sitekey != old.sitekey or new.rqdata or not new.solvable:
            self.gate = gate
            return gate  # the token is for the old one
        return fresh

    async def _settle(
        self, answer: Response, user_agent: str | None
    ) -> Response | Gate:
        """Return *answer*, no gate any more, where it is the page; else ask for it."""
        if self._is_page(answer, redirected=True):
            return answer
        return await self.replay(user_agent)

    # With a token

    async def may_submit(self, gate: Gate) -> None:
        """Hold the submission of *gate* against scope and robots.txt; pays nothing.

        Raises:
            SubmissionRefused: the token may not go there.
        """
        form = gate.challenge.form
        if form is None or self.submitter(gate) is not None:
            return  # the user's own is checked when it is made
        self._road.scope.check_submission(gate.response.url, form.url)
        preview = gate.request.replace(url=form.url, method=form.method)
        try:
            await self._road.robots_check(preview)
        except IgnoreRequest as error:
            raise SubmissionRefused(
                f"robots.txt forbids {form.url}, where the token would have to go"
            ) from error

    async def submit(
        self, gate: Gate, solution: Solution, leave_by: float
    ) -> Response | Gate:
        """Send the token.

        Raises:
            TokenExpired: it could not leave by *leave_by*.
            SubmissionRefused: it may not go where it would have to.
        """
        submission = self._submission(gate, solution)
        if self._road.now() > leave_by:
            raise TokenExpired
        try:
            answer = await self._road.send_by(submission, leave_by)
        except (CancelledError, OneCaptchaError, TokenExpired):
            raise
        except IgnoreRequest as error:
            raise SubmissionRefused(
                "The crawl's own middlewares dropped the submission for "
                f"{self.original.url}: {error}"
            ) from error
        except Exception as error:  # noqa: BLE001  (whatever a download may raise)
            logger.warning(
                "The token for %s may have been sent, but the answer got lost "
                "(%s: %s): asking for the page itself",
                self.original.url,
                type(error).__name__,
                error,
            )
            return await self.replay(solution.user_agent)
        self._watch_proxy(gate, answer)
        return await self._follow(gate, submission, answer, solution.user_agent)

    def submitter(self, gate: Gate) -> Submitter | None:
        """Return the user's own submitter for *gate*, if there is one."""
        if self._options.submitter is not None:
            return self._options.submitter
        host = urlsplit(gate.site).hostname or ""
        for domain, submitter in self._road.submitters.items():
            if host == domain or host.endswith(f".{domain}"):
                return submitter
        return None

    def _submission(self, gate: Gate, solution: Solution) -> Request:
        submitter = self.submitter(gate)
        if submitter is None:
            form = gate.challenge.form
            assert form is not None  # noqa: S101  (else the gate is unsolvable)
            made = submit(gate.request, gate.response, form, solution)
        else:
            made = submit_by(
                submitter, gate.request, gate.response, gate.challenge, solution
            )
        self._road.scope.check_submission(gate.response.url, made.url)
        return made

    def _watch_proxy(self, gate: Gate, answer: Response) -> None:
        if answer.request is None:
            return
        left_by = self._road.sessions.key_of(answer.request).proxy
        if left_by != gate.session.key.proxy:
            self._road.report.warn_once(
                f"proxy {gate.site}",
                f"The token for {gate.site} left by another proxy than its gate came "
                "by: the site may refuse it. Order the middleware that sets the proxy "
                "below 585.",
            )

    def _kind(self, gate: Gate) -> str:
        """Return what is sent for *gate*; the user's own is like a form."""
        form = gate.challenge.form
        return "form" if form is None or self.submitter(gate) else form.kind

    def _repeated(self, gate: Gate, answer: Response) -> Response | Gate:
        """Judge the answer to a repeated request, which is the page or a refusal.

        It is read as the answer to the gate's own request, which had no token.
        """
        answer = answer.replace(url=gate.response.url, request=gate.request)
        known = replace(self._hints, sitekey=gate.challenge.sitekey)
        challenge = detect(answer, known)
        if challenge is None or challenge.kind != "gate":
            return answer
        if challenge.solvable:
            return self.meet(gate.request, answer, challenge)
        self.gate = gate  # a mere "invalid" does not say again what it wants
        return gate

    async def _follow(
        self,
        gate: Gate,
        submission: Request,
        answer: Response,
        user_agent: str | None,
    ) -> Response | Gate:
        """Go where the answer leads, as a browser would, but without the token."""
        redirected, kind = False, self._kind(gate)
        form = gate.challenge.form
        if form is not None:
            submission = without_token(submission, form)
        for _ in range(MAX_HOPS):
            target = reissue.redirect_target(answer)
            if target is None or not self._may_go(gate, target):
                break
            if self._is_original(target):
                return await self.replay(user_agent)
            redirected = True
            answer = await self._road.download(reissue.hop(submission, target))
        if kind == "repeat" and not redirected:
            return self._repeated(gate, answer)
        if kind == "call":
            return await self.replay(user_agent)  # what it was told is no page
        refusal = self._refusal(gate, answer)
        if refusal is not None:
            return refusal
        if kind == "repeat" or self._is_page(answer, redirected=redirected):
            return answer
        return await self.replay(user_agent)

    def _refusal(self, gate: Gate, answer: Response) -> Gate | None:
        """Return the gate that *answer* is, as one of the page that *gate* was.

        The URL of the answer to a form that is sent by GET holds the token, and so does
        the request that brought it; neither is for the errback, or for the service.
        """
        challenge = detect(answer, self._hints)
        if challenge is None or challenge.kind != "gate":
            return None
        return self.meet(
            gate.request,
            answer.replace(url=gate.response.url, request=gate.request),
            replace(challenge, url=gate.challenge.url),
        )

    def _may_go(self, gate: Gate, target: str) -> bool:
        try:
            self._road.scope.check_submission(gate.response.url, target)
        except SubmissionRefused as error:
            logger.info("Not followed after the submission: %s", error)
            return False
        return True

    def _is_original(self, url: str) -> bool:
        asked = self.original.url.partition("#")[0]
        return self.original.method == "GET" and url.partition("#")[0] == asked

    def _is_page(self, answer: Response, *, redirected: bool) -> bool:
        return is_page(
            self.original,
            answer,
            redirected=redirected,
            expect=self._options.expect,
        )
