"""The key goes to a service whose certificate holds, and to no other."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from crawl_harness import REACTORS, crawl, crawling, pages, sandbox
from crawl_tls import Authority, tls

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

BAD = ("self-signed", "wrong-name", "expired")
ONCE = {"ONECAPTCHA_SOLVE_TIMEOUT": 0.5, "ONECAPTCHA_MAX_ATTEMPTS": 1}
#: The service is called by treq, and without a reactor by Scrapy's handler.
WAYS = [name for name in ("asyncio", "none") if name in REACTORS]
#: The environment's proxies are the crawl's own; calls of the service go past them.
NO_PROXY = {"https_proxy": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1"}


@pytest.mark.parametrize("reactor", WAYS)
def test_a_certificate_that_does_not_hold_gets_nothing(
    reactor: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    environment = {**NO_PROXY, "SSL_CERT_FILE": str(authority.path)}
    sites = ("--site", "button", "--site", "plain")
    with sandbox(*sites) as servers, ExitStack() as stack:
        plan = [*pages(servers["button"], [1]), *pages(servers["plain"], [1])]
        relays, crawls = [], []
        for kind in BAD:
            certificate = authority.certificate(kind)
            relay = stack.enter_context(tls(certificate, servers.info["service"]))
            settings = {"ONECAPTCHA_API_URL": relay.url, **ONCE, **REACTORS[reactor][0]}
            started = crawling(servers, plan, settings, environment=environment)
            crawls.append(stack.enter_context(started))
            relays.append(relay)
        for kind, relay, running in zip(BAD, relays, crawls, strict=True):
            result = running.result()
            result.assert_clean()
            assert result.ended == {0: 1, 1: 1}
            error = result.errors[0]
            assert error["error"] == "Unavailable", kind
            for text in ("certificate", "ONECAPTCHA_API_URL", "SSL_CERT_FILE", "clock"):
                assert text in error["message"], kind
            assert relay.connections > 0, kind
            assert relay.heard == [], kind
            # It was sent nothing, so nothing was paid for.
            assert (result.stat("tasks"), result.stat("points")) == (0, 0)
        assert servers.ledger()["calls"] == {}


@pytest.mark.parametrize("reactor", WAYS)
def test_a_certificate_that_holds_is_taken(reactor: str, tmp_path: Path) -> None:
    """Else the test above would say nothing."""
    authority = Authority(tmp_path)
    environment = {**NO_PROXY, "SSL_CERT_FILE": str(authority.path)}
    with (
        sandbox("--latency", "0.1", "--site", "button") as servers,
        tls(authority.certificate("right"), servers.info["service"]) as relay,
    ):
        settings = {"ONECAPTCHA_API_URL": relay.url, **REACTORS[reactor][0]}
        plan = pages(servers["button"], [1])
        result = crawl(servers, plan, settings, environment=environment)
        result.assert_clean()
        result.assert_delivered()
        assert servers.tasks == 1
        assert servers.key.encode() in b"".join(relay.heard)
