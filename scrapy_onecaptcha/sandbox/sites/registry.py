"""The sites that come with the sandbox, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.sitekeys import sitekey_of
from scrapy_onecaptcha.sandbox.sites.api import Api, ApiSite
from scrapy_onecaptcha.sandbox.sites.bookshop import Bookshop
from scrapy_onecaptcha.sandbox.sites.content import Content, NumberedPages
from scrapy_onecaptcha.sandbox.sites.directory import Directory
from scrapy_onecaptcha.sandbox.sites.gate import CHALLENGE_PATH, Gate
from scrapy_onecaptcha.sandbox.sites.gated_site import GatedSite, OpenSite
from scrapy_onecaptcha.sandbox.sites.hostile import Hostile, HostileSite
from scrapy_onecaptcha.sandbox.sites.plain import PlainPages

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from scrapy_onecaptcha.sandbox.ledger import Ledger

__all__ = ["GATES", "STATES", "build_site", "sitekey_of"]

STATES: Mapping[str, str] = {
    "utf-8": " R&D &amp; \"naïve\" 'café' — 検証\n ",
    "iso-8859-1": " R&D &amp; \"naïve\" 'café'\n ",
    "gbk": " R&D &amp; \"验证\" '中文'\n ",
}
"""Values for `Gate.state` in which each careless step of a client shows."""


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
"""The gate of each site; ``None``: it has none."""


def build_site(
    name: str,
    gate: Gate | Api | Hostile | None,
    *,
    ledger: Ledger,
    clock: Callable[[], float],
    rng: random.Random,
) -> GatedSite | ApiSite | HostileSite | OpenSite:
    """Put a site together: content by its name, numbered pages where that says nothing.

    Args:
        name: of the site.
        gate: that stands before it, if any; an API, and a hostile one, are sites of
            their own.
        ledger: shared with the service.
        clock: returns the time in seconds.
        rng: what one-time values are drawn from.
    """
    if isinstance(gate, Api):
        return ApiSite(name, gate, ledger=ledger, clock=clock, rng=rng)
    if isinstance(gate, Hostile):
        return HostileSite(name, gate, ledger=ledger)
    content = _content(name, ledger)
    if gate is None:
        return OpenSite(name, content, ledger=ledger)
    return GatedSite(name, gate, content, ledger=ledger, clock=clock, rng=rng)


def _content(name: str, ledger: Ledger) -> Content:
    if name == "bookshop":
        return Bookshop()
    if name == "plain":
        return PlainPages(name, sitekey_of(name))
    if name == "directory":
        return Directory(name, ledger)
    return NumberedPages(name)
