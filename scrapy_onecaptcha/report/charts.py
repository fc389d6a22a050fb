"""The charts of a report: SVG shapes that stretch, with HTML text around them.

A shape in them is as wide as the page makes it, and text keeps its size, so that both
can be read on a telephone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scrapy_onecaptcha.report.dates import moment
from scrapy_onecaptcha.report.markup import Element, tag
from scrapy_onecaptcha.report.record import FINE, OUTCOMES
from scrapy_onecaptcha.report.scales import (
    Bins,
    bins_of,
    lanes,
    nice_step,
    nice_top,
    stacked,
    tick,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scrapy_onecaptcha.report.summary import Figures, Summary

__all__ = ["clearances", "solves", "spend", "tasks"]

#: Tasks from which on bars are too thin to be seen, and bins are drawn.
MAX_BARS = 2000
#: The most columns of a chart.
MAX_COLUMNS = 60
#: The most sites in a chart.
MAX_SITES = 20

_WIDTH, _HEIGHT = 1000.0, 200.0
#: The least width of a shape: a narrower one could not be seen.
_LEAST = 5.0
#: Heights in pixels: the thinnest and the thickest bar, and all bars together.
_THIN, _THICK, _TALLEST = 2, 14, 480

_NAMES = tuple(OUTCOMES)
_MINUTES = "%d %b %Y, %H:%M"


def spend(summary: Summary) -> Element:
    """Return the points spent over time, by whether they brought a page."""
    times = summary.times
    bins = _bins(summary)
    sums = [[0.0, 0.0] for _ in range(bins.count)]
    for end, points, outcome in zip(
        times.ends, times.points, times.outcomes, strict=True
    ):
        sums[bins.index(end)][_NAMES[outcome] not in FINE] += points
    kinds = (("accepted", "accepted"), ("wasted", "all else"))
    spent = map(sum, zip(*sums, strict=True))
    drawn = [kind for kind, points in zip(kinds, spent, strict=True) if points]
    return _figure(
        "Spend over time",
        f"Points per {_span(bins.step)}, by when the verdict was known (UTC).",
        _columns(bins, sums, kinds, "points"),
        _time_axis(bins),
        drawn,
        top=max(map(sum, sums)),
    )


def tasks(summary: Summary) -> Element:
    """Return each task as a bar, or how many there were where these are too many."""
    if len(summary.times) > MAX_BARS:
        return _binned(summary)
    times = summary.times
    first, last = summary.first or 0.0, summary.last or 0.0
    span = max(last - first, 1.0)
    scale = _WIDTH / (span * 1.005)
    order = sorted(
        range(len(times)), key=lambda index: times.ends[index] - times.seconds[index]
    )
    spans = []
    for index in order:
        begin = (times.ends[index] - times.seconds[index] - first) * scale
        wide = max(times.seconds[index] * scale, _LEAST)
        spans.append((begin, begin + wide))
    rows = lanes(spans)
    count = max(rows) + 1
    pixels = min(max(_THIN, min(_THICK, _TALLEST // count)) * count, _TALLEST)
    bars = [
        _rect(
            (begin, row + 0.08, end - begin - _LEAST / 4, 0.84),
            _NAMES[times.outcomes[index]],
            f"{_NAMES[times.outcomes[index]]}, {times.seconds[index]:.1f} s, until "
            f"{moment(times.ends[index], '%d %b %H:%M:%S')}",
        )
        for index, (begin, end), row in zip(order, spans, rows, strict=True)
    ]
    axis = Bins(first, span / 4, 4)
    return _figure(
        "Tasks",
        "Each bar is a task, from its creation to its verdict (UTC).",
        bars,
        _ends(axis),
        _used(summary.total),
        height=float(count),
        pixels=pixels,
    )


def _binned(summary: Summary) -> Element:
    times = summary.times
    bins = _bins(summary)
    counts = [[0.0] * len(_NAMES) for _ in range(bins.count)]
    for end, outcome in zip(times.ends, times.outcomes, strict=True):
        counts[bins.index(end)][outcome] += 1
    kinds = tuple((name, name) for name in _NAMES)
    return _figure(
        "Tasks",
        f"Verdicts per {_span(bins.step)} (UTC); more than {MAX_BARS:,} tasks are not "
        "drawn one by one.",
        _columns(bins, counts, kinds, "tasks"),
        _time_axis(bins),
        _used(summary.total),
        top=max(map(sum, counts)),
    )


def solves(summary: Summary) -> Element | None:
    """Return how long the tasks took that gave a token."""
    seconds, total = summary.solves, summary.total
    if not seconds or total.median is None or total.p95 is None:
        return None
    step = max(nice_step(seconds[-1], 40), 0.1)
    bins = Bins(0.0, step, math.ceil(nice_top(seconds[-1]) / step - 1e-9))
    counts = [[0.0] for _ in range(bins.count)]
    for each in seconds:
        counts[bins.index(each)][0] += 1
    kinds = (("accepted", "tasks with a token"),)
    shapes = _columns(bins, counts, kinds, "tasks", unit=" s")
    for value, name in ((total.median, "median"), (total.p95, "p95")):
        x = value / bins.end * _WIDTH
        line = {"x1": x, "x2": x, "y1": 0.0, "y2": _HEIGHT}
        shapes.append(tag("line", _title(f"{name}: {value:.1f} s"), attributes=line))
    return _figure(
        "Solve time",
        f"Seconds from a task's creation to its token, {step:g} s a column. Lines: the "
        f"median, {total.median:.1f} s, and the 95th percentile, {total.p95:.1f} s.",
        shapes,
        [f"{bins.end * quarter / 4:g} s" for quarter in range(5)],
        (),
        top=max(count for (count,) in counts),
    )


def clearances(summary: Summary) -> Element | None:
    """Return how many pages a clearance opened, by site."""
    means = [
        (site, figures.pages_per_clearance)
        for site, figures in summary.sites.items()
        if figures.pages_per_clearance is not None
    ]
    if not means:
        return None
    shown = means[:MAX_SITES]
    top = max(mean for _, mean in shown) or 1.0
    rows = [_bar_row(site, mean, top) for site, mean in shown]
    more = len(means) - len(shown)
    rest = f" The {len(shown)} sites that cost most, of {len(means):,}." if more else ""
    return tag(
        "figure",
        tag("h2", "Pages per clearance"),
        tag("p", f"Pages that an accepted token opened, by site.{rest}"),
        tag("div", *rows, class_="bars"),
    )


def _bar_row(site: str, mean: float, top: float) -> Element:
    width = mean / top * _WIDTH
    bar = tag(
        "svg",
        _rect((0.0, 0.0, max(width, _LEAST), 1.0), "accepted", f"{site}: {mean:.1f}"),
        attributes={
            "viewBox": f"0 0 {_WIDTH:g} 1",
            "preserveAspectRatio": "none",
            "aria-hidden": "true",
        },
    )
    return tag("div", tag("span", site), bar, tag("b", f"{mean:,.1f}"))


# Parts


def _figure(
    title: str,
    about: str,
    shapes: Sequence[Element],
    axis: Sequence[str],
    kinds: Sequence[tuple[str, str]],
    *,
    top: float = 0.0,
    height: float = _HEIGHT,
    pixels: int = int(_HEIGHT),
) -> Element:
    drawing = tag(
        "svg",
        *shapes,
        attributes={
            "viewBox": f"0 0 {_WIDTH:g} {height:g}",
            "preserveAspectRatio": "none",
            "role": "img",
            "aria-label": f"{title}. {about}",
            "style": f"height: {pixels}px",
        },
    )
    levels = (
        [f"{nice_top(top) * share / 2:,.10g}" for share in (2, 1, 0)] if top else []
    )
    ys = tag("div", *(tag("span", level) for level in levels), class_="ys")
    xs = tag("div", *(tag("span", label) for label in axis), class_="xs")
    legend = tag(
        "ul",
        *(tag("li", tag("i", class_=kind), name) for kind, name in kinds),
        class_="legend",
    )
    return tag(
        "figure",
        tag("h2", title),
        tag("p", about),
        tag("div", ys if top else None, drawing, xs, class_="chart" if top else ""),
        legend if kinds else None,
    )


def _columns(
    bins: Bins,
    values: Sequence[Sequence[float]],
    kinds: Sequence[tuple[str, str]],
    what: str,
    *,
    unit: str = "",
) -> list[Element]:
    top = nice_top(max(map(sum, values)))
    wide = _WIDTH / bins.count
    shapes = []
    for index, parts in enumerate(values):
        edge = bins.edge(index)
        when = f"from {edge:g}{unit}" if unit else moment(edge, _MINUTES)
        for (kind, name), part, (low, high) in zip(
            kinds, parts, stacked(parts), strict=True
        ):
            if part:
                y = _HEIGHT * (1 - high / top)
                tall = _HEIGHT * (high - low) / top
                box = index * wide, y, wide * 0.88, tall
                told = f"{when}: {part:,.10g} {what}, {name}"
                shapes.append(_rect(box, kind, told))
    return shapes


def _rect(box: tuple[float, float, float, float], kind: str, told: str) -> Element:
    x, y, width, height = box
    return tag(
        "rect",
        _title(told),
        attributes={"x": x, "y": y, "width": width, "height": height},
        class_=kind,
    )


def _title(told: str) -> Element:
    return tag("title", told)


def _bins(summary: Summary) -> Bins:
    times = summary.times
    return bins_of(min(times.ends), max(times.ends), MAX_COLUMNS)


def _time_axis(bins: Bins) -> list[str]:
    return _ends(Bins(bins.start, bins.step * bins.count / 4, 4))


def _ends(quarters: Bins) -> list[str]:
    span = quarters.end - quarters.start
    return [tick(quarters.edge(index), span) for index in range(5)]


def _used(total: Figures) -> list[tuple[str, str]]:
    return [(name, name) for name, count in total.outcomes.items() if count]


def _span(seconds: float) -> str:
    for size, name in ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= size:
            count = seconds / size
            return name if count == 1 else f"{count:g} {name}s"
    return f"{seconds:g} s"
