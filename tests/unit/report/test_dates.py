"""Moments as text, and back."""

from __future__ import annotations

import pytest

from scrapy_onecaptcha.report.dates import iso, moment, parse_iso

NOON = 1_796_126_400.5  # 2026-12-01, half a second after noon


def test_a_moment_is_written_in_utc() -> None:
    assert iso(NOON) == "2026-12-01T12:00:00+00:00"
    assert iso(NOON, "milliseconds") == "2026-12-01T12:00:00.500+00:00"
    assert moment(NOON, "%d %b %H:%M") == "01 Dec 12:00"


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01T12:00:00.500",
        "2026-12-01T12:00:00.500Z",
        "2026-12-01T12:00:00.500+00:00",
        "2026-12-01T13:00:00.500+01:00",
    ],
)
def test_it_is_read_back(text: str) -> None:
    assert parse_iso(text) == NOON


def test_a_day_begins_at_midnight() -> None:
    assert parse_iso("2026-12-01") == NOON - 12 * 3600 - 0.5


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="yesterday"):
        parse_iso("yesterday")
