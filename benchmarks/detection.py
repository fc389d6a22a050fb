"""What does it cost to see that a page has no captcha?

``detect`` on a page of 100 KB without a widget, against the least that one could do:
one search for a word in the body. Blocks of calls take turns, and the fastest of each
counts, as whatever disturbs a block makes it slower only.

For scale, a page of the same size that speaks of hCaptcha and has none: it is parsed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scrapy.http import HtmlResponse

from benchmarks.table import Row, at_most, show
from scrapy_onecaptcha import detect

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["rows"]

SIZE = 100_000  # bytes
LINE = "<p class='entry'>An ordinary line of a page, of which there are many.</p>\n"
CALLS, BLOCKS = 100, 60
TARGET = 2.0


def rows() -> list[Row]:
    """Measure."""
    plain, talk = _page("captain"), _page("hcaptcha")
    assert detect(plain) is None
    assert detect(talk) is None
    body = plain.body
    searched, mine = _fastest(lambda: b"captcha" in body, lambda: detect(plain))
    [parsed] = _fastest(lambda: detect(talk), calls=5)
    return [
        at_most(
            "detect() on 100 KB without a widget",
            mine / searched,
            TARGET,
            measured=f"{mine * 1e6:.1f} µs",
            against=f"{searched * 1e6:.1f} µs: one byte search",
        ),
        Row(
            what="  on 100 KB that speak of hCaptcha, parsed",
            measured=f"{parsed * 1e6:.0f} µs",
            against=f"{searched * 1e6:.1f} µs",
            figure=f"{parsed / searched:.3g}x",
        ),
    ]


def _page(word: str) -> HtmlResponse:
    text = f"<html><body><p>The {word} speaks.</p>{LINE * (SIZE // len(LINE))}</body>"
    return HtmlResponse("http://127.0.0.1/", body=text.encode(), encoding="utf-8")


def _fastest(*functions: Callable[[], object], calls: int = CALLS) -> list[float]:
    """Return the seconds of one call of each function."""
    best = [float("inf")] * len(functions)
    for _ in range(BLOCKS):
        for number, function in enumerate(functions):
            began = perf_counter()
            for _ in range(calls):
                function()
            best[number] = min(best[number], (perf_counter() - began) / calls)
    return best


if __name__ == "__main__":
    show(rows())
