"""Moments as text, in UTC, and back."""

from __future__ import annotations

from datetime import datetime, timezone

__all__ = ["DAY", "iso", "moment", "parse_iso"]

#: Seconds.
DAY = 86_400.0


def iso(seconds: float, timespec: str = "seconds") -> str:
    """Return a moment after ISO 8601.

    Args:
        seconds: since 1970.
        timespec: how precisely, as `datetime.isoformat` has it.
    """
    return _date(seconds).isoformat(timespec=timespec)


def moment(seconds: float, form: str) -> str:
    """Return a moment, *seconds* since 1970, written in *form*."""
    return _date(seconds).strftime(form)


def parse_iso(text: str) -> float:
    """Return the seconds since 1970 of a moment after ISO 8601, in UTC by default.

    Raises:
        ValueError: it is none.
    """
    # Before Python 3.11 the "Z" is not understood.
    date = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return date.timestamp()


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.utc)
