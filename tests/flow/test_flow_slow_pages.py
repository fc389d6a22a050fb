"""While a page that was made to be slow is read, the crawl gets its turns.

The calls of each turn of the event loop are counted, not its seconds: from the response
that comes to the callback or errback, with all that the middleware does on the way.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.corpus.slow_pages import SELECTORS, SLOW, page
from tests.flow.virtual import Crawl, Site
from tests.unit.pages.test_detection_work import MOST, MOST_IN_STEP

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request
    from scrapy.http import Response

    Crawling = Callable[..., Crawl]


class Slow(Site):
    """Serves one page."""

    body = b""

    def _page(self, request: Request, agent: str) -> Response:
        return page("").replace(url=request.url, body=self.body, request=request)


def turns(crawl: Crawl) -> list[int]:
    """Return the calls of each turn from now on, as a list that grows."""
    counts: list[int] = []
    call_later: Callable[..., Any] = crawl.clock.callLater

    def tally(_frame: Any, event: str, _argument: Any) -> None:
        counts[-1] += event in ("call", "c_call")

    def later(delay: float, call: Callable[..., object], *args: object) -> Any:
        def turn() -> None:
            counts.append(0)
            sys.setprofile(tally)
            try:
                call(*args)
            finally:
                sys.setprofile(None)

        return call_later(delay, turn)

    crawl.clock.callLater = later  # type: ignore[method-assign, assignment]
    return counts


def check(crawl: Crawl, html: str) -> None:
    site = Slow(crawl.clock, crawl.service)
    site.body = page(html).body
    crawl.sites["shop.example"] = site
    counts = turns(crawl)
    crawl.ask("/0")
    crawl.run()
    assert len(crawl.events) == 1
    assert max(counts) < MOST_IN_STEP
    # What a gate takes besides: it is met, and a dry run says what it would cost.
    assert sum(counts) < 2 * MOST
    assert crawl.service.created == []
    crawl.finish()


@pytest.mark.parametrize("name", SLOW)
def test_a_crawl_goes_on_while_a_slow_page_is_read(
    crawling: Crawling, name: str
) -> None:
    check(crawling(dry_run=True, scripts="off"), SLOW[name]())


@pytest.mark.parametrize("name", SELECTORS)
def test_a_crawl_goes_on_while_its_selector_is_looked_for(
    crawling: Crawling, name: str
) -> None:
    make, css = SELECTORS[name]
    check(crawling(dry_run=True, scripts="off", expect=css), make())


class SlowAnswer(Site):
    """Answers a right token with the page, of which much is to be looked through."""

    def _content(self, request: Request) -> Response:
        response = super()._content(request)
        return response.replace(body=response.body + b"<p>" * 19_900)


def test_a_crawl_goes_on_while_an_answer_is_looked_through(crawling: Crawling) -> None:
    crawl = crawling(expect="p:nth-last-child(2n+1):nth-child(2n)")
    crawl.sites["shop.example"] = SlowAnswer(
        crawl.clock, crawl.service, answer="content", grants="nothing"
    )
    counts = turns(crawl)
    crawl.ask("/0")
    crawl.run()
    assert crawl.pages == ["/0"]
    assert len(crawl.service.created) == 1
    assert max(counts) < MOST_IN_STEP
    crawl.finish()
