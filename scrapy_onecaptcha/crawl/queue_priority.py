"""Sends what must not grow old ahead of what can wait.

With a delay of 1 s and one request at a time, the last of 1,000 queued requests leaves
after 1,000 s; a token lives for 120. A submission, and the refetch of the gate before
it, therefore go to the head of their download slot's queue. Delay and concurrency of
the slot hold for them as for any request.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha import _scrapy
from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.site import TokenExpired

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from twisted.internet.defer import Deferred

    from scrapy_onecaptcha._twisted import Clock

__all__ = ["Rush"]


URGENT = ("submission", "refetch")


class Rush:
    """Reaches into the queues of a crawl's download slots.

    Args:
        crawler: the crawl.
        clock: measures time and wakes up.
    """

    def __init__(self, crawler: Crawler, clock: Clock) -> None:
        self._crawler = crawler
        self._clock = clock
        self._moments: dict[Request, float] = {}

    def request_reached_downloader(self, request: Request) -> None:
        """Put *request* ahead, if it is one that must not wait; a signal's handler.

        The signal is sent just before the request is queued.
        """
        if request_meta.role_of(request) in URGENT:
            self._clock.callLater(0, self._to_front, request)

    def send_by(self, request: Request, moment: float) -> Deferred[Response]:
        """Download *request*, unless it is still queued at *moment* of the clock.

        Raises:
            TokenExpired: it was, and was withdrawn (from the returned Deferred).
        """
        self._moments[request] = moment
        left = max(0.0, moment - self._clock.seconds())
        alarm = self._clock.callLater(left, self._withdraw, request)

        def silence(result: Any) -> Any:
            self._moments.pop(request, None)
            if alarm.active():
                alarm.cancel()
            return result

        return _scrapy.download(self._crawler, request).addBoth(silence)

    def _to_front(self, request: Request) -> None:
        if self._clock.seconds() > self._moments.get(request, math.inf):
            self._withdraw(request)  # another middleware has kept it for too long
            return
        queue = self._queue(request)
        ahead = sum(1 for _ in itertools.takewhile(_is_urgent, queue))
        for place, (queued, _) in enumerate(queue):
            if queued is request and place > ahead:
                entry = queue[place]
                del queue[place]
                queue.insert(ahead, entry)
                return

    def _withdraw(self, request: Request) -> None:
        queue = self._queue(request)
        for place, (queued, answer) in enumerate(queue):
            if queued is request:
                del queue[place]
                answer.errback(TokenExpired())
                return

    def _queue(self, request: Request) -> Any:
        downloader: Any = _scrapy.downloader_of(self._crawler)
        key = request.meta.get("download_slot")
        slot = getattr(downloader, "slots", {}).get(key)
        return getattr(slot, "queue", ())


def _is_urgent(entry: tuple[Request, object]) -> bool:
    return request_meta.role_of(entry[0]) in URGENT
