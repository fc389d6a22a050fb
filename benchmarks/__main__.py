"""``python -m benchmarks [name …]``: measure, and print one table."""

from __future__ import annotations

import argparse
import sys
import traceback
from typing import TYPE_CHECKING

from benchmarks import (
    clearances,
    detection,
    overhead,
    refusal,
    scripts,
    sharing,
    slow,
    solves,
    stall,
    stores,
    token_age,
)
from benchmarks.table import show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.table import Row

BENCHMARKS: Mapping[str, Callable[[], list[Row]]] = {
    "stall": stall.rows,
    "sharing": sharing.rows,
    "clearances": clearances.rows,
    "stores": stores.rows,
    "overhead": overhead.rows,
    "detection": detection.rows,
    "slow": slow.rows,
    "scripts": scripts.rows,
    "solves": solves.rows,
    "token_age": token_age.rows,
    "refusal": refusal.rows,
}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=", ".join(BENCHMARKS))
    names = parser.parse_args().name or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"{name}: there are {', '.join(BENCHMARKS)}")
    rows: list[Row] = []
    failed: list[str] = []
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            rows += BENCHMARKS[name]()
        except Exception:  # noqa: BLE001  (the rows of the others took minutes)
            traceback.print_exc()
            failed.append(name)
    show(rows)
    if failed:
        sys.exit(f"Without a figure, see above: {', '.join(failed)}")
    if any(row.must and row.met is False for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
