"""Asks for a gated page by another proxy, after one that the service could not use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha.crawl.gate import Delivered, note_passed
from scrapy_onecaptcha.service.task import proxy_of

if TYPE_CHECKING:
    from scrapy_onecaptcha.crawl.flow_context import FlowContext
    from scrapy_onecaptcha.crawl.gate import Gate, Outcome
    from scrapy_onecaptcha.crawl.payment import Payment
    from scrapy_onecaptcha.crawl.site import SiteClient
    from scrapy_onecaptcha.exceptions import ProxyFailed
    from scrapy_onecaptcha.models import Proxy

__all__ = ["NextProxy"]

logger = get_logger(__name__)


class NextProxy:
    """Looks for a proxy that the service can use, for one gated request.

    The page is asked for as often as it may cost tasks. No task is asked for by a proxy
    for which the service refused to create one.

    Args:
        context: the crawl's.
        site: asks the site for this request.
        payment: pays for it.
    """

    def __init__(
        self, context: FlowContext, site: SiteClient, payment: Payment
    ) -> None:
        self._sends_proxy = context.config.task_proxy == "request"
        self._auth_encoding = context.auth_encoding
        self._sessions = context.site.sessions
        self._site = site
        self._payment = payment
        self._refused: list[Proxy] = []
        self._asked = 0

    async def ask(self, gate: Gate, error: ProxyFailed, *, created: bool) -> Outcome:
        """Ask for the page of *gate*, the proxy of which was not usable.

        Args:
            gate: was to be solved by that proxy.
            error: the service's.
            created: whether the task was created before it failed.

        Raises:
            ProxyFailed: no other proxy is given to the request.
            AttemptsExhausted: it may cost no further task.
        """
        proxy = proxy_of(gate.request, self._auth_encoding)
        if proxy is None or not self._sends_proxy:
            raise error
        self._payment.check_attempts()
        if not created:
            self._refused.append(proxy)
        while self._asked < self._site.options.max_attempts:
            self._asked += 1
            logger.info(
                "The service cannot use the proxy %s: %s is asked for again, by the "
                "next one that the crawl gives it",
                proxy,
                self._site.original.url,
            )
            outcome = await self._site.ask_by_next_proxy()
            if isinstance(outcome, Delivered):
                self._note(outcome)
                return outcome
            given = proxy_of(outcome.gate.request, self._auth_encoding)
            if given not in self._refused:
                return outcome
        raise error

    def _note(self, outcome: Delivered) -> None:
        request = outcome.response.request
        session = None if request is None else self._sessions.of(request)
        if session is not None:
            note_passed(session, outcome)
