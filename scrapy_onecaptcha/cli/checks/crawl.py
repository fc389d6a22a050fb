"""Findings on Scrapy's own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy.utils.misc import load_object

from scrapy_onecaptcha._values import is_loopback
from scrapy_onecaptcha.cli.checks.finding import Finding
from scrapy_onecaptcha.httpcache import gateless
from scrapy_onecaptcha.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.settings import BaseSettings

    from scrapy_onecaptcha.settings import Config

__all__ = ["judge"]

#: The most by which Scrapy multiplies a delay at random.
_LONGEST = 1.5


def judge(
    config: Config | None, settings: BaseSettings, *, zero_hangs: bool
) -> Iterator[Finding]:
    """Find settings of Scrapy that cost captchas or pages, or show the key."""
    yield from _engine(settings, zero_hangs=zero_hangs)
    yield from _cookies(settings)
    yield from _cache(settings)
    if config is not None:
        yield from _delays(config, settings)
    yield from _consoles(settings)
    if not settings.getbool("ROBOTSTXT_OBEY"):
        yield Finding(
            severity="hint",
            setting="ROBOTSTXT_OBEY",
            what="It is off.",
            why="Tokens are paid for on pages that the site asks robots not to visit.",
            do="Set it to True, unless you have permission to crawl there.",
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
            why="A stored gate takes the place of its page in each later crawl, which "
            "has to fetch the page again.",
            do="Use the add-on, or set it to "
            '"scrapy_onecaptcha.httpcache.GatelessDummyPolicy" or '
            '"…GatelessRFC2616Policy".',
        )


def _delays(config: Config, settings: BaseSettings) -> Iterator[Finding]:
    """Find delays in which a token may expire."""
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
                why="Tokens expire in the queue, and are paid for again.",
                do=f"Keep it below {limit / factor:g} s.",
            )
    ceiling = settings.getfloat("AUTOTHROTTLE_MAX_DELAY")
    if settings.getbool("AUTOTHROTTLE_ENABLED") and ceiling >= limit:
        yield Finding(
            severity="hint",
            setting="AUTOTHROTTLE_MAX_DELAY",
            what=f"AutoThrottle may delay a slow site's requests by {ceiling:g} s.",
            why=f"A token that is not sent within {limit:g} s "
            f"({PREFIX}TOKEN_MAX_AGE) expires.",
            do="Lower it to half of that.",
        )


def _consoles(settings: BaseSettings) -> Iterator[Finding]:
    """Find ways into the process, where its settings can be read."""
    host = str(settings.get("TELNETCONSOLE_HOST") or "")
    if settings.getbool("TELNETCONSOLE_ENABLED") and not _is_loopback(host):
        yield Finding(
            severity="risk",
            setting="TELNETCONSOLE_HOST",
            what=f"The telnet console listens on {host or 'every address'}.",
            why=f"A visitor can read {PREFIX}API_KEY and run any code; its password "
            "crosses the network unencrypted.",
            do="Leave it at 127.0.0.1.",
        )
    if settings.getbool("REMOTE_CONTROL_ENABLED"):
        yield Finding(
            severity="hint",
            setting="REMOTE_CONTROL_ENABLED",
            what="Scrapy's remote control is on.",
            why="Any program of this user, for example an assistant that speaks MCP, "
            f"can run code in the crawl and read {PREFIX}API_KEY.",
            do="Set it to False where nothing uses it.",
        )


def _is_loopback(host: str) -> bool:
    return is_loopback(f"//[{host}]" if ":" in host else f"//{host}")
