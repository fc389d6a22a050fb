"""HTTP by treq, over connections that are kept."""

from __future__ import annotations

from http.cookiejar import Cookie, CookieJar
from typing import TYPE_CHECKING, Any

from hyperlink import EncodedURL
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer  # type: ignore[import-untyped]

from scrapy_onecaptcha.service.http import CONNECTIONS

if TYPE_CHECKING:
    from typing_extensions import Self

    from scrapy_onecaptcha.service.http import HangUp, Http

__all__ = ["pooled"]

IDLE_SECONDS = 20  # before the usual 60 s of a server, so a POST meets no dead socket
CONNECT_SECONDS = 10.0


def pooled(reactor: Any, timeout: float) -> tuple[Http, HangUp]:
    """Return a ``HTTPClient`` of treq that keeps its connections, and how they end.

    Args:
        reactor: the running one.
        timeout: seconds for one call, so also the most for its connection.
    """
    # treq is of no use without a reactor, and is not asked for before there is one.
    from treq.client import HTTPClient  # noqa: PLC0415

    pool: Any = HTTPConnectionPool(reactor, persistent=True)  # type: ignore[no-untyped-call]
    pool.maxPersistentPerHost = CONNECTIONS
    pool.cachedConnectionTimeout = IDLE_SECONDS
    pool.retryAutomatically = False  # a task created twice is paid twice
    endpoints = _Endpoints(reactor, min(timeout, CONNECT_SECONDS))
    agent: Any = Agent.usingEndpointFactory(reactor, endpoints, pool)  # type: ignore[no-untyped-call]
    producer: Any = _Bytes
    jar: Any = _NoCookies()
    http = HTTPClient(agent, jar, data_to_body_producer=producer)
    return _Treq(http), pool.closeCachedConnections


# One host is called, by three URLs, hundreds of times a second. What treq and Twisted
# work out of a URL anew for each call, IDNA included, was a third of a call's cost.


class _Treq:
    """Posts by treq, to URLs that are parsed once."""

    def __init__(self, http: Any) -> None:
        self._http = http
        self._urls: dict[str, EncodedURL] = {}

    def post(self, url: str, /, **keywords: Any) -> Deferred[Any]:
        if url not in self._urls:
            normal = EncodedURL.from_text(url).to_uri().to_text()
            self._urls[url] = _Normal.from_text(normal)
        posted: Deferred[Any] = self._http.post(self._urls[url], **keywords)
        return posted


class _Normal(EncodedURL):
    """A URL in the form that is sent."""

    def to_uri(self) -> Self:
        return self


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Where to connect for a URL: directly, by TLS for ``https``; worked out once.

    The policy is the one that an ``Agent`` of Twisted has by default: it verifies
    certificates, by what this machine trusts.
    """

    def __init__(self, reactor: Any, timeout: float) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._policy: Any = BrowserLikePolicyForHTTPS()  # type: ignore[no-untyped-call]
        self._found: dict[tuple[bytes, bytes, int], Any] = {}

    def endpointForURI(self, uri: Any) -> Any:  # noqa: N802  (Twisted's name)
        key = uri.scheme, uri.host, uri.port
        if key not in self._found:
            self._found[key] = self._made(uri)
        return self._found[key]

    def _made(self, uri: Any) -> Any:
        endpoint: Any = HostnameEndpoint(
            self._reactor, uri.host.decode("ascii"), uri.port, timeout=self._timeout
        )
        if uri.scheme == b"http":
            return endpoint
        creator = self._policy.creatorForNetloc(uri.host, uri.port)
        return wrapClientTLS(creator, endpoint)


class _NoCookies(CookieJar):
    """Keeps none: the key says all that the service has to know of us."""

    def set_cookie(self, cookie: Cookie) -> None:
        pass


@implementer(IBodyProducer)
class _Bytes:
    """A body that is written at once; treq's own goes by turns of the reactor."""

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
