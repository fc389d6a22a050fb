"""``scrapy onecaptcha check``: what is wrong or risky in a project's settings."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from scrapy import Spider
from scrapy.addons import AddonManager
from scrapy.crawler import Crawler
from scrapy.exceptions import UsageError
from scrapy.utils.misc import load_object
from scrapy.utils.project import inside_project

from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha.cli import balance
from scrapy_onecaptcha.cli.base import DONE, FAILED, Tool, exits
from scrapy_onecaptcha.cli.checks.finding import SEVERITIES, Finding
from scrapy_onecaptcha.cli.checks.project import find
from scrapy_onecaptcha.cli.runner import run
from scrapy_onecaptcha.cli.service import balance_of, has_no_balance, read_config
from scrapy_onecaptcha.exceptions import ServiceError
from scrapy_onecaptcha.settings import PREFIX

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from scrapy.settings import Settings

    from scrapy_onecaptcha.cli.base import Call

__all__ = ["Check", "effective", "in_words"]


class Check(Tool):
    """Reads the settings as a crawl would, and lists problems in them."""

    syntax = "[options] [SPIDER]"
    about = (
        "Read the project's settings as a crawl would have them, those of add-ons and "
        "of the SPIDER included, and list what is wrong (error), what may cost money "
        "or pages (risk), and what is worth knowing (hint). Nothing is called or "
        "spent; with --balance the service is asked once whether it knows the key."
    )
    epilog = exits(
        "when nothing is wrong", "when there are errors, or with --strict risks"
    )

    def add_options(self, parser: ArgumentParser) -> None:
        """Add the options."""
        add = parser.add_argument
        add("--strict", action="store_true", help="treat risks as errors")
        add(
            "--balance",
            action="store_true",
            help="ask the service whether it knows the key",
        )

    def check(self, arguments: list[str], options: Namespace) -> None:  # noqa: ARG002
        """Reject more than one spider."""
        if len(arguments) > 1:
            raise UsageError("one SPIDER at a time")

    def run(self, call: Call) -> int:
        """List the findings."""
        name = call.arguments[0] if call.arguments else None
        project = call.settings["BOT_NAME"] if inside_project() else None
        spider = _spider(call.settings, name) if name else None
        settings, found = effective(call.settings, spider)
        found += find(settings, spider)
        account = None
        if call.options.balance and _may_ask(found):
            account, more = _ask(call, settings)
            found += more
        found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
        told = {
            "project": project,
            "spider": name,
            "findings": [asdict(finding) for finding in found],
            **{f"{severity}s": _count(found, severity) for severity in SEVERITIES},
            "account": account,
        }
        if call.options.json:
            call.terminal.as_json(told)
        else:
            call.terminal.result(*in_words(told))
        wrong = told["errors"] or (call.options.strict and told["risks"])
        return FAILED if wrong else DONE


def _spider(settings: Settings, name: str) -> type[Spider]:
    try:
        AddonManager.load_pre_crawler_settings(settings)
        loader = load_object(settings["SPIDER_LOADER_CLASS"])
        spiders: Any = loader.from_settings(settings.frozencopy())
    except Exception as error:
        # Modules of the project may raise anything.
        raise UsageError(
            f"the project's spiders cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    try:
        found: type[Spider] = spiders.load(name)
    except KeyError:
        there = ", ".join(sorted(spiders.list())) or "none"
        raise UsageError(f"no spider is called {name!r}; there are: {there}") from None
    return found


def effective(
    settings: Settings, spider: type[Spider] | None
) -> tuple[Settings, list[Finding]]:
    """Return the settings that a crawl would have, and why some could not be applied.

    Args:
        settings: the project's, overridden by those of the command line.
        spider: the spider of the crawl, if one was named.
    """
    try:
        crawler = Crawler(spider or Spider, settings)
    except Exception as error:  # noqa: BLE001 - the spider's own; told here
        return settings.copy(), [_unloadable("custom_settings", error)]
    try:
        crawler.addons.load_settings(crawler.settings)
    except Exception as error:  # noqa: BLE001 - an add-on's own; told here
        return crawler.settings, [_unloadable("ADDONS", error)]
    return crawler.settings, []


def _unloadable(setting: str, error: Exception) -> Finding:
    return Finding(
        severity="error",
        setting=setting,
        what=f"It cannot be applied: {type(error).__name__}: {error}.",
        why="The crawl does not start. What follows was found without it.",
        do="Correct it, or install what is missing.",
    )


def _may_ask(found: list[Finding]) -> bool:
    """Tell whether key and address of the service are valid."""
    return not any(
        finding.severity == "error" and finding.setting.startswith(PREFIX)
        for finding in found
    )


def _ask(call: Call, settings: Settings) -> tuple[dict[str, Any], list[Finding]]:
    """Ask the service for the balance; return it, and the findings on it."""
    config = read_config(settings)
    points, error = None, None
    try:
        points = run(call.settings, lambda stage: balance_of(config, stage.reactor))
    except ServiceError as raised:
        error = raised
    account = balance.tell(config, points, error)
    return account, list(_of_account(account, error))


def _of_account(
    account: dict[str, Any], error: ServiceError | None
) -> Iterator[Finding]:
    if error is not None and not has_no_balance(error):
        yield Finding(
            severity="error",
            setting=f"{PREFIX}API_KEY",
            what=str(error),
            why="No captcha can be solved like this.",
            do=error.advice,
        )
    elif account["solves"] == 0:
        yield Finding(
            severity="error",
            setting=f"{PREFIX}API_KEY",
            what=f"The account has {balance.in_words(account)}.",
            why="That is not enough for one captcha.",
            do="Top it up.",
        )


def _count(found: list[Finding], severity: str) -> int:
    return sum(finding.severity == severity for finding in found)


def in_words(told: dict[str, Any]) -> Iterator[str]:
    """Return the findings as text."""
    project, spider = told["project"], told["spider"]
    of = f"Project {project}" if project else "No project here"
    yield f"{of}, spider {spider}" if spider else of
    for finding in told["findings"]:
        yield f"{finding['severity']}: {finding['setting']}: {finding['what']}"
        yield f"    {finding['why']} {finding['do']}"
    account = told["account"]
    if account is not None and account["points"] is not None:
        yield f"The service knows the key: {balance.in_words(account)}"
    elif account is not None and account["error"] and not told["errors"]:
        yield f"The service did not say whether it knows the key: {account['error']}"
    yield ", ".join(counted(told[f"{severity}s"], severity) for severity in SEVERITIES)
