"""Counts of tasks and pages, for each site and for all of them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha.models import price

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["OTHERS", "BySite", "Ended", "Tally", "TaskCount", "price_of", "total"]

_T = TypeVar("_T")

# A site may have any number of hosts. So many are counted one by one, and a summary has
# a line for so many.
MAX_SITES = 10_000
MAX_TOLD = 20
#: Counts together what was met on all further sites.
OTHERS = "other sites"


class TaskCount:
    """Counts the tasks of a crawl, on each site and on all.

    Tasks are counted here and nowhere else: budget, stats and summary read it. Memory
    grows with the bill, and no faster.

    Attributes:
        total: tasks on all sites, without those that were given back.
    """

    def __init__(self) -> None:
        self.total = 0
        self._sites: dict[str, int] = {}

    @property
    def sites(self) -> int:
        """How many sites have tasks."""
        return len(self._sites)

    def of(self, site: str) -> int:
        """Return the tasks of *site*."""
        return self._sites.get(site, 0)

    def add(self, site: str) -> None:
        """Count a task of *site*, before it is created."""
        self.total += 1
        self._sites[site] = self.of(site) + 1

    def take_back(self, site: str) -> None:
        """Take a task of *site* back that the service refused to create."""
        self.total -= 1
        self._sites[site] -= 1
        if not self._sites[site]:
            del self._sites[site]


class BySite(dict[str, _T]):
    """Counts for each site, and for all further ones together where there are many.

    Args:
        make: makes the counts of one site.
    """

    def __init__(self, make: Callable[[], _T]) -> None:
        super().__init__()
        self._make = make

    def name(self, site: str) -> str:
        """Return *site*, or `OTHERS` where it is not counted by itself."""
        return site if site in self or len(self) < MAX_SITES else OTHERS

    def at(self, site: str) -> _T:
        """Return the counts of *site*."""
        return self.setdefault(self.name(site), self._make())

    def ranked(self, rank: Callable[[str], Any]) -> tuple[list[str], list[str]]:
        """Return the sites that a summary names, sorted, and the others.

        Args:
            rank: of a site; those of the smallest are named.
        """
        sites = sorted(self, key=rank)
        return sorted(sites[:MAX_TOLD]), sites[MAX_TOLD:]


@dataclass(slots=True)
class Tally:
    """What the tasks and gates of one site came to."""

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
    """Return the cost of the tasks of *tally*, and what was not billed."""
    spent = price(tally.points)
    if not tally.unbilled:
        return spent
    unbilled = counted(tally.unbilled, "point", "g")
    return f"{spent}, {unbilled} of failed tasks not billed"
