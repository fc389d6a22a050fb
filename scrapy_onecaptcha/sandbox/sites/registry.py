"""The sites that come with the sandbox by name, and how a site is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.sitekeys import sitekey_of
from scrapy_onecaptcha.sandbox.sites.api import Api, ApiSite
from scrapy_onecaptcha.sandbox.sites.awkward import AWKWARD
from scrapy_onecaptcha.sandbox.sites.behaviours import BEHAVIOURS
from scrapy_onecaptcha.sandbox.sites.bookshop import Bookshop
from scrapy_onecaptcha.sandbox.sites.bot_manager import BotManager, BotManagerSite
from scrapy_onecaptcha.sandbox.sites.content import Content, NumberedPages, TaggedPages
from scrapy_onecaptcha.sandbox.sites.context import SiteContext
from scrapy_onecaptcha.sandbox.sites.directory import Directory
from scrapy_onecaptcha.sandbox.sites.gate import CHALLENGE_PATH, Gate
from scrapy_onecaptcha.sandbox.sites.gated_site import GatedSite
from scrapy_onecaptcha.sandbox.sites.hostile import HOSTILE
from scrapy_onecaptcha.sandbox.sites.hostile_site import Hostile, HostileSite
from scrapy_onecaptcha.sandbox.sites.open_site import OpenSite
from scrapy_onecaptcha.sandbox.sites.orders import Orders
from scrapy_onecaptcha.sandbox.sites.plain import PlainPages
from scrapy_onecaptcha.sandbox.sites.products import PRODUCTS

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from scrapy_onecaptcha.sandbox.ledger import Ledger

__all__ = [
    "BY_NAME",
    "GATES",
    "SITES",
    "STATES",
    "AnySite",
    "Kind",
    "build_site",
    "sitekey_of",
]

Kind = Gate | Api | BotManager | Hostile | None
"""The description of a site; ``None``: it has no gate."""

AnySite = GatedSite | ApiSite | BotManagerSite | HostileSite | OpenSite
"""A site, as a function from request to response."""

STATES: Mapping[str, str] = {
    "utf-8": " R&D &amp; \"naïve\" 'café' — 検証\n ",
    "iso-8859-1": " R&D &amp; \"naïve\" 'café'\n ",
    "gbk": " R&D &amp; \"验证\" '中文'\n ",
}
"""Values for `Gate.state` that a careless client would change."""


GATES: Mapping[str, Gate | None] = {
    "bookshop": Gate(
        sitekey=sitekey_of("bookshop"),
        csrf=True,
        state=STATES["utf-8"],
    ),
    "bouncer": Gate(sitekey=sitekey_of("bouncer"), grants="ip"),
    "antibot": Gate(
        sitekey=sitekey_of("antibot"),
        widget="explicit",
        entered="redirect",
        action=CHALLENGE_PATH,
        csrf=True,
    ),
    "wall": Gate(
        sitekey=sitekey_of("wall"),
        method="GET",
        status=503,
        bound=True,
        grants="nothing",
    ),
    "button": Gate(
        sitekey=sitekey_of("button"),
        widget="button",
        enctype="multipart/form-data",
        state=STATES["utf-8"],
        honeypot=True,
        redirect_status=303,
    ),
    "enterprise": Gate(
        sitekey=sitekey_of("enterprise"), widget="invisible", rqdata=True, status=403
    ),
    "asker": Gate(sitekey=sitekey_of("asker"), answer="json", action="/verify"),
    "silent": Gate(sitekey=sitekey_of("silent"), answer="204", status=429),
    "thanks": Gate(
        sitekey=sitekey_of("thanks"),
        answer="thanks",
        action="/verify",
        needs_resp_key=True,
        honeypot=True,
    ),
    "direct": Gate(sitekey=sitekey_of("direct"), answer="content", grants="nothing"),
    "gbk": Gate(
        sitekey=sitekey_of("gbk"), charset="gbk", state=STATES["gbk"], csrf=True
    ),
    "hidden": Gate(
        sitekey=sitekey_of("hidden"),
        widget="explicit",
        token_field="token",  # noqa: S106 - the name of a field
        entered="redirect",
        action=CHALLENGE_PATH,
    ),
    "plain": None,
}
"""The gate of each site; ``None``: the site has no gate."""

BY_NAME: Mapping[str, Kind] = {**PRODUCTS, **AWKWARD, **BEHAVIOURS, **HOSTILE}
"""Further sites, which are opened only if they are named."""

SITES: Mapping[str, Kind] = {**GATES, **BY_NAME}
"""All sites of the sandbox."""


def build_site(
    name: str,
    kind: Kind,
    *,
    ledger: Ledger,
    clock: Callable[[], float],
    rng: random.Random,
) -> AnySite:
    """Make the site that *kind* describes.

    Args:
        name: name of the site; some names have content of their own, all others have
            numbered pages.
        kind: describes the site.
        ledger: shared with the service.
        clock: returns the time in seconds.
        rng: one-time values are drawn from it.
    """
    context = SiteContext(name=name, ledger=ledger, clock=clock, rng=rng)
    if isinstance(kind, Api):
        return ApiSite(context, kind)
    if isinstance(kind, Hostile):
        return HostileSite(name, kind, ledger=ledger)
    if isinstance(kind, BotManager):
        return BotManagerSite(context, kind)
    content = _content(name, ledger)
    if kind is None:
        return OpenSite(name, content, ledger=ledger)
    return GatedSite(context, kind, content)


def _content(name: str, ledger: Ledger) -> Content:
    by_name: dict[str, Callable[[], Content]] = {
        "bookshop": Bookshop,
        "plain": lambda: PlainPages(name, sitekey_of(name)),
        "directory": lambda: Directory(name, ledger),
        "orders": lambda: Orders(name, ledger),
        "etag": lambda: TaggedPages(name),
    }
    return by_name.get(name, lambda: NumberedPages(name))()
