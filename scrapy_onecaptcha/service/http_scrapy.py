"""HTTP without a reactor, where treq does not work: by Scrapy's own download handler.

The calls pass no downloader middleware and no slot, and send no signal of the crawl,
as those of treq do not.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from scrapy import Request
from scrapy.settings import Settings
from scrapy.signalmanager import SignalManager
from twisted.internet.defer import succeed
from twisted.internet.error import ConnectError
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from scrapy_onecaptcha import _scrapy
from scrapy_onecaptcha.service.http import (
    CONNECTIONS,
    MAX_REPLY,
    refuse_encoding,
    too_much_body,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from twisted.internet.defer import Deferred
    from twisted.internet.protocol import Protocol

    from scrapy_onecaptcha.service.http import HangUp, Http

__all__ = ["handled"]

_SETTINGS = {
    # Scrapy's default trusts any certificate; this server gets the key.
    "DOWNLOAD_VERIFY_CERTIFICATES": True,
    "CONCURRENT_REQUESTS": CONNECTIONS,
    "CONCURRENT_REQUESTS_PER_DOMAIN": CONNECTIONS,
}


def handled(crawler: Crawler, timeout: float) -> tuple[Http, HangUp]:
    """Return an HTTP client, and what closes its connections.

    The handler is an instance of its own, of the class that Scrapy has for crawls
    without a reactor (``DOWNLOAD_HANDLERS_BASE``). A class that the project uses in its
    place may send requests through a third party. The crawl's settings for proxies, TLS
    and limits do not apply to it.

    Each call has a connection of its own: on a kept one, Scrapy's handlers take bytes
    that arrive between two calls for the answer to the second.

    Args:
        crawler: the crawl.
        timeout: seconds for one call.

    """
    http = _HandlerHttp(lambda: _make_handler(crawler), timeout)
    return http, http.close


def _make_handler(crawler: Crawler) -> Any:
    path = crawler.settings["DOWNLOAD_HANDLERS_BASE"]["https"]
    ours = copy.copy(crawler)
    ours.settings = Settings(_SETTINGS)
    ours.signals = SignalManager(ours)
    return _scrapy.make_handler(path, ours)


class _HandlerHttp:
    """Posts by a download handler, which follows no redirect and keeps no cookie."""

    def __init__(self, make: Callable[[], Any], timeout: float) -> None:
        self._make = make
        self._handler: Any = None
        self._meta = {
            "download_timeout": timeout,
            "download_maxsize": MAX_REPLY,
            "download_warnsize": 0,
            "download_fail_on_dataloss": True,
        }

    def post(
        self,
        url: str,
        /,
        *,
        data: bytes,
        headers: Any,
        **_: object,  # what only treq has to be told
    ) -> Deferred[Any]:
        """Post *data*; the Deferred fires with the whole reply."""
        request = Request(
            url,
            method="POST",
            headers={**headers, "Connection": "close"},
            body=data,
            meta=dict(self._meta),
        )
        if self._handler is None:  # a crawl that meets no gate needs none
            self._handler = self._make()
        answer = _scrapy.download_by(self._handler, request)
        return answer.addCallbacks(_checked, _translated)

    def close(self) -> Deferred[None]:
        """Close the connections."""
        if self._handler is None:
            return succeed(None)
        return _scrapy.close_handler(self._handler)


def _checked(response: Response) -> _Whole:
    refuse_encoding(response.headers.getlist("Content-Encoding"))
    return _Whole(response)


class _Whole:
    """A reply with treq's interface, although all of it has come already."""

    def __init__(self, response: Response) -> None:
        self.code = response.status
        self._body = response.body

    def deliverBody(self, receiver: Protocol) -> None:  # noqa: N802  (Twisted's name)
        """Hand the body to *receiver*."""
        receiver.dataReceived(self._body)
        receiver.connectionLost(Failure(ResponseDone()))  # type: ignore[no-untyped-call]


def _translated(failure: Failure) -> Failure:
    """Return a handler's error as one that `post` knows."""
    error = failure.value
    if isinstance(error, _scrapy.CANCELLED):
        return Failure(too_much_body())  # type: ignore[no-untyped-call]
    if isinstance(error, _scrapy.NEVER_CONNECTED):
        return Failure(ConnectError(string=str(error)))  # type: ignore[no-untyped-call]
    return failure
