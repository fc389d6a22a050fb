"""The way of one gated request to its page: wait for others, pay, try the token.

All of it happens in the one coroutine of the ``process_response`` that met the gate, so
that no token enters the scheduler, ``meta`` or a cache.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scrapy_onecaptcha.crawl.budget import Allowance
from scrapy_onecaptcha.crawl.gate import Gate, task_of, user_agent_of
from scrapy_onecaptcha.crawl.site import TokenExpired
from scrapy_onecaptcha.exceptions import (
    AttemptsExhausted,
    SolveTimeout,
    TaskFailed,
    UnsolvableGate,
)
from scrapy_onecaptcha.models import plain
from scrapy_onecaptcha.pages.html import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from scrapy.http import Response

    from scrapy_onecaptcha.crawl.budget import Unit
    from scrapy_onecaptcha.crawl.sessions import Sessions
    from scrapy_onecaptcha.crawl.shutdown import Waits
    from scrapy_onecaptcha.crawl.site import Courier
    from scrapy_onecaptcha.models import Challenge, Solution
    from scrapy_onecaptcha.service.solver import Solver
    from scrapy_onecaptcha.settings import Config
    from scrapy_onecaptcha.stats import Report

__all__ = ["Passage", "Tools"]

#: Times that a page is asked for again on a clearance that it did not earn itself.
MAX_FREE_REPLAYS = 2

#: Answers that are delivered, but show no content: the token was in vain. A page that
#: is missing (404, 410) is an answer like any other.
NO_CONTENT = frozenset({400, 401, 403, 405, 407, 422, 429})
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What every passage of a crawl works with."""

    config: Config
    sessions: Sessions
    solver: Solver[Unit]
    report: Report
    waits: Waits
    now: Callable[[], float]
    drop_body: Callable[[Response], None]


class Passage:
    """Takes one gated request to its page.

    Args:
        tools: the crawl's.
        courier: goes to the site for this request.
        gate: the gate that it met.
        attempts: tasks that it may cost.
    """

    def __init__(
        self, tools: Tools, courier: Courier, gate: Gate, attempts: int
    ) -> None:
        self._tools = tools
        self._courier = courier
        self._gate = gate
        self._allowance = Allowance(courier.original.url, attempts)
        self._free_replays = 0
        self._renewals = 0
        self._led = False
        self._rqdata: str | None = None
        self._last = "no token was to be had"
        self._code = ""

    async def page(self) -> Response:
        """Return the page that the request asked for.

        Raises:
            OneCaptchaError: it stays gated.
            CrawlClosing: the crawl closed first.
        """
        outcome: Response | Gate = self._gate
        if "cached" in self._gate.response.flags:
            outcome = await self._courier.replay()  # the site may have let go since
        while isinstance(outcome, Gate):
            outcome = await self._step(outcome)
        if not self._led:
            self._tools.report.shared(self._gate.site)
        return outcome

    async def _step(self, gate: Gate) -> Response | Gate:
        if self._superseded(gate):
            return await self._ask_again(gate)
        await self._check(gate)
        async with self._turn(gate):
            if self._superseded(gate):
                return gate  # somebody has earned the clearance meanwhile
            return await self._attempt(gate)

    async def _check(self, gate: Gate) -> None:
        """Raise what forbids to solve *gate*, before anybody waits or pays for it."""
        challenge = gate.challenge
        own = self._courier.submitter(gate) is not None
        if challenge.sitekey is None or not (challenge.solvable or own):
            self._tools.report.unsolvable(challenge)
            raise UnsolvableGate(_why(challenge))
        try:
            self._allowance.check()
        except AttemptsExhausted as error:
            exhausted = AttemptsExhausted(f"{error}; at last {self._last}")
            exhausted.code = self._code
            raise exhausted from None
        if len(gate.response.body) > MAX_BYTES:
            self._drop_body(gate)  # more than anybody reads, for as long as it waits
        await self._tools.waits.until_closing(self._courier.may_submit(gate))

    # Waiting for others

    def _superseded(self, gate: Gate) -> bool:
        """Tell whether a clearance was granted since the gate was asked for."""
        return (
            self._shares(gate)
            and gate.generation < gate.session.generation
            and self._free_replays < MAX_FREE_REPLAYS
        )

    def _shares(self, gate: Gate) -> bool:
        return self._tools.config.share_clearance and not (
            self._tools.sessions.grants_nothing(gate.site, gate.sitekey)
        )

    @asynccontextmanager
    async def _turn(self, gate: Gate) -> AsyncIterator[None]:
        """Hold the session's turn, unless its pages are solved side by side."""
        if not self._shares(gate):
            yield
            return
        turn = gate.session.turn(gate.sitekey)
        if turn.taken:
            self._drop_body(gate)
        with gate.session.being_solved():
            await self._tools.waits.until_closing(turn.take())
            try:
                yield
            finally:
                turn.release()

    def _drop_body(self, gate: Gate) -> None:
        """Free the memory of a gate that waits: its form was read already.

        The user's own submitter may still want to read the page, and so may the
        callback that gets the gate.
        """
        if (
            self._tools.config.on_failure == "error"
            and self._courier.submitter(gate) is None
        ):
            self._tools.drop_body(gate.response)

    async def _ask_again(self, gate: Gate) -> Response | Gate:
        """Replay the request on a clearance that another one has earned."""
        session = gate.session
        if session.proven == session.generation:
            return await self._replay()
        async with self._turn(gate):
            if session.proven == session.generation or not self._superseded(gate):
                return gate  # the probe of another one has told
            return await self._probe(gate)

    async def _probe(self, gate: Gate) -> Response | Gate:
        """Be the first to try the clearance; the session's others wait for it."""
        session = gate.session
        tried = session.generation
        outcome = await self._replay()
        if not isinstance(outcome, Gate):
            session.proven = max(session.proven, tried)
        elif session.generation == tried and outcome.sitekey == session.cleared_by:
            self._tools.sessions.learn_grants_nothing(gate.site, outcome.sitekey)
        return outcome

    async def _replay(self) -> Response | Gate:
        self._free_replays += 1
        return await self._courier.replay()

    # Paying

    async def _attempt(self, gate: Gate) -> Response | Gate:
        """Pay for one token, and use it."""
        tools = self._tools
        self._led = True
        if gate.challenge.rqdata and self._is_rqdata_spent(gate):
            renewed = await self._renew(gate)
            if not isinstance(renewed, Gate) or renewed.sitekey != gate.sitekey:
                return renewed
            await self._check(renewed)  # a new page, which may be of any kind
            gate = renewed
        self._rqdata = gate.challenge.rqdata
        spent = self._allowance.spent
        try:
            solution, unit = await tools.waits.until_closing(
                tools.solver.solve(
                    task_of(gate.challenge, gate.request), gate.site, self._allowance
                )
            )
        except (TaskFailed, SolveTimeout) as error:
            if self._allowance.spent == spent:
                raise  # it was not even created: nothing would ever end the tries
            self._last, self._code = str(error), error.code
            return gate
        if solution.user_agent is None:  # then it is bound to the one that was sent
            solution = replace(solution, user_agent=user_agent_of(gate.request))
        with unit:
            return await self._use(gate, solution, unit)

    async def _renew(self, gate: Gate) -> Response | Gate:
        """Fetch the gate anew: once for each task, and a few times for nothing."""
        if self._renewals > self._allowance.spent + MAX_FREE_REPLAYS:
            raise UnsolvableGate(
                "No token can pass this gate: fetched again, it names another sitekey "
                f"each time, {self._renewals} times by now"
            )
        self._renewals += 1
        return await self._courier.renew(gate)

    def _is_rqdata_spent(self, gate: Gate) -> bool:
        """Tell whether the rqdata of *gate* is old, or was sent to the service before.

        Between the task and the submission it must stay; before the task it may be had
        anew.
        """
        age = self._tools.now() - gate.seen_at
        return (
            gate.challenge.rqdata == self._rqdata
            or age > self._tools.config.gate_max_age
        )

    async def _use(self, gate: Gate, solution: Solution, unit: Unit) -> Response | Gate:
        session, report = gate.session, self._tools.report
        session.user_agent = solution.user_agent
        if not gate.challenge.rqdata and self._is_stale(gate, solution):
            fresh = await self._courier.refetch(gate, solution.user_agent)
            if not isinstance(fresh, Gate):
                return self._unused(gate, fresh, unit)
            gate = fresh
        leave_by = solution.issued_at + self._tools.config.token_max_age
        try:
            outcome = await self._courier.submit(gate, solution, leave_by)
        except TokenExpired:
            # Else a site that keeps all its connections waiting could cost any sum.
            unit.settle("failed")
            self._last, self._code = "the token grew too old to be sent", ""
            report.expired(gate.site, self._tools.now() - solution.issued_at)
            return gate
        return self._conclude(gate, outcome, unit)

    def _unused(self, gate: Gate, page: Response, unit: Unit) -> Response:
        """Count a token whose gate was gone before it was sent."""
        if _shows_nothing(page):
            return self._in_vain(gate, page, unit)
        unit.settle("void")  # the site let it pass without the token
        gate.session.cleared(gate.sitekey)  # and will let the others
        self._tools.report.unused(gate.site)
        return page

    def _in_vain(self, gate: Gate, page: Response, unit: Unit) -> Response:
        url = self._courier.original.url
        self._tools.report.in_vain(gate.site, url, page.status)
        unit.settle("failed")
        return page

    def _is_stale(self, gate: Gate, solution: Solution) -> bool:
        """Tell whether the hidden fields of *gate* may not be taken any more."""
        return (
            self._tools.now() - gate.seen_at > self._tools.config.gate_max_age
            or solution.user_agent != user_agent_of(gate.request)
            or gate.cookies_set != gate.session.cookies_set
        )

    def _conclude(
        self, gate: Gate, outcome: Response | Gate, unit: Unit
    ) -> Response | Gate:
        """Count what the site made of the token."""
        report = self._tools.report
        if isinstance(outcome, Gate):
            self._last, self._code = "the site refused the token", ""
            report.rejected(gate.site, self._courier.original.url)
            unit.settle("failed")
        elif _shows_nothing(outcome):
            self._in_vain(gate, outcome, unit)
        else:
            gate.session.cleared(gate.sitekey)
            report.accepted(gate.site)
            unit.settle("accepted")
        return outcome


def _shows_nothing(page: Response) -> bool:
    return page.status in NO_CONTENT or page.status >= SERVER_ERROR


def _why(challenge: Challenge) -> str:
    seen = plain(" ".join(challenge.evidence))
    return f"No token can pass this gate ({challenge.reason}): {seen}"
