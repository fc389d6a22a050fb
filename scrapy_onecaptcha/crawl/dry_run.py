"""A dry run: the gates of a crawl are counted, and nothing is paid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scrapy_onecaptcha import exceptions
from scrapy_onecaptcha._logging import counted, get_logger, printable
from scrapy_onecaptcha._redact import without_user
from scrapy_onecaptcha.models import price
from scrapy_onecaptcha.report.log_lines import scope_in_words
from scrapy_onecaptcha.report.tally import BySite

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from scrapy_onecaptcha.crawl.gate import Gate
    from scrapy_onecaptcha.models import Challenge
    from scrapy_onecaptcha.stats import Report

__all__ = ["DryRun", "DryRunCounts", "plan_of"]

logger = get_logger("scrapy_onecaptcha")

#: Plans that are logged, of all sites and of one. Each page may have another one.
MAX_PLANS = 1000
MAX_PLANS_OF_SITE = 10


@dataclass(slots=True)
class _Site:
    """What was met on one site.

    Attributes:
        gates: how many.
        sessions: those that met one; a browser needs a token for each of them at least.
        single: gates that no clearance of another page could open.
        plans: what would be sent, as it was told.
    """

    gates: int = 0
    sessions: set[Hashable] = field(default_factory=set)
    single: int = 0
    plans: set[str] = field(default_factory=set)

    @property
    def least(self) -> int:
        """Tasks that are needed if a clearance opens all pages of its session."""
        return len(self.sessions) + self.single


class DryRunCounts:
    """Counts the gates of a dry run, and tells what they would cost.

    Args:
        cost: points for a task.
    """

    def __init__(self, cost: float) -> None:
        self._cost = cost
        self._sites: BySite[_Site] = BySite(_Site)
        self._plans = 0

    def met(self, site: str, session: Hashable | None, plan: str) -> int:
        """Count a gate, and tell what would be sent for it if that is new.

        Args:
            site: of the gate.
            session: whose clearance would open other pages, too; ``None`` for a page
                that needs a token of its own in any case.
            plan: what would be sent.

        Returns:
            By how many the tasks grow that a browser would need at least.
        """
        counts = self._sites.at(site)
        before = counts.least
        counts.gates += 1
        if session is None:
            counts.single += 1
        else:
            counts.sessions.add(session)
        if plan not in counts.plans and len(counts.plans) < MAX_PLANS_OF_SITE:
            counts.plans.add(plan)
            self._plans += 1
            if self._plans <= MAX_PLANS:
                logger.info("Dry run on %s: %s", self._sites.name(site), plan)
        return counts.least - before

    def summary(self) -> list[str]:
        """Return a line for each of the sites with most gates, and one for all."""
        if not self._sites:
            return ["Dry run: no gate met"]
        shown, rest = self._sites.ranked(lambda at: (-self._sites[at].gates, at))
        lines = [f"Dry run on {site}: {self._told([site])}" for site in shown]
        if rest:
            more = counted(len(rest), "more site")
            lines.append(f"Dry run on {more}: {self._told(rest)}")
        return [
            *lines,
            f"Dry run in all: {self._told([*self._sites])}; nothing was paid",
        ]

    def _told(self, sites: list[str]) -> str:
        gates = sum(self._sites[site].gates for site in sites)
        least = sum(self._sites[site].least for site in sites)
        told = (
            f"{counted(gates, 'gate')} met; a browser would need at least "
            f"{counted(least, 'task')}, {price(least * self._cost)}"
        )
        if gates == least:
            return told
        most = f"{counted(gates, 'task')}, {price(gates * self._cost)}"
        return f"{told}, and {most} if each page wanted a token of its own"


class DryRun:
    """What happens at a gate in place of a payment.

    Args:
        counts: of the gates.
        report: of the crawl.
        shared: whether clearances are shared.
    """

    def __init__(self, counts: DryRunCounts, report: Report, *, shared: bool) -> None:
        self._counts = counts
        self._report = report
        self._shared = shared

    def started(self, domains: Iterable[str] | None) -> None:
        """Tell that nothing is going to be paid."""
        logger.info(
            "Dry run: hCaptcha gates on %s are read and counted, and nothing is paid "
            "(ONECAPTCHA_DRY_RUN)",
            scope_in_words(domains),
        )

    def refuse(self, gate: Gate, *, submitter: bool) -> exceptions.DryRun:
        """Count *gate*, and return the error that ends its request.

        Args:
            gate: could be solved.
            submitter: whether the user's own code would send the token.
        """
        alone = not self._shared or gate.request.meta.get("dont_merge_cookies")
        plan = plan_of(gate.challenge, submitter=submitter)
        key = None if alone else gate.session.key
        self._report.count("dry_run/tasks", self._counts.met(gate.site, key, plan))
        return exceptions.DryRun(f"This is a dry run: {plan}")

    def summary(self) -> list[str]:
        """Return the lines that end the log."""
        return self._counts.summary()


def plan_of(challenge: Challenge, *, submitter: bool) -> str:
    """Return what would be bought for *challenge*, and how its token would be sent.

    Args:
        challenge: of a gate that can be solved.
        submitter: whether the user's own code would send it.
    """
    bought = f"a token for sitekey {challenge.sitekey}"
    form = challenge.form
    if submitter:
        return f"{bought} would be sent by your submitter"
    if form is None:
        return f"{bought} would be sent in a way that is not known yet"
    fields = ", ".join(form.token_fields)
    places = [f"in {fields}"] if fields else []
    if form.header:
        places.append(f"in the header {form.header}")
    where = " and ".join(places)
    url = without_user(form.url)
    return printable(f"{bought} would be sent by {form.method} to {url} {where}")
