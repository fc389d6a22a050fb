"""HTTP by treq, over connections that are kept and bounded in bytes."""

from __future__ import annotations

from functools import lru_cache
from http.cookiejar import Cookie, CookieJar
from typing import TYPE_CHECKING, Any

from hyperlink import EncodedURL
from twisted.internet.abstract import isIPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP6ClientEndpoint,
    wrapClientTLS,
)
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer  # type: ignore[import-untyped]

from scrapy_onecaptcha.service.http import (
    CONNECTIONS,
    IDENTITY,
    MAX_HEAD,
    MAX_HEAD_LINES,
    MAX_REPLY,
    ReplyRefused,
    refuse_encoding,
    too_many_lines,
    too_much_body,
    too_much_head,
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from scrapy_onecaptcha.service.http import HangUp, Http

__all__ = ["pooled"]

IDLE_SECONDS = (
    20  # less than the usual 60 s of a server, so no POST meets a dead socket
)
CONNECT_SECONDS = 10.0
#: Bytes of a body on the wire. In chunks of one byte each, 64 KiB take six times that.
MAX_WIRE = 8 * MAX_REPLY
#: Bytes that are handed on at once while headers are read, so that few lines of a body
#: can be taken for theirs.
HEAD_PIECE = 4096


def pooled(reactor: Any, timeout: float) -> tuple[Http, HangUp]:
    """Return an HTTP client that keeps its connections, and what closes those.

    Args:
        reactor: the running one.
        timeout: seconds for one call, so also the most for its connection.
    """
    # treq needs a reactor, and importing it may install one.
    from treq.client import HTTPClient  # noqa: PLC0415

    endpoints = _Endpoints(reactor, min(timeout, CONNECT_SECONDS))
    kept: Any = HTTPConnectionPool(reactor, persistent=True)  # type: ignore[no-untyped-call]
    kept.maxPersistentPerHost = CONNECTIONS
    kept.cachedConnectionTimeout = IDLE_SECONDS
    kept.retryAutomatically = False  # a task created twice is paid twice
    single: Any = HTTPConnectionPool(reactor, persistent=False)  # type: ignore[no-untyped-call]
    make: Any = Agent.usingEndpointFactory
    agent: Any = _BoundedAgent(
        make(reactor, endpoints, kept), make(reactor, endpoints, single), endpoints
    )
    producer: Any = _Bytes
    jar: Any = _NoCookies()
    http = HTTPClient(agent, jar, data_to_body_producer=producer)
    return _Treq(http), kept.closeCachedConnections


class _Treq:
    """Posts by treq, also to IPv6 addresses."""

    def __init__(self, http: Any) -> None:
        self._http = http

    def post(self, url: str, /, **keywords: Any) -> Deferred[Any]:
        posted: Deferred[Any] = self._http.post(_SentUrl.of(url), **keywords)
        return posted


class _SentUrl(EncodedURL):
    """A URL in the form that is sent.

    treq asks for that form with each call, and hyperlink would take an IPv6 address for
    a name. It is found once: the service has three URLs, and is polled often.
    """

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, url: str) -> Self:
        """Return *url* in that form."""
        parsed = EncodedURL.from_text(url)
        host = "ipv6" if ":" in parsed.host else parsed.host
        normal = parsed.replace(host=host).to_uri()
        if host != parsed.host:
            normal = normal.replace(host=parsed.host)
        made: Self = cls.from_text(normal.to_text())  # type: ignore[assignment]
        return made

    def to_uri(self) -> Self:
        return self


# The bounds


@implementer(IAgent)
class _BoundedAgent:
    """Lies below treq's decoder: replies are not unpacked, and connections chosen.

    treq asks for gzip and unpacks as many layers as the header names, before any limit
    on the body could count.

    Args:
        kept: the agent whose connections serve many calls.
        single: the agent whose connections serve one call each.
        connections: where both agents connect.
    """

    def __init__(self, kept: Any, single: Any, connections: _Endpoints) -> None:
        self._kept = kept
        self._single = single
        self._connections = connections

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Any = None,
        bodyProducer: Any = None,  # noqa: N803  (Twisted's name)
    ) -> Deferred[Any]:
        """Send a request; with ``Connection: close`` over a connection of its own."""
        headers = headers.copy()
        headers.setRawHeaders(b"Accept-Encoding", [IDENTITY.encode("ascii")])
        alone = headers.hasHeader(b"Connection")
        headers.removeHeader(b"Connection")  # Twisted says it by itself
        agent = self._single if alone else self._kept
        answer: Deferred[Any] = agent.request(method, uri, headers, bodyProducer)
        return answer.addCallback(self._checked)

    def _checked(self, response: Any) -> Any:
        connection = self._connections.reading
        if connection is not None:  # it hands this reply on right now
            connection.head_is_complete()
        try:
            refuse_encoding(response.headers.getRawHeaders(b"Content-Encoding", ()))
        except ReplyRefused:
            if connection is not None:
                connection.drop()
            raise
        return response


class _Bounded(ProtocolWrapper):
    """A connection that counts what it receives, and ends where that is too much.

    It also ends at the first byte that arrives while no call is open: that would be
    taken for the answer to the next call.
    """

    _calls = 0
    _received = 0
    _in_head = True
    _lines = 0
    _over = False

    def writeSequence(self, data: Any) -> None:  # noqa: N802  (Twisted's name)
        """Write the head of a request, with which a call begins."""
        self._calls += 1
        self._received = self._lines = 0
        self._in_head = True
        super().writeSequence(data)  # type: ignore[no-untyped-call]

    def head_is_complete(self) -> None:
        """Count what follows as the body."""
        self._in_head = False
        self._received = 0

    def drop(self) -> None:
        """Abort the connection, and read no more."""
        self._over = True
        transport: Any = self.transport
        transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  (Twisted's name)
        """Hand *data* on, the last byte by itself.

        If the reply ends before the last byte, there is more than the reply.
        """
        call = self._calls
        while data and not self._over:
            if self._calls != call or self._is_idle():
                self._refuse(ReplyRefused("sent more than it was asked for"))
                return
            size = min(max(1, len(data) - 1), self._room())
            if size <= 0:
                self._refuse(too_much_head() if self._in_head else too_much_body())
                return
            if self._in_head:
                size = min(size, HEAD_PIECE)
                self._lines += data.count(b"\n", 0, size)
                if self._lines > MAX_HEAD_LINES:
                    self._refuse(too_many_lines())
                    return
            self._received += size
            self._hand_on(data[:size])
            data = data[size:]

    def _room(self) -> int:
        return (MAX_HEAD if self._in_head else MAX_WIRE) - self._received

    def _is_idle(self) -> bool:
        protocol: Any = self.wrappedProtocol
        return bool(protocol.state == "QUIESCENT")

    def _hand_on(self, data: bytes) -> None:
        connections: Any = self.factory
        before, connections.endpoints.reading = connections.endpoints.reading, self
        try:
            super().dataReceived(data)  # type: ignore[no-untyped-call]
        finally:
            connections.endpoints.reading = before

    def _refuse(self, reason: ReplyRefused) -> None:
        """Abort the connection, and end its call with *reason*."""
        self.drop()
        protocol: Any = self.wrappedProtocol
        protocol.connectionLost(Failure(reason))  # type: ignore[no-untyped-call]
        protocol.connectionLost = _ignore  # the reactor is going to say so again


def _ignore(_: Failure) -> None:
    pass


class _BoundedFactory(WrappingFactory):
    """Makes connections that are bounded."""

    noisy = False
    protocol = _Bounded

    def __init__(self, wrapped: Any, endpoints: _Endpoints) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]
        self.endpoints = endpoints


class _BoundedEndpoint:
    """An endpoint whose connections are bounded.

    An agent asks for one with each call, also where the pool has a connection. What it
    takes to connect, such as a TLS context with all certificates that this machine
    trusts, is made when there is none.
    """

    def __init__(self, uri: Any, endpoints: _Endpoints) -> None:
        self._uri = uri
        self._endpoints = endpoints

    def connect(self, factory: Any) -> Deferred[Any]:
        connecting: Deferred[Any] = self._endpoints.made(self._uri).connect(
            _BoundedFactory(factory, self._endpoints)
        )
        return connecting.addCallback(lambda bounded: bounded.wrappedProtocol)


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Where to connect for a URL: directly, by TLS for ``https``.

    The policy is the one that an ``Agent`` of Twisted has by default: it verifies
    certificates against the CA certificates that this machine trusts.

    Attributes:
        reading: the connection that is handing on what it has received.
    """

    def __init__(self, reactor: Any, timeout: float) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._policy: Any = BrowserLikePolicyForHTTPS()  # type: ignore[no-untyped-call]
        self.reading: _Bounded | None = None

    def endpointForURI(self, uri: Any) -> Any:  # noqa: N802  (Twisted's name)
        return _BoundedEndpoint(uri, self)

    def made(self, uri: Any) -> Any:
        """Return Twisted's own endpoint for *uri*."""
        host = uri.host.decode("ascii")
        # Scrapy's resolver, which is the reactor's in a crawl, finds no IPv6 address.
        kind: Any = TCP6ClientEndpoint if isIPv6Address(host) else HostnameEndpoint
        endpoint = kind(self._reactor, host, uri.port, timeout=self._timeout)
        if uri.scheme == b"http":
            return endpoint
        creator = self._policy.creatorForNetloc(uri.host, uri.port)
        return wrapClientTLS(creator, endpoint)


class _NoCookies(CookieJar):
    """Keeps none: the key tells the service all that it needs to know about a call."""

    def set_cookie(self, cookie: Cookie) -> None:
        pass


@implementer(IBodyProducer)
class _Bytes:
    """A body that is written at once; treq's own takes turns of the reactor."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:  # noqa: N802
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:  # noqa: N802
        pass

    def resumeProducing(self) -> None:  # noqa: N802
        pass

    def stopProducing(self) -> None:  # noqa: N802
        pass
