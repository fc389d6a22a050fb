"""The pages behind the gates."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from scrapy_onecaptcha.sandbox.messages import Reply, html_reply
from scrapy_onecaptcha.sandbox.sites.gate_html import escape, layout

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.messages import Visit

__all__ = ["ROBOTS", "Content", "NumberedPages", "TaggedPages", "not_found"]

ROBOTS = Reply(
    body=b"User-agent: *\nAllow: /\n", content_type="text/plain; charset=utf-8"
)

_NUMBERED = re.compile(r"(?:/[a-z]+)?/page/([0-9]{1,9})")
_INDEX_PAGES = 20
_OK = 200
_PAGE = """<h1 class="content">{kind} {number} of {site}</h1>
<p>The harbour office keeps a record of every vessel that has called here since the
breakwater was built. This is page <b class="number">{number}</b> of that record.</p>
<p>Entries are made by hand at the end of each day and are checked against the log of
the pilots. Where the two differ, the pilots are believed.</p>
<ul><li><a href="/page/{previous}">Earlier</a></li>
<li><a class="next" href="/page/{following}">Later</a></li>
<li><a href="/">All pages</a></li></ul>
<h2>Your request</h2>
<p><code class="method">{method}</code> <code class="uri">{uri}</code></p>
<pre class="body">{body}</pre>
<pre class="user-agent">{user_agent}</pre>
<pre class="accept">{accept}</pre>"""


class Content(Protocol):
    """Ordinary pages, as a function from request to response."""

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""


def not_found() -> Reply:
    """Return the page for a path that a site does not have."""
    body = '<h1>Not found</h1><p>There is no such page. <a href="/">Home</a></p>'
    return html_reply(layout("Not found", body), status=404)


class NumberedPages:
    """``/page/N`` for any N, in sections too, ``/list?page=N``, and an index at ``/``.

    The section of ``/music/page/3`` is ``music``. A page echoes method, URI, body and
    two headers of its request, so that a test can compare it with the original request.

    Args:
        site: its name, which each page shows.
    """

    def __init__(self, site: str) -> None:
        self._site = site

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        if visit.path == "/":
            return self._index()
        if visit.path == "/list":
            named = dict(visit.query).get(b"page", b"1")
            number = int(named) if named.isdigit() else 1
            return self._page(number, visit, kind="List")
        found = _NUMBERED.fullmatch(visit.path)
        return self._page(int(found[1]), visit) if found else not_found()

    def _index(self) -> Reply:
        links = "\n".join(
            f'<li><a href="/page/{number}">Page {number}</a></li>'
            for number in range(1, _INDEX_PAGES + 1)
        )
        title = f"Pages of {self._site}"
        body = f'<h1 class="content">{escape(title)}</h1>\n<ul>\n{links}\n</ul>'
        return html_reply(layout(title, body))

    def _page(self, number: int, visit: Visit, kind: str = "Page") -> Reply:
        body = _PAGE.format(
            kind=kind,
            number=number,
            previous=max(number - 1, 1),
            following=number + 1,
            site=escape(self._site),
            method=escape(visit.method),
            uri=escape(visit.uri),
            body=escape(visit.body.decode("utf-8", "replace")),
            user_agent=escape(visit.user_agent),
            accept=escape(visit.headers.get("accept", "")),
        )
        return html_reply(layout(f"{kind} {number} of {self._site}", body))


class TaggedPages:
    """The same pages with an ETag; ``304 Not Modified`` where the client has them.

    A private cache may store them, but has to ask before it uses them.

    Args:
        site: its name, which each page shows.
    """

    def __init__(self, site: str) -> None:
        self._pages = NumberedPages(site)

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        reply = self._pages.answer(visit)
        if reply.status != _OK:
            return reply
        tag = f'"{hashlib.sha256(visit.uri.encode()).hexdigest()[:16]}"'
        headers = (("ETag", tag), ("Cache-Control", "private, max-age=0"))
        if visit.headers.get("if-none-match") == tag:
            return Reply(status=304, content_type="", headers=headers)
        return replace(reply, headers=(*reply.headers, *headers))
