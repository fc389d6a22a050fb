"""A site behind a gate: who sees which page, and what a submission does."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from scrapy_onecaptcha.sandbox.messages import (
    Reply,
    Visit,
    html_reply,
    redirect_reply,
    text_reply,
)
from scrapy_onecaptcha.sandbox.sites.answers import answer_of, refreshed
from scrapy_onecaptcha.sandbox.sites.clearances import Clearances, without_pass
from scrapy_onecaptcha.sandbox.sites.content import ROBOTS, Content
from scrapy_onecaptcha.sandbox.sites.gate import SCRIPT_PATH
from scrapy_onecaptcha.sandbox.sites.gate_html import gate_page, gate_script
from scrapy_onecaptcha.sandbox.sites.gate_sessions import GateSessions
from scrapy_onecaptcha.sandbox.sites.one_time_fields import Ticket, Tickets
from scrapy_onecaptcha.sandbox.sites.submission_checks import (
    Submission,
    form_faults,
    is_local,
    read_submission,
)

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.ledger import Verdict
    from scrapy_onecaptcha.sandbox.sites.context import SiteContext
    from scrapy_onecaptcha.sandbox.sites.gate import Gate

__all__ = ["GatedSite"]

_SCRIPT = "text/javascript; charset=utf-8"


class GatedSite:
    """A site with a gate before all of its pages but robots.txt.

    Args:
        context: given by the sandbox.
        gate: describes the gate.
        content: its pages.
    """

    def __init__(self, context: SiteContext, gate: Gate, content: Content) -> None:
        name, clock, rng = context.name, context.clock, context.rng
        self.name = name
        self._gate = gate
        self._content = content
        self._ledger = context.ledger
        self._tickets = Tickets(gate, clock=clock, rng=rng)
        self._clearances = Clearances(name, gate, clock=clock, rng=rng)
        self._sessions = GateSessions(name, rng=rng)
        self._clock = clock
        self._shown: dict[str, tuple[str, float]] = {}

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        if visit.path == "/robots.txt":
            return ROBOTS
        if visit.path == SCRIPT_PATH and self._gate.bundled:
            return Reply(body=gate_script(self._gate).encode(), content_type=_SCRIPT)
        self._ledger.see(self.name, visit)
        return self._answered(visit)

    def _answered(self, visit: Visit) -> Reply:
        form = read_submission(self._gate, visit)
        if form is None and visit.path.startswith(self._gate.free_paths):
            return self._delivered(visit)
        to_content = self._gate.by_address or self._gate.own_forms
        if form is not None and not to_content:
            return self._submitted(visit, form)
        admitted, refusal = self._clearances.admits(visit)
        if form is not None and not admitted:
            return self._submitted(visit, form)
        if refusal:
            self._ledger.clearances_refused[refusal] += 1
        closed = self._has_own_captcha(visit.path) or self._refuses(visit.path)
        return self._opened(visit) if admitted and not closed else self._gated(visit)

    def _refuses(self, path: str) -> bool:
        return path.startswith(self._gate.refused_paths)

    def _has_own_captcha(self, path: str) -> bool:
        own = self._gate.own_captcha
        return bool(own) and path.startswith(own)

    def _takes_forms(self, visit: Visit) -> bool:
        if self._gate.action:
            return visit.path == self._gate.action
        return self._gate.entered == "in place" or visit.path == self._gate.entrance

    def _is_gate_path(self, visit: Visit) -> bool:
        return visit.path == self._gate.action or (
            self._gate.entered == "redirect" and visit.path == self._gate.entrance
        )

    # What a client sees

    def _opened(self, visit: Visit) -> Reply:
        if not self._is_gate_path(visit):
            return self._delivered(replace(visit, uri=without_pass(visit.uri)))
        if self._gate.cleared == "verified":
            self._ledger.count(self.name, "verified")
            return text_reply("You are verified.")
        return redirect_reply(self._target(visit))

    def _delivered(self, visit: Visit) -> Reply:
        self._ledger.hit(self.name, visit.path, "content")
        return self._content.answer(visit)

    def _gated(self, visit: Visit) -> Reply:
        if self._gate.html_only and "html" not in visit.headers.get("accept", ""):
            self._ledger.hit(self.name, visit.path, "forbidden")
            return text_reply("Forbidden")
        if self._gate.entered == "redirect" and not self._is_gate_path(visit):
            return self._led_to_gate(visit)
        return self._gate_shown(visit, self._target(visit))

    def _led_to_gate(self, visit: Visit) -> Reply:
        self._ledger.hit(self.name, visit.path, "redirects")
        page = without_pass(visit.uri)
        query = f"?next={quote(page, safe='')}" if self._gate.names_page else ""
        reply = redirect_reply(f"{self._gate.entrance}{query}")
        if not self._gate.by_session:
            return reply
        cookie = self._sessions.remember(visit, page)
        return _with_cookie(reply, cookie) if cookie else reply

    def _target(self, visit: Visit) -> str:
        """Return path and query of the page that the client is after."""
        if not self._is_gate_path(visit):
            return without_pass(visit.uri)
        if self._gate.by_session:
            return self._sessions.page_of(visit)
        named = dict(visit.query).get(b"next", b"").decode("utf-8", "replace")
        return named if is_local(named) else "/"

    def _gate_shown(self, visit: Visit, target: str) -> Reply:
        self._ledger.hit(self.name, visit.path, "gates")
        if self._gate.by_address:
            self._shown[visit.address] = (visit.path, self._clock())
        brought = visit.cookies.get(self._csrf_name, "")
        ticket = self._tickets.issue(
            target, user_agent=visit.user_agent, cookie=brought
        )
        page = gate_page(self._gate, self.name, ticket, target)
        reply = html_reply(page, status=self._gate.status, charset=self._gate.charset)
        if not self._gate.csrf or brought:
            return reply
        return _with_cookie(reply, f"{self._csrf_name}={ticket.cookie}; Path=/")

    @property
    def _csrf_name(self) -> str:
        return f"csrf_{self.name}"

    # What a client sends

    def _submitted(self, visit: Visit, form: Submission) -> Reply:
        reply = self._judged(visit, form)
        return Reply(manner="drop") if self._gate.hangs_up else reply

    def _judged(self, visit: Visit, form: Submission) -> Reply:
        target, shown_at = self._shown.get(visit.address, (visit.path, -math.inf))
        if not self._gate.by_address:
            target = self._submitted_target(visit, form)
        if not self._takes_forms(visit):
            return self._rejected(visit, target, ["action"])
        faults, ticket = self._faults(visit, form)
        if self._gate.by_address and self._is_over(shown_at):
            faults.append("page-expired")
        if faults:
            return self._rejected(visit, target, faults)
        verdict = self._verdict(visit, form, ticket)
        if not verdict.success or verdict.token is None:
            return self._rejected(visit, target, [verdict.reason])
        if self._refuses(target):
            return self._rejected(visit, target, ["token-refused"])
        user_agent = verdict.token.user_agent or visit.user_agent
        return self._accepted(visit, user_agent, target)

    def _accepted(self, visit: Visit, user_agent: str, target: str) -> Reply:
        self._ledger.hit(self.name, visit.path, "accepted")
        self._shown.pop(visit.address, None)
        own = self._has_own_captcha(target)
        if own and self._clearances.admits(visit)[0]:
            return self._content_of(visit, target)
        cookie, onward = self._clearances.grant(visit, user_agent, target)
        in_place = own or self._gate.answer == "content"
        if in_place:
            reply = self._content_of(visit, target)
        elif self._gate.answer == "gate":
            reply = refreshed(self._gate_shown(visit, target))
        else:
            reply = answer_of(self._gate, onward)
        return _with_cookie(reply, cookie) if cookie else reply

    def _content_of(self, visit: Visit, target: str) -> Reply:
        asked = Visit(uri=target, headers=visit.headers, address=visit.address)
        return self._delivered(asked)

    def _is_over(self, shown_at: float) -> bool:
        return self._clock() - shown_at > self._gate.page_seconds

    def _submitted_target(self, visit: Visit, form: Submission) -> str:
        if self._gate.names_next:
            named = form.text("next")
            return named if is_local(named) else "/"
        return visit.path if self._gate.drops_query else self._target(visit)

    def _faults(
        self, visit: Visit, form: Submission
    ) -> tuple[list[str], Ticket | None]:
        method = self._gate.method
        if not self._gate.ticketed or form.malformed or visit.method != method:
            return form_faults(self._gate, visit, form, None), None
        named = form.text(self._gate.ticket_field)
        if self._gate.proof_of_work:
            named = named.partition("#")[0]
        ticket, fault = self._tickets.take(named)
        faults = [fault] if fault else []
        cookie = visit.cookies.get(self._csrf_name, "")
        if self._gate.csrf and ticket is not None and ticket.cookie != cookie:
            faults.append("csrf-cookie")
        return [*faults, *form_faults(self._gate, visit, form, ticket)], ticket

    def _verdict(
        self, visit: Visit, form: Submission, ticket: Ticket | None
    ) -> Verdict:
        keyed = self._gate.needs_resp_key or bool(form.values("respKey"))
        return self._ledger.verify(
            form.text(self._gate.token_fields[0]),
            sitekey=self._gate.sitekey,
            invisible=self._gate.invisible,
            rqdata=ticket.rqdata if ticket is not None else "",
            user_agent=visit.user_agent,
            resp_key=form.text("respKey") if keyed else None,
        )

    def _rejected(self, visit: Visit, target: str, reasons: list[str]) -> Reply:
        for reason in reasons:
            self._ledger.reject(self.name, reason)
        self._ledger.hit(self.name, visit.path, "rejected")
        if self._gate.answer == "word":
            return text_reply("bad")
        return self._gate_shown(visit, target)


def _with_cookie(reply: Reply, cookie: str) -> Reply:
    return replace(reply, headers=(*reply.headers, ("Set-Cookie", cookie)))
