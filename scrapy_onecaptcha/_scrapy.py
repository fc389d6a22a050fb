"""Where Scrapy's versions differ, and where its coroutines meet Twisted's.

Inside this package every coroutine awaits Deferreds and nothing else, so that it runs
on any reactor and, in tests, in virtual time. Scrapy's own coroutines await asyncio
futures where asyncio runs, with a reactor of Twisted's or without any. The two kinds
meet only here.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from scrapy import exceptions
from scrapy.core.engine import ExecutionEngine
from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.http import Response
from scrapy.utils import httpobj
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from scrapy.utils.misc import build_from_crawler, load_object
from twisted.internet.defer import Deferred, succeed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware

_T = TypeVar("_T")

#: ``ExecutionEngine.download`` is deprecated in favour of it since Scrapy 2.14.
HAS_DOWNLOAD_ASYNC = hasattr(ExecutionEngine, "download_async")

#: Component methods may require a ``spider`` argument up to Scrapy 2.13.
NEEDS_SPIDER = (
    inspect.signature(RobotsTxtMiddleware.process_request).parameters["spider"].default
    is inspect.Parameter.empty
)


def _errors(*names: str) -> tuple[type[Exception], ...]:
    """Return those of Scrapy's errors that this version has."""
    return tuple(
        getattr(exceptions, name) for name in names if hasattr(exceptions, name)
    )


#: What download handlers raise where there was no connection; since Scrapy 2.15.
NEVER_CONNECTED = _errors("CannotResolveHostError", "DownloadConnectionRefusedError")

#: What they raise where a reply is too large; since Scrapy 2.15.
CANCELLED = _errors("DownloadCancelledError")


def has_reactor() -> bool:
    """Tell whether this process has a reactor; Scrapy can do without since 2.15."""
    try:
        from scrapy.utils.reactorless import is_reactorless  # noqa: PLC0415
    except ImportError:
        return True
    return not is_reactorless()


def make_handler(path: Any, crawler: Crawler) -> Any:
    """Return a download handler of the class at *path*, made for *crawler*."""
    return build_from_crawler(load_object(path), crawler)


def download_by(handler: Any, request: Request) -> Deferred[Response]:
    """Download *request* by *handler* alone."""
    return deferred_from_coro(handler.download_request(request))


def close_handler(handler: Any) -> Deferred[None]:
    """Close the connections of *handler*."""
    return deferred_from_coro(handler.close())


def as_scrapy(coro: Coroutine[Deferred[Any], Any, _T]) -> Awaitable[_T]:
    """Return what Scrapy's code may await for one of our coroutines."""
    return maybe_deferred_to_future(Deferred.fromCoroutine(coro))


def download(crawler: Crawler, request: Request) -> Deferred[Response]:
    """Download *request* as the engine does, all downloader middlewares included."""
    engine: Any = crawler.engine
    if HAS_DOWNLOAD_ASYNC:
        return deferred_from_coro(engine.download_async(request))
    return cast("Deferred[Response]", engine.download(request))


def robots_check(crawler: Crawler, request: Request) -> Deferred[None]:
    """Ask Scrapy's robots.txt middleware about *request*, where the crawl has one.

    Raises:
        IgnoreRequest: robots.txt forbids it (from the returned Deferred).
    """
    robots = crawler.get_downloader_middleware(RobotsTxtMiddleware)
    if robots is None:
        return succeed(None)
    return deferred_from_coro(_ask_robots(robots, crawler, request))


async def _ask_robots(
    robots: RobotsTxtMiddleware, crawler: Crawler, request: Request
) -> None:
    keywords: dict[str, Any] = {}
    if NEEDS_SPIDER:
        keywords["spider"] = crawler.spider
    verdict: Any = robots.process_request(request, **keywords)
    if isinstance(verdict, Deferred):
        verdict = maybe_deferred_to_future(verdict)
    if verdict is not None:
        await verdict


def downloader_of(crawler: Crawler) -> Any:
    """Return the crawl's downloader, which may be of any class."""
    engine: Any = crawler.engine
    return engine.downloader


def drop_body(response: Response, keep: int = 0) -> None:
    """Free the body of a response but for the first *keep* bytes, which may be read.

    Scrapy's own frames hold the response for as long as a middleware waits, so that
    letting go of it frees nothing.
    """
    response._set_body(response.body[:keep])  # noqa: SLF001
    for cached in ("_cached_selector", "_cached_ubody"):
        if hasattr(response, cached):
            setattr(response, cached, None)


def become(request: Request, original: Request) -> None:
    """Turn *request* into *original*, of which it is a redirect.

    An errback's ``failure.request`` is the very object that the engine has downloaded:
    no middleware can put another one in its place.
    """
    request._set_url(original.url)  # noqa: SLF001
    request._set_body(original.body)  # noqa: SLF001
    request.method = original.method
    request.headers = original.headers
    request.priority = original.priority
    request.meta.clear()
    request.meta.update(original.meta)
    httpobj._urlparse_cache.pop(request, None)  # noqa: SLF001


def decompress(
    middleware: HttpCompressionMiddleware, request: Request, response: Response
) -> Response:
    """Return *response* as HttpCompressionMiddleware leaves it."""
    keywords: dict[str, Any] = {"spider": None} if NEEDS_SPIDER else {}
    return cast(
        "Response",
        middleware.process_response(request=request, response=response, **keywords),
    )


def is_closing(crawler: Crawler) -> bool:
    """Tell whether the crawl is being stopped.

    Scrapy sends no signal while a middleware still waits, so that those who wait have
    to look.
    """
    engine: Any = crawler.engine
    slot = _slot(engine)
    return not engine.running or slot is None or bool(slot.closing)


def is_paused(crawler: Crawler) -> bool:
    """Tell whether the engine is paused (``engine.pause()``, the telnet console)."""
    engine: Any = crawler.engine
    return bool(engine.paused)


def nudge(crawler: Crawler) -> None:
    """Let the engine look at once whether it may send another request.

    Its own heartbeat is 5 s.
    """
    slot = _slot(crawler.engine)
    if slot is not None:
        slot.nextcall.schedule()


def _slot(engine: Any) -> Any:
    return getattr(engine, "_slot", None) or getattr(engine, "slot", None)


def crawl(crawler: Crawler, request: Request) -> None:
    """Schedule *request*, as if the spider had yielded it."""
    engine: Any = crawler.engine
    engine.crawl(request)


def close_spider(crawler: Crawler, reason: str) -> Deferred[None]:
    """Close the spider, as ``CloseSpider`` would."""
    engine: Any = crawler.engine
    if hasattr(engine, "close_spider_async"):
        return deferred_from_coro(engine.close_spider_async(reason=reason))
    return cast("Deferred[None]", engine.close_spider(crawler.spider, reason))


#: The scheme of a request that must not leave any more: no handler takes it.
_DISARMED = "onecaptcha-expired://"


def disarm(request: Request) -> None:
    """Have *request*, which is about to be queued, fail in place of being sent.

    No signal can withdraw it, and the downloader may send it in the same turn.
    """
    request._set_url(f"{_DISARMED}token")  # noqa: SLF001
    request._set_body(b"")  # noqa: SLF001
    request.headers.clear()
    httpobj._urlparse_cache.pop(request, None)  # noqa: SLF001


def set_url(request: Request, url: str) -> None:
    """Have *request* ask for *url*: the engine goes on with this very object."""
    request._set_url(url)  # noqa: SLF001
    httpobj._urlparse_cache.pop(request, None)  # noqa: SLF001


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
        return as_scrapy(coro)

    def download(self, request: Request) -> Deferred[Response]:
        """Download *request*, all downloader middlewares included."""
        return download(self._crawler, request)

    def crawl(self, request: Request) -> None:
        """Schedule *request*, as if the spider had yielded it."""
        crawl(self._crawler, request)

    def robots_check(self, request: Request) -> Deferred[None]:
        """Ask Scrapy's robots.txt middleware about *request*.

        Raises:
            IgnoreRequest: robots.txt forbids it (from the returned Deferred).
        """
        return robots_check(self._crawler, request)

    def is_active(self, request: Request) -> bool:
        """Tell whether *request* is in the downloader, its middlewares included."""
        return request in getattr(self.downloader, "active", ())

    def is_queued(self, request: Request) -> bool:
        """Tell whether *request* waits in its download slot."""
        return any(queued is request for queued, _ in self.queue_of(request))

    # The crawl

    @property
    def is_closing(self) -> bool:
        """Whether the crawl is being stopped."""
        return is_closing(self._crawler)

    @property
    def is_paused(self) -> bool:
        """Whether the engine is paused."""
        return is_paused(self._crawler)

    def nudge(self) -> None:
        """Let the engine look at once whether it may send another request."""
        nudge(self._crawler)

    def close_spider(self, reason: str) -> Deferred[None]:
        """Close the spider, as ``CloseSpider`` would."""
        return close_spider(self._crawler, reason)

    @property
    def spider_domains(self) -> Any:
        """The ``allowed_domains`` of the spider, if it has any."""
        return getattr(self._crawler.spider, "allowed_domains", None)

    # Slots

    @property
    def downloader(self) -> Any:
        """The crawl's downloader, which may be of any class."""
        return downloader_of(self._crawler)

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
        middleware = self._cookies_middleware()
        if middleware is None or request.meta.get("dont_merge_cookies"):
            return None
        return middleware.jars[request.meta.get("cookiejar")].jar

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
        middleware = self._cookies_middleware()
        if middleware is None or request.meta.get("dont_merge_cookies"):
            return sent_cookies(request)
        now = request.replace(cookies={}, headers={})
        middleware.jars[request.meta.get("cookiejar")].add_cookie_header(now)
        return sent_cookies(now)

    def set_cookies(self, request: Request, url: str, cookies: list[str]) -> None:
        """Put what a script of the page at *url* has set into the jar of *request*."""
        middleware = self._cookies_middleware()
        if not cookies or middleware is None:
            return
        if not request.meta.get("dont_merge_cookies"):
            page = Response(url, headers={"Set-Cookie": cookies})
            jar = middleware.jars[request.meta.get("cookiejar")]
            jar.extract_cookies(page, request.replace(url=url))

    def drop_cookies(self, request: Request, value: str) -> None:
        """Remove the cookies that hold *value* from the jar of *request*."""
        for (domain, path, name), cookie in self.cookies(request).items():
            if value in (cookie.value or ""):
                middleware = self._cookies_middleware()
                assert middleware is not None  # noqa: S101  (else there are none)
                jar = middleware.jars[request.meta.get("cookiejar")]
                jar.jar.clear(domain, path, name)

    def _cookies_middleware(self) -> CookiesMiddleware | None:
        return self._crawler.get_downloader_middleware(CookiesMiddleware)

    def handler(self, scheme: str) -> Any:
        """Return the download handler of *scheme*, if the downloader tells."""
        handlers: Any = getattr(self.downloader, "handlers", None)
        get = getattr(handlers, "_get_handler", None)
        return get(scheme) if get is not None else None


def sent_cookies(request: Request) -> frozenset[tuple[str, str]]:
    """Return names and values of the cookies that *request* was sent with."""
    header = request.headers.get("Cookie") or b""
    pairs = (part.partition("=") for part in header.decode("latin-1").split("; "))
    return frozenset((name, value) for name, _, value in pairs if name)
