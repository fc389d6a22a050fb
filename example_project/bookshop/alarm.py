"""Warns at the end of a crawl if its captchas need a look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy import signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy import Spider
    from scrapy.crawler import Crawler
    from scrapy.statscollectors import StatsCollector
    from typing_extensions import Self


class CaptchaAlarm:
    """Logs an ERROR for each thing that is wrong; one line in ``EXTENSIONS``."""

    def __init__(self, stats: StatsCollector) -> None:
        self.stats = stats

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Wait for the end of *crawler*."""
        alarm = cls(crawler.stats)
        crawler.signals.connect(alarm.spider_closed, signals.spider_closed)
        return alarm

    def spider_closed(self, spider: Spider) -> None:
        """Tell what is wrong."""
        for told in self.complaints():
            spider.logger.error("Captchas: %s", told)

    def complaints(self) -> Iterator[str]:
        """Yield a sentence for each thing that is wrong."""

        def total(name: str) -> int:
            found = self.stats.get_stats().items()
            return sum(n for key, n in found if key.startswith(f"onecaptcha/{name}"))

        gates, tasks = total("gates"), self.stats.get_value("onecaptcha/tasks", 0)
        if lost := total("failed/"):
            yield f"{lost} of {gates} gated pages were lost"
        if total("failed/account"):
            yield "the account is refused"
        if total("tokens/rejected") > total("tasks/ready") / 2:
            yield "the site refuses most tokens"
        if gates > 20 and tasks > gates / 2:  # noqa: PLR2004  (a matter of taste)
            yield f"{tasks} tasks for {gates} gates: no clearance is shared"
