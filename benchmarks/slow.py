"""How long does the worst page take?

CPU seconds of ``detect`` for each page made to be slow, which may take one second, and
for pages of content with scripts, which may take 5 ms. The fastest of three counts, as
whatever disturbs a run makes it slower only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.table import Row, at_most, show
from scrapy_onecaptcha import detect
from tests.corpus.slow_pages import CONTENT, SLOW, page

if TYPE_CHECKING:
    from scrapy.http import HtmlResponse

__all__ = ["rows"]

RUNS = 3
SLOW_SECONDS, CONTENT_SECONDS = 1.0, 0.005


def rows() -> list[Row]:
    """Measure."""
    return [
        *(_row(name, page(make()), SLOW_SECONDS) for name, make in SLOW.items()),
        *(_row(name, page(make()), CONTENT_SECONDS) for name, make in CONTENT.items()),
    ]


def _row(name: str, response: HtmlResponse, limit: float) -> Row:
    seconds = min(_seconds(response) for _ in range(RUNS))
    return at_most(
        f"{name}, {len(response.body) // 1000} KB",
        seconds,
        limit,
        measured=f"{seconds:.4f} s",
        against=f"{limit:g} s",
        unit=" s",
        must=True,
    )


def _seconds(response: HtmlResponse) -> float:
    fresh = response.copy()  # what was decoded once is kept
    began = process_time()
    detect(fresh)
    return process_time() - began


if __name__ == "__main__":
    show(rows())
