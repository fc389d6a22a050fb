"""The crawls of a benchmark, one after the other in a process of their own.

Reads its plans as JSON from the standard input and writes what became of them as JSON
to the standard output. It counts and notes; its reader makes figures of that.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scrapy.downloadermiddlewares.cookies as scrapy_cookies
import tldextract
from scrapy import Request, Spider, signals
from scrapy.crawler import CrawlerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure
    from typing_extensions import Self

__all__: list[str] = []

CONTENT = b'class="content"'  # is at the beginning of each page, but in no gate
BEAT = 0.02  # seconds between two looks at how late the event loop is
SAMPLE = 0.25  # seconds between two looks at the process

SETTINGS = {
    "CLOSESPIDER_TIMEOUT": 150,
    "LOG_LEVEL": "INFO",
    "ROBOTSTXT_OBEY": False,
    "TELNETCONSOLE_ENABLED": False,
}


class Pages(Spider):
    """Asks for the pages of a plan, and notes when each one came.

    Args:
        plan: ``requests``, each an URL and a cookiejar; ``watch``, whether to look at
            the process all the time.
    """

    name = "pages"
    allowed_domains = ("127.0.0.1",)

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__()
        self.plan = plan
        self.ends: list[float | None] = [None] * len(plan["requests"])
        self.errors: Counter[str] = Counter()
        self.began = 0.0
        self.cpu = 0.0
        self.cpu_marks: list[float] = []
        self.queued: list[int] = []
        self.watch = Watch()

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        spider = super().from_crawler(crawler, *args, **kwargs)
        connect = crawler.signals.connect
        connect(spider.opened, signals.spider_opened)
        connect(spider.closed_for_good, signals.spider_closed)
        connect(spider.about_to_queue, signals.request_reached_downloader)
        return spider

    def opened(self) -> None:
        gc.collect()
        if self.plan["watch"]:
            self.watch.start(self.crawler)
        self.began = time.monotonic()
        self.cpu = time.process_time()

    def closed_for_good(self) -> None:
        self.cpu = time.process_time() - self.cpu
        self.watch.stop()

    def about_to_queue(self, request: Request) -> None:
        """Note how many requests a submission would have to wait for."""
        if request.method == "POST":
            engine: Any = self.crawler.engine
            slots = engine.downloader.slots.values()
            self.queued.append(sum(len(slot.queue) for slot in slots))

    async def start(self) -> AsyncIterator[Request]:
        for number, (url, jar) in enumerate(self.plan["requests"]):
            yield Request(
                url,
                meta={} if jar is None else {"cookiejar": jar},
                cb_kwargs={"number": number},
                errback=self.lost,
            )

    def parse(self, response: Response, number: int) -> None:
        self.cpu_marks.append(time.process_time())
        if CONTENT in response.body[:4000]:
            self.ends[number] = time.monotonic() - self.began
        else:
            self.errors["no content"] += 1

    def lost(self, failure: Failure) -> None:
        self.errors[type(failure.value).__name__] += 1

    def outcome(self) -> dict[str, Any]:
        """Return what is written down of the crawl."""
        stats = self.crawler.stats
        assert stats is not None
        prefix = "onecaptcha/"
        return {
            "ends": self.ends,
            "errors": self.errors,
            "cpu": self.cpu,
            "cpu_marks": self.cpu_marks,
            "queued": self.queued,
            "stats": {
                name.removeprefix(prefix): value
                for name, value in stats.get_stats().items()
                if name.startswith(prefix)
            },
            "lags": self.watch.lags,
            "samples": self.watch.samples,
        }


class Watch:
    """Looks at the process it runs in.

    Attributes:
        lags: moments, by how many seconds the event loop was late then, and the seconds
            of CPU since the look before.
        samples: moments; seconds of CPU, bytes of memory, tasks created and tasks
            ready until then.
    """

    def __init__(self) -> None:
        self.lags: list[tuple[float, float, float]] = []
        self.samples: list[tuple[float, float, int, int, int]] = []
        self._cpu = 0.0
        self._call: Any = None
        self._crawler: Any = None
        self._reactor: Any = None

    def start(self, crawler: Crawler) -> None:
        from twisted.internet import reactor  # noqa: PLC0415

        self._reactor = reactor
        self._crawler = crawler
        self._cpu = time.process_time()
        self._beat(time.monotonic())

    def stop(self) -> None:
        if self._call is not None:
            self._call.cancel()

    def _beat(self, due: float) -> None:
        now, cpu = time.monotonic(), time.process_time()
        self.lags.append((now, now - due, cpu - self._cpu))
        self._cpu = cpu
        if not self.samples or now - self.samples[-1][0] >= SAMPLE:
            self._sample(now)
        self._call = self._reactor.callLater(BEAT, self._beat, now + BEAT)

    def _sample(self, now: float) -> None:
        count = self._crawler.stats.get_value
        self.samples.append(
            (
                now,
                time.process_time(),
                _memory(),
                count("onecaptcha/tasks", 0),
                count("onecaptcha/tasks/ready", 0),
            )
        )


def _memory() -> int:
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # the most so far


def main() -> None:
    """Run the plans."""
    plans = json.load(sys.stdin)
    # The list of public suffixes would be fetched at the first cookie.
    scrapy_cookies._split_domain = tldextract.TLDExtract(  # type: ignore[attr-defined,unused-ignore]  # noqa: SLF001
        suffix_list_urls=(), cache_dir=None
    )
    process = CrawlerProcess(SETTINGS)
    outcomes: list[dict[str, Any]] = []
    waiting = iter(plans)

    def crawl_next(_: object = None) -> Deferred[None] | None:
        plan = next(waiting, None)
        if plan is None:
            return None
        crawler = process.create_crawler(Pages)
        crawler.settings.setdict(plan["settings"], priority="cmdline")
        crawl: Any = process.crawl(crawler, plan=plan)

        def note(result: Any) -> Any:
            spider: Any = crawler.spider
            if spider is not None:
                outcomes.append(spider.outcome())
            return result

        crawl.addBoth(note).addCallback(crawl_next)
        return None

    crawl_next()
    process.start()
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
