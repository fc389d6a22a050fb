"""What does a site cost that refuses every token?

50 pages in 10 cookiejars, so 10 sessions that could each try for themselves; every
token is refused. The circuit breaker is to stop at ``ONECAPTCHA_MAX_FAILURES`` tasks,
5 by default, for the whole site. For scale, the tasks that ``ONECAPTCHA_MAX_ATTEMPTS``
alone would allow: 3 for each page.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import Ask, Plan, Site, crawl, serve
from benchmarks.table import Row, at_most, show
from scrapy_onecaptcha.sandbox import GATES

__all__ = ["rows"]

PAGES, SESSIONS, ATTEMPTS = 50, 10, 3
TARGET = 5


def rows() -> list[Row]:
    """Measure."""
    site = Site(gate=GATES["bookshop"])
    with serve({"shop": site}, latency=0.3, refused_rate=1.0) as servers:
        url = servers.urls["shop"]
        pages = [Ask(f"{url}/page/{n}", n % SESSIONS) for n in range(PAGES)]
        settings = servers.with_middleware(
            ONECAPTCHA_POLL_DELAY=0.1, ONECAPTCHA_POLL_INTERVAL=0.1
        )
        outcome = crawl(Plan(requests=pages, settings=settings), lossless=False)
        tasks = servers.facts()["tasks"]
    lost = sum(outcome.errors.values())
    return [
        at_most(
            "tasks on a site that refuses every token",
            tasks,
            TARGET,
            measured=f"{tasks} created, {lost} of {PAGES} pages lost",
            against=f"{PAGES * ATTEMPTS}: {ATTEMPTS} for each page",
            unit="",
        )
    ]


if __name__ == "__main__":
    show(rows())
