"""Runs a crawl as `crawl_runner` does, and writes down all that can be shown of it.

To the file that ``CRAWL_SHOWN`` names: the objects of the package that are alive (their
``repr``, ``str`` and ``vars``), and each error as reporters of crashes have it, the
locals of all frames included. Every logger says all that it has to say. Each page and
each error becomes an item, for the feed.
"""

from __future__ import annotations

import copy
import gc
import io
import logging
import os
import pickle
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawl_runner import PlanSpider, main
from scrapy import Request, signals
from scrapy.exceptions import IgnoreRequest
from scrapy.http import HtmlResponse

from scrapy_onecaptcha._redact import Secret
from scrapy_onecaptcha.crawl.queue_priority import QueuePriority
from scrapy_onecaptcha.crawl.site import SiteClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy import Spider
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from twisted.python.failure import Failure
    from typing_extensions import Self

    from scrapy_onecaptcha.crawl.gate import Outcome

SHOWN = Path(os.environ["CRAWL_SHOWN"])

#: They hold requests on their way, whose repr is Scrapy's own.
HOLD_REQUESTS = (QueuePriority,)


def show(what: str, text: str) -> None:
    """Write down *text*."""
    with SHOWN.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"\n=== {what}\n{text}\n")


def show_objects() -> None:
    """Show all objects of the package's own classes that are alive."""
    for found in gc.get_objects():
        kind = type(found)
        if str(kind.__module__).startswith("scrapy_onecaptcha"):
            values = [repr(found)]
            if kind is not Secret:  # whose text is the secret
                values.append(str(found))
            if kind not in HOLD_REQUESTS:
                values.append(repr(getattr(found, "__dict__", None)))
            show(kind.__qualname__, "\n".join(values))


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield *error* and all that hangs on it, suppressed or not."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        found = waiting.pop()
        if found is not None and found not in seen:
            seen.append(found)
            waiting += [found.__cause__, found.__context__]
            yield found


def show_error(failure: Failure) -> None:
    """Show an error in every way in which errors are reported."""
    value: Any = failure.value
    for detail in ("default", "brief", "verbose"):
        show(f"Failure, {detail}", failure.getTraceback(detail=detail))
    for found in chain(value):
        told = traceback.TracebackException.from_exception(found, capture_locals=True)
        show("TracebackException", "".join(told.format()))
        frames = [frame for frame, _ in traceback.walk_tb(found.__traceback__)]
        show("frames", "\n".join(repr(frame.f_locals) for frame in frames))
        show("error", f"{found!r}\n{found}\n{found.args!r}\n{vars(found)!r}")
    try:
        failure.raiseException()
    except BaseException:  # noqa: BLE001  (shown)
        show("format_exc", traceback.format_exc())
    kept = copy.copy(value)
    response = getattr(kept, "response", None)
    if response is not None:  # its request has callbacks, which no pickle takes
        kept.response = response.replace(request=None)
        show("response", _told_of(response))
    buffer = io.BytesIO()
    pickle.dump(kept, buffer)
    show("pickle", repr(buffer.getvalue()))


def _told_of(response: Response) -> str:
    request: Any = response.request
    return f"{response!r} {response.url} {response.headers!r} {request.url}"


def _of(request: Request, spider: Spider | None = None) -> dict[str, Any]:
    return {
        "request": repr(request),
        "url": request.url,
        "meta": repr(request.meta),
        "headers": repr(request.headers),
        "body": repr(request.body),
        "pickle": repr(request.to_dict(spider=spider)),
        "flags": repr(request.flags),
    }


class Dropper:
    """Drops submissions of requests with ``drop`` in meta, and tells their URL."""

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        if request.meta.get("drop") and "P1_" in f"{request.url} {request.body!r}":
            raise IgnoreRequest(f"Dropped {request.url}")


def astray(request: Request, response: Response, challenge: Any, solution: Any) -> Any:
    """Send a token, in a URL, where none may go."""
    return Request(f"http://127.0.0.2:1/?token={solution.token}")


def show_outcomes() -> None:
    """Show what was read of each page: it is gone before a look comes by chance."""
    read = SiteClient.read

    async def shown(site: SiteClient, request: Request, response: Response) -> Outcome:
        outcome = await read(site, request, response)
        show(type(outcome).__qualname__, f"{outcome!r}\n{outcome}")
        return outcome

    SiteClient.read = shown  # type: ignore[assignment,method-assign]


class ShowingSpider(PlanSpider):
    """Shows what it is given."""

    looks = 0

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        spider = super().from_crawler(crawler, *args, **kwargs)
        for name in list(logging.root.manager.loggerDict):
            logging.getLogger(name).setLevel(logging.DEBUG)
        for signal in (signals.request_reached_downloader, signals.spider_closed):
            crawler.signals.connect(spider.look, signal)
        return spider

    def look(self) -> None:
        """Show what is alive, now and then: there is much of it."""
        self.looks += 1
        if self.looks % 25 == 0:
            show_objects()

    def came(
        self, callback: str, response: Response, cb_kwargs: dict[str, Any]
    ) -> Iterator[Any]:
        self.look()
        page = HtmlResponse(response.url, body=response.body, request=response.request)
        yield from super().came(callback, page, cb_kwargs)
        item = _of(response.request, self)  # type: ignore[arg-type]
        yield {"response": _told_of(response), "flags": response.flags, **item}

    def failed(self, failure: Failure) -> Iterator[Any]:  # type: ignore[override]
        self.look()
        show_error(failure)
        super().failed(failure)
        yield {"error": repr(failure), **_of(failure.request, self)}  # type: ignore[attr-defined]


if __name__ == "__main__":
    show_outcomes()
    sys.exit(main(ShowingSpider))
