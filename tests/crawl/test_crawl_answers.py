"""Which response is the page: not what a site says to the token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import (
    MIDDLEWARE,
    Servers,
    ask,
    assert_each_its_own,
    crawl,
    pages,
    sandbox,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.crawl

INTERSTITIALS = ("metarefresh", "refresh", "replace", "link", "empty")
SITES: dict[str, Any] = {
    "dummy": "button",
    "dummywall": "antibot",
    **{name: name for name in (*INTERSTITIALS, "again", "pass", "etag", "twoheaders")},
}
MIDDLEWARES = {**MIDDLEWARE, "crawl_submitters.JsonShown": 1}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    sites = {name: {"gate": gate} for name, gate in SITES.items()}
    options = {"sites": sites, "service": {"latency": 0.1}}
    with sandbox(options=options) as running:
        yield running


def test_a_thank_you_is_not_the_page(servers: Servers) -> None:
    """Neither is a refresh, a script that moves on, a link, or nothing at all."""
    plan = [
        ask(f"{servers[site]}/page/{number}?a=1")
        for number in range(4)
        for site in INTERSTITIALS
    ]
    result = crawl(servers, plan)
    result.assert_clean()
    assert_each_its_own(result)
    assert {site: servers.tasks_of(site) for site in INTERSTITIALS} == dict.fromkeys(
        INTERSTITIALS, 1
    )
    assert result.stat("tokens/accepted") == len(INTERSTITIALS)


def test_a_good_token_is_answered_by_the_gate(servers: Servers) -> None:
    result = crawl(servers, pages(servers["again"], range(4)))
    result.assert_clean()
    assert_each_its_own(result)
    assert servers.tasks_of("again") == 1
    assert (result.stat("tokens/accepted"), result.stat("tokens/rejected")) == (1, 0)


def test_a_pass_in_the_url_of_the_answer(servers: Servers) -> None:
    """A GET form has dropped the page's query; the pass is good on every page."""
    plan = [ask(f"{servers['pass']}/page/{n}?a={n}&b=%20") for n in range(12)]
    result = crawl(servers, plan)
    result.assert_clean()
    assert_each_its_own(result)
    assert servers.tasks_of("pass") == 1


def test_a_gate_in_place_of_a_revalidated_page(
    servers: Servers, tmp_path: Path
) -> None:
    """The HTTP cache asks with ``If-None-Match``; the pages are gated in each run.

    In the first run a cleared session fills the cache, in the second all pages are
    asked for without a clearance.
    """
    cache = {
        "HTTPCACHE_ENABLED": True,
        "HTTPCACHE_DIR": str(tmp_path),
        "HTTPCACHE_POLICY": "scrapy.extensions.httpcache.RFC2616Policy",
    }
    numbers = range(1, 6)
    for run, first in ((1, 0), (2, None)):
        plan = pages(servers["etag"], [0]) + pages(
            servers["etag"], numbers, after=first
        )
        result = crawl(servers, plan, cache)
        result.assert_clean()
        assert_each_its_own(result)
        assert servers.tasks_of("etag") == run


def test_a_second_run_from_the_cache_pays_nothing(
    servers: Servers, tmp_path: Path
) -> None:
    settings = {
        "HTTPCACHE_ENABLED": True,
        "HTTPCACHE_DIR": str(tmp_path),
        "HTTPCACHE_POLICY": "scrapy_onecaptcha.httpcache.GatelessDummyPolicy",
    }
    plan = pages(servers["dummy"], range(6)) + pages(servers["dummywall"], range(6))
    first = crawl(servers, plan, settings)
    first.assert_clean()
    assert_each_its_own(first)
    assert servers.tasks_of("dummy") == servers.tasks_of("dummywall") == 1
    second = crawl(servers, plan, settings)
    second.assert_clean()
    assert_each_its_own(second)
    assert second.stat("tasks") == 0


def test_an_api_that_wants_two_headers(servers: Servers) -> None:
    """A submitter repeats the call; its own answer is the page."""
    meta = {"onecaptcha": {"submitter": "crawl_submitters.by_two_headers"}}
    api = f"{servers['twoheaders']}/api/items"
    plan = [ask(f"{api}/{number}?q=x", meta=meta) for number in (1, 2)]
    plan += [
        ask(
            api,
            method="POST",
            body=json.dumps({"name": name}),
            headers={"Content-Type": "application/json"},
            meta=meta,
        )
        for name in ("a", "b")
    ]
    result = crawl(servers, plan, middlewares=MIDDLEWARES)
    result.assert_clean()
    assert dict(result.ended) == dict.fromkeys(range(4), 1)
    assert result.errors == {}
    items = [json.loads(result.pages[n]["echo"]["body"]) for n in range(4)]
    told = [(item["title"], item["request"]["fields"]) for item in items]
    assert told == [
        ("Item 1 of twoheaders", [["q", "x"]]),
        ("Item 2 of twoheaders", [["q", "x"]]),
        ("Item 1 of twoheaders", [["name", "a"]]),
        ("Item 1 of twoheaders", [["name", "b"]]),
    ]
    assert servers.tasks_of("twoheaders") == 4
    assert servers.ledger()["site_rejections"].get("twoheaders", {}) == {}
