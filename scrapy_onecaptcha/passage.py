"""The way of one gated request to its page: wait, solve, submit, replay.

All of it happens in the one coroutine of the ``process_response`` that met the gate, so
that no token enters the scheduler, ``meta`` or a cache.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scrapy.exceptions import IgnoreRequest
from twisted.internet.defer import CancelledError

from scrapy_onecaptcha import reissue, state
from scrapy_onecaptcha.answers import is_page
from scrapy_onecaptcha.api import Task
from scrapy_onecaptcha.detection import detect
from scrapy_onecaptcha.exceptions import (
    AttemptsExhausted,
    OneCaptchaError,
    SolveTimeout,
    SubmissionRefused,
    TaskFailed,
    UnsolvableGate,
)
from scrapy_onecaptcha.policy import Allowance
from scrapy_onecaptcha.sessions import session_key
from scrapy_onecaptcha.submission import submit, submit_by

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from scrapy import Request
    from scrapy.http import Response
    from twisted.internet.defer import Deferred

    from scrapy_onecaptcha.challenge import Challenge, Solution
    from scrapy_onecaptcha.detection import Hints
    from scrapy_onecaptcha.policy import Unit
    from scrapy_onecaptcha.report import Report
    from scrapy_onecaptcha.scope import Scope
    from scrapy_onecaptcha.sessions import Session, Sessions
    from scrapy_onecaptcha.settings import Config, RequestOptions
    from scrapy_onecaptcha.solving import Solver
    from scrapy_onecaptcha.stopping import Waits
    from scrapy_onecaptcha.submission import Submitter

__all__ = ["Gate", "Passage", "Tools", "task_of"]

logger = logging.getLogger(__name__)

#: Times that a page is asked for again on a clearance that it did not earn itself.
MAX_FREE_REPLAYS = 2

#: Redirects that are followed after one submission, as many as browsers do.
MAX_HOPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What every passage of a crawl works with."""

    config: Config
    scope: Scope
    sessions: Sessions
    solver: Solver
    report: Report
    waits: Waits
    now: Callable[[], float]
    download: Callable[[Request], Deferred[Response]]
    robots_check: Callable[[Request], Deferred[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A gate as it was met.

    Attributes:
        request: brought it.
        response: the gate itself.
        challenge: what was read from it.
        session: whose it is.
        generation: the clearance that its request carried.
        seen_at: when it came, in seconds of the crawl's clock.
        cookies_set: the session's count of cookies when it came.
    """

    request: Request
    response: Response
    challenge: Challenge
    session: Session
    generation: int
    seen_at: float
    cookies_set: int

    @property
    def site(self) -> str:
        """Scheme and netloc."""
        return self.session.key.site


class Passage:
    """Takes one gated request to its page.

    Args:
        tools: the crawl's.
        request: brought the gate; a redirect may have led it there.
        response: the gate.
        challenge: what was read from it.
        options: what the request says of itself.
        hints: what the user says of its page.

    Attributes:
        original: what the spider asked for.
        gate: the last gate that stood in its way.
    """

    def __init__(
        self,
        tools: Tools,
        request: Request,
        response: Response,
        challenge: Challenge,
        options: RequestOptions,
        hints: Hints,
    ) -> None:
        self._tools = tools
        self.original = reissue.original(request)
        self._options = options
        self._hints = hints
        self._allowance = Allowance(self.original.url, options.max_attempts)
        self._free_replays = 0
        self._user_agent: str | None = None
        self._last = "no token was refused"
        self._led = False
        self.gate = self._meet(request, response, challenge)

    def _meet(self, request: Request, response: Response, challenge: Challenge) -> Gate:
        """Return *response* as a gate, met now."""
        tools = self._tools
        noted = request.meta.get(state.KEY) or {}
        session = tools.sessions.open(session_key(request))
        return Gate(
            request=request,
            response=response,
            challenge=challenge,
            session=session,
            generation=noted.get("generation", 0),
            seen_at=tools.now(),
            cookies_set=session.cookies_set,
        )

    async def page(self) -> Response:
        """Return the page that the request asked for.

        Raises:
            OneCaptchaError: it stays gated; the last gate and its challenge are on it.
            CrawlClosing: the crawl closed first.
        """
        gate = self.gate
        outcome: Response | Gate = gate
        if "cached" in gate.response.flags:
            outcome = await self._replay()  # an old gate says nothing of the site now
        while isinstance(outcome, Gate):
            outcome = await self._step(outcome)
        if not self._led:
            self._tools.report.shared(gate.site)
        outcome.request = self.original
        return outcome

    async def _step(self, gate: Gate) -> Response | Gate:
        if self._superseded(gate):
            return await self._ask_again(gate)
        self._check(gate)
        async with self._turn(gate):
            if self._superseded(gate):
                return gate  # somebody has earned the clearance meanwhile
            return await self._attempt(gate)

    # Waiting for others

    def _superseded(self, gate: Gate) -> bool:
        """Tell whether a clearance was granted since the gate was asked for."""
        return (
            self._tools.config.share_clearance
            and gate.generation < gate.session.generation
            and self._free_replays < MAX_FREE_REPLAYS
            and not self._tools.sessions.grants_nothing(gate.site)
        )

    @asynccontextmanager
    async def _turn(self, gate: Gate) -> AsyncIterator[None]:
        """Hold the session's turn, unless its pages are solved side by side."""
        tools = self._tools
        if not tools.config.share_clearance or tools.sessions.grants_nothing(gate.site):
            yield
            return
        turn = gate.session.turn(gate.challenge.sitekey or "")
        await tools.waits.until_closing(turn.take())
        try:
            yield
        finally:
            turn.release()

    async def _ask_again(self, gate: Gate) -> Response | Gate:
        """Replay the request on a clearance that another one has earned."""
        session = gate.session
        if session.proven == session.generation:
            return await self._replay(free=True)
        async with self._turn(gate):
            if session.proven == session.generation or not self._superseded(gate):
                return gate  # the probe of another one has told
            return await self._probe(session)

    async def _probe(self, session: Session) -> Response | Gate:
        """Be the first to try the clearance; the session's others wait for it."""
        tried = session.generation
        outcome = await self._replay(free=True)
        if not isinstance(outcome, Gate):
            session.proven = max(session.proven, tried)
        elif session.generation == tried:
            self._tools.sessions.learn_grants_nothing(session.key.site)
        return outcome

    # Solving

    def _check(self, gate: Gate) -> None:
        """Raise what forbids to solve *gate*, before anybody waits or pays for it."""
        challenge = gate.challenge
        if not challenge.solvable and self._submitter(gate) is None:
            raise UnsolvableGate(_why(challenge))
        if challenge.sitekey is None:
            raise UnsolvableGate(_why(challenge))
        if challenge.form is not None:
            self._tools.scope.check_submission(gate.response.url, challenge.form.url)
        try:
            self._allowance.check()
        except AttemptsExhausted as error:
            raise AttemptsExhausted(f"{error}; at last {self._last}") from None

    async def _attempt(self, gate: Gate) -> Response | Gate:
        """Pay for one token, and use it."""
        tools = self._tools
        await self._ask_robots(gate)
        self._led = True
        try:
            solution, unit = await tools.waits.until_closing(
                tools.solver.solve(
                    task_of(gate.challenge, gate.request), gate.site, self._allowance
                )
            )
        except (TaskFailed, SolveTimeout) as error:
            self._last = str(error)
            return gate
        if solution.user_agent is None:
            solution = replace(solution, user_agent=_user_agent(gate.request))
        with unit:
            return await self._use(gate, solution, unit)

    async def _ask_robots(self, gate: Gate) -> None:
        """Hold the submission's URL against robots.txt, before it is paid for."""
        form = gate.challenge.form
        if form is None or self._submitter(gate) is not None:
            return
        preview = gate.request.replace(url=form.url, method=form.method)
        try:
            await self._tools.robots_check(preview)
        except IgnoreRequest as error:
            raise SubmissionRefused(
                f"robots.txt forbids {form.url}, where the token would have to go"
            ) from error

    async def _use(self, gate: Gate, solution: Solution, unit: Unit) -> Response | Gate:
        tools, session = self._tools, gate.session
        session.user_agent = self._user_agent = solution.user_agent
        fresh = await self._freshen(gate)
        if not isinstance(fresh, Gate):
            unit.settle("void")  # the site let it pass without the token
            return fresh
        age = tools.now() - solution.issued_at
        if age > tools.config.token_max_age:
            unit.settle("void")
            self._last = "the token grew too old to be sent"
            tools.report.expired(gate.site, age)
            return fresh
        outcome = await self._submit(fresh, solution)
        if isinstance(outcome, Gate):
            self._last = "the site refused the token"
            tools.report.rejected(gate.site, self.original.url)
            unit.settle("failed")
            return outcome
        session.cleared()
        unit.settle("accepted")
        tools.report.accepted(gate.site)
        return outcome

    async def _freshen(self, gate: Gate) -> Response | Gate:
        """Fetch the gate again where its hidden fields may be stale."""
        if gate.challenge.rqdata or not self._is_stale(gate):
            return gate  # the token belongs to that page's rqdata
        self._tools.report.count("refetched")
        request = reissue.refetch(gate.request, self._user_agent)
        answer = await self._tools.download(request)
        fresh = self._read(answer.request or gate.request, answer)
        if fresh is None:
            return await self._settle(answer)
        old, new = gate.challenge, fresh.challenge
        if new.sitekey != old.sitekey or new.rqdata or new.form is None:
            return gate
        return fresh

    def _is_stale(self, gate: Gate) -> bool:
        age = self._tools.now() - gate.seen_at
        return (
            age > self._tools.config.gate_max_age
            or self._user_agent != _user_agent(gate.request)
            or gate.cookies_set != gate.session.cookies_set
        )

    # Submitting

    async def _submit(self, gate: Gate, solution: Solution) -> Response | Gate:
        """Send the token; return the page, or the gate that still stands."""
        submission = self._submission(gate, solution)
        try:
            answer = await self._tools.download(submission)
        except (CancelledError, OneCaptchaError):
            raise
        except IgnoreRequest as error:
            raise SubmissionRefused(
                f"The crawl's own middlewares dropped the submission for "
                f"{self.original.url}: {error}"
            ) from error
        except Exception as error:  # noqa: BLE001  (whatever a download may raise)
            logger.warning(
                "The token for %s was sent, but the answer got lost (%s: %s): asking "
                "for the page itself",
                self.original.url,
                type(error).__name__,
                error,
            )
            return await self._replay()
        return await self._follow(gate, submission, answer)

    def _submission(self, gate: Gate, solution: Solution) -> Request:
        submitter = self._submitter(gate)
        if submitter is None:
            form = gate.challenge.form
            assert form is not None  # noqa: S101  (else the gate is unsolvable)
            return submit(gate.request, gate.response, form, solution)
        made = submit_by(
            submitter, gate.request, gate.response, gate.challenge, solution
        )
        self._tools.scope.check_submission(gate.response.url, made.url)
        return made

    def _submitter(self, gate: Gate) -> Submitter | None:
        if self._options.submitter is not None:
            return self._options.submitter
        host = gate.site.partition("://")[2].rpartition("@")[2].partition(":")[0]
        for domain, submitter in self._tools.config.submitters.items():
            if host == domain or host.endswith(f".{domain}"):
                return submitter
        return None

    async def _follow(
        self, gate: Gate, submission: Request, answer: Response
    ) -> Response | Gate:
        """Go where the answer leads, as a browser would, but without the token."""
        redirected = False
        for _ in range(MAX_HOPS):
            target = reissue.redirect_target(answer)
            if target is None or not self._may_go(gate, target):
                break
            if self._is_original(target):
                return await self._replay()
            redirected = True
            answer = await self._tools.download(reissue.hop(submission, target))
        return await self._judge(gate, answer, redirected=redirected)

    def _may_go(self, gate: Gate, target: str) -> bool:
        try:
            self._tools.scope.check_submission(gate.response.url, target)
        except SubmissionRefused as error:
            logger.info("Not followed after the submission: %s", error)
            return False
        return True

    def _is_original(self, url: str) -> bool:
        original = self.original
        return (
            original.method == "GET"
            and url.partition("#")[0] == (original.url.partition("#")[0])
        )

    async def _judge(
        self, gate: Gate, answer: Response, *, redirected: bool
    ) -> Response | Gate:
        """Tell the page from the gate, and ask for it where it is neither."""
        refusal = self._read(gate.request, answer)
        if refusal is not None:
            return refusal
        if self._is_page(answer, redirected=redirected):
            return answer
        return await self._replay()

    async def _settle(self, answer: Response) -> Response | Gate:
        """Return *answer* where it is the page, else ask for it."""
        if self._is_page(answer, redirected=True):
            return answer
        return await self._replay()

    def _is_page(self, answer: Response, *, redirected: bool) -> bool:
        return is_page(
            self.original,
            answer,
            redirected=redirected,
            expect=self._options.expect,
        )

    # Downloads

    async def _replay(self, *, free: bool = False) -> Response | Gate:
        """Ask for the page itself once more, as it was first asked for."""
        if free:
            self._free_replays += 1
        self._tools.report.count("replayed")
        user_agent = None if free else self._user_agent
        answer = await self._tools.download(reissue.replay(self.original, user_agent))
        gate = self._read(answer.request or self.original, answer)
        return answer if gate is None else gate

    def _read(self, request: Request, response: Response) -> Gate | None:
        challenge = detect(response, self._hints)
        if challenge is None or challenge.kind != "gate":
            return None
        self.gate = self._meet(request, response, challenge)
        return self.gate


def task_of(challenge: Challenge, request: Request) -> Task:
    """Return the task that solves *challenge*, which *request* has met."""
    return Task(
        url=challenge.url,
        sitekey=challenge.sitekey or "",
        user_agent=_user_agent(request),
        invisible=challenge.invisible,
        rqdata=challenge.rqdata,
    )


def _user_agent(request: Request) -> str | None:
    value = request.headers.get("User-Agent")
    return None if value is None else value.decode("latin-1")


def _why(challenge: Challenge) -> str:
    seen = "; ".join(challenge.evidence)
    return f"No token can pass this gate ({challenge.reason}): {seen}"
