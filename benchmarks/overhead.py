"""What does the middleware cost a crawl that meets no captcha?

CPU of a crawl of pages of 100 KB, with the middleware and without it. The crawls take
turns in one process, so that they share its imports, its memory and whatever else the
machine is busy with; each pair gives a ratio, and the median of these counts. Only the
time of this process is counted, not that of the servers. The spider does nothing with
its pages, so whatever a real one does makes the share of the middleware smaller.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import Ask, Plan, Site, crawls, serve
from benchmarks.table import Row, at_most, show

__all__ = ["rows"]

PAGES = 50  # of 100 KB, in each crawl
PAIRS = 60
TARGET = 1.03


def rows() -> list[Row]:
    """Measure."""
    with serve({"plain": Site(size=100_000)}, latency=1.0) as servers:
        pages = [Ask(f"{servers.urls['plain']}/page/{n}") for n in range(PAGES)]
        with_it = Plan(requests=pages, settings=_settings(servers.with_middleware()))
        without = Plan(requests=pages, settings=_settings({}))
        warm_up = [with_it, without]
        # Which of the two comes first takes turns as well.
        turns = ([with_it, without], [without, with_it])
        pairs = [turns[number % 2] for number in range(PAIRS)]
        outcomes = crawls(*warm_up, *(plan for pair in pairs for plan in pair))
    costs: list[tuple[float, float]] = []
    for number in range(PAIRS):
        one, other = (each.cpu for each in outcomes[2 * number + 2 :][:2])
        costs.append((other, one) if number % 2 else (one, other))
    mine = median(mine for mine, _ in costs)
    base = median(base for _, base in costs)
    ratios = sorted(mine / base for mine, base in costs)
    quarter = PAIRS // 4
    row = at_most(
        "CPU of a crawl of 100 KB pages",
        median(ratios),
        TARGET,
        measured=f"{mine / PAGES * 1000:.3f} ms a page",
        against=f"{base / PAGES * 1000:.3f} ms without the middleware",
        note=f"{PAIRS} pairs of crawls, half of them between "
        f"{ratios[quarter]:.3f} and {ratios[-quarter - 1]:.3f}.",
    )
    return [row]


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    return {**settings, "CONCURRENT_REQUESTS_PER_DOMAIN": 16}


if __name__ == "__main__":
    show(rows())
