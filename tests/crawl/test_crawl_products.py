"""Sites that behave as products do, in real crawls: each page once, at its price."""

from __future__ import annotations

import json
from typing import Any

import pytest
from crawl_harness import MIDDLEWARE, REACTORS, Servers, ask, crawl, pages, sandbox

from scrapy_onecaptcha.sandbox import PRODUCTS

pytestmark = pytest.mark.crawl

#: What a token opens for good, and for one page only.
SHARING = ("crowdsec", "haproxy", "xhr", "wordpress", "hidden", "bookshop")
SINGLE = ("wall",)
APIS = ("api", "apikey", "apiheader")
NAMES = (*PRODUCTS, "hidden", "bookshop", "wall")
BODIES = {
    "application/x-www-form-urlencoded": "a=1&h=%C3%A9",
    "application/json": '{"q": "é"}',
}
BY_HEADER = {"onecaptcha": {"field": "header:x-captcha-response"}}


MIDDLEWARES = {**MIDDLEWARE, "crawl_submitters.JsonShown": 1}


def calls(url: str, **values: Any) -> list[dict[str, Any]]:
    """Return calls of an API: two of each kind."""
    plan = [ask(f"{url}/api/items/{number}?q=%C3%A9", **values) for number in (3, 4)]
    plan += [
        ask(
            f"{url}/api/items",
            method="POST",
            body=body,
            status=201,
            headers={"Content-Type": "application/json"},
            **values,
        )
        for body in ('{"name": "café", "quantity": 2}', '{"tags": ["a", {"b": null}]}')
    ]
    return plan


def read(result: Any, number: int) -> dict[str, Any]:
    """Return the JSON of the API's answer to a request of the plan."""
    answer: dict[str, Any] = json.loads(result.pages[number]["echo"]["body"])
    return answer


def assert_called(result: Any, number: int, site: str) -> None:
    """Assert that an API was told what the plan says, and nothing else."""
    wanted, answer = result.plan[number], read(result, number)
    told = answer["request"]
    path = wanted["url"].partition("/api/")[2].partition("?")[0]
    assert told["method"] == wanted.get("method", "GET")
    assert told["path"] == f"/api/{path}"
    which = 1 if told["method"] == "POST" else int(path.rpartition("/")[2])
    assert answer["title"] == f"Item {which} of {site}"
    fields = json.loads(wanted["body"]).items() if "body" in wanted else [("q", "é")]
    assert told["fields"] == [list(pair) for pair in fields]


def everything(servers: Servers) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """Return pages and calls of all sites, and which of them are calls."""
    plan: list[dict[str, Any]] = []
    for site in (*SHARING, *SINGLE):
        if site == "bookshop":
            plan += [ask(f"{servers[site]}/"), ask(f"{servers[site]}/?page=2")]
            continue
        plan += pages(servers[site], range(1, 4))
        plan.append(ask(f"{servers[site]}/page/4?a=1&b=%20%26"))
        if site not in SINGLE:
            plan.append(ask(f"{servers[site]}/page/5", method="POST", body="a=1"))
    apis: dict[int, str] = {}
    for site in APIS:
        meta = BY_HEADER if site == "apiheader" else {}
        some = calls(servers[site], meta=meta)
        apis |= dict.fromkeys(range(len(plan), len(plan) + len(some)), site)
        plan += some
    return plan, apis


def sites(*names: str) -> list[str]:
    return [word for name in names for word in ("--site", name)]


@pytest.mark.parametrize(
    ("reactor", "user_agent"), [("asyncio", "same"), ("select", "Solver/1.0")]
)
def test_every_product_delivers_every_page_once(reactor: str, user_agent: str) -> None:
    options = ("--latency", "0.2", "--user-agent", user_agent)
    with sandbox(*options, *sites(*NAMES)) as servers:
        plan, apis = everything(servers)
        settings = {
            **REACTORS[reactor][0],
            "REDIRECT_PRIORITY_ADJUST": 0,
        }
        result = crawl(servers, plan, settings, middlewares=MIDDLEWARES)
        result.assert_clean()
        ledger = servers.ledger()
        assert ledger["site_rejections"] == {}
        # Whether a pass in the URL is good for more than one page is tried once.
        assert ledger["clearances_refused"] in ({}, {"spent": 1})
        result.assert_delivered()
        for number, site in apis.items():
            assert_called(result, number, site)
        expected = dict.fromkeys(SHARING, 1) | dict.fromkeys(SINGLE, 4)
        expected |= dict.fromkeys(APIS, 4) | {"pow": 0}
        assert {site: servers.tasks_of(site) for site in expected} == expected
        assert ledger["tasks_created"] == sum(expected.values())
        assert result.stat("tokens/accepted") == sum(expected.values())


def test_what_products_do_not_open_costs_nothing() -> None:
    """A proof of work, a header that nobody names, and one word in plain text."""
    json_only = {"Accept": "application/json"}
    with sandbox("--latency", "0.1", *sites("pow", "apiheader", "haproxy")) as servers:
        plan = [
            ask(f"{servers['pow']}/page/1?a=1"),
            ask(f"{servers['apiheader']}/api/items/1"),
            ask(f"{servers['haproxy']}/page/1", headers=json_only, dont_filter=True),
        ]
        result = crawl(servers, plan)
        result.assert_clean()
        errors = [result.errors[number] for number in (0, 1)]
        assert [error["error"] for error in errors] == ["UnsolvableGate"] * 2
        assert "(proof_of_work)" in errors[0]["message"]
        assert "(no_submission)" in errors[1]["message"]
        assert errors[0]["request_url"] == plan[0]["url"]
        page = result.pages[2]
        assert (page["status"], page["h1"]) == (200, None)
        assert servers.ledger()["rejections"] == {}
        assert servers.hits("haproxy", "forbidden") == 1
        assert servers.tasks == 0


def test_a_page_that_is_too_old_is_asked_for_again() -> None:
    """As before a bouncer that forgets its page after a minute, here five seconds."""
    gate = {"like": "bouncer", "by_address": True, "page_seconds": 5.0}
    options = {"sites": {"quick": {"gate": gate}}, "service": {"latency": 6}}
    with sandbox(options=options) as servers:
        plan = pages(servers["quick"], range(1, 4))
        result = crawl(servers, plan, {"ONECAPTCHA_GATE_MAX_AGE": 0.5})
        result.assert_clean()
        result.assert_delivered()
        assert servers.ledger()["rejections"] == {}
        assert servers.tasks == 1


@pytest.mark.parametrize("user_agent", ["same", "Solver/1.0"])
def test_a_post_meets_the_gate_first(user_agent: str) -> None:
    """Each in a session of its own, so that none goes on what another has earned."""
    granting = [site for site in SHARING if site != "bookshop"]
    options = ("--latency", "0.1", "--user-agent", user_agent)
    with sandbox(*options, *sites(*granting)) as servers:
        plan = [
            ask(
                f"{servers[site]}/page/{number}?x=1&y=%20",
                method="POST",
                body=body,
                headers={"Content-Type": kind},
                meta={"cookiejar": number},
            )
            for site in granting
            for number, (kind, body) in enumerate(BODIES.items())
        ]
        result = crawl(servers, plan, {"REDIRECT_PRIORITY_ADJUST": 0})
        result.assert_clean()
        result.assert_delivered()
        for number, wanted in enumerate(plan):
            echo = result.pages[number]["echo"]
            assert (echo["method"], echo["body"]) == ("POST", wanted["body"])
        assert servers.ledger()["rejections"] == {}


def assert_refused(site: str, plan_of: Any) -> None:
    """Assert that tokens that *site* refuses are tried twice, and lead nowhere."""
    options = ("--latency", "0.1", "--refused-rate", "1", "--site", site)
    with sandbox(*options) as servers:
        plan = [plan_of(servers[site])]
        result = crawl(servers, plan, {"ONECAPTCHA_MAX_ATTEMPTS": 2})
        result.assert_clean()
        assert [result.errors[0]["error"]] == ["AttemptsExhausted"]
        assert servers.ledger()["rejections"] == {"token-refused": 2}
        assert (result.stat("tokens/accepted"), result.stat("tokens/rejected")) == (
            0,
            2,
        )


@pytest.mark.parametrize("site", ["crowdsec", "haproxy", "xhr", "wordpress"])
def test_a_gate_that_refuses_is_seen_to_do_so(site: str) -> None:
    assert_refused(site, lambda url: ask(f"{url}/page/1"))


@pytest.mark.parametrize("site", ["api", "apikey"])
def test_an_api_that_refuses_is_seen_to_do_so(site: str) -> None:
    assert_refused(site, lambda url: ask(f"{url}/api/items/1"))


def test_an_api_that_refuses_in_other_words_is_seen_to_do_so() -> None:
    assert_refused("apiheader", lambda url: ask(f"{url}/api/items/1", meta=BY_HEADER))
