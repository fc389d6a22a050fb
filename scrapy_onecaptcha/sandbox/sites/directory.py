"""A directory of firms: each telephone number needs a captcha of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.forms import parse_urlencoded
from scrapy_onecaptcha.sandbox.messages import Reply, html_reply
from scrapy_onecaptcha.sandbox.sitekeys import sitekey_of
from scrapy_onecaptcha.sandbox.sites.content import not_found
from scrapy_onecaptcha.sandbox.sites.gate_html import escape, layout
from scrapy_onecaptcha.sandbox.sites.plain import API

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.ledger import Ledger
    from scrapy_onecaptcha.sandbox.messages import Visit

__all__ = ["FIRMS", "NUMBERS", "Directory"]

FIRMS = (
    ("Ashdown & Sons, ropes", "3 Vesper Street"),
    ("Bellweather Charts", "The Old Mill"),
    ("Corvin, sailmaker", "12 Harrow Lane"),
    ("Fairbairn Ferries", "Pier 2"),
    ("Lisle & Grünwald, paints", "40 Harrow Lane"),
)
"""Names and addresses."""

NUMBERS = sitekey_of("directory-numbers")
"""The sitekey of the captcha for a number; the gate's is another."""

_FIRM = re.compile(r"/firm/([1-9][0-9]?)")
_ASK = f"""<form method="post">
<div class="h-captcha" data-sitekey="{NUMBERS}"></div>
<button>Continue</button>
</form>"""


class Directory:
    """The list of all firms at ``/``, and ``/firm/1`` to ``5``.

    Args:
        site: name of the site.
        ledger: knows the tokens.
    """

    def __init__(self, site: str, ledger: Ledger) -> None:
        self._site = site
        self._ledger = ledger

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        if visit.path == "/":
            return _list()
        found = _FIRM.fullmatch(visit.path)
        if found is None or int(found[1]) > len(FIRMS):
            return not_found()
        number = int(found[1])
        return _firm(number, shows=visit.method == "POST" and self._is_human(visit))

    def _is_human(self, visit: Visit) -> bool:
        token = dict(parse_urlencoded(visit.body)).get(b"h-captcha-response", b"")
        verdict = self._ledger.verify(
            token.decode("latin-1"), sitekey=NUMBERS, user_agent=visit.user_agent
        )
        if not verdict.success:
            self._ledger.reject(self._site, verdict.reason)
        return verdict.success


def _list() -> Reply:
    rows = "\n".join(
        f'<li><a class="firm" href="/firm/{number}">{escape(name)}</a></li>'
        for number, (name, _) in enumerate(FIRMS, 1)
    )
    title = "Firms of the harbour"
    return html_reply(layout(title, f"<h1>{title}</h1>\n<ul>\n{rows}\n</ul>"))


def _firm(number: int, *, shows: bool) -> Reply:
    name, address = FIRMS[number - 1]
    phone = f'<p class="phone">0{number}00 555 01{number}</p>' if shows else _ASK
    body = f"""<h1 class="name">{escape(name)}</h1>
<p class="address">{escape(address)}</p>
<h2>Telephone</h2>
{phone}
<p><a href="/">All firms</a></p>"""
    return html_reply(layout(name, body, head="" if shows else API))
