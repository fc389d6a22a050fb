"""Gate addresses: URLs that exist only to show a gate, and are no page of the site.

A site that leads to ``/captcha?next=…`` remembers in its own way which page to go on
to, if at all. So the page is asked for at the URL that the spider asked for, and what
the address shows to a visitor who was cleared meanwhile is nobody's page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from scrapy_onecaptcha._values import Recent
from scrapy_onecaptcha.pages.gate_urls import names, says_so

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scrapy import Request

__all__ = ["GateAddresses", "chain_of"]

#: Addresses that are remembered; those are forgotten first that were met first.
MAX_ADDRESSES = 1000


class GateAddresses:
    """Learns which URLs are gate addresses."""

    def __init__(self) -> None:
        self._led_from: Recent[str, str] = Recent(MAX_ADDRESSES)
        self._known: Recent[str, None] = Recent(MAX_ADDRESSES)

    def met(self, asked: Request, gated: str) -> bool:
        """Note a gate at *gated*; tell whether that is a gate address.

        Args:
            asked: what the spider asked for.
            gated: where it was led.
        """
        bare = _bare(gated)
        if bare == _bare(asked.url) and not names(gated, asked.url):
            return False  # no redirect, or one to the same page
        if bare in self._known:
            return True
        if bare not in self._led_from:
            self._led_from[bare] = asked.url
        if (
            names(gated, asked.url)
            or says_so(gated)
            or self._led_others(bare, asked.url, asked.method)
        ):
            self._known[bare] = None
            return True
        return False

    def is_known(self, url: str) -> bool:
        """Tell whether a gate was met at *url*, which is a gate address."""
        return _bare(url) in self._known

    def led_through(self, chain: Iterable[str]) -> bool:
        """Tell whether *chain* went through a gate address, wherever it ends."""
        return any(_bare(url) in self._known for url in [*chain][1:])

    def strayed(self, asked: str, chain: Iterable[str], method: str = "GET") -> bool:
        """Tell whether *chain*, which *asked* has led along, ends at nobody's page.

        It does where it went through a gate address, and not back to where it began. A
        URL at which another request was led into a gate counts as one as well.

        Args:
            asked: what the spider asked for.
            chain: where that has led, itself at the beginning.
            method: of what the spider asked for.
        """
        urls = list(chain)
        if not self._led_from or len(urls) < 2 or _same(asked, urls[-1]):  # noqa: PLR2004
            return False
        start = _bare(asked)
        return any(
            bare != start
            and (bare in self._known or self._led_others(bare, asked, method))
            for bare in map(_bare, urls[1:])
        )

    def _led_others(self, bare: str, asked: str, method: str) -> bool:
        """Tell whether another request was led to *bare* and met a gate there."""
        # A request that must not be sent twice is not judged by this alone.
        return method == "GET" and self._led_from.get(bare, asked) != asked


def chain_of(request: Request) -> list[str]:
    """Return the URLs that *request* was led along, its own at the end."""
    return [*request.meta.get("redirect_urls", ()), request.url]


def _bare(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query="", fragment=""))


def _same(first: str, second: str) -> bool:
    return first.partition("#")[0] == second.partition("#")[0]
