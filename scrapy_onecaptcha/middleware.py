"""Scrapy's hooks and signals; what they mean is said in `scrapy_onecaptcha.crawl`."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

from scrapy import signals

from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.coordinator import Coordinator
from scrapy_onecaptcha.crawl.engine import Engine
from scrapy_onecaptcha.crawl.store import open_for
from scrapy_onecaptcha.scripts.pool import ScriptPool
from scrapy_onecaptcha.service.transport import reach
from scrapy_onecaptcha.settings import Config

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scrapy import Request, Spider
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from typing_extensions import Self

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.store import CrawlStore
    from scrapy_onecaptcha.models import Solution
    from scrapy_onecaptcha.report.snapshot import Snapshot
    from scrapy_onecaptcha.scripts.pool import Pool
    from scrapy_onecaptcha.service.client import Client

__all__ = ["OneCaptchaMiddleware"]


class OneCaptchaMiddleware:
    """Passes hCaptcha gates, so that callbacks get the page they asked for.

    Add it to ``DOWNLOADER_MIDDLEWARES`` at 585: below the middlewares that decompress,
    redirect and keep cookies, above those that retry and set the User-Agent.

    Args:
        crawler: the crawl.
        config: the settings.
        client: speaks to the service.
        clock: measures time and wakes up.
        random: returns a number from 0 to 1.
        engine: what is asked of Scrapy; by default the crawler's.
        scripts: runs the scripts of pages; by default a child process.
        store: shared with other processes and runs, if any.
    """

    def __init__(
        self,
        crawler: Crawler,
        config: Config,
        client: Client,
        clock: Clock,
        random: Callable[[], float] = random.random,
        engine: Engine | None = None,
        scripts: Pool | None = None,
        store: CrawlStore | None = None,
    ) -> None:
        self._client = client
        self._engine = engine or Engine(crawler)
        self._crawl = Coordinator(
            crawler,
            config,
            client,
            clock,
            random,
            self._engine,
            scripts or ScriptPool(),
            store,
        )

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Set the middleware up for *crawler*.

        Raises:
            NotConfigured: there is no key, or the middleware is switched off.
            ValueError: a setting is bad; the message says which and why.
        """
        config = Config.from_settings(crawler.settings)
        client, clock = reach(crawler, config)
        store = open_for(config, crawler.settings, clock, random.random)
        middleware = cls(crawler, config, client, clock, store=store)
        connect = crawler.signals.connect
        for handler, signal in (
            (middleware.spider_opened, signals.spider_opened),
            (middleware.spider_closed, signals.spider_closed),
            (middleware.response_received, signals.response_received),
            (middleware.request_scheduled, signals.request_scheduled),
            (middleware.request_dropped, signals.request_dropped),
        ):
            connect(handler, signal)
        middleware._crawl.sessions.when_gated(partial(middleware._watch, connect))
        return middleware

    def _watch(self, connect: Callable[..., object]) -> None:
        """Listen to the downloader, from the first gate on: before, nothing waits."""
        for handler, signal in (
            (self.request_reached_downloader, signals.request_reached_downloader),
            (self.request_left_downloader, signals.request_left_downloader),
            (self.response_downloaded, signals.response_downloaded),
        ):
            connect(handler, signal)

    # Signals

    def spider_opened(self) -> None:
        """Log what the crawl may solve and spend."""
        self._crawl.started()

    async def spider_closed(self) -> None:
        """Log the summary, and close the connections to the service."""
        await self._engine.as_scrapy(self._crawl.closed())
        await self._engine.as_scrapy(self._client.close())

    def request_scheduled(self, request: Request) -> None:
        """Note it, to tell which requests the dupefilter knows from earlier runs."""
        self._crawl.dropped_redirects.scheduled(request)

    def request_dropped(self, request: Request) -> None:
        """Ask again for what the dupefilter has dropped on its way to a gate."""
        self._crawl.dropped(request)

    def request_reached_downloader(self, request: Request) -> None:
        """Send what must not wait ahead of what can."""
        self._crawl.queues.request_reached_downloader(request)

    def request_left_downloader(self, request: Request) -> None:
        """Let the next request go if the answer to this one never comes here."""
        self._crawl.departures.left_downloader(request)

    def response_downloaded(self, request: Request, response: Response) -> None:
        """Look at *response* before CookiesMiddleware does."""
        self._crawl.arrivals.downloaded(request, response)

    def response_received(self, request: Request) -> None:
        """Clear ``meta`` before the callback sees it: no middleware comes after."""
        if request_meta.role_of(request) is None:
            request_meta.forget(request)

    # Hooks

    def process_request(
        self,
        request: Request,
        spider: Spider | None = None,  # noqa: ARG002  (passed up to Scrapy 2.13)
    ) -> Awaitable[Request | None] | None:
        """Note which clearance *request* carries, and bind it to its User-Agent.

        It waits unsent if it could only meet a gate that is already being solved.
        """
        return self._crawl.departures.leave(request)

    def process_response(
        self,
        request: Request,
        response: Response,
        spider: Spider | None = None,  # noqa: ARG002  (passed up to Scrapy 2.13)
    ) -> Awaitable[Response | Request] | Response:
        """Take a gated *request* to its page; leave everything else untouched."""
        return self._crawl.arrivals.arrive(request, response)

    def process_exception(
        self,
        request: Request,
        exception: Exception,  # noqa: ARG002  (Scrapy's signature)
        spider: Spider | None = None,  # noqa: ARG002  (passed up to Scrapy 2.13)
    ) -> None:
        """Clear ``meta`` for the errback."""
        self._crawl.arrivals.fail(request)

    async def solve(self, response: Response) -> Solution:
        """Solve the widget of *response*, and return its token.

        For a callback that submits a form of its own, for example a search form. The
        caller has to look whether the site accepts the token.

        Raises:
            UnsolvableGate: there is no widget, or none that a token can be got for.
            OneCaptchaError: the rules forbid it, or the service gave no token.
            ValueError: *response* belongs to no request.
        """
        return await self._engine.as_scrapy(self._crawl.solve(response))

    def snapshot(self) -> Snapshot:
        """Return the state of the crawl as plain values; no secret is in it."""
        return self._crawl.snapshot()
