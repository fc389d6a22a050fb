"""One POST, bounded in time and size, that ends at once when cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from service_identity import VerificationError
from twisted.internet import protocol
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeadlinePassed
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from scrapy_onecaptcha._redact import SecretBytes
from scrapy_onecaptcha._version import __version__

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from twisted.python.failure import Failure

    from scrapy_onecaptcha._twisted import Clock

__all__ = [
    "CONNECTIONS",
    "MAX_REPLY",
    "HangUp",
    "Http",
    "NoReply",
    "Reply",
    "ReplyTooLarge",
    "post",
]

MAX_REPLY = 64 * 1024  # bytes; a reply with a token has about two thousand

CONNECTIONS = 32  # kept open, and calls made at once; the others wait for one

_T = TypeVar("_T")


class Reply(NamedTuple):
    """A reply that was read to its end."""

    status: int
    body: bytes


#: There was no connection, and so nothing was sent.
_NEVER_SENT = (ConnectError, DNSLookupError)
_DISTRUST = (
    "showed a certificate that is not trusted, and was sent nothing: check "
    "ONECAPTCHA_API_URL, this machine's clock and its CA certificates, SSL_CERT_FILE"
)


class NoReply(Exception):  # says what happened, as the sentence does
    """There is no whole reply; completes the sentence "the service …".

    Attributes:
        sent: whether the call may have arrived all the same.
    """

    def __init__(self, fault: str, *, sent: bool = True) -> None:
        super().__init__(fault)
        self.sent = sent


class Http(Protocol):
    """The one method of ``treq.client.HTTPClient`` that is used."""

    def post(  # noqa: D102  # treq's own
        self,
        url: str,
        /,
        *,
        data: bytes,
        headers: Any,
        allow_redirects: bool,
        unbuffered: bool,
        reactor: Any,
    ) -> Deferred[Any]: ...


async def post(
    http: Http, url: str, body: bytes, *, clock: Clock, timeout: float
) -> Reply:
    """Post *body*, which is JSON, and return the reply. Redirects are not followed.

    Args:
        http: what sends it.
        url: where to.
        body: JSON.
        clock: measures *timeout*.
        timeout: seconds, from the start to the last byte of the reply. That of treq
            stops at the headers.

    Raises:
        NoReply: none came, or not all of it, or too much.
        CancelledError: the caller cancelled; the connection was aborted.
    """
    sent = True
    outcome = _detached(_exchange(http, url, body, clock))
    timer: Any = clock
    outcome.addTimeout(timeout, timer)
    try:
        return await outcome
    except CancelledError:
        raise
    except DeadlinePassed:
        fault = f"gave no full answer within {timeout:g} s"
    except ReplyTooLarge:
        fault = f"answered with more than {MAX_REPLY} bytes, which were not read"
    except Exception as error:  # noqa: BLE001  # what it was goes into the message
        cause = _cause(error)
        distrusted = _is_distrust(cause)
        problem = _DISTRUST if distrusted else "could not be reached or hung up"
        fault = f"{problem} ({_named(cause)})"
        sent = not (distrusted or isinstance(error, _NEVER_SENT))
    # Not raised in the handler: what a transport's error holds is not chained on.
    raise NoReply(fault, sent=sent)


async def _exchange(http: Http, url: str, body: bytes, clock: Clock) -> Reply:
    response = await http.post(
        url,
        data=body,
        headers={
            "Content-Type": "application/json",
            "User-Agent": f"scrapy-onecaptcha/{__version__}",
        },
        allow_redirects=False,
        unbuffered=True,  # else treq keeps the body of a reply past any limit
        reactor=clock,  # else treq imports the global one
    )
    collector = _Collector()
    response.deliverBody(collector)
    return Reply(int(response.code), await collector.finished)


#: Closes the idle connections.
HangUp = Callable[[], Deferred[None]]


class ReplyTooLarge(Exception):  # says what happened, as the sentence does
    """The reply has more than `MAX_REPLY` bytes."""


class _Collector(protocol.Protocol):
    """Collects a body up to a limit; past it, or cancelled, aborts the connection."""

    def __init__(self) -> None:
        self.finished: Deferred[bytes] = Deferred(lambda _: self._abort())
        self._data = SecretBytes()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.finished.called:
            return
        self._data = SecretBytes(self._data + data)
        if len(self._data) > MAX_REPLY:
            self.finished.errback(ReplyTooLarge())
            self._abort()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:  # noqa: N802
        if self.finished.called:
            return
        # Without a length the end of the connection is the end of the reply. Whether
        # something is missing shows when it is read as JSON.
        if isinstance(reason.value, ResponseDone | PotentialDataLoss):
            self.finished.callback(self._data)
        else:
            self.finished.errback(reason)

    def _abort(self) -> None:
        # Twisted hands out a proxy that can only lose a connection, which over TLS
        # waits for a peer that may be the very one that stalls.
        transport: Any = self.transport
        for candidate in (transport, getattr(transport, "_producer", None)):
            abort = getattr(candidate, "abortConnection", None)
            if abort is not None:
                abort()
                return
        if transport is not None:
            transport.loseConnection()


def _detached(work: Coroutine[Deferred[Any], Any, _T]) -> Deferred[_T]:
    """Start *work*; cancelling the result gives a ``CancelledError`` and nothing else.

    Whatever the transport makes of an abort (a lost connection, say) would read as a
    fault of the network, which the caller retries.
    """
    outcome: Deferred[_T] = Deferred()
    running = Deferred.fromCoroutine(work)

    def stop(failure: Failure) -> Failure:
        if isinstance(failure.value, CancelledError):
            running.cancel()
        return failure

    def finish(result: _T | Failure) -> None:
        if not outcome.called:
            outcome.callback(result)

    outcome.addErrback(stop)
    running.addBoth(finish)
    return outcome


def _cause(error: BaseException) -> BaseException:
    """Return a transport's error; Twisted's wrappers hold the real one as a reason."""
    reasons = getattr(error, "reasons", None)
    return _cause(getattr(reasons[-1], "value", reasons[-1])) if reasons else error


def _named(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _is_distrust(error: BaseException) -> bool:
    """Tell whether it was us who refused the other's certificate.

    Then nothing was sent. OpenSSL has this one error for a signature, a date or a chain
    that does not hold; a wrong name is told apart from them.
    """
    return isinstance(error, VerificationError) or (
        "certificate verify failed" in str(error)
    )
