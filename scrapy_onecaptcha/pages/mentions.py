"""Whether a response is worth parsing, judged by its bytes.

A parse takes a hundred times as long as a search, and many sites name hCaptcha on each
page, in the configuration that their scripts read.
"""

from __future__ import annotations

import re

__all__ = ["first_mention", "may_hold_widget"]

# Places that name hCaptcha and are looked at. A page with more of them is parsed.
MAX_MENTIONS = 64

_BEFORE = (b"h", b"h-")
# What makes a name more than configuration: it loads the script, or calls it.
_IN_USE = re.compile(rb"captcha(?:\.com|\s*\??\.\s*(?:render|execute|setData|get))")
_SCRIPT, _END = b"<script", b"</script"


def first_mention(body: bytes) -> int:
    """Return where *body* says "captcha" first, or -1 where it does not."""
    # From its end a page without the word, which most are, is searched in two thirds of
    # the time or less: what is looked for then is a c, which is rarer than an a.
    if body.rfind(b"captcha") < 0:
        return -1
    return body.find(b"captcha")


def may_hold_widget(body: bytes, mention: int) -> bool:
    """Tell whether a page of *body* may hold an hCaptcha.

    The word is in the script's address and in the container's class alike. What only
    scripts say, without a use of it, is configuration.

    Args:
        body: of the page.
        mention: the first one in it, which a caller looks for as well: each search of
            a large page counts, because most pages are only searched.
    """
    if b"/secure-api.js" in body:
        return True
    at = mention
    for _ in range(MAX_MENTIONS):
        if at < 0:
            return False
        if body[max(0, at - 2) : at].endswith(_BEFORE) and not _is_configuration(
            body, at
        ):
            return True
        at = body.find(b"captcha", at + 1)
    return True


def _is_configuration(body: bytes, at: int) -> bool:
    """Tell whether the name at *at* is in an inline script, and of no use there."""
    if _IN_USE.match(body, at):
        return False
    start = body.rfind(_SCRIPT, 0, at)
    if start < 0 or body.find(_END, start, at) >= 0:
        return False
    # In the tag itself it is an address, an id or a class; behind the end of a comment
    # the script is none.
    opened = body.find(b">", start, at)
    return opened >= 0 and body.find(b"-->", start, at) < 0
