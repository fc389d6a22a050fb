"""What do 100 gated pages of one session cost, all asked for at once?

On a site that remembers a passed captcha in a cookie: one task, whatever the number of
pages. On a site that grants nothing each page needs a task of its own. Nobody knows
that before tokens in a row have opened nothing else, and as many tasks may be open as
there were such tokens: 1, 1, 2, 4, 8 … (``ONECAPTCHA_CONCURRENT_TASKS`` is 100 here).
It must take no longer than so many solves that follow each other. The yardstick is one
gated page crawled all alone, in the same run. No script sends the forms of that site.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import (
    Ask,
    Outcome,
    Plan,
    Servers,
    Site,
    crawl,
    form_gate,
    serve,
)
from benchmarks.table import Row, at_most, show
from scrapy_onecaptcha.sandbox import GATES

__all__ = ["rows"]

PAGES = 100
SOLVE = 5.0  # seconds
TARGET = 1.15


def rows() -> list[Row]:
    """Measure."""
    sites = {
        "cookie": Site(gate=GATES["bookshop"]),
        "nothing": Site(gate=form_gate("wall")),
    }
    with serve(sites, latency=SOLVE) as servers:
        return [_clearance(servers), _nothing(servers)]


def _clearance(servers: Servers) -> Row:
    before = servers.facts()["tasks"]
    outcome = _crawl(servers, "cookie", PAGES)
    tasks = servers.facts()["tasks"] - before
    return at_most(
        f"tasks for {PAGES} pages at once, clearance",
        tasks,
        1,
        measured=f"{tasks} created",
        against=f"{PAGES} pages in {outcome.wall:.2f} s",
        unit="",
    )


def _nothing(servers: Servers) -> Row:
    alone = _crawl(servers, "nothing", 1).wall
    wall = _crawl(servers, "nothing", PAGES).wall
    limit = _rounds(PAGES) * alone
    return at_most(
        f"{PAGES} pages at once, nothing granted",
        wall / limit,
        TARGET,
        measured=f"{wall:.2f} s",
        against=f"{limit:.2f} s: {_rounds(PAGES)} solves",
    )


def _rounds(pages: int) -> int:
    """Return how many solves follow each other, 1, 1, 2, 4 … at a time."""
    passed = rounds = 0
    while passed < pages:
        passed += max(1, passed)
        rounds += 1
    return rounds


def _crawl(servers: Servers, site: str, count: int) -> Outcome:
    pages = [Ask(f"{servers.urls[site]}/page/{number}") for number in range(count)]
    settings = servers.with_middleware(
        CONCURRENT_REQUESTS=PAGES,
        CONCURRENT_REQUESTS_PER_DOMAIN=PAGES,
        ONECAPTCHA_CONCURRENT_TASKS=PAGES,
    )
    return crawl(Plan(requests=pages, settings=settings))


if __name__ == "__main__":
    show(rows())
