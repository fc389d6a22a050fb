"""Sites by behaviour; opened by name.

How long a clearance is good and for which pages, where the gate is, and what follows a
token. Each is the simplest gate with one behaviour, so that a test can tell which one a
client gets wrong.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.sitekeys import sitekey_of
from scrapy_onecaptcha.sandbox.sites.api import Api
from scrapy_onecaptcha.sandbox.sites.bot_manager import BotManager
from scrapy_onecaptcha.sandbox.sites.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BEHAVIOURS"]

BEHAVIOURS: Mapping[str, Gate | Api | BotManager] = MappingProxyType(
    {
        # How long a clearance is good, and for which pages.
        "seconds": Gate(sitekey=sitekey_of("seconds"), clearance_seconds=30.0),
        "pages": Gate(sitekey=sitekey_of("pages"), clearance_pages=25),
        "late": Gate(sitekey=sitekey_of("late"), clearance_delay=2.0),
        "paths": Gate(sitekey=sitekey_of("paths"), clearance_scope="path"),
        "sections": Gate(sitekey=sitekey_of("sections"), clearance_scope="section"),
        "domain": Gate(sitekey=sitekey_of("domain"), clearance_scope="domain"),
        "owncaptcha": Gate(sitekey=sitekey_of("owncaptcha"), own_captcha="/own/"),
        "agents": Gate(sitekey=sitekey_of("agents"), refused_paths=("/refused/",)),
        # Where the gate is.
        "lastpage": Gate(
            sitekey=sitekey_of("lastpage"),
            entered="redirect",
            entrance="/check",
            remembers="session",
        ),
        "verified": Gate(
            sitekey=sitekey_of("verified"),
            entered="redirect",
            entrance="/check",
            remembers="session",
            cleared="verified",
        ),
        "nonext": Gate(
            sitekey=sitekey_of("nonext"),
            entered="redirect",
            entrance="/captcha",
            names_page=False,
        ),
        "manager": BotManager(sitekey=sitekey_of("manager")),
        "orders": Gate(sitekey=sitekey_of("orders"), free_paths=("/order", "/go/")),
        "etag": Gate(sitekey=sitekey_of("etag")),
        # What follows a token.
        "metarefresh": Gate(sitekey=sitekey_of("metarefresh"), answer="meta-refresh"),
        "refresh": Gate(sitekey=sitekey_of("refresh"), answer="refresh-header"),
        "replace": Gate(sitekey=sitekey_of("replace"), answer="location-replace"),
        "link": Gate(sitekey=sitekey_of("link"), answer="thanks"),
        "empty": Gate(sitekey=sitekey_of("empty"), answer="empty"),
        "again": Gate(sitekey=sitekey_of("again"), answer="gate"),
        "pass": Gate(
            sitekey=sitekey_of("pass"), method="GET", drops_query=True, grants="pass"
        ),
        # What becomes of the token.
        "hangup": Gate(
            sitekey=sitekey_of("hangup"), method="GET", grants="ip", hangs_up=True
        ),
        "apihangup": Api(sitekey=sitekey_of("apihangup"), hangs_up=True),
        "tokenheader": Gate(
            sitekey=sitekey_of("tokenheader"),
            sender="xhr",
            bundled=True,
            token_header="X-Captcha-Token",  # noqa: S106 - the name of a header
            action="/verify",
            status=403,
            check_headers=False,
        ),
        "twoheaders": Api(
            sitekey=sitekey_of("twoheaders"),
            rqdata=True,
            header="X-Captcha-Key",
            ticket_header="X-Captcha-Rqtoken",
        ),
    }
)
"""The gate of each site."""
