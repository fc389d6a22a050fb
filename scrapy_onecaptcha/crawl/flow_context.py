"""What the flows of all gated requests of a crawl share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapy_onecaptcha.crawl.budget import Policy, TaskReservation
    from scrapy_onecaptcha.crawl.dry_run import DryRun
    from scrapy_onecaptcha.crawl.leases import Leases
    from scrapy_onecaptcha.crawl.shutdown import Waits
    from scrapy_onecaptcha.crawl.site import SiteContext
    from scrapy_onecaptcha.report.journal import Journal
    from scrapy_onecaptcha.service.solver import Solver
    from scrapy_onecaptcha.settings import Config

__all__ = ["FlowContext"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowContext:
    """What the flows of a crawl share.

    Attributes:
        config: the settings.
        site: what all site clients of the crawl share.
        solver: buys tokens.
        auth_encoding: ``HTTPPROXY_AUTH_ENCODING``.
        policy: the budgets and the breakers of sites.
        leases: say who may solve for a session.
        waits: end when the crawl does.
        journal: is told of each task.
        dry_run: refuses to pay, if that is asked for.
    """

    config: Config
    site: SiteContext
    solver: Solver[TaskReservation]
    auth_encoding: str
    policy: Policy
    leases: Leases
    waits: Waits
    journal: Journal
    dry_run: DryRun | None
