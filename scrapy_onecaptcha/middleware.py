"""Scrapy's hooks: what comes in, what goes out, and what ends a gated request.

response → detection → policy → sessions → parked → solving → submission → the page.
"""

from __future__ import annotations

import logging
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy import signals
from scrapy.http.request import NO_CALLBACK
from twisted.internet.defer import Deferred

from scrapy_onecaptcha import _scrapy
from scrapy_onecaptcha._redact import bare
from scrapy_onecaptcha.crawl import request_meta, requests
from scrapy_onecaptcha.crawl.budget import Allowance, Policy
from scrapy_onecaptcha.crawl.duplicates import Detours
from scrapy_onecaptcha.crawl.flow import Passage, Tools
from scrapy_onecaptcha.crawl.gate import Gate, task_of
from scrapy_onecaptcha.crawl.queue_priority import Rush
from scrapy_onecaptcha.crawl.replay import Road
from scrapy_onecaptcha.crawl.scope import Scope
from scrapy_onecaptcha.crawl.sessions import Session, Sessions
from scrapy_onecaptcha.crawl.shutdown import CrawlClosing, Waits, shielded
from scrapy_onecaptcha.crawl.site import Courier
from scrapy_onecaptcha.crawl.slots import Parking
from scrapy_onecaptcha.exceptions import (
    AccountError,
    BudgetExceeded,
    OneCaptchaError,
    SubmissionRefused,
    UnsolvableGate,
)
from scrapy_onecaptcha.pages.readings import detect_once
from scrapy_onecaptcha.request_options import RequestOptions
from scrapy_onecaptcha.service.solver import Solver
from scrapy_onecaptcha.service.transport import reach
from scrapy_onecaptcha.settings import Config
from scrapy_onecaptcha.stats import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request, Spider
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from typing_extensions import Self

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.models import Challenge, Solution
    from scrapy_onecaptcha.service.client import Client

__all__ = ["OneCaptchaMiddleware"]

logger = logging.getLogger(__name__)

#: Flag of a gate that is handed to the callback (``ONECAPTCHA_ON_FAILURE``).
FAILED = "onecaptcha-failed"

NO_COOKIES = (
    "most sites remember a solved captcha by a cookie, and will ask for another one on "
    "every page"
)


class OneCaptchaMiddleware:
    """Passes hCaptcha gates, so that callbacks get the page they asked for.

    Add it to ``DOWNLOADER_MIDDLEWARES`` at 585: below the middlewares that decompress,
    redirect and keep cookies, above those that retry and set the User-Agent.

    Args:
        crawler: the crawl.
        config: the settings.
        client: speaks to the service.
        clock: measures time and wakes up.
        random: returns a number from 0 to 1.
    """

    def __init__(
        self,
        crawler: Crawler,
        config: Config,
        client: Client,
        clock: Clock,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._crawler = crawler
        self._config = config
        self._client = client
        self._scope = Scope(self._domains)
        self._sessions = Sessions(
            clock.seconds,
            config.cooldown,
            crawler.settings.get("HTTPPROXY_AUTH_ENCODING") or "latin-1",
        )
        self._parking = Parking(
            lambda: _scrapy.downloader_of(crawler),
            lambda: _scrapy.nudge(crawler),
            config.max_parked,
        )
        self._report = Report(
            crawler.stats, config, clock, lambda: self._parking.parked
        )
        self._waits = Waits(clock, lambda: _scrapy.is_closing(crawler))
        self._policy = Policy(config, clock.seconds)
        self._solver = Solver(
            client,
            config,
            self._policy,
            self._report,
            clock,
            lambda: _scrapy.is_paused(crawler),
            random,
        )
        self._tools = Tools(
            config=config,
            sessions=self._sessions,
            solver=self._solver,
            report=self._report,
            waits=self._waits,
            now=clock.seconds,
            drop_body=_scrapy.drop_body,
        )
        self.rush = Rush(crawler, clock)
        self._detours = Detours()
        self._road = Road(
            scope=self._scope,
            sessions=self._sessions,
            report=self._report,
            submitters=config.submitters,
            now=clock.seconds,
            download=lambda request: _scrapy.download(
                crawler, request_meta.pin(request)
            ),
            send_by=lambda request, moment: self.rush.send_by(
                request_meta.pin(request), moment
            ),
            # Whoever else waits for the same robots.txt must get it.
            robots_check=lambda request: shielded(
                _scrapy.robots_check(crawler, request)
            ),
        )

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Set the middleware up for *crawler*.

        Raises:
            NotConfigured: there is no key, or the middleware is switched off.
            ValueError: a setting is bad; the sentence says which and why.
        """
        config = Config.from_settings(crawler.settings)
        client, clock = reach(crawler, config)
        middleware = cls(crawler, config, client, clock)
        connect = crawler.signals.connect
        connect(middleware.spider_opened, signals.spider_opened)
        connect(middleware.spider_closed, signals.spider_closed)
        connect(middleware.response_received, signals.response_received)
        connect(middleware.request_dropped, signals.request_dropped)
        connect(
            middleware.rush.request_reached_downloader,
            signals.request_reached_downloader,
        )
        return middleware

    def _domains(self) -> tuple[str, ...] | None:
        if self._config.allowed_domains is not None:
            return self._config.allowed_domains
        return getattr(self._crawler.spider, "allowed_domains", None)

    # Signals

    def spider_opened(self) -> None:
        """Tell what the crawl may solve and spend."""
        self._report.started(self._scope.domains, self._config.api_url)
        if not self._crawler.settings.getbool("COOKIES_ENABLED"):
            self._report.warn_once("cookies", f"COOKIES_ENABLED is off: {NO_COOKIES}")

    async def spider_closed(self) -> None:
        """Tell the summary and hang up."""
        self._report.closed()
        await _scrapy.as_scrapy(self._client.close())

    def response_received(self, request: Request) -> None:
        """Clear ``meta`` before the callback sees it: no middleware comes after."""
        if request_meta.role_of(request) is None:
            request_meta.forget(request)

    def request_dropped(self, request: Request) -> None:
        """Ask again for what the dupefilter has dropped on its way to a gate.

        Where every page redirects to one and the same gate, Scrapy takes all but the
        first for duplicates, and they would end neither in callback nor in errback.
        """
        led_here = request.meta.get("redirect_urls")
        if led_here and request_meta.KEY in request.meta and self._concerns(request):
            for original in self._detours.dropped(request):
                self._ask_again(original)

    def _ask_again(self, request: Request) -> None:
        logger.debug("Asked for again: its redirect to a gate was dropped: %s", request)
        _scrapy.crawl(self._crawler, request)

    # Hooks

    async def process_request(
        self,
        request: Request,
        spider: Spider | None = None,  # noqa: ARG002  (passed up to Scrapy 2.13)
    ) -> Request | None:
        """Note which clearance *request* carries, and bind it to its User-Agent.

        Where its session is walled off and being solved, it waits, unsent.
        """
        if not self._concerns(request):
            return None
        request_meta.keep_way(request)
        session = self._sessions.of(request)
        if session and session.is_walled and not _must_not_wait(request):
            try:
                await _scrapy.as_scrapy(self._hold(session))
            except CrawlClosing:
                return self._give_back(request, None)
        noted = request_meta.stamp(request, self._sessions.granted)
        if "given_back" in noted and not _scrapy.is_closing(self._crawler):
            del noted["given_back"]  # by an earlier run
        user_agent = noted.get("user_agent") or (session and session.user_agent)
        if user_agent:
            request.headers["User-Agent"] = user_agent
        return None

    async def process_response(
        self,
        request: Request,
        response: Response,
        spider: Spider | None = None,  # noqa: ARG002  (passed up to Scrapy 2.13)
    ) -> Response | Request:
        """Take a gated *request* to its page; leave everything else untouched."""
        if not self._concerns(request):
            return response
        if response.request is None:  # Scrapy sets it after the last middleware
            response.request = request
        options = self._options(request)
        try:
            challenge = detect_once(response, options)
        except Exception:
            request_meta.forget(request)  # the user's own code has failed
            raise
        gated = challenge is not None and challenge.kind == "gate"
        self._note(request, response, gated=gated)
        if challenge is None:
            return response
        if request_meta.role_of(request) is not None:
            _spare(request)
            return response
        if not gated:
            self._report.widget(challenge)
            return response
        if not self._may_pass(request, response):
            return response
        return await self._enter(request, response, challenge, options)

    async def process_exception(
        self,
        request: Request,
        exception: Exception,  # noqa: ARG002  (Scrapy's signature)
        spider: Spider | None = None,  # noqa: ARG002  (passed up to Scrapy 2.13)
    ) -> None:
        """Clear ``meta`` for the errback, where nothing in it would be missed.

        A retry of a request that was redirected still needs to know what it was.
        """
        if (
            request_meta.role_of(request) is None
            and "redirect_urls" not in request.meta
        ):
            request_meta.forget(request)

    async def solve(self, response: Response) -> Solution:
        """Have the widget of *response* solved, and return the token for it.

        For a callback that submits a form of its own, a search form say. What the site
        makes of the token is the caller's business.

        Raises:
            UnsolvableGate: there is no widget, or none that a token can be had for.
            OneCaptchaError: the rules forbid it, or the service gave no token.
        """
        return await _scrapy.as_scrapy(self._solve(response))

    # Who is concerned

    def _concerns(self, request: Request) -> bool:
        return (
            request.url.startswith("http")
            and request.method != "HEAD"
            and self._options(request).enabled
        )

    def _options(self, request: Request) -> RequestOptions:
        return RequestOptions.from_meta(
            request.meta.get("onecaptcha"), self._config.options
        )

    def _note(self, request: Request, response: Response, *, gated: bool) -> None:
        """Note what *response* tells of its session, if that has ever met a gate."""
        sessions = self._sessions
        session = (
            sessions.open(sessions.key_of(request)) if gated else sessions.of(request)
        )
        if session is not None:
            # What answers a token, a redirect say, is no page that passed.
            if gated or request_meta.role_of(request) != "submission":
                session.saw(gate=gated)
            if "Set-Cookie" in response.headers:
                session.cookies_set += 1

    def _may_pass(self, request: Request, response: Response) -> bool:
        """Tell whether the gate *response* is one that this crawl may solve."""
        if _is_robots(request):
            self._report.count("refused/robots_txt")
            self._report.warn_once(
                "robots.txt",
                f"{response.url} is gated. It is left unsolved, for the site's other "
                "pages wait for it; they are crawled as if there were none.",
                of=response.url,
            )
            return False
        if not self._scope.holds(response.url, request_meta.first_of(request)["url"]):
            self._report.count("refused/scope")
            host = urlsplit(response.url).hostname
            self._report.warn_once(
                "scope",
                f"Gates on {host} are out of scope and pass untouched (first: "
                f"{response.url}). Add the host to ONECAPTCHA_ALLOWED_DOMAINS to have "
                "them solved.",
                of=host or "",
            )
            return False
        return True

    # The gate

    async def _hold(self, session: Session) -> None:
        with self._parking.park():
            self._report.parked(self._parking.parked)
            await self._waits.until_closing(session.until_passable())

    async def _enter(
        self,
        request: Request,
        response: Response,
        challenge: Challenge,
        options: RequestOptions,
    ) -> Response | Request:
        """Begin the passage of a gated *request*."""
        for original in self._detours.met(request):
            self._ask_again(original)
        self._report.gate(challenge)
        if request.meta.get("dont_merge_cookies"):
            self._report.warn_once(
                "cookies", f"{request} has dont_merge_cookies: {NO_COOKIES}"
            )
        courier = Courier(self._road, request, options)
        gate = courier.meet(request, response, challenge)
        passage = Passage(self._tools, courier, gate, options.max_attempts)
        try:
            return await _scrapy.as_scrapy(self._pass(passage, courier, request))
        except Exception as error:
            _restore(request, courier.original)
            request_meta.forget(request)  # the errback is next to see it
            if isinstance(error, OneCaptchaError):
                # The frames below hold what was sent to the site, and the URL of a form
                # that is sent by GET holds its token. The sentence says it all.
                raise bare(error) from None
            raise

    async def _pass(
        self, passage: Passage, courier: Courier, request: Request
    ) -> Response | Request:
        with self._parking.park():
            self._report.parked(self._parking.parked)
            try:
                page = await passage.page()
            except CrawlClosing:
                return self._give_back(courier.original, courier.gate)
            except OneCaptchaError as error:
                if not self._is_fatal(error):
                    return self._lose(courier, request, error)
                await self._close(error)
                return self._give_back(courier.original, courier.gate)
            except Exception as error:
                gate = courier.gate
                site = gate.site if gate else courier.original.url
                self._report.broken(site, courier.original.url, error)
                raise
        _restore(request, courier.original)
        requests.inherit(request, page)
        _spare(request)
        page.request = request
        return page

    def _is_fatal(self, error: OneCaptchaError) -> bool:
        """Tell whether *error* ends the crawl, with what waits kept for the next."""
        spent = isinstance(error, BudgetExceeded) and self._policy.exhausted
        return self._config.close_on_fatal and (
            spent or isinstance(error, AccountError)
        )

    def _lose(
        self, courier: Courier, request: Request, error: OneCaptchaError
    ) -> Response:
        """End a gated request as ``ONECAPTCHA_ON_FAILURE`` says."""
        gate = courier.gate
        assert gate is not None  # noqa: S101  (a passage begins at one)
        error.response = gate.response
        error.challenge = gate.challenge
        self._report.lost(gate.site, courier.original.url, error)
        if self._config.on_failure == "error":
            raise error
        _restore(request, courier.original)
        _spare(request)
        meta, status = request.meta, gate.response.status
        allowed = meta.get("handle_httpstatus_list", ())
        if status not in allowed:
            meta["handle_httpstatus_list"] = [*allowed, status]
        gate.response.flags.append(FAILED)
        gate.response.request = request
        return gate.response

    def _give_back(self, request: Request, gate: Gate | None) -> Request:
        """Return *request* to the scheduler as it was, once."""
        if (request.meta.get(request_meta.KEY) or {}).get("given_back"):
            raise OneCaptchaError(
                f"The crawl is closing: {request.url} stays gated",
                response=gate.response if gate else None,
                challenge=gate.challenge if gate else None,
            )
        logger.debug("Given back to the scheduler, unsolved: %s", request)
        return requests.give_back(request)

    async def _close(self, error: OneCaptchaError) -> None:
        """Close the spider, and return once it is closing."""
        if isinstance(error, BudgetExceeded):
            with suppress(CrawlClosing):  # what is paid for already is used first
                await self._waits.until_closing(self._policy.until_settled())
        logger.critical("Closing the spider (ONECAPTCHA_CLOSE_ON_FATAL): %s", error)
        if not _scrapy.is_closing(self._crawler):
            closing = _scrapy.close_spider(self._crawler, f"onecaptcha_{error.reason}")
            closing.addErrback(_log_failure)
        with suppress(CrawlClosing):
            await self._waits.until_closing(_for_ever())

    async def _solve(self, response: Response) -> Solution:
        request = response.request
        if request is None:
            raise ValueError(f"{response} belongs to no request")
        options = self._options(request)
        challenge = detect_once(response, options)
        bad = challenge is not None and challenge.reason == "bad_rqdata"
        if challenge is None or challenge.sitekey is None or bad:
            raise UnsolvableGate(
                f"{response.url} holds no hCaptcha that a token can be had for "
                f"({(challenge and challenge.reason) or 'none is seen'}); what is "
                'missing can be stated in meta["onecaptcha"]: sitekey, rqdata',
                response=response,
                challenge=challenge,
            )
        asked = (request.meta.get("redirect_urls") or [request.url])[0]
        if not self._scope.holds(response.url, asked):
            raise SubmissionRefused(
                f"{response.url} is out of scope; add its host to "
                "ONECAPTCHA_ALLOWED_DOMAINS",
                response=response,
                challenge=challenge,
            )
        work = self._solver.solve(
            task_of(challenge, request),
            self._sessions.key_of(request).site,
            Allowance(response.url, options.max_attempts),
        )
        try:
            solution, unit = await self._waits.until_closing(work)
        except CrawlClosing:
            raise OneCaptchaError(
                f"The crawl is closing: the widget of {response.url} stays unsolved",
                response=response,
                challenge=challenge,
            ) from None
        unit.settle("void")  # what the site makes of the token is not seen here
        return solution


def _restore(request: Request, original: Request) -> None:
    """Make *request* what the spider asked for, if a redirect led it elsewhere."""
    if request is not original:
        _scrapy.become(request, original)


def _spare(request: Request) -> None:
    """Keep Scrapy's middlewares from retrying or refreshing what *request* brought."""
    request_meta.borrow(request, dont_retry=True, dont_redirect=True)


def _must_not_wait(request: Request) -> bool:
    """Tell whether others wait for *request*, or it is what they wait for."""
    return request_meta.role_of(request) is not None or _is_robots(request)


def _is_robots(request: Request) -> bool:
    """Tell whether *request* is the one of Scrapy's robots.txt middleware."""
    return request.callback is NO_CALLBACK and (
        urlsplit(request_meta.first_of(request)["url"]).path == "/robots.txt"
    )


async def _for_ever() -> None:
    await Deferred[None]()


def _log_failure(failure: Any) -> None:
    logger.error("The spider could not be closed: %s", failure.value)
