"""Where things are in a chart: steps, bins, lanes, and the marks of an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from scrapy_onecaptcha.report.dates import DAY, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Bins", "bins_of", "lanes", "nice_step", "nice_top", "stacked", "tick"]

_MINUTE, _HOUR = 60.0, 3600.0

#: Widths of bins that a person thinks in, in seconds.
STEPS = (
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * DAY for n in (1, 2, 7, 14, 28, 91, 364)),
)


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins of one width, side by side.

    Attributes:
        start: where the first one begins.
        step: the width of each.
        count: how many there are.
    """

    start: float
    step: float
    count: int

    def index(self, value: float) -> int:
        """Return the bin of *value*, the first or the last one for one outside."""
        return min(max(int((value - self.start) // self.step), 0), self.count - 1)

    def edge(self, index: int) -> float:
        """Return where a bin begins."""
        return self.start + index * self.step

    @property
    def end(self) -> float:
        """Where the last bin ends."""
        return self.edge(self.count)


def bins_of(first: float, last: float, most: int) -> Bins:
    """Return at most *most* bins of time, of a natural width, from *first* to *last*.

    They begin at full minutes, hours or days (UTC).
    """
    for step in STEPS:
        start = first // step * step
        count = int((last - start) // step) + 1
        if count <= most:
            return Bins(start, step, count)
    step = math.ceil((last - first) / (most - 1) / DAY) * DAY
    start = first // step * step
    return Bins(start, step, int((last - start) // step) + 1)


def nice_step(span: float, most: int) -> float:
    """Return a step of 1, 2 or 5 times a power of ten, at most *most* in *span*."""
    least = span / most
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= least * (1 - 1e-9))


def nice_top(value: float) -> float:
    """Return the round number that an axis up to *value* ends at."""
    if value <= 0:
        return 1.0
    step = nice_step(value, 4)
    return math.ceil(value / step - 1e-9) * step


def lanes(spans: Iterable[tuple[float, float]]) -> list[int]:
    """Return the lane of each span, so that no two in a lane overlap.

    Args:
        spans: begin and end of each, by their begin.
    """
    placed: list[int] = []
    taken: list[tuple[float, int]] = []  # when a lane gets free
    free: list[int] = []
    for begin, end in spans:
        while taken and taken[0][0] <= begin:
            heappush(free, heappop(taken)[1])
        lane = heappop(free) if free else len(taken)
        heappush(taken, (end, lane))
        placed.append(lane)
    return placed


def tick(seconds: float, span: float) -> str:
    """Return a moment as an axis of *span* seconds shows it."""
    for most, form in (
        (4 * _MINUTE, "%H:%M:%S"),  # its quarters are shorter than a minute
        (DAY, "%H:%M"),
        (4 * DAY, "%d %b %H:%M"),
    ):
        if span <= most:
            return moment(seconds, form)
    return moment(seconds, "%d %b" if span <= 364 * DAY else "%b %Y")


def stacked(parts: Sequence[float]) -> list[tuple[float, float]]:
    """Return begin and end of each of *parts*, one on the other."""
    found, level = [], 0.0
    for part in parts:
        found.append((level, level + part))
        level += part
    return found
