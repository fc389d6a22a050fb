"""Scrapy's HTTP cache beside gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import Servers, crawl, pages, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

GATES = ("button", "wall", "antibot")


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    sites = {name: {"gate": name} for name in GATES}
    sites |= {name: {"gate": "button"} for name in ("shop", "kept")}
    with sandbox(options={"sites": sites, "service": {"latency": 0.1}}) as running:
        yield running


def cache(folder: Path, **more: Any) -> dict[str, Any]:
    return {"HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": str(folder), **more}


def test_a_second_run_is_served_from_the_cache(
    servers: Servers, tmp_path: Path
) -> None:
    """And never with the gate."""
    plan = pages(servers["shop"], [1])
    plan += pages(servers["shop"], range(2, 6), after=0)
    first = crawl(servers, plan, cache(tmp_path))
    first.assert_clean()
    first.assert_delivered()
    assert servers.tasks_of("shop") == 1
    content = servers.hits("shop", "content")
    second = crawl(servers, plan, cache(tmp_path))
    second.assert_clean()
    second.assert_delivered()
    cached = {n for n, page in second.pages.items() if "cached" in page["flags"]}
    assert cached >= {1, 2, 3, 4}
    # At most the page that met the gate is asked for, and at most once paid for.
    assert servers.hits("shop", "content") - content <= 1
    assert servers.tasks_of("shop") <= 2


def test_cached_gates_are_fetched_again_before_they_are_paid_for(
    servers: Servers, tmp_path: Path
) -> None:
    plan = [
        wanted
        for name in GATES
        for wanted in pages(
            servers[name], range(3), meta={"handle_httpstatus_list": [503]}
        )
    ]
    settings = cache(tmp_path, RETRY_ENABLED=False, REDIRECT_PRIORITY_ADJUST=0)
    filled = crawl(servers, plan, settings, middlewares={})
    filled.assert_clean()
    shown = {page["h1"] for page in filled.pages.values()}
    assert shown == {"Checking that you are human"}
    for name in GATES:
        servers.fetch(f"{servers[name]}/_open")
    result = crawl(servers, plan, settings)
    result.assert_clean()
    result.assert_delivered()
    assert result.stats["httpcache/hit"] >= len(plan)
    assert [servers.tasks_of(name) for name in GATES] == [0, 0, 0]


def test_the_add_on_keeps_gates_out_of_the_cache(
    servers: Servers, tmp_path: Path
) -> None:
    plan = pages(servers["kept"], [1])
    plan += pages(servers["kept"], range(2, 5), after=0)
    settings = cache(tmp_path, ADDONS={"scrapy_onecaptcha.Addon": 500})
    result = crawl(servers, plan, settings, middlewares={})
    result.assert_clean()
    result.assert_delivered()
    # The look at the first page is stored, too: a second run pays nothing for it.
    assert result.stats["httpcache/store"] == 4
    # Seen without us: what is in the cache is content.
    result = crawl(servers, plan, cache(tmp_path), middlewares={})
    result.assert_clean()
    shown = {n: (page["h1"], page["flags"]) for n, page in result.pages.items()}
    assert shown == {n: (f"Page {n + 1} of kept", ["cached"]) for n in range(4)}
