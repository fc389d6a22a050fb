"""All that the rules of a crawl ask of Scrapy's engine: requests, slots, cookies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.http import Response

from scrapy_onecaptcha import _scrapy
from scrapy_onecaptcha.crawl.cookie_headers import sent_cookies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http.cookies import CookieJar
    from twisted.internet.defer import Deferred

__all__ = ["Engine"]

_T = TypeVar("_T")


class Engine:
    """All that the rules of a crawl ask of Scrapy.

    Args:
        crawler: the crawl.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    # Requests

    def as_scrapy(self, coro: Coroutine[Deferred[Any], Any, _T]) -> Awaitable[_T]:
        """Return what Scrapy's code may await for one of our coroutines."""
        return _scrapy.as_scrapy(coro)

    def download(self, request: Request) -> Deferred[Response]:
        """Download *request*, all downloader middlewares included."""
        return _scrapy.download(self._crawler, request)

    def crawl(self, request: Request) -> None:
        """Schedule *request*, as if the spider had yielded it."""
        _scrapy.crawl(self._crawler, request)

    def robots_check(self, request: Request) -> Deferred[None]:
        """Ask Scrapy's robots.txt middleware about *request*.

        Raises:
            IgnoreRequest: robots.txt forbids it (from the returned Deferred).
        """
        return _scrapy.robots_check(self._crawler, request)

    def is_active(self, request: Request) -> bool:
        """Tell whether *request* is in the downloader, its middlewares included."""
        return request in getattr(self.downloader, "active", ())

    def is_queued(self, request: Request) -> bool:
        """Tell whether *request* waits in its download slot."""
        return any(queued is request for queued, _ in self.queue_of(request))

    def handler(self, scheme: str) -> Any:
        """Return the download handler of *scheme*, if the downloader tells."""
        handlers: Any = getattr(self.downloader, "handlers", None)
        get = getattr(handlers, "_get_handler", None)
        return get(scheme) if get is not None else None

    # The crawl

    @property
    def is_closing(self) -> bool:
        """Whether the crawl is being stopped."""
        return _scrapy.is_closing(self._crawler)

    @property
    def is_paused(self) -> bool:
        """Whether the engine is paused."""
        return _scrapy.is_paused(self._crawler)

    def nudge(self) -> None:
        """Let the engine look at once whether it may send another request."""
        _scrapy.nudge(self._crawler)

    def close_spider(self, reason: str) -> Deferred[None]:
        """Close the spider, as ``CloseSpider`` would."""
        return _scrapy.close_spider(self._crawler, reason)

    @property
    def spider_domains(self) -> Any:
        """The ``allowed_domains`` of the spider, if it has any."""
        return getattr(self._crawler.spider, "allowed_domains", None)

    # Slots

    @property
    def downloader(self) -> Any:
        """The crawl's downloader, which may be of any class."""
        return _scrapy.downloader_of(self._crawler)

    def queue_of(self, request: Request) -> Any:
        """Return the queue of the download slot of *request*."""
        slot = self._slots.get(request.meta.get("download_slot"))
        return getattr(slot, "queue", ())

    def pace(self, request: Request) -> tuple[int, float]:
        """Return concurrency and delay of the download slot of *request*."""
        key = request.meta.get("download_slot") or urlsplit(request.url).hostname or ""
        slot = self._slots.get(key)
        if slot is not None:
            return slot.concurrency, slot.delay
        settings = self._crawler.settings
        own = settings.getdict("DOWNLOAD_SLOTS").get(key, {})
        concurrency = own.get(
            "concurrency", settings.getint("CONCURRENT_REQUESTS_PER_DOMAIN")
        )
        return concurrency, own.get("delay", settings.getfloat("DOWNLOAD_DELAY"))

    @property
    def _slots(self) -> Any:
        return getattr(self.downloader, "slots", {})

    # Cookies

    def cookies(self, request: Request) -> dict[tuple[str, str, str], Any]:
        """Return the cookies of the jar of *request*, by domain, path and name."""
        jar = self.cookie_jar(request)
        return {} if jar is None else {(c.domain, c.path, c.name): c for c in jar}

    def cookie_jar(self, request: Request) -> Any:
        """Return the jar of *request*, or ``None`` where it uses none."""
        jar = self._jar_of(request)
        return None if jar is None else jar.jar

    def has_no_cookies(self, request: Request) -> bool:
        """Tell whether *request*, which is about to leave, carries no cookie at all."""
        if request.cookies or "Cookie" in request.headers:
            return False
        middleware = self._cookies_middleware()
        jar = middleware and middleware.jars.get(request.meta.get("cookiejar"))
        kept = jar._cookies if jar else {}  # noqa: SLF001
        host = urlsplit(request.url).hostname or ""
        labels = host.split(".")
        parents = (".".join(labels[n:]) for n in range(len(labels)))
        domains = (f".{parent}" for parent in parents)
        return not any(kept.get(name) for name in (host, f"{host}.local", *domains))

    def unsent_cookies(self, request: Request) -> frozenset[tuple[str, str]]:
        """Return names and values of what would be sent now, and was not."""
        return self.due_cookies(request) - sent_cookies(request)

    def due_cookies(self, request: Request) -> frozenset[tuple[str, str]]:
        """Return names and values of what *request* would carry if it was sent now."""
        jar = self._jar_of(request)
        if jar is None:
            return sent_cookies(request)
        now = request.replace(cookies={}, headers={})
        jar.add_cookie_header(now)
        return sent_cookies(now)

    def set_cookies(self, request: Request, url: str, cookies: list[str]) -> None:
        """Put what a script of the page at *url* has set into the jar of *request*."""
        jar = self._jar_of(request) if cookies else None
        if jar is not None:
            page = Response(url, headers={"Set-Cookie": cookies})
            jar.extract_cookies(page, request.replace(url=url))

    def drop_cookies(self, request: Request, value: str) -> None:
        """Remove the cookies that hold *value* from the jar of *request*."""
        for place, cookie in self.cookies(request).items():
            if value in (cookie.value or ""):
                self.cookie_jar(request).clear(*place)

    def _jar_of(self, request: Request) -> CookieJar | None:
        """Return Scrapy's jar of *request*, or ``None`` where it uses none."""
        middleware = self._cookies_middleware()
        if middleware is None or request.meta.get("dont_merge_cookies"):
            return None
        return middleware.jars[request.meta.get("cookiejar")]

    def _cookies_middleware(self) -> CookiesMiddleware | None:
        return self._crawler.get_downloader_middleware(CookiesMiddleware)
