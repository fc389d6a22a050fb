"""siteverify answers as hCaptcha's does."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from sandbox_browser import World

from scrapy_onecaptcha.sandbox import sitekey_of
from scrapy_onecaptcha.sandbox.messages import Visit
from scrapy_onecaptcha.sandbox.service.siteverify import TEST_SECRET, SiteVerify

FORM = "application/x-www-form-urlencoded"


def ask(verify: SiteVerify, method: str = "POST", **fields: str) -> Any:
    data = urlencode({"secret": TEST_SECRET, **fields})
    if method == "GET":
        return json.loads(verify.answer(Visit(uri=f"/siteverify?{data}")).body)
    visit = Visit(
        method="POST",
        uri="/siteverify",
        headers={"content-type": FORM},
        body=data.encode(),
    )
    return json.loads(verify.answer(visit).body)


def codes(answer: Any) -> list[str]:
    assert answer["success"] is False
    listed: list[str] = answer["error-codes"]
    return listed


@pytest.fixture
def world() -> World:
    return World("bookshop")


@pytest.fixture
def token(world: World) -> str:
    return world.solve(websiteURL="http://shop.example:8000/x")["gRecaptchaResponse"]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_right_token(world: World, token: str, method: str) -> None:
    answer = ask(SiteVerify(world.ledger), method, response=token, remoteip="127.0.0.1")
    assert answer == {
        "success": True,
        "challenge_ts": "1970-01-12T13:46:50.000+00:00",
        "hostname": "shop.example",
        "credit": False,
    }
    assert world.ledger.calls["siteverify"] == 1


def test_a_token_is_seen_once(world: World, token: str) -> None:
    verify = SiteVerify(world.ledger)
    assert ask(verify, response=token)["success"]
    assert codes(ask(verify, response=token)) == ["already-seen-response"]


def test_a_token_expires(world: World, token: str) -> None:
    world.clock.advance(121)
    answer = ask(SiteVerify(world.ledger), response=token)
    assert codes(answer) == ["expired-input-response"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"response": ""}, ["missing-input-response"]),
        ({"response": "P1_made_up"}, ["invalid-input-response"]),
        ({"secret": "", "response": "x"}, ["missing-input-secret"]),
        ({"secret": ""}, ["missing-input-secret", "missing-input-response"]),
        ({"secret": "0x1", "response": "x"}, ["invalid-input-secret"]),
    ],
)
def test_wrong_input(world: World, fields: dict[str, str], expected: list[str]) -> None:
    assert codes(ask(SiteVerify(world.ledger), **fields)) == expected


def test_the_sitekey_must_be_the_tokens(world: World, token: str) -> None:
    other = sitekey_of("wall")
    answer = ask(SiteVerify(world.ledger), response=token, sitekey=other)
    assert codes(answer) == ["sitekey-secret-mismatch"]


def test_a_secret_belongs_to_its_sitekey(world: World, token: str) -> None:
    secrets = {"0xwall": sitekey_of("wall"), "0xshop": sitekey_of("bookshop")}
    verify = SiteVerify(world.ledger, secrets)
    assert codes(ask(verify, response=token)) == ["invalid-input-secret"]
    named = ask(verify, secret="0xwall", response=token, sitekey=sitekey_of("bookshop"))
    assert codes(named) == ["sitekey-secret-mismatch"]
    assert ask(verify, secret="0xshop", response=token)["success"]
    again = World("bookshop")
    token = again.solve()["gRecaptchaResponse"]
    verify = SiteVerify(again.ledger, secrets)
    wrong = ask(verify, secret="0xwall", response=token)
    assert codes(wrong) == ["sitekey-secret-mismatch"]


def test_json_is_no_form(world: World) -> None:
    visit = Visit(
        method="POST", uri="/", headers={"content-type": "application/json"}, body=b"{}"
    )
    answer = json.loads(SiteVerify(world.ledger).answer(visit).body)
    assert codes(answer) == ["bad-request"]
