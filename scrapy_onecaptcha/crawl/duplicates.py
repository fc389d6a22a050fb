"""Requests that the dupefilter drops because a redirect led them all to one gate."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from scrapy_onecaptcha.crawl import request_meta, requests

if TYPE_CHECKING:
    from scrapy import Request

__all__ = ["Detours"]

#: Dropped requests that are remembered until it is known what stands at their target.
#: Most are ordinary duplicates; the oldest are forgotten first, so that memory is
#: bounded.
MAX_DROPPED = 1000

#: Gates that are remembered; those are forgotten first that were not met for longest.
MAX_GATES = 1000


class Detours:
    """Remembers what was dropped on the way to a URL, until a gate is met there."""

    def __init__(self) -> None:
        self._gates: OrderedDict[str, None] = OrderedDict()
        self._dropped: OrderedDict[Request, str] = OrderedDict()

    def dropped(self, request: Request) -> list[Request]:
        """Note that *request*, a redirect, was dropped.

        Returns:
            What is to be asked for now, if a gate is known to stand there.
        """
        self._dropped[request] = request.url
        if len(self._dropped) > MAX_DROPPED:
            self._dropped.popitem(last=False)
        if request.url not in self._gates:
            return []
        self._gates.move_to_end(request.url)
        return self._take(request.url)

    def met(self, request: Request) -> list[Request]:
        """Note that *request* has met a gate.

        Returns:
            What was dropped on its way there, to be asked for again, once.
        """
        if "redirect_urls" not in request.meta:
            return []
        self._gates[request.url] = None
        self._gates.move_to_end(request.url)
        if len(self._gates) > MAX_GATES:
            self._gates.popitem(last=False)
        return self._take(request.url)

    def _take(self, url: str) -> list[Request]:
        dropped = [request for request, led in self._dropped.items() if led == url]
        for request in dropped:
            del self._dropped[request]
        return [_again(request) for request in dropped]


def _again(request: Request) -> Request:
    """Return what the spider asked for; this time no redirect of it is dropped."""
    again = requests.original(request)
    meta = {
        name: value for name, value in again.meta.items() if name != request_meta.KEY
    }
    return again.replace(meta=meta, dont_filter=True)
