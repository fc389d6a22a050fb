"""All findings of ``check``. The service is not called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha._scrapy import HAS_DOWNLOAD_ASYNC
from scrapy_onecaptcha.cli.checks import crawl, money, sharing
from scrapy_onecaptcha.cli.checks.finding import SEVERITIES, Finding
from scrapy_onecaptcha.cli.checks.middlewares import place
from scrapy_onecaptcha.cli.checks.values import read
from scrapy_onecaptcha.scripts import engine
from scrapy_onecaptcha.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from scrapy import Spider
    from scrapy.settings import BaseSettings

__all__ = ["find"]


def find(
    settings: BaseSettings,
    spider: type[Spider] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    zero_hangs: bool = not HAS_DOWNLOAD_ASYNC,
    engine_problem: Callable[[], str | None] = engine.problem,
) -> list[Finding]:
    """Return the findings on *settings*, the worst first.

    Args:
        settings: those of a crawl, with the ones of add-ons and of the spider.
        spider: the spider of the crawl, if one was named.
        environ: may hold the key; by default the environment of the process.
        zero_hangs: whether ``CONCURRENT_REQUESTS`` 0 hangs Scrapy, as it did to 2.13.
        engine_problem: says why the scripts of a page cannot be run, if they cannot.
    """
    config, found = read(settings, environ)
    found += place(settings)
    if config is not None:
        found += money.judge(config, settings, spider)
    found += crawl.judge(config, settings, zero_hangs=zero_hangs)
    found += sharing.judge(settings)
    found += _scripts(settings, engine_problem)
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _scripts(
    settings: BaseSettings, engine_problem: Callable[[], str | None]
) -> Iterator[Finding]:
    """Find that scripts of pages should run and no engine is installed."""
    if settings.get(f"{PREFIX}SCRIPTS") == "off":
        return
    problem = engine_problem()
    if problem is not None:
        what, _, do = problem.partition(": ")
        yield Finding(
            severity="risk",
            setting=f"{PREFIX}SCRIPTS",
            what=f"{what}.",
            why="Gates that send their token by a script cannot be passed, and their "
            "pages are lost.",
            do=f'Run {do}, or set it to "off" where forms are enough.',
        )
