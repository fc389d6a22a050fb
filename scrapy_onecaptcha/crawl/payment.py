"""One token after another for one gated request: bought, sent, and accounted for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scrapy_onecaptcha import _scrapy
from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha._twisted import sleep
from scrapy_onecaptcha.crawl import requests
from scrapy_onecaptcha.crawl.bookkeeping import subject_of, tell_end
from scrapy_onecaptcha.crawl.budget import PageAttempts
from scrapy_onecaptcha.crawl.fresh_forms import FreshForms, jar_of
from scrapy_onecaptcha.crawl.gate import (
    Delivered,
    Gated,
    note_passed,
    task_of,
    user_agent_of,
    why_unsolvable,
)
from scrapy_onecaptcha.crawl.leases import Imported
from scrapy_onecaptcha.crawl.page_scripts import PageChanged
from scrapy_onecaptcha.crawl.queue_priority import TokenExpired
from scrapy_onecaptcha.crawl.sender import TokenSender
from scrapy_onecaptcha.crawl.verdict import Judge
from scrapy_onecaptcha.exceptions import (
    PAGE_CHANGED,
    AttemptsExhausted,
    CircuitOpen,
    ProxyFailed,
    SolveTimeout,
    SubmissionRefused,
    TaskFailed,
    UnsolvableGate,
)
from scrapy_onecaptcha.pages.html import MAX_BYTES

if TYPE_CHECKING:
    from scrapy_onecaptcha.crawl.budget import TaskReservation
    from scrapy_onecaptcha.crawl.flow_context import FlowContext
    from scrapy_onecaptcha.crawl.fresh_forms import Jar
    from scrapy_onecaptcha.crawl.gate import Gate, Outcome
    from scrapy_onecaptcha.crawl.sessions import Session
    from scrapy_onecaptcha.crawl.site import SiteClient
    from scrapy_onecaptcha.crawl.verdict import Verdict
    from scrapy_onecaptcha.models import Solution

__all__ = ["Payment"]

logger = get_logger(__name__)

#: Gates that are fetched anew for nothing, beside one for each task.
MAX_RENEWALS = 2

#: Seconds by which processes may differ on when one cool-down ends.
SAME_END = 1.0


class Payment:
    """Pays for one gated request.

    Args:
        context: the crawl's.
        site: asks the site for this request.

    Attributes:
        made: whether anything was paid for, or tried to.
    """

    def __init__(self, context: FlowContext, site: SiteClient) -> None:
        self._context = context
        self._config = context.config
        self._report = context.site.report
        self._sessions = context.site.sessions
        self._clock = context.site.clock
        self._engine = context.site.engine
        self._site = site
        self._sender = TokenSender(site, context.site)
        self._forms = FreshForms(site, self._sender, context)
        self._judge = Judge(site, context.site, self._pause)
        self._page_attempts = PageAttempts(
            site.original.url, site.options.max_attempts, context.journal
        )
        self.made = False
        self._renewals = 0
        self._breaker_waits = 0
        self._has_earned = False
        self._rqdata: str | None = None
        self._last_reason = "the service gave no token"
        self._last_code = ""

    @property
    def attempts(self) -> int:
        """Tasks that the page has cost so far."""
        return self._page_attempts.spent

    async def check(self, gate: Gate) -> None:
        """Raise what forbids to solve *gate*, before anybody waits or pays for it."""
        challenge = gate.challenge
        own = self._site.submitter(gate) is not None
        if challenge.needs_scripts:  # then it is asked again when they were run
            self.check_attempts()
            return
        if challenge.sitekey is None or not (challenge.solvable or own):
            self._report.unsolvable(challenge)
            raise UnsolvableGate(why_unsolvable(challenge))
        if len(gate.response.body) > MAX_BYTES:
            self.drop_body(gate)  # more than anybody reads, for as long as it waits
        self.check_attempts()
        await self._context.waits.until_closing(self._sender.may_submit(gate))
        if self._context.dry_run is not None:
            raise self._context.dry_run.refuse(gate, submitter=own)

    def check_attempts(self) -> None:
        """Raise AttemptsExhausted where the page may cost no further task."""
        try:
            self._page_attempts.check()
        except AttemptsExhausted as error:
            exhausted = AttemptsExhausted(f"{error}; last reason: {self._last_reason}")
            exhausted.code = self._last_code
            raise exhausted from None

    def drop_body(self, gate: Gate) -> None:
        """Free the memory of a gate that waits: its form was read already.

        The user's own submitter may still want to read the page, and so may the
        callback that gets the gate.
        """
        if self._config.on_failure != "error" or self._site.submitter(gate) is not None:
            return
        form, needs_scripts = gate.challenge.form, gate.challenge.needs_scripts
        # Scripts are run (once more), on as much of the page as is ever read.
        keep = MAX_BYTES if needs_scripts or (form is not None and form.shape) else 0
        if len(gate.response.body) > keep:
            _scrapy.drop_body(gate.response, keep)

    def _session(self, gate: Gate) -> Session:
        """Return the session of *gate*, which may have become one with another."""
        return self._sessions.current(gate.session)

    async def attempt(self, gate: Gate) -> Outcome:
        """Pay for one token, and use it."""
        made, self.made = self.made, True
        if gate.challenge.rqdata and self._is_rqdata_spent(gate):
            renewed = await self._renew(gate)
            if not isinstance(renewed, Gated) or renewed.gate.sitekey != gate.sitekey:
                return renewed
            await self.check(renewed.gate)  # a new page, which may be of any kind
            gate = renewed.gate
        self._rqdata = gate.challenge.rqdata
        leases = self._context.leases
        taking = leases.take(gate)
        lease = await self._context.waits.until_closing(taking)
        if isinstance(lease, Imported):
            session = self._session(gate)
            session.user_agent = lease.user_agent or session.user_agent
            session.url_pass = lease.url_pass or session.url_pass
            self._report.count("clearances/imported")
            tell_end(self._report, gate.site, session.clearances.current)
            self._sessions.grant(session, None, lease.cookies, imported=True)
            self.made = made
            return Gated(gate)  # which is older than that
        self._has_earned = False
        try:
            return await self._earn(gate)
        finally:
            if self._has_earned:
                session = self._session(gate)
                leases.publish(lease, session.user_agent, session.url_pass)
            else:
                leases.give_up(lease)

    async def _earn(self, gate: Gate) -> Outcome:
        generation = self._session(gate).generation
        bought = await self._buy(gate)
        if bought is None:
            return Gated(gate)
        solution, reservation = bought
        with reservation:
            return await self._use(gate, solution, reservation, generation)

    async def _buy(self, gate: Gate) -> tuple[Solution, TaskReservation] | None:
        """Return a token and its reservation; ``None`` where the task failed."""
        spent = self._page_attempts.spent
        self._page_attempts.subject = subject_of(gate.challenge, gate.session.key)
        task = task_of(gate.challenge, gate.request, self._context.auth_encoding)
        try:
            while True:
                solving = self._context.solver.solve(
                    task, gate.site, self._page_attempts
                )
                try:
                    solution, reservation = await self._context.waits.until_closing(
                        solving
                    )
                    break
                except CircuitOpen as error:
                    await self._sit_out(gate, error)
        except (TaskFailed, SolveTimeout) as error:
            if self._page_attempts.spent == spent:
                raise  # it was not even created: nothing would ever end the tries
            self._last_reason, self._last_code = str(error), error.code
            sent = task.proxy is not None and self._config.task_proxy == "request"
            if sent and isinstance(error, ProxyFailed):
                raise  # another proxy may do
            return None
        finally:
            self._session(gate).cost += self._page_attempts.spent - spent
        if solution.user_agent is None:  # then it is bound to the one that was sent
            solution = replace(solution, user_agent=user_agent_of(gate.request))
        return solution, reservation

    async def _sit_out(self, gate: Gate, error: CircuitOpen) -> None:
        """Wait for the end of a cool-down, where the settings allow it.

        Raises:
            CircuitOpen: they do not, or so many were waited for already.
        """
        if self._breaker_waits >= self._config.breaker_waits:
            raise error
        self._breaker_waits += 1
        policy = self._context.policy
        end = policy.cooldown_end(gate.site)
        # A timer may fire a moment too early; a later end is another cool-down's.
        while policy.cooldown_end(gate.site) < end + SAME_END and (
            left := policy.cooldown_left(gate.site)
        ):
            await self._pause(left)

    async def _pause(self, seconds: float) -> None:
        async def pause() -> None:
            await sleep(self._clock, seconds)

        await self._context.waits.until_closing(pause())

    async def _renew(self, gate: Gate) -> Outcome:
        """Fetch the gate anew: once for each task, and a few times for nothing."""
        if self._renewals > self._page_attempts.spent + MAX_RENEWALS:
            raise UnsolvableGate(
                "No token can pass this gate: fetched again, it names another sitekey "
                f"each time, {self._renewals} times by now"
            )
        self._renewals += 1
        return await self._site.renew(gate)

    def _is_rqdata_spent(self, gate: Gate) -> bool:
        """Tell whether the rqdata of *gate* is old, or was sent to the service before.

        Between the task and the submission it must stay; before the task it may be
        renewed.
        """
        age = self._clock.seconds() - gate.seen_at
        return gate.challenge.rqdata == self._rqdata or age > self._config.gate_max_age

    async def _use(
        self,
        gate: Gate,
        solution: Solution,
        reservation: TaskReservation,
        generation: int,
    ) -> Outcome:
        """Send the token, unless the page passes without it by now."""
        paid_for = gate
        if self._session(gate).generation > generation:
            outcome = await self._site.ask("look")
            if isinstance(outcome, Delivered):
                note_passed(self._session(gate), outcome)
                return self._unused(gate, outcome, reservation)
            gate = outcome.gate if outcome.gate.takes_token_of(gate) else gate
        try:
            sent = await self._forms.send(gate, paid_for, solution)
        except TokenExpired:
            # Else a site that keeps all its connections waiting could cost any sum.
            reservation.settle("failed", "expired")
            self._last_reason, self._last_code = "the token grew too old to be sent", ""
            self._report.expired(gate.site, self._clock.seconds() - solution.issued_at)
            return Gated(gate)
        except PageChanged as error:
            reservation.settle("void", "unused")
            self._report.count("tokens/unused")
            told = error.told(self._site.original.url)
            raise SubmissionRefused(told, advice=PAGE_CHANGED) from None
        if isinstance(sent, Delivered):
            return self._gone(gate, sent, reservation)
        verdict = await self._judge.judge(sent.gate, sent.came, solution.user_agent)
        return self._conclude(sent.gate, verdict, solution, reservation, sent.before)

    # What came of it

    def _gone(
        self, gate: Gate, page: Delivered, reservation: TaskReservation
    ) -> Outcome:
        """Conclude for a token whose gate was gone before it was sent."""
        if page.shows_content:
            # The site will let the others pass as well.
            before = jar_of(self._engine, gate)
            self._grant(gate, page, before, reservation=None)
        return self._unused(gate, page, reservation)

    def _unused(
        self, gate: Gate, page: Delivered, reservation: TaskReservation
    ) -> Outcome:
        if not page.shows_content:
            return self._without_content(gate, page, reservation)
        reservation.settle("void", "unused")  # it passed without the token
        self._report.unused(gate.site)
        return page

    def _without_content(
        self, gate: Gate, page: Delivered, reservation: TaskReservation
    ) -> Outcome:
        url = self._site.original.url
        self._report.no_content(url, gate.site, page.response.status)
        reservation.settle("failed", "failed", "page_error")
        return page

    def _conclude(
        self,
        gate: Gate,
        verdict: Verdict,
        solution: Solution,
        reservation: TaskReservation,
        before: Jar,
    ) -> Outcome:
        """Count what the site made of the token."""
        outcome = verdict.outcome
        if isinstance(outcome, Gated):
            self._last_reason, self._last_code = "the site refused the token", ""
            self._report.rejected(gate.site, self._site.original.url)
            reservation.settle("failed", "rejected")
            return outcome
        if not outcome.shows_content:
            return self._without_content(gate, outcome, reservation)
        session = self._session(gate)
        session.user_agent = solution.user_agent
        session.url_pass = verdict.url_pass or session.url_pass
        self._grant(gate, outcome, before, reservation=reservation)
        self._report.accepted(gate.site)
        reservation.settle("accepted", "accepted")
        return outcome

    def _grant(
        self,
        gate: Gate,
        page: Delivered,
        before: Jar,
        *,
        reservation: TaskReservation | None,
    ) -> None:
        """Note that the site has let the page pass, and will let others."""
        if not self._config.share_clearance:
            return
        session = self._session(gate)
        asked = self._site.page_request
        again = None if page.in_answer or not requests.is_safe(asked) else asked
        after = jar_of(self._engine, gate).items()
        new = tuple(
            cookie
            for name, (value, cookie) in after
            if name not in before or before[name][0] != value
        )
        tell_end(self._report, gate.site, session.clearances.current)
        self._sessions.grant(
            session, again, frozenset((c.name, c.value or "") for c in new)
        )
        if reservation is not None and session.clearances.current is not None:
            session.clearances.current.entry = reservation.entry
        self._report.clearance_begun()
        if session.clearances.unproductive > 1:
            self._report.token_for_each_page(gate.site)
        self._has_earned = True
