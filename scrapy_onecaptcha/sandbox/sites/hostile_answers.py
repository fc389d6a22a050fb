"""The answers of the hostile sites to a token."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.messages import (
    Reply,
    html_reply,
    json_reply,
    redirect_reply,
)
from scrapy_onecaptcha.sandbox.sites.gate_html import escape, layout
from scrapy_onecaptcha.sandbox.sites.hostile_pages import (
    ODD_FIELDS,
    gate,
    odd,
    session_cookie,
)
from scrapy_onecaptcha.sandbox.sites.hostile_site import TOKEN, fields_of

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.sites.hostile_site import HostileVisit

_HOP = re.compile(r"/hop/([0-9]{1,9})")


def content(visit: HostileVisit) -> Reply:
    """Answer with the content, as if it had been requested without a token."""
    # Its page would show the token otherwise.
    return visit.content(replace(visit.request, method="GET", body=b""))


def checked(visit: HostileVisit) -> Reply:
    """Show the content to a client that has sent the odd fields as they were."""
    sent = [pair for pair in fields_of(visit.request) if pair[0] != TOKEN.encode()]
    wanted = [(_quoted(name), value.encode()) for name, value in ODD_FIELDS]
    named = [pair for pair in sent if pair[0] != b"g-recaptcha-response"]
    return content(visit) if named == wanted else odd(visit)


def _quoted(name: str) -> bytes:
    """Write a name as browsers do within a part's header."""
    name = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return name.encode()


def verdict(visit: HostileVisit) -> Reply:
    """Answer that the token is good."""
    del visit
    return json_reply({"ok": True})


def now_and_then(visit: HostileVisit) -> Reply:
    """Accept each second token."""
    return content(visit) if visit.tokens % 2 == 0 else gate()


def led(visit: HostileVisit) -> Reply:
    """Lead to the address in the query."""
    to, how = visit.said("to"), visit.said("how", "302")
    if how == "refresh":
        return replace(content(visit), headers=(("Refresh", f"0;url={to}"),))
    if how == "meta":
        tag = f'<meta http-equiv="refresh" content="0;url={escape(to)}">'
        return html_reply(layout("Go on", "<h1>Go on</h1>", head=tag))
    return redirect_reply(to, status=int(how))


def hop(visit: HostileVisit) -> Reply:
    """Redirect to the next hop, without end."""
    found = _HOP.fullmatch(visit.request.path)
    return redirect_reply(f"/hop/{int(found[1]) + 1 if found else 0}")


def chain(visit: HostileVisit) -> Reply:
    """Show a gate, and hops behind it."""
    return hop(visit) if _HOP.fullmatch(visit.request.path) else gate()


def stalled(visit: HostileVisit) -> Reply:
    """Answer nothing, or half of a page."""
    return replace(gate(), manner="stall" if visit.number % 2 else "stall-body")


def flooding(visit: HostileVisit) -> Reply:
    """Answer with a body without end."""
    return replace(content(visit), manner="endless")


def same_page(visit: HostileVisit) -> Reply:
    """Redirect to the same page, as if the token had been accepted."""
    return redirect_reply(visit.request.uri)


def rotated(visit: HostileVisit) -> Reply:
    """Do so with a new cookie."""
    reply = same_page(visit)
    return replace(reply, headers=(*reply.headers, session_cookie(visit)))


def home(visit: HostileVisit) -> Reply:
    """Redirect to the first page, whichever was asked for."""
    del visit
    return redirect_reply("/")


def growing(visit: HostileVisit) -> Reply:
    """Redirect to the same page with one more parameter in its query."""
    uri = visit.request.uri
    return redirect_reply(f"{uri}{'&' if '?' in uri else '?'}step{visit.number}=1")
