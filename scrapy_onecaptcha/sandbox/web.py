"""Between twisted.web and plain data, and the ports that this is served on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from twisted.web.static import NoRangeStaticProducer

from .messages import Reply, Visit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AnswerResource", "Listener"]

_HOST = "127.0.0.1"
_NO_CONTENT = 204
# A proxy is sent whole URLs; so a site can be asked as one.
_ABSOLUTE = re.compile(r"^https?://[^/?]*")


class AnswerResource(Resource):
    """A resource tree behind one function from request to response."""

    isLeaf = True  # noqa: N815 - twisted.web's name

    def __init__(self, answer: Callable[[Visit], Reply]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answer = answer

    def render(self, request: Any) -> Any:
        """Answer *request*."""
        reply = self._answer(visit_of(request))
        if reply.manner == "stall":
            return NOT_DONE_YET
        if reply.manner == "drop":
            request.loseConnection()
            return NOT_DONE_YET
        return _write(request, reply)


def visit_of(request: Any) -> Visit:
    """Return a request of twisted.web as plain data."""
    request.content.seek(0)
    headers = {
        name.decode("latin-1").lower(): ", ".join(_text(value) for value in values)
        for name, values in request.requestHeaders.getAllRawHeaders()
    }
    return Visit(
        method=request.method.decode("latin-1"),
        uri=_ABSOLUTE.sub("", request.uri.decode("latin-1")) or "/",
        headers=headers,
        body=request.content.read(),
        address=str(getattr(request.getClientAddress(), "host", "")),
    )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _write(request: Any, reply: Reply) -> Any:
    request.setResponseCode(reply.status)
    request.setHeader("Cache-Control", "no-store")
    request.setHeader("Content-Type", reply.content_type)
    if reply.status != _NO_CONTENT and reply.manner != "endless":
        request.setHeader("Content-Length", str(len(reply.body)))
    for name, value in reply.headers:
        request.responseHeaders.addRawHeader(name, value)
    if reply.manner == "whole":
        request.write(reply.body)
        request.finish()
        return NOT_DONE_YET
    if reply.manner == "endless":
        static: Any = NoRangeStaticProducer
        static(request, _Endless(reply.body)).start()
        return NOT_DONE_YET
    request.write(reply.body[: len(reply.body) // 2])
    if reply.manner == "truncated":
        request.loseConnection()
    return NOT_DONE_YET


class _Endless:
    """A file that begins anew for ever."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self, size: int) -> bytes:
        """Return all of it; it is not large."""
        del size
        return self._body

    def close(self) -> None:
        """Do nothing: the connection is gone."""


class _QuietSite(Site):
    """Leaves the log to the crawl it runs in."""

    noisy = False
    displayTracebacks = False  # noqa: N815 - twisted.web's name

    def log(self, request: Any) -> None:
        """Log no access."""
        del request


class _Tracked(ProtocolWrapper):
    """A connection that its factory knows of until it is closed."""


class _Connections(WrappingFactory):
    """Knows its open connections and can close them.

    A keep-alive connection outlives its port otherwise, with timers of its own.
    """

    noisy = False
    protocol = _Tracked

    def __init__(self, wrapped: Site) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]
        self._closed: Deferred[None] | None = None

    def close(self) -> Deferred[None]:
        """Abort all connections; fires when the last one is gone."""
        closed: Deferred[None] = Deferred()
        self._closed = closed
        for protocol in list(self.protocols):
            protocol.transport.abortConnection()
        self._fire_when_closed()
        return closed

    def registerProtocol(self, p: ProtocolWrapper) -> None:  # noqa: N802
        """Note a new connection; while closing, one that came too late."""
        super().registerProtocol(p)  # type: ignore[no-untyped-call]
        if self._closed is not None:
            transport: Any = p.transport
            transport.abortConnection()

    def unregisterProtocol(self, p: ProtocolWrapper) -> None:  # noqa: N802
        """Note that a connection is gone."""
        super().unregisterProtocol(p)  # type: ignore[no-untyped-call]
        self._fire_when_closed()

    def _fire_when_closed(self) -> None:
        if self._closed is not None and not self._closed.called and not self.protocols:
            self._closed.callback(None)


class Listener:
    """One origin: a port of loopback, chosen by the system.

    Args:
        reactor: listens.
        answer: answers the requests.
    """

    def __init__(self, reactor: Any, answer: Callable[[Visit], Reply]) -> None:
        quiet_site: Any = _QuietSite
        site = quiet_site(AnswerResource(answer), reactor=reactor)
        self._connections = _Connections(site)
        self._port = reactor.listenTCP(0, self._connections, interface=_HOST)
        self.url = f"http://{_HOST}:{self._port.getHost().port}"

    def stop(self) -> Deferred[Any]:
        """Stop listening; fires when the port and all its connections are closed."""
        stopped: Deferred[None] = Deferred()
        stopped.callback(None)
        stopped.addCallback(lambda _: self._port.stopListening())
        return gatherResults([stopped, self._connections.close()], consumeErrors=True)
