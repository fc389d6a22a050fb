"""Sends a token by a form that is fresh: young enough, and of the cookies due now.

Others may set cookies of the session while a task is open, while the gate is fetched
again, and while its scripts are run. A form that is bound to a cookie which is gone by
then would cost its token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from scrapy_onecaptcha.crawl.gate import Delivered, as_planned, user_agent_of
from scrapy_onecaptcha.crawl.queue_priority import FormOutdated

if TYPE_CHECKING:
    from scrapy_onecaptcha.crawl.engine import Engine
    from scrapy_onecaptcha.crawl.flow_context import FlowContext
    from scrapy_onecaptcha.crawl.gate import Gate
    from scrapy_onecaptcha.crawl.sender import Submitted, TokenSender
    from scrapy_onecaptcha.crawl.site import SiteClient
    from scrapy_onecaptcha.models import Solution

__all__ = ["FreshForms", "Jar", "Sent", "jar_of"]

#: Values of cookies, and the cookies, by domain, path and name.
Jar: TypeAlias = dict[tuple[str, str, str], tuple[Any, Any]]

#: Times that a gate is fetched again for one token; after them its form is sent as it
#: is, for a site may set another cookie with each of its answers.
MAX_REFETCHES = 3


@dataclass(frozen=True, slots=True)
class Sent:
    """A token that was sent.

    Attributes:
        gate: whose form took it.
        before: the session's cookies just before.
        came: what came of it.
    """

    gate: Gate
    before: Jar
    came: Submitted


class FreshForms:
    """Sends the tokens of one request.

    Args:
        site: fetches the gate again.
        sender: sends a token.
        context: the crawl's.
    """

    def __init__(
        self, site: SiteClient, sender: TokenSender, context: FlowContext
    ) -> None:
        self._site = site
        self._sender = sender
        self._engine = context.site.engine
        self._clock = context.site.clock
        self._config = context.config

    async def send(
        self, gate: Gate, paid_for: Gate, solution: Solution
    ) -> Sent | Delivered:
        """Send the token by the form of *gate*, or of one that is fetched again.

        Args:
            gate: the last one.
            paid_for: the one that the task was made for.
            solution: the token.

        Returns:
            What came of it; the page, where that came in place of the gate.

        Raises:
            PageChanged: the page would send something other than what was planned.
            SubmissionRefused: it may not go where it would have to.
            TokenExpired: it grew too old before it could leave.
        """
        as_it_is = bool(gate.challenge.rqdata)  # which another one would not have
        outdated = not as_it_is and self._is_too_old(gate, solution)
        refetches = 0
        while True:
            if outdated:
                outcome = await self._site.refetch(gate, solution.user_agent)
                if isinstance(outcome, Delivered):
                    return outcome
                last, gate, refetches = gate, outcome.gate, refetches + 1
                is_same = gate.response is last.response
                as_it_is = is_same or refetches >= MAX_REFETCHES
            try:
                return await self._submit(gate, paid_for, solution, as_it_is=as_it_is)
            except FormOutdated:
                outdated = True

    def _is_too_old(self, gate: Gate, solution: Solution) -> bool:
        age = self._clock.seconds() - gate.seen_at
        sent_with = user_agent_of(gate.request)
        return age > self._config.gate_max_age or solution.user_agent != sent_with

    async def _submit(
        self, gate: Gate, paid_for: Gate, solution: Solution, *, as_it_is: bool
    ) -> Sent:
        """Send the token by the form of *gate*, if its cookies are due still.

        Raises:
            FormOutdated: they are not, and it need not go *as_it_is*.
        """
        if not (as_it_is or gate.belongs_to(self._engine.due_cookies(gate.request))):
            raise FormOutdated
        planned, before = as_planned(gate, paid_for), jar_of(self._engine, gate)
        came = await self._sender.submit(
            planned,
            solution,
            leave_by=solution.issued_at + self._config.token_max_age,
            as_it_is=as_it_is,
        )
        return Sent(planned, before, came)


def jar_of(engine: Engine, gate: Gate) -> Jar:
    """Return the cookies of the session of *gate*."""
    cookies = engine.cookies(gate.request)
    return {name: (cookie.value, cookie) for name, cookie in cookies.items()}
