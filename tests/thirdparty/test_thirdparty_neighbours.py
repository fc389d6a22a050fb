"""Middlewares and download handlers that nobody here wrote, in the same project."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from crawl_commands import scrapy
from crawl_harness import MIDDLEWARE, Servers, ask, crawl, pages, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.crawl

HERE = Path(__file__).parent
SITES: dict[str, Any] = {
    "open": {"gate": None},
    "agents": {"gate": "button"},
    "poet": {"gate": "button"},
    "handler": {"gate": "button"},
    # A browser sends no Origin with what scrapy-playwright has made a POST.
    "cookie": {"gate": {"like": "button", "check_headers": False}},
    "redirect": {"gate": {"like": "antibot", "check_headers": False}},
    "fetched": {"gate": "wall"},
    "both": {"gate": {"like": "button", "check_headers": False}},
}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    options = {
        "sites": {name: {**site, "extras": True} for name, site in SITES.items()},
        "service": {"latency": 0.2},
    }
    with sandbox(options=options) as running:
        yield running


def needs(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install '.[thirdparty]'")


# scrapy-user-agents

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{}.0.3202.89 Safari/537.36"
)


def test_a_random_user_agent_is_kept_for_its_clearance(
    servers: Servers, tmp_path: Path
) -> None:
    needs("scrapy_user_agents")
    theirs = {
        "scrapy.downloadermiddlewares.useragent.UserAgentMiddleware": None,
        "scrapy_user_agents.middlewares.RandomUserAgentMiddleware": 400,
    }
    agents = tmp_path / "agents.txt"  # reading its own list takes seconds
    agents.write_text("\n".join(map(CHROME.format, range(60, 80))))
    result = crawl(
        servers,
        pages(servers["agents"], range(8)),
        {"RANDOM_UA_FILE": str(agents)},
        middlewares={**MIDDLEWARE, **theirs},
        deprecated=True,  # their process_request requires a spider
    )
    assert len(result.pages) == 8
    sent = [visit["headers"]["user-agent"] for visit in servers.visits("agents")]
    tokens = [visit["token"] for visit in servers.visits("agents")]
    kept = set(sent[tokens.index(True) :])
    assert len(kept) == 1
    assert kept < set(sent)
    [task] = [
        task["fields"]
        for task in servers.ledger()["tasks"]
        if task["fields"]["websiteURL"].startswith(f"{servers['agents']}/")
    ]
    assert {task["userAgent"]} == kept


# scrapy-poet


def test_page_objects_are_given_the_page_and_not_its_gate(
    servers: Servers, tmp_path: Path
) -> None:
    """And what they ask for themselves, by `HttpClient`, passes as well."""
    needs("scrapy_poet")
    addons = {"scrapy_poet.Addon": 300, "scrapy_onecaptcha.Addon": 500}
    ran = scrapy(
        servers,
        tmp_path,
        *("runspider", str(HERE / "thirdparty_poet.py"), "-O", "items.jsonl"),
        site="poet",
        settings={"ADDONS": addons, "DOWNLOADER_MIDDLEWARES": {}},
    )
    items = {item.pop("callback"): item for item in ran.items}
    assert items == {
        "page": {"h1": "Page 1 of poet"},
        "more": {"h1": "Page 2 of poet", "more": "Page 20 of poet"},
        "response": {"h1": "Page 3 of poet"},
        "elsewhere": {
            "asked": f"{servers['poet']}/page/4",
            "response": "DummyResponse",
            "h1": "Page 30 of poet",
        },
    }
    assert servers.tasks_of("poet") == 1
    assert "'poet/injector/thirdparty_poet.Page': 2" in ran.log  # once for each page


# scrapy-playwright

HANDLER = "scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BROWSER = {
    "DOWNLOAD_HANDLERS": {"http": HANDLER, "https": HANDLER},
    "PLAYWRIGHT_LAUNCH_OPTIONS": {
        "executable_path": CHROMIUM,
        # It has no network but loopback, and may be run as root.
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    },
}
browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
BY_BROWSER = {"playwright": True}


def test_requests_that_need_no_browser_start_none(servers: Servers) -> None:
    needs("scrapy_playwright")
    result = crawl(servers, pages(servers["handler"], range(4)), BROWSER)
    result.assert_clean()
    result.assert_delivered()
    assert servers.tasks_of("handler") == 1
    assert [name for name in result.stats if name.startswith("playwright/")] == []


@browser
def test_a_browser_passes_gates(servers: Servers) -> None:
    """Whatever they grant; the token leaves by the browser, too."""
    needs("scrapy_playwright")
    sites = ("cookie", "redirect", "fetched")
    plan = [
        ask(f"{servers[site]}/page/{number}", meta=BY_BROWSER)
        for site in sites
        for number in range(2)
    ]
    before = servers.ledger()["clearances_refused"]
    result = crawl(servers, plan, {**BROWSER, "CONCURRENT_REQUESTS": 4})
    assert result.code == 0
    told = {number: page["h1"] for number, page in result.pages.items()}
    assert told == {
        number: f"Page {number % 2} of {sites[number // 2]}" for number in range(6)
    }
    for page in result.pages.values():
        assert page["flags"] == ["playwright"]
    assert [servers.tasks_of(site) for site in sites] == [1, 1, 2]
    assert servers.ledger()["clearances_refused"] == before
    for site in sites:
        [sent, *_] = [visit for visit in servers.visits(site) if visit["token"]]
        assert sent["headers"]["referer"].startswith(f"{servers[site]}/")
        assert "origin" not in sent["headers"]


@browser
def test_a_browser_and_scrapy_pay_once_each(servers: Servers) -> None:
    """For neither has the other's cookies."""
    needs("scrapy_playwright")
    plan = pages(servers["both"], range(4))
    plan += [ask(f"{servers['both']}/page/{n}", meta=BY_BROWSER) for n in range(4, 8)]
    result = crawl(servers, plan, BROWSER)
    assert result.code == 0
    told = {number: page["h1"] for number, page in result.pages.items()}
    assert told == {number: f"Page {number} of both" for number in range(8)}
    assert servers.tasks_of("both") == 2
