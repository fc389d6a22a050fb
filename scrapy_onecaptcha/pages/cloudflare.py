"""The challenge page that Cloudflare served from 2020 to 2022, by its markers.

It is an hCaptcha without a sitekey in the page: a script brings it in. Sites gave it a
design of their own, so that neither its words nor its looks are the same.
"""

from __future__ import annotations

import re

__all__ = ["marker_of"]

_MARKERS = (
    # The kind of captcha: "h" is hCaptcha, "re" was Google's.
    re.compile(
        rb"<input[^<>]{0,200}name=[\"']?cf_captcha_kind[\"']?[^<>]{0,100}"
        rb"value=[\"']?h[\"'\s/>]"
    ),
    re.compile(rb"<i(?:frame|mg)[^<>]{0,200}/captcha/nojs/h/"),
    re.compile(rb"/cdn-cgi/challenge-platform/h/\w{1,10}/orchestrate/captcha/"),
)
_FORM = re.compile(rb"<form[^<>]{0,300}(?:id|class)=[\"']?challenge-form\b")
_WORDS = (b"cf_captcha_kind", b"captcha/nojs/h", b"orchestrate/captcha")


def marker_of(body: bytes) -> str | None:
    """Return the marker that *body* has, if it is such a page.

    The page is the form and a marker: what only writes about them has no such form.
    """
    if b"challenge-form" not in body or not any(word in body for word in _WORDS):
        return None
    if not _FORM.search(body):
        return None
    pairs = zip(_MARKERS, _WORDS, strict=True)
    return next((word.decode() for marker, word in pairs if marker.search(body)), None)
