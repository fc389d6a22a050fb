"""Sites that cannot be told by what their pages show; opened by name.

Each needs a word from whoever crawls it: what its pages have, which of its captchas is
the gate, or how its token is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.sitekeys import sitekey_of
from scrapy_onecaptcha.sandbox.sites.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AWKWARD"]

AWKWARD: Mapping[str, Gate] = {
    # Its gate looks like any of its pages.
    "magazine": Gate(
        sitekey=sitekey_of("magazine"), heading="The reading room", dressed=True
    ),
    # Each of its pages looks like a gate: it shows a telephone number to people only.
    "directory": Gate(
        sitekey=sitekey_of("directory"), status=403, action="/check", own_forms=True
    ),
    # How its gate sends a token stands in a file that the page loads.
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
