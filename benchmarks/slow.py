"""How long does the worst page take?

CPU seconds of ``detect`` for each page made to be slow, which may take one second, and
for pages of content with scripts, which may take 5 ms. A crawl reads a large page in
turns of its event loop, none of which may take longer than 100 ms. The fastest of three
counts, as whatever disturbs a run makes it slower only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.table import Row, at_most, show
from scrapy_onecaptcha.pages.detection import detection_steps
from scrapy_onecaptcha.request_options import UNSET
from tests.corpus.slow_pages import CONTENT, SLOW, WIDGETS, page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.http import HtmlResponse

__all__ = ["rows"]

RUNS = 3
SLOW_SECONDS, TURN_SECONDS, CONTENT_SECONDS = 1.0, 0.1, 0.005


def rows() -> list[Row]:
    """Measure."""
    return [
        *(row for name, make in SLOW.items() for row in _slow(name, page(make()))),
        *(_content(name, page(make())) for name, make in CONTENT.items()),
        *(_widget(name, page(make())) for name, make in WIDGETS.items()),
    ]


def _slow(name: str, response: HtmlResponse) -> Iterator[Row]:
    runs = [_turns(response) for _ in range(RUNS)]
    yield _row(_named(name, response), min(map(sum, runs)), SLOW_SECONDS)
    yield _row("  its longest turn", min(map(max, runs)), TURN_SECONDS)


def _content(name: str, response: HtmlResponse) -> Row:
    return _row(_named(name, response), _fastest(response), CONTENT_SECONDS)


def _widget(name: str, response: HtmlResponse) -> Row:
    """Say what a page with a widget takes: its widget is read."""
    seconds = _fastest(response)
    return Row(
        what=_named(name, response),
        measured=f"{seconds:.4f} s",
        against="none: it is read",
        figure=f"{seconds:.3g} s",
    )


def _row(what: str, seconds: float, limit: float) -> Row:
    return at_most(
        what,
        seconds,
        limit,
        measured=f"{seconds:.4f} s",
        against=f"{limit:g} s",
        unit=" s",
        must=True,
    )


def _named(name: str, response: HtmlResponse) -> str:
    return f"{name}, {len(response.body) // 1000} KB"


def _fastest(response: HtmlResponse) -> float:
    return min(sum(_turns(response)) for _ in range(RUNS))


def _turns(response: HtmlResponse) -> list[float]:
    """Return the CPU seconds of each step of a detection."""
    steps = detection_steps(response.copy(), UNSET)  # what was decoded once is kept
    turns = []
    is_done = False
    while not is_done:
        began = process_time()
        is_done = next(steps, steps) is steps
        turns.append(process_time() - began)
    return turns


if __name__ == "__main__":
    show(rows())
