"""The report as one HTML page: no script, nothing from elsewhere.

The standard library makes it. Each element is an object, so that no text of a page
becomes markup because an escape was forgotten, and reading a report takes no
package that the crawl does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha.models import POINTS_PER_CNY
from scrapy_onecaptcha.report import charts
from scrapy_onecaptcha.report.dates import moment
from scrapy_onecaptcha.report.markup import Element, document, tag
from scrapy_onecaptcha.report.styles import CSS
from scrapy_onecaptcha.report.wording import (
    FAILURES,
    NO_FAILURES,
    NONE,
    newest_first,
    number,
    percent,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scrapy_onecaptcha.report.summary import Figures, Summary

__all__ = ["page"]

#: Rows of a table. A crawl may have met gates on thousands of sites.
MAX_ROWS = 100

#: Nothing is loaded or run, whatever slipped in.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MINUTES = "%d %b %Y %H:%M"


def page(summary: Summary, *, now: float) -> str:
    """Return the page.

    Args:
        summary: what it shows.
        now: when it is made, in seconds since 1970.
    """
    head = tag(
        "head",
        tag("meta", attributes={"charset": "utf-8"}),
        _meta("viewport", "width=device-width, initial-scale=1"),
        _meta("referrer", "no-referrer"),
        tag(
            "meta",
            attributes={"http-equiv": "Content-Security-Policy", "content": _POLICY},
        ),
        tag("title", "hCaptcha report"),
        tag("style", CSS),
    )
    made = (
        f"Made {moment(now, _MINUTES)} UTC. All times are UTC; 1,000 points are 1 CNY."
    )
    body = tag(
        "body",
        tag("h1", "hCaptcha report"),
        tag("p", _span(summary)),
        *(_content(summary) if summary.total.tasks else [tag("p", "No task.")]),
        tag("footer", made),
    )
    return document(tag("html", head, body, attributes={"lang": "en"}))


def _content(summary: Summary) -> Iterable[Element | None]:
    return (
        _tiles(summary.total),
        charts.spend(summary),
        charts.tasks(summary),
        charts.solves(summary),
        charts.clearances(summary),
        _failures(summary),
        _groups("By site", "Site", summary.sites),
        _groups("By day", "Day (UTC)", newest_first(summary.days)),
        _evidence(summary),
    )


def _meta(name: str, content: str) -> Element:
    return tag("meta", attributes={"name": name, "content": content})


def _span(summary: Summary) -> str:
    if summary.first is None or summary.last is None:
        return "Nothing in the ledger, or nothing that was asked for."
    runs = counted(summary.runs, "run", ",")
    spiders = f" of {', '.join(summary.spiders[:10])}" if summary.spiders else ""
    first, last = moment(summary.first, _MINUTES), moment(summary.last, _MINUTES)
    return f"{runs}{spiders}, {first} to {last} UTC"


# Figures


def _tiles(total: Figures) -> Element:
    seconds = f"p95 {number(total.p95)} s" if total.p95 is not None else ""
    tiles = (
        ("Spent", counted(total.points, "point", ",.10g"), _cny(total.points)),
        ("Tasks", f"{total.tasks:,}", f"{total.accepted:,} accepted"),
        ("Pass rate", percent(total.pass_rate), "accepted of all tasks"),
        (
            "Cost of an accepted page",
            _points(total.points_per_accepted),
            _cny(total.points_per_accepted),
        ),
        (
            "Pages per clearance",
            number(total.pages_per_clearance),
            f"{counted(total.opened, 'page', ',')} in all",
        ),
        ("Median solve", _with_unit(total.median), seconds),
    )
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value, tag("small", more)))
            for name, value, more in tiles
        ),
        class_="tiles",
    )


def _groups(title: str, head: str, groups: Mapping[str, Figures]) -> Element:
    heads = (
        head,
        "Tasks",
        "Accepted",
        "Pass rate",
        "Points",
        "CNY",
        "Points a page",
        "Pages a clearance",
        "Median",
        "p95",
    )
    rows = [
        (
            name,
            f"{figures.tasks:,}",
            f"{figures.accepted:,}",
            percent(figures.pass_rate),
            f"{figures.points:,.10g}",
            f"{figures.points / POINTS_PER_CNY:,.3f}",
            number(figures.points_per_accepted),
            number(figures.pages_per_clearance),
            _with_unit(figures.median),
            _with_unit(figures.p95),
        )
        for name, figures in list(groups.items())[:MAX_ROWS]
    ]
    about = (
        "Points a page: what was spent for each accepted token. Pages a clearance: "
        "what such a token opened. Median and p95: seconds from a task to its token."
    )
    return _section(title, f"{about}{_of(groups)}", _table(heads, rows))


def _failures(summary: Summary) -> Element:
    if not summary.failures:
        return _section(FAILURES, NO_FAILURES)
    heads = ("What", "Tasks", "Points", "Sites", "Most on", "What to do")
    rows = [
        (
            failure.name,
            f"{failure.tasks:,}",
            f"{failure.points:,.10g}",
            f"{failure.sites:,}",
            failure.worst,
            failure.advice,
        )
        for failure in summary.failures[:MAX_ROWS]
    ]
    about = f"Tasks that brought no page.{_of(summary.failures)}"
    return _section(FAILURES, about, _table(heads, rows, text=2))


def _evidence(summary: Summary) -> Element:
    shown = [
        tag(
            "details",
            tag("summary", site),
            tag(
                "ul",
                *(
                    tag("li", f"{sentence} ({counted(count, 'task', ',')})")
                    for sentence, count in summary.evidence[site]
                ),
            ),
        )
        for site in list(summary.sites)[:MAX_ROWS]
        if summary.evidence.get(site)
    ]
    about = f"Why pages were taken for gates, by site.{_of(summary.sites)}"
    return _section("Evidence", about, *shown)


# Parts


def _section(title: str, about: str, *content: Element) -> Element:
    return tag("section", tag("h2", title), tag("p", about), *content)


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, text: int = 0
) -> Element:
    """Return a table whose last *text* columns are text, the first one always is."""
    texts = range(len(heads) - text, len(heads))
    return tag(
        "table",
        tag(
            "thead",
            tag(
                "tr",
                *(
                    tag("th", head, class_="text" if index in texts else "")
                    for index, head in enumerate(heads)
                ),
            ),
        ),
        tag(
            "tbody",
            *(
                tag(
                    "tr",
                    *(
                        tag(
                            "td",
                            tag("span", cell),
                            attributes={"data-head": heads[index]},
                            class_="text" if index in texts else "",
                        )
                        for index, cell in enumerate(row)
                    ),
                )
                for row in rows
            ),
        ),
    )


def _of(all_of_them: Mapping[str, object] | Sequence[object]) -> str:
    count = len(all_of_them)
    return f" The first {MAX_ROWS} of {count:,}." if count > MAX_ROWS else ""


def _with_unit(seconds: float | None) -> str:
    return NONE if seconds is None else f"{seconds:,.1f} s"


def _points(points: float | None) -> str:
    return NONE if points is None else f"{points:,.1f} points"


def _cny(points: float | None) -> str:
    return "" if points is None else f"{points / POINTS_PER_CNY:,.3f} CNY"
