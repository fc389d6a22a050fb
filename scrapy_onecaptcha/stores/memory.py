"""A store within one process: what a crawl without a setting has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from scrapy_onecaptcha.stores.rules import Row, Rules
from scrapy_onecaptcha.stores.transactions import TransactionStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.stores.base import Limits

__all__ = ["MemoryRows", "MemoryStore"]

_T = TypeVar("_T")

#: After so many rows are written, those that are past their time are dropped.
SWEEP_WRITES = 256


class MemoryRows:
    """Rows in a dict.

    Args:
        now: returns the seconds since 1970.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self._rows: dict[tuple[str, str], tuple[Row, float | None]] = {}
        self._writes = 0

    def __len__(self) -> int:
        return len(self._rows)

    def _is_over(self, until: float | None) -> bool:
        return until is not None and until <= self.now()

    def get(self, kind: str, name: str) -> Row | None:
        """Return a copy of a row."""
        row, until = self._rows.get((kind, name), (None, None))
        return None if row is None or self._is_over(until) else dict(row)

    def put(self, kind: str, name: str, row: Row, until: float | None) -> None:
        """Write a row."""
        self._rows[kind, name] = row, until
        self._writes += 1
        if self._writes % SWEEP_WRITES == 0:
            over = [k for k, (_, end) in self._rows.items() if self._is_over(end)]
            for key in over:
                del self._rows[key]

    def drop(self, kind: str, name: str) -> None:
        """Delete a row, if there is one."""
        self._rows.pop((kind, name), None)

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind, sorted."""
        return sorted(
            name
            for (row_kind, name), (_, until) in self._rows.items()
            if row_kind == kind and not self._is_over(until)
        )

    def clear(self) -> None:
        """Delete every row."""
        self._rows.clear()


class MemoryStore(TransactionStore):
    """Does at once what other stores do over a wire.

    Args:
        owner: names the process.
        limits: what may be spent.
        rows: of this store, or shared with others that play other processes.
    """

    def __init__(
        self,
        owner: str = "",
        limits: Limits | None = None,
        rows: MemoryRows | None = None,
    ) -> None:
        super().__init__(owner, limits)
        self._rows = MemoryRows() if rows is None else rows

    def check(self) -> None:
        """Do nothing: it is there."""

    async def open(self) -> None:
        """Do nothing: it is there."""

    async def close(self) -> None:
        """Do nothing."""

    async def _run(self, call: Callable[[Rules], _T]) -> _T:
        return call(Rules(self._rows, self._rows.now(), self._owner, self._limits))
