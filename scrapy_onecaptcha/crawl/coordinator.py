"""One crawl: what leaves, what arrives, and who takes a gated request on from there."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy.http.request import NO_CALLBACK

from scrapy_onecaptcha import _redact, _scrapy
from scrapy_onecaptcha.crawl import request_meta, requests
from scrapy_onecaptcha.crawl.addresses import GateAddresses, chain_of
from scrapy_onecaptcha.crawl.budget import Policy
from scrapy_onecaptcha.crawl.clearance import LocalLeases
from scrapy_onecaptcha.crawl.duplicates import DroppedRedirects
from scrapy_onecaptcha.crawl.endings import Endings, restore, spare
from scrapy_onecaptcha.crawl.flow import FlowContext, GateFlow
from scrapy_onecaptcha.crawl.gate import Delivered, Gated
from scrapy_onecaptcha.crawl.queue_priority import QueuePriority
from scrapy_onecaptcha.crawl.reading import Reader
from scrapy_onecaptcha.crawl.scope import Scope
from scrapy_onecaptcha.crawl.sessions import Sessions
from scrapy_onecaptcha.crawl.shutdown import CrawlClosing, Waits
from scrapy_onecaptcha.crawl.site import SiteClient, SiteContext
from scrapy_onecaptcha.crawl.slots import SlotLoans
from scrapy_onecaptcha.crawl.widget import solve_widget
from scrapy_onecaptcha.crawl.window import Waiting
from scrapy_onecaptcha.exceptions import OneCaptchaError
from scrapy_onecaptcha.httpcache import keeps_gates_out
from scrapy_onecaptcha.pages.detection import Hints
from scrapy_onecaptcha.request_options import RequestOptions
from scrapy_onecaptcha.service.solver import Solver
from scrapy_onecaptcha.stats import Report

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

    from scrapy_onecaptcha._scrapy import Engine
    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.sessions import Session
    from scrapy_onecaptcha.models import Solution
    from scrapy_onecaptcha.service.client import Client
    from scrapy_onecaptcha.settings import Config

__all__ = ["Coordinator"]

logger = logging.getLogger(__name__)

NO_COOKIES = (
    "most sites remember a solved captcha by a cookie, and will ask for another one on "
    "every page"
)

#: Seconds after which a request that has left the downloader is looked for again.
LOOK_AGAIN = 0.5

#: Requests that are held unsent, for each of ``CONCURRENT_REQUESTS``, where they come
#: from a queue that others may read or that a crash must not lose.
HELD_FACTOR = 4


class Coordinator:
    """Connects the rules of one crawl.

    Args:
        crawler: the crawl.
        config: the settings.
        client: speaks to the service.
        clock: measures time and wakes up.
        random: returns a number from 0 to 1.
        engine: what is asked of Scrapy.
    """

    def __init__(
        self,
        crawler: Crawler,
        config: Config,
        client: Client,
        clock: Clock,
        random: Callable[[], float],
        engine: Engine,
    ) -> None:
        settings = crawler.settings
        self._config = config
        self._clock = clock
        self._engine = engine
        self._has_cookies = settings.getbool("COOKIES_ENABLED")
        self.sessions = Sessions(
            clock,
            config.cooldown,
            config.concurrent_tasks,
            engine.is_active,
            settings.get("HTTPPROXY_AUTH_ENCODING") or "latin-1",
        )
        self.loans = SlotLoans(engine, config.max_parked, _max_held(config, settings))
        self.report = Report(crawler.stats, config, clock, lambda: self.loans.parked)
        self.policy = Policy(config, clock.seconds)
        self.queues = QueuePriority(engine, clock)
        self.addresses = GateAddresses()
        self.dropped_redirects = DroppedRedirects(self.addresses)
        self.scope = Scope(
            lambda: (
                config.allowed_domains
                if config.allowed_domains is not None
                else engine.spider_domains
            )
        )
        self._reader = Reader()
        self._waits = Waits(clock, lambda: engine.is_closing)
        self._solver = Solver(
            client,
            config,
            self.policy,
            self.report,
            clock,
            lambda: engine.is_paused,
            random,
        )
        self._site_context = SiteContext(
            engine=engine,
            scope=self.scope,
            sessions=self.sessions,
            addresses=self.addresses,
            report=self.report,
            reader=self._reader,
            queues=self.queues,
            submitters=config.submitters,
            clock=clock,
            cached=keeps_gates_out(settings),
        )
        self._flow_context = FlowContext(
            config=config,
            site=self._site_context,
            solver=self._solver,
            policy=self.policy,
            leases=LocalLeases(),
            waits=self._waits,
            drop_body=_scrapy.drop_body,
        )
        self._endings = Endings(config, engine, self.policy, self.report, self._waits)
        self._arrivals = itertools.count(1)

    # The crawl

    def started(self) -> None:
        """Tell what the crawl may solve and spend."""
        self.report.started(self.scope.domains, self._config.api_url)
        if not self._has_cookies:
            self.report.warn_once("cookies", f"COOKIES_ENABLED is off: {NO_COOKIES}")

    def closed(self) -> None:
        """Tell the summary."""
        self.report.closed()

    def snapshot(self) -> dict[str, Any]:
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
            "waiting": self.loans.parked,
            "held": self.loans.held,
            "open_tasks": self.report.open_tasks,
            "spent": self.policy.tasks,
        }

    # Redirects that the dupefilter drops

    def dropped(self, request: Request) -> None:
        """Ask again for what was dropped on its way to a gate."""
        led_here = request.meta.get("redirect_urls")
        if led_here and request_meta.KEY in request.meta and self._concerns(request):
            for again in self.dropped_redirects.dropped(request):
                self._ask_again(again)

    def _ask_again(self, request: Request) -> None:
        logger.debug("Asked for again: its redirect to a gate was dropped: %s", request)
        self._engine.crawl(request)

    # What leaves

    def leave(self, request: Request) -> Awaitable[Request | None] | None:
        """Prepare *request* to be sent, at once where it has nothing to wait for."""
        if not self._concerns(request):
            return None
        request_meta.keep_way(request)
        session = self.sessions.of(request)
        if session is not None and not _must_not_wait(request):
            line = session.line
            line.set_pace(*self._engine.pace(request))
            if not (line.is_free or line.enter(request)):
                return self._hold(request, session)
        self._depart(request, session)
        return None

    async def _hold(self, request: Request, session: Session) -> Request | None:
        with self.loans.hold() as held:

            def lend() -> None:
                held.lend()
                self.report.parked(self.loans.parked)

            waiting = Waiting(
                order=(0, next(self._arrivals)), request=request, lend=lend
            )
            wait = self._waits.until_closing(session.line.wait(waiting))
            try:
                await self._engine.as_scrapy(wait)
            except CrawlClosing:
                return self._endings.give_back(request, None)
        self._depart(request, self.sessions.of(request))
        return None

    def _depart(self, request: Request, session: Session | None) -> None:
        noted = request_meta.stamp(request, self.sessions.granted)
        if "given_back" in noted and not self._engine.is_closing:
            del noted["given_back"]  # by an earlier run
        user_agent = noted.get("user_agent") or (session and session.user_agent)
        if user_agent:
            request.headers["User-Agent"] = user_agent
        if session is not None and session.url_pass:
            self._add_pass(request, session, noted)

    def _add_pass(
        self, request: Request, session: Session, noted: dict[str, Any]
    ) -> None:
        """Have *request* carry the session's pass in its URL, where it is a page's."""
        if noted.get("role") not in (None, "look", "replay"):
            return
        url = requests.with_query(request.url, session.url_pass)
        if url != request.url and not self.addresses.is_known(request.url):
            noted["asked"], noted["sent"] = request.url, url
            _scrapy.set_url(request, url)

    def left_downloader(self, request: Request) -> None:
        """Look whether the answer to *request* comes here, or is a redirect, say."""
        if request_meta.role_of(request) is None and self._ticketed(request):
            self._clock.callLater(0, self._release_if_gone, request)

    def _ticketed(self, request: Request) -> bool:
        session = self.sessions.of(request)
        return session is not None and session.line.ticket_of(request) is not None

    def _release_if_gone(self, request: Request) -> None:
        if not self._engine.is_active(request):
            self._return_ticket(request)
        elif self._ticketed(request):
            self._clock.callLater(LOOK_AGAIN, self._release_if_gone, request)

    def _return_ticket(self, request: Request, *, gated: bool = False) -> None:
        session = self.sessions.of(request)
        if session is not None:
            line = session.line
            line.return_ticket(line.ticket_of(request), gated=gated)

    # What arrives

    def arrive(
        self, request: Request, response: Response
    ) -> Awaitable[Response | Request] | Response:
        """Take *response* on, at once where it is no gate."""
        if not self._concerns(request):
            return response
        response = self._without_pass(request, response)
        if response.request is None:  # Scrapy sets it after the last middleware
            response.request = request
        options = self._options(request)
        hints = self._hints(options)
        try:
            challenge = self._reader.look(response, hints)
        except Exception:
            self.fail(request)  # the user's own code has failed
            raise
        gated = challenge is not None and challenge.kind == "gate"
        own = request_meta.role_of(request) is not None
        self._note(request, response, gated=gated, own=own)
        if own:
            if challenge is not None:
                spare(request)
            return response
        if challenge is None or not gated:
            if challenge is not None:
                self.report.widget(challenge)
            return self._pass_on(request, response, options, hints)
        if not self._may_pass(request, response):
            self._return_ticket(request)
            return response
        return self._enter(request, response, options, hints)

    def fail(self, request: Request) -> None:
        """Clear ``meta`` for the errback, where nothing in it would be missed.

        A retry of a request that was redirected still needs to know what it was.
        """
        if request_meta.role_of(request) is not None:
            return
        self._return_ticket(request)
        asked = (request.meta.get(request_meta.KEY) or {}).pop("asked", None)
        if asked is not None:
            _scrapy.set_url(request, asked)
        if "redirect_urls" not in request.meta:
            request_meta.forget(request)

    def _without_pass(self, request: Request, response: Response) -> Response:
        """Return *response*, and *request* changed, as if it had carried no pass."""
        noted = request.meta.get(request_meta.KEY) or {}
        asked = noted.pop("asked", None)
        if asked is None:
            return response
        if response.url == request.url:
            response = response.replace(url=asked)
        _scrapy.set_url(request, asked)
        noted["sent"] = asked
        return response

    def _note(
        self, request: Request, response: Response, *, gated: bool, own: bool
    ) -> None:
        """Note what *response* tells of its session, if that has ever met a gate."""
        sessions = self.sessions
        session = (
            sessions.open(sessions.key_of(request)) if gated else sessions.of(request)
        )
        if session is None:
            return
        if "Set-Cookie" in response.headers:
            session.cookies_set += 1
        if own or _is_robots(request):
            return  # whoever has sent it makes of it what it is
        session.line.saw(gate=gated)
        if not request_meta.is_evidence(request, response):
            return
        stamp = request_meta.stamp_of(request)
        if gated:
            session.line.gated(stamp)
        elif not self._strayed(request):
            content = Delivered(response).shows_content
            session.line.answered(stamp, response.status, content=content)

    def _strayed(self, request: Request) -> bool:
        if "redirect_urls" not in request.meta:
            return False
        asked = request_meta.first_of(request)["url"]
        return self.addresses.strayed(asked, chain_of(request))

    def _may_pass(self, request: Request, response: Response) -> bool:
        """Tell whether the gate *response* is one that this crawl may solve."""
        if _is_robots(request):
            self.report.count("refused/robots_txt")
            self.report.warn_once(
                "robots.txt",
                f"{response.url} is gated. It is left unsolved, because the site's "
                "other pages wait for it; they are crawled as if there were none.",
                of=response.url,
            )
            return False
        if not self.scope.holds(response.url, request_meta.first_of(request)["url"]):
            self.report.count("refused/scope")
            host = urlsplit(response.url).hostname
            self.report.warn_once(
                "scope",
                f"Gates on {host} are out of scope and pass untouched (first: "
                f"{response.url}). Add the host to ONECAPTCHA_ALLOWED_DOMAINS to have "
                "them solved.",
                of=host or "",
            )
            return False
        return True

    # Who takes it on

    def _pass_on(
        self,
        request: Request,
        response: Response,
        options: RequestOptions,
        hints: Hints,
    ) -> Awaitable[Response | Request] | Response:
        """Deliver *response*, unless it is what a gate address shows to visitors."""
        self._return_ticket(request)
        if not self._strayed(request):
            return response
        site = SiteClient(self._site_context, request, options, hints)
        flow = GateFlow(self._flow_context, site, hints, next(self._arrivals))

        async def ask_again() -> Response:
            return await flow.page(await site.ask())

        return self._run(request, site, ask_again)

    def _enter(
        self,
        request: Request,
        response: Response,
        options: RequestOptions,
        hints: Hints,
    ) -> Awaitable[Response | Request]:
        """Begin the flow of a gated *request*."""
        for again in self.dropped_redirects.met(request):
            self._ask_again(again)
        if request.meta.get("dont_merge_cookies"):
            self.report.warn_once(
                "cookies", f"{request} has dont_merge_cookies: {NO_COOKIES}"
            )
        site = SiteClient(self._site_context, request, options, hints)
        flow = GateFlow(self._flow_context, site, hints, next(self._arrivals))

        async def begin() -> Response:
            outcome = await site.read(request, response)
            if isinstance(outcome, Gated):
                self.report.gate(outcome.gate.challenge)
            self._return_ticket(request, gated=isinstance(outcome, Gated))
            return await flow.page(outcome)

        return self._run(request, site, begin)

    async def _run(
        self,
        request: Request,
        site: SiteClient,
        flow: Callable[[], Awaitable[Response]],
    ) -> Response | Request:
        try:
            return await self._engine.as_scrapy(self._parked(request, site, flow))
        except Exception as error:
            restore(request, site.original)
            request_meta.forget(request)  # the errback is next to see it
            if isinstance(error, OneCaptchaError):
                # The frames below hold what was sent to the site, and the URL of a form
                # that is sent by GET holds its token. The sentence says it all.
                raise _redact.bare(error) from None
            raise

    async def _parked(
        self,
        request: Request,
        site: SiteClient,
        flow: Callable[[], Awaitable[Response]],
    ) -> Response | Request:
        with self.loans.park():
            self.report.parked(self.loans.parked)
            try:
                page = await flow()
            except CrawlClosing:
                return self._endings.give_back(site.page_request, site.gate)
            except OneCaptchaError as error:
                return await self._endings.lose(request, site, error)
            except Exception as error:
                where = site.gate.site if site.gate else site.original.url
                self.report.broken(where, site.original.url, error)
                raise
        restore(request, site.page_request)
        requests.inherit(request, page)
        spare(request)
        page.request = request
        return page

    # A widget

    async def solve(self, response: Response) -> Solution:
        """Return a token for the widget of *response*."""
        request = response.request
        if request is None:
            raise ValueError(f"{response} belongs to no request")
        options = self._options(request)
        challenge = await self._reader.read(response, self._hints(options))
        return await solve_widget(
            self._solver,
            self._waits,
            self.scope,
            response,
            challenge,
            self.sessions.key_of(request).site,
            options.max_attempts,
        )

    # Who is concerned

    def _concerns(self, request: Request) -> bool:
        return (
            request.url.startswith("http")
            and request.method != "HEAD"
            and self._options(request).enabled
        )

    def _options(self, request: Request) -> RequestOptions:
        return RequestOptions.from_meta(request.meta.get("onecaptcha"), self._config)

    def _hints(self, options: RequestOptions) -> Hints:
        return Hints(
            gate=options.gate,
            expect=options.expect,
            decide=self._config.gate,
            sitekey=options.sitekey,
            rqdata=options.rqdata,
            invisible=options.invisible,
            field=options.field,
        )


def _max_held(config: Config, settings: Any) -> int:
    """Return how many requests may be held unsent with their slots lent.

    A queue that others read as well is not drained into one process, and a crash must
    lose little of one that is on disk.
    """
    if config.max_held is not None:
        return config.max_held
    own = settings.get("SCHEDULER") == "scrapy.core.scheduler.Scheduler"
    if own and not settings.get("JOBDIR"):
        return config.max_parked
    return HELD_FACTOR * int(settings.getint("CONCURRENT_REQUESTS"))


def _must_not_wait(request: Request) -> bool:
    """Tell whether others wait for *request*, or it is what they wait for."""
    return request_meta.role_of(request) is not None or _is_robots(request)


def _is_robots(request: Request) -> bool:
    """Tell whether *request* is the one of Scrapy's robots.txt middleware."""
    return request.callback is NO_CALLBACK and (
        urlsplit(request_meta.first_of(request)["url"]).path == "/robots.txt"
    )
