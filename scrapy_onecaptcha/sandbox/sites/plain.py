"""A site without a gate, whose pages mention or embed an hCaptcha."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.messages import Reply, html_reply
from scrapy_onecaptcha.sandbox.sites.content import NumberedPages
from scrapy_onecaptcha.sandbox.sites.gate_html import escape, layout

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.messages import Visit

__all__ = ["API", "PlainPages"]

API = '<script src="https://js.hcaptcha.com/1/api.js" async defer></script>\n'
_BIG = re.compile(r"/big/[0-9]{1,9}")
_BIG_SIZE = 100_000
_ARTICLE = """<p>The widget is one element. Put this where the check should appear, and
load <code>https://js.hcaptcha.com/1/api.js</code> at the end of the page:</p>
<pre><code>{sample}</code></pre>
<p>Your server then has the field <code>h-captcha-response</code> verified.</p>"""
_SAMPLE = """<form method="post">
  <div class="h-captcha" data-sitekey="{sitekey}"></div>
  <script src="https://js.hcaptcha.com/1/api.js" async defer></script>
</form>"""


class PlainPages:
    """Numbered pages, ``/big/N`` of 100 KB, and those of `odd_pages`.

    Args:
        site: name of the site.
        sitekey: sitekey of its widgets.
    """

    def __init__(self, site: str, sitekey: str) -> None:
        self._pages = NumberedPages(site)
        self._odd = odd_pages(sitekey)

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        if visit.path in self._odd:
            return self._odd[visit.path]
        if _BIG.fullmatch(visit.path):
            return _big_page(visit.path)
        return self._pages.answer(visit)


def odd_pages(sitekey: str) -> dict[str, Reply]:
    """Return pages by path; a client must not take them for a gate."""
    widget = f'<div class="h-captcha" data-sitekey="{sitekey}"></div>'
    config = f'{{"locale": "en", "hcaptchaSiteKey": "{sitekey}", "beta": false}}'
    return {
        "/contact": _form("Write to us", _CONTACT + widget),
        "/login": _form("Log in", _LOGIN + widget),
        "/newsletter": _form("Our newsletter", _NEWSLETTER + widget),
        "/blog": _page(
            "How to add hCaptcha to a form",
            _ARTICLE.format(sample=escape(_SAMPLE.format(sitekey=sitekey))),
        ),
        "/comment": _page(
            "Opening hours",
            f"<p>From nine to five.</p>\n<!-- {widget}\n{API} -->",
        ),
        "/noscript": _page(
            "Getting here",
            f"<p>By ferry, twice a day.</p>\n<noscript>{widget}</noscript>",
        ),
        "/config": _page(
            "Prices",
            "<p>Ten pence a visit.</p>",
            f'<script type="application/json" id="config">{config}</script>\n',
        ),
        "/forbidden": html_reply(
            layout("Forbidden", "<h1>Forbidden</h1><p>This is not for you.</p>"),
            status=403,
        ),
    }


_CONTACT = """<label>Your name <input type="text" name="name" required></label>
<label>E-mail <input type="email" name="email" required></label>
<label>Message <textarea name="message" required></textarea></label>
"""
_LOGIN = """<label>User <input type="text" name="user"></label>
<label>Password <input type="password" name="password"></label>
"""
_NEWSLETTER = """<label>E-mail <input type="email" name="email"></label>
"""


def _page(title: str, body: str, head: str = "") -> Reply:
    text = (
        f'<h1 class="content">{escape(title)}</h1>\n{body}\n<p><a href="/">Home</a></p>'
    )
    return html_reply(layout(title, text, head=head))


def _form(title: str, fields: str) -> Reply:
    form = f'<form method="post">\n{fields}\n<button>Send</button>\n</form>'
    return _page(title, form, API)


def _big_page(path: str) -> Reply:
    line = (
        f"<p>{escape(path)}: a line of an ordinary page, of which there are many.</p>\n"
    )
    text = line * (_BIG_SIZE // len(line))
    return _page(f"Big page {path.rpartition('/')[2]}", text)
