"""Sites that cannot be told by what they show: what each shows, takes and grants."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from sandbox_browser import (
    ORIGIN,
    UA,
    Browser,
    Filled,
    World,
    gate_of,
    is_page,
    pass_gate,
)

from scrapy_onecaptcha.sandbox import AWKWARD, GATES, PRODUCTS, Sandbox
from scrapy_onecaptcha.sandbox.sites.directory import FIRMS, NUMBERS

URLENCODED = "application/x-www-form-urlencoded"


def posted(path: str, token: str) -> Filled:
    return Filled(
        url=f"{ORIGIN}{path}",
        method="POST",
        enctype=URLENCODED,
        fields=[("h-captcha-response", token)],
        headers={"referer": f"{ORIGIN}{path}"},
    )


def flat(page: str) -> str:
    return page.replace("\n", " ")


def test_they_are_opened_by_name_only() -> None:
    assert not set(AWKWARD) & {*GATES, *PRODUCTS}
    sandbox = Sandbox(sites=list(AWKWARD), clock=lambda: 0.0)
    assert list(sandbox.sites) == list(AWKWARD)


def test_a_gate_in_the_sites_own_layout() -> None:
    world = World("magazine")
    page = Browser(world).get("/page/3").body.decode()
    assert "<title>The reading room</title>" in page
    assert page.count("<li><a ") == 12
    text = re.sub(
        r"<script.*?</script>|<style.*?</style>|<[^>]+>", "", page, flags=re.DOTALL
    )
    assert len(" ".join(text.split())) > 800
    assert not re.search(
        r"captcha|human|check|robot|verif|continue", text, re.IGNORECASE
    )
    pass_gate(world, browser := Browser(world))
    assert is_page(browser.get("/page/3"), 3, "magazine")
    assert not world.ledger.rejections


def test_a_number_costs_a_captcha_of_its_own() -> None:
    world = World("directory")
    browser = Browser(world)
    listed = pass_gate(world, browser, "/")
    assert listed.count(b'class="firm"') == len(FIRMS)
    page = browser.get("/firm/1").body.decode()
    assert NUMBERS in page
    assert world.sitekey not in page
    assert 'class="phone"' not in page
    token = world.solve(websiteKey=NUMBERS)["gRecaptchaResponse"]
    shown = browser.submit(posted("/firm/1", token)).body
    assert b'class="phone">01' in shown
    assert b'class="h-captcha"' not in shown
    assert not world.ledger.rejections
    again = browser.submit(posted("/firm/1", token)).body
    assert b'class="phone"' not in again
    assert world.ledger.rejections == {"already-seen-response": 1}


def test_a_token_of_the_gate_shows_no_number() -> None:
    world = World("directory")
    pass_gate(world, browser := Browser(world), "/")
    reply = browser.submit(posted("/firm/1", world.solve()["gRecaptchaResponse"]))
    assert b'class="phone"' not in reply.body
    assert world.ledger.rejections == {"sitekey-secret-mismatch": 1}


@pytest.mark.parametrize("path", ["/firm/6", "/firm/0", "/firms"])
def test_other_firms_are_not_known(path: str) -> None:
    world = World("directory")
    pass_gate(world, browser := Browser(world), "/")
    assert browser.get(path).status == 404


def test_without_a_clearance_no_form_but_the_gates_is_taken() -> None:
    world = World("directory")
    token = world.solve(websiteKey=NUMBERS)["gRecaptchaResponse"]
    reply = Browser(world).submit(posted("/firm/1", token))
    assert (reply.status, world.ledger.rejections) == (403, {"action": 1})


def test_a_script_in_a_file_says_how_the_token_is_sent() -> None:
    world = World("bundle")
    browser = Browser(world)
    page = browser.get("/page/3")
    assert page.status == 403
    assert b"/check" not in page.body
    assert b"onSolved" in page.body  # the name of what the file defines
    (path,) = re.findall(rb'<script src="(/[^"]+)"', page.body)
    script = browser.get(path.decode())
    assert (script.status, script.content_type.partition(";")[0]) == (
        200,
        "text/javascript",
    )
    assert b'open("POST", "/check")' in script.body
    assert b"function onSolved(token)" in script.body
    bad = browser.submit(posted("/check", "P1_none"))
    assert bad.body == b"bad"
    good = browser.submit(posted("/check", world.solve()["gRecaptchaResponse"]))
    assert good.body == b"good"
    assert is_page(browser.get("/page/3"), 3, "bundle")


def test_only_a_bundled_gate_has_that_file() -> None:
    for gate in (gate_of("xhr"), replace(gate_of("bundle"), bundled=False)):
        reply = Browser(World(gate), UA).get("/static/gate.js")
        assert b"h-captcha" in reply.body  # the gate, as for any path
    with pytest.raises(ValueError, match="bundled and token_header"):
        gate_of("bookshop", bundled=True)
