"""The table that the benchmarks print."""

from __future__ import annotations

import os
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Row", "at_most", "show"]

HEADS = ("what", "measured", "against, in the same run", "figure", "target", "met")
GAP = "  "
WIDTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        what: is measured.
        measured: the value, with its unit.
        against: the limit or the baseline.
        figure: the ratio or the count that is held against the target.
        target: what it is to be; empty for a line that is there for scale.
        met: whether it is.
        note: printed below the table.
        must: whether the benchmarks fail where it is not met.
    """

    what: str
    measured: str
    against: str = ""
    figure: str = ""
    target: str = ""
    met: bool | None = None
    note: str = ""
    must: bool = False

    def cells(self) -> tuple[str, ...]:
        """Return the text of the columns."""
        verdict = {True: "yes", False: "NO", None: ""}[self.met]
        return (
            self.what,
            self.measured,
            self.against,
            self.figure,
            self.target or "(for scale)",
            verdict,
        )


def at_most(
    what: str,
    value: float,
    target: float,
    *,
    measured: str,
    against: str = "",
    unit: str = "x",
    note: str = "",
    must: bool = False,
) -> Row:
    """Return the line of a *value* that is to be *target* or less."""
    met = value <= target
    missed = "" if met else f"Missed by {(value / target - 1):.1%}. "
    return Row(
        what=what,
        measured=measured,
        against=against,
        figure=f"{value:.4g}{unit}",
        target=f"≤ {target:g}{unit}",
        met=met,
        note=missed + note,
        must=must,
    )


def show(rows: Iterable[Row]) -> None:
    """Print *rows* with their heads, then the notes."""
    rows = list(rows)
    lines = [HEADS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        print(_line(line, widths))
        if number == 0:
            print(GAP.join("-" * width for width in widths))
    noted = [row for row in rows if row.note]
    for row in noted:
        print()
        print(textwrap.fill(f"{row.what}: {row.note}", WIDTH, subsequent_indent="  "))
    print(f"\n{machine()}")
    sys.stdout.flush()


def machine() -> str:
    """Tell what it was measured on, and how busy that was with other things."""
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    python = sys.version.partition(" ")[0]
    return f"Python {python}, {os.cpu_count()} cores, load average {load}."


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return GAP.join(padded).rstrip()
