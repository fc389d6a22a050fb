"""Requests of a shared queue: held unsent while a captcha is solved, and redirected."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import Crawl, Servers, crawling, pages, sandbox, without_scripts
from test_crawl_stores import QUEUE, Redis, redis

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.crawl

PAGES, CONCURRENT = 300, 8
#: The first worker's captcha is never solved.
SLOW = without_scripts("button", latency=3600)


@pytest.fixture
def queue() -> Iterator[Redis]:
    pytest.importorskip("scrapy_redis")
    with redis() as server:
        yield server


def fill(server: Redis, site: str, numbers: range) -> None:
    plan = zip(numbers, pages(site, numbers), strict=True)
    lines = [json.dumps({**wanted, "number": number}) for number, wanted in plan]
    server.command("RPUSH", "plan", *lines)


def left(server: Redis) -> int:
    """Return how many requests are in the queue."""
    return size(server, "ZCARD", "requests")


def size(server: Redis, command: str, of: str) -> int:
    names = server.command("KEYS", f"*:{of}").split()
    return int(server.command(command, names[0].decode()) or 0) if names else 0


def taken(server: Redis) -> int:
    """Return how many requests workers have taken, once all were put in."""
    put_in = size(server, "SCARD", "dupefilter")
    return PAGES - left(server) if put_in == PAGES else 0


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
    running = crawling(it, [], told, runner=QUEUE, deprecated=True)
    return stack.enter_context(running)


@pytest.mark.parametrize(
    ("settings", "held"),
    [({"ONECAPTCHA_MAX_HELD": 16}, 16), ({}, 4 * CONCURRENT)],
    ids=["by the setting", "by default"],
)
def test_a_worker_that_waits_takes_no_more_than_it_may_and_loses_no_more(
    queue: Redis, settings: dict[str, int], held: int
) -> None:
    bound = CONCURRENT + held
    with sandbox(options=SLOW) as it, ExitStack() as stack:
        fill(queue, it["button"], range(PAGES))
        first = worker(stack, queue, it, **settings)
        first.until(lambda: taken(queue) >= bound)
        first.until(lambda: it.tasks == 1)
        first.until(lambda: first.says("ONECAPTCHA_MAX_HELD"))
        time.sleep(1)  # in which it takes no more
        assert (taken(queue), it.tasks) == (bound, 1)
        quick = {**settings, "ONECAPTCHA_API_URL": it.info["quick"]}
        result = worker(stack, queue, it, **quick).result()
        first.kill()
        assert (result.code, left(queue)) == (0, 0)
        delivered = [event["number"] for event in result.of("page")]
        assert len(delivered) == len(set(delivered)) == PAGES - bound


def test_one_gate_address_that_an_earlier_run_has_asked_for(queue: Redis) -> None:
    """The queue's dupefilter, which outlives the runs, drops each redirect to it."""
    with sandbox("--latency", "0.5", "--site", "nonext") as it:
        for numbers in (range(10), range(10, 30)):
            fill(queue, it["nonext"], numbers)
            with ExitStack() as stack:
                result = worker(stack, queue, it).result()
            assert (result.code, left(queue)) == (0, 0)
            assert result.of("error") == []
            shown = {event["number"]: event["h1"] for event in result.of("page")}
            assert shown == {n: f"Page {n} of nonext" for n in numbers}
        assert it.tasks <= 2
