"""A gate as a request met it, and what asking for its page comes to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from scrapy_onecaptcha._logging import printable
from scrapy_onecaptcha.crawl.cookie_headers import sent_cookies, set_by, set_cookies_of
from scrapy_onecaptcha.crawl.request_meta import is_evidence, role_of, stamp_of
from scrapy_onecaptcha.crawl.session_key import is_in_browser
from scrapy_onecaptcha.crawl.statuses import shows_content
from scrapy_onecaptcha.service.task import Task, proxy_of

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha.crawl.sessions import Session
    from scrapy_onecaptcha.models import Challenge, Form

__all__ = [
    "Delivered",
    "Gate",
    "Gated",
    "Outcome",
    "as_planned",
    "note_passed",
    "task_of",
    "user_agent_of",
    "why_unsolvable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A gate as it was met.

    Attributes:
        request: brought it.
        response: the gate itself.
        challenge: what was read from it.
        session: that it belonged to when it was met; it may be one with another now.
        stamp: the last clearance that there was when its request left.
        seen_at: when it came, in seconds of the crawl's clock.
        cookies: names and values of what its request would have carried by then.
    """

    request: Request
    response: Response
    challenge: Challenge
    session: Session
    stamp: int
    seen_at: float
    cookies: frozenset[tuple[str, str]]

    @property
    def site(self) -> str:
        """Scheme and netloc."""
        return self.session.key.site

    def belongs_to(self, due: frozenset[tuple[str, str]]) -> bool:
        """Tell whether its form may be sent with the cookies that are *due* now.

        It belongs to those that were sent for it and came with it. Others may have set
        one anew while it was on its way, or since; or one was deleted or has expired.

        A browser keeps whichever cookie it was given last, and hands on its answers in
        another order. So of two first visits nobody here knows which one holds; a form
        that is fetched again is that one's.

        Args:
            due: names and values of what would be sent for its page now.
        """
        request, response = self.request, self.response
        is_first = is_in_browser(request) and role_of(request) is None
        if is_first and set_by(request, response):
            return False
        came = sent_cookies(request) | set_cookies_of(response)
        return due == self.cookies and due <= came

    def takes_token_of(self, old: Gate) -> bool:
        """Tell whether the token for *old* may go by the form of this one."""
        paid, fresh = old.challenge, self.challenge
        same = fresh.sitekey == paid.sitekey and fresh.solvable
        return same and not paid.rqdata and not fresh.rqdata

    @property
    def sitekey(self) -> str:
        """The sitekey; ``""`` where the page shows none."""
        return self.challenge.sitekey or ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A page, or an error, without a gate.

    Attributes:
        response: that page.
        in_answer: whether it came in the answer to a submission.
    """

    response: Response = field(repr=False)  # A token may be in its URL.
    in_answer: bool = False

    @property
    def shows_content(self) -> bool:
        """Whether it is an answer to what was asked for, and not an error."""
        return shows_content(self.response.status)


@dataclass(frozen=True, slots=True)
class Gated:
    """The answer is a gate."""

    gate: Gate


Outcome: TypeAlias = Delivered | Gated


def as_planned(fresh: Gate, paid_for: Gate) -> Gate:
    """Return *fresh*, which has to send its token as the page of *paid_for* would have.

    Scripts may do anything when they run again: what was known of them before the
    payment is what holds. Where that was a plain form, and the scripts of *fresh* would
    send the token elsewhere, it goes by that form.
    """
    form, planned = fresh.challenge.form, paid_for.challenge.form
    if form is None or planned is None:
        return fresh
    if not planned.shape:
        return fresh if not form.shape or _same_target(form, planned) else paid_for
    challenge = replace(fresh.challenge, form=replace(form, shape=planned.shape))
    return replace(fresh, challenge=challenge)


def _same_target(form: Form, planned: Form) -> bool:
    targets = [(one.method, one.url.partition("?")[0]) for one in (form, planned)]
    return targets[0] == targets[1]


def task_of(
    challenge: Challenge, request: Request, auth_encoding: str = "latin-1"
) -> Task:
    """Return the task that solves *challenge*, which *request* has met.

    Args:
        challenge: what was read from the gate.
        request: brought the gate.
        auth_encoding: ``HTTPPROXY_AUTH_ENCODING``, of the proxy's credentials.
    """
    return Task(
        url=challenge.url,
        sitekey=challenge.sitekey or "",
        user_agent=user_agent_of(request),
        invisible=challenge.invisible,
        rqdata=challenge.rqdata,
        proxy=proxy_of(request, auth_encoding),
    )


def user_agent_of(request: Request) -> str | None:
    """Return the User-Agent that *request* was sent with."""
    value = request.headers.get("User-Agent")
    return None if value is None else value.decode("latin-1")


def note_passed(session: Session, outcome: Delivered) -> None:
    """Note that a page has passed without a token of its own."""
    response = outcome.response
    request = response.request
    if request is not None and is_evidence(request, response):
        session.line.answered(
            stamp_of(request), response.status, content=outcome.shows_content
        )


def why_unsolvable(challenge: Challenge) -> str:
    """Return the sentence that says why no token can pass the gate of *challenge*."""
    seen = printable(" ".join(challenge.evidence))
    return f"No token can pass this gate ({challenge.reason}): {seen}"
