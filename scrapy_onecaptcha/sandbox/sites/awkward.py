"""Sites whose pages alone do not tell how to pass them; opened by name.

Each needs a hint of the crawl: a selector of the content, which of its captchas is the
gate, or how its token is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.sitekeys import sitekey_of
from scrapy_onecaptcha.sandbox.sites.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AWKWARD"]

AWKWARD: Mapping[str, Gate] = {
    # Its gate looks like its other pages.
    "magazine": Gate(
        sitekey=sitekey_of("magazine"), heading="The reading room", dressed=True
    ),
    # Each page looks like a gate: it shows a telephone number for a captcha only.
    "directory": Gate(
        sitekey=sitekey_of("directory"), status=403, action="/check", own_forms=True
    ),
    # The script that sends the token is a file of its own.
    "bundle": Gate(
        sitekey=sitekey_of("bundle"),
        sender="xhr",
        bundled=True,
        status=403,
        action="/check",
        answer="word",
        check_headers=False,
    ),
}
"""The gate of each site."""
