"""Counts what happens in a crawl, as stats, and tells it in log lines."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy_onecaptcha import exceptions
from scrapy_onecaptcha._logging import counted, get_logger
from scrapy_onecaptcha._twisted import Beat
from scrapy_onecaptcha.models import REASONS
from scrapy_onecaptcha.report.crawl_summary import CrawlSummary
from scrapy_onecaptcha.report.log_lines import (
    FIRST_GATE,
    FIRST_WIDGET,
    Once,
    Quieted,
    scope_in_words,
)
from scrapy_onecaptcha.report.stat_names import STATS
from scrapy_onecaptcha.report.tally import Ended
from scrapy_onecaptcha.service.error_codes import PREFIXES, RULES, family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from scrapy.statscollectors import StatsCollector

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.exceptions import OneCaptchaError
    from scrapy_onecaptcha.models import Challenge, Solution
    from scrapy_onecaptcha.report.tally import Tally, TaskCount
    from scrapy_onecaptcha.settings import Config

__all__ = ["STATS", "Report"]

logger = get_logger("scrapy_onecaptcha")

#: Sites with tasks from which on a crawl without a budget is warned.
MANY_SITES = 100

#: What a task can come to, beside a token: the service's codes and our own words.
TASK_CODES = frozenset({*RULES, *PREFIXES, "timeout", "abandoned", "other"})

#: The words for the braces in `STATS`.
VARIANTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "unsolvable/{reason}": frozenset(REASONS),
        "tasks/failed/{code}": TASK_CODES,
        "refused/{reason}": frozenset({"robots_txt", "scope"}),
        "failed/{reason}": frozenset(
            getattr(exceptions, name).reason for name in exceptions.__all__
        ),
    }
)


class Report:
    """Counts and tells what happens.

    Args:
        stats: the crawl's stats collector.
        config: the settings.
        clock: for the progress line.
        tasks: the tasks of the crawl.
        waiting: how many requests wait now.
        forecast: says when the next token is due, if that can be told.
    """

    def __init__(
        self,
        stats: StatsCollector,
        config: Config,
        clock: Clock,
        tasks: TaskCount,
        waiting: Callable[[], int],
        forecast: Callable[[], str] = str,
    ) -> None:
        self._stats = stats
        self._config = config
        self._clock = clock
        self._waiting = waiting
        self._forecast = forecast
        self._tasks = tasks
        self._summary = CrawlSummary(tasks)
        self._losses = Quieted(clock.seconds)
        self._once = Once()
        self._ended = Ended()
        self._open_tasks = 0
        self._abandoned = 0
        self._progress = Beat(clock, config.log_interval, self._tell_progress)

    def count(self, name: str, by: Any = 1) -> None:
        """Raise ``onecaptcha/{name}``."""
        self._stats.inc_value(f"onecaptcha/{name}", by)

    def warn_once(self, kind: str, message: str, of: str = "") -> None:
        """Log *message* as a WARNING, once for each *kind* and subject (*of*).

        At most `MAX_WARNINGS` of one kind are logged.
        """
        if self._once.is_first(kind, of):
            logger.warning(message)
            if self._once.is_last(kind):
                logger.warning("No further warnings of this kind (%s) are shown.", kind)

    def site(self, site: str) -> Tally:
        """Return the tally of *site*, or of all others where there are too many."""
        return self._summary.sites.at(site)

    # The crawl

    def started(self, domains: tuple[str, ...] | None, service: str) -> None:
        """Log scope, budget and price; warn if nothing limits the cost."""
        config = self._config
        limit = config.max_tasks
        budget = counted(limit, "task") if limit else "no limit"
        logger.info(
            "Solving hCaptcha gates on %s by %s; budget: %s, %s a task",
            scope_in_words(domains),
            service,
            budget,
            counted(config.task_cost, "point", "g"),
        )
        if not domains and not (config.max_tasks or config.max_tasks_per_site):
            logger.warning(
                "Neither a scope nor a budget limits the cost of this crawl: set "
                "allowed_domains on the spider, or ONECAPTCHA_ALLOWED_DOMAINS, or "
                "ONECAPTCHA_MAX_TASKS."
            )

    def waiting(self, count: int) -> None:
        """Note that *count* requests wait now."""
        self._stats.max_value("onecaptcha/parked/max", count)
        if count:
            self._progress.start()

    def _tell_progress(self) -> None:
        waiting = self._waiting()
        if not waiting:
            self._progress.stop()
            return
        logger.info(
            "Waiting for captchas: %s waiting, %s open%s; so far %s",
            counted(waiting, "request"),
            counted(self._open_tasks, "task"),
            f", {forecast}" if (forecast := self._forecast()) else "",
            self._summary.totals(),
        )

    def closed(self, told: Iterable[str] | None = None) -> None:
        """Log the summary, or the lines of *told* in its place."""
        self._progress.stop()
        if told is None:
            told = self._summary.lines(abandoned=self._abandoned)
        for line in told:
            logger.info("%s", line)

    # A task

    @property
    def open_tasks(self) -> int:
        """Tasks that wait for their token."""
        return self._open_tasks

    def task_created(self, site: str) -> None:
        """Tell of a task that was counted now, before the service is called."""
        self._show_tasks()
        self._charge(site, self._config.task_cost)
        self._open_tasks += 1
        if self._tasks.sites >= MANY_SITES and not self._config.max_tasks:
            self.warn_once(
                "sites",
                f"Paid captchas on {MANY_SITES} sites and no budget is set; each other "
                "site may cost up to the same again. Set ONECAPTCHA_MAX_TASKS.",
            )

    def task_refunded(self, site: str) -> None:
        """Tell of a task that was taken back: the service refused to create it."""
        self._show_tasks()
        self._charge(site, -self._config.task_cost)
        self._open_tasks -= 1

    def _show_tasks(self) -> None:
        self._stats.set_value("onecaptcha/tasks", self._tasks.total)

    def _charge(self, site: str, points: float) -> None:
        self.count("points", points)
        self.site(site).points += points

    def tell(self, level: int, message: str) -> None:
        """Log what the solver has to say."""
        logger.log(level, "%s", message)

    def task_ready(self, site: str, solution: Solution, attempt: int) -> None:
        """Count and tell a token."""
        self._open_tasks -= 1
        if solution.cost is not None:
            self._charge(site, solution.cost - self._config.task_cost)
        self.count("tasks/ready")
        self.count("seconds/total", solution.seconds)
        self._stats.max_value("onecaptcha/seconds/max", solution.seconds)
        logger.info(
            "Solved hCaptcha of %s in %.1f s (attempt %d, task %s)",
            site,
            solution.seconds,
            attempt,
            solution.task_id,
        )

    def task_failed(
        self, site: str, error: OneCaptchaError, *, charged: bool = True
    ) -> None:
        """Count and tell a task without a token; *charged*: it may have been billed."""
        self._open_tasks -= 1
        if not charged:
            cost = self._config.task_cost
            self._charge(site, -cost)
            self.count("points/unbilled", cost)
            self.site(site).unbilled += cost
        code = family(error.code) if error.code else error.reason
        self.count(f"tasks/failed/{code if code in TASK_CODES else 'other'}")
        self.site(site).failed += 1
        logger.info("No token for %s: %s", site, error)

    def task_abandoned(self) -> None:
        """Count a task that the stop of the crawl left behind."""
        self._open_tasks -= 1
        self._abandoned += 1
        self.count("tasks/failed/abandoned")

    # A page

    def accepted(self, site: str) -> None:
        """Count a token that let its page pass."""
        self.count("tokens/accepted")
        self.site(site).passed += 1

    def rejected(self, site: str, url: str) -> None:
        """Count and tell a token that the site refused."""
        self.count("tokens/rejected")
        self.site(site).failed += 1
        logger.info("%s refused the token: %s is gated again", site, url)

    def unused(self, site: str) -> None:
        """Count and tell a token that was not needed any more."""
        self.count("tokens/unused")
        logger.info("The token for %s was not needed: the site let the page pass", site)

    def no_content(self, url: str, site: str, status: int) -> None:
        """Count and tell a token after which the page answered with an error."""
        self.count("tokens/failed")
        self.site(site).failed += 1
        logger.info("%s answered %d after a token was sent for it", url, status)

    def clearance_begun(self) -> None:
        """Count a clearance."""
        self.count("clearances")

    def clearance_ended(
        self, site: str, *, seconds: float, pages: int, cost: int
    ) -> None:
        """Count and tell a clearance that has ended.

        Args:
            site: has granted it.
            seconds: that it lasted.
            pages: that it opened, beside the one that it was paid for.
            cost: tasks.
        """
        ended = self._ended
        ended.count += 1
        ended.pages += pages + 1
        ended.seconds += seconds
        set_value = self._stats.set_value
        set_value("onecaptcha/clearances/pages", ended.pages / ended.count)
        set_value("onecaptcha/clearances/seconds", ended.seconds / ended.count)
        if pages:
            logger.info(
                "The clearance of %s has ended: it lasted %.1f s, opened %s and cost "
                "%s",
                site,
                seconds,
                counted(pages + 1, "page"),
                counted(cost, "task"),
            )

    def token_for_each_page(self, site: str) -> None:
        """Tell, once, that a site wants a token for each page."""
        if self._once.is_first("each page", site):
            logger.info("%s wants a token for each page", site)

    def expired(self, site: str, age: float) -> None:
        """Count and tell a token that grew too old to be sent."""
        self.count("tokens/expired")
        self.site(site).failed += 1
        logger.info("A token for %s grew too old to be sent: %.0f s", site, age)

    def shared(self, site: str) -> None:
        """Count a page that passed on another's clearance."""
        self.count("shared")
        self.site(site).shared += 1

    def broken(self, site: str, url: str, error: BaseException) -> None:
        """Count and tell a page that was lost on the way, to its gate or from it."""
        self.count("failed/error")
        self.site(site).lost += 1
        logger.warning(
            "Gated page lost: %s: %s on the way. Crawl it again; the traceback, if "
            "any, is the errback's.",
            url,
            type(error).__name__,
        )

    def lost(self, site: str, url: str, error: OneCaptchaError) -> None:
        """Count a page that stays gated; tell it, at a bounded rate."""
        self.count(f"failed/{error.reason}")
        self.site(site).lost += 1
        withheld = self._losses.admit(site, error.reason)
        if withheld is None:
            return
        further = counted(withheld, "more such page")
        more = f" ({further} since the last line)" if withheld else ""
        why = str(error).rstrip(".")
        level = logging.INFO if self._config.dry_run else logging.WARNING
        logger.log(level, "Gated page lost: %s: %s. %s%s", url, why, error.advice, more)

    def widget(self, challenge: Challenge) -> None:
        """Count and tell a widget that gates nothing; at INFO once for each host."""
        self.count("widgets_ignored")
        host = urlsplit(challenge.url).netloc
        if challenge.advice:
            self.warn_once("sitekey", challenge.advice, of=host)
        elif self._once.is_first("widget", host):
            logger.info(FIRST_WIDGET, host, challenge.url, challenge.confidence)
        logger.debug("Not a gate: %s (%s)", challenge.url, challenge.seen)

    def gate(self, challenge: Challenge) -> None:
        """Count and tell a gate; at INFO once for each host."""
        self.count("gates")
        host = urlsplit(challenge.url).netloc
        if self._once.is_first("gate", host):
            logger.info(FIRST_GATE, host, challenge.url, challenge.confidence)
        logger.debug("Gate: %s (%s)", challenge.url, challenge.seen)

    def unsolvable(self, challenge: Challenge) -> None:
        """Count a gate that no token can pass."""
        self.count(f"unsolvable/{challenge.reason}")
