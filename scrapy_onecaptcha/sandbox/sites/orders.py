"""A shop whose orders and links must not be repeated: each counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.messages import Reply, html_reply, redirect_reply
from scrapy_onecaptcha.sandbox.sites.content import NumberedPages
from scrapy_onecaptcha.sandbox.sites.gate_html import layout

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.ledger import Ledger
    from scrapy_onecaptcha.sandbox.messages import Visit

__all__ = ["Orders"]

_THANKS = re.compile(r"/thanks/([0-9]{1,9})")
_LINK = re.compile(r"/go/([0-9]{1,9})")


class Orders:
    """``POST /order``, ``/thanks/N`` and ``/go/N``; numbered pages besides.

    An order is answered by ``303`` to ``/thanks/N``. A link ``/go/N`` leads to
    ``/page/N`` once, and is ``410 Gone`` afterwards. ``ledger.counts`` has the number
    of ``orders``, of ``links`` and of ``links gone``.

    Args:
        site: its name, which each page shows.
        ledger: counts orders and links.
    """

    def __init__(self, site: str, ledger: Ledger) -> None:
        self._site = site
        self._ledger = ledger
        self._pages = NumberedPages(site)
        self._used: set[str] = set()
        self._orders = 0

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        if visit.path == "/order":
            return self._order(visit)
        if _LINK.fullmatch(visit.path):
            return self._link(visit.path)
        if found := _THANKS.fullmatch(visit.path):
            return self._page(f"Thanks for order {found[1]}")
        return self._pages.answer(visit)

    def _order(self, visit: Visit) -> Reply:
        if visit.method != "POST":
            return self._page("Method not allowed", status=405)
        self._orders += 1
        self._ledger.count(self._site, "orders")
        return redirect_reply(f"/thanks/{self._orders}", status=303)

    def _link(self, path: str) -> Reply:
        if path in self._used:
            self._ledger.count(self._site, "links gone")
            return self._page("This link has been used", status=410)
        self._used.add(path)
        self._ledger.count(self._site, "links")
        return redirect_reply(f"/page/{path.rpartition('/')[2]}")

    def _page(self, title: str, *, status: int = 200) -> Reply:
        body = f'<h1 class="content">{title}</h1>\n<p><a href="/">All pages</a></p>'
        return html_reply(layout(f"{title} - {self._site}", body), status=status)
