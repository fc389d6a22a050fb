"""What does the middleware cost a crawl that meets no captcha?

CPU of a crawl of pages of 100 KB, with the middleware and without it. The spider does
nothing with its pages, so whatever a real one does makes the share smaller.

Taken from whole crawls alone, the figure varies by more than it is about, as soon as
anything else runs on the machine. So there are two parts:

- what a page costs in a crawl without the middleware. Crawls are cut into stretches of
  16 pages, and the quarter that took the least begins at the figure that counts;
- what the middleware adds to that: its hooks and the signals that it listens to, called
  as Scrapy calls them, on pages that nobody has read yet. Blocks of calls, the fastest
  of which counts.

For scale, the crawls with it, which take turns with the others in one process: the
median of their stretches against the median of the others.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from time import process_time
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scrapy import Request, Spider, signals
from scrapy.http import HtmlResponse, Response
from scrapy.utils.reactor import install_reactor
from scrapy.utils.test import get_crawler

from benchmarks.harness import Ask, Outcome, Plan, Site, crawls, serve
from benchmarks.table import Row, at_most, show
from scrapy_onecaptcha import OneCaptchaMiddleware

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scrapy.crawler import Crawler

__all__ = ["rows"]

SIZE = 100_000  # bytes
PAGES, PAIRS, STRETCH = 100, 24, 16
CALLS, BLOCKS = 50, 100
TARGET = 1.05
LINE = (
    "<p class='entry'>An <a href='/'>ordinary</a> line; there are many of them.</p>\n"
)
SIGNALS = (
    signals.request_scheduled,
    signals.request_reached_downloader,
    signals.request_left_downloader,
    signals.response_downloaded,
    signals.response_received,
)


def rows() -> list[Row]:
    """Measure."""
    pairs = _pairs()
    with_it = [cost for one, _ in pairs for cost in _costs(one)]
    without = [cost for _, other in pairs for cost in _costs(other)]
    page, middle, high = quantiles(without, n=4)
    searched, added = _added()
    return [
        at_most(
            "CPU of a crawl of 100 KB pages",
            (page + added) / page,
            TARGET,
            measured=f"{added * 1e6:.0f} µs added to a page",
            against=f"{page * 1e6:.0f} µs without the middleware",
            note=f"{searched * 1e6:.0f} µs of it are one of its two byte searches.",
        ),
        Row(
            what="  whole crawls, with it and without",
            measured=f"{median(with_it) * 1e6:.0f} µs a page",
            against=f"{middle * 1e6:.0f} µs",
            figure=f"{median(with_it) / middle:.3g}x",
            note=f"Half of the stretches without it took {page / middle:.2f} to "
            f"{high / middle:.2f} of their median.",
        ),
    ]


# Whole crawls


def _pairs() -> list[tuple[Outcome, Outcome]]:
    """Return crawls with the middleware, each with one without it beside it."""
    with serve({"plain": Site(size=SIZE)}, latency=1.0) as servers:
        pages = [Ask(f"{servers.urls['plain']}/page/{n}") for n in range(PAGES)]
        base: dict[str, Any] = {"CONCURRENT_REQUESTS_PER_DOMAIN": 16}
        with_it = Plan(requests=pages, settings=servers.with_middleware(**base))
        without = Plan(requests=pages, settings=base)
        warm_up = [with_it, without]
        # Which of the two comes first takes turns as well.
        turns = ([with_it, without], [without, with_it])
        plans = [plan for number in range(PAIRS) for plan in turns[number % 2]]
        outcomes = crawls(*warm_up, *plans)[len(warm_up) :]
    couples = list(zip(outcomes[::2], outcomes[1::2], strict=True))
    return [
        (one, other) if number % 2 == 0 else (other, one)
        for number, (one, other) in enumerate(couples)
    ]


def _costs(outcome: Outcome) -> list[float]:
    """Return the seconds of CPU that a page took, for each stretch of pages."""
    marks = outcome.cpu_marks[::STRETCH]
    return [(end - begin) / STRETCH for begin, end in pairwise(marks)]


# What is added


class _Quiet(Spider):
    name = "quiet"
    allowed_domains = ("127.0.0.1",)


def _added() -> tuple[float, float]:
    """Return what one byte search costs, and all that is done for a page."""
    install_reactor("twisted.internet.asyncioreactor.AsyncioSelectorReactor")
    settings = {"ONECAPTCHA_API_KEY": "key", "ONECAPTCHA_API_URL": "http://127.0.0.1:9"}
    crawler, bare = get_crawler(_Quiet, settings), get_crawler(_Quiet)
    middleware = OneCaptchaMiddleware.from_crawler(crawler)
    text = f"<html><body>{LINE * (SIZE // len(LINE))}</body></html>".encode()
    search, hooks, heard, unheard = [], [], [], []
    for _ in range(BLOCKS):
        requests = [_request(number) for number in range(CALLS)]
        pages = [_page(number, text) for number in range(CALLS)]  # none was read yet
        search.append(_search(pages))
        hooks.append(_hooks(middleware, requests, pages))
        heard.append(_signals(crawler, requests, pages))
        unheard.append(_signals(bare, requests, pages))
    return min(search), min(hooks) + min(heard) - min(unheard)


def _page(number: int, text: bytes) -> HtmlResponse:
    body = bytes(bytearray(text))  # in a memory of its own, as from the network
    return HtmlResponse(_url(number), body=body, encoding="utf-8")


def _request(number: int) -> Request:
    headers = {
        "User-Agent": "Mozilla/5.0",
        "Accept": "text/html",
        "Accept-Language": "en",
        "Accept-Encoding": "gzip",
    }
    return Request(_url(number), headers=headers)


def _url(number: int) -> str:
    return f"http://127.0.0.1:8000/page/{number}"


def _search(pages: Sequence[Response]) -> float:
    began = process_time()
    for page in pages:
        assert b"captcha" not in page.body
    return (process_time() - began) / CALLS


def _hooks(
    middleware: OneCaptchaMiddleware,
    requests: Sequence[Request],
    pages: Sequence[Response],
) -> float:
    began = process_time()
    for request, page in zip(requests, pages, strict=True):
        # Nothing to wait for: the hooks return at once.
        assert middleware.process_request(request) is None
        assert middleware.process_response(request, page) is page
    return (process_time() - began) / CALLS


def _signals(
    crawler: Crawler, requests: Sequence[Request], pages: Sequence[Response]
) -> float:
    began = process_time()
    for request, page in zip(requests, pages, strict=True):
        for signal in SIGNALS:
            crawler.signals.send_catch_log(
                signal, request=request, response=page, spider=None
            )
    return (process_time() - began) / CALLS


if __name__ == "__main__":
    show(rows())
