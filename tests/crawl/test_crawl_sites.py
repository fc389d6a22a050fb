"""Every site of the sandbox in one crawl: each page once, and paid for gates only."""

from __future__ import annotations

from typing import Any

import pytest
from crawl_harness import EACH_REACTOR, REACTORS, Servers, ask, crawl, pages, sandbox

from scrapy_onecaptcha.sandbox import GATES

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

GATED = [name for name, gate in GATES.items() if gate is not None]
GRANTING = [
    name for name, gate in GATES.items() if gate and gate.grants in ("cookie", "ip")
]
ODD = ["contact", "login", "newsletter", "blog", "comment", "noscript", "config"]


def everything(servers: Servers) -> list[dict[str, Any]]:
    """Return pages of all sites, no two requests alike."""
    plan = [
        ask(f"{servers[site]}/page/{number}", meta={"cookiejar": f"jar {site}"})
        for number in (1, 2, 3)
        for site in GATED
        if site != "bookshop"
    ]
    plan += [ask(f"{servers['bookshop']}/", meta={"cookiejar": jar}) for jar in "ab"]
    plan += pages(servers["plain"], range(1, 4))
    plan += [ask(f"{servers['plain']}/{name}") for name in ODD]
    plan += [ask(f"{servers['plain']}/big/{number}") for number in range(3)]
    plan += [
        ask(
            f"{servers['plain']}/forbidden",
            status=403,
            meta={"handle_httpstatus_list": [403]},
        )
    ]
    for number, wanted in enumerate(plan):
        wanted["priority"] = number % 5
        wanted["callback"] = ("parse", "other")[number % 2]
        wanted["cb_kwargs"] = {"colour": f"colour {number}"}
        wanted["meta"] = {"mark": [number], **wanted.get("meta", {})}
        wanted["dont_filter"] = True
    return plan


@pytest.mark.parametrize("reactor", EACH_REACTOR)
def test_every_site_delivers_every_page_once(reactor: str) -> None:
    with sandbox("--latency", "0.2", "--resp-key", "E0_key") as servers:
        plan = everything(servers)
        settings = {
            **REACTORS[reactor][0],
            "REDIRECT_PRIORITY_ADJUST": 0,  # see the test of the priority below
        }
        result = crawl(servers, plan, settings)
        result.assert_clean()
        result.assert_delivered()
        ledger = servers.ledger()
        assert ledger["rejections"] == {}
        expected = {site: 1 if site in GRANTING else 3 for site in GATED}
        expected |= {"bookshop": 2, "plain": 0}
        assert {site: servers.tasks_of(site) for site in expected} == expected
        assert ledger["tasks_created"] == sum(expected.values())
        assert result.stat("tasks") == result.stat("tokens/accepted")
        assert result.stat("tasks") == sum(expected.values())
        assert result.stat("widgets_ignored") == 3
        assert REACTORS[reactor][1] in result.log


def test_requests_are_replayed_as_they_were() -> None:
    """A POST stays one, also where the gate was entered by a redirect."""
    with sandbox("--latency", "0.1", "--resp-key", "E0_key") as servers:
        sites = [name for name in GRANTING if name != "bookshop"]
        bodies = {
            "application/x-www-form-urlencoded": "a=1&b=%C3%A9&a=2",
            "application/json": '{"query": ["x", "\u00e9"]}',
        }
        plan = [
            ask(
                f"{servers[site]}/page/{number}?q=a%20b&empty=",
                method="POST",
                body=body,
                headers={"Content-Type": media_type, "Accept": f"text/html;q={number}"},
                meta={"cookiejar": number},
            )
            for number, (media_type, body) in enumerate(bodies.items())
            for site in sites
        ]
        plan += [
            ask(f"{servers[site]}/page/7?next=%2Fpage%2F8&q=%C3%A9", dont_filter=True)
            for site in GATED
            if site != "bookshop"
        ]
        result = crawl(servers, plan, {"REDIRECT_PRIORITY_ADJUST": 0})
        result.assert_clean()
        result.assert_delivered()
        for number, wanted in enumerate(plan):
            echo = result.pages[number]["echo"]
            assert echo["method"] == wanted.get("method", "GET")
            assert wanted["url"].endswith(echo["uri"])
            assert (echo["body"] or "") == wanted.get("body", "")
            if "headers" in wanted:
                assert echo["accept"] == wanted["headers"]["Accept"]
        assert servers.ledger()["rejections"] == {}


def test_a_page_entered_by_redirect_keeps_its_priority() -> None:
    with sandbox("--latency", "0.1", "--site", "antibot") as servers:
        plan = pages(servers["antibot"], range(2), priority=7)
        result = crawl(servers, plan)
        result.assert_clean()
        assert sorted(result.pages) == [0, 1]
        met = [
            page["priority"]
            for page in result.pages.values()
            # One that was led to the gate and back, because the session was cleared
            # meanwhile, has not met it: Scrapy raises its priority twice.
            if page["meta"].get("redirect_times") != 2
        ]
        assert set(met) == {7}


def test_a_redirected_request_ends_at_the_page_asked_for() -> None:
    """Asked for by the URL of the gate itself, it ends where that leads."""
    with sandbox("--latency", "0.1", "--site", "antibot") as servers:
        site = servers["antibot"]
        plan = [ask(f"{site}/challenge?next=%2Fpage%2F5%3Fa%3D1")]
        result = crawl(servers, plan)
        result.assert_clean()
        assert result.ended == {0: 1}
        page = result.pages[0]
        assert (page["url"], page["h1"]) == (f"{site}/page/5?a=1", "Page 5 of antibot")
        assert servers.tasks == 1
