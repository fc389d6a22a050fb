"""The proxy of a gated request reaches the service, only where the user says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from crawl_harness import MIDDLEWARE, Result, Servers, ask, crawl, pages, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

PASSWORD = "p%/word&1"
USERS = {"ann": PASSWORD}
SITES = {name: {"gate": "button"} for name in ("own", "environment", "off", "fixed")}
REQUEST = {"ONECAPTCHA_TASK_PROXY": "request"}
SAID = "credentials are sent to"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    told = {"sites": SITES, "service": {"latency": 0.1}, "proxies": {"one": USERS}}
    with sandbox(options=told) as running:
        yield running


def proxy_of(servers: Servers, name: str = "one") -> str:
    netloc = urlsplit(servers.info["proxies"][name]).netloc
    return f"http://ann:{PASSWORD.replace('%', '%25').replace('/', '%2F')}@{netloc}"


def fields(servers: Servers, site: str) -> list[dict[str, Any]]:
    """Return what the service was told of the proxy in the tasks for *site*."""
    return [
        {name: value for name, value in task["fields"].items() if "proxy" in name}
        for task in servers.ledger()["tasks"]
        if task["fields"]["websiteURL"].startswith(f"{servers[site]}/")
    ]


def expected(servers: Servers) -> dict[str, Any]:
    return {
        "proxyType": "http",
        "proxyAddress": "127.0.0.1",
        "proxyPort": urlsplit(servers.info["proxies"]["one"]).port,
        "proxyLogin": "ann",
        "proxyPassword": PASSWORD,
    }


def assert_nothing_leaks(result: Result) -> None:
    result.assert_clean()
    result.assert_delivered()
    assert PASSWORD not in result.log
    assert PASSWORD not in str(result.stats)


def test_the_requests_own_proxy(servers: Servers) -> None:
    plan = [
        ask(f"{servers['own']}/page/{n}", meta={"proxy": proxy_of(servers)})
        for n in range(3)
    ]
    result = crawl(servers, plan, REQUEST)
    result.assert_clean()
    assert sorted(result.pages) == [0, 1, 2]
    assert PASSWORD not in result.log
    assert fields(servers, "own") == [expected(servers)]
    assert sum(SAID in line for line in result.lines("INFO")) == 1


def test_the_proxy_that_the_environment_names(servers: Servers) -> None:
    plan = pages(servers["environment"], range(2))
    environment = {"http_proxy": proxy_of(servers), "no_proxy": ""}
    result = crawl(servers, plan, REQUEST, environment=environment)
    result.assert_clean()
    assert PASSWORD not in result.log
    assert fields(servers, "environment") == [expected(servers)]


def test_a_proxy_for_all_tasks(servers: Servers) -> None:
    settings = {"ONECAPTCHA_TASK_PROXY": proxy_of(servers)}
    result = crawl(servers, pages(servers["fixed"], range(2)), settings)
    assert_nothing_leaks(result)
    assert fields(servers, "fixed") == [expected(servers)]


def test_a_proxy_that_the_service_cannot_use_is_changed_for_the_next_one() -> None:
    """Gate, token and page then come by that one, with a rotator's usual doing."""
    told = {
        "sites": {"own": SITES["own"]},
        "service": {
            "latency": 0.1,
            "faults": {"createTask": ["ERROR_PROXY_CONNECT_REFUSED"]},
        },
        "proxies": {"one": USERS, "two": USERS},
    }
    with sandbox(options=told) as servers:
        proxies = [proxy_of(servers), proxy_of(servers, "two")]
        result = crawl(
            servers,
            pages(servers["own"], range(1)),
            {**REQUEST, "PROXIES": proxies},
            middlewares={**MIDDLEWARE, "crawl_neighbours.ProxyRotator": 350},
        )
        result.assert_clean()
        assert sorted(result.pages) == [0]
        assert PASSWORD not in result.log
        port = urlsplit(servers.info["proxies"]["two"]).port
        (task,) = fields(servers, "own")
        assert task["proxyPort"] == port
        visits = servers.visits("own")
    assert [visit["by"] for visit in visits] == ["ann@one"] + ["ann@two"] * 3
    assert [visit["token"] for visit in visits] == [False, False, True, False]


def test_no_proxy_is_told_by_default(servers: Servers) -> None:
    plan = [
        ask(f"{servers['off']}/page/{n}", meta={"proxy": proxy_of(servers)})
        for n in range(2)
    ]
    result = crawl(servers, plan)
    result.assert_clean()
    assert sorted(result.pages) == [0, 1]
    assert fields(servers, "off") == [{}]
    assert not any(SAID in line for line in result.lines("INFO"))
