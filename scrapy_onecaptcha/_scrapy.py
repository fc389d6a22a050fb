"""Where Scrapy's versions differ, and where its coroutines meet Twisted's.

Inside this package every coroutine awaits Deferreds and nothing else, so that it runs
on any reactor and, in tests, in virtual time. Scrapy's own coroutines await asyncio
futures where asyncio runs, with a reactor of Twisted's or without any. The two kinds
meet only here.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from scrapy import exceptions
from scrapy.core.engine import ExecutionEngine
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.utils import httpobj
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from scrapy.utils.misc import build_from_crawler, load_object
from twisted.internet.defer import Deferred, succeed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
    from scrapy.http import Response

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
