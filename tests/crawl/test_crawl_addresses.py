"""Which URL is asked again after a gate: at addresses of its own, and in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import Servers, ask, assert_each_its_own, crawl, pages, sandbox

from scrapy_onecaptcha.sandbox import sitekey_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.crawl

SITES: dict[str, Any] = {
    "list": {"like": "lastpage"},
    "listverified": {"like": "verified"},
    "onequeue": {"like": "nonext"},
    **{name: name for name in ("lastpage", "verified", "nonext", "manager", "orders")},
}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    sites = {name: {"gate": gate} for name, gate in SITES.items()}
    options = {"sites": sites, "service": {"latency": 0.2}}
    with sandbox(options=options) as running:
        yield running


@pytest.mark.parametrize("site", ["lastpage", "verified"])
def test_a_gate_whose_session_remembers_one_page(servers: Servers, site: str) -> None:
    """It leads a cleared visitor to that page, or says "verified" with status 200."""
    result = crawl(servers, pages(servers[site], range(40)))
    result.assert_clean()
    assert_each_its_own(result)
    assert servers.tasks_of(site) == 1


@pytest.mark.parametrize("site", ["list", "listverified"])
def test_pages_that_differ_by_their_query(servers: Servers, site: str) -> None:
    plan = [ask(f"{servers[site]}/list")]
    plan += [ask(f"{servers[site]}/list?page={number}") for number in range(2, 13)]
    result = crawl(servers, plan)
    result.assert_clean()
    assert_each_its_own(result)
    assert [result.pages[n]["h1"] for n in range(12)] == [
        f"List {n + 1} of {site}" for n in range(12)
    ]
    assert servers.tasks_of(site) == 1


def test_one_gate_address_for_all_pages(servers: Servers, tmp_path: Path) -> None:
    """The second run finds the gate's URL in the dupefilter of the first one."""
    settings = {"JOBDIR": str(tmp_path / "job")}
    for numbers in (range(10), range(10, 30)):
        result = crawl(servers, pages(servers["nonext"], numbers), settings)
        result.assert_clean()
        assert_each_its_own(result)
    assert servers.tasks_of("nonext") <= 2


def test_one_gate_address_met_at_once(servers: Servers) -> None:
    result = crawl(servers, pages(servers["onequeue"], range(20)))
    result.assert_clean()
    assert_each_its_own(result)
    assert servers.tasks_of("onequeue") == 1


def test_a_bot_manager_on_a_host_of_its_own(servers: Servers) -> None:
    """Both hosts are allowed by name, and both are loopback addresses."""
    hosts = ["127.0.0.1", "localhost"]
    result = crawl(
        servers,
        pages(servers["manager"], range(30)),
        {"ONECAPTCHA_ALLOWED_DOMAINS": hosts},
        allowed_domains=hosts,
    )
    result.assert_clean()
    assert_each_its_own(result)
    assert servers.tasks_for(sitekey_of("manager")) == 1
    assert servers.count("manager", "landings") == 1


def test_an_order_is_placed_once(servers: Servers) -> None:
    """It is answered by a redirect to a page that is gated in place."""
    plan = [ask(f"{servers['orders']}/order", method="POST", body="book=1")]
    result = crawl(servers, plan)
    result.assert_clean()
    assert dict(result.ended) == {0: 1}
    page = result.pages[0]
    assert (page["h1"], page["status"]) == ("Thanks for order 1", 200)
    assert servers.count("orders", "orders") == 1


def test_a_link_that_works_once(servers: Servers) -> None:
    """It leads to a gated page, which is asked for again in its place."""
    plan = [ask(f"{servers['orders']}/go/7")]
    result = crawl(servers, plan)
    result.assert_clean()
    assert dict(result.ended) == {0: 1}
    page = result.pages[0]
    assert (page["h1"], page["status"]) == ("Page 7 of orders", 200)
    assert servers.count("orders", "links") == 1
