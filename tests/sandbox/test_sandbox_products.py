"""Sites that behave as products do: what each shows, takes and grants."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from sandbox_browser import (
    ORIGIN,
    UA,
    Browser,
    Filled,
    FormReader,
    World,
    gate_of,
    is_gate,
    is_page,
    pass_gate,
)

from scrapy_onecaptcha.sandbox import GATES, PRODUCTS, Sandbox
from scrapy_onecaptcha.sandbox.messages import Reply, Visit
from scrapy_onecaptcha.sandbox.service.api import ServiceOptions
from scrapy_onecaptcha.sandbox.sites.api import Api


def location(reply: Reply) -> str:
    return dict(reply.headers).get("Location", "")


def cookies(reply: Reply) -> list[str]:
    return [value for name, value in reply.headers if name == "Set-Cookie"]


def test_products_are_opened_by_name_only() -> None:
    assert not set(PRODUCTS) & set(GATES)
    sandbox = Sandbox(sites=["crowdsec", "api"], clock=lambda: 0.0)
    assert list(sandbox.sites) == ["crowdsec", "api"]
    keys = {site.sitekey for site in PRODUCTS.values()}
    assert len(keys) == len(PRODUCTS)


@pytest.mark.parametrize("name", PRODUCTS)
def test_robots_txt_is_open(name: str) -> None:
    reply = World(name).site.answer(Visit(uri="/robots.txt"))
    assert reply.body == b"User-agent: *\nAllow: /\n"


# A bouncer that remembers addresses


def test_an_address_is_remembered_with_its_last_page() -> None:
    world = World("crowdsec")
    browser = Browser(world)
    page = browser.get("/page/3?a=1")
    assert page.status == 200
    token = world.solve()["gRecaptchaResponse"]
    form = browser.fill(page, token)
    assert [name for name, _ in form.fields] == [
        "h-captcha-response",
        "g-recaptcha-response",
    ]
    Browser(world).get("/page/8?b=2")
    reply = browser.submit(form, follow=False)
    assert (reply.status, location(reply)) == (302, "/page/8")
    assert not cookies(reply)
    assert is_page(browser.get("/page/3?a=1"), 3, "crowdsec")
    assert is_page(Browser(world, "Other/1").get("/page/9"), 9, "crowdsec")
    assert not world.ledger.rejections


@pytest.mark.parametrize(("seconds", "passes"), [(60, True), (61, False)])
def test_an_address_is_remembered_for_a_minute(seconds: float, passes: bool) -> None:
    world = World("crowdsec", ServiceOptions(latency=seconds))
    browser = Browser(world)
    page = browser.get("/page/3")
    form = browser.fill(page, world.solve()["gRecaptchaResponse"])
    reply = browser.submit(form)
    assert is_page(reply, 3, "crowdsec") is passes
    assert is_gate(reply) is not passes
    assert world.ledger.rejections == ({} if passes else {"page-expired": 1})
    if not passes:  # the token is still good, and the page is fresh now
        assert is_page(browser.submit(form), 3, "crowdsec")


def test_who_was_shown_no_page_has_nothing_to_submit() -> None:
    world = World("crowdsec")
    browser = Browser(world)
    form = browser.fill(browser.get("/page/3"), world.solve()["gRecaptchaResponse"])
    visit = form.visit(browser.headers())
    elsewhere = Visit(
        method="POST",
        uri=visit.uri,
        headers=visit.headers,
        body=visit.body,
        address="127.0.0.2",
    )
    assert is_gate(world.site.answer(elsewhere))
    assert world.ledger.rejections == {"page-expired": 1}


def test_what_a_cleared_address_submits_goes_to_the_site() -> None:
    world = World("crowdsec")
    browser = Browser(world)
    form = browser.fill(browser.get("/page/3"), world.solve()["gRecaptchaResponse"])
    pass_gate(world, Browser(world), "/page/4")
    reply = browser.submit(form)
    assert is_page(reply, 3, "crowdsec")
    assert b'<code class="method">POST</code>' in reply.body
    assert not world.ledger.rejections
    assert world.ledger.tokens_used == 1


# One that reads Accept


@pytest.mark.parametrize("accept", ["application/json", "*/*", ""])
def test_one_word_for_those_who_read_no_html(accept: str) -> None:
    world = World("haproxy")
    reply = world.site.answer(Visit(uri="/page/1", headers={"accept": accept}))
    assert (reply.status, reply.body) == (200, b"Forbidden")
    assert reply.content_type.startswith("text/plain")
    assert world.ledger.total("forbidden", "haproxy") == 1
    assert world.ledger.total("gates", "haproxy") == 0


def test_a_cleared_visitor_may_accept_what_he_likes() -> None:
    world = World("haproxy")
    browser = Browser(world)
    page = browser.get("/page/3?a=1")
    form = browser.fill(page, world.solve()["gRecaptchaResponse"])
    reply = browser.submit(form, follow=False)
    assert (reply.status, location(reply)) == (302, "/page/3?a=1")
    assert len(cookies(reply)) == 1
    headers = {**browser.headers(), "accept": "application/json"}
    headers["cookie"] = cookies(reply)[0].partition(";")[0]
    answer = world.site.answer(Visit(uri="/page/3", headers=headers))
    assert is_page(answer, 3, "haproxy")


# A callback that sends the token


def test_a_page_without_a_form_has_its_token_sent_by_script() -> None:
    world = World("xhr")
    browser = Browser(world)
    page = browser.get("/page/3")
    assert page.status == 503
    assert b"<form" not in page.body
    assert b'.open("POST", "/captcha")' in page.body
    assert b'.send("h-captcha-response=" + token)' in page.body
    form = browser.fill(page, world.solve()["gRecaptchaResponse"])
    reply = browser.submit(form)
    assert (reply.status, reply.body) == (200, b"good")
    assert len(cookies(reply)) == 1
    assert is_page(browser.get("/page/3"), 3, "xhr")


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("invalid-input-response", {"fields": [("h-captcha-response", "P1_x")]}),
        ("missing-input-response", {"fields": [("g-recaptcha-response", "P1_x")]}),
        ("action", {"url": f"{ORIGIN}/page/3"}),
        ("enctype", {"enctype": "multipart/form-data"}),
        ("origin", {"headers": {"referer": f"{ORIGIN}/", "origin": "null"}}),
    ],
)
def test_a_wrong_call_is_told_so(reason: str, change: dict[str, Any]) -> None:
    world = World("xhr")
    browser = Browser(world)
    form = browser.fill(browser.get("/page/3"), world.solve()["gRecaptchaResponse"])
    for name, value in change.items():
        setattr(form, name, value)
    reply = browser.submit(form)
    assert (reply.status, reply.body) == (200, b"bad")
    assert reason in world.ledger.rejections
    assert not cookies(reply)
    assert is_gate(browser.get("/page/3"))


# WordPress


def test_wordpress_opens_for_five_minutes() -> None:
    world = World("wordpress")
    browser = Browser(world)
    body = pass_gate(world, browser, "/page/3?a=1&b=%26")
    assert b'<code class="uri">/page/3?a=1&amp;b=%26</code>' in body
    world.clock.advance(300)
    assert is_page(browser.get("/page/4"), 4, "wordpress")
    world.clock.advance(1)
    assert is_gate(browser.get("/page/4"))
    assert world.ledger.clearances_refused == {"expired": 1}


def test_wordpress_writes_its_page_its_own_way() -> None:
    page = Browser(World("wordpress")).get("/page/3?a=1&b=2")
    text = page.body.decode()
    assert page.status == 200
    assert "Verifying you are human" in text
    assert '<h-captcha class="h-captcha" data-sitekey=' in text
    assert 'action="/page/3?a=1&#038;b=2"' in text
    assert "onSolved" not in text
    reader = FormReader()
    reader.feed(text)
    assert reader.form["action"] == "/page/3?a=1&b=2"
    assert [name for name, _ in reader.fields] == [
        "hcaptcha_protect_content_nonce",
        "hcaptcha-widget-id",
        "hcap_hp_sig",
        "hcap_hp_4a7d1e",
    ]


# A proof of work


def test_a_proof_of_work_is_wanted_besides() -> None:
    world = World("pow")
    browser = Browser(world)
    reply = browser.get("/page/3?a=1", follow=False)
    assert location(reply) == "/bot-check?next=%2Fpage%2F3%3Fa%3D1"
    page = browser.get(location(reply))
    assert page.status == 403
    form = browser.fill(page, world.solve()["gRecaptchaResponse"])
    form.drop("g-recaptcha-response")
    again = browser.submit(form)
    assert is_gate(again)
    assert world.ledger.rejections == {"ticket-missing": 1, "proof-of-work": 1}


def test_who_does_the_work_gets_in() -> None:
    world = World("pow")
    browser = Browser(world)
    page = browser.get("/page/3?a=1")
    challenge = page.body.decode().partition('data-pow="')[2].partition('"')[0]
    tries = (f"{challenge}#{number}" for number in range(100_000))
    proof = next(
        text
        for text in tries
        if hashlib.sha256(text.encode()).hexdigest().startswith("00")
    )
    form = browser.fill(page, world.solve()["gRecaptchaResponse"])
    form.drop("g-recaptcha-response")
    form.set("pow_response", proof)
    assert is_page(browser.submit(form), 3, "pow")


# APIs


class Client:
    """Calls an API, and answers its demand."""

    def __init__(self, name: str) -> None:
        self.world = World(name)
        self.name = name

    def call(
        self,
        uri: str = "/api/items/3",
        told: object = None,
        *,
        method: str = "",
        body: bytes | None = None,
        **headers: str,
    ) -> tuple[int, Any]:
        sent = {"user-agent": UA, "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body is None:
            body = b"" if told is None else json.dumps(told).encode()
        method = method or ("POST" if body else "GET")
        reply = self.world.site.answer(
            Visit(method=method, uri=uri, headers=sent, body=body)
        )
        assert reply.content_type == "application/json"
        return reply.status, json.loads(reply.body)

    def token(self, demand: Any) -> str:
        rqdata = demand.get("captcha_rqdata", "")
        fields = {"rqdata": rqdata} if rqdata else {}
        return self.world.solve(**fields)["gRecaptchaResponse"]

    @property
    def rejections(self) -> list[str]:
        return list(self.world.ledger.rejections)


def test_an_api_takes_its_token_in_the_body() -> None:
    client = Client("api")
    told = {"name": "Ann", "quantity": 2, "tags": [{"a": None}]}
    status, demand = client.call("/api/items", told)
    assert status == 400
    assert demand["captcha_key"] == ["captcha-required"]
    assert demand["captcha_service"] == "hcaptcha"
    assert demand["captcha_sitekey"] == PRODUCTS["api"].sitekey
    own = {
        "captcha_key": client.token(demand),
        "captcha_rqtoken": demand["captcha_rqtoken"],
    }
    status, item = client.call("/api/items", {**told, **own})
    assert (status, item["title"]) == (201, "Item 1 of api")
    assert item["request"]["fields"] == [list(pair) for pair in told.items()]
    assert not client.rejections
    # Each call needs a token of its own.
    assert client.call("/api/items", told)[0] == 400
    assert client.call("/api/items", {**told, **own})[0] == 400
    assert client.rejections == ["ticket-used"]


def test_an_api_takes_its_token_in_the_query_of_a_get() -> None:
    client = Client("apikey")
    status, demand = client.call("/api/items/7?q=1")
    assert status == 400
    assert "captcha_rqdata" not in demand
    token = client.token(demand)
    status, item = client.call(f"/api/items/7?q=1&captcha_key={token}")
    assert (status, item["id"]) == (200, 7)
    assert item["request"]["fields"] == [["q", "1"]]
    assert client.call(f"/api/items/7?captcha_key={token}")[0] == 400
    assert client.rejections == ["already-seen-response"]


def test_an_api_takes_its_token_in_a_header() -> None:
    client = Client("apiheader")
    status, demand = client.call("/api/items/7")
    assert status == 400
    assert demand == {
        "success": False,
        "error": "captcha-required",
        "sitekey": PRODUCTS["apiheader"].sitekey,
    }
    status, item = client.call(x_captcha_response=client.token(demand))
    assert (status, item["title"]) == (200, "Item 3 of apiheader")
    form = Filled("", "POST", "", [("name", "Ann & Bob")]).urlencoded()
    kind = "application/x-www-form-urlencoded"
    status, item = client.call(
        "/api/items",
        body=form,
        content_type=kind,
        x_captcha_response=client.token(demand),
    )
    assert (status, item["request"]["fields"]) == (201, [["name", "Ann & Bob"]])
    refusal = client.call(x_captcha_response="P1_x")[1]
    assert refusal["error"] == "invalid-input-response"
    assert client.call("/api/items/7?captcha_key=x")[0] == 400
    assert client.rejections == ["invalid-input-response", "unknown-field"]


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("ticket-missing", {"captcha_rqtoken": ""}),
        ("ticket-unknown", {"captcha_rqtoken": "x"}),
        ("invalid-input-response", {"captcha_key": "P1_x"}),
        ("missing-input-response", {"captcha_key": ""}),
        ("malformed-form", {"captcha_key": ["P1_x"]}),
        ("unknown-field", {"h-captcha-response": "x"}),
        ("unknown-field", {"quantity": "2"}),
    ],
)
def test_an_api_refuses(reason: str, change: dict[str, object]) -> None:
    client = Client("api")
    told: dict[str, object] = {"name": "Ann", "quantity": 2}
    _, demand = client.call("/api/items", told)
    told |= {
        "captcha_key": client.token(demand),
        "captcha_rqtoken": demand["captcha_rqtoken"],
    }
    status, again = client.call("/api/items", told | change)
    assert (status, again["captcha_key"]) == (400, ["invalid-response"])
    assert client.rejections == [reason]
    assert again["captcha_rqdata"] != demand["captcha_rqdata"]


def test_an_api_refuses_the_ticket_of_another_call() -> None:
    client = Client("api")
    _, demand = client.call("/api/items/3")
    token, ticket = client.token(demand), demand["captcha_rqtoken"]
    told = {"captcha_key": token, "captcha_rqtoken": ticket}
    assert client.call("/api/items", told)[0] == 400
    assert client.rejections == ["ticket-path"]


def test_an_api_refuses_a_token_for_other_rqdata() -> None:
    client = Client("api")
    _, demand = client.call("/api/items", {"name": "Ann"})
    told = {
        "captcha_key": client.world.solve(rqdata="other")["gRecaptchaResponse"],
        "captcha_rqtoken": demand["captcha_rqtoken"],
    }
    assert client.call("/api/items", told)[0] == 400
    assert client.rejections == ["rqdata-mismatch"]


@pytest.mark.parametrize(
    ("reason", "body", "kind"),
    [
        ("malformed-form", b"{", "application/json"),
        ("malformed-form", b"[1]", "application/json"),
        ("field-twice", b'{"name": "a", "name": "b"}', "application/json"),
        ("enctype", b"name=Ann", "application/x-www-form-urlencoded"),
    ],
)
def test_an_api_reads_json_only(reason: str, body: bytes, kind: str) -> None:
    client = Client("api")
    assert client.call("/api/items", body=body, content_type=kind)[0] == 400
    assert client.rejections == [reason]


def test_an_api_has_items_only() -> None:
    client = Client("api")
    assert client.call("/page/1")[0] == 404
    assert client.call("/api/items", method="GET")[0] == 405
    assert client.call("/api/items/1", method="POST")[0] == 405
    field = "captcha_key=x&captcha_key=y"
    assert client.call(f"/api/items/1?{field}")[0] == 400
    assert client.rejections == ["field-twice"]


# What cannot be


def test_what_cannot_be_is_refused() -> None:
    for change in ({"action": ""}, {"method": "GET"}, {"nonce": True}):
        with pytest.raises(ValueError, match="sender='xhr' is a POST"):
            gate_of("xhr", **change)
    for change in ({"nonce": True}, {"action": "/x"}):
        with pytest.raises(ValueError, match="by_address"):
            gate_of("crowdsec", **change)
    with pytest.raises(ValueError, match="in the same way"):
        Api(sitekey="x", rqdata=True, header="x-captcha-response")
