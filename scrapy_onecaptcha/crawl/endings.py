"""How a gated request ends that did not get its page."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from scrapy_onecaptcha import _scrapy
from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha.crawl import request_meta, requests
from scrapy_onecaptcha.crawl.shutdown import CrawlClosing
from scrapy_onecaptcha.exceptions import (
    AccountError,
    BudgetExceeded,
    OneCaptchaError,
)

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha.crawl.budget import Policy
    from scrapy_onecaptcha.crawl.engine import Engine
    from scrapy_onecaptcha.crawl.gate import Gate
    from scrapy_onecaptcha.crawl.shutdown import Waits
    from scrapy_onecaptcha.crawl.site import SiteClient
    from scrapy_onecaptcha.report.signals import SignalSender
    from scrapy_onecaptcha.settings import Config
    from scrapy_onecaptcha.stats import Report

__all__ = ["Endings", "restore", "spare"]

logger = get_logger(__name__)

#: Flag of a gate that is handed to the callback (``ONECAPTCHA_ON_FAILURE``).
FAILED = "onecaptcha-failed"


class Endings:
    """Ends gated requests as the settings say.

    Args:
        config: the settings.
        engine: the crawl's.
        policy: knows whether the budget is spent.
        report: is told what was lost.
        waits: end when the crawl does.
        listener: is told as well.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        policy: Policy,
        report: Report,
        waits: Waits,
        listener: SignalSender,
    ) -> None:
        self._config = config
        self._engine = engine
        self._policy = policy
        self._report = report
        self._waits = waits
        self._listener = listener

    async def lose(
        self, request: Request, site: SiteClient, error: OneCaptchaError
    ) -> Response | Request:
        """End *request* with *error*, or the crawl where that is fatal.

        Raises:
            OneCaptchaError: with the gate, unless the callback is to have that.
        """
        gate = site.gate
        if gate is None:
            raise error
        if self._is_fatal(error):
            await self._close(error)
            return self.give_back(site.page_request, gate)
        error.response = gate.response
        error.challenge = gate.challenge
        self._report.lost(gate.site, site.original.url, error)
        self._listener.lost(site.original, error)
        if self._config.on_failure == "error":
            raise error
        restore(request, site.original)
        spare(request)
        meta, status = request.meta, gate.response.status
        allowed = meta.get("handle_httpstatus_list", ())
        if status not in allowed:
            meta["handle_httpstatus_list"] = [*allowed, status]
        gate.response.flags.append(FAILED)
        gate.response.request = request
        return gate.response

    def broken(self, site: SiteClient, error: Exception) -> None:
        """Tell that the page of *site* was lost by a fault on the way."""
        where = site.gate.site if site.gate else site.original.url
        self._report.broken(where, site.original.url, error)
        self._listener.lost(site.original, error)

    def give_back(self, request: Request, gate: Gate | None) -> Request:
        """Return *request* to the scheduler as it was, once.

        Raises:
            OneCaptchaError: it came again, as to a caller of ``download_async``.
        """
        if request_meta.was_given_back(request):
            raise OneCaptchaError(
                f"The crawl is closing: {request.url} stays gated",
                response=gate.response if gate else None,
                challenge=gate.challenge if gate else None,
            )
        logger.debug("Given back to the scheduler, unsolved: %s", request)
        return requests.give_back(request)

    def _is_fatal(self, error: OneCaptchaError) -> bool:
        """Tell whether *error* ends the crawl, with what waits kept for the next."""
        spent = isinstance(error, BudgetExceeded) and self._policy.exhausted
        return self._config.close_on_fatal and (
            spent or isinstance(error, AccountError)
        )

    async def _close(self, error: OneCaptchaError) -> None:
        """Close the spider, and return once it is closing."""
        if isinstance(error, BudgetExceeded):
            with suppress(CrawlClosing):  # what is paid for already is used first
                await self._waits.until_closing(self._policy.until_settled())
        logger.critical("Closing the spider (ONECAPTCHA_CLOSE_ON_FATAL): %s", error)
        if not self._engine.is_closing:
            closing = self._engine.close_spider(f"onecaptcha_{error.reason}")
            closing.addErrback(_log_failure)
        with suppress(CrawlClosing):
            await self._waits.until_closing(_for_ever())


def restore(request: Request, asked: Request) -> None:
    """Turn *request* back into *asked*, if a redirect led it elsewhere."""
    if request is not asked:
        _scrapy.become(request, asked)


def spare(request: Request) -> None:
    """Keep Scrapy's middlewares from retrying or refreshing what *request* brought."""
    request_meta.borrow(request, dont_retry=True, dont_redirect=True)


async def _for_ever() -> None:
    await Deferred[None]()


def _log_failure(failure: Any) -> None:
    logger.error("The spider could not be closed: %s", failure.value)
