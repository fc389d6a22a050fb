"""Sites that try: bounded in money, requests, time and memory, and told in the log."""

from __future__ import annotations

import re
import socket
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from crawl_harness import Result, Servers, ask, crawl, pages, sandbox
from twisted.web import http as twisted_http

from scrapy_onecaptcha.sandbox import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.crawl

#: What a site that accepts nothing may cost in these crawls.
MAX_FAILURES = 2
#: Seconds for a download of the site that does not answer to a token; its gates have to
#: come in that time.
PATIENCE = 5
#: Requests to a site for one task: submission, its redirects, replay, refetch.
REQUESTS_A_TASK = 24
#: Tricks of the tests below, by what becomes of them.
FREE = ("astray", "badkey", "heavy", "nested", "posing", "rqdata", "widgets")
COSTLY = (
    "endless",
    "newkey",
    "forgets",
    "chain",
    "stalls",
    "floods",
    "cookies",
    "rotating",
    "wandering",
    "growing",
)
REVOKING = "revoking"
PASSING = ("calls", "odd", "named", "refreshing", "led", "fickle")

#: While Twisted's server read a form by the module cgi, it answered 400 to one that has
#: a field outside of Latin-1.
ODD = () if hasattr(twisted_http, "cgi") else ("odd",)


def test_every_trick_is_tried() -> None:
    assert sorted((*FREE, *COSTLY, *PASSING, REVOKING)) == sorted(HOSTILE)


def test_every_trick_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "design.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE)
    told = [(name, tries) for name, tries in rows if name in HOSTILE]
    assert sorted(told) == sorted((name, HOSTILE[name].tries) for name in HOSTILE)


@contextmanager
def nobody_comes(host: str) -> Iterator[str]:
    """Listen on *host*, yield the URL, and assert that no connection was opened."""
    with socket.create_server((host, 0)) as listener:
        yield f"{host}:{listener.getsockname()[1]}"
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def sites(*names: str, latency: str = "0.1") -> list[str]:
    """Return the sandbox's options for sites of these *names*."""
    return [
        "--latency",
        latency,
        *(word for name in names for word in ("--site", name)),
    ]


def trick(site: str, number: int = 1, **query: Any) -> dict[str, Any]:
    """Return a request for a page of the site at the URL *site*."""
    named = f"?{urlencode(query, quote_via=quote)}" if query else ""
    # Cookies know no port: the sites must not fill each other's requests.
    jar = {"cookiejar": f"{site} {number}"}
    return ask(f"{site}/page/{number}{named}", meta=jar)


def assert_each_once(result: Result, servers: Servers) -> None:
    """Assert that each request ended once, and what was paid is what was counted."""
    # Scrapy itself tells as errors what it would not read to its end, and that a
    # server hangs up on what it was filled with.
    result.assert_clean(allowed=("larger than download max size", "Gave up retrying"))
    assert result.code == 0
    assert result.ended == Counter(range(len(result.plan)))
    assert servers.tasks == result.stat("tasks")


#: Where a token is not to go, and the words that say why.
PLACES = {
    "javascript:alert(1)": "is too large to be sent whole, or leads to no web address",
    "data:text/html,x": "no web address",
    "file:///etc/passwd": "no web address",
    "ftp://127.0.0.1/": "no web address",
    "http://elsewhere.invalid/take": "another site; add it to ONECAPTCHA_ALLOWED",
    "https://elsewhere.invalid/take": "another site",
    "http://169.254.169.254/latest": "loopback or private address",
    "http://10.0.0.1/": "loopback or private address",
    "http://[::1]/": "loopback or private address",
    "http://[::ffff:127.0.0.1]/": "loopback or private address",
    "http://0/": "another site",
    "http://2130706433/": "another site",
    "http://0x7f000001/": "another site",
}


def astray(servers: Servers, near: str, far: str) -> list[tuple[dict[str, Any], str]]:
    """Return pages that send their token elsewhere, and why it is not sent."""
    site = servers["astray"]
    own = site.partition("//")[2]
    places = PLACES | {
        f"http://{near}/": "loopback or private address",
        f"http://{far}/": "loopback or private address",
        f"http://me:secret@{own}/": "names a user",
        f"http://{own}@{far}/": "loopback or private address",
    }
    plan = [
        (trick(site, number, to=to), why)
        for number, (to, why) in enumerate(places.items())
    ]
    plan += [
        (trick(site, 100 + number, to=f"http://{far}/", how=how), "private address")
        for number, how in enumerate(("base", "button", "script"))
    ]
    return plan


def unread(servers: Servers) -> list[tuple[dict[str, Any], str]]:
    """Return gates of which too much would have to be read."""
    keys = ["<script>alert(1)</script>", "\N{SNOWMAN}" * 36, " ", "0" * 100_000]
    keys += ["b1b2c3d4-0000-4000-8000-00000000000g", "\n".join("b1b2c3d4")]
    heavy, rqdata = servers["heavy"], servers["rqdata"]
    plan = [
        (trick(servers["badkey"], number, key=key[:1000]), "(bad_sitekey)")
        for number, key in enumerate(keys)
    ]
    return [
        *plan,
        (trick(heavy, 1), "too large to be sent whole"),
        (trick(heavy, 2, mb=10, gzip=1), "too large to be sent whole"),
        (trick(rqdata, 1), "sitekey"),
        (trick(servers["widgets"]), "too large to be sent whole"),
    ]


def untouched(servers: Servers) -> list[dict[str, Any]]:
    """Return what is no gate: JSON too large or too deep, the service's own words."""
    return [
        trick(servers["rqdata"], 2, mb=5, json=1),
        trick(servers["nested"], 1),
        trick(servers["posing"], 1),
    ]


def test_what_cannot_pass_is_not_paid_for() -> None:
    """And no token leaves, nor anything else, for where the page wants it."""
    with (
        sandbox(*sites(*FREE)) as servers,
        nobody_comes("localhost") as near,
        nobody_comes("127.0.0.2") as far,
    ):
        refused = [*astray(servers, near, far), *unread(servers)]
        plan = [request for request, _ in refused] + untouched(servers)
        result = crawl(servers, plan)
        assert_each_once(result, servers)
        for number, (wanted, why) in enumerate(refused):
            error = result.errors[number]
            assert error["error"] in ("SubmissionRefused", "UnsolvableGate"), wanted
            told = error["message"]  # or its scripts are no reading
            assert why in told or "(scripts_" in told, (wanted, told)
            assert len(error["message"]) < 2000
        others = range(len(refused), len(plan))
        assert {result.errors[n]["error"] for n in others} == {"HttpError"}
        assert servers.tasks == 0
        warned = [line for line in result.lines("WARNING") if "Gated page lost" in line]
        assert len(warned) >= 3
        assert all(re.search(r"http\S+/page/\d", line) for line in warned)


def test_what_accepts_nothing_costs_max_failures() -> None:
    with sandbox(*sites(*COSTLY, "fickle")) as servers:
        count = 6
        plan = [
            trick(servers[name], number) for name in COSTLY for number in range(count)
        ]
        for wanted in plan:
            if wanted["url"].startswith(servers["stalls"]):
                wanted["meta"]["download_timeout"] = PATIENCE
        settings = {
            "ONECAPTCHA_MAX_FAILURES": MAX_FAILURES,
            "DOWNLOAD_MAXSIZE": 3_000_000,
        }
        result = crawl(servers, plan, settings)
        assert_each_once(result, servers)
        assert result.pages == {}
        for name in COSTLY:
            assert servers.tasks_of(name) == MAX_FAILURES, name
            asked = servers.hits(name, "gates") + servers.hits(name, "accepted")
            assert asked <= count + MAX_FAILURES * REQUESTS_A_TASK, name
        told = "\n".join(result.lines("INFO", "WARNING"))
        for name in COSTLY:
            assert f"Gated page lost: {servers[name]}/page/" in told, name
            assert (
                f"hCaptcha on {servers[name]}: {MAX_FAILURES} tasks, 0 passed" in told
            )
        assert f"After the token for {servers['chain']}/page/" in told
        assert "ONECAPTCHA_MAX_FAILURES" in told
        assert "the answer got lost" in told


def test_what_passes_passes_at_its_price() -> None:
    """A task for each page, and nothing goes where a redirect or refresh leads."""
    names = ["eval", "constructor", "__proto__", "a.b.c", "(", "x" * 1000]
    with (
        sandbox(*sites(*PASSING)) as servers,
        nobody_comes("127.0.0.2") as far,
    ):
        to = f"http://{far}/"
        plan = [trick(servers[name]) for name in ("calls", *ODD)]
        plan += [
            trick(servers["named"], number, callback=name)
            for number, name in enumerate(names)
        ]
        plan.append(trick(servers["refreshing"], to=to))
        passing = len(plan)
        # An answer that refreshes is not the page, and the site grants nothing.
        ways = ("refresh", "meta", "302", "303", "307", "308")
        plan += [trick(servers["led"], n, to=to, how=how) for n, how in enumerate(ways)]
        for wanted in plan[passing:]:
            wanted["meta"]["onecaptcha"] = {"max_attempts": 1}
        plan += pages(servers["fickle"], range(6))
        result = crawl(servers, plan, {"ONECAPTCHA_MAX_FAILURES": 10})
        assert_each_once(result, servers)
        lost = range(passing, passing + len(ways))
        # Which token is the second is chance where pages are solved side by side.
        assert set(result.pages) >= set(range(passing))
        assert {result.errors[n]["error"] for n in lost} == {"AttemptsExhausted"}
        for name in ("calls", *ODD, "refreshing"):
            assert servers.tasks_of(name) == 1, name
        assert servers.tasks_of("named") == len(names)
        assert servers.tasks_of("led") == len(ways)
        assert servers.tasks_of("fickle") <= 6 * 3
        assert "Not followed after the submission" in result.log


def test_a_clearance_at_random_costs_no_more_than_attempts() -> None:
    count = 20
    with sandbox(*sites(REVOKING)) as servers:
        plan = pages(servers[REVOKING], range(count))
        result = crawl(servers, plan, {"ONECAPTCHA_MAX_ATTEMPTS": 2})
        assert_each_once(result, servers)
        assert result.pages
        assert servers.tasks <= 2 * count
        asked = servers.hits(REVOKING, "gates") + servers.hits(REVOKING, "accepted")
        assert asked <= count + servers.tasks * REQUESTS_A_TASK


def test_hosts_without_end_cost_the_budget() -> None:
    """As a wildcard in DNS makes them: each is a site of its own."""
    with sandbox(*sites("endless")) as servers:
        proxy = {"proxy": servers["endless"]}
        plan = [ask(f"http://a{n}.shop.invalid/page/1", meta=proxy) for n in range(80)]
        settings = {"ONECAPTCHA_MAX_TASKS": 10}
        result = crawl(servers, plan, settings, allowed_domains=["shop.invalid"])
        assert_each_once(result, servers)
        assert servers.tasks == 10
        assert len(result.errors) == 80
        told = result.lines("INFO", "WARNING")
        assert any("ONECAPTCHA_MAX_TASKS: 10 tasks spent, none left" in t for t in told)
        assert sum("Gated page lost" in line for line in told) <= 2 * 20
        assert any("more sites: " in line for line in told)
        assert len([line for line in told if line.startswith("hCaptcha on ")]) == 21


def test_pages_that_are_too_large_are_not_held() -> None:
    """Waiting pages lend their places, so that many would be held at once."""
    with sandbox(*sites("heavy", latency="1.5")) as servers:

        def peak(**query: Any) -> float:
            plan = [trick(servers["heavy"], n, mb=6, **query) for n in range(15)]
            # What a token brings is downloaded beside what waits: few at a time.
            settings = {
                "CONCURRENT_REQUESTS": 1,
                "ONECAPTCHA_MAX_ATTEMPTS": 1,
                "ONECAPTCHA_MAX_FAILURES": MAX_FAILURES,
            }
            result = crawl(servers, plan, settings)
            assert_each_once(result, servers)
            return result.peak

        harmless = peak(plain=1)
        assert servers.tasks == 0
        assert peak(after=1) < harmless + 40
        assert servers.tasks == MAX_FAILURES
