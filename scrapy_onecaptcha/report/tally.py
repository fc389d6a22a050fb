"""What happened on one site, and on all of them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from scrapy_onecaptcha.models import price

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Ended", "Tally", "price_of", "total"]


@dataclass(slots=True)
class Tally:
    """What happened on one site."""

    tasks: int = 0
    passed: int = 0
    failed: int = 0
    shared: int = 0
    lost: int = 0
    points: float = 0.0
    unbilled: float = 0.0


@dataclass(slots=True)
class Ended:
    """Clearances that have ended."""

    count: int = 0
    pages: int = 0
    seconds: float = 0.0


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of *tallies*."""
    together = list(tallies)
    return Tally(
        *(
            sum(getattr(tally, item.name) for tally in together)
            for item in fields(Tally)
        )
    )


def price_of(tally: Tally) -> str:
    """Return what the tasks of *tally* have cost, and would have, had they worked."""
    spent = price(tally.points)
    if not tally.unbilled:
        return spent
    return f"{spent}, {tally.unbilled:g} points of failed tasks not billed"
