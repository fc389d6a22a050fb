"""Responses as they arrive: delivered at once, or handed to a flow if gated."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy.http import Response

from scrapy_onecaptcha import _redact
from scrapy_onecaptcha.crawl import request_meta, requests
from scrapy_onecaptcha.crawl.addresses import chain_of
from scrapy_onecaptcha.crawl.departures import take_pass_off
from scrapy_onecaptcha.crawl.endings import restore, spare
from scrapy_onecaptcha.crawl.flow import GateFlow
from scrapy_onecaptcha.crawl.gate import Delivered, Gated, note_passed
from scrapy_onecaptcha.crawl.gate_cookies import GateCookies
from scrapy_onecaptcha.crawl.request_rules import is_robots
from scrapy_onecaptcha.crawl.shutdown import CrawlClosing
from scrapy_onecaptcha.crawl.site import SiteClient
from scrapy_onecaptcha.exceptions import OneCaptchaError
from scrapy_onecaptcha.pages.html import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import TypeAlias

    from scrapy import Request

    from scrapy_onecaptcha.crawl.departures import Departures
    from scrapy_onecaptcha.crawl.endings import Endings
    from scrapy_onecaptcha.crawl.flow_context import FlowContext
    from scrapy_onecaptcha.crawl.request_rules import RequestRules
    from scrapy_onecaptcha.crawl.slots import SlotLoans
    from scrapy_onecaptcha.models import Challenge
    from scrapy_onecaptcha.pages.steps import Steps
    from scrapy_onecaptcha.request_options import RequestOptions

    Lend: TypeAlias = Callable[[], None]
    Flow: TypeAlias = Callable[[Lend], Awaitable[Response]]

__all__ = ["NO_COOKIES", "Arrivals"]

NO_COOKIES = (
    "most sites remember a solved captcha by a cookie, and will ask for another one on "
    "every page"
)


class Arrivals:
    """Handles the responses of a crawl.

    Args:
        rules: say which requests concern us.
        context: of the flows.
        departures: know what is on its way.
        loans: lend the slots of what waits.
        endings: end what does not get its page.
        ask_again: schedules what the dupefilter has dropped on its way to a gate.
        numbers: requests in order of arrival.
    """

    def __init__(
        self,
        *,
        rules: RequestRules,
        context: FlowContext,
        departures: Departures,
        loans: SlotLoans,
        endings: Endings,
        ask_again: Callable[[Request], None],
        numbers: Iterator[int],
    ) -> None:
        self._rules = rules
        self._context = context
        self._departures = departures
        self._loans = loans
        self._endings = endings
        self._ask_again = ask_again
        self._numbers = numbers
        site = context.site
        self._engine = site.engine
        self._reader = site.reader
        self._report = site.report
        self._scope = site.scope
        self._sessions = site.sessions
        self._arrived = site.arrived
        self._addresses = site.addresses
        self._gate_cookies = GateCookies(site.engine)

    def downloaded(self, request: Request, response: Response) -> None:
        """Look at *response* before its cookies are stored; a signal's handler."""
        if self._sessions.of(request) is not None:
            self._gate_cookies.note(request, response)

    def arrive(
        self, request: Request, response: Response
    ) -> Awaitable[Response | Request] | Response:
        """Take *response* on, at once where it is no gate."""
        options = self._rules.options_of(request)
        if options is None:
            return response
        response = self._departures.without_pass(request, response)
        if response.request is None:  # Scrapy sets it after the last middleware
            response.request = request
        try:
            glance = self._reader.glance(_to_look_at(request, response), options)
        except Exception:
            self.fail(request)  # the user's own code has failed
            raise
        challenge, rest = glance.challenge, glance.rest
        if rest is not None or (challenge is not None and challenge.kind == "gate"):
            self._sessions.open(self._sessions.key_of(request))
            self._arrived.note(request)
        if rest is not None:
            return self._read_in_turns(request, response, options, rest)
        return self._take(request, response, options, challenge)

    async def _read_in_turns(
        self,
        request: Request,
        response: Response,
        options: RequestOptions,
        steps: Steps[Challenge | None],
    ) -> Response | Request:
        """Read a large page, which must not stop the crawl, and take it on."""
        try:
            challenge = await self._engine.as_scrapy(self._reader.in_turns(steps))
        except Exception:
            self.fail(request)
            raise
        taken = self._take(request, response, options, challenge)
        return taken if isinstance(taken, Response) else await taken

    def _take(
        self,
        request: Request,
        response: Response,
        options: RequestOptions,
        challenge: Challenge | None,
    ) -> Awaitable[Response | Request] | Response:
        """Take *response* on, which was read."""
        gated = challenge is not None and challenge.kind == "gate"
        own = request_meta.role_of(request) is not None
        if gated:
            self._gate_cookies.put_back(request, response)
        self._note(request, response, gated=gated, own=own)
        if own:
            if challenge is not None:
                spare(request)
            return response
        if challenge is None or not gated:
            if challenge is not None:
                self._report.widget(challenge)
            return self._pass_on(request, response, options)
        if not self._may_pass(request, response):
            self._departures.return_ticket(request)
            return response
        return self._enter(request, response, options)

    def fail(self, request: Request) -> None:
        """Clear ``meta`` for the errback, where nothing in it would be missed.

        A retry of a request that was redirected still needs to know what it was.
        """
        if request_meta.role_of(request) is not None:
            return
        self._departures.return_ticket(request)
        take_pass_off(request)
        if "redirect_urls" not in request.meta:
            request_meta.forget(request)

    def _note(
        self, request: Request, response: Response, *, gated: bool, own: bool
    ) -> None:
        """Note what *response* shows of its session, if that is open."""
        session = self._sessions.of(request)
        if session is None or own or is_robots(request):
            return  # its sender judges it
        session.line.saw(gate=gated)
        if not gated and not self._strayed(request):
            note_passed(session, Delivered(response))

    def _strayed(self, request: Request) -> bool:
        if "redirect_urls" not in request.meta:
            return False
        first = request_meta.first_of(request)
        method = first.get("method", "GET")
        return self._addresses.strayed(first["url"], chain_of(request), method)

    def _may_pass(self, request: Request, response: Response) -> bool:
        """Tell whether the gate *response* is one that this crawl may solve."""
        if is_robots(request):
            self._report.count("refused/robots_txt")
            self._report.warn_once(
                "robots.txt",
                f"{response.url} is gated. It is left unsolved, because the site's "
                "other pages wait for it; they are crawled as if there were none.",
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

    # Who takes it on

    def _pass_on(
        self,
        request: Request,
        response: Response,
        options: RequestOptions,
    ) -> Awaitable[Response | Request] | Response:
        """Deliver *response*, unless it is what a gate address shows to visitors."""
        self._departures.return_ticket(request)
        if not self._strayed(request):
            return response
        site = SiteClient(self._context.site, request, options)
        flow = GateFlow(self._context, site, next(self._numbers))

        async def ask_again(lend: Lend) -> Response:
            lend()
            outcome = await site.ask()
            session = self._sessions.of(request)
            if isinstance(outcome, Delivered) and session is not None:
                note_passed(session, outcome)
            return await flow.page(outcome)

        return self._run(request, site, ask_again)

    def _enter(
        self,
        request: Request,
        response: Response,
        options: RequestOptions,
    ) -> Awaitable[Response | Request]:
        """Begin the flow of a gated *request*."""
        self._ask_again(request)
        if request.meta.get("dont_merge_cookies"):
            self._report.warn_once(
                "cookies", f"{request} has dont_merge_cookies: {NO_COOKIES}"
            )
        site = SiteClient(self._context.site, request, options)
        flow = GateFlow(self._context, site, next(self._numbers))

        async def begin(lend: Lend) -> Response:
            # Until it is known to be a gate nothing of it can be dropped: large ones
            # keep their slots, so that no more of them are held than are downloaded.
            is_large = len(response.body) > MAX_BYTES
            if not is_large:
                lend()
            reading = site.read(request, response)
            outcome = await self._departures.until_read(request, reading)
            if isinstance(outcome, Gated):
                if is_large:
                    lend()
                self._report.gate(outcome.gate.challenge)
            return await flow.page(outcome)

        return self._run(request, site, begin)

    async def _run(
        self,
        request: Request,
        site: SiteClient,
        flow: Flow,
    ) -> Response | Request:
        try:
            return await self._engine.as_scrapy(self._waiting(request, site, flow))
        except Exception as error:
            restore(request, site.original)
            request_meta.forget(request)  # the errback is next to see it
            if isinstance(error, OneCaptchaError):
                # The frames below hold what was sent to the site, and the URL of a form
                # that is sent by GET holds its token. The sentence says it all.
                raise _redact.without_frames(error) from None
            raise

    async def _waiting(
        self,
        request: Request,
        site: SiteClient,
        flow: Flow,
    ) -> Response | Request:
        with ExitStack() as waiting:

            def lend() -> None:
                waiting.enter_context(self._loans.wait())
                self._report.waiting(self._loans.waiting)

            try:
                page = await flow(lend)
            except CrawlClosing:
                return self._endings.give_back(site.page_request, site.gate)
            except OneCaptchaError as error:
                return await self._endings.lose(request, site, error)
            except Exception as error:
                self._endings.broken(site, error)
                raise
        restore(request, site.page_request)
        requests.inherit(request, page)
        spare(request)
        page.request = request
        return page


def _to_look_at(request: Request, response: Response) -> Response:
    """Return *response*, without what may hold a token: the URLs of a submission.

    What is read of a request's response is kept for as long as that request is.
    """
    if request_meta.role_of(request) != "submission":
        return response
    url = urlsplit(response.url)._replace(query="").geturl()
    return response.replace(url=url, request=None)
