"""Steps, bins and lanes."""

from __future__ import annotations

import itertools
import random

import pytest

from scrapy_onecaptcha.report.scales import (
    Bins,
    bins_of,
    lanes,
    nice_step,
    nice_top,
    stacked,
    tick,
)
from tests.unit.report.helpers import MIDNIGHT


@pytest.mark.parametrize(
    "span", [0.0, 1.0, 59.0, 3600.0, 86400.0, 1e6, 1e7, 1e8, 1e9, 1e11]
)
def test_bins_hold_the_span_and_are_few(span: float) -> None:
    bins = bins_of(MIDNIGHT + 1234.5, MIDNIGHT + 1234.5 + span, 60)
    assert 1 <= bins.count <= 60
    assert bins.start <= MIDNIGHT + 1234.5
    assert bins.end > MIDNIGHT + 1234.5 + span
    assert bins.start % bins.step == 0


def test_bins_are_as_narrow_as_may_be() -> None:
    assert bins_of(0, 3599, 60) == Bins(0.0, 60.0, 60)
    assert bins_of(0, 3600, 60).step == 120


def test_a_value_outside_is_in_the_first_or_the_last() -> None:
    bins = Bins(100.0, 10.0, 3)
    assert [bins.index(v) for v in (0, 100, 109.9, 110, 129.9, 130, 999)] == [
        *(0, 0, 0, 1, 2, 2, 2)
    ]


@pytest.mark.parametrize("value", [0, 0.3, 1, 7, 21, 99.9, 100, 230, 2400, 1e9])
def test_an_axis_ends_at_a_round_number(value: float) -> None:
    top = nice_top(value)
    assert value <= top <= max(1, 2 * value)
    steps = top / nice_step(value, 4) if value else 1
    assert steps == pytest.approx(round(steps))


@pytest.mark.parametrize("seed", range(20))
def test_spans_in_a_lane_do_not_overlap(seed: int) -> None:
    draw = random.Random(seed)
    spans = sorted(
        (begin, begin + draw.expovariate(0.1))
        for begin in map(draw.uniform, [0] * 200, [500] * 200)
    )
    rows = lanes(spans)
    for row in set(rows):
        own = [span for span, placed in zip(spans, rows, strict=True) if placed == row]
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(own))
    most = max(sum(b <= x < e for b, e in spans) for x, _ in spans)
    assert max(rows) + 1 == most


def test_parts_stand_on_each_other() -> None:
    assert stacked([2, 0, 3]) == [(0, 2), (2, 2), (2, 5)]


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (15, "00:00:00"),
        (240, "00:00:00"),
        (241, "00:00"),
        (3600, "00:00"),
        (86400, "00:00"),
        (2 * 86400, "25 Nov 00:00"),
        (30 * 86400, "25 Nov"),
        (900 * 86400, "Nov 2026"),
    ],
)
def test_a_tick_says_as_much_as_is_needed(span: float, text: str) -> None:
    assert tick(MIDNIGHT, span) == text
