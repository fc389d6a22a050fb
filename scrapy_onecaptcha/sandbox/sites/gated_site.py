"""A site behind a gate."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from scrapy_onecaptcha.sandbox.messages import (
    Reply,
    Visit,
    html_reply,
    json_reply,
    redirect_reply,
    text_reply,
)
from scrapy_onecaptcha.sandbox.sites.clearances import Clearances, without_pass
from scrapy_onecaptcha.sandbox.sites.content import ROBOTS, Content
from scrapy_onecaptcha.sandbox.sites.gate import SCRIPT_PATH
from scrapy_onecaptcha.sandbox.sites.gate_html import (
    escape,
    gate_page,
    gate_script,
    layout,
)
from scrapy_onecaptcha.sandbox.sites.one_time_fields import Ticket, Tickets
from scrapy_onecaptcha.sandbox.sites.submission_checks import (
    Submission,
    form_faults,
    is_local,
    read_submission,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from scrapy_onecaptcha.sandbox.ledger import Ledger, Verdict
    from scrapy_onecaptcha.sandbox.sites.gate import Gate

__all__ = ["GatedSite", "OpenSite"]

_SCRIPT = "text/javascript; charset=utf-8"


class OpenSite:
    """A site without a gate.

    Args:
        name: of the site.
        content: its pages.
        ledger: counts what it does.
    """

    def __init__(self, name: str, content: Content, *, ledger: Ledger) -> None:
        self.name = name
        self._content = content
        self._ledger = ledger

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        if visit.path == "/robots.txt":
            return ROBOTS
        self._ledger.hit(self.name, visit.path, "content")
        return self._content.answer(visit)


class GatedSite:
    """A site all of whose pages but robots.txt stand behind a gate.

    Args:
        name: of the site.
        gate: what it is like.
        content: its pages.
        ledger: knows the tokens, counts what it does.
        clock: returns the time in seconds.
        rng: what one-time values are drawn from.
    """

    def __init__(
        self,
        name: str,
        gate: Gate,
        content: Content,
        *,
        ledger: Ledger,
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.name = name
        self._gate = gate
        self._content = content
        self._ledger = ledger
        self._tickets = Tickets(gate, clock=clock, rng=rng)
        self._clearances = Clearances(name, gate, clock=clock, rng=rng)
        self._clock = clock
        self._shown: dict[str, tuple[str, float]] = {}

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        if visit.path == "/robots.txt":
            return ROBOTS
        form = read_submission(self._gate, visit)
        if visit.path == SCRIPT_PATH and self._gate.bundled:
            return Reply(body=gate_script(self._gate).encode(), content_type=_SCRIPT)
        if form is not None and not (self._gate.by_address or self._gate.own_forms):
            return self._submitted(visit, form)
        admitted, refusal = self._clearances.admits(visit)
        if form is not None and not admitted:
            return self._submitted(visit, form)
        if refusal:
            self._ledger.clearances_refused[refusal] += 1
        return self._opened(visit) if admitted else self._gated(visit)

    def _takes_forms(self, visit: Visit) -> bool:
        if self._gate.action:
            return visit.path == self._gate.action
        return self._gate.entered == "in place" or visit.path == self._gate.entrance

    def _is_gate_path(self, visit: Visit) -> bool:
        return visit.path == self._gate.action or (
            self._gate.entered == "redirect" and visit.path == self._gate.entrance
        )

    # What a visitor sees

    def _opened(self, visit: Visit) -> Reply:
        if self._is_gate_path(visit):
            return redirect_reply(self._target(visit))
        return self._delivered(replace(visit, uri=without_pass(visit.uri)))

    def _delivered(self, visit: Visit) -> Reply:
        self._ledger.hit(self.name, visit.path, "content")
        return self._content.answer(visit)

    def _gated(self, visit: Visit) -> Reply:
        if self._gate.html_only and "html" not in visit.headers.get("accept", ""):
            self._ledger.hit(self.name, visit.path, "forbidden")
            return text_reply("Forbidden")
        if self._gate.entered == "redirect" and not self._is_gate_path(visit):
            self._ledger.hit(self.name, visit.path, "redirects")
            target = quote(without_pass(visit.uri), safe="")
            return redirect_reply(f"{self._gate.entrance}?next={target}")
        return self._gate_shown(visit, self._target(visit))

    def _target(self, visit: Visit) -> str:
        """Return path and query of the page that *visit* is after."""
        if not self._is_gate_path(visit):
            return without_pass(visit.uri)
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

    # What a visitor sends

    def _submitted(self, visit: Visit, form: Submission) -> Reply:
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
        self._ledger.hit(self.name, visit.path, "accepted")
        self._shown.pop(visit.address, None)
        cookie, onward = self._clearances.grant(
            visit, verdict.token.user_agent or visit.user_agent, target
        )
        reply = self._answer(visit, target, onward)
        return _with_cookie(reply, cookie) if cookie else reply

    def _is_over(self, shown_at: float) -> bool:
        return self._clock() - shown_at > self._gate.page_seconds

    def _submitted_target(self, visit: Visit, form: Submission) -> str:
        if self._gate.names_next:
            named = form.text("next")
            return named if is_local(named) else "/"
        return self._target(visit)

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

    def _answer(self, visit: Visit, target: str, onward: str) -> Reply:
        if self._gate.answer == "redirect":
            return redirect_reply(onward, status=self._gate.redirect_status)
        if self._gate.answer == "content":
            asked = Visit(uri=target, headers=visit.headers, address=visit.address)
            return self._delivered(asked)
        if self._gate.answer == "json":
            return json_reply({"ok": True})
        if self._gate.answer == "word":
            return text_reply("good")
        return Reply(status=204) if self._gate.answer == "204" else _thanks(target)


def _with_cookie(reply: Reply, cookie: str) -> Reply:
    return replace(reply, headers=(*reply.headers, ("Set-Cookie", cookie)))


def _thanks(target: str) -> Reply:
    link = f'<a href="{escape(target)}">Go on</a>'
    body = f"<h1>Thank you</h1>\n<p>You have passed the check. {link}</p>"
    return html_reply(layout("Thank you", body))
