"""Log lines that two modules write, and lines at a bounded rate."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy_onecaptcha._values import Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "FIRST_GATE",
    "FIRST_WIDGET",
    "MAX_WARNINGS",
    "Once",
    "Quieted",
    "scope_in_words",
]

#: With a host, its first page of that kind, and how sure the verdict is.
FIRST_GATE = "An hCaptcha on %s gates its pages (first: %s, confidence %.2f)"
FIRST_WIDGET = (
    "An hCaptcha on %s seems to gate nothing and is left alone (first: %s, confidence "
    "%.2f). If it is a gate, say what its pages should hold: ONECAPTCHA_EXPECT."
)

#: Seconds for which a further line of the same kind on the same site is only counted.
QUIET = 60.0

#: Lines of one kind within `QUIET`; pairs of site and kind that are remembered;
#: subjects of one warning.
MAX_LINES = 20
MAX_QUIET = 1000
MAX_WARNINGS = 100


def scope_in_words(domains: Iterable[str] | None) -> str:
    """Return where gates are solved: on *domains*, if any are named."""
    return ", ".join(domains or ()) or "every host that the spider asks for"


class Once:
    """Tells what was not told yet; `MAX_WARNINGS` of a kind at most."""

    def __init__(self) -> None:
        self._told: dict[str, set[str]] = {}

    def is_first(self, kind: str, of: str) -> bool:
        """Tell whether nothing of this *kind* was told *of* it, nor too much in all."""
        told = self._told.setdefault(kind, set())
        if of in told or len(told) == MAX_WARNINGS:
            return False
        told.add(of)
        return True

    def is_last(self, kind: str) -> bool:
        """Tell whether no more of this *kind* is going to be told."""
        return len(self._told[kind]) == MAX_WARNINGS


@dataclass(slots=True)
class _Quiet:
    until: float = 0.0
    withheld: int = 0
    lines: int = 0


class Quieted:
    """Decides which lines are written, and counts those that are not.

    Args:
        now: seconds of a clock that never goes back.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._here: Recent[tuple[str, str], _Quiet] = Recent(MAX_QUIET)
        self._everywhere: defaultdict[str, _Quiet] = defaultdict(_Quiet)

    def admit(self, site: str, kind: str) -> int | None:
        """Return how many lines were withheld before this one; ``None``: so is it."""
        now = self._now()
        here, everywhere = self._quiet_of(site, kind), self._everywhere[kind]
        if now >= everywhere.until:
            everywhere.until, everywhere.lines = now + QUIET, 0
        if now < here.until or everywhere.lines == MAX_LINES:
            (here if now < here.until else everywhere).withheld += 1
            return None
        withheld = here.withheld + everywhere.withheld
        here.withheld = everywhere.withheld = 0
        here.until = now + QUIET
        everywhere.lines += 1
        return withheld

    def _quiet_of(self, site: str, kind: str) -> _Quiet:
        quiet = self._here.get((site, kind)) or _Quiet()
        self._here[site, kind] = quiet
        return quiet
