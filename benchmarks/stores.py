"""What does a store cost, and what does it save?

Its calls are made at gates only: how long one takes, and how many a page without a gate
makes (none). One to eight processes that crawl the same site at once, with a store: the
tasks of all of them, and the time of the slowest.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from twisted.internet.defer import Deferred

from benchmarks.harness import Ask, Outcome, Plan, Servers, Site, crawl, serve
from benchmarks.redis_server import redis_server
from benchmarks.table import Row, at_most, show
from scrapy_onecaptcha.sandbox import GATES
from scrapy_onecaptcha.stores import open_store
from scrapy_onecaptcha.stores.base import Lease, Reservation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_onecaptcha.stores.base import Store

__all__ = ["rows"]

GATES_MET = 200
PAGES = 50
SOLVE = 5.0  # seconds
PROCESSES = (1, 2, 4, 8)
CALL_TARGET = 0.05  # seconds, in the median: nothing beside a solve


def rows() -> list[Row]:
    """Measure."""
    found: list[Row] = []
    with _stores() as urls:
        for kind, url in urls.items():
            found.append(_at_a_gate(kind, url))
    sites = {"gated": Site(gate=GATES["bookshop"]), "free": Site()}
    with serve(sites, latency=SOLVE) as servers:
        with _stores() as urls:
            found += [_without_a_gate(servers, kind, url) for kind, url in urls.items()]
        for count in PROCESSES:
            with _stores() as urls:
                found += [
                    _together(servers, kind, url, count) for kind, url in urls.items()
                ]
        found.append(_apart(servers))
    return found


@contextmanager
def _stores() -> Iterator[dict[str, str]]:
    """Return the URLs of new stores; of Redis, where there is a server."""
    with tempfile.TemporaryDirectory() as folder, redis_server(folder) as redis:
        urls = {"SQLite": f"sqlite:///{folder}/store.db"}
        yield urls | ({"Redis": redis} if redis else {})


def _at_a_gate(kind: str, url: str) -> Row:
    """Measure all calls of one solve: ask, take, reserve, verdict, give up."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        return await Deferred.fromCoroutine(_solves(url)).asFuture(loop)

    seconds = asyncio.run(main())
    median = statistics.median(seconds)
    return at_most(
        f"{kind}: calls of a store for one solve",
        median,
        CALL_TARGET,
        measured=f"{median * 1000:.2f} ms, at most {max(seconds) * 1000:.1f} ms",
        against=f"{GATES_MET} solves",
        unit=" s",
    )


async def _solves(url: str) -> list[float]:
    store = open_store(url, "benchmark")
    await store.open()
    seconds = [await _solve(store, number) for number in range(GATES_MET)]
    await store.close()
    return seconds


async def _solve(store: Store, number: int) -> float:
    began = time.perf_counter()
    session, site = f'["https://s{number}.example",null,"host"]', "https://s.example"
    reservation = Reservation(task=f"task-{number}", site=site)
    await store.ask("token_per_page", session)
    lease = await store.take(session, "sitekey")
    await store.ask("account_refused", "account")
    await store.ask("blocked", "account")
    await store.reserve(reservation)
    await store.verdict(reservation, "accepted")
    if isinstance(lease, Lease):
        await store.give_up(lease)
    return time.perf_counter() - began


def _without_a_gate(servers: Servers, kind: str, url: str) -> Row:
    """Measure pages without a gate, with a store and without one."""
    alone = _crawl(servers, "free", None, 200)
    shared = _crawl(servers, "free", url, 200)
    return Row(
        what=f"{kind}: CPU of 200 pages without a gate",
        measured=f"{shared.cpu_between:.2f} s",
        against=f"{alone.cpu_between:.2f} s without a store",
        figure=f"{shared.cpu_between / max(alone.cpu_between, 1e-9):.2f}x",
    )


def _together(servers: Servers, kind: str, url: str, count: int) -> Row:
    tasks, wall = _run(servers, url, count)
    return at_most(
        f"{kind}: tasks of {count} processes, {PAGES} pages each",
        tasks,
        1,
        measured=f"{tasks} created",
        against=f"the slowest took {wall:.1f} s",
        unit="",
    )


def _apart(servers: Servers) -> Row:
    tasks, wall = _run(servers, None, PROCESSES[-1])
    return Row(
        what=f"no store: tasks of {PROCESSES[-1]} processes",
        measured=f"{tasks} created",
        against=f"the slowest took {wall:.1f} s",
    )


def _run(servers: Servers, url: str | None, count: int) -> tuple[int, float]:
    before = servers.facts()["tasks"]
    with ThreadPoolExecutor(count) as pool:
        outcomes = list(
            pool.map(lambda _: _crawl(servers, "gated", url, PAGES), range(count))
        )
    wall = max(outcome.wall for outcome in outcomes)
    return servers.facts()["tasks"] - before, wall


def _crawl(servers: Servers, site: str, url: str | None, count: int) -> Outcome:
    pages = [Ask(f"{servers.urls[site]}/page/{number}") for number in range(count)]
    store: dict[str, Any] = {"ONECAPTCHA_STORE": url} if url else {}
    return crawl(Plan(requests=pages, settings=servers.with_middleware(**store)))


if __name__ == "__main__":
    show(rows())
