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

__all__ = ["GateAddresses", "chain_of", "is_same"]

#: Addresses that are remembered; those are forgotten first that were met first.
MAX_ADDRESSES = 1000


class GateAddresses:
    """Learns which URLs are gate addresses.

    An address that names what was asked for, or whose path says what it is, is certain.
    That two requests were led to a URL and gated there is a mere guess: pages have
    second names, and ``/p/7`` may lead to ``/product?id=7``. It holds until the URL
    shows content to who asks as the spider asked; it never has an order sent twice.
    """

    def __init__(self) -> None:
        self._certain: Recent[str, None] = Recent(MAX_ADDRESSES)
        self._led_from: Recent[str, str] = Recent(MAX_ADDRESSES)
        self._guessed: Recent[str, None] = Recent(MAX_ADDRESSES)
        self._pages: Recent[str, None] = Recent(MAX_ADDRESSES)

    def met(self, asked: Request, gated: str) -> bool:
        """Note a gate at *gated*; tell whether that is a gate address.

        Args:
            asked: what the spider asked for.
            gated: where it was led.
        """
        address, named = _without_query(gated), names(gated, asked.url)
        if address == _without_query(asked.url) and not named:
            return False  # no redirect, or one to the same page
        if self.is_certain(gated):
            return True
        if named or says_so(gated):
            self._certain[address] = None
            return True
        name = self._name(gated)
        if name not in self._led_from:
            self._led_from[name] = asked.url
        elif self._led_from[name] != asked.url:
            self._guessed[name] = None
        return self._led_others(gated, asked.url, asked.method)

    def is_certain(self, url: str) -> bool:
        """Tell whether *url* is a gate address, and cannot be a page."""
        return _without_query(url) in self._certain

    def is_known(self, url: str) -> bool:
        """Tell whether a gate was met at *url*, which is a gate address."""
        name = self._name(url)
        guessed = name in self._guessed and name not in self._pages
        return guessed or self.is_certain(url)

    def led_through(self, chain: Iterable[str]) -> bool:
        """Tell whether *chain* went through a gate address, wherever it ends."""
        return any(map(self.is_known, [*chain][1:]))

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
        if len(urls) < 2 or is_same(asked, urls[-1]):  # noqa: PLR2004
            return False
        if not self._led_from and not self._certain:
            return False  # most crawls, most of the time
        start = _without_query(asked)
        return any(
            _without_query(url) != start
            and (self.is_certain(url) or self._led_others(url, asked, method))
            for url in urls[1:]
        )

    def shows_content(self, chain: Iterable[str]) -> bool:
        """Note that *chain* ends at content, again; tell whether that is a page.

        Then no URL on it is guessed to be a gate address any more. Its path shows
        pages: from now on only the same query tells a gate from them.
        """
        urls = [*chain][1:]
        if any(map(self.is_certain, urls)):
            return False
        for url in urls:
            for name in (_without_query(url), _whole(url)):
                self._pages[name] = None
                self._led_from.pop(name, None)
                self._guessed.pop(name, None)
        return True

    def _led_others(self, url: str, asked: str, method: str) -> bool:
        """Tell whether another request was led to *url* and met a gate there."""
        name = self._name(url)
        # A request that must not be sent twice is not judged by this alone.
        if method != "GET" or name in self._pages:
            return False
        return name in self._guessed or self._led_from.get(name, asked) != asked

    def _name(self, url: str) -> str:
        """Return what *url* goes by: its query is part of it where others are pages."""
        address = _without_query(url)
        return _whole(url) if address in self._pages else address


def chain_of(request: Request) -> list[str]:
    """Return the URLs that *request* was led along, its own at the end."""
    return [*request.meta.get("redirect_urls", ()), request.url]


def is_same(first: str, second: str) -> bool:
    """Tell whether two URLs are the same, their fragments aside."""
    return _whole(first) == _whole(second)


def _without_query(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query="", fragment=""))


def _whole(url: str) -> str:
    return url.partition("#")[0]
