"""Findings on the values of the package's own settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scrapy_onecaptcha._redact import Secret
from scrapy_onecaptcha.cli.checks.finding import Finding
from scrapy_onecaptcha.settings import (
    POLITE_SECONDS,
    PREFIX,
    SETTINGS,
    Config,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scrapy.settings import BaseSettings

__all__ = ["read"]

_KEY = f"{PREFIX}API_KEY"
_DRY_RUN = f"{PREFIX}DRY_RUN"


def read(
    settings: BaseSettings, environ: Mapping[str, str] | None
) -> tuple[Config | None, list[Finding]]:
    """Return the parsed *settings*, and the findings on them.

    A wrong value counts as unset, so that the others can be checked as well.
    """
    exported = Secret((os.environ if environ is None else environ).get(_KEY, ""))
    found = list(_values(settings))
    if settings.get(_DRY_RUN) and not any(each.setting == _DRY_RUN for each in found):
        found += _dry_run(settings)
    else:
        found += _key(settings, exported)
    readable = settings.copy()
    for finding in found:
        readable.set(finding.setting, None, priority="cmdline")
    config = None
    try:
        config = Config.parse(readable, {_KEY: exported.strip() or "any"})
    except ValueError as error:  # values that contradict each other
        found.append(_bad(str(error).partition(" ")[0], str(error)))
    found += [_unknown(name, meant) for name, meant in unknown(settings)]
    if config is not None and not config.polite:
        found.append(_impolite(config))
    if config is not None and config.task_proxy is not None:
        found.append(_shared_proxy(config))
    if config is not None and config.loopback:
        found.append(
            Finding(
                severity="hint",
                setting=f"{PREFIX}API_URL",
                what=f"The service is one on this machine: {config.api_url}.",
                why="A sandbox solves no captcha of a real site.",
                do="For real crawls leave it unset.",
            )
        )
    return config, found


def _dry_run(settings: BaseSettings) -> Iterator[Finding]:
    if SETTINGS[_DRY_RUN].read(_DRY_RUN, settings.get(_DRY_RUN)):
        yield Finding(
            severity="hint",
            setting=_DRY_RUN,
            what="It is on.",
            why="Nothing is paid and no gate is passed; gated pages are lost.",
            do="Set it to False to have captchas solved.",
        )


def _key(settings: BaseSettings, exported: Secret) -> Iterator[Finding]:
    if not (_is_key(settings.get(_KEY)) or _is_key(exported)):
        yield Finding(
            severity="error",
            setting=_KEY,
            what="There is no key.",
            why="Without one the middleware is off, and callbacks get the gates.",
            do="Set it in the settings, or as an environment variable of that name.",
        )


def _is_key(value: object) -> bool:
    """Tell whether *value* is meant as a key; its form is checked later."""
    return value is not None and str(value).strip() != ""


def _values(settings: BaseSettings) -> Iterator[Finding]:
    for name, row in SETTINGS.items():
        value = settings.get(name)
        if value is None or (name == _KEY and not _is_key(value)):
            continue
        try:
            parsed = row.read(name, value)
        except ValueError as error:
            yield _bad(name, str(error))
            continue
        if name == f"{PREFIX}ENABLED" and not parsed:
            yield Finding(
                severity="error",
                setting=name,
                what="The middleware is switched off.",
                why="Callbacks get the gates.",
                do="Set it to True, or leave it unset.",
            )


def _bad(name: str, sentence: str) -> Finding:
    what, _, allowed = sentence.partition("; allowed: ")
    return Finding(
        severity="error",
        setting=name,
        # The name is printed before it.
        what=f"It{what.removeprefix(name)}." if what.startswith(name) else f"{what}.",
        why="The crawl stops at its start.",
        do=f"Allowed: {allowed}",
    )


def _unknown(name: str, meant: str | None) -> Finding:
    return Finding(
        severity="error",
        setting=name,
        what="There is no such setting"
        + (f"; did you mean {meant}?" if meant else "."),
        why="It has no effect.",
        do="Spell it as the documentation does, or remove it.",
    )


def _shared_proxy(config: Config) -> Finding:
    whose = (
        "The proxy of each gated request"
        if config.task_proxy == "request"
        else f"The proxy {config.task_proxy}"
    )
    return Finding(
        severity="hint",
        setting=f"{PREFIX}TASK_PROXY",
        what=f"{whose} is sent to {config.api_url}, with its credentials.",
        why="A third party then holds them, and may use the proxy.",
        do="Leave it unset unless a site accepts only tokens from the crawl's address.",
    )


def _impolite(config: Config) -> Finding:
    delay, interval = config.poll_delay, config.poll_interval
    return Finding(
        severity="risk",
        setting=f"{PREFIX}POLL_INTERVAL",
        what=f"It is {interval:g} s, {PREFIX}POLL_DELAY {delay:g} s; the service asks "
        f"for {POLITE_SECONDS:g} s or more between two polls.",
        why="A client that polls too often may be blocked, and its tasks are lost.",
        do="Leave both unset.",
    )
