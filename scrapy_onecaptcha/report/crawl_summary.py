"""The summary that ends the log of a crawl: what tasks came to, site by site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha.report.tally import OTHERS, BySite, Tally, price_of, total

if TYPE_CHECKING:
    from scrapy_onecaptcha.report.tally import TaskCount

__all__ = ["CrawlSummary"]


class CrawlSummary:
    """Adds up what the tasks and gates of a crawl came to.

    Args:
        tasks: of the crawl.

    Attributes:
        sites: the tally of each site.
    """

    def __init__(self, tasks: TaskCount) -> None:
        self.sites: BySite[Tally] = BySite(Tally)
        self._tasks = tasks

    def lines(self, *, abandoned: int) -> list[str]:
        """Return a line for each of the sites with most tasks, and one for all.

        Args:
            abandoned: tasks that the stop of the crawl left behind.
        """
        if not self.sites:
            return ["hCaptcha: no gate met, nothing spent"]
        named, rest = self.sites.ranked(self._rank)
        lines = [f"hCaptcha on {site}: {self._told([site])}" for site in named]
        if rest:
            more = counted(len(rest), "more site")
            lines.append(f"hCaptcha on {more}: {self._told(rest)}")
        left = f"; {abandoned} abandoned" if abandoned else ""
        return [*lines, f"hCaptcha in all: {self.totals()}{left}"]

    def totals(self) -> str:
        """Return what all tasks came to so far."""
        tally = total(self.sites.values())
        return (
            f"{counted(self._tasks.total, 'task')}, {tally.passed} passed, "
            f"{tally.failed} failed, {price_of(tally)}"
        )

    def _told(self, sites: list[str]) -> str:
        tally = total(self.sites[site] for site in sites)
        return (
            f"{counted(sum(map(self._tasks_of, sites)), 'task')}, {tally.passed} "
            f"passed, {tally.failed} failed, {counted(tally.shared, 'page')} shared "
            f"another's clearance, {counted(tally.lost, 'page')} lost, spent "
            f"{price_of(tally)}"
        )

    def _rank(self, site: str) -> tuple[int, int, int]:
        tally = self.sites[site]
        return -self._tasks_of(site), -tally.lost, -tally.shared

    def _tasks_of(self, site: str) -> int:
        if site != OTHERS:
            return self._tasks.of(site)
        return self._tasks.total - sum(map(self._tasks.of, self.sites))
