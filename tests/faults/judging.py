"""Holds what came of a row against what had to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .rows import BALANCE, DELIVERED, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .running import Log, Outcome

__all__ = ["PLACES", "log_problems", "problems"]

#: Of Scrapy's downloader, each lent at most for a while.
PLACES = 16


def problems(row: Row, outcome: Outcome) -> Iterator[str]:
    """Yield what is not as it has to be."""
    ended = Counter(number for number, _ in outcome.ends)
    if ended != Counter(range(row.pages)):
        yield f"each of {row.pages} pages ends once, these did: {dict(ended)}"
    for number, what in sorted(outcome.ends):
        wanted = row.then if row.then and number >= row.after else row.page
        if what != wanted:
            yield f"{wanted} had to come for page {number}, {what} came"
    if row.code is not None and set(outcome.codes) != {row.code}:
        yield f"the code had to be {row.code}, it was {outcome.codes}"
    if (outcome.created, outcome.counted) != (row.created, row.counted):
        yield (
            f"{row.created} tasks had to be created and {row.counted} counted, it were "
            f"{outcome.created} and {outcome.counted}"
        )
    if outcome.counted < outcome.created:
        yield f"{outcome.created} tasks were paid for, {outcome.counted} counted"
    if not calls_hold(row, outcome.calls):
        most = "at most " if row.most else ""
        yield f"{most}{row.calls} calls had to be made, it were {outcome.calls}"
    yield from _of_the_crawl(row, outcome)


def _of_the_crawl(row: Row, outcome: Outcome) -> Iterator[str]:
    lost = 0 if row.page == DELIVERED or row.call == BALANCE else row.pages
    if outcome.lost != lost and not row.again:
        yield f"{lost} pages had to be counted as lost, it were {outcome.lost}"
    if row.again and not outcome.lost > 1:
        yield "no page was asked for while the service had blocked us"
    if outcome.places != PLACES:
        yield f"{outcome.places} places of the downloader are left of {PLACES}"
    if outcome.seconds < row.least_seconds:
        yield f"it was over after {outcome.seconds:.2f} s of {row.least_seconds}"
    if not any(row.says in line for line in outcome.said or [""]):
        yield f"{row.says!r} was not said"


def calls_hold(row: Row, calls: Sequence[int]) -> bool:
    """Tell whether the service saw as many calls as it may."""
    if row.most and len(calls) == len(row.calls):
        return all(made <= most for made, most in zip(calls, row.calls, strict=True))
    return list(calls) == list(row.calls)


def log_problems(rows: Sequence[Row], log: Log) -> Iterator[str]:
    """Yield what was logged though it must not be, or not, though it has to be."""
    yield from log.bad
    crawls = [row for row in rows if row.call != BALANCE]
    blocked = sum(row.page == "BlockedError" or row.again for row in crawls)
    expected = {
        "No further call to the service": sum(r.page == "AccountError" for r in crawls),
        "No call to the service for": blocked,
    }
    for begin, count in expected.items():
        told = [line for line in log.loud if f": {begin}" in line]
        if len(told) != count:
            yield f"{begin!r} had to be told once for each of {count} crawls: {told}"
    if len(log.loud) != sum(expected.values()):
        yield f"unexpected among {log.loud}"
