"""What do 1,000 solves cost that are open at once?

1,000 pages wait for a solve of 75 s each, asked for every 3 s (the default), with 16
places for the crawl. Looked at is the time during which all of the tasks are open and
asked for: nothing happens then but polls, some 330 a second. Three things are to hold:

- the crawl's process takes a quarter of a core at most;
- its event loop stays on time: of calls that are due every 20 ms, 99 % are late by at
  most 20 ms of work of its own: a call that waits for the loop waits for no more CPU
  than the process has used since the call before. How late they were in all is told
  for scale, beside a process that does nothing else, on the same machine at the same
  time: the rest is the doing of whatever else runs there;
- its memory is bounded: it does not grow while nothing is added. The growth until then
  is told for each page that waits.

The gates are forms that no script sends, and are read at once. A page whose scripts
have to be run takes some 50 ms of the one process that runs them: 1,000 of them come
later than the first is solved, and are not open together. ``scripts`` has that time.

Clearances are not shared: each page has a solve of its own, and waits for no other. The
circuit breaker lets ``ONECAPTCHA_MAX_FAILURES`` tasks be open on a site that has not
accepted a token yet; to have them all open at once without a first acceptance it is
1,000 here, as are ``ONECAPTCHA_CONCURRENT_TASKS`` and ``ONECAPTCHA_MAX_PARKED``.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import Ask, Outcome, Plan, Sample, Site, crawl, form_gate, serve
from benchmarks.table import Row, at_most, show

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["rows"]

SOLVES = 1000
SOLVE = 75.0  # seconds; creating the tasks takes 20 s, or 50 on a busy machine
BEAT = 0.02  # seconds
SETTLED = 5.0  # seconds after the last task was created, when all are polled
CPU_TARGET, LAG_TARGET, GROWTH_TARGET = 25.0, 20.0, 1.05
MEGABYTE = 2**20


class Idler:
    """A thread that does nothing but note how late it is woken."""

    def __init__(self) -> None:
        self.lags: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            due = time.monotonic() + BEAT
            time.sleep(BEAT)
            now = time.monotonic()
            self.lags.append((now, now - due))


def rows() -> list[Row]:
    """Measure."""
    with serve({"shop": Site(gate=form_gate("bookshop"))}, latency=SOLVE) as servers:
        url = servers.urls["shop"]
        settings = servers.with_middleware(
            CONCURRENT_REQUESTS_PER_DOMAIN=16,
            ONECAPTCHA_CONCURRENT_TASKS=SOLVES,
            ONECAPTCHA_MAX_FAILURES=SOLVES,
            ONECAPTCHA_MAX_PARKED=SOLVES,
            ONECAPTCHA_SHARE_CLEARANCE=False,
        )
        pages = [Ask(f"{url}/page/{number}", number) for number in range(SOLVES)]
        with Idler() as idler:
            outcome = crawl(Plan(requests=pages, settings=settings, watch=True))
    return _rows(outcome, idler)


def _rows(outcome: Outcome, idler: Idler) -> list[Row]:
    all_open = [
        each for each in outcome.samples if each.tasks == SOLVES and not each.ready
    ]
    all_open = [each for each in all_open if each.at >= all_open[0].at + SETTLED]
    if len(all_open) < 4:
        raise RuntimeError("The machine is too slow: the tasks were never all open.")
    first, last = all_open[0], all_open[-1]
    seconds = last.at - first.at
    share = 100 * (last.cpu - first.cpu) / seconds
    lags = [lag for lag in outcome.lags if first.at <= lag.at <= last.at]
    own, late = _p99([lag.own for lag in lags]), _p99([lag.late for lag in lags])
    idle = _p99([lag for at, lag in idler.lags if first.at <= at <= last.at])
    whole = _p99([lag.late for lag in outcome.lags])
    what = f"{SOLVES:,} open solves"
    return [
        at_most(
            f"{what}, share of a core",
            share,
            CPU_TARGET,
            measured=f"{last.cpu - first.cpu:.2f} s of CPU",
            against=f"{seconds:.1f} s with all of them open",
            unit=" %",
        ),
        at_most(
            f"{what}, event loop p99 late",
            own * 1000,
            LAG_TARGET,
            measured=f"{own * 1000:.1f} ms",
            against=f"{len(lags)} calls, every {BEAT * 1000:.0f} ms",
            unit=" ms",
        ),
        Row(
            what="  whatever else runs on the machine included",
            measured=f"{late * 1000:.1f} ms",
            against=f"{idle * 1000:.1f} ms: an idle process",
            figure=f"{late * 1000:.3g} ms",
        ),
        Row(
            what="  the whole crawl, pages and tokens included",
            measured=f"{whole * 1000:.1f} ms",
            against=f"{outcome.cpu:.1f} s of CPU in {outcome.wall:.0f} s",
            figure=f"{whole * 1000:.3g} ms",
        ),
        _memory(what, outcome.samples[0], first, last),
    ]


def _memory(what: str, empty: Sample, first: Sample, last: Sample) -> Row:
    each = (first.memory - empty.memory) / SOLVES
    return at_most(
        f"{what}, memory while they wait",
        last.memory / first.memory,
        GROWTH_TARGET,
        measured=f"{last.memory / MEGABYTE:.0f} MB at the end",
        against=f"{first.memory / MEGABYTE:.0f} MB; {empty.memory / MEGABYTE:.0f} at "
        f"the start, {each / 1024:.0f} KB each",
    )


def _p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * len(values))]


if __name__ == "__main__":
    show(rows())
