"""One crawl: connects its rules with each other and with Scrapy."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.addresses import GateAddresses
from scrapy_onecaptcha.crawl.arrival_times import ArrivalTimes
from scrapy_onecaptcha.crawl.arrivals import NO_COOKIES, Arrivals
from scrapy_onecaptcha.crawl.bookkeeping import make_journal, tell_end
from scrapy_onecaptcha.crawl.budget import PageAttempts, Policy
from scrapy_onecaptcha.crawl.departures import Departures
from scrapy_onecaptcha.crawl.duplicates import DroppedRedirects
from scrapy_onecaptcha.crawl.endings import Endings
from scrapy_onecaptcha.crawl.flow_context import FlowContext
from scrapy_onecaptcha.crawl.from_settings import (
    domains_in_scope,
    make_dry_run,
    make_leases,
    make_page_scripts,
    make_shared_budget,
    max_held,
)
from scrapy_onecaptcha.crawl.queue_priority import QueuePriority
from scrapy_onecaptcha.crawl.reader import Reader
from scrapy_onecaptcha.crawl.request_rules import RequestRules
from scrapy_onecaptcha.crawl.scope import Scope
from scrapy_onecaptcha.crawl.sessions import Sessions
from scrapy_onecaptcha.crawl.shutdown import Waits
from scrapy_onecaptcha.crawl.site import SiteContext
from scrapy_onecaptcha.crawl.slots import SlotLoans
from scrapy_onecaptcha.crawl.widget import solve_widget
from scrapy_onecaptcha.httpcache import keeps_gates_out
from scrapy_onecaptcha.report.signals import SignalSender
from scrapy_onecaptcha.report.tally import TaskCount
from scrapy_onecaptcha.service.solver import Solver
from scrapy_onecaptcha.stats import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.engine import Engine
    from scrapy_onecaptcha.crawl.store import CrawlStore
    from scrapy_onecaptcha.models import Solution
    from scrapy_onecaptcha.report.snapshot import Snapshot, StoreState
    from scrapy_onecaptcha.scripts.pool import Pool
    from scrapy_onecaptcha.service.client import Client
    from scrapy_onecaptcha.settings import Config

__all__ = ["Coordinator"]

logger = get_logger(__name__)


class Coordinator:
    """Connects the rules of one crawl.

    Args:
        crawler: the crawl.
        config: the settings.
        client: speaks to the service.
        clock: measures time and wakes up.
        random: returns a number from 0 to 1.
        engine: what is asked of Scrapy.
        scripts: runs the scripts of pages.
        store: shared with other processes and runs, if any.
    """

    def __init__(
        self,
        crawler: Crawler,
        config: Config,
        client: Client,
        clock: Clock,
        random: Callable[[], float],
        engine: Engine,
        scripts: Pool,
        store: CrawlStore | None = None,
    ) -> None:
        settings = crawler.settings
        self._auth_encoding = settings.get("HTTPPROXY_AUTH_ENCODING") or "latin-1"
        self._clock = clock
        self._engine = engine
        self._stats = crawler.stats
        self._api_url = config.api_url
        self._has_cookies = settings.getbool("COOKIES_ENABLED")
        self._rules = RequestRules(config)
        self._scripts = make_page_scripts(config, engine, scripts, clock)
        self._reader = Reader(self._scripts, clock)
        self._waits = Waits(clock, lambda: engine.is_closing)
        self.loans = SlotLoans(engine, max_held(config, settings), config.max_parked)
        self.queues = QueuePriority(engine, clock)
        self.scope = Scope(lambda: domains_in_scope(config, engine))
        self.sessions = Sessions(
            clock, config.cooldown, config.concurrent_tasks, engine, self._auth_encoding
        )
        addresses = GateAddresses()
        self.dropped_redirects = DroppedRedirects(addresses)

        # Money
        self._store = store
        self._shared = make_shared_budget(store, clock, random)
        self._leases = make_leases(store, config, self.sessions, engine, clock, random)
        sender = SignalSender(crawler.signals.send_catch_log)
        self.journal = make_journal(crawler, config, clock.seconds, sender)
        tasks = TaskCount()
        self.report = Report(
            crawler.stats,
            config,
            clock,
            tasks,
            lambda: self.loans.waiting,
            self.journal.forecast,
        )
        self.policy = Policy(config, clock.seconds, tasks, self.report, self._shared)
        self._dry_run = make_dry_run(config, self.report)
        self._solver = Solver(
            client,
            config,
            self.policy,
            self.report,
            clock,
            lambda: engine.is_paused,
            random,
        )
        if self._shared is not None:
            self._shared.listen(self._solver.health)

        # Requests and responses
        cached = keeps_gates_out(settings)
        context = self._flow_context(config, addresses, cached=cached)
        endings = Endings(config, engine, self.policy, self.report, self._waits, sender)
        numbers = itertools.count(1)
        self.departures = self._departures(config, addresses, endings, numbers)
        self.arrivals = Arrivals(
            rules=self._rules,
            context=context,
            departures=self.departures,
            loans=self.loans,
            endings=endings,
            ask_again=self._met,
            numbers=numbers,
        )

    def _flow_context(
        self, config: Config, addresses: GateAddresses, *, cached: bool
    ) -> FlowContext:
        site = SiteContext(
            engine=self._engine,
            scope=self.scope,
            sessions=self.sessions,
            arrived=ArrivalTimes(self._engine, self._clock),
            addresses=addresses,
            report=self.report,
            reader=self._reader,
            scripts=self._scripts,
            queues=self.queues,
            submitters=config.submitters,
            clock=self._clock,
            cached=cached,
        )
        return FlowContext(
            config=config,
            site=site,
            solver=self._solver,
            auth_encoding=self._auth_encoding,
            policy=self.policy,
            leases=self._leases,
            waits=self._waits,
            journal=self.journal,
            dry_run=self._dry_run,
        )

    def _departures(
        self,
        config: Config,
        addresses: GateAddresses,
        endings: Endings,
        numbers: Iterator[int],
    ) -> Departures:
        return Departures(
            rules=self._rules,
            engine=self._engine,
            clock=self._clock,
            sessions=self.sessions,
            addresses=addresses,
            loans=self.loans,
            waits=self._waits,
            endings=endings,
            report=self.report,
            arrivals=numbers,
            shares=config.share_clearance,
            notes_cookies=self._store is not None,
        )

    # The crawl

    def started(self) -> None:
        """Tell what the crawl may solve and spend."""
        if self._dry_run is not None:
            self._dry_run.started(self.scope.domains)
        else:
            self.report.started(self.scope.domains, self._api_url)
        if not self._has_cookies:
            self.report.warn_once("cookies", f"COOKIES_ENABLED is off: {NO_COOKIES}")

    async def closed(self) -> None:
        """Tell the summary, end what runs scripts, and let other processes go on."""
        self._scripts.close()
        for session in self.sessions.all():
            current = session.clearances.current
            tell_end(self.report, session.key.site, current)
            if current is not None:
                current.write_down()
        self.journal.close()
        self.report.closed(self._dry_run.summary() if self._dry_run else None)
        await self._leases.close()
        if self._shared is not None and self._store is not None:
            await self._shared.close()
            await self._store.store.close()

    def snapshot(self) -> Snapshot:
        """Return what is known and held now; no secret is in it."""
        now = self._clock.seconds()
        return {
            "sessions": [
                {
                    "site": session.key.site,
                    "generation": session.generation,
                    "pages": current.pages,
                    "age": now - current.since,
                }
                for session in self.sessions.all()
                if (current := session.clearances.current) is not None
            ],
            "open_tasks": self.report.open_tasks,
            "waiting": self.loans.waiting,
            "held": self.loans.held,
            "budget_left": self.policy.left,
            "breakers": self.policy.breakers(),
            "service": self._solver.health.snapshot(),
            "spent": {"tasks": self.policy.tasks, "points": self._stat("points")},
            "store": self._store_state(),
        }

    def _store_state(self) -> StoreState | None:
        if self._store is None or self._shared is None:
            return None
        imported = int(self._stat("clearances/imported"))
        return self._store.state(is_spent=self._shared.is_spent, imported=imported)

    def _stat(self, name: str) -> float:
        return float(self._stats.get_value(f"onecaptcha/{name}", 0))

    # Redirects that the dupefilter drops

    def dropped(self, request: Request) -> None:
        """Ask again for what was dropped on its way to a gate."""
        led_here = request.meta.get("redirect_urls")
        if (
            led_here
            and request_meta.KEY in request.meta
            and self._rules.concerns(request)
        ):
            for again in self.dropped_redirects.dropped(request):
                self._ask_again(again)

    def _met(self, request: Request) -> None:
        for again in self.dropped_redirects.met(request):
            self._ask_again(again)

    def _ask_again(self, request: Request) -> None:
        logger.debug("Asked for again: its redirect to a gate was dropped: %s", request)
        self._engine.crawl(request)

    # A widget

    async def solve(self, response: Response) -> Solution:
        """Return a token for the widget of *response*.

        Raises:
            UnsolvableGate: there is no widget, or none that a token can be got for.
            OneCaptchaError: the rules forbid it, or the service gave no token.
            ValueError: *response* belongs to no request.
        """
        request = response.request
        if request is None:
            raise ValueError(f"{response} belongs to no request")
        options = self._rules.options(request)
        challenge = await self._reader.read(response, options)
        return await solve_widget(
            self._solver,
            self._waits,
            self.scope,
            response,
            challenge,
            self.sessions.key_of(request),
            PageAttempts(response.url, options.max_attempts, self.journal),
            self._auth_encoding,
            dry_run=self._dry_run is not None,
        )
