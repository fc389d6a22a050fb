"""The calls of a page's scripts that send its token, and which way goes first."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_onecaptcha._values import is_settable
from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.requests import hop
from scrapy_onecaptcha.crawl.submission import submit
from scrapy_onecaptcha.models import Form, Solution
from scrapy_onecaptcha.pages.detection import detect
from scrapy_onecaptcha.pages.script_callbacks import MAX_CALLS
from scrapy_onecaptcha.pages.script_reader import Script
from scrapy_onecaptcha.request_options import KEYS, RequestOptions

KEY = "1b2c3d4e-0a0b-4c0d-8e0f-a1b2c3d4e5f6"
API = '<script src="https://js.hcaptcha.com/1/api.js"></script>'
URL = "https://shop.test/dir/page?next=%2Fhome"
TOKEN = "P1_the-token"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def page(script: str, before: str = "", after: str = "", more: str = "") -> str:
    return (
        f"<title>Please complete the captcha</title>{API}{before}<div class=h-captcha"
        f" data-sitekey={KEY} data-callback=done {more}></div>{after}"
        f"<script>{script}</script>"
    )


def plan(html: str, **hints: Any) -> Form | None:
    response = HtmlResponse(URL, status=503, body=html.encode())
    challenge = detect(response, RequestOptions(**hints))
    assert challenge is not None
    assert challenge.kind == "gate"
    assert challenge.reason == (None if challenge.form else "no_submission")
    return challenge.form


def call(body: str, rest: str = "", **hints: Any) -> Form | None:
    return plan(page(f"function done(t) {{ {body} }} {rest}"), **hints)


def request_for(form: Form, gate: Request | None = None) -> Request:
    gate = gate or Request(URL)
    request_meta.stamp(gate, 1)
    return submit(gate, HtmlResponse(URL), form, Solution(token=TOKEN, resp_key="E0"))


def sent(form: Form) -> Any:
    """Return what is sent: the fields, as their reader has them."""
    request = request_for(form)
    if form.method == "GET":
        return dict(parse_qsl(urlsplit(request.url).query, strict_parsing=True))
    kind = request.headers["Content-Type"]
    assert kind is not None
    if kind == JSON.encode():
        return json.loads(request.body)
    if kind.startswith(b"multipart/form-data"):
        parts = request.body.split(kind.partition(b"boundary=")[2])[1:-1]
        pairs = (part.strip(b"\r\n-").split(b"\r\n\r\n") for part in parts)
        return {head.split(b'"')[1].decode(): v.decode() for head, v in pairs}
    return dict(parse_qsl(request.body.decode(), strict_parsing=True))


POST = "fetch('/v', {method: 'POST', body: %s})"


@pytest.mark.parametrize(
    ("script", "enctype", "fields"),
    [
        (
            "x.open('post', '/v'); x.setRequestHeader('A', 'b'); x.send('a=1&b=' + t)",
            FORM,
            {"a": "1", "b": TOKEN},
        ),
        (
            POST % '"b=" + encodeURIComponent(t) + "&c=%20"',
            FORM,
            {"b": TOKEN, "c": " "},
        ),
        (POST % "`b=${t}&c=d`", FORM, {"b": TOKEN, "c": "d"}),
        (POST % "`b=${encodeURIComponent(t)}`", FORM, {"b": TOKEN}),
        (POST % "'{\"b\": \"' + t + '\"}'", JSON, {"b": TOKEN}),
        (
            POST % "JSON.stringify({t, 'a': {b: 1, c: [true, null]}, d: `e`})",
            JSON,
            {"t": TOKEN, "a": {"b": 1, "c": [True, None]}, "d": "e"},
        ),
        (
            POST % 'JSON.stringify({data: {"h-captcha-response": t, n: 2}})',
            JSON,
            {"data": {"h-captcha-response": TOKEN, "n": 2}},
        ),
        (
            "const p = new URLSearchParams(); p.append('b', t); p.set('c', 'd');"
            + POST % "p",
            FORM,
            {"b": TOKEN, "c": "d"},
        ),
        (
            POST % "new URLSearchParams({b: t, c: 1}).toString()",
            FORM,
            {"b": TOKEN, "c": "1"},
        ),
        (POST % "new URLSearchParams([['b', t]])", FORM, {"b": TOKEN}),
        (
            "const f = new FormData(); f.append('b', t);" + POST % "f",
            "multipart/form-data",
            {"b": TOKEN},
        ),
        (
            "var data = {b: t, next: location.pathname};"
            + POST % "JSON.stringify(data)",
            JSON,
            {"b": TOKEN, "next": "/dir/page"},
        ),
        (POST % "'b=' + hcaptcha.getResponse()", FORM, {"b": TOKEN}),
        (
            POST % "'b=' + document.querySelector('[name=h-captcha-response]').value",
            FORM,
            {"b": TOKEN},
        ),
        ("$.post('/v', {b: t, c: 'd'}, function () {})", FORM, {"b": TOKEN, "c": "d"}),
        ("jQuery.post('/v', 'b=' + t)", FORM, {"b": TOKEN}),
        ("$.ajax({url: '/v', type: 'POST', data: {b: t}})", FORM, {"b": TOKEN}),
        (
            "$.ajax('/v', {method: 'POST', data: JSON.stringify({b: t})})",
            JSON,
            {"b": TOKEN},
        ),
        ("axios.post('/v', {b: t})", JSON, {"b": TOKEN}),
        ("axios({url: '/v', method: 'post', data: {b: t}})", JSON, {"b": TOKEN}),
        ("navigator.sendBeacon('/v', 'b=' + t)", FORM, {"b": TOKEN}),
        ("send(1, t)", FORM, {"b": TOKEN}),
    ],
)
def test_what_a_call_sends(script: str, enctype: str, fields: dict[str, Any]) -> None:
    helper = "function send(n, r) { $.post('/v', {b: r}) }"
    form = call(script, helper)
    assert form is not None
    assert (form.kind, form.method, form.enctype) == ("call", "POST", enctype)
    assert form.url == "https://shop.test/v"
    assert sent(form) == fields


@pytest.mark.parametrize(
    ("script", "kind", "fields"),
    [
        ("fetch('/v?a=1&b=' + t)", "call", {"a": "1", "b": TOKEN}),
        ("$.get('/v?a=1', {b: t})", "call", {"a": "1", "b": TOKEN}),
        ("axios.get('/v', {params: {b: t}})", "call", {"b": TOKEN}),
        ("window.location.href = '/v?b=' + t + '&a=1'", "form", {"b": TOKEN, "a": "1"}),
        ("location.replace(`/v?b=${t}`)", "form", {"b": TOKEN}),
    ],
)
def test_a_call_by_get(script: str, kind: str, fields: dict[str, str]) -> None:
    form = call(script)
    assert form is not None
    assert (form.kind, form.method, form.url) == (kind, "GET", "https://shop.test/v")
    expected = fields | ({"respKey": "E0"} if kind == "form" else {})
    assert sent(form) == expected


@pytest.mark.parametrize(
    "script",
    [
        POST % "t",
        POST % "'b=' + t + secret()",
        POST % "JSON.stringify({b: t, at: Date.now()})",
        POST % "JSON.stringify({b: t, ...rest})",
        POST % "JSON.stringify({b: 'x' + t})",
        POST % "JSON.stringify([t])",
        POST % "new FormData(document.forms[0])",
        POST % "JSON.stringify({a: 1})",
        "fetch(address(), {method: 'POST', body: 'b=' + t})",
        "fetch('/v/' + t)",
        "fetch('/v/' + t + '?b=' + t)",
        "fetch('/v?b=' + t, {method: 'POST', body: 'b=' + t})",
        "fetch('javascript:' + t)",
        "fetch('/v?b=' + t, {method: 'DELETE'})",
        "x.open('POST', '/v'); y.send('b=' + t)",
        "'fetch(\"/v?b=\" + t)'",
        "// fetch('/v?b=' + t)\n",
        "var a = b; b = a;" + POST % "a",
        "console.log(t)",
    ],
)
def test_what_is_not_known_in_full_is_no_way(script: str) -> None:
    assert call(script) is None


@pytest.mark.parametrize(
    "script",
    [
        f"fetch({'(' * 15_000}t{')' * 15_000})",
        f"fetch({'encodeURIComponent(' * 1_500}t",
        f"fetch('/a', {{body: JSON.stringify({'{a:' * 5_000}t",
        f"fetch({'+'.join('a' * 9_000)} + t)",
        "a = `${a}`;" + POST % "a",
        POST % ("a" + ".toString()" * 2_000),
        "fetch(a);" * 3_000,
        "done(t);" * 3_000,
    ],
)
def test_a_hostile_script_does_not_stop_the_crawl(script: str) -> None:
    assert call(script) is None


def test_what_elements_hold_goes_along() -> None:
    html = page(
        "function done(t) { $.post('/v', {b: t, c: $('#c').val(), d: document"
        ".querySelector('meta[name=d]').content, e: document.getElementById('c').value"
        "}) }",
        before="<input type=hidden id=c value=1><meta name=d content=2>",
    )
    form = plan(html)
    assert form is not None
    assert sent(form) == {"b": TOKEN, "c": "1", "d": "2", "e": "1"}


def test_headers_of_a_call() -> None:
    form = call(
        "fetch('/v', {method: 'POST', headers: {'X-Token': t, 'X-CSRF': 'abc',"
        " 'Content-Type': 'a/b', Cookie: 'x=1', 'Host': 'evil', 'X-Bad': 'a\\nb'}})"
    )
    assert form is not None
    assert (form.header, form.headers) == ("X-Token", (("X-CSRF", "abc"),))
    request = request_for(form, Request(URL, headers={"Cookie": "own=1"}))
    assert request.headers["X-Token"] == TOKEN.encode()
    assert request.headers["X-CSRF"] == b"abc"
    assert request.headers["Cookie"] == b"own=1"
    assert "Host" not in request.headers
    assert "X-Token" not in hop(request, request.url, TOKEN).headers


def test_the_promise_of_execute() -> None:
    for take in ("({ response }) => send(response)", "r => send(r.response)"):
        html = page(
            f"hcaptcha.execute(id, {{async: true}}).then({take});"
            "function send(x) { fetch('/v?b=' + x) }"
        )
        form = plan(html)
        assert form is not None
        assert sent(form) == {"b": TOKEN}


def test_a_button_asks_the_widget_for_its_token() -> None:
    html = page("go.onclick = () => { $.post('/v', {b: hcaptcha.getResponse()}) }")
    form = plan(html.replace("data-callback=done", ""))
    assert form is not None
    assert sent(form) == {"b": TOKEN}


LOGIN = "<input type=email id=m><input type=password id=p>"


@pytest.mark.parametrize("kind", ["gate", "widget"])
@pytest.mark.parametrize("send", ["fetch('/v?b=' + t)", "location = '/v?b=' + t"])
def test_a_call_speaks_for_a_gate_where_nothing_else_is_asked(
    send: str, kind: str
) -> None:
    html = page(f"function done(t) {{ {send} }}").replace(
        "complete the captcha", "wait"
    )
    html += "<p>Wait a moment. " * 80 + (LOGIN if kind == "widget" else "")
    challenge = detect(HtmlResponse(URL, body=html.encode()))
    assert challenge is not None
    assert challenge.kind == kind
    called = any("A script sends" in sentence for sentence in challenge.evidence)
    assert called is (kind == "gate")


# Which way goes first

HIDDEN = "<form id=f action=/f method=post><input type=hidden name=tok id=k></form>"
CALL = "fetch('/call?b=' + t);"


@pytest.mark.parametrize(
    ("script", "url"),
    [
        (f"{CALL} document.getElementById('f').submit()", "/f"),
        (f"{CALL} document.getElementById('k').value = t", "/f"),
        (CALL, "/call"),
        ("other(t)", "/s"),
    ],
)
def test_the_order_of_the_ways(script: str, url: str) -> None:
    silent = "<form action=/s></form>"
    after = HIDDEN if url == "/f" else silent
    form = plan(page(f"function done(t) {{ {script} }}", after=after))
    assert form is not None
    assert form.url == f"https://shop.test{url}"
    around = page(f"function done(t) {{ {script} }}", "<form action=/a>", "</form>")
    form = plan(around)
    assert form is not None
    assert form.url == "https://shop.test/a"


def test_a_form_that_nobody_would_send_gives_way_to_the_call() -> None:
    script = f"function done(t) {{ {CALL} }}"
    form = plan(page(script, "<form>", "</form>"))
    assert form is not None
    assert form.url == "https://shop.test/call"
    form = plan(page(script, "<form>", "<button>Go</button></form>"))
    assert form is not None
    assert (form.kind, form.url) == ("form", URL)


@pytest.mark.parametrize("click", ["click()", "trigger('click')"])
def test_a_button_that_the_callback_clicks(click: str) -> None:
    html = page(
        f"function done(t) {{ $('#go').{click} }}",
        after="<form action=/a></form><form action=/f method=post><button name=no"
        " value=0>No</button><button id=go name=go value=1>Go</button></form>",
    )
    form = plan(html)
    assert form is not None
    assert (form.url, form.fields) == ("https://shop.test/f", (("go", "1"),))


def test_the_button_that_the_callback_clicks_in_the_form_around() -> None:
    html = page(
        "function done(t) { var b = document.getElementById('b'); b.click() }",
        "<form action=/f method=post>",
        "<button id=b name=go value=1 disabled>Go</button></form>",
    )
    form = plan(html)
    assert form is not None
    assert (form.url, form.fields) == ("https://shop.test/f", (("go", "1"),))


@pytest.mark.parametrize(
    "form",
    ["<form id=f action='javascript:void(0)'>", "<form id=f onsubmit='return false'>"],
)
def test_a_form_whose_data_a_script_sends(form: str) -> None:
    html = page(
        "const g = document.getElementById('f'); g.onsubmit = async () => {"
        "fetch('/call', {method: 'POST', body: new FormData(g)}) }",
        f"{form}<input type=hidden name=a value=1>",
        "<button>Go</button></form>",
    )
    read = plan(html.replace("data-callback=done", ""))
    assert read is not None
    assert (read.kind, read.url) == ("call", "https://shop.test/call")
    assert sent(read) == {
        "a": "1",
        "h-captcha-response": TOKEN,
        "g-recaptcha-response": TOKEN,
    }


def test_the_users_field_is_that_of_the_call() -> None:
    form = call(CALL, field="mine")
    assert form is not None
    assert (form.kind, form.token_fields) == ("call", ("mine",))


# Headers and options


@pytest.mark.parametrize("name", ["X-Captcha-Response", "captcha", "Authorization"])
def test_a_header_that_may_be_set(name: str) -> None:
    assert is_settable(name)
    assert KEYS["field"].read("field", f"header:{name}") == f"header:{name}"


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "a:b",
        "é",
        "Host",
        "cookie",
        "Content-Length",
        "Sec-X",
        "x" * 101,
    ],
)
def test_a_header_that_may_not(name: str) -> None:
    assert not is_settable(name)
    with pytest.raises(ValueError, match="header"):
        KEYS["field"].read("field", f"header:{name}")


def test_a_field_may_be_called_anything_else() -> None:
    assert KEYS["field"].read("field", "Host") == "Host"
    assert KEYS["field"].read("field", "data.captcha") == "data.captcha"


def test_calls_within_calls_are_read_so_far_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The arguments of each run to the end of all: unbounded, this took a minute."""
    read: list[int] = []
    arguments = Script.arguments

    def counted(script: Script, start: int) -> Any:
        read.append(start)
        return arguments(script, start)

    monkeypatch.setattr(Script, "arguments", counted)
    assert call("f(" * 15_000) is None
    assert MAX_CALLS <= len(read) < 2 * MAX_CALLS
