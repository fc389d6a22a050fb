"""Makes the client of the service and the clock of a crawl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha import _scrapy
from scrapy_onecaptcha._twisted import LoopClock
from scrapy_onecaptcha.service.client import Client
from scrapy_onecaptcha.service.http_scrapy import handled

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.settings import Config

__all__ = ["reach", "running_clock"]


def reach(crawler: Crawler, config: Config) -> tuple[Client, Clock]:
    """Return a client of the service and a clock: by the reactor, or by asyncio's loop.

    Scrapy can do without a reactor; treq cannot.
    """
    key, url, timeout = config.api_key, config.api_url, config.api_timeout
    clock = running_clock()
    if not _scrapy.has_reactor():
        http, hang_up = handled(crawler, timeout)
        client = Client(
            key, url, http=http, clock=clock, timeout=timeout, hang_up=hang_up
        )
        return client, clock
    return Client.over_network(key, url, reactor=clock, timeout=timeout), clock


def running_clock() -> Any:
    """Return the reactor, or a clock by asyncio's loop where there is no reactor."""
    if not _scrapy.has_reactor():
        return LoopClock()
    from twisted.internet import reactor  # noqa: PLC0415  (installs one if early)

    return reactor
