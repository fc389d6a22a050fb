"""Sites that try to cost their client more than they may; opened by name.

Each has one trick. The query of a page has its parameters: ``to`` is where its token
should go, ``mb`` the size of the page. A good client pays little, sends its token
nowhere else, ends, and logs what it has met.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.sites import hostile_answers as answers
from scrapy_onecaptcha.sandbox.sites import hostile_pages as pages
from scrapy_onecaptcha.sandbox.sites.hostile_site import Hostile

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HOSTILE"]

HOSTILE: Mapping[str, Hostile] = MappingProxyType(
    {
        "endless": Hostile(tries="a gate behind each gate", page=pages.endless),
        "newkey": Hostile(tries="another sitekey in each gate", page=pages.new_key),
        "badkey": Hostile(tries="a sitekey that is not a UUID", page=pages.bad_key),
        "forgets": Hostile(
            tries="a token accepted, and the gate again for ever",
            page=pages.endless,
            answer=answers.verdict,
        ),
        "fickle": Hostile(
            tries="each second token accepted",
            page=pages.endless,
            answer=answers.now_and_then,
        ),
        "astray": Hostile(tries="a token sent to another place", page=pages.astray),
        "led": Hostile(
            tries="a redirect to another place after the token",
            page=pages.endless,
            answer=answers.led,
        ),
        "refreshing": Hostile(
            tries="a gate that refreshes to another place",
            page=pages.refreshing,
            answer=answers.content,
        ),
        "chain": Hostile(
            tries="redirects without end after the token",
            page=answers.chain,
            answer=answers.hop,
        ),
        "stalls": Hostile(
            tries="no answer to the token", page=pages.endless, answer=answers.stalled
        ),
        "floods": Hostile(
            tries="an answer to the token without end",
            page=pages.endless,
            answer=answers.flooding,
        ),
        "heavy": Hostile(
            tries="megabytes of hidden fields, or of blanks after the gate",
            page=pages.heavy,
            answer=pages.endless,
        ),
        "widgets": Hostile(
            tries="thousands of widgets", page=pages.widgets, answer=answers.content
        ),
        "calls": Hostile(
            tries="calls within calls in a script",
            page=pages.calls,
            answer=answers.content,
        ),
        "rqdata": Hostile(tries="an rqdata of a megabyte", page=pages.rqdata),
        "nested": Hostile(tries="JSON in JSON in JSON", page=pages.nested),
        "cookies": Hostile(tries="cookies that fill each request", page=pages.cookies),
        "odd": Hostile(
            tries="field names with line breaks, unknown charsets",
            page=pages.odd,
            answer=answers.checked,
        ),
        "named": Hostile(
            tries="a callback with the name of something else",
            page=pages.named,
            answer=answers.content,
        ),
        "rotating": Hostile(
            tries="another cookie with each answer",
            page=pages.rotating,
            answer=answers.rotated,
        ),
        "revoking": Hostile(
            tries="a clearance that is granted and revoked at random",
            page=pages.revoking,
            answer=answers.same_page,
        ),
        "wandering": Hostile(
            tries="another gate address at each look",
            page=pages.wandering,
            answer=answers.home,
        ),
        "growing": Hostile(
            tries="a query that grows with each token",
            page=pages.endless,
            answer=answers.growing,
        ),
        "posing": Hostile(tries="an error of the service", page=pages.posing),
    }
)
"""The trick of each site."""
