"""Requests of a shared queue that are held unsent while a captcha is solved."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import Crawl, Servers, crawling, pages, sandbox
from test_crawl_stores import QUEUE, Redis, redis

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.crawl

PAGES, CONCURRENT, HELD = 300, 8, 32
BOUND = CONCURRENT + HELD


@pytest.fixture
def queue() -> Iterator[Redis]:
    pytest.importorskip("scrapy_redis")
    with redis() as server:
        yield server


def fill(server: Redis, it: Servers) -> None:
    for number, wanted in enumerate(pages(it["button"], range(PAGES))):
        server.command("RPUSH", "plan", json.dumps({**wanted, "number": number}))


def left(server: Redis) -> int:
    """Return how many requests are in the queue."""
    names = server.command("KEYS", "*:requests").split()
    return int(server.command("ZCARD", names[0].decode()) or 0) if names else 0


def worker(stack: ExitStack, server: Redis, it: Servers, **settings: Any) -> Crawl:
    told = {
        "REDIS_URL": server.url,
        # All of the plan goes into the shared queue at once.
        "QUEUE_BATCH": PAGES,
        "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
        "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
        "SCHEDULER_PERSIST": True,
        "CONCURRENT_REQUESTS": CONCURRENT,
        **settings,
    }
    running = crawling(it, [], told, runner=QUEUE, deprecated=True, hangs=180)
    return stack.enter_context(running)


def waits(running: Crawl, server: Redis, it: Servers) -> int:
    """Wait until a worker holds what it may; return how many it has taken."""
    running.until(lambda: it.tasks == 1 and left(server) > 0, seconds=60)
    before, now = -1, left(server)
    while now != before:
        time.sleep(2)
        before, now = now, left(server)
    return PAGES - now


def test_a_worker_that_dies_loses_what_it_held_at_most(queue: Redis) -> None:
    with sandbox("--latency", "30", "--site", "button") as it, ExitStack() as stack:
        fill(queue, it)
        settings = {"ONECAPTCHA_MAX_HELD": HELD}
        first = worker(stack, queue, it, **settings)
        taken = waits(first, queue, it)
        assert 0 < taken <= BOUND
        assert first.says("ONECAPTCHA_MAX_HELD")
        first.kill()
        second = worker(stack, queue, it, **settings)
        result = second.result()
        assert result.code == 0
        delivered = [event["number"] for event in result.of("page")]
        assert len(delivered) == len(set(delivered))
        assert PAGES - BOUND <= len(delivered) == PAGES - taken


def test_without_the_setting_a_shared_queue_is_not_drained(queue: Redis) -> None:
    with sandbox("--latency", "30", "--site", "button") as it, ExitStack() as stack:
        fill(queue, it)
        first = worker(stack, queue, it)
        taken = waits(first, queue, it)
        assert 0 < taken <= CONCURRENT + 4 * CONCURRENT
        second = worker(stack, queue, it)
        results = [first.result(), second.result()]
        shares = [{e["number"] for e in result.of("page")} for result in results]
        assert sorted([*shares[0], *shares[1]]) == list(range(PAGES))
        assert all(shares), "the second worker had its share"
