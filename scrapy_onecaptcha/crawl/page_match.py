"""Whether the answer to a submission can be the page that was asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from scrapy.http import HtmlResponse, TextResponse

from scrapy_onecaptcha.crawl.statuses import is_success
from scrapy_onecaptcha.pages.html import has_steps, is_html

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha.pages.steps import Steps

__all__ = ["expected", "is_page", "moves_on", "same_page", "shows_page"]

#: A page with more text than this has more to say than that it moves on.
MAX_NOTICE = 600

_REFRESH = re.compile(
    rb"<meta[^<>]{1,200}http-equiv\s*=\s*[\"']?refresh\b", re.IGNORECASE
)
_MOVES = re.compile(
    rb"\blocation(?:\.href)?\s*=[^=]|\blocation\.(?:replace|assign|reload)\s*\(",
    re.IGNORECASE,
)
# One without an end runs to the end of the page, so that nothing is scanned twice.
_SCRIPT = re.compile(rb"<script\b.*?(?:</script\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(rb"<[^<>]{0,2000}>")


def is_page(
    original: Request, answer: Response, *, redirected: bool, expect: str | None
) -> Steps[bool]:
    """Tell whether *answer* may be delivered in place of a replay of *original*.

    Args:
        original: what the spider asked for.
        answer: what came after the submission, and is no gate.
        redirected: whether a redirect led to it, as after most submissions; else it is
            the site's direct answer, which may be a mere verdict on the token.
        expect: CSS selector of the real content, if the user has named one.
    """
    if not same_page(original.url, answer.url):
        return False
    if not (yield from shows_page(answer, expect)):
        return False
    if expect is not None or redirected:
        return True
    return original.method == "GET" and isinstance(answer, HtmlResponse)


def shows_page(answer: Response, expect: str | None) -> Steps[bool]:
    """Tell whether *answer* shows content, *expect* where the user has named it."""
    if not is_success(answer.status):
        return False
    if not answer.body.strip() or moves_on(answer):
        return False
    return expect is None or (yield from expected(answer, expect))


def moves_on(answer: Response) -> bool:
    """Tell whether *answer* only leads a browser on to another page."""
    if "Refresh" in answer.headers:
        return True
    if not isinstance(answer, HtmlResponse):
        return False
    body = answer.body[: 1 << 20]
    if _REFRESH.search(body):
        return True
    if not _MOVES.search(body):
        return False
    text = _TAG.sub(b" ", _SCRIPT.sub(b" ", body))
    return len(b" ".join(text.split())) <= MAX_NOTICE


def expected(response: Response, selector: str) -> Steps[bool]:
    """Tell whether *response* has what *selector* selects."""
    if not isinstance(response, TextResponse):
        return False
    try:
        if is_html(response) and response.text:
            # Not by Scrapy's selectors: nested elements would take them minutes.
            return (yield from has_steps(response, selector))
        return bool(response.css(selector))
    except (ValueError, LookupError):
        # JSON, which has no elements, or an unknown charset; a bad selector never gets
        # here.
        return False


def same_page(asked: str, got: str) -> bool:
    """Tell whether *got* is *asked*, fragment and added query parameters aside.

    A site may add a pass to the query, and a form that is sent by GET its fields.
    """
    first, second = urlsplit(asked), urlsplit(got)
    if (first.scheme, first.netloc, first.path or "/") != (
        second.scheme,
        second.netloc,
        second.path or "/",
    ):
        return False
    added = parse_qsl(second.query, keep_blank_values=True)
    for pair in parse_qsl(first.query, keep_blank_values=True):
        if pair not in added:
            return False
        added.remove(pair)
    return True
