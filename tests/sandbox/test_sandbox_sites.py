"""Every site passes a browser with a right solution, and grants what it says."""

from __future__ import annotations

import pytest
from sandbox_browser import (
    GATED,
    UA,
    Browser,
    World,
    gate_of,
    is_gate,
    is_page,
    pass_gate,
    rqdata_of,
)

from scrapy_onecaptcha.sandbox.messages import Visit
from scrapy_onecaptcha.sandbox.service.api import ServiceOptions
from scrapy_onecaptcha.sandbox.sites.gate import Gate
from scrapy_onecaptcha.sandbox.sites.registry import GATES, sitekey_of


@pytest.mark.parametrize("name", GATED)
def test_a_right_submission_leads_to_the_page(name: str) -> None:
    world = World(name, ServiceOptions(latency=60, resp_key="E0_key"))
    browser = Browser(world)
    body = pass_gate(world, browser)
    again = browser.get("/page/3")
    titled = f"Page 3 of {name}".encode()
    assert titled in (again.body if GATES[name].grants != "nothing" else body)  # type: ignore[union-attr]
    assert not world.ledger.rejections
    assert world.ledger.total("accepted") == 1
    assert world.ledger.total("accepted", name) == 1
    assert world.ledger.tokens_used == 1


@pytest.mark.parametrize("name", GATED)
def test_a_gate_page_looks_like_one(name: str) -> None:
    world = World(name)
    gate = GATES[name]
    assert gate is not None
    browser = Browser(world)
    page = browser.get("/page/1")
    assert page.status == gate.status
    assert f"charset={gate.charset}" in page.content_type
    assert gate.sitekey.encode() in page.body
    assert b'src="https://js.hcaptcha.com/1/api.js' in page.body
    assert is_gate(browser.get("/"))
    assert world.ledger.total("gates", name) == 2


@pytest.mark.parametrize("name", GATES)
def test_robots_txt_is_open(name: str) -> None:
    reply = World(name).site.answer(Visit(uri="/robots.txt"))
    assert reply.body == b"User-agent: *\nAllow: /\n"
    assert reply.content_type.startswith("text/plain")


def test_sitekeys_are_one_for_each_site() -> None:
    keys = {gate.sitekey for gate in GATES.values() if gate is not None}
    assert len(keys) == len(GATED)
    assert sitekey_of("wall") == gate_of("wall").sitekey


# What is granted


def test_a_cookie_is_bound_to_the_solutions_user_agent() -> None:
    world = World("bookshop", ServiceOptions(user_agent="Solver/1"))
    browser = Browser(world, "Solver/1")
    pass_gate(world, browser)
    assert is_page(browser.get("/page/4"), 4, "bookshop")
    browser.user_agent = UA
    assert is_gate(browser.get("/page/4"))
    assert world.ledger.clearances_refused == {"user-agent": 1}


def test_an_unknown_clearance_cookie_is_refused() -> None:
    world = World("bookshop")
    browser = Browser(world)
    browser.cookies["clearance_bookshop"] = "made-up"
    assert is_gate(browser.get("/page/4"))
    assert world.ledger.clearances_refused == {"unknown": 1}


def test_clearance_by_address_needs_no_cookie() -> None:
    world = World("bouncer")
    browser = Browser(world)
    pass_gate(world, browser)
    assert not browser.cookies
    assert is_page(Browser(world, "Other/1").get("/page/9"), 9, "bouncer")
    elsewhere = Visit(uri="/page/9", address="127.0.0.2")
    assert is_gate(world.site.answer(elsewhere))


def test_clearance_ends_after_its_time() -> None:
    world = World(gate_of(clearance_seconds=300))
    browser = Browser(world)
    pass_gate(world, browser)
    world.clock.advance(300)
    assert is_page(browser.get("/page/4"), 4, "custom")
    world.clock.advance(1)
    assert is_gate(browser.get("/page/4"))
    assert world.ledger.clearances_refused == {"expired": 1}


@pytest.mark.parametrize("grants", ["cookie", "ip"])
def test_clearance_ends_after_its_pages(grants: str) -> None:
    world = World(gate_of(clearance_pages=2, grants=grants))
    browser = Browser(world)
    pass_gate(world, browser)
    browser.get("/page/4")
    assert is_gate(browser.get("/page/5"))
    assert world.ledger.clearances_refused == {"spent": 1}


def test_a_pass_is_for_one_page_once() -> None:
    world = World("wall")
    browser = Browser(world)
    body = pass_gate(world, browser, "/page/3?a=1&b=%20")
    assert b"Page 3 of wall" in body
    assert b'<code class="uri">/page/3?a=1&amp;b=%20</code>' in body
    assert "pass=" in browser.url
    assert is_gate(browser.get("/page/3"))
    assert is_gate(browser.get(browser.url.partition(":8000")[2]))


def test_a_pass_does_not_open_another_page() -> None:
    world = World("wall")
    browser = Browser(world)
    page = browser.get("/page/3")
    form = browser.fill(page, world.solve()["gRecaptchaResponse"])
    reply = browser.submit(form, follow=False)
    location = dict(reply.headers)["Location"]
    assert is_gate(browser.get(location.replace("/page/3", "/page/4")))
    assert world.ledger.clearances_refused == {"path": 1}
    assert is_page(browser.get(location), 3, "wall")


def test_clearances_of_two_sites_do_not_meet() -> None:
    names = {World(name).site.name for name in GATED}
    assert len(names) == len(GATED)
    world, browser = World("enterprise"), Browser(World("silent"))
    browser.world = world
    pass_gate(world, browser)
    assert list(browser.cookies) == ["clearance_enterprise"]


# How the answers look


def test_the_answers_differ_by_site() -> None:
    answers: dict[str, object] = {}
    for name in GATED:
        world = World(name, ServiceOptions(resp_key="E0_key"))
        browser = Browser(world)
        page = browser.get("/page/3?a=1")
        solution = world.solve(rqdata=rqdata_of(page))
        form = browser.fill(page, solution["gRecaptchaResponse"], "E0_key")
        reply = browser.submit(form, follow=False)
        location = dict(reply.headers).get("Location", "")
        answers[name] = (reply.status, location.partition("&pass=")[0])
    home = "/page/3?a=1"
    assert answers == {
        "bookshop": (302, home),
        "bouncer": (302, home),
        "antibot": (302, home),
        "wall": (302, home),
        "button": (303, home),
        "enterprise": (302, home),
        "asker": (200, ""),
        "silent": (204, ""),
        "thanks": (200, ""),
        "direct": (200, ""),
        "gbk": (302, home),
        "hidden": (302, home),
    }


def test_the_bodies_of_the_answers() -> None:
    worlds = {name: World(name) for name in ("asker", "silent", "thanks", "direct")}
    bodies = {name: pass_gate(w, Browser(w)) for name, w in worlds.items()}
    assert bodies["asker"] == b'{"ok": true}'
    assert bodies["silent"] == b""
    assert b"Thank you" in bodies["thanks"]
    assert b"Page 3 of direct" in bodies["direct"]


def test_who_is_cleared_is_sent_on_from_the_challenge() -> None:
    world = World("antibot")
    browser = Browser(world)
    pass_gate(world, browser)
    reply = browser.get("/challenge?next=%2Fpage%2F7")
    assert is_page(reply, 7, "antibot")


@pytest.mark.parametrize(
    "bad", ["http://evil.invalid/", "//evil.invalid/", "/\\evil", "page/1"]
)
def test_a_challenge_redirects_to_its_own_site_only(bad: str) -> None:
    world = World("antibot")
    browser = Browser(world)
    pass_gate(world, browser)
    reply = browser.get(f"/challenge?next={bad}", follow=False)
    assert dict(reply.headers)["Location"] == "/"


def test_a_redirecting_gate_counts_redirects() -> None:
    world = World("antibot")
    reply = Browser(world).get("/page/3?a=1", follow=False)
    assert reply.status == 302
    assert dict(reply.headers)["Location"] == "/challenge?next=%2Fpage%2F3%3Fa%3D1"
    assert world.ledger.hits == {"antibot": {"/page/3": {"redirects": 1}}}


def test_posts_are_gated_and_echoed() -> None:
    world = World("bouncer")
    post = Visit(method="POST", uri="/page/5?q=1", body=b"name=<Ann>", headers={})
    assert is_gate(world.site.answer(post))
    assert not world.ledger.rejections
    pass_gate(world, Browser(world))
    page = world.site.answer(post)
    assert is_page(page, 5, "bouncer")
    assert b'<pre class="body">name=&lt;Ann&gt;</pre>' in page.body
    assert b'<code class="method">POST</code>' in page.body


def test_a_gate_without_a_way_to_the_page_is_refused() -> None:
    with pytest.raises(ValueError, match="no way to the page"):
        Gate(sitekey=sitekey_of("x"), grants="nothing", answer="json")
    with pytest.raises(ValueError, match="enctype"):
        gate_of("wall", enctype="multipart/form-data")
    with pytest.raises(UnicodeEncodeError):
        gate_of("gbk", state="é", charset="ascii")
