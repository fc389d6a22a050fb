"""HTTP by twisted.web: requests and responses as plain data, ports on loopback."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from scrapy_onecaptcha.sandbox.messages import Visit
from scrapy_onecaptcha.sandbox.service.delivery import deliver

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.sandbox.messages import Reply

__all__ = ["AnswerResource", "Listener"]

_HOST = "127.0.0.1"
# A request to a proxy has a whole URL, so that a site can act as a proxy.
_ABSOLUTE = re.compile(r"^https?://[^/?]*")


class AnswerResource(Resource):
    """A resource tree behind one function from request to response.

    Args:
        answer: returns the response to a request.
        reactor: used for slow responses; by default the installed one.
        go_down: lets the port refuse connections for so many seconds (see `Reply`); by
            default it does nothing.
    """

    isLeaf = True  # noqa: N815 - twisted.web's name

    def __init__(
        self,
        answer: Callable[[Visit], Reply],
        *,
        reactor: Any = None,
        go_down: Callable[[float], None] = lambda _: None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answer = answer
        self._reactor = reactor
        self._go_down = go_down

    def render(self, request: Any) -> Any:
        """Answer *request*."""
        reply = self._answer(visit_of(request))
        deliver(request, reply, self._reactor, self._go_down)
        return NOT_DONE_YET


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


class _QuietSite(Site):
    """Logs nothing: the log belongs to the crawl in the same process."""

    noisy = False
    displayTracebacks = False  # noqa: N815 - twisted.web's name

    def log(self, request: Any) -> None:
        """Log no request."""
        del request


class _Tracked(ProtocolWrapper):
    """A connection; its factory has a list of the open ones."""


class _Connections(WrappingFactory):
    """Has a list of its open connections and can close them.

    Otherwise a kept connection would outlive its port, with timers of its own.
    """

    noisy = False
    protocol = _Tracked

    def __init__(self, wrapped: Site) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]
        self._closed: Deferred[None] | None = None

    def hang_up(self) -> None:
        """Close all connections after their pending data is sent."""
        for protocol in list(self.protocols):
            protocol.loseConnection()

    def close(self) -> Deferred[None]:
        """Abort all connections; fires when the last one is closed."""
        closed: Deferred[None] = Deferred()
        self._closed = closed
        for protocol in list(self.protocols):
            protocol.transport.abortConnection()
        self._fire_when_closed()
        return closed

    def registerProtocol(self, p: ProtocolWrapper) -> None:  # noqa: N802
        """Add a new connection; abort it if the factory is closing."""
        super().registerProtocol(p)  # type: ignore[no-untyped-call]
        if self._closed is not None:
            transport: Any = p.transport
            transport.abortConnection()

    def unregisterProtocol(self, p: ProtocolWrapper) -> None:  # noqa: N802
        """Remove a closed connection."""
        super().unregisterProtocol(p)  # type: ignore[no-untyped-call]
        self._fire_when_closed()

    def _fire_when_closed(self) -> None:
        if self._closed is not None and not self._closed.called and not self.protocols:
            self._closed.callback(None)


class Listener:
    """One origin: a port of 127.0.0.1 that the system chooses.

    Args:
        reactor: used to listen.
        answer: returns the response to a request.
    """

    def __init__(self, reactor: Any, answer: Callable[[Visit], Reply]) -> None:
        quiet_site: Any = _QuietSite
        resource = AnswerResource(answer, reactor=reactor, go_down=self.go_down)
        self._reactor = reactor
        self._connections = _Connections(quiet_site(resource, reactor=reactor))
        self._port: Any = self._listen(0)
        self._number = int(self._port.getHost().port)
        self._stopped = False
        self._return: Any = None
        self._reserved = _ReservedPort()
        self.url = f"http://{_HOST}:{self._number}"

    def _listen(self, number: int) -> Any:
        return self._reactor.listenTCP(number, self._connections, interface=_HOST)

    def go_down(self, seconds: float) -> None:
        """Close all connections, and refuse new ones for *seconds*."""
        port, self._port = self._port, None
        if port is None:
            return  # it is down already
        self._connections.hang_up()
        closing: Any = port.stopListening()
        closing.addCallback(lambda _: self._wait(seconds))

    def _wait(self, seconds: float) -> None:
        if not self._stopped:
            self._reserved.take(self._number)
            self._return = self._reactor.callLater(seconds, self.come_back)

    def come_back(self) -> None:
        """Listen again, if connections are refused."""
        if self._return is not None:
            self._release()
            self._port = self._listen(self._number)

    def _release(self) -> None:
        if self._return is not None and self._return.active():
            self._return.cancel()
        self._return = None
        self._reserved.leave()

    def stop(self) -> Deferred[Any]:
        """Stop listening; fires when the port and all its connections are closed."""
        self._stopped = True
        self._release()
        stopped: Deferred[None] = Deferred()
        stopped.callback(None)
        if self._port is not None:
            stopped.addCallback(lambda _: self._port.stopListening())
        return gatherResults([stopped, self._connections.close()], consumeErrors=True)


class _ReservedPort:
    """A reserved port: nobody listens on it, and no other process can take it."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def take(self, number: int) -> None:
        self._socket = socket.socket()
        if os.name == "posix":  # elsewhere others could take the port then
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((_HOST, number))

    def leave(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
