"""The page: whole in itself, safe whatever sites say, readable on a telephone.

Most of these were seen in a browser first: with 10, 1,000 and 100,000 tasks, in light
and in dark, at 1,000 and at 360 pixels.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import lxml.html  # type: ignore[import-untyped]
import pytest

from scrapy_onecaptcha.report.charts import MAX_BARS, MAX_COLUMNS, MAX_SITES
from scrapy_onecaptcha.report.html import MAX_ROWS, page
from scrapy_onecaptcha.report.record import OUTCOMES
from scrapy_onecaptcha.report.styles import CSS
from tests.unit.report.helpers import MIDNIGHT, SITE, many, record, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scrapy_onecaptcha.report.record import Record

HOSTILE = '</title><script>alert(1)</script><img src="https://evil.example/x">&amp;'


def html(*records: Record) -> str:
    return page(summary(*records), now=MIDNIGHT)


def parsed(*records: Record) -> Any:
    return lxml.html.document_fromstring(html(*records))


def figure(root: Any, title: str) -> Any:
    (found,) = root.xpath(f"//figure[h2='{title}']")
    return found


def test_it_is_whole_in_itself_and_runs_nothing() -> None:
    root = parsed(*many(50))
    for name in ("script", "link", "img", "iframe", "object", "embed", "base"):
        assert root.xpath(f"//{name}") == []
    assert root.xpath("//@src | //@href | //@*[starts-with(name(), 'on')]") == []
    assert "url(" not in CSS
    assert "@import" not in CSS
    (policy,) = root.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none';")


def test_nothing_that_a_site_says_becomes_markup() -> None:
    root = parsed(
        *many(5),
        record(site=HOSTILE, spider=HOSTILE, evidence=(HOSTILE,), code=HOSTILE),
        record(site=HOSTILE, outcome="failed", code=HOSTILE),
    )
    assert root.xpath("//script | //img") == []
    assert root.text_content().count(HOSTILE) >= 4


def test_no_task() -> None:
    root = parsed()
    assert "No task." in root.text_content()
    assert root.xpath("//svg") == []


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_single_task(outcome: str) -> None:
    """No figure that is missing, and no span of nothing, breaks it."""
    for seconds in (0.0, 20.0):
        root = parsed(record(outcome=outcome, seconds=seconds, points=0.0, opened=0))
        bars = figure(root, "Tasks").xpath(".//rect")
        assert [bar.get("class") for bar in bars] == [outcome]


def test_what_the_parts_are() -> None:
    root = parsed(*many(50))
    assert root.xpath("//h2/text()") == [
        *("Spend over time", "Tasks", "Solve time", "Pages per clearance"),
        *("What failed most, and what to do", "By site", "By day", "Evidence"),
    ]


# The charts


def test_each_task_is_a_bar_in_the_colour_of_its_verdict() -> None:
    records = many(200)
    bars = figure(parsed(*records), "Tasks").xpath(".//rect/@class")
    assert sorted(bars) == sorted(each.outcome for each in records)


def test_a_bar_can_be_seen_however_short_the_task_was() -> None:
    """Of a week a task of 20 s is a thirtieth of a pixel."""
    week = [record(time=MIDNIGHT + n * 86400, seconds=20.0) for n in range(8)]
    bars = figure(parsed(*week), "Tasks").xpath(".//rect/@width")
    assert min(map(float, bars)) >= 2  # of a thousand


def test_bars_do_not_lie_on_each_other() -> None:
    bars = [
        tuple(float(bar.get(key)) for key in ("x", "y", "width"))
        for bar in figure(parsed(*many(500)), "Tasks").xpath(".//rect")
    ]
    for _, lane in itertools.groupby(
        sorted(bars, key=lambda b: (b[1], b[0])), lambda b: b[1]
    ):
        for before, after in itertools.pairwise(lane):
            assert before[0] + before[2] <= after[0] + 0.02  # as rounded


def test_too_many_tasks_are_drawn_in_bins() -> None:
    records = [record(time=MIDNIGHT + n) for n in range(MAX_BARS + 1)]
    assert len(figure(parsed(*records[1:]), "Tasks").xpath(".//rect")) == MAX_BARS
    binned = figure(parsed(*records), "Tasks")
    assert 0 < len(binned.xpath(".//rect")) <= MAX_COLUMNS
    assert "not drawn one by one" in binned.text_content()


def test_columns_are_as_high_as_what_they_show() -> None:
    told = html(
        *[record(time=MIDNIGHT + 5)] * 3, record(time=MIDNIGHT + 65, outcome="rejected")
    )
    rects = figure(lxml.html.document_fromstring(told), "Spend over time").xpath(
        ".//rect"
    )
    shown = {
        rect.get("class"): (float(rect.get("y")), float(rect.get("height")))
        for rect in rects
    }
    # The 200 are 30 points: 21 of them, and 7.
    assert shown == {"accepted": (60.0, 140.0), "wasted": (153.33, 46.67)}
    assert "00:00: 21 points, accepted" in told


def test_a_chart_is_described_and_each_of_its_shapes() -> None:
    root = parsed(*many(50))
    for drawing in root.xpath("//svg[not(@aria-hidden)]"):
        assert drawing.get("role") == "img"
        assert len(drawing.get("aria-label")) > 30
    assert len(root.xpath("//rect")) == len(root.xpath("//rect/title"))


def test_text_is_never_stretched_with_the_shapes() -> None:
    """At 360 pixels it could not be read."""
    root = parsed(*many(50))
    assert root.xpath("//svg//text") == []
    assert {
        each.get("preserveAspectRatio") or each.get("preserveaspectratio")
        for each in root.xpath("//svg")
    } == {"none"}


def test_the_legend_names_what_is_drawn_and_nothing_else() -> None:
    root = parsed(record(), record(outcome="expired"))
    legend = ".//ul[@class='legend']/li"
    named = [each.text_content() for each in figure(root, "Tasks").xpath(legend)]
    assert named == ["accepted", "expired"]
    for outcome, word in (("accepted", "accepted"), ("expired", "all else")):
        spend = figure(parsed(record(outcome=outcome)), "Spend over time")
        assert [each.text_content() for each in spend.xpath(legend)] == [word]


def test_a_task_that_was_not_billed_is_no_spend() -> None:
    free = record(outcome="failed", code="timeout", points=0.0)
    spend = figure(parsed(record(points=21.0), free), "Spend over time")
    (column,) = spend.xpath(".//rect")
    assert column.get("class") == "accepted"
    assert "21 points, accepted" in spend.text_content()
    nothing = figure(parsed(free), "Spend over time")
    assert nothing.xpath(".//rect | .//li") == []


def labels(root: Any, title: str) -> list[str]:
    axis = figure(root, title).xpath(".//div[@class='xs']/span")
    return [each.text_content() for each in axis]


def test_a_short_crawl_has_times_that_differ() -> None:
    """The demo's 15 seconds were "01:41, 01:41, 01:42, 01:42, 01:42"."""
    few = [record(time=MIDNIGHT + n, seconds=3.0) for n in (5, 12, 18)]
    for title in ("Spend over time", "Tasks"):
        shown = labels(parsed(*few), title)
        assert len(set(shown)) == 5, shown


@pytest.mark.parametrize(
    ("longest", "shown"),
    [
        (3.5, ["0 s", "1 s", "2 s", "3 s", "4 s"]),
        (20.0, ["0 s", "5 s", "10 s", "15 s", "20 s"]),
        (78.0, ["0 s", "20 s", "40 s", "60 s", "80 s"]),
    ],
)
def test_the_axis_of_solve_times(longest: float, shown: list[str]) -> None:
    root = parsed(record(seconds=1.0), record(seconds=longest))
    assert labels(root, "Solve time") == shown


# Size


@pytest.mark.parametrize("count", [10, MAX_BARS, 20_000])
def test_its_size_is_bounded(count: int) -> None:
    assert len(html(*many(count))) < 600_000


def test_thousands_of_sites() -> None:
    root = parsed(*(record(site=f"https://s{n}.example") for n in range(3000)))
    (table,) = root.xpath("//section[h2='By site']")
    assert len(table.xpath(".//tbody/tr")) == MAX_ROWS
    assert f"The first {MAX_ROWS} of 3,000." in table.text_content()
    assert len(root.xpath("//details")) == MAX_ROWS
    assert len(figure(root, "Pages per clearance").xpath(".//rect")) == MAX_SITES


# On a telephone, and in the dark


def test_each_cell_of_a_table_says_what_it_is_where_the_head_is_not_shown() -> None:
    root = parsed(*many(50))
    for table in root.xpath("//table"):
        heads = table.xpath(".//th/text()")
        for row in table.xpath(".//tbody/tr"):
            assert row.xpath("./td/@data-head") == heads
    # Ten columns and a name take 50rem and more: at 52 they were cut off.
    narrow = CSS[CSS.index("@media (max-width: 62rem)") :]
    assert "thead { display: none; }" in narrow
    assert "td::before { content: attr(data-head);" in narrow


def test_numbers_are_not_broken_and_names_are() -> None:
    """The first draft had "28.7" over two lines: every text could be broken."""
    assert "td { white-space: nowrap; }" in CSS
    wrapping = re.findall(r"([^{}]+)\{ overflow-wrap: anywhere; \}", CSS)
    assert [each.strip() for each in wrapping] == [
        "td:first-child, .bars span, summary, li",
        ".text span",
    ]


def test_there_is_room_for_the_dates_below_a_chart() -> None:
    """Five do not fit side by side at 360 pixels, three do."""
    axes = parsed(*many(50)).xpath("//div[@class='xs']")
    assert [len(each) for each in axes] == [5, 5, 5]
    assert ".xs span:nth-child(even) { display: none; }" in CSS


def variables(text: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", text))


LIGHT, DARK = (variables(each) for each in CSS.split("@media (prefers", 1))


def test_both_schemes_have_every_colour() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert LIGHT.keys() >= OUTCOMES.keys()
    assert "color-scheme: light dark;" in CSS
    for outcome in OUTCOMES:
        assert f".{outcome} {{ fill: var(--{outcome});" in CSS


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG has it."""

    def luminance(colour: str) -> float:
        shares: Sequence[float] = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [
            share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
            for share in shares
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_shapes_can_be_told_from_what_they_are_on(
    scheme: dict[str, str],
) -> None:
    for text, ground in itertools.product(("ink", "dim"), ("page", "card")):
        assert contrast(scheme[text], scheme[ground]) >= 4.5, text
    for outcome in (*OUTCOMES, "wasted"):
        assert contrast(scheme[outcome], scheme["card"]) >= 2.3, outcome


def test_the_site_of_a_failure_is_named() -> None:
    told = html(record(outcome="failed", code="timeout"))
    assert "Advice for timeout." in told
    assert SITE in told
