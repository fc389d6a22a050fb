"""A bot manager: its gate has a host of its own.

Without a clearance the site redirects to the manager's host, with the asked URL in the
query. A right submission there leads back to ``/land?t=…`` on the site's host, which
sets the cookie and redirects to the asked URL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from scrapy_onecaptcha.sandbox.messages import Reply, Visit, html_reply, redirect_reply
from scrapy_onecaptcha.sandbox.sites.content import ROBOTS, NumberedPages, not_found
from scrapy_onecaptcha.sandbox.sites.gate import Gate
from scrapy_onecaptcha.sandbox.sites.gate_html import gate_page
from scrapy_onecaptcha.sandbox.sites.one_time_fields import Ticket
from scrapy_onecaptcha.sandbox.sites.submission_checks import (
    Submission,
    form_faults,
    read_submission,
)

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.sites.context import SiteContext

__all__ = ["BotManager", "BotManagerSite"]

_CHALLENGE, _LAND = "/challenge", "/land"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotManager:
    """A site behind a bot manager.

    Both hosts are served on the site's port: requests for ``localhost`` are the
    manager's, all others are the site's.

    Attributes:
        sitekey: a UUID.
        host: host name of the manager.
    """

    sitekey: str
    host: str = "localhost"


class BotManagerSite:
    """Numbered pages behind a bot manager.

    Args:
        context: given by the sandbox.
        manager: describes the bot manager.
    """

    def __init__(self, context: SiteContext, manager: BotManager) -> None:
        self.name = context.name
        self._manager = manager
        self._gate = Gate(sitekey=manager.sitekey, action="", status=403)
        self._ledger = context.ledger
        self._rng = context.rng
        self._content = NumberedPages(context.name)
        self._landing: dict[str, str] = {}
        self._cookies: set[str] = set()

    def answer(self, visit: Visit) -> Reply:
        """Answer one request to either host."""
        if visit.path == "/robots.txt":
            return ROBOTS
        self._ledger.see(self.name, visit)
        if visit.host == self._manager.host:
            return self._managed(visit)
        if visit.path == _LAND:
            return self._landed(visit)
        if visit.cookies.get(self._cookie_name) in self._cookies:
            self._ledger.hit(self.name, visit.path, "content")
            return self._content.answer(visit)
        self._ledger.hit(self.name, visit.path, "redirects")
        asked = quote(f"{visit.origin}{visit.uri}", safe="")
        return redirect_reply(f"http://{self._netloc(visit)}{_CHALLENGE}?url={asked}")

    @property
    def _cookie_name(self) -> str:
        return f"clearance_{self.name}"

    def _netloc(self, visit: Visit) -> str:
        port = visit.headers.get("host", "").partition(":")[2]
        return f"{self._manager.host}:{port}" if port else self._manager.host

    # The site's host

    def _landed(self, visit: Visit) -> Reply:
        ticket = dict(visit.query).get(b"t", b"").decode("latin-1")
        asked = self._landing.pop(ticket, "")
        if not asked:
            return not_found()
        cookie = self._drawn()
        self._cookies.add(cookie)
        self._ledger.count(self.name, "landings")
        set_cookie = f"{self._cookie_name}={cookie}; Path=/; HttpOnly"
        return Reply(
            status=302, headers=(("Location", asked), ("Set-Cookie", set_cookie))
        )

    def _drawn(self) -> str:
        return f"{self._rng.getrandbits(128):032x}"

    # The manager's host

    def _managed(self, visit: Visit) -> Reply:
        asked = dict(visit.query).get(b"url", b"").decode("utf-8", "replace")
        site = urlsplit(asked)
        same_port = (
            site.netloc.partition(":")[2] == self._netloc(visit).partition(":")[2]
        )
        if visit.path != _CHALLENGE or site.scheme != "http" or not same_port:
            return not_found()
        form = read_submission(self._gate, visit)
        if form is None:
            return self._gate_shown(visit)
        reasons = self._faults(visit, form)
        if reasons:
            for reason in reasons:
                self._ledger.reject(self.name, reason)
            self._ledger.hit(self.name, visit.path, "rejected")
            return self._gate_shown(visit)
        self._ledger.hit(self.name, visit.path, "accepted")
        ticket = self._drawn()
        self._landing[ticket] = asked
        return redirect_reply(f"http://{site.netloc}{_LAND}?t={ticket}")

    def _gate_shown(self, visit: Visit) -> Reply:
        self._ledger.hit(self.name, visit.path, "gates")
        none = Ticket(value="", target="", user_agent="", cookie="")
        page = gate_page(self._gate, self.name, none, visit.uri)
        return html_reply(page, status=self._gate.status)

    def _faults(self, visit: Visit, form: Submission) -> list[str]:
        if faults := form_faults(self._gate, visit, form, None):
            return faults
        verdict = self._ledger.verify(
            form.text("h-captcha-response"),
            sitekey=self._gate.sitekey,
            invisible=False,
            user_agent=visit.user_agent,
        )
        return [] if verdict.success else [verdict.reason]
