"""Does the event loop go on while scripts of pages are run?

Pages whose scripts send the token, a large one and hostile ones are visited as in a
crawl, while a timer of 1 ms shows how long the loop was away. For scale: the time for a
page, and for the first one, which starts the child process.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from statistics import median

from twisted.internet.defer import Deferred

from benchmarks.table import Row, at_most
from scrapy_onecaptcha.scripts.models import Visit
from scrapy_onecaptcha.scripts.pool import ScriptPool

__all__ = ["rows"]

CORPUS = Path(__file__).parents[1] / "tests" / "corpus" / "scripts"
TURN = 0.1  # seconds
HOSTILE = (
    "for (;;) {}",
    "'a'.repeat(5e6).indexOf('a'.repeat(2e6) + 'b')",
    "var a = []; for (;;) a.push(new Array(1000).fill(1))",
    "(function f() { Promise.resolve().then(f) })()",
    "fetch('/x', {method: 'POST', body: 'b'.repeat(1e6)})",
)


def rows() -> list[Row]:
    """Measure."""
    return asyncio.run(_measure())


async def _measure() -> list[Row]:
    truths = json.loads((CORPUS / "truths.json").read_text("utf-8"))
    pages = [
        Visit(html=(CORPUS / truth["page"]).read_text("utf-8"), url=truth["url"])
        for truth in truths
    ]
    large = "<p>A page of text.</p>" * 40_000
    hostile = [
        Visit(
            html=f"<script>{script}</script>{large}", url=f"https://site.test/{number}"
        )
        for number, script in enumerate(HOSTILE)
    ]
    pool = ScriptPool()
    watch = asyncio.ensure_future(_watch())
    try:
        first, *seconds = [await _seconds(pool, page) for page in pages]
        for page in hostile:
            await _seconds(pool, page)
    finally:
        watch.cancel()
        pool.close()
    longest = await asyncio.gather(watch)
    return [
        at_most(
            "scripts, longest turn of the loop while pages are visited",
            1000 * longest[0],
            1000 * TURN,
            measured=f"{1000 * longest[0]:.0f} ms",
            unit=" ms",
        ),
        Row(
            what="scripts, first page, which starts the process",
            measured=f"{1000 * first:.0f} ms",
        ),
        Row(
            what="scripts, a page, median",
            measured=f"{1000 * median(seconds):.0f} ms",
        ),
    ]


async def _seconds(pool: ScriptPool, page: Visit) -> float:
    begun = time.perf_counter()
    loop = asyncio.get_running_loop()
    await Deferred.fromCoroutine(pool.visit(page)).asFuture(loop)
    return time.perf_counter() - begun


async def _watch() -> float:
    """Return the longest time between two turns, when it is cancelled."""
    longest, last = 0.0, time.perf_counter()
    try:
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest
