"""Replies that never come to the point cost no memory, with a reactor or without."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("resource")

CHILD = Path(__file__).with_name("bounds_child.py")
HANDLERS = "scrapy.core.downloader.handlers"
#: Scrapy's download handlers for crawls without a reactor, and what each is made of.
WITHOUT_REACTOR = {
    f"{HANDLERS}._aiohttp.AiohttpDownloadHandler": "aiohttp",
    f"{HANDLERS}._httpx.HttpxDownloadHandler": "httpx",
}
TRANSPORTS = [
    "treq",
    *(
        path
        for path, library in WITHOUT_REACTOR.items()
        if find_spec(path.rpartition(".")[0]) and find_spec(library)
    ),
]

#: Bytes that each attack sends, and megabytes that all of them may cost.
SENT, ALLOWED = 24 << 20, 12
FILLER = b"y" * 1000
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

#: Attacks by name: how the reply begins, and what then repeats.
ATTACKS = {
    "header lines": (OK, b"X-Filler: " + FILLER + b"\r\n"),
    "short header lines": (OK, b"a:b\r\n"),
    "one header line": (OK + b"X-Filler: ", FILLER),
    "one header name": (OK, FILLER),
    "a folded header": (OK + b"X-Filler: a\r\n", b" " + FILLER + b"\r\n"),
    "a status line": (b"HTTP/1.1 200 ", FILLER),
    "interim replies": (
        b"",
        b"HTTP/1.1 103 Early Hints\r\nLink: " + FILLER + b"\r\n\r\n",
    ),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-Filler: " + FILLER + b"\r\n"),
    "a chunk extension": (CHUNKED + b"2;x=", FILLER),
    "chunk extensions": (CHUNKED, b"1;x=" + FILLER + b"\r\n \r\n"),
}


def attack(server: socket.socket, begin: bytes, again: bytes) -> None:
    """Answer one connection of *server*."""
    with server:
        connection, _ = server.accept()
    with closing(connection), suppress(OSError):  # the client hangs up
        connection.settimeout(30)
        connection.recv(65536)
        connection.sendall(begin)
        block = again * (65536 // len(again) + 1)
        for _ in range(SENT // len(block)):
            connection.sendall(block)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_reply_that_never_comes_to_the_point_costs_no_memory(transport: str) -> None:
    ports = []
    for begin, again in ATTACKS.values():
        server = socket.create_server(("127.0.0.1", 0))
        ports.append(str(server.getsockname()[1]))
        threading.Thread(
            target=attack, args=(server, begin, again), daemon=True
        ).start()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(CHILD), transport, *ports],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    assert len(lines) == len(ATTACKS)
    for name, (megabytes, said) in zip(ATTACKS, lines, strict=True):
        assert int(megabytes) < ALLOWED, name
        assert said != "done", name
