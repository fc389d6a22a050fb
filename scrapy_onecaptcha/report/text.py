"""The report for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha.models import price
from scrapy_onecaptcha.report.dates import moment
from scrapy_onecaptcha.report.wording import (
    FAILURES,
    NO_FAILURES,
    newest_first,
    number,
    percent,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scrapy_onecaptcha.report.summary import Figures, Summary

__all__ = ["in_words"]

#: Lines of a table, and failures that are told.
MAX_ROWS = 20

_HEADS = ("tasks", "passed", "rate", "points", "each", "pages", "median", "p95")
_LEGEND = (
    "each: points for an accepted page; pages: opened by a clearance; median and p95: "
    "seconds until a token"
)
_MINUTES = "%Y-%m-%d %H:%M"


def in_words(summary: Summary) -> Iterator[str]:
    """Yield the lines."""
    total = summary.total
    if summary.first is None or summary.last is None:
        yield "No task."
        return
    spiders = f" of {', '.join(summary.spiders[:10])}" if summary.spiders else ""
    yield (
        f"{counted(total.tasks, 'task', ',')}, {counted(summary.runs, 'run', ',')}"
        f"{spiders}, "
        f"{moment(summary.first, _MINUTES)} to {moment(summary.last, _MINUTES)} UTC"
    )
    yield from _totals(total)
    yield ""
    yield from _table("By day (UTC)", newest_first(summary.days))
    yield ""
    yield from _table("By site", summary.sites)
    yield f"({_LEGEND})"
    yield ""
    yield from _failures(summary)


def _totals(total: Figures) -> Iterator[str]:
    each = total.points_per_accepted
    page = (
        f"; an accepted page cost {price(round(each, 1))}" if each is not None else ""
    )
    yield f"Spent {price(total.points)}{page}"
    yield f"{total.accepted:,} accepted, a pass rate of {percent(total.pass_rate)}"
    if total.median is not None and total.p95 is not None:
        yield f"Seconds until a token: median {total.median:.1f}, p95 {total.p95:.1f}"
    if total.pages_per_clearance is not None:
        yield f"Pages per clearance: {total.pages_per_clearance:,.1f}"


def _table(title: str, groups: Mapping[str, Figures]) -> Iterator[str]:
    names = list(groups)[:MAX_ROWS]
    cut = (
        f" (the first {len(names)} of {len(groups):,})" if groups.keys() - names else ""
    )
    heads = (f"{title}{cut}", *_HEADS)
    rows = [heads, *((name, *_cells(groups[name])) for name in names)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = (f"{cell:>{w}}" for cell, w in zip(others, widths[1:], strict=True))
        yield "  ".join((f"{first:<{widths[0]}}", *cells))


def _cells(figures: Figures) -> Sequence[str]:
    return (
        f"{figures.tasks:,}",
        f"{figures.accepted:,}",
        percent(figures.pass_rate),
        f"{figures.points:,.10g}",
        number(figures.points_per_accepted),
        number(figures.pages_per_clearance),
        number(figures.median),
        number(figures.p95),
    )


def _failures(summary: Summary) -> Iterator[str]:
    if not summary.failures:
        yield NO_FAILURES
        return
    yield FAILURES
    for failure in summary.failures[:MAX_ROWS]:
        where = (
            failure.worst
            if failure.sites == 1
            else (f"{failure.sites:,} sites, most on {failure.worst}")
        )
        yield (
            f"  {failure.name}: {counted(failure.tasks, 'task', ',')}, "
            f"{price(failure.points)}, on {where}"
        )
        yield f"    {failure.advice}"
