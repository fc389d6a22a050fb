"""Asks one site for what one request asks for: replay, look, refetch, submit, follow.

Nothing here decides what is paid for. Each method makes its requests and returns what
the site answered: a page, an error, or the gate that is still there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from twisted.internet.defer import CancelledError

from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha._values import is_within
from scrapy_onecaptcha.crawl import request_meta, requests
from scrapy_onecaptcha.crawl.addresses import chain_of, is_same
from scrapy_onecaptcha.crawl.gate import Delivered, Gate, Gated, user_agent_of
from scrapy_onecaptcha.crawl.page_match import shows_page
from scrapy_onecaptcha.crawl.statuses import is_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.addresses import GateAddresses
    from scrapy_onecaptcha.crawl.arrival_times import Arrival, ArrivalTimes
    from scrapy_onecaptcha.crawl.engine import Engine
    from scrapy_onecaptcha.crawl.gate import Outcome
    from scrapy_onecaptcha.crawl.page_scripts import PageScripts
    from scrapy_onecaptcha.crawl.queue_priority import QueuePriority
    from scrapy_onecaptcha.crawl.reader import Reader
    from scrapy_onecaptcha.crawl.request_meta import Role
    from scrapy_onecaptcha.crawl.scope import Scope
    from scrapy_onecaptcha.crawl.sessions import Sessions
    from scrapy_onecaptcha.crawl.submission import Submitter
    from scrapy_onecaptcha.models import Challenge
    from scrapy_onecaptcha.request_options import RequestOptions
    from scrapy_onecaptcha.stats import Report

__all__ = ["SiteClient", "SiteContext"]

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteContext:
    """What all site clients of a crawl share.

    Attributes:
        engine: the crawl's.
        scope: where a token may go.
        sessions: of the crawl.
        arrived: knows when responses came.
        addresses: which URLs are no page of their site.
        report: is told what happens.
        reader: reads responses.
        scripts: runs the scripts of pages.
        queues: sends what must not wait.
        submitters: the user's own, by domain.
        clock: the crawl's.
        cached: whether the HTTP cache keeps gates out, so that replays may use it.
    """

    engine: Engine
    scope: Scope
    sessions: Sessions
    arrived: ArrivalTimes
    addresses: GateAddresses
    report: Report
    reader: Reader
    scripts: PageScripts
    queues: QueuePriority
    submitters: Mapping[str, Submitter]
    clock: Clock
    cached: bool = False


class SiteClient:
    """Asks the site for what one request asks for.

    Args:
        context: the crawl's.
        request: met a gate; a redirect may have led it there.
        options: what the request says of itself.

    Attributes:
        original: what the spider asked for.
        options: what the request says of itself.
        gate: the last gate that was met, if any.
    """

    def __init__(
        self,
        context: SiteContext,
        request: Request,
        options: RequestOptions,
    ) -> None:
        self._context = context
        self._led_to = request
        self.options = options
        self.original = requests.original(request)
        self._asked = self.original  # by the proxy that the page is asked for by now
        self.gate: Gate | None = None

    def meet(
        self,
        request: Request,
        response: Response,
        challenge: Challenge,
        arrival: Arrival,
    ) -> Gate:
        """Return *response* as a gate, met at *arrival*."""
        context = self._context
        asked = self._asked
        at_address = context.addresses.met(asked, response.url)
        elsewhere = urlsplit(response.url).netloc != urlsplit(asked.url).netloc
        owner = asked if at_address and elsewhere else request
        session = context.sessions.open(context.sessions.key_of(owner))
        self.gate = Gate(
            request=request,
            response=response,
            challenge=challenge,
            session=session,
            stamp=request_meta.stamp_of(request),
            seen_at=arrival.seconds,
            cookies=arrival.cookies,
        )
        return self.gate

    # The page, without a token

    @property
    def page_request(self) -> Request:
        """The request that asks for the page.

        One that is not safe and was answered by a redirect has been processed: where
        that led to a page of the site, only that page is asked for.
        """
        led_to, asked = self._led_to, self._asked
        if requests.is_safe(asked) or self._context.addresses.is_certain(led_to.url):
            return asked
        return led_to

    async def ask(
        self, role: Role = "replay", user_agent: str | None = None
    ) -> Outcome:
        """Ask for the page once more, without a token."""
        self._context.report.count("replayed")
        outcome = await self._ask(self.page_request, role, user_agent)
        if isinstance(outcome, Gated) or self._is_page(outcome):
            return outcome
        if not self._is_led_elsewhere(outcome):
            return outcome
        if self._strayed(outcome.response):
            outcome = await self._ask(self.page_request, role, user_agent)
            if isinstance(outcome, Delivered) and self._strayed(outcome.response):
                return await self._led_astray(outcome)
            return outcome
        # It may have been a link that works once.
        again = await self._ask(self._led_to, role, user_agent)
        return again if isinstance(again, Gated) or self._is_page(again) else outcome

    async def _led_astray(self, outcome: Delivered) -> Outcome:
        """Return what it comes to that the page led to nobody's page, and does again.

        Where that is only guessed to be a gate address, it is a page after all: old
        URLs may lead to one page as well, and only `expect` tells that from "verified".
        Else the page is gated still: the gate is as new as what was led there.
        """
        response = outcome.response
        request = response.request
        chain = chain_of(request) if request is not None else []
        addresses = self._context.addresses
        certain = any(map(addresses.is_certain, chain[1:]))
        if is_error(response.status) and not certain:
            return outcome  # an error is an answer, too
        shows = shows_page(response, self.options.expect)
        is_page = await self._context.reader.finish(shows, response)
        if is_page and addresses.shows_content(chain):
            return outcome
        if self.gate is None or request is None:
            return outcome
        self.gate = replace(self.gate, stamp=request_meta.stamp_of(request))
        return Gated(self.gate)

    async def ask_by_next_proxy(self) -> Outcome:
        """Ask for the page as Scrapy retries a request, by whatever proxy it is given.

        What follows for this page leaves by the same one.
        """
        self._context.report.count("replayed")
        request = requests.retry(self.page_request, cached=self._context.cached)
        answer = await self._context.engine.download(request)
        sent = answer.request or request
        self._asked = request_meta.by_way_of(self._asked, sent)
        self._led_to = request_meta.by_way_of(self._led_to, sent)
        outcome = await self.read(sent, answer)
        if isinstance(outcome, Gated) or self._is_page(outcome):
            return outcome
        return await self.ask()

    async def ask_with(
        self, pairs: tuple[tuple[str, str], ...], user_agent: str | None
    ) -> Outcome:
        """Ask for the page with *pairs* in its query, a pass from the site."""
        self._context.report.count("replayed")
        asked = self.page_request
        url = requests.with_query(asked.url, pairs)
        outcome = await self._ask(asked.replace(url=url), "look", user_agent)
        if isinstance(outcome, Delivered) and outcome.response.url == url:
            return Delivered(outcome.response.replace(url=asked.url))
        return outcome

    async def ask_with_cookies(self, gate: Gate) -> Outcome:
        """Do as the page's scripts do: set their cookies, and load the page again."""
        cookies = gate.challenge.free_cookies
        scripts = self._context.scripts
        if not scripts.may_try(gate.site, cookies):
            return Gated(gate)
        self._context.engine.set_cookies(gate.request, gate.response.url, [*cookies])
        outcome = await self.ask("look")
        if isinstance(outcome, Gated):
            scripts.was_useless(gate.site, cookies)
        return outcome

    async def recheck(self, paid_for: Request) -> bool:
        """Tell whether the page of another request still passes."""
        request = requests.replay(paid_for, "look", cached=self._context.cached)
        try:
            answer = await self._context.engine.download(request_meta.pin(request))
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever a download may raise)
            logger.info(
                "%s did not answer (%s): it is not known what its clearance opens",
                paid_for.url,
                type(error).__name__,
            )
            return True
        challenge = await self._context.reader.read_for_waiting(answer, self.options)
        return challenge is None or challenge.kind != "gate"

    async def _ask(
        self, request: Request, role: Role, user_agent: str | None
    ) -> Outcome:
        cached = self._context.cached
        return await self._fetch(
            requests.replay(request, role, user_agent, cached=cached)
        )

    def _is_page(self, outcome: Delivered) -> bool:
        response = outcome.response
        return not (is_error(response.status) or self._strayed(response))

    def _is_led_elsewhere(self, outcome: Delivered) -> bool:
        """Tell whether another request may find the page that *outcome* is not."""
        if self._strayed(outcome.response):
            return True
        led_to = self._led_to
        return (
            led_to.url != self.page_request.url
            and led_to.method == "GET"
            and not self._context.addresses.is_known(led_to.url)
        )

    def _strayed(self, response: Response) -> bool:
        request = response.request
        chain = chain_of(request) if request is not None else []
        asked = self.original
        return self._context.addresses.strayed(asked.url, chain, asked.method)

    async def _fetch(self, request: Request) -> Outcome:
        answer = await self._context.engine.download(request_meta.pin(request))
        return await self.read(answer.request or request, answer)

    async def read(self, request: Request, response: Response) -> Outcome:
        """Return whether *response* is a gate, read as far as its request can wait."""
        arrival = self._context.arrived.at(request)
        reader = self._context.reader
        challenge = await reader.read_for_waiting(response, self.options)
        if challenge is None or challenge.kind != "gate":
            return Delivered(response)
        return Gated(self.meet(request, response, challenge, arrival))

    async def read_on(self, gate: Gate) -> Outcome:
        """Read *gate* to its end, its scripts included: it is to be paid for."""
        known = gate.challenge
        if not known.needs_scripts:
            return Gated(gate)
        challenge = await self._context.reader.with_scripts(
            gate.response, self.options, known
        )
        if challenge is None or challenge.kind != "gate":
            return Delivered(gate.response)
        self.gate = replace(gate, challenge=challenge)
        return Gated(self.gate)

    # The gate

    async def refetch(self, gate: Gate, user_agent: str | None) -> Outcome:
        """Fetch the gate page once more, for hidden fields that are fresh."""
        if self.kind(gate) == "repeat":
            return Gated(gate)  # it has no fields that age
        try:
            fresh = await self._fetch_gate(gate, user_agent)
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever a download may raise)
            logger.info(
                "The gate of %s could not be fetched again (%s): its old form is sent",
                self.original.url,
                type(error).__name__,
            )
            return Gated(gate)
        if isinstance(fresh, Delivered):
            return fresh
        old, new = gate.challenge, fresh.gate.challenge
        if new.sitekey != old.sitekey or new.rqdata or not new.solvable:
            self.gate = gate
            return Gated(gate)  # the token is for the old one
        return fresh

    async def renew(self, gate: Gate) -> Outcome:
        """Fetch the gate page once more, for an rqdata that is fresh."""
        if self.kind(gate) == "repeat":
            return await self.ask()
        return await self._fetch_gate(gate, user_agent_of(gate.request))

    async def _fetch_gate(self, gate: Gate, user_agent: str | None) -> Outcome:
        self._context.report.count("refetched")
        outcome = await self._fetch(requests.refetch(gate.request, user_agent))
        if isinstance(outcome, Gated):
            return await self.read_on(outcome.gate)
        if self.is_asked(outcome.response.url):
            return outcome
        return await self.ask("look", user_agent)

    def submitter(self, gate: Gate) -> Submitter | None:
        """Return the user's own submitter for *gate*, if there is one."""
        if self.options.submitter is not None:
            return self.options.submitter
        host = gate.session.key.host
        for domain, submitter in self._context.submitters.items():
            if is_within(host, domain):
                return submitter
        return None

    def kind(self, gate: Gate) -> str:
        """Return what is sent for *gate*; the user's own is like a form."""
        form = gate.challenge.form
        return "form" if form is None or self.submitter(gate) else form.kind

    def is_asked(self, url: str) -> bool:
        """Tell whether a GET of *url* is what asks for the page."""
        asked = self.page_request
        return is_same(url, asked.url) and asked.method == "GET"
