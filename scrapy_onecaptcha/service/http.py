"""One POST, bounded in time and in size, that ends at once when it is cancelled."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
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
from scrapy_onecaptcha.models import JSON

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from twisted.python.failure import Failure

    from scrapy_onecaptcha._twisted import Clock

__all__ = [
    "CONNECTIONS",
    "IDENTITY",
    "MAX_HEAD",
    "MAX_HEAD_LINES",
    "MAX_REPLY",
    "HangUp",
    "Http",
    "NoReply",
    "Reply",
    "ReplyRefused",
    "post",
    "refuse_encoding",
    "too_many_lines",
    "too_much_body",
    "too_much_head",
]

MAX_REPLY = 64 * 1024  # bytes of a body; a reply with a token has about two thousand
MAX_HEAD = 128 * 1024  # bytes of a status line and headers
#: Lines of them. Old Twisted takes a time that grows with the square of their number.
MAX_HEAD_LINES = 1000

CONNECTIONS = 32  # kept open, and calls made at once; further calls wait

#: The one encoding that is asked for and accepted. A few bytes in another one could
#: unpack to gigabytes.
IDENTITY = "identity"

_T = TypeVar("_T")

_QUOTED = re.compile(r"[\r\n]|\\+[rn]|\bb['\"]")


class Reply(NamedTuple):
    """A reply that was read to its end."""

    status: int
    body: bytes


#: Errors that mean that there was no connection, so nothing was sent.
_NEVER_SENT = (ConnectError, DNSLookupError)
_DISTRUST = (
    "showed a certificate that is not trusted, and was sent nothing: check "
    "ONECAPTCHA_API_URL, this machine's clock and its CA certificates, SSL_CERT_FILE"
)

#: Closes the idle connections.
HangUp = Callable[[], Deferred[None]]


class NoReply(Exception):  # named for what happened
    """There is no whole reply; the message completes the sentence "the service …".

    Attributes:
        sent: whether the call may have arrived all the same.
    """

    def __init__(self, fault: str, *, sent: bool = True) -> None:
        super().__init__(fault)
        self.sent = sent


class ReplyRefused(Exception):  # named for what happened
    """The reply breaks a bound; the message completes "the service …"."""


def too_much_body() -> ReplyRefused:
    """Return the error for a body of more than `MAX_REPLY` bytes."""
    return ReplyRefused(
        f"answered with more than {MAX_REPLY} bytes, which were not read"
    )


def too_much_head() -> ReplyRefused:
    """Return the error for headers of more than `MAX_HEAD` bytes."""
    return ReplyRefused(f"answered with more than {MAX_HEAD} bytes of headers")


def too_many_lines() -> ReplyRefused:
    """Return the error for more than `MAX_HEAD_LINES` lines of headers."""
    return ReplyRefused(f"answered with more than {MAX_HEAD_LINES} lines of headers")


def refuse_encoding(values: Iterable[bytes]) -> None:
    """Raise `ReplyRefused` unless each ``Content-Encoding`` of *values* is identity."""
    named = b", ".join(values).decode("latin-1").strip()
    if named.lower() not in ("", IDENTITY):
        raise ReplyRefused(
            f"answered in an encoding that it was not asked for ({named[:40]})"
        )


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
    http: Http,
    url: str,
    body: bytes,
    *,
    clock: Clock,
    timeout: float,
    alone: bool = False,
) -> Reply:
    """Post *body*, which is JSON, and return the reply. Redirects are not followed.

    Args:
        http: what sends it.
        url: where to.
        body: JSON.
        clock: measures *timeout*.
        timeout: seconds, from the start to the last byte of the reply. The timeout of
            treq stops at the headers.
        alone: whether it goes over a new connection that serves no other call.

    Raises:
        NoReply: none came, or not all of it, or too much.
        CancelledError: the caller cancelled; the connection was aborted.
    """
    sent = True
    outcome = _detached(_exchange(http, url, body, clock, alone=alone))
    timer: Any = clock
    outcome.addTimeout(timeout, timer)
    try:
        return await outcome
    except CancelledError:
        raise
    except DeadlinePassed:
        fault = f"gave no full answer within {timeout:g} s"
    except Exception as error:  # noqa: BLE001  # what it was goes into the message
        cause = _cause(error)
        fault = _fault(cause)
        sent = not (_is_distrust(cause) or isinstance(error, _NEVER_SENT))
    # Not raised in the handler: the transport's error, and what it holds, is not
    # chained.
    raise NoReply(fault, sent=sent)


async def _exchange(
    http: Http, url: str, body: bytes, clock: Clock, *, alone: bool
) -> Reply:
    headers = {
        "Accept-Encoding": IDENTITY,
        "Content-Type": JSON,
        "User-Agent": f"scrapy-onecaptcha/{__version__}",
    }
    if alone:
        headers["Connection"] = "close"
    response = await http.post(
        url,
        data=body,
        headers=headers,
        allow_redirects=False,
        unbuffered=True,  # else treq keeps the body of a reply past any limit
        reactor=clock,  # else treq imports the global one
    )
    collector = _Collector()
    response.deliverBody(collector)
    return Reply(int(response.code), await collector.finished)


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
            self.finished.errback(too_much_body())
            self._abort()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:  # noqa: N802
        if self.finished.called:
            return
        # A reply without a length ends with its connection. Whether something is
        # missing shows when it is parsed as JSON.
        if isinstance(reason.value, ResponseDone | PotentialDataLoss):
            self.finished.callback(self._data)
        else:
            self.finished.errback(reason)

    def _abort(self) -> None:
        # Twisted hands out a proxy that can only lose a connection. Over TLS that waits
        # for the peer, which may be the one that stalls.
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

    A transport may report an abort as a lost connection, which the caller would take
    for a fault of the network and retry.
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


def _fault(cause: BaseException) -> str:
    if isinstance(cause, ReplyRefused):
        return str(cause)
    problem = _DISTRUST if _is_distrust(cause) else "could not be reached or hung up"
    return f"{problem} ({_named(cause)})"


def _cause(error: BaseException) -> BaseException:
    """Return a transport's error; Twisted's wrappers hold the real one as a reason."""
    reasons = [
        getattr(reason, "value", reason) for reason in getattr(error, "reasons", ())
    ]
    ours = next((cause for cause in reasons if isinstance(cause, ReplyRefused)), None)
    return ours or (_cause(reasons[-1]) if reasons else error)


def _named(error: BaseException) -> str:
    # What follows a line's end or the b of a bytes literal is quoted from the reply,
    # which may hold a token.
    text = _QUOTED.split(str(error), maxsplit=1)[0].rstrip(" :,(")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _is_distrust(error: BaseException) -> bool:
    """Tell whether this client refused the service's certificate, and sent nothing.

    OpenSSL has one error for a bad signature, date or chain, and another one for a
    wrong name.
    """
    return isinstance(error, VerificationError) or (
        "certificate verify failed" in str(error)
    )
