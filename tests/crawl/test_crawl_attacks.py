"""A service made to harm, and one at an IPv6 address, in real crawls."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from crawl_harness import REACTORS, Result, Servers, crawl, pages, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.crawl

#: Megabytes that an attack may cost above a crawl that meets no gate.
ALLOWED = 150
KINDS = [name for name in ("asyncio", "none") if name in REACTORS]
PATIENT = {"ONECAPTCHA_MAX_ATTEMPTS": 20, "ONECAPTCHA_API_TIMEOUT": 20}


def crawled(servers: Servers, reactor: str, site: str = "button") -> Result:
    settings, _ = REACTORS[reactor]
    return crawl(servers, pages(servers[site], range(2)), {**settings, **PATIENT})


@pytest.fixture(scope="module", params=KINDS)
def idle(request: pytest.FixtureRequest) -> tuple[str, float]:
    """A reactor, and the memory of a crawl on it that calls no service."""
    with sandbox("--site", "plain") as servers:
        result = crawled(servers, request.param, "plain")
        result.assert_delivered()
        assert servers.tasks == 0
    return request.param, result.peak


@pytest.mark.parametrize("attack", ["bomb", "headers", "huge"])
@pytest.mark.parametrize("call", ["createTask", "getTaskResult"])
def test_no_reply_costs_much_memory(
    idle: tuple[str, float], call: str, attack: str
) -> None:
    reactor, memory = idle
    faults = ("--fault", f"{call}={attack},{attack},ok")
    with sandbox("--site", "button", "--latency", "0", *faults) as servers:
        result = crawled(servers, reactor)
        result.assert_clean()
        result.assert_delivered()
        assert servers.ledger()["calls"][call] >= 3
    assert result.peak < memory + ALLOWED


def test_an_extra_reply_is_taken_for_no_answer(idle: tuple[str, float]) -> None:
    """An answer comes twice. The second would tell of another task, or of none."""
    reactor, _ = idle
    faults = [f"{call}=extra,ok" for call in ("createTask", "getTaskResult")]
    arguments = [word for fault in faults for word in ("--fault", fault)]
    with sandbox("--site", "button", "--latency", "0.3", *arguments) as servers:
        result = crawled(servers, reactor)
        result.assert_clean()
        result.assert_delivered()
        ledger = servers.ledger()
    # Without a reactor aiohttp refuses the whole reply, so that the call is repeated;
    # httpx reads the first one of two.
    assert ledger["tasks_created"] == result.stat("tasks")
    assert result.stat("tasks") <= (2 if reactor == "none" else 1)
    assert ledger["errors"] == {}


class Forwarder(socketserver.BaseRequestHandler):
    """Hands a connection on to a port of 127.0.0.1."""

    port = 0

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as other:
            back = threading.Thread(target=self.pump, args=(other, self.request))
            back.start()
            self.pump(self.request, other)
            back.join()

    @staticmethod
    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # either may hang up at any time
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a peer that hangs up."""


@contextmanager
def on_ipv6(url: str) -> Iterator[str]:
    """Serve what is at *url*, on 127.0.0.1, at [::1] as well."""
    handler = type("Handler", (Forwarder,), {"port": urlsplit(url).port})
    try:
        server = Server(("::1", 0), handler)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://[::1]:{server.server_address[1]}"
        finally:
            server.shutdown()


@pytest.mark.parametrize("reactor", KINDS)
def test_the_service_may_be_at_an_ipv6_address(reactor: str) -> None:
    settings, _ = REACTORS[reactor]
    with sandbox("--site", "button", "--latency", "0") as servers:
        plan = pages(servers["button"], range(2))
        with on_ipv6(servers.info["service"]) as url:
            told = {**settings, "ONECAPTCHA_API_URL": url}
            result = crawl(servers, plan, told)
        result.assert_clean()
        result.assert_delivered()
        assert servers.tasks == 1
