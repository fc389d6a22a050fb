"""Is the answer to a submission the page that was asked for?"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from scrapy.http import HtmlResponse, TextResponse

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

__all__ = ["expected", "is_page", "same_page"]


def is_page(
    original: Request, answer: Response, *, redirected: bool, expect: str | None
) -> bool:
    """Tell whether *answer* may be delivered in place of a replay of *original*.

    Args:
        original: what the spider asked for.
        answer: what came after the submission, and is no gate.
        redirected: whether a redirect led to it, as after most submissions; else it is
            the site's direct answer, which may be a mere verdict on the token.
        expect: CSS selector of the real content; where the user gave one, it decides.
    """
    if original.method != "GET":
        return False  # what its body asked for is answered by a replay only
    if expect is not None:
        return expected(answer, expect)
    if not 200 <= answer.status < 300 or answer.status == 204:  # noqa: PLR2004
        return False
    return same_page(original.url, answer.url) and (
        redirected or isinstance(answer, HtmlResponse)
    )


def expected(response: Response, selector: str) -> bool:
    """Tell whether *response* has what *selector* selects."""
    if not isinstance(response, TextResponse):
        return False
    try:
        return bool(response.css(selector))
    except (ValueError, LookupError):
        # JSON, which has no elements, or a charset that is none; a bad selector never
        # gets here.
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
