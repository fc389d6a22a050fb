"""What a crawl pays where a clearance ends, or opens a part of the site only.

The right number of tasks is that of a browser which goes page by page, and at most one
more for each life of a clearance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import (
    NO_SCRIPT,
    Servers,
    ask,
    assert_each_its_own,
    crawl,
    pages,
    sandbox,
)
from scrapy.settings import default_settings

from scrapy_onecaptcha.sandbox import sitekey_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.crawl

SECTIONS = ("art", "film", "music", "news")
HOSTS = 20
#: Which of 80 pages have a captcha of their own.
OWN = (1, 8, 16, 30, 33, 47, 60, 69, 74, 75)
RESOLVER = "scrapy_onecaptcha.sandbox.resolver.LoopbackResolver"
#: Scrapy has renamed it.
RESOLVER_SETTING = next(
    name
    for name in ("TWISTED_DNS_RESOLVER", "DNS_RESOLVER")
    if hasattr(default_settings, name)
)
SITES: dict[str, Any] = {
    "p20": {"like": "pages", "clearance_pages": 20},
    "p50": {"like": "pages", "clearance_pages": 50},
    "p7": {"like": "pages", "clearance_pages": 7},
    "s4": {"like": "seconds", "clearance_seconds": 4.0},
    **{
        name: {"like": name}
        for name in ("late", "paths", "sections", "domain", "owncaptcha", "agents")
    },
}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    sites = {name: {"gate": gate | NO_SCRIPT} for name, gate in SITES.items()}
    options = {"sites": sites, "service": {"latency": 0.2}}
    with sandbox(options=options) as running:
        yield running


@pytest.mark.parametrize(
    ("site", "count", "settings"),
    [
        ("p20", 100, {}),
        ("p50", 200, {"CONCURRENT_REQUESTS_PER_DOMAIN": 16}),
        ("p7", 28, {"DOWNLOAD_DELAY": 0.02}),
    ],
)
def test_a_clearance_for_so_many_pages(
    servers: Servers, site: str, count: int, settings: dict[str, Any]
) -> None:
    result = crawl(servers, pages(servers[site], range(count)), settings)
    result.assert_clean()
    assert_each_its_own(result)
    least = math.ceil(count / SITES[site]["clearance_pages"])
    assert least <= servers.tasks_of(site) <= least + 1
    assert result.stat("tokens/rejected") == 0


def test_a_clearance_for_so_many_seconds(servers: Servers) -> None:
    plan = pages(servers["s4"], range(30))
    result = crawl(servers, plan, {"DOWNLOAD_DELAY": 0.3})
    result.assert_clean()
    assert_each_its_own(result)
    # A slow machine crawls for longer, and a browser would pay more as well.
    lives = math.ceil(float(result.stats["elapsed_time_seconds"]) / 4)
    assert servers.tasks_of("s4") <= lives + 1
    assert result.stat("tokens/rejected") == 0


def test_a_clearance_that_works_after_two_seconds(servers: Servers) -> None:
    result = crawl(servers, pages(servers["late"], range(20)))
    result.assert_clean()
    assert_each_its_own(result)
    assert servers.tasks_of("late") == 1


@pytest.mark.parametrize("site", ["paths", "sections"])
def test_a_clearance_for_each_section(servers: Servers, site: str) -> None:
    plan = [
        ask(f"{servers[site]}/{section}/page/{number}")
        for number in range(10)
        for section in SECTIONS
    ]
    result = crawl(servers, plan)
    result.assert_clean()
    assert_each_its_own(result)
    assert servers.tasks_of(site) == len(SECTIONS)


def test_pages_with_a_captcha_of_their_own_behind_a_wall(servers: Servers) -> None:
    """The wall and the pages have the same sitekey: 80 pages, 10 of them such."""
    site = servers["owncaptcha"]
    plan = [
        ask(f"{site}/own/page/{number}" if number in OWN else f"{site}/page/{number}")
        for number in range(80)
    ]
    result = crawl(servers, plan)
    result.assert_clean()
    assert_each_its_own(result)
    assert 10 <= servers.tasks_of("owncaptcha") <= 15


def test_a_clearance_for_a_whole_domain(servers: Servers) -> None:
    """Many of its hosts are met at once."""
    port = servers["domain"].rpartition(":")[2]
    plan = [
        ask(f"http://shop{host}.example.com:{port}/page/{number}")
        for number in range(2)
        for host in range(HOSTS)
    ]
    settings = {RESOLVER_SETTING: RESOLVER, "CONCURRENT_REQUESTS": 64}
    result = crawl(servers, plan, settings, allowed_domains=["example.com"])
    result.assert_clean()
    assert_each_its_own(result)
    assert servers.tasks_for(sitekey_of("domain")) in (1, 2)


def test_a_user_agent_is_bound_by_acceptance_only() -> None:
    """The service names another User-Agent each time; half of the pages refuse all.

    A refused token must not change the User-Agent of the session's clearance.
    """
    options = {
        "sites": {"agents": {"gate": "agents"}},
        "service": {"latency": 0.1, "user_agent": "Solver/{number}"},
    }
    with sandbox(options=options) as servers:
        site = servers["agents"]
        plan = []
        for number in range(10):
            plan += pages(site, [number], after=2 * number - 1 if number else None)
            plan.append(ask(f"{site}/refused/page/{number}", after=2 * number))
        settings = {"ONECAPTCHA_MAX_ATTEMPTS": 1, "ONECAPTCHA_MAX_FAILURES": 100}
        result = crawl(servers, plan, settings)
        result.assert_clean()
        refused = range(1, 20, 2)
        assert_each_its_own(result, but=refused)
        assert sorted(result.errors) == list(refused)
        assert servers.tasks_of("agents") == 11
