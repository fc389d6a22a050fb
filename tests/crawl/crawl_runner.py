"""Runs one crawl as a plan says, and writes down what becomes of each request.

Called by `crawl_harness.crawl` with the path of the plan, which is JSON::

    {"requests": […], "settings": {…}, "rotate": false, "events": "path",
     "deprecated": false, "allowed_domains": […]}

One line of JSON is written for each event: ``page`` (a callback was called), ``error``
(an errback), ``sent`` (a request left for the network), ``closed`` (places of the
downloader), ``failed`` (the crawl did not start) and, at the end, ``stats`` and
``usage`` (peak of memory in KiB, seconds of CPU).
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scrapy.downloadermiddlewares.cookies as scrapy_cookies
import tldextract
from scrapy import Request, Spider, signals
from scrapy.crawler import CrawlerProcess
from scrapy.exceptions import ScrapyDeprecationWarning
from scrapy.http import JsonResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from twisted.python.failure import Failure
    from typing_extensions import Self

_TOKEN = re.compile(r"P1_[A-Za-z0-9_.%=-]{50,}")
_RUN: dict[str, Any] = {}


def tell(kind: str, **values: Any) -> None:
    """Write one event."""
    _RUN["events"].write(json.dumps({"kind": kind, **values}, default=repr) + "\n")
    _RUN["events"].flush()


class Rotator:
    """Sets another User-Agent on each request, as such middlewares do."""

    def __init__(self) -> None:
        self._count = 0

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        self._count += 1
        request.headers["User-Agent"] = f"Rotated/{self._count}.0"


class Observer:
    """Tells of each request that leaves for the network."""

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        tell(
            "sent",
            url=_TOKEN.sub("TOKEN", request.url),
            method=request.method,
            token=bool(_TOKEN.search(f"{request.url} {request.body!r}")),
            user_agent=(request.headers.get("User-Agent") or b"").decode(),
            number=request.cb_kwargs.get("number"),
        )


class PlanSpider(Spider):
    """Asks for what the plan says."""

    name = "plan"
    allowed_domains: list[str] | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        spider = super().from_crawler(crawler, *args, **kwargs)
        spider.allowed_domains = _RUN["plan"]["allowed_domains"]
        crawler.signals.connect(spider.told_closed, signals.spider_closed)
        return spider

    async def start(self) -> AsyncIterator[Any]:
        for number, wanted in enumerate(_RUN["plan"]["requests"]):
            if wanted.get("after") is None:
                yield self.request(number, wanted)

    def request(self, number: int, wanted: dict[str, Any]) -> Request:
        return Request(
            wanted["url"],
            method=wanted.get("method", "GET"),
            body=wanted.get("body", ""),
            headers=wanted.get("headers"),
            cookies=wanted.get("cookies"),
            meta=wanted.get("meta"),
            priority=wanted.get("priority", 0),
            dont_filter=wanted.get("dont_filter", False),
            cb_kwargs={"number": number, **wanted.get("cb_kwargs", {})},
            callback=getattr(self, wanted.get("callback", "parse")),
            errback=self.failed if wanted.get("errback", True) else None,
        )

    def parse(self, response: Response, **cb_kwargs: Any) -> Iterator[Request]:
        return self.came("parse", response, cb_kwargs)

    def other(self, response: Response, **cb_kwargs: Any) -> Iterator[Request]:
        return self.came("other", response, cb_kwargs)

    def came(
        self, callback: str, response: Response, cb_kwargs: dict[str, Any]
    ) -> Iterator[Request]:
        tell("page", callback=callback, cb_kwargs=cb_kwargs, **_of_response(response))
        yield from self.after(cb_kwargs["number"])

    def after(self, ended: int) -> list[Request]:
        """Return what is asked for when the request of that number has ended."""
        return [
            self.request(number, wanted)
            for number, wanted in enumerate(_RUN["plan"]["requests"])
            if wanted.get("after") == ended
        ]

    def failed(self, failure: Failure) -> list[Request]:
        error: Any = failure.value
        request: Any = failure.request  # type: ignore[attr-defined]
        response = getattr(error, "response", None)
        challenge = getattr(error, "challenge", None)
        tell(
            "error",
            number=request.cb_kwargs["number"],
            **_of_request(request),
            error=type(error).__name__,
            message=str(error),
            code=getattr(error, "code", None),
            reason=getattr(error, "reason", None),
            gate=None if response is None else response.url,
            gate_request=getattr(getattr(response, "request", None), "url", None),
            sitekey=getattr(challenge, "sitekey", None),
        )
        return self.after(request.cb_kwargs["number"])

    def told_closed(self, reason: str) -> None:
        engine: Any = self.crawler.engine
        tell("closed", reason=reason, places=engine.downloader.total_concurrency)


def _of_response(response: Response) -> dict[str, Any]:
    request = response.request
    assert request is not None

    def text(css: str) -> str | None:
        if isinstance(response, JsonResponse):
            return response.text if css == "pre.body" else None
        found = response.css(f"{css}::text").get()
        return None if found is None else str(found)

    return {
        "number": request.cb_kwargs["number"],
        "url": response.url,
        "status": response.status,
        "flags": response.flags,
        "h1": text("h1"),
        "echo": {
            name: text(css)
            for name, css in {
                "method": "code.method",
                "uri": "code.uri",
                "body": "pre.body",
                "user_agent": "pre.user-agent",
                "accept": "pre.accept",
            }.items()
        },
        **_of_request(request),
    }


def _of_request(request: Request) -> dict[str, Any]:
    return {
        "request_url": request.url,
        "request_method": request.method,
        "request_body": request.body.decode(),
        "request_cb_kwargs": request.cb_kwargs,
        "priority": request.priority,
        "dont_filter": request.dont_filter,
        # Of what should not be there any more the name will do.
        "meta": request.meta | {key: "" for key in request.meta if key[0] == "_"},
    }


def make_process(settings: dict[str, Any]) -> Any:
    """Return what runs a crawl with *settings*."""
    if settings.get("TWISTED_REACTOR_ENABLED", True):
        return CrawlerProcess(settings)
    from scrapy.crawler import AsyncCrawlerProcess  # since Scrapy 2.14

    return AsyncCrawlerProcess(settings)


def main(spider: type[PlanSpider] = PlanSpider) -> int:
    """Run the plan; return the exit status."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    if not plan["deprecated"]:
        warnings.filterwarnings("error", category=ScrapyDeprecationWarning)
    # The list of public suffixes would be fetched at the first cookie.
    scrapy_cookies._split_domain = tldextract.TLDExtract(  # type: ignore[attr-defined,unused-ignore]
        suffix_list_urls=(), cache_dir=None
    )
    settings = plan["settings"]
    settings["DOWNLOADER_MIDDLEWARES"][Observer] = 990
    if plan["rotate"]:
        settings["DOWNLOADER_MIDDLEWARES"][Rotator] = 400
    with Path(plan["events"]).open("w") as events:
        _RUN.update(plan=plan, events=events)
        process = make_process(settings)
        crawler = process.create_crawler(spider)
        crawl: Any = process.crawl(crawler)
        status: list[int] = []

        def ended(outcome: Any) -> None:
            error = outcome.exception() if crawl is outcome else outcome.value
            if error is not None:
                status.append(1)
                tell("failed", error=type(error).__name__, message=str(error))

        if isinstance(crawl, asyncio.Future):
            crawl.add_done_callback(ended)
        else:
            crawl.addErrback(ended)
        process.start()
        if crawler.stats is not None:
            tell("stats", stats=crawler.stats.get_stats())
        usage = resource.getrusage(resource.RUSAGE_SELF)
        tell("usage", peak=usage.ru_maxrss, cpu=usage.ru_utime + usage.ru_stime)
    return max(status, default=0)


if __name__ == "__main__":
    sys.exit(main())
