"""Sends an answer: whole, or as a failing or harmful service would send it."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from twisted.internet.task import LoopingCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.sandbox.messages import Reply

__all__ = ["BOMB", "HUGE", "deliver"]

HUGE = 1 << 30
"""Bytes of blanks before a ``huge`` answer."""

BOMB = 600
"""Megabytes that a ``bomb`` unpacks to."""

_GZIP = 16 + zlib.MAX_WBITS
_HEADERS = b"X-Filler: " + b"y" * 1000 + b"\r\n"
_CHUNK = 1 << 16
_NO_BODY = (204, 304)
# A reset discards what the client has not read yet; this is its time to read.
_RESET_SECONDS = 0.05


def deliver(
    request: Any, reply: Reply, reactor: Any, go_down: Callable[[float], None]
) -> None:
    """Answer a request of twisted.web with *reply*, in the manner that it names.

    Args:
        request: to answer.
        reply: the answer.
        reactor: runs the timers; ``None`` for the installed one.
        go_down: has the port refuse connections for so many seconds.
    """
    if reply.manner == "stall":
        return
    if reply.manner == "drop":
        request.loseConnection()
    elif reply.manner == "reset":
        request.transport.abortConnection()
    else:
        _answer(request, reply, reactor, go_down)


def _answer(
    request: Any, reply: Reply, reactor: Any, go_down: Callable[[float], None]
) -> None:
    if reply.manner == "headers":
        request.registerProducer(_EndlessHead(request), False)
        return
    if reply.manner == "bomb":
        reply = _packed(reply)
    blanks = HUGE if reply.manner == "huge" else 0
    _head(request, reply, blanks + len(reply.body))
    if reply.manner == "huge":
        request.registerProducer(_Blanks(request, blanks, reply.body), False)
    elif reply.manner == "endless":
        request.registerProducer(_Endless(request, reply.body), False)
    elif reply.manner == "drip":
        _drip(request, reply, reactor)
    elif reply.manner in ("whole", "down", "extra", "bomb"):
        channel = request.channel
        request.write(reply.body)
        request.finish()
        if reply.manner == "extra":
            channel.write(_raw(reply))
        if reply.manner == "down":
            go_down(reply.seconds)
    else:
        _break_off(request, reply, reactor)


def _packed(reply: Reply) -> Reply:
    encoding = ("Content-Encoding", "gzip, gzip")
    return replace(reply, body=_bomb(), headers=(*reply.headers, encoding))


@cache
def _bomb() -> bytes:
    """Return zeros, packed twice."""
    packer = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    megabyte = bytes(1 << 20)
    begin = packer.compress(megabyte) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush, the same input gives the same output.
    block = packer.compress(megabyte) + packer.flush(zlib.Z_FULL_FLUSH)
    again = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    return again.compress(begin + block * (BOMB - 1)) + again.flush()


def _raw(reply: Reply) -> bytes:
    """Return *reply* as it goes over the wire."""
    head = f"HTTP/1.1 {reply.status} OK\r\nContent-Length: {len(reply.body)}\r\n\r\n"
    return head.encode("ascii") + reply.body


def _head(request: Any, reply: Reply, length: int) -> None:
    request.setResponseCode(reply.status)
    request.setHeader("Cache-Control", "no-store")
    if reply.content_type:
        request.setHeader("Content-Type", reply.content_type)
    if reply.status not in _NO_BODY and reply.manner != "endless":
        request.setHeader("Content-Length", str(length))
    if any(name == "Cache-Control" for name, _ in reply.headers):
        request.responseHeaders.removeHeader("Cache-Control")
    for name, value in reply.headers:
        request.responseHeaders.addRawHeader(name, value)


def _break_off(request: Any, reply: Reply, reactor: Any) -> None:
    request.write(reply.body[: len(reply.body) // 2])
    if reply.manner == "truncated":
        request.loseConnection()
    elif reply.manner == "reset-body":
        reset = _clock(reactor).callLater(
            _RESET_SECONDS, request.transport.abortConnection
        )
        request.notifyFinish().addErrback(lambda _: reset.active() and reset.cancel())


def _clock(reactor: Any) -> Any:
    if reactor is None:
        # Importing it installs one: not before it is needed.
        from twisted.internet import reactor  # noqa: PLC0415
    return reactor


def _drip(request: Any, reply: Reply, reactor: Any) -> None:
    """Write the answer byte by byte, until it is done or the client hangs up."""
    done = 0

    def step(due: int) -> None:
        nonlocal done
        request.write(reply.body[done : done + due])
        done += due
        if done >= len(reply.body):
            loop.stop()
            request.finish()

    loop: Any = LoopingCall.withCount(step)
    loop.clock = _clock(reactor)
    request.notifyFinish().addErrback(lambda _: loop.stop())
    loop.start(reply.seconds / (len(reply.body) or 1))


class _Blanks:
    """A pull producer of blanks, then a body: made as they are read, never stored."""

    def __init__(self, request: Any, blanks: int, body: bytes) -> None:
        self._request = request
        self._blanks = blanks
        self._body = body

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Write the next chunk."""
        size = min(self._blanks, _CHUNK)
        self._blanks -= size
        if size:
            self._request.write(b" " * size)
            return
        self._request.unregisterProducer()
        self._request.write(self._body)
        self._request.finish()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Nothing is left to do: the client has hung up."""


class _EndlessHead:
    """A pull producer of header lines, which never come to a body."""

    def __init__(self, request: Any) -> None:
        self._channel = request.channel
        self._channel.write(b"HTTP/1.1 200 OK\r\n")

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Write some more of them."""
        self._channel.write(_HEADERS * 16)

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Nothing is left to do: the client has hung up."""


class _Endless:
    """A pull producer of a body that is repeated without end."""

    def __init__(self, request: Any, body: bytes) -> None:
        self._request = request
        self._body = body

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Write all of it; it is not large."""
        self._request.write(self._body)

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Nothing is left to do: the client has hung up."""
