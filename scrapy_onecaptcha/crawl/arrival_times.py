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

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.engine import Engine

__all__ = ["Arrival", "ArrivalTimes"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a response came.

    Attributes:
        seconds: the time, in seconds of the crawl's clock.
        cookies: names and values of what its request would have carried by then.
    """

    seconds: float
    cookies: frozenset[tuple[str, str]]


class ArrivalTimes:
    """Notes when responses came that may be gates.

    Args:
        engine: the crawl's.
        clock: the crawl's.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        # An entry goes with its request, which outlives the reading of its response.
        self._arrivals: WeakKeyDictionary[Request, Arrival] = WeakKeyDictionary()

    def note(self, request: Request) -> None:
        """Note that a response to *request* comes now."""
        self._arrivals[request] = self._now(request)

    def at(self, request: Request) -> Arrival:
        """Return when the last response to *request* came, by default now."""
        return self._arrivals.get(request) or self._now(request)

    def _now(self, request: Request) -> Arrival:
        return Arrival(self._clock.seconds(), self._engine.due_cookies(request))
