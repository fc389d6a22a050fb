"""Policies for Scrapy's HTTP cache that keep gates out of it.

A stored gate would be served again and again in place of the page. The middleware
fetches a gate that comes from the cache once more, but only a policy can keep it from
being stored: the cache sees a response before any other middleware does, and still
compressed. A policy asks what the middleware asks, settings and ``meta`` included.
"""

from __future__ import annotations

from time import thread_time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin
from weakref import WeakSet

from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.extensions.httpcache import DummyPolicy, RFC2616Policy
from scrapy.signalmanager import SignalManager
from scrapy.utils.misc import load_object

from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha._scrapy import decompress
from scrapy_onecaptcha.pages.gate_urls import names, says_so
from scrapy_onecaptcha.pages.readings import reading_steps
from scrapy_onecaptcha.pages.steps import step
from scrapy_onecaptcha.request_options import NOTES, RequestOptions
from scrapy_onecaptcha.settings import request_defaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request
    from scrapy.http import Response
    from scrapy.settings import BaseSettings

__all__ = [
    "GatelessDummyPolicy",
    "GatelessRFC2616Policy",
    "gateless",
    "keeps_gates_out",
]

logger = get_logger(__name__)

# Scrapy wants to know at once whether a page is a gate, and nothing else goes on while
# it is read. After so many seconds of CPU it is left open. Most of the steps that may
# come then take some milliseconds.
MAX_SECONDS = 0.06


class _Gateless:
    """Goes before a policy class, and keeps gates from it.

    Args:
        settings: of the crawl.
        clock: counts the seconds of CPU.
    """

    def __init__(
        self, settings: BaseSettings, clock: Callable[[], float] = thread_time
    ) -> None:
        super().__init__(settings)  # type: ignore[call-arg]
        crawler: Any = SimpleNamespace(
            stats=None, settings=settings, signals=SignalManager()
        )
        self._defaults = request_defaults(settings)
        self._compression = HttpCompressionMiddleware(crawler=crawler)
        self._clock = clock
        self._undecided: WeakSet[Response] = WeakSet()
        self._has_told = False

    def should_cache_response(self, response: Response, request: Request) -> bool:
        """Store no gate, and no redirect to one or back."""
        parent: Any = super()
        return parent.should_cache_response(response, request) and not (
            _is_about_a_gate(response, request) or self._may_be_gate(response, request)
        )

    def is_cached_response_fresh(
        self, cachedresponse: Response, request: Request
    ) -> bool:
        """Serve no gate that was stored before this policy was set.

        The middleware's own requests get no stored redirect: it may lead to the gate
        that they were cleared for.
        """
        parent: Any = super()
        return not (
            self._may_be_gate(cachedresponse, request)
            or _is_stored_redirect(cachedresponse, request)
        ) and (parent.is_cached_response_fresh(cachedresponse, request))

    def is_cached_response_valid(
        self, cachedresponse: Response, response: Response, request: Request
    ) -> bool:
        """Let the site's answer take the place of a stored gate, but no gate a page's.

        A policy may take a gate with status 503 for an error, and show the stored page.
        """
        parent: Any = super()
        return not (
            self._may_be_gate(cachedresponse, request)
            or self._may_be_gate(response, request)
            or _is_stored_redirect(cachedresponse, request)
        ) and parent.is_cached_response_valid(cachedresponse, response, request)

    def _may_be_gate(self, response: Response, request: Request) -> bool:
        """Tell whether *response* is a gate, or takes too long for it to be known."""
        options = RequestOptions.of(request, self._defaults)
        if not options.enabled:
            return False
        if response in self._undecided:
            return True
        try:
            page = decompress(self._compression, request, response.copy())
        except (IgnoreRequest, OSError, ValueError):
            return False  # too large once decompressed, or broken: Scrapy says so
        page.request = request
        steps = reading_steps(page, options)
        if steps is None:
            return False
        began = self._clock()
        while self._clock() - began < MAX_SECONDS:
            if (done := step(steps)) is not None:
                return done.result is not None and done.result.kind == "gate"
        self._undecided.add(response)
        self._tell(response)
        return True

    def _tell(self, response: Response) -> None:
        """Tell, once, that pages are not stored because they take long to be read."""
        if not self._has_told:
            logger.info(
                "The HTTP cache does not store %s, nor other pages that take as long "
                "to read: it has to know at once whether a page is a gate",
                response.url,
            )
        self._has_told = True


def _is_about_a_gate(response: Response, request: Request) -> bool:
    """Tell whether *response* leads to the address of a gate, or comes from it.

    A stored redirect would lead to the gate again and again after it was passed.
    """
    location = response.headers.get("Location")
    target = urljoin(response.url, location.decode("latin-1")) if location else ""
    asked = (request.meta.get("redirect_urls") or [response.url])[0]
    return (
        (bool(target) and (says_so(target) or names(target, response.url)))
        or (bool(target) and names(response.url, target))
        or (asked != response.url and names(response.url, asked))
    )


def _is_stored_redirect(cachedresponse: Response, request: Request) -> bool:
    """Tell whether a request of the middleware would follow a stored redirect."""
    own = "role" in (request.meta.get(NOTES) or {})
    return own and "Location" in cachedresponse.headers


def gateless(policy: type[Any]) -> type[Any]:
    """Return *policy*, a class for ``HTTPCACHE_POLICY``, so that it keeps gates out."""
    if issubclass(policy, _Gateless):
        return policy
    return type(f"Gateless{policy.__name__}", (_Gateless, policy), {})


def keeps_gates_out(settings: BaseSettings) -> bool:
    """Tell whether the crawl's HTTP cache is on and stores no gate."""
    if not settings.getbool("HTTPCACHE_ENABLED"):
        return False
    policy = load_object(settings["HTTPCACHE_POLICY"])
    return isinstance(policy, type) and issubclass(policy, _Gateless)


class GatelessDummyPolicy(_Gateless, DummyPolicy):
    """Scrapy's default policy, without gates."""


class GatelessRFC2616Policy(_Gateless, RFC2616Policy):
    """Scrapy's RFC 2616 policy, without gates."""
