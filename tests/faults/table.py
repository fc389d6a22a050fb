"""The table: one line for each fault, or for all with the same outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .rows import BALANCE, DELIVERED, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .running import Outcome

__all__ = ["HEAD", "Line", "all_lines", "groups", "short_lines"]

HEAD = ("call", "fault", "times", "page", "tasks", "counted", "calls", "seconds")
WIDTHS = (14, 40, 9, 21, 6, 8, 8, 8)


class Line(NamedTuple):
    """What tells one line of the short table from another."""

    call: str
    times: str
    page: str
    created: int
    counted: int
    calls: tuple[int, ...]


def groups(rows: Iterable[Row]) -> dict[Line, list[Row]]:
    """Return *rows* by their outcome, in order."""
    found: dict[Line, list[Row]] = {}
    for row in rows:
        line = Line(
            row.call, row.times, page_of(row), row.created, row.counted, (*row.calls,)
        )
        found.setdefault(line, []).append(row)
    return found


def page_of(row: Row) -> str:
    """Return what becomes of a row's pages, in a word or two."""
    if row.call == BALANCE:
        return "the balance" if row.page == DELIVERED else row.page
    if row.then:
        return f"{row.after}x {row.page}, {row.pages - row.after}x {row.then}"
    return row.page if row.pages == 1 else f"{row.pages}x {row.page}"


def faults_of(rows: Iterable[Row]) -> str:
    """Return what goes wrong in *rows*, each with the number of its faults."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.what] = counts.get(row.what, 0) + 1
    return "; ".join(
        f"{what} ({count})" if count > 1 else what for what, count in counts.items()
    )


def all_lines(rows: Sequence[Row], outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """Yield the whole table, as text."""
    yield aligned(HEAD)
    for row in rows:
        yield aligned(
            (row.call, row.name, row.times, page_of(row), *measured([outcomes[row.id]]))
        )


def short_lines(rows: Sequence[Row], outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """Yield the short table, as Markdown."""
    yield marked(HEAD)
    yield marked("---" for _ in HEAD)
    for line, same in groups(rows).items():
        cells = measured([outcomes[row.id] for row in same])
        yield marked(
            (f"`{line.call}`", faults_of(same), line.times, coded(line.page), *cells)
        )


def measured(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the cells from tasks to seconds."""
    yield span([outcome.created for outcome in outcomes])
    yield span([outcome.counted for outcome in outcomes])
    calls = zip(*(outcome.calls for outcome in outcomes), strict=True)
    yield " + ".join(span(each) for each in calls)
    yield span([f"{outcome.seconds:.1f}" for outcome in outcomes])


def span(values: Sequence[int | str]) -> str:
    least, most = min(values, key=float), max(values, key=float)
    return str(least) if least == most else f"{least}-{most}"


def coded(page: str) -> str:
    """Return a page's fate as Markdown: errors are code."""
    return " ".join(
        f"`{word.rstrip(',')}`{',' * word.endswith(',')}" if word[0].isupper() else word
        for word in page.split()
    )


def aligned(cells: Iterable[str]) -> str:
    return "  ".join(
        cell.ljust(width) if len(cell) <= width else f"{cell[: width - 1]}…"
        for cell, width in zip(cells, WIDTHS, strict=True)
    ).rstrip()


def marked(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("| --- ", "|---").replace("--- |", "---|")
