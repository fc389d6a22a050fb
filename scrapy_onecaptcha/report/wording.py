"""How a report writes its figures, on the terminal and on the page alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FAILURES", "NONE", "NO_FAILURES", "newest_first", "number", "percent"]

_T = TypeVar("_T")

#: Shown in place of a figure that does not exist.
NONE = "-"

#: Heads the tasks that brought no page; said where there are none.
FAILURES = "What failed most, and what to do"
NO_FAILURES = "Each task brought a page."


def newest_first(days: Mapping[str, _T]) -> dict[str, _T]:
    """Return the figures of *days*, the last day first."""
    return dict(sorted(days.items(), reverse=True))


def number(value: float | None) -> str:
    """Return *value* with one decimal."""
    return NONE if value is None else f"{value:,.1f}"


def percent(share: float | None) -> str:
    """Return *share*, which is 1 at most, in per cent."""
    return NONE if share is None else f"{share:.1%}"
