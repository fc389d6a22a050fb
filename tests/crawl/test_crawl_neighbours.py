"""Other middlewares in the same project, set up as users have them."""

from __future__ import annotations

import base64
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from crawl_commands import scrapy
from crawl_content import ERRORS, PDF
from crawl_harness import MIDDLEWARE, REACTORS, Servers, ask, crawl, pages, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from crawl_harness import Result

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

USERS = {"ann": "pw-of-ann", "bob": "pw-of-bob"}
SITES: dict[str, Any] = {
    **{name: {"gate": "bouncer"} for name in ("each", "header", "own", "outer")},
    "busy": {"gate": {"like": "button", "status": 503}},
    "refusing": {"gate": {"like": "button", "status": 403}},
    "limiting": {"gate": {"like": "button", "status": 429}},
    "fresh": {"gate": "button", "headers": {"Cache-Control": "max-age=3600"}},
    "throttled": {"gate": "button"},
    "delayed": {"gate": "wall"},
    "walked": {"gate": "button"},
    "entered": {"gate": "antibot"},
    "slow": {"gate": "button"},
    "open": {"gate": None},
    **{name: {"gate": "button"} for name in ("rules", "sitemap", "login", "files")},
    **{name: {"gate": "button"} for name in ("fetch", "parse", "shell", "check")},
}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    options = {
        "sites": {name: {**site, "extras": True} for name, site in SITES.items()},
        "service": {"latency": 0.3},
        "proxies": {"one": USERS, "two": USERS},
    }
    with sandbox(options=options) as running:
        yield running


def texts(result: Result) -> dict[int, str]:
    """Return the headings of the pages that were delivered."""
    assert result.code == 0, result.of("failed") or result.log[-4000:]
    return {number: page["h1"] for number, page in result.pages.items()}


# Proxies with credentials, User-Agents


def proxies(servers: Servers) -> list[str]:
    """Return the URLs of all ways through the proxies, with credentials."""
    return [
        f"http://{user}:{password}@{urlsplit(url).netloc}"
        for url in servers.info["proxies"].values()
        for user, password in USERS.items()
    ]


def visits_by_way(servers: Servers, site: str) -> dict[str, list[dict[str, Any]]]:
    """Return the visits of *site*, by the user and proxy that they came by."""
    found = defaultdict(list)
    for visit in servers.visits(site):
        assert "proxy-authorization" not in visit["headers"]
        found[visit["by"]].append(visit)
    return dict(found)


def assert_credentials_are_kept(servers: Servers, result: Result) -> None:
    """Assert that neither the service nor the log was told a password."""
    pairs = [f"{user}:{password}".encode() for user, password in USERS.items()]
    secrets = [*USERS.values(), *(base64.b64encode(pair).decode() for pair in pairs)]
    seen = f"{servers.ledger()} {result.log} {result.stats}"
    assert [secret for secret in secrets if secret in seen] == []


WAYS = {f"{user}@{proxy}" for user in USERS for proxy in ("one", "two")}


@pytest.mark.parametrize(
    ("site", "rotator"), [("each", "ProxyRotator"), ("header", "ProxyRotatorByHeader")]
)
def test_each_proxy_passes_its_own_gates(
    servers: Servers, site: str, rotator: str
) -> None:
    """Though every request is given another proxy and another User-Agent."""
    ours = {f"crawl_neighbours.{rotator}": 350, "crawl_neighbours.RandomUserAgent": 400}
    result = crawl(
        servers,
        pages(servers[site], range(14)),  # no multiple of the proxies: out of step
        {"PROXIES": proxies(servers)},
        middlewares={**MIDDLEWARE, **ours},
    )
    result.assert_clean()
    assert texts(result) == {n: f"Page {n} of {site}" for n in range(14)}
    assert servers.tasks_of(site) == result.stat("tokens/accepted") == 4
    assert result.lines("WARNING") == []
    assert_credentials_are_kept(servers, result)
    by_way = visits_by_way(servers, site)
    assert set(by_way) == WAYS
    for visits in by_way.values():
        tokens = [visit["token"] for visit in visits]
        assert tokens.count(True) == 1
        gates, passed = visits[: tokens.index(True)], visits[tokens.index(True) :]
        assert {visit["path"] for visit in gates} == {
            visit["path"] for visit in passed
        }  # who met a gate got its page by the same proxy
        agents = {visit["headers"]["user-agent"] for visit in passed}
        assert len(agents) == 1
        assert agents < {visit["headers"]["user-agent"] for visit in visits}


def test_proxies_of_requests_and_of_the_environment(servers: Servers) -> None:
    """Each of two cookiejars with a user of its own; all others by the outer proxy."""
    first, second, *_, outer = proxies(servers)
    plan = [
        ask(f"{servers['own']}/page/{n}", meta={"cookiejar": way, "proxy": way})
        for n, way in enumerate([first, second] * 3)
    ]
    plan += pages(servers["outer"], range(6, 9))
    result = crawl(servers, plan, environment={"http_proxy": outer, "no_proxy": ""})
    result.assert_clean()
    assert len(texts(result)) == 9
    assert set(visits_by_way(servers, "own")) == {"ann@one", "bob@one"}
    assert set(visits_by_way(servers, "outer")) == {"bob@two"}
    assert (servers.tasks_of("own"), servers.tasks_of("outer")) == (2, 1)
    assert_credentials_are_kept(servers, result)


# What comes with Scrapy


def test_gates_are_not_retried_and_errors_are(servers: Servers) -> None:
    """Where RetryMiddleware retries the very statuses that gates have."""
    plan: list[dict[str, Any]] = []
    for site in ("busy", "refusing", "limiting"):
        plan += pages(servers[site], [1, 2])
        plan.append(ask(f"{servers[site]}/flaky/3", after=len(plan) - 2))
    plan.append(ask(f"{servers['busy']}/flaky/9", cb_kwargs={"met": "the gate"}))
    settings = {"RETRY_HTTP_CODES": [403, 429, 500, 503], "RETRY_TIMES": ERRORS}
    result = crawl(servers, plan, settings)
    result.assert_clean()
    told = texts(result)
    assert [told[n] for n in (2, 5, 8)] == [
        f"Flaky 3 of {site}" for site in ("busy", "refusing", "limiting")
    ]
    assert told[9] == "Flaky 9 of busy"
    assert len(told) == 10
    for site in ("busy", "refusing", "limiting"):
        assert servers.tasks_of(site) == 1
    assert result.stats["retry/count"] == 4 * ERRORS
    codes = {name for name in result.stats if name.startswith("retry/reason_count/")}
    assert codes == {"retry/reason_count/503 Service Unavailable"}


def test_the_rfc2616_policy_stores_no_gate(servers: Servers, tmp_path: Path) -> None:
    """Though the site says of all its pages, gates included, that they may be kept."""
    site = servers["fresh"]
    plan = [ask(f"{site}/page/1")]
    plan += [ask(f"{site}/page/{number}", after=0) for number in (2, 3)]
    settings = {
        "ADDONS": {"scrapy_onecaptcha.Addon": 500},
        "HTTPCACHE_ENABLED": True,
        "HTTPCACHE_DIR": str(tmp_path),
        "HTTPCACHE_POLICY": "scrapy.extensions.httpcache.RFC2616Policy",
    }
    expected = {n: f"Page {n + 1} of fresh" for n in range(3)}
    first = crawl(servers, plan, settings, middlewares={})
    first.assert_clean()
    assert texts(first) == expected
    assert first.stats["httpcache/store"] == 3  # a replay is stored like any page
    second = crawl(servers, plan, settings, middlewares={})
    second.assert_clean()
    assert texts(second) == expected
    flags = {number: page["flags"] for number, page in second.pages.items()}
    assert flags == {number: ["cached"] for number in range(3)}
    assert servers.tasks_of("fresh") == 1


WATCH = {"EXTENSIONS": {"crawl_neighbours.SlotWatch": 1}}


def test_autothrottle_does_not_take_a_solve_for_latency(servers: Servers) -> None:
    settings = {"AUTOTHROTTLE_ENABLED": True, "AUTOTHROTTLE_START_DELAY": 0.05}
    plan = pages(servers["throttled"], range(5))
    result = crawl(servers, plan, settings | WATCH)
    result.assert_clean()
    result.assert_delivered()
    assert servers.tasks_of("throttled") == 1
    # Gates, submission and replays: AutoThrottle was told of each.
    requests = result.stats["downloader/request_count"]
    assert requests == result.stats["slots/answered"] == 5 + 1 + 5
    slowest = max(0.05, result.stats["slots/latency"])
    assert result.stats["slots/delay"] <= slowest
    latencies = [page["meta"]["download_latency"] for page in result.pages.values()]
    assert max(latencies) <= slowest


def test_submissions_keep_the_delay_and_the_places_of_their_slot(
    servers: Servers,
) -> None:
    """Though they pass CONCURRENT_REQUESTS by."""
    settings = {
        "DOWNLOAD_DELAY": 0.02,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        # With asyncio's, Scrapy 2.19 itself has more than that in flight at times.
        **REACTORS["select"][0],
    }
    plan = pages(servers["delayed"], range(6))
    result = crawl(servers, plan, settings | WATCH)
    result.assert_clean()
    result.assert_delivered()
    assert servers.tasks_of("delayed") == 6
    stats = result.stats
    assert stats["slots/most"] == 1
    assert stats["slots/sent"] == stats["downloader/request_count"] >= 6 * 3
    assert stats["slots/closest"] >= 0.02 / 2  # Scrapy varies it by half


def test_redirects_refreshes_headers_and_filters(servers: Servers) -> None:
    walked, entered = servers["walked"], servers["entered"]
    elsewhere = servers["open"].replace("127.0.0.1", "127.0.0.2")
    plan = [
        ask(f"{walked}/page/0"),
        ask(f"{walked}/moved/1"),
        ask(f"{walked}/refreshed/2"),
        ask(f"{walked}/moved/3", after=0),
        ask(f"{walked}/refreshed/4", after=0),
        ask(f"{entered}/moved/5"),
        ask(f"{entered}/refreshed/6"),
        ask(f"{walked}/none", after=0, meta={"handle_httpstatus_list": [404]}),
        ask(f"{walked}/none/either", after=0),
        ask(f"{walked}/page/9", after=4),
        ask(f"{walked}/page/10", after=9),  # too deep
        ask(f"{elsewhere}/page/11", after=0),
    ]
    headers = {"Accept": "text/html", "X-Mine": "1"}
    settings = {
        "DEFAULT_REQUEST_HEADERS": headers,
        "DEPTH_LIMIT": 2,
        "COOKIES_DEBUG": True,
    }
    result = crawl(servers, plan, settings)
    result.assert_clean()
    missing = {7: "Not found"}
    sites = {number: "entered" if number in (5, 6) else "walked" for number in range(7)}
    numbered = {n: f"Page {n} of {site}" for n, site in {**sites, 9: "walked"}.items()}
    assert texts(result) == numbered | missing
    assert {n: e["error"] for n, e in result.errors.items()} == {8: "HttpError"}
    assert set(result.ended.values()) == {1}
    assert (servers.tasks_of("walked"), servers.tasks_of("entered")) == (1, 1)
    for number in (1, 2, 3, 4, 5, 6):  # gated or not, meta says what led here
        asked = plan[number]["url"]
        assert result.pages[number]["meta"]["redirect_urls"] == [asked]
    assert result.pages[9]["meta"]["depth"] == 2
    for site in ("walked", "entered"):
        seen = servers.visits(site)
        assert {visit["headers"].get("x-mine") for visit in seen} == {"1"}
    referers = {
        visit["path"]: visit["headers"].get("referer")
        for visit in servers.visits("walked")
        if not visit["token"]
    }
    assert referers["/page/0"] is None
    assert referers["/page/9"] == f"{walked}/page/4"
    assert servers.visits("open") == []


def test_a_page_that_times_out_ends_in_its_errback(servers: Servers) -> None:
    """After its gate was passed; it is not paid for again."""
    plan = [ask(f"{servers['slow']}/stalling/0")]
    result = crawl(
        servers,
        plan,
        {"RETRY_ENABLED": False},
        # Below the middleware for cookies.
        middlewares={**MIDDLEWARE, "crawl_neighbours.Impatient": 750},
    )
    assert result.ended == {0: 1}
    assert result.errors[0]["error"] in ("TimeoutError", "DownloadTimeoutError")
    assert result.errors[0]["request_url"] == plan[0]["url"]
    visits = servers.visits("slow")
    assert [visit["token"] for visit in visits] == [False, True, False]
    assert servers.tasks_of("slow") == 1
    lost = [line for line in result.lines("WARNING") if "Gated page lost" in line]
    assert len(lost) == 1


# Spiders and commands


def paths(items: Sequence[dict[str, Any]], site: str) -> list[str]:
    return sorted(item["url"].removeprefix(site) for item in items)


@pytest.mark.parametrize(
    ("spider", "expected"),
    [
        ("rules", [f"/page/{number}" for number in range(1, 6)]),
        ("sitemap", [f"/page/{number}" for number in range(1, 4)]),
        ("login", ["/account", "/page/1"]),
    ],
)
def test_spiders_of_each_kind(
    servers: Servers, tmp_path: Path, spider: str, expected: list[str]
) -> None:
    """The sitemap, the page with the links and the form to log in are gated, too."""
    ran = scrapy(servers, tmp_path, "crawl", spider, "-O", "items.jsonl", site=spider)
    assert paths(ran.items, servers[spider]) == expected
    assert all(item["h1"].endswith(f" of {spider}") for item in ran.items)
    assert servers.tasks_of(spider) == 1


def test_files_behind_a_gate_are_stored(servers: Servers, tmp_path: Path) -> None:
    settings = {
        "ITEM_PIPELINES": {"scrapy.pipelines.files.FilesPipeline": 1},
        "FILES_STORE": "store",
    }
    ran = scrapy(
        servers,
        tmp_path,
        *("crawl", "files", "-O", "items.jsonl"),
        site="files",
        settings=settings,
    )
    stored = {item["files"][0]["url"]: item["files"][0]["path"] for item in ran.items}
    assert len(stored) == 3
    for url, path in stored.items():
        name = url.rpartition("/")[2].encode()
        assert (tmp_path / "store" / path).read_bytes() == PDF + name
    assert servers.tasks_of("files") == 1


@pytest.mark.parametrize(
    ("site", "arguments", "shown"),
    [
        ("fetch", ["--nolog", "{url}"], '<h1 class="content">Page 1 of fetch</h1>'),
        ("parse", ["--spider=login", "-c", "parse_page", "{url}"], "'Page 1 of parse'"),
        ("shell", ["{url}", "-c", "response.css('h1::text').get()"], "Page 1 of shell"),
        ("check", ["login"], ""),
    ],
)
def test_commands_show_the_page_and_not_its_gate(
    servers: Servers, tmp_path: Path, site: str, arguments: list[str], shown: str
) -> None:
    filled = [one.format(url=f"{servers[site]}/page/1") for one in arguments]
    ran = scrapy(servers, tmp_path, site, *filled, site=site)
    assert shown in ran.output
    if site == "check":
        assert "Ran 2 contracts" in ran.log
        assert ran.log.rstrip().endswith("OK")
    assert servers.tasks_of(site) == 1
