"""What ``check`` finds in the settings of a crawl, all of it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy.utils.misc import load_object

from scrapy_onecaptcha._scrapy import HAS_DOWNLOAD_ASYNC
from scrapy_onecaptcha.cli.checks.finding import SEVERITIES, Finding
from scrapy_onecaptcha.cli.checks.middlewares import place
from scrapy_onecaptcha.cli.checks.values import read
from scrapy_onecaptcha.httpcache import gateless
from scrapy_onecaptcha.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scrapy import Spider
    from scrapy.settings import BaseSettings

    from scrapy_onecaptcha.settings import Config

__all__ = ["find"]

#: By how much Scrapy draws out a delay by chance.
_LONGEST = 1.5


def find(
    settings: BaseSettings,
    spider: type[Spider] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    zero_hangs: bool = not HAS_DOWNLOAD_ASYNC,
) -> list[Finding]:
    """Return what is found in *settings*, the worst first.

    Args:
        settings: as a crawl has them, those of add-ons and of the spider included.
        spider: the crawl's, if one was named.
        environ: where the key may be; by default the process's own.
        zero_hangs: whether ``CONCURRENT_REQUESTS`` 0 hangs Scrapy, as it did to 2.13.
    """
    config, found = read(settings, environ)
    found += place(settings)
    found += _money(config, settings, spider)
    found += _scrapy(config, settings, zero_hangs=zero_hangs)
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


# Money


def _money(
    config: Config | None, settings: BaseSettings, spider: type[Spider] | None
) -> Iterator[Finding]:
    if config is None:
        return
    if not config.max_tasks:
        per_site = config.max_tasks_per_site
        yield Finding(
            severity="hint" if per_site else "risk",
            setting=f"{PREFIX}MAX_TASKS",
            what=f"There is no budget but that for each site ({per_site})."
            if per_site
            else "There is no budget.",
            why="One crawl may buy any number of captchas.",
            do="Set it to the number that a crawl may pay for, 50 say.",
        )
    if config.allowed_domains is None:
        yield from _scope(spider)
    if config.close_on_fatal and not settings.get("JOBDIR"):
        yield Finding(
            severity="hint",
            setting="JOBDIR",
            what=f"{PREFIX}CLOSE_ON_FATAL is on, and there is no JOBDIR.",
            why="What waits when the spider is closed goes back to a scheduler that "
            "forgets it.",
            do="Set JOBDIR where that matters.",
        )


def _scope(spider: type[Spider] | None) -> Iterator[Finding]:
    if spider is None:
        yield Finding(
            severity="hint",
            setting=f"{PREFIX}ALLOWED_DOMAINS",
            what="It is not set: the scope is each spider's allowed_domains.",
            why="A spider without them has any gate solved on the hosts that it asks "
            "for.",
            do="Name a spider to have it checked: scrapy onecaptcha check SPIDER.",
        )
    elif not getattr(spider, "allowed_domains", None):
        yield Finding(
            severity="risk",
            setting=f"{PREFIX}ALLOWED_DOMAINS",
            what=f"It is not set, and {spider.__name__} has no allowed_domains.",
            why="Any gate is solved, on every host that the spider asks for.",
            do="Set allowed_domains on the spider, or this.",
        )


# Scrapy's own settings


def _scrapy(
    config: Config | None, settings: BaseSettings, *, zero_hangs: bool
) -> Iterator[Finding]:
    yield from _engine(settings, zero_hangs=zero_hangs)
    yield from _cookies(settings)
    yield from _cache(settings)
    if config is not None:
        yield from _delays(config, settings)
    if not settings.getbool("ROBOTSTXT_OBEY"):
        yield Finding(
            severity="hint",
            setting="ROBOTSTXT_OBEY",
            what="It is off.",
            why="Tokens are paid for and sent where the site asks robots not to go.",
            do="Set it to True, unless you are entitled to crawl there.",
        )


def _engine(settings: BaseSettings, *, zero_hangs: bool) -> Iterator[Finding]:
    if zero_hangs and settings.getint("CONCURRENT_REQUESTS") == 0:
        yield Finding(
            severity="error",
            setting="CONCURRENT_REQUESTS",
            what="It is 0.",
            why="In this version of Scrapy a crawl then never sends a request.",
            do="Set it to 1 or more, or use Scrapy 2.14.",
        )


def _cookies(settings: BaseSettings) -> Iterator[Finding]:
    if not settings.getbool("COOKIES_ENABLED"):
        yield Finding(
            severity="risk",
            setting="COOKIES_ENABLED",
            what="It is off.",
            why="Most sites remember a solved captcha by a cookie; without it each "
            "page may cost a captcha.",
            do="Leave it at True.",
        )


def _cache(settings: BaseSettings) -> Iterator[Finding]:
    name = "HTTPCACHE_POLICY"
    if not settings.getbool("HTTPCACHE_ENABLED"):
        return
    try:
        policy = load_object(settings[name])
        keeps_out = gateless(policy) is policy
    except (ImportError, AttributeError, NameError, TypeError, ValueError) as error:
        yield Finding(
            severity="error",
            setting=name,
            what=f"It cannot be loaded: {type(error).__name__}: {error}.",
            why="The crawl does not start.",
            do="Correct the path.",
        )
        return
    if not keeps_out:
        yield Finding(
            severity="risk",
            setting=name,
            what=f"The HTTP cache is on, and {policy.__name__} stores gates.",
            why="A stored gate is served in place of its page in every later crawl, "
            "and has to be fetched again.",
            do="Use the add-on, or set it to "
            '"scrapy_onecaptcha.httpcache.GatelessDummyPolicy" or '
            '"…GatelessRFC2616Policy".',
        )


def _delays(config: Config, settings: BaseSettings) -> Iterator[Finding]:
    """Find delays that a token may grow too old in."""
    limit = config.token_max_age
    factor = _LONGEST if settings.getbool("RANDOMIZE_DOWNLOAD_DELAY") else 1.0
    slots = settings.getdict("DOWNLOAD_SLOTS")
    delays: dict[str, Any] = {"DOWNLOAD_DELAY": settings.getfloat("DOWNLOAD_DELAY")}
    for slot, values in slots.items():
        delays[f"DOWNLOAD_SLOTS of {slot}"] = float(values.get("delay") or 0)
    for name, delay in delays.items():
        if delay * factor >= limit:
            yield Finding(
                severity="risk",
                setting=name.partition(" ")[0],
                what=f"{name} is {delay:g} s, and a token is sent within {limit:g} s "
                f"({PREFIX}TOKEN_MAX_AGE).",
                why="Tokens grow too old while they wait for their turn, and are paid "
                "for again.",
                do=f"Keep it below {limit / factor:g} s.",
            )
    ceiling = settings.getfloat("AUTOTHROTTLE_MAX_DELAY")
    if settings.getbool("AUTOTHROTTLE_ENABLED") and ceiling >= limit:
        yield Finding(
            severity="hint",
            setting="AUTOTHROTTLE_MAX_DELAY",
            what=f"AutoThrottle may delay a slow site's requests by {ceiling:g} s.",
            why=f"A token is sent within {limit:g} s ({PREFIX}TOKEN_MAX_AGE) or not at "
            "all.",
            do="Lower it to half of that.",
        )
