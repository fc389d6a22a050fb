"""What does a clearance cost that ends, against a browser that goes page by page?

Tasks are held against the least that there can be: what a browser pays that asks for
one page after the other. One more is allowed. 600 pages of a site whose clearance is
good for 50 are crawled for real. A clearance of 300 s under a ``DOWNLOAD_DELAY`` of
0.7 s would take more than eight minutes: it is crawled in virtual time, with the model
that the tests use. So are the gates that are met when a clearance ends: requests that
are on their way then meet one each, and two more than the window holds are allowed.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import Ask, Plan, Site, crawl, serve
from benchmarks.table import Row, at_most, show
from scrapy_onecaptcha.sandbox import GATES
from tests.flow.oracle import Cell, run

if TYPE_CHECKING:
    from tests.flow.oracle import Outcome

__all__ = ["rows"]

PAGES, GOOD_FOR = 600, 50
SOLVE = 0.5  # seconds
SECONDS, DELAY, SLOW_PAGES = 300.0, 0.7, 700
PER_DOMAIN = 8


def rows() -> list[Row]:
    """Measure."""
    return [_by_pages(), *_by_seconds()]


def _by_pages() -> Row:
    gate = GATES["bookshop"]
    assert gate is not None
    gate = replace(gate, clearance_pages=GOOD_FOR)
    with serve({"pages": Site(gate=gate)}, latency=SOLVE) as servers:
        pages = [Ask(f"{servers.urls['pages']}/page/{n}") for n in range(PAGES)]
        pace = {"ONECAPTCHA_POLL_DELAY": SOLVE, "ONECAPTCHA_POLL_INTERVAL": 0.1}
        settings = servers.with_middleware(**pace)
        wall = crawl(Plan(requests=pages, settings=settings)).wall
        tasks = servers.facts()["tasks"]
    return _tasks(
        f"tasks, clearance good for {GOOD_FOR} pages, {PAGES} pages",
        tasks,
        PAGES // GOOD_FOR,
        f"{tasks} created in {wall:.1f} s",
    )


def _by_seconds() -> list[Row]:
    slow = _virtually(
        Cell("seconds", SLOW_PAGES, {"seconds": SECONDS}, delay=DELAY),
    )
    fast = _virtually(Cell("pages", PAGES, {"pages": float(GOOD_FOR)}))
    return [
        _tasks(
            f"tasks, clearance of {SECONDS:g} s, {SLOW_PAGES} pages, delay {DELAY}",
            slow.tasks,
            slow.least,
            f"{slow.tasks} created, {slow.lost} pages lost",
        ),
        at_most(
            f"gates at the end of a clearance, {GOOD_FOR} pages",
            fast.gates,
            PER_DOMAIN + 2,
            measured=f"{fast.gates} met at most",
            against=f"{PER_DOMAIN}: the window",
            unit="",
            must=True,
        ),
    ]


def _virtually(cell: Cell) -> Outcome:
    logger = logging.getLogger("scrapy_onecaptcha")
    logger.disabled = True
    try:
        return run(replace(cell, per_domain=PER_DOMAIN))
    finally:
        logger.disabled = False


def _tasks(what: str, tasks: int, least: int, measured: str) -> Row:
    return at_most(
        what,
        tasks,
        least + 1,
        measured=measured,
        against=f"{least}: a browser, page by page",
        unit="",
        must=True,
    )


if __name__ == "__main__":
    show(rows())
