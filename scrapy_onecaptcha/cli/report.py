"""``scrapy onecaptcha report``: what ledgers say of money spent and pages gained."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.exceptions import UsageError

from scrapy_onecaptcha import exceptions
from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha.cli.base import DONE, FAILED, Tool, exits
from scrapy_onecaptcha.report.dates import DAY, parse_iso
from scrapy_onecaptcha.report.html import page
from scrapy_onecaptcha.report.ledger import read
from scrapy_onecaptcha.report.summary import of_site, summarize
from scrapy_onecaptcha.report.text import in_words
from scrapy_onecaptcha.service.error_codes import rule

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Sequence

    from scrapy_onecaptcha.cli.base import Call
    from scrapy_onecaptcha.report.ledger import Fault
    from scrapy_onecaptcha.report.record import Record

__all__ = ["ReportTool", "advice", "moment_of"]

_UNITS = {"m": 60.0, "h": 3600.0, "d": DAY, "w": 7 * DAY}
_AGO = re.compile(r"(\d{1,6})([mhdw])")

#: Lines that are no records of which the reason is shown.
MAX_FAULTS = 5


class ReportTool(Tool):
    """Reads ledgers, and reports their figures."""

    syntax = "[options] LEDGER..."
    about = (
        "Read the files that ONECAPTCHA_LEDGER made, and show what tasks cost by day "
        "and by site, how many tokens were accepted, how long they took, what an "
        "accepted page cost, and what failed most and what to do about it. With --html "
        "the same as a page with charts."
    )
    epilog = exits(
        "when the ledgers were read", "when a file cannot be read or written"
    )

    def add_options(self, parser: ArgumentParser) -> None:
        """Add what is chosen, and where it goes."""
        add = parser.add_argument
        add("--html", metavar="FILE", help="write a page with charts")
        add(
            "--since",
            metavar="WHEN",
            help="only tasks since 7d, 12h, 30m, 2w or a date",
        )
        add(
            "--site",
            action="append",
            metavar="SITE",
            help="only this host and its subdomains; may be repeated",
        )

    def check(self, arguments: list[str], options: Namespace) -> None:
        """Refuse what cannot be meant."""
        if not arguments:
            raise UsageError("name the LEDGER to read, a file of ONECAPTCHA_LEDGER")
        if options.since is not None:
            moment_of(options.since, 0.0)

    def run(self, call: Call) -> int:
        """Read, and tell."""
        options, now = call.options, time.time()
        since = moment_of(options.since, now) if options.since else None
        faults = _Faults()
        records = read(call.arguments, faults.skip)
        try:
            summary = summarize(_chosen(records, since, options.site or ()), advice)
        except OSError as error:
            call.terminal.say(f"{error.filename}: {error.strerror}")
            return FAILED
        call.terminal.say(*faults.told())
        if options.html:
            try:
                Path(options.html).write_text(page(summary, now=now), "utf-8")
            except OSError as error:
                call.terminal.say(f"{options.html}: {error.strerror}")
                return FAILED
        if options.json:
            told = summary.told() | {"skipped": faults.count, "html": options.html}
            call.terminal.as_json(told)
            return DONE
        call.terminal.result(*in_words(summary))
        if options.html:
            call.terminal.result("", f"Report: {Path(options.html).absolute()}")
        return DONE


def moment_of(when: str, now: float) -> float:
    """Return the moment that ``--since`` names, in seconds since 1970.

    Raises:
        UsageError: it names none.
    """
    ago = _AGO.fullmatch(when)
    if ago:
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        return parse_iso(when)
    except ValueError:
        raise UsageError(
            f"--since is {when!r}; allowed: 7d, 12h, 30m, 2w, or a date (UTC) like "
            "2026-11-01"
        ) from None


def advice(code: str) -> str:
    """Return what to do about a code of a failed task, as one sentence.

    The sentences are those of the errors and of the service's codes.
    """
    for name in exceptions.__all__:
        error = getattr(exceptions, name)
        if error.reason == code:
            return str(error.advice)
    told = rule(code)
    if told.error is exceptions.ServiceError:  # a code that nobody knows
        return exceptions.ServiceError.advice
    return f"{told.advice[:1].upper()}{told.advice[1:]}."


def _chosen(
    records: Iterator[Record], since: float | None, sites: Sequence[str]
) -> Iterator[Record]:
    known: dict[str, bool] = {}
    for record in records:
        if since is not None and record.time < since:
            continue
        if sites:
            site = record.site
            if site not in known:
                known[site] = of_site(site, sites)
            if not known[site]:
                continue
        yield record


class _Faults:
    """Lines that are no records: how many, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[Fault] = []

    def skip(self, fault: Fault) -> None:
        self.count += 1
        if len(self._first) < MAX_FAULTS:
            self._first.append(fault)

    def told(self) -> Iterator[str]:
        for fault in self._first:
            yield f"{fault.path}, line {fault.number}: {fault.why}; left out"
        more = self.count - len(self._first)
        if more:
            yield f"{counted(more, 'more line', ',')} left out"
