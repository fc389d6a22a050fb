"""Redirects that the dupefilter drops because they all lead to one gate.

They would end neither in their callback nor in their errback. So what the spider had
asked for is asked for again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha._values import Recent
from scrapy_onecaptcha.crawl import request_meta, requests
from scrapy_onecaptcha.crawl.addresses import chain_of

if TYPE_CHECKING:
    from scrapy import Request

    from scrapy_onecaptcha.crawl.addresses import GateAddresses

__all__ = ["DroppedRedirects"]

#: Dropped requests that are remembered until it is known what their target is. Most are
#: ordinary duplicates; the oldest are forgotten first, so that memory is bounded.
MAX_DROPPED = 1000

#: Gates that are remembered; the least recently met are forgotten first.
MAX_GATES = 1000

#: URLs that are remembered as asked for in this run.
MAX_SEEN = 10_000


class DroppedRedirects:
    """Remembers what was dropped on the way to a URL, until a gate is met there.

    Args:
        addresses: knows which URLs are gate addresses.
    """

    def __init__(self, addresses: GateAddresses) -> None:
        self._addresses = addresses
        self._gates: Recent[str, None] = Recent(MAX_GATES)
        self._dropped: Recent[Request, str] = Recent(MAX_DROPPED)
        self._seen: Recent[int, None] = Recent(MAX_SEEN)
        self._newest: Request | None = None

    def scheduled(self, request: Request) -> None:
        """Note that *request* was handed to the scheduler, which may drop it."""
        name = hash(request.url)
        self._newest = None if name in self._seen else request
        self._seen[name] = None

    def dropped(self, request: Request) -> list[Request]:
        """Note that *request*, a redirect, was dropped.

        Returns:
            What is to be asked for now: what the spider had asked for, if a gate is
            known there; the target itself, if it was last asked for in an earlier run.
        """
        if request.url in self._gates:
            self._gates.move_to_end(request.url)
            return [self._again(request)]
        # A cleared gate address may lead back to the asked URL, which is no duplicate.
        if self._addresses.led_through(chain_of(request)):
            return [self._again(request)]
        if self._newest is request:
            return [request.replace(dont_filter=True)]
        self._dropped[request] = request.url
        return []

    def met(self, request: Request) -> list[Request]:
        """Note that *request* has met a gate.

        Returns:
            What was dropped on its way there, to be asked for again, once.
        """
        if "redirect_urls" not in request.meta:
            return []
        self._gates[request.url] = None
        return self._take(request.url)

    def _take(self, url: str) -> list[Request]:
        dropped = [request for request, led in self._dropped.items() if led == url]
        for request in dropped:
            del self._dropped[request]
        return [self._again(request) for request in dropped]

    def _again(self, request: Request) -> Request:
        """Return what the spider asked for; this time no redirect of it is dropped.

        What is not safe was processed when it was answered by a redirect: only the page
        that it led to is asked for.
        """
        again = requests.original(request)
        if not requests.is_safe(again) and not self._addresses.is_certain(request.url):
            again = request
        meta = {
            name: value
            for name, value in again.meta.items()
            if name != request_meta.KEY
        }
        return again.replace(meta=meta, dont_filter=True)
