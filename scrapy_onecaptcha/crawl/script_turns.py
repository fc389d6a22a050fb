"""One visit after another, and none to a site whose pages' scripts do not end.

All pages of a crawl share one child process, which such a page takes for seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha._twisted import Semaphore
from scrapy_onecaptcha._values import Recent
from scrapy_onecaptcha.crawl.session_key import site_of
from scrapy_onecaptcha.scripts.models import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.scripts.models import Visit
    from scrapy_onecaptcha.scripts.pool import Pool

__all__ = ["ScriptTurns"]

# Sites whose failures are counted.
MAX_SITES = 1000


class _Failures(NamedTuple):
    """Pages of a site, one after another, whose scripts did not end."""

    pages: int
    last_at: float


class ScriptTurns:
    """Visits pages by another pool.

    Args:
        pool: visits them.
        limit: after so many failures in a row a site is left alone.
        cooldown: for so many seconds.
        now: seconds of a clock that never goes back.
    """

    def __init__(
        self, pool: Pool, *, limit: int, cooldown: float, now: Callable[[], float]
    ) -> None:
        self._pool = pool
        self._limit = limit
        self._cooldown = cooldown
        self._now = now
        self._turn = Semaphore(1)
        self._failing: Recent[str, _Failures] = Recent(MAX_SITES)

    async def visit(self, visit: Visit) -> Reading:
        """Visit a page when it is its turn, unless its site has failed by then.

        Raises:
            NoEngine: there is no usable engine; the text says why.
        """
        site = site_of(urlsplit(visit.url))
        # A token grows old: it goes before what nothing was paid for.
        await self._turn.take(ahead=visit.paid)
        try:
            # What was paid for is tried in any case.
            refused = None if visit.paid else self._refusal(site)
            if refused is not None:
                return refused
            reading = await self._pool.visit(visit)
            self._note(site, failed=reading.stopped is not None)
            return reading
        finally:
            self._turn.release()  # the next one goes on within this call

    def close(self) -> None:
        """End what the pool has started; no visit comes after this."""
        self._pool.close()

    def _refusal(self, site: str) -> Reading | None:
        failures = self._failing.get(site)
        if failures is None or failures.pages < self._limit:
            return None
        left = failures.last_at + self._cooldown - self._now()
        if left <= 0:
            return None
        return Reading(
            stopped=f"those of {counted(failures.pages, 'page')} of its site did not "
            f"end; the next are run in {left:.0f} s (ONECAPTCHA_MAX_FAILURES)"
        )

    def _note(self, site: str, *, failed: bool) -> None:
        if not failed:
            self._failing.pop(site, None)
            return
        before = self._failing.get(site)
        count = before.pages + 1 if before else 1
        self._failing[site] = _Failures(count, self._now())
