"""Scrapy's HTTP cache beside gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import crawl, pages, sandbox

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.crawl


def cache(folder: Path, **more: Any) -> dict[str, Any]:
    return {"HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": str(folder), **more}


def test_a_second_run_is_served_from_the_cache(tmp_path: Path) -> None:
    """And never with the gate."""
    with sandbox("--latency", "0.1", "--site", "button") as servers:
        plan = pages(servers["button"], [1])
        plan += pages(servers["button"], range(2, 6), after=0)
        first = crawl(servers, plan, cache(tmp_path))
        first.assert_clean()
        first.assert_delivered()
        assert servers.tasks == 1
        content = servers.hits("button", "content")
        second = crawl(servers, plan, cache(tmp_path))
        second.assert_clean()
        second.assert_delivered()
        cached = {n for n, page in second.pages.items() if "cached" in page["flags"]}
        assert cached >= {1, 2, 3, 4}
        # At most the page that met the gate is asked for, and at most once paid for.
        assert servers.hits("button", "content") - content <= 1
        assert servers.tasks <= 2


@pytest.mark.parametrize("name", ["button", "wall", "antibot"])
def test_a_cached_gate_is_fetched_again_before_it_is_paid_for(
    tmp_path: Path, name: str
) -> None:
    sites = {name: {"gate": name}}
    with sandbox(options={"sites": sites}) as servers:
        plan = pages(servers[name], range(3))
        for wanted in plan:
            wanted["meta"] = {"handle_httpstatus_list": [503]}
        settings = cache(tmp_path, RETRY_ENABLED=False, REDIRECT_PRIORITY_ADJUST=0)
        filled = crawl(servers, plan, settings, middlewares={})
        filled.assert_clean()
        gates = {page["h1"] for page in filled.pages.values()}
        assert gates == {"Checking that you are human"}
        servers.fetch(f"{servers[name]}/_open")
        result = crawl(servers, plan, settings)
        result.assert_clean()
        result.assert_delivered()
        assert result.stats["httpcache/hit"] >= 3
        assert servers.ledger()["calls"] == {}
