"""Sends what must not grow old ahead of what can wait.

With a delay of 1 s and one request at a time, the last of 1,000 queued requests leaves
after 1,000 s; a token lives for 120. So looks at a page, then submissions, then probes
go to the head of their download slot's queue. Delay and concurrency of the slot hold
for them as for any request.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha import _scrapy
from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.cookie_headers import sent_cookies
from scrapy_onecaptcha.crawl.send_once import SendOnce

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response
    from twisted.internet.defer import Deferred

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.engine import Engine

__all__ = ["FormOutdated", "QueuePriority", "TokenExpired", "is_paid"]

#: The smallest goes first. A token waits for the refetch before its submission.
RANKS = {"look": 0, "refetch": 1, "submission": 1, "replay": 2}
LAST_PAID = RANKS["submission"]
LAST = 3


class TokenExpired(Exception):
    """The token grew too old before its submission could leave; it was not sent."""


class FormOutdated(Exception):
    """A form is not the session's last one any more; its token was not sent."""


@dataclass(frozen=True, slots=True)
class _Conditions:
    """On which a submission may leave: until when, and with which cookies."""

    moment: float
    cookies: frozenset[tuple[str, str]]


class QueuePriority:
    """Reaches into the queues of a crawl's download slots.

    Args:
        engine: the crawl's.
        clock: measures time and wakes up.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._once = SendOnce(engine)
        self._conditions: dict[Request, _Conditions] = {}
        self._kept: dict[Request, type[Exception]] = {}

    def request_reached_downloader(self, request: Request) -> None:
        """Put *request* ahead, if it is one that must not wait; a signal's handler.

        The signal is sent just before the request is queued, and may be sent at once.
        """
        request_meta.reached(request)
        if request_meta.role_of(request) is None:
            return
        reason = self._reason_to_keep(request)
        if reason is not None:  # another middleware has had it meanwhile
            self._kept[request] = reason
            _scrapy.disarm(request)
        else:
            self._clock.callLater(0, self._to_front, request)

    def send_by(
        self,
        request: Request,
        moment: float,
        cookies: frozenset[tuple[str, str]] = frozenset(),
    ) -> Deferred[Response]:
        """Download *request* once, unless it is still queued at *moment* of the clock.

        Args:
            request: a submission.
            moment: in seconds of the clock.
            cookies: names and values without which its form is worth nothing; others
                may set them anew until CookiesMiddleware has seen to *request*.

        Raises:
            FormOutdated: it has come without them (from the returned Deferred).
            TokenExpired: it was, and was withdrawn (from the returned Deferred).
        """
        self._conditions[request] = _Conditions(moment, cookies)
        left = max(0.0, moment - self._clock.seconds())
        alarm = self._clock.callLater(left, self._withdraw, request)
        switch_on = self._once.begin(request)

        def end(result: Any) -> Any:
            switch_on()
            self._conditions.pop(request, None)
            if alarm.active():
                alarm.cancel()
            reason = self._kept.pop(request, None)
            if reason is not None:
                raise reason from None
            return result

        return self._engine.download(request).addBoth(end)

    def _reason_to_keep(self, request: Request) -> type[Exception] | None:
        """Return what keeps *request* from being sent, if anything does."""
        conditions = self._conditions.get(request)
        if conditions is None:
            return None
        if self._clock.seconds() > conditions.moment:
            return TokenExpired
        has_them = conditions.cookies <= sent_cookies(request)
        return None if has_them else FormOutdated

    def _to_front(self, request: Request) -> None:
        queue = self._engine.queue_of(request)
        rank = _rank(request)
        ahead = sum(
            1 for _ in itertools.takewhile(lambda e: _rank(e[0]) <= rank, queue)
        )
        for index, entry in enumerate(queue):
            if entry[0] is request:
                if index > ahead:
                    del queue[index]
                    queue.insert(ahead, entry)
                return

    def _withdraw(self, request: Request) -> None:
        queue = self._engine.queue_of(request)
        for index, (queued, answer) in enumerate(queue):
            if queued is request:
                del queue[index]
                answer.errback(TokenExpired())
                return


def is_paid(request: Request) -> bool:
    """Tell whether a token waits for what *request* brings, or has led to it."""
    return _rank(request) <= LAST_PAID


def _rank(request: Request) -> int:
    return RANKS.get(request_meta.role_of(request) or "", LAST)
