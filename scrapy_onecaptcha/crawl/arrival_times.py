"""When responses came, which is before they are read.

Of a large page the HTML is read in turns with the rest of the crawl, and scripts take
longer still. Meanwhile another response may set the cookie that its form belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.sessions import Sessions

__all__ = ["Arrival", "ArrivalTimes"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a response came.

    Attributes:
        seconds: the time, in seconds of the crawl's clock.
        cookies_set: the number of the last response that had set cookies by then.
    """

    seconds: float
    cookies_set: int


class ArrivalTimes:
    """Notes when responses came, and numbers those that set cookies.

    Args:
        sessions: of the crawl.
        clock: the crawl's.
    """

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._cookies_set = 0
        # An entry goes with its request, which outlives the reading of its response.
        self._arrivals: WeakKeyDictionary[Request, Arrival] = WeakKeyDictionary()

    def note(self, request: Request, response: Response) -> None:
        """Note that *response* to *request* comes now.

        What comes for a session that is not open concerns no gate.
        """
        session = self._sessions.of(request)
        if session is None:
            return
        if "Set-Cookie" in response.headers:
            self._cookies_set += 1
            session.cookies_set = self._cookies_set
        self._arrivals[request] = self._now()

    def at(self, request: Request) -> Arrival:
        """Return when the last response to *request* came, by default now."""
        return self._arrivals.get(request) or self._now()

    def _now(self) -> Arrival:
        return Arrival(self._clock.seconds(), self._cookies_set)
