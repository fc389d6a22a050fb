"""The parts of a crawl that its settings choose or size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.crawl.dry_run import DryRun, DryRunCounts
from scrapy_onecaptcha.crawl.leases import LocalLeases
from scrapy_onecaptcha.crawl.page_scripts import PageScripts
from scrapy_onecaptcha.crawl.script_turns import ScriptTurns
from scrapy_onecaptcha.crawl.shared_budget import SharedBudget
from scrapy_onecaptcha.crawl.store_leases import StoreLeases

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.settings import BaseSettings

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.engine import Engine
    from scrapy_onecaptcha.crawl.leases import Leases
    from scrapy_onecaptcha.crawl.sessions import Sessions
    from scrapy_onecaptcha.crawl.store import CrawlStore
    from scrapy_onecaptcha.scripts.pool import Pool
    from scrapy_onecaptcha.settings import Config
    from scrapy_onecaptcha.stats import Report

__all__ = [
    "domains_in_scope",
    "make_dry_run",
    "make_leases",
    "make_page_scripts",
    "make_shared_budget",
    "max_held",
]

#: Requests that are held unsent, for each of ``CONCURRENT_REQUESTS``, where they come
#: from a queue that others may read or that a crash must not lose.
HELD_FACTOR = 4


def max_held(config: Config, settings: BaseSettings) -> int:
    """Return how many requests may wait with their slots lent.

    A queue that others read as well is not drained into one process, and a crash must
    lose little of one that is on disk.
    """
    if config.max_held is not None:
        return config.max_held
    own = settings.get("SCHEDULER") == "scrapy.core.scheduler.Scheduler"
    if own and not settings.get("JOBDIR"):
        return config.max_parked
    return HELD_FACTOR * settings.getint("CONCURRENT_REQUESTS")


def domains_in_scope(config: Config, engine: Engine) -> Any:
    """Return the hosts in scope: the setting's, or else the spider's."""
    named = config.allowed_domains
    return engine.spider_domains if named is None else named


def make_page_scripts(
    config: Config, engine: Engine, pool: Pool, clock: Clock
) -> PageScripts:
    """Return what runs the scripts of pages, one page after another."""
    turns = ScriptTurns(
        pool,
        limit=config.max_failures,
        cooldown=config.cooldown,
        now=clock.seconds,
    )
    return PageScripts(
        engine, turns, on=config.scripts == "run", hosts=config.script_hosts
    )


def make_dry_run(config: Config, report: Report) -> DryRun | None:
    """Return what happens in place of a payment, if nothing is to be paid."""
    if not config.dry_run:
        return None
    counts = DryRunCounts(config.task_cost)
    return DryRun(counts, report, shared=config.share_clearance)


def make_leases(
    store: CrawlStore | None,
    config: Config,
    sessions: Sessions,
    engine: Engine,
    clock: Clock,
    random: Callable[[], float],
) -> Leases:
    """Return what decides which process solves: those of *store*, if it is shared."""
    if store is None or not config.share_clearance:
        return LocalLeases()
    return StoreLeases(
        store,
        sessions,
        engine,
        clock,
        random,
        max_age=config.clearance_max_age,
        memory=config.cooldown,
    )


def make_shared_budget(
    store: CrawlStore | None, clock: Clock, random: Callable[[], float]
) -> SharedBudget | None:
    """Return the count of tasks that *store* keeps, if there is one."""
    if store is None:
        return None
    return SharedBudget(store.store, clock, random, store.run, store.account)
