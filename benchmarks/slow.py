"""How long does the worst page take?

CPU seconds for each page made to be slow, which may take one second, and for pages of
content with scripts, which may take 5 ms. The slow ones are read as a crawl reads them:
in a running event loop, in none of whose turns may more than 100 ms go by. So are pages
with a selector of the content that looks at many elements. The fastest of three counts,
as whatever disturbs a run makes it slower only.

A gateless policy of the HTTP cache has one turn for a page, and gives up in time.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scrapy.settings import Settings
from twisted.internet.defer import Deferred

from benchmarks.table import Row, at_most, show
from scrapy_onecaptcha import detect
from scrapy_onecaptcha._twisted import LoopClock
from scrapy_onecaptcha.crawl.reader import Reader
from scrapy_onecaptcha.httpcache import GatelessDummyPolicy
from scrapy_onecaptcha.request_options import UNSET, RequestOptions
from tests.corpus.slow_pages import CONTENT, SELECTORS, SLOW, WIDGETS, page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scrapy.http import HtmlResponse

__all__ = ["rows"]

RUNS = 3
SLOW_SECONDS, TURN_MILLISECONDS, CONTENT_SECONDS = 1.0, 100.0, 0.005


def rows() -> list[Row]:
    """Measure."""
    return [
        *(row for name, make in SLOW.items() for row in _slow(name, page(make()))),
        *(
            row
            for name, (make, css) in SELECTORS.items()
            for row in _slow(name, page(make()), RequestOptions(expect=css))
        ),
        _cached(),
        *(_content(name, page(make())) for name, make in CONTENT.items()),
        *(_widget(name, page(make())) for name, make in WIDGETS.items()),
    ]


def _slow(
    name: str, response: HtmlResponse, options: RequestOptions = UNSET
) -> Iterator[Row]:
    runs = [asyncio.run(_turns(response, options)) for _ in range(RUNS)]
    yield _row(_named(name, response), min(map(sum, runs)), SLOW_SECONDS)
    longest = min(map(max, runs))
    turns = f"{len(runs[0])} turns of the event loop"
    yield _turn("  its longest turn", longest, against=turns)


def _cached() -> Row:
    """Say how long the HTTP cache's policy keeps the event loop at most."""
    policy: Any = GatelessDummyPolicy(Settings())
    pages = [page(make()) for make in SLOW.values()]
    longest = max(
        _fastest(response, lambda r: policy.should_cache_response(r, r.request))
        for response in pages
    )
    what = "the longest turn of a cache policy"
    return _turn(what, longest, against=f"{len(pages)} pages, one turn each")


def _turn(what: str, seconds: float, *, against: str) -> Row:
    return at_most(
        what,
        seconds * 1000,
        TURN_MILLISECONDS,
        measured=f"{seconds * 1000:.1f} ms",
        against=against,
        unit=" ms",
        must=True,
    )


def _content(name: str, response: HtmlResponse) -> Row:
    return _row(_named(name, response), _fastest(response), CONTENT_SECONDS)


def _widget(name: str, response: HtmlResponse) -> Row:
    """Say what a page with a widget takes: its widget is read."""
    seconds = _fastest(response)
    return Row(
        what=_named(name, response),
        measured=f"{seconds:.4f} s",
        against="none: it is read",
        figure=f"{seconds:.3g} s",
    )


def _row(what: str, seconds: float, limit: float) -> Row:
    return at_most(
        what,
        seconds,
        limit,
        measured=f"{seconds:.4f} s",
        against=f"{limit:g} s",
        unit=" s",
        must=True,
    )


def _named(name: str, response: HtmlResponse) -> str:
    return f"{name}, {len(response.body) // 1000} KB"


def _fastest(
    response: HtmlResponse, read: Callable[[HtmlResponse], object] = detect
) -> float:
    """Return the CPU seconds that it takes to *read* the response in one go."""
    best = float("inf")
    for _ in range(RUNS):
        fresh = _fresh(response)
        began = process_time()
        read(fresh)
        best = min(best, process_time() - began)
    return best


async def _turns(response: HtmlResponse, options: RequestOptions) -> list[float]:
    """Return the CPU seconds of each turn of the event loop while a page is read."""
    no_scripts: Any = None  # they are run by another process, once the page is read
    reader = Reader(no_scripts, LoopClock())
    turns, began = [], process_time()
    reading = Deferred.fromCoroutine(reader.look(_fresh(response), options)).asFuture(
        asyncio.get_running_loop()
    )
    while not reading.done():
        turns.append(process_time() - began)
        began = process_time()
        await asyncio.sleep(0)
    turns.append(process_time() - began)
    await reading
    return turns


def _fresh(response: HtmlResponse) -> HtmlResponse:
    """Return a copy that was neither decoded nor read: both are kept."""
    request = response.request.copy() if response.request else None
    return response.replace(request=request)


if __name__ == "__main__":
    show(rows())
