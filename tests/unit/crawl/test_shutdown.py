"""Waits that end when the crawl does."""

from __future__ import annotations

import gc
import warnings

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from scrapy_onecaptcha.crawl.shutdown import LOOK_INTERVAL, CrawlClosing, Waits
from tests.unit.helpers import Run, advance


class Crawl:
    def __init__(self) -> None:
        self.clock = Clock()
        self.closing = False
        self.waits = Waits(self.clock, lambda: self.closing)


async def wait_for(something: Deferred[str]) -> str:
    return await something


def test_the_result_passes_through() -> None:
    crawl, result = Crawl(), Deferred[str]()
    run = Run(crawl.waits.until_closing(wait_for(result)))
    advance(crawl.clock, 100)
    assert not run.done
    result.callback("page")
    assert run.value == "page"
    assert crawl.clock.getDelayedCalls() == []


def test_an_error_passes_through() -> None:
    crawl, result = Crawl(), Deferred[str]()
    run = Run(crawl.waits.until_closing(wait_for(result)))
    result.errback(ZeroDivisionError())
    assert isinstance(run.error, ZeroDivisionError)
    assert crawl.clock.getDelayedCalls() == []


def test_what_ends_at_once_starts_no_look_out() -> None:
    crawl, result = Crawl(), Deferred[str]()
    result.callback("page")
    assert Run(crawl.waits.until_closing(wait_for(result))).value == "page"
    assert crawl.clock.getDelayedCalls() == []


@pytest.mark.parametrize("count", range(1, 5))
def test_all_waits_end_soon_after_the_crawl_closes(count: int) -> None:
    crawl = Crawl()
    cancelled: list[object] = []
    runs = [
        Run(crawl.waits.until_closing(wait_for(Deferred(cancelled.append))))
        for _ in range(count)
    ]
    advance(crawl.clock, 10.1)
    crawl.closing = True
    assert not any(run.done for run in runs)
    advance(crawl.clock, LOOK_INTERVAL)
    assert LOOK_INTERVAL <= 1  # waiting requests go back within two seconds
    assert [type(run.error) for run in runs] == [CrawlClosing] * count
    assert len(cancelled) == count
    assert crawl.clock.getDelayedCalls() == []


def test_the_look_out_goes_on_as_long_as_one_waits() -> None:
    crawl, first, second = Crawl(), Deferred[str](), Deferred[str]()
    Run(crawl.waits.until_closing(wait_for(first)))
    run = Run(crawl.waits.until_closing(wait_for(second)))
    first.callback("page")
    assert len(crawl.clock.getDelayedCalls()) == 1
    crawl.closing = True
    advance(crawl.clock, LOOK_INTERVAL)
    assert isinstance(run.error, CrawlClosing)


def test_the_look_out_starts_again() -> None:
    crawl, first = Crawl(), Deferred[str]()
    Run(crawl.waits.until_closing(wait_for(first)))
    first.callback("page")
    advance(crawl.clock, 5)
    run = Run(crawl.waits.until_closing(wait_for(Deferred())))
    crawl.closing = True
    advance(crawl.clock, LOOK_INTERVAL)
    assert isinstance(run.error, CrawlClosing)
    assert crawl.clock.getDelayedCalls() == []


def test_a_wait_that_is_cancelled_by_others_says_so() -> None:
    crawl = Crawl()
    run = Run(crawl.waits.until_closing(wait_for(Deferred())))
    run.cancel()
    assert isinstance(run.error, CancelledError)
    assert crawl.clock.getDelayedCalls() == []


def test_a_wait_that_cleans_up_is_heard_to_its_end() -> None:
    crawl, cleaned = Crawl(), Deferred[str]()

    async def stubborn() -> str:
        try:
            return await wait_for(Deferred())
        except CancelledError:
            return await wait_for(cleaned)

    run = Run(crawl.waits.until_closing(stubborn()))
    crawl.closing = True
    advance(crawl.clock, LOOK_INTERVAL)
    assert not run.done
    cleaned.callback("done all the same")
    assert run.value == "done all the same"


def test_nothing_begins_once_the_crawl_is_closing() -> None:
    crawl = Crawl()
    crawl.closing = True
    begun: list[bool] = []

    async def work() -> None:
        begun.append(True)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = Run(crawl.waits.until_closing(work()))
        gc.collect()
    assert isinstance(run.error, CrawlClosing)
    assert begun == []
    assert [str(warning.message) for warning in caught] == []
    assert crawl.clock.getDelayedCalls() == []
