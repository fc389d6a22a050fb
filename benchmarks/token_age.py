"""How old is a token when its site receives it, with a long queue before the site?

1,000 requests of 20 cookiejars are in the queue of one download slot, which sends one
at a time, 25 ms after the one before. After 60 pages a gate appears. Each of the
sessions has it solved, in 4 to 8 s; then its submission has to get past all that is
queued. The age is taken where it matters: at the site, from the moment the service had
the token. Polling every 3 s is a part of it.

For scale, the age if submissions queued up like everything else: their wait would have
been the requests before them times the delay.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import Ask, Plan, Site, crawl, serve
from benchmarks.table import Row, at_most, show
from scrapy_onecaptcha.sandbox import GATES

__all__ = ["rows"]

REQUESTS, SESSIONS, FREE = 1000, 20, 60
SOLVE = (4.0, 8.0)  # seconds, at least and at most
DELAY = 0.025  # seconds
TARGET = 10.0  # seconds


def rows() -> list[Row]:
    """Measure."""
    site = Site(gate=GATES["bookshop"], free_visits=FREE)
    with serve({"shop": site}, latency=SOLVE) as servers:
        url = servers.urls["shop"]
        settings = servers.with_middleware(
            CONCURRENT_REQUESTS=REQUESTS,
            CONCURRENT_REQUESTS_PER_DOMAIN=1,
            DOWNLOAD_DELAY=DELAY,
            RANDOMIZE_DOWNLOAD_DELAY=False,
        )
        pages = [Ask(f"{url}/page/{n}", n % SESSIONS) for n in range(REQUESTS)]
        outcome = crawl(Plan(requests=pages, settings=settings))
        ages = servers.facts()["ages"]
    oldest = max(ages)
    waits = [DELAY * queued for queued in outcome.queued]
    return [
        at_most(
            "token age, 1,000 queued on its site",
            oldest,
            TARGET,
            measured=f"{oldest:.1f} s the oldest of {len(ages)}",
            against=f"median {median(ages):.1f} s",
            unit=" s",
        ),
        Row(
            what="  from the end of the queue",
            measured=f"{oldest + max(waits):.1f} s",
            against=f"{max(outcome.queued)} requests at {DELAY * 1000:.0f} ms",
            figure=f"{oldest + max(waits):.3g} s",
        ),
    ]


if __name__ == "__main__":
    show(rows())
