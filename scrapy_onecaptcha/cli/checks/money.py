"""Findings on money: budgets, and the scope in which they are spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha.cli.checks.finding import Finding
from scrapy_onecaptcha.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy import Spider
    from scrapy.settings import BaseSettings

    from scrapy_onecaptcha.settings import Config

__all__ = ["judge"]

#: Domains from which on a crawl is a broad one.
MANY_DOMAINS = 20


def judge(
    config: Config, settings: BaseSettings, spider: type[Spider] | None
) -> Iterator[Finding]:
    """Find spending without a limit."""
    if not config.max_tasks:
        yield _no_budget(config, spider)
    if config.allowed_domains is None:
        yield from _scope(spider)
    if config.close_on_fatal and not settings.get("JOBDIR"):
        yield Finding(
            severity="hint",
            setting="JOBDIR",
            what=f"{PREFIX}CLOSE_ON_FATAL is on, and there is no JOBDIR.",
            why="Requests that wait when the spider is closed go back to a scheduler "
            "in memory, and are lost.",
            do="Set JOBDIR to keep them.",
        )


def _no_budget(config: Config, spider: type[Spider] | None) -> Finding:
    per_site = config.max_tasks_per_site
    domains = config.allowed_domains or getattr(spider, "allowed_domains", None)
    # A broad crawl: each further site costs as much again.
    broad = spider is not None and (not domains or len(domains) >= MANY_DOMAINS)
    if not per_site:
        what = "There is no budget."
    elif broad:
        what = f"The budget is one for each site ({per_site}), and sites are many."
    else:
        what = f"There is no budget but that for each site ({per_site})."
    return Finding(
        severity="hint" if per_site and not broad else "risk",
        setting=f"{PREFIX}MAX_TASKS",
        what=what,
        why="One crawl may buy any number of captchas.",
        do="Set it to the number that a crawl may pay for, for example 50.",
    )


def _scope(spider: type[Spider] | None) -> Iterator[Finding]:
    if spider is None:
        yield Finding(
            severity="hint",
            setting=f"{PREFIX}ALLOWED_DOMAINS",
            what="It is not set: the scope is each spider's allowed_domains.",
            why="A spider without allowed_domains has every gate solved, on any host "
            "that it requests.",
            do="Name a spider to have it checked: scrapy onecaptcha check SPIDER.",
        )
    elif not getattr(spider, "allowed_domains", None):
        yield Finding(
            severity="risk",
            setting=f"{PREFIX}ALLOWED_DOMAINS",
            what=f"It is not set, and {spider.__name__} has no allowed_domains.",
            why="Every gate is solved, on any host that the spider requests.",
            do="Set allowed_domains on the spider, or this setting.",
        )
