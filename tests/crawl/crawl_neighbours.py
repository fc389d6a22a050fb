"""Middlewares as users write them, named in the settings of crawls."""

from __future__ import annotations

import base64
import itertools
import random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy import signals

if TYPE_CHECKING:
    from scrapy import Request, Spider
    from scrapy.crawler import Crawler
    from scrapy.statscollectors import StatsCollector
    from typing_extensions import Self


class RandomUserAgent:
    """Sets another User-Agent on each request, whatever it has."""

    def __init__(self) -> None:
        self._random = random.Random(7)

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        request.headers["User-Agent"] = f"Browser/{self._random.random()}"


class ProxyRotator:
    """Gives the next of ``PROXIES`` to each request, whatever it has."""

    def __init__(self, proxies: list[str]) -> None:
        self._proxies = itertools.cycle(proxies)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler.settings.getlist("PROXIES"))

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        request.meta["proxy"] = next(self._proxies)


class ProxyRotatorByHeader(ProxyRotator):
    """The same, with the credentials in a header."""

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        parts = urlsplit(next(self._proxies))
        request.meta["proxy"] = f"{parts.scheme}://{parts.hostname}:{parts.port}"
        user = f"{parts.username}:{parts.password}".encode()
        credentials = b"Basic " + base64.b64encode(user)
        request.headers["Proxy-Authorization"] = credentials


class Impatient:
    """Waits for a moment only for what is asked for with a clearance."""

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        if b"clearance_" in (request.headers.get("Cookie") or b""):
            request.meta["download_timeout"] = 1


class SlotWatch:
    """An extension that notes in stats what download slots do.

    ``slots/most``: requests in flight at once, at most; ``slots/sent``: that left one
    after the other; ``slots/closest``: seconds between two of them; ``slots/delay``:
    the longest delay of a slot; ``slots/answered``: responses that AutoThrottle is told
    of; ``slots/latency``: the longest of theirs.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._sent = 0.0
        crawler.signals.connect(self.headers_received, signals.headers_received)
        crawler.signals.connect(self.response_downloaded, signals.response_downloaded)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def _slot(self, request: Request) -> Any:
        engine: Any = self._crawler.engine
        return engine.downloader.slots[request.meta["download_slot"]]

    @property
    def _stats(self) -> StatsCollector:
        assert self._crawler.stats is not None
        return self._crawler.stats

    def headers_received(self, request: Request) -> None:
        slot = self._slot(request)
        self._stats.max_value("slots/most", len(slot.transferring))
        if slot.lastseen > self._sent:
            if self._sent:
                self._stats.min_value("slots/closest", slot.lastseen - self._sent)
            self._sent = slot.lastseen
            self._stats.inc_value("slots/sent")

    def response_downloaded(self, request: Request) -> None:
        self._stats.inc_value("slots/answered")
        self._stats.max_value("slots/latency", request.meta["download_latency"])
        self._stats.max_value("slots/delay", self._slot(request).delay)
