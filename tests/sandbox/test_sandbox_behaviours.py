"""Sites by behaviour: clearances that end, gate addresses, what follows a token."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sandbox_browser import (
    UA,
    Browser,
    World,
    gate_of,
    is_gate,
    is_page,
    pass_gate,
)

from scrapy_onecaptcha.sandbox import BEHAVIOURS, GATES, Gate, Sandbox
from scrapy_onecaptcha.sandbox.messages import Reply, Visit
from scrapy_onecaptcha.sandbox.resolver import LoopbackResolver
from scrapy_onecaptcha.sandbox.service.api import ServiceOptions
from scrapy_onecaptcha.sandbox.sites.clearances import section_of

#: Sites whose gate is in place, whose form is sent by POST, and that lead on.
PLAIN = ("seconds", "pages", "paths", "sections", "domain", "agents", "etag")


def location(reply: Reply) -> str:
    return dict(reply.headers).get("Location", "")


def titled(reply: Reply, title: str) -> bool:
    return f'<h1 class="content">{title}</h1>'.encode() in reply.body


def filled(world: World, browser: Browser, uri: str = "/page/3") -> Any:
    """Return the gate's form with a token in it."""
    page = browser.get(uri)
    assert is_gate(page)
    return browser.fill(page, world.solve()["gRecaptchaResponse"])


def test_each_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    table = text.partition("### Sites by behaviour")[2].partition("\n\nSites of")[0]
    rows = [row.partition(" | ")[0] for row in table.splitlines() if row[:3] == "| `"]
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(names) == sorted(BEHAVIOURS)


def test_each_has_a_sitekey_of_its_own_and_is_opened_by_name_only() -> None:
    assert not set(BEHAVIOURS) & set(GATES)
    assert len({kind.sitekey for kind in BEHAVIOURS.values()}) == len(BEHAVIOURS)
    sandbox = Sandbox(sites=list(BEHAVIOURS), clock=lambda: 0.0)
    for site in sandbox.sites.values():
        robots = site.answer(Visit(uri="/robots.txt"))
        assert robots.body == b"User-agent: *\nAllow: /\n"


def test_a_service_that_names_another_user_agent_each_time() -> None:
    world = World("agents", ServiceOptions(user_agent="Solver/{number}"))
    agents = [world.solve()["userAgent"] for _ in range(2)]
    assert agents == ["Solver/1", "Solver/2"]


@pytest.mark.parametrize("name", PLAIN)
def test_a_right_submission_leads_to_the_page(name: str) -> None:
    world = World(name)
    browser = Browser(world)
    assert b"Page 3 of" in pass_gate(world, browser)
    assert not world.ledger.rejections
    assert world.ledger.tokens_repeated == 0


# How long a clearance is good


def test_a_clearance_of_thirty_seconds() -> None:
    world = World("seconds")
    browser = Browser(world)
    pass_gate(world, browser)
    world.clock.advance(30)
    assert is_page(browser.get("/page/4"), 4, "seconds")
    world.clock.advance(0.1)
    assert is_gate(browser.get("/page/4"))


def test_a_clearance_of_so_many_pages() -> None:
    world = World("pages")
    browser = Browser(world)
    pass_gate(world, browser)
    assert all(is_page(browser.get(f"/page/{n}"), n, "pages") for n in range(24))
    assert is_gate(browser.get("/page/30"))
    assert world.ledger.clearances_refused == {"spent": 1}


def test_a_clearance_that_works_after_two_seconds() -> None:
    world = World("late")
    browser = Browser(world)
    assert is_gate(browser.submit(filled(world, browser)))
    assert world.ledger.clearances_refused == {"too-early": 1}
    assert not world.ledger.rejections
    world.clock.advance(2)
    assert is_page(browser.get("/page/3"), 3, "late")


# For which pages it is good


def test_a_cookie_for_the_path_of_a_section() -> None:
    world = World("paths")
    browser = Browser(world)
    form = filled(world, browser, "/music/page/3")
    reply = browser.submit(form, follow=False)
    cookie = dict(reply.headers)["Set-Cookie"]
    assert "; Path=/music;" in cookie
    assert titled(browser.get("/music/page/4"), "Page 4 of paths")
    # A browser would not even send the cookie there.
    assert is_gate(browser.get("/art/page/4"))
    assert is_gate(browser.get("/page/4"))
    assert world.ledger.clearances_refused == {"section": 2}


def test_a_server_that_keeps_the_sections_of_a_visitor() -> None:
    world = World("sections")
    browser = Browser(world)
    pass_gate(world, browser, "/music/page/1")
    cookies = dict(browser.cookies)
    assert is_gate(browser.get("/art/page/1"))
    pass_gate(world, browser, "/art/page/1")
    assert browser.cookies == cookies
    for section in ("music", "art"):
        assert titled(browser.get(f"/{section}/page/2"), "Page 2 of sections")
    assert is_gate(browser.get("/film/page/2"))


def test_a_cookie_for_all_hosts_of_a_domain() -> None:
    world = World("domain")
    browser = Browser(world)
    browser.host = "shop1.example.com:8000"
    form = filled(world, browser)
    reply = browser.submit(form, follow=False)
    assert "; Domain=example.com;" in dict(reply.headers)["Set-Cookie"]
    browser.host = "shop2.example.com:8000"
    assert is_page(browser.get("/page/4"), 4, "domain")


def test_pages_with_a_captcha_of_their_own_behind_a_wall() -> None:
    world = World("owncaptcha")
    browser = Browser(world)
    assert is_page(browser.submit(filled(world, browser)), 3, "owncaptcha")
    assert is_page(browser.get("/page/4"), 4, "owncaptcha")
    for _ in range(2):
        page = browser.submit(filled(world, browser, "/own/page/5"))
        assert titled(page, "Page 5 of owncaptcha")
    assert is_gate(browser.get("/own/page/5"))
    assert world.ledger.tokens_used == 3


def test_the_token_of_such_a_page_opens_the_wall_too() -> None:
    world = World("owncaptcha")
    browser = Browser(world)
    browser.submit(filled(world, browser, "/own/page/5"))
    assert is_page(browser.get("/page/4"), 4, "owncaptcha")


def test_paths_whose_tokens_are_refused() -> None:
    world = World("agents")
    browser = Browser(world)
    reply = browser.submit(filled(world, browser, "/refused/page/1"))
    assert is_gate(reply)
    assert world.ledger.rejections == {"token-refused": 1}
    assert is_page(browser.submit(filled(world, browser)), 3, "agents")
    assert is_gate(browser.get("/refused/page/2"))


# Where the gate is


@pytest.mark.parametrize("name", ["lastpage", "verified"])
def test_the_session_remembers_the_last_page_that_was_gated(name: str) -> None:
    world = World(name)
    browser = Browser(world)
    first = browser.get("/list", follow=False)
    assert location(first) == "/check?next=%2Flist"
    assert location(browser.get("/list?page=4", follow=False)).startswith("/check?")
    form = filled(world, browser, "/check?next=%2Flist")
    browser.get("/page/9", follow=False)
    page = browser.submit(form)
    assert titled(page, f"Page 9 of {name}")
    again = browser.get("/check?next=%2Flist")
    if name == "verified":
        assert (again.status, again.body) == (200, b"You are verified.")
        assert world.ledger.counts[name] == {"verified": 1}
    else:
        assert titled(again, f"Page 9 of {name}")
    assert titled(browser.get("/list?page=4"), f"List 4 of {name}")


def test_one_gate_address_for_all_pages() -> None:
    world = World("nonext")
    browser = Browser(world)
    assert location(browser.get("/page/1", follow=False)) == "/captcha"
    page = browser.submit(filled(world, browser, "/page/2"))
    assert is_page(page, 2, "nonext")
    assert is_page(browser.get("/captcha"), 2, "nonext")


def test_a_visitor_without_a_session_is_led_home() -> None:
    world = World("nonext")
    browser = Browser(world)
    page = browser.submit(filled(world, browser, "/captcha"))
    assert b"Pages of nonext" in page.body


def test_a_bot_manager_has_a_host_of_its_own() -> None:
    world = World("manager")
    browser = Browser(world)
    first = browser.get("/page/3?a=1", follow=False)
    challenge = "http://localhost:8000/challenge?url="
    asked = "http%3A%2F%2F127.0.0.1%3A8000%2Fpage%2F3%3Fa%3D1"
    assert (first.status, location(first)) == (302, challenge + asked)
    form = filled(world, browser, "/page/3?a=1")
    assert browser.host == "localhost:8000"
    landing = location(browser.submit(form, follow=False))
    assert landing.startswith("http://127.0.0.1:8000/land?t=")
    browser.host = "127.0.0.1:8000"
    page = browser.get(landing.partition(":8000")[2])
    assert is_page(page, 3, "manager")
    assert is_page(browser.get("/page/4"), 4, "manager")
    assert world.ledger.counts["manager"] == {"landings": 1}
    assert browser.get(landing.partition(":8000")[2]).status == 404
    assert not world.ledger.rejections


@pytest.mark.parametrize(
    "bad", ["", "http://evil.invalid/", "https://127.0.0.1:8000/", "/page/1"]
)
def test_a_bot_manager_serves_its_own_site_only(bad: str) -> None:
    browser = Browser(World("manager"))
    browser.host = "localhost:8000"
    assert browser.get(f"/challenge?url={bad}").status == 404


def test_a_bot_manager_refuses_a_wrong_token() -> None:
    world = World("manager")
    browser = Browser(world)
    page = browser.get("/page/3")
    browser.submit(browser.fill(page, "made-up"))
    assert world.ledger.rejections == {"invalid-input-response": 1}


# What must not be repeated


def test_an_order_is_free_and_its_thanks_are_gated() -> None:
    world = World("orders")
    browser = Browser(world)
    post = Visit(method="POST", uri="/order", headers=browser.headers())
    for number in (1, 2):
        reply = world.site.answer(post)
        assert (reply.status, location(reply)) == (303, f"/thanks/{number}")
    assert world.ledger.counts["orders"] == {"orders": 2}
    page = browser.submit(filled(world, browser, "/thanks/1"))
    assert titled(page, "Thanks for order 1")
    assert browser.get("/order").status == 405


def test_a_link_works_once() -> None:
    world = World("orders")
    browser = Browser(world)
    first = browser.get("/go/7", follow=False)
    assert (first.status, location(first)) == (302, "/page/7")
    assert browser.get("/go/7").status == 410
    assert is_gate(browser.get("/page/7"))
    assert world.ledger.counts["orders"] == {"links": 1, "links gone": 1}


def test_pages_with_an_etag_are_not_sent_twice() -> None:
    world = World("etag")
    browser = Browser(world)
    pass_gate(world, browser)
    reply = browser.get("/page/4")
    headers = dict(reply.headers)
    assert headers["Cache-Control"] == "private, max-age=0"
    tag = {**browser.headers(), "if-none-match": headers["ETag"]}
    again = world.site.answer(Visit(uri="/page/4", headers=tag))
    assert (again.status, again.body) == (304, b"")
    assert world.site.answer(Visit(uri="/page/5", headers=tag)).status == 200
    gated = Visit(uri="/page/4", headers={"if-none-match": headers["ETag"]})
    assert is_gate(world.site.answer(gated))


# What follows a token

INTERSTITIALS = {
    "metarefresh": b'<meta http-equiv="refresh" content="0;url=/page/3?a=1">',
    "refresh": b"One moment",
    "replace": b'location.replace("/page/3?a=1");',
    "link": b'<a href="/page/3?a=1">',
    "empty": b"",
}


@pytest.mark.parametrize("name", INTERSTITIALS)
def test_an_answer_that_is_not_the_page(name: str) -> None:
    world = World(name)
    browser = Browser(world)
    reply = browser.submit(filled(world, browser, "/page/3?a=1"), follow=False)
    assert reply.status == 200
    assert INTERSTITIALS[name] in reply.body
    assert bool(reply.body) is (name != "empty")
    refreshes = dict(reply.headers).get("Refresh")
    assert refreshes == ("0; url=/page/3?a=1" if name == "refresh" else None)
    assert not is_gate(reply)
    assert is_page(browser.get("/page/3?a=1"), 3, name)


def test_the_gate_again_though_the_token_was_good() -> None:
    world = World("again")
    browser = Browser(world)
    reply = browser.submit(filled(world, browser))
    assert is_gate(reply)
    assert dict(reply.headers)["Refresh"] == "0"
    assert world.ledger.total("accepted") == 1
    assert is_page(browser.get("/page/3"), 3, "again")


def test_a_pass_in_the_url_is_good_on_every_page() -> None:
    world = World("pass")
    browser = Browser(world)
    reply = browser.submit(filled(world, browser, "/page/3?a=1"), follow=False)
    path, _, key = location(reply).partition("?")
    assert path == "/page/3"
    assert key.startswith("pass=")
    assert "&" not in key
    assert is_gate(browser.get("/page/3?a=1"))
    page = browser.get(f"/page/4?a=1&{key}")
    assert is_page(page, 4, "pass")
    assert b'<code class="uri">/page/4?a=1</code>' in page.body
    assert not world.ledger.rejections


# What becomes of a token


def test_a_site_that_hangs_up_after_it_has_read_a_token() -> None:
    world = World("hangup")
    browser = Browser(world)
    form = filled(world, browser)
    assert browser.submit(form).manner == "drop"
    assert world.ledger.tokens_used == 1
    assert is_page(browser.get("/page/3"), 3, "hangup")
    assert browser.submit(form).manner == "drop"
    assert world.ledger.tokens_repeated == 1
    assert world.ledger.counts["hangup"] == {"tokens seen again": 1}


def test_an_api_that_hangs_up() -> None:
    world = World("apihangup")
    assert world.site.answer(Visit(uri="/api/items/1")).manner == "whole"
    token = world.solve()["gRecaptchaResponse"]
    call = Visit(uri=f"/api/items/1?captcha_key={token}", headers={"user-agent": UA})
    assert world.site.answer(call).manner == "drop"
    assert world.ledger.total("accepted") == 1


def test_a_token_in_a_header() -> None:
    world = World("tokenheader")
    browser = Browser(world)
    page = browser.get("/page/3")
    assert page.status == 403
    assert b"/static/gate.js" in page.body
    script = browser.get("/static/gate.js").body
    assert b'setRequestHeader("X-Captcha-Token", token)' in script
    headers = {**browser.headers(), "x-captcha-token": solved(world)}
    reply = world.site.answer(Visit(method="POST", uri="/verify", headers=headers))
    assert reply.status == 302
    assert world.ledger.tokens_repeated == 0
    cookie = dict(reply.headers)["Set-Cookie"].partition(";")[0]
    astray = {**headers, "cookie": cookie}
    world.site.answer(Visit(uri="/page/3", headers=astray))
    assert world.ledger.tokens_repeated == 1
    del astray["x-captcha-token"]
    assert is_page(
        world.site.answer(Visit(uri="/page/3", headers=astray)), 3, "tokenheader"
    )


def solved(world: World, **fields: Any) -> str:
    return world.solve(**fields)["gRecaptchaResponse"]


def test_an_api_that_wants_two_headers() -> None:
    world = World("twoheaders")
    demand = world.site.answer(Visit(uri="/api/items/4", headers={"user-agent": UA}))
    assert demand.status == 400
    told = json.loads(demand.body)
    token = solved(world, rqdata=told["captcha_rqdata"])
    headers = {"user-agent": UA, "x-captcha-key": token}
    answer = world.site.answer(Visit(uri="/api/items/4", headers=headers))
    assert (answer.status, world.ledger.rejections) == (400, {"ticket-missing": 1})
    headers["x-captcha-rqtoken"] = told["captcha_rqtoken"]
    answer = world.site.answer(Visit(uri="/api/items/4", headers=headers))
    assert (answer.status, b"Item 4" in answer.body) == (200, True)


@pytest.mark.parametrize("where", ["uri", "referer", "body", "cookie"])
def test_a_token_is_seen_wherever_it_is(where: str) -> None:
    world = World("seconds")
    token = solved(world)
    visit = Visit(uri="/page/1", headers={"host": "x"})
    spots = {
        "uri": replace(visit, uri=f"/page/1?x={token.replace('=', '%3D')}"),
        "referer": replace(visit, headers={"referer": f"http://x/?t={token}"}),
        "body": replace(visit, method="POST", body=f"a=1&b={token}".encode()),
        "cookie": replace(visit, headers={"cookie": f"t={token}"}),
    }
    world.site.answer(spots["uri"])
    assert world.ledger.tokens_repeated == 0
    world.site.answer(spots[where])
    assert world.ledger.token_requests == {token: 2}
    assert world.ledger.as_dict()["tokens_repeated"] == 1


def test_a_token_is_known_again_when_it_is_encoded() -> None:
    ledger = World("seconds").ledger
    token = f"P1_{'a' * 60}=="
    for sent in (token, token.replace("=", "%3D")):
        ledger.see("seconds", Visit(uri=f"/?t={sent}"))
    assert ledger.token_requests == {token: 2}


@pytest.mark.parametrize(
    ("uri", "section"),
    [("/music/page/1", "music"), ("/a/b/c/d?x=/y", "a"), ("/page/1", ""), ("/", "")],
)
def test_the_section_of_a_page(uri: str, section: str) -> None:
    assert section_of(uri) == section


def test_what_cannot_be_is_refused() -> None:
    for name, change, said in (
        ("seconds", {"drops_query": True}, "method='GET'"),
        ("seconds", {"remembers": "session"}, "entered='redirect'"),
        ("bouncer", {"clearance_scope": "path"}, "grants='cookie'"),
        ("pass", {"answer": "json"}, "answer='redirect'"),
        ("seconds", {"token_header": "x"}, "sender='xhr'"),
    ):
        with pytest.raises(ValueError, match=said):
            gate_of(name, **change)
    with pytest.raises(ValueError, match="grants"):
        Gate(sitekey="x", answer="content", grants="pass")


def test_a_resolver_that_never_leaves_loopback() -> None:
    installed: list[Any] = []

    class Reactor:
        def installResolver(self, resolver: Any) -> None:  # noqa: N802
            installed.append(resolver)

    resolver = LoopbackResolver.from_crawler(None, Reactor())
    resolver.install_on_reactor()
    assert installed == [resolver]
    addresses: list[str] = []
    resolver.getHostByName("shop1.example.com").addCallback(addresses.append)
    assert addresses == ["127.0.0.1"]
