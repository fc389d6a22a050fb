"""Pages that other components of Scrapy work on: what users crawl besides plain pages.

A sitemap, files, a login, redirects, errors that pass.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.messages import Reply, html_reply, redirect_reply
from scrapy_onecaptcha.sandbox.sites.gate_html import layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.sandbox.messages import Visit
    from scrapy_onecaptcha.sandbox.sites.content import Content

__all__ = ["ERRORS", "PDF", "Extras"]

#: How often ``/flaky/N`` fails before it shows its page.
ERRORS = 2
PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256)) * 8
_SITEMAP = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>"""
_LOGIN = """<form method="post" action="/login"><input type="hidden" name="nonce"
value="n-1"><input name="user"><input type="password" name="password">
<button>Log in</button></form>"""


class Extras:
    """Content that the sandbox has not; all other paths lead to *rest*.

    Args:
        site: its name.
        rest: the site's other pages.
    """

    def __init__(self, site: str, rest: Content) -> None:
        self._site = site
        self._rest = rest
        self._asked: Counter[str] = Counter()

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        self._asked[visit.path] += 1
        kind, _, what = visit.path.lstrip("/").partition("/")
        pages: dict[str, Callable[[Visit, str], Reply]] = {
            "sitemap.xml": self._sitemap,
            "files": self._file,
            "login": self._login,
            "account": self._account,
            "moved": self._moved,
            "refreshed": self._refreshed,
            "flaky": self._flaky,
            "stalling": self._stalling,
        }
        return pages.get(kind, self._other)(visit, what)

    def _other(self, visit: Visit, what: str) -> Reply:
        return self._rest.answer(visit)

    def _page(self, title: str, body: str = "", head: str = "") -> Reply:
        text = f'<h1 class="content">{title} of {self._site}</h1>{body}'
        return html_reply(layout(title, text, head=head))

    def _sitemap(self, visit: Visit, what: str) -> Reply:
        urls = "".join(
            f"<url><loc>{visit.origin}/page/{number}</loc></url>"
            for number in range(1, 4)
        )
        body = _SITEMAP.format(urls=urls).encode()
        return Reply(body=body, content_type="application/xml")

    def _file(self, visit: Visit, what: str) -> Reply:
        return Reply(body=PDF + what.encode(), content_type="application/pdf")

    def _login(self, visit: Visit, what: str) -> Reply:
        if visit.method != "POST":
            return self._page("Login", _LOGIN)
        if visit.body != b"nonce=n-1&user=ann&password=secret":
            return self._page("Wrong login", _LOGIN)
        cookie = ("Set-Cookie", f"user_{self._site}=ann; Path=/")
        return Reply(status=302, headers=(("Location", "/account"), cookie))

    def _account(self, visit: Visit, what: str) -> Reply:
        if visit.cookies.get(f"user_{self._site}") != "ann":
            return redirect_reply("/login")
        return self._page("Account")

    def _moved(self, visit: Visit, what: str) -> Reply:
        return redirect_reply(f"/page/{what}")

    def _refreshed(self, visit: Visit, what: str) -> Reply:
        url = f"/page/{what}"
        head = f'<meta http-equiv="refresh" content="0; url={url}">'
        return self._page("Moved", head=head)

    def _flaky(self, visit: Visit, what: str) -> Reply:
        page = self._page(f"Flaky {what}")
        if self._asked[visit.path] > ERRORS:
            return page
        return html_reply(layout("Busy", "<h1>Busy</h1>"), status=503)

    def _stalling(self, visit: Visit, what: str) -> Reply:
        return Reply(manner="stall")
