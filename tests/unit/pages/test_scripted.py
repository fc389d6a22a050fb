"""What a page's scripts send, and which way goes first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.http import HtmlResponse

from scrapy_onecaptcha._values import is_settable
from scrapy_onecaptcha.pages.detection import detect, detect_with
from scrapy_onecaptcha.pages.html import MAX_BYTES
from scrapy_onecaptcha.pages.scripted import Scripts, cookies_of, visit_of
from scrapy_onecaptcha.request_options import KEYS, UNSET, RequestOptions
from scrapy_onecaptcha.scripts.models import Reading
from scrapy_onecaptcha.scripts.visit import DRY_TOKENS
from tests.corpus.script_pages import JQUERY
from tests.unit.pages.running import detect_running, visited

if TYPE_CHECKING:
    from scrapy_onecaptcha.models import Challenge, Form
    from scrapy_onecaptcha.scripts.models import Sending

KEY = "1b2c3d4e-0a0b-4c0d-8e0f-a1b2c3d4e5f6"
API = '<script src="https://js.hcaptcha.com/1/api.js"></script>'
LIBRARY = "<script src=/jquery.js></script>"
URL = "https://shop.test/dir/page?next=%2Fhome"
T = DRY_TOKENS[0]
FORM, JSON, TEXT = "application/x-www-form-urlencoded", "application/json", "text/plain"
MULTIPART = "multipart/form-data"


def page(script: str, before: str = "", after: str = "", more: str = "") -> str:
    library = LIBRARY if "$" in script else ""
    return (
        f"<title>Please complete the captcha</title>{API}{library}{before}<div "
        f"class=h-captcha data-sitekey={KEY} data-callback=done {more}></div>{after}"
        f"<script>{script}</script>"
    )


def response_of(html: str) -> HtmlResponse:
    return HtmlResponse(URL, status=503, body=html.encode(), encoding="utf-8")


def gate(html: str, **hints: Any) -> Challenge:
    response, options = response_of(html), RequestOptions(**hints)
    challenge = detect_running(response, options, **{"/jquery.js": JQUERY})
    assert challenge is not None
    assert challenge.kind == "gate"
    return challenge


def plan(html: str, **hints: Any) -> Form | None:
    challenge = gate(html, **hints)
    assert challenge.solvable is (challenge.form is not None)
    return challenge.form


def call(body: str, rest: str = "", **hints: Any) -> Form | None:
    return plan(page(f"function done(t) {{ {body} }} {rest}"), **hints)


def sending(html: str) -> Sending | None:
    return visited(response_of(html), **{"/jquery.js": JQUERY}).sending


def held(sent: Sending) -> Any:
    """Return what is sent: the fields, or the JSON."""
    if sent.fields is not None:
        return dict(sent.fields)
    try:
        return json.loads(sent.body or "")
    except ValueError:
        return sent.body


POST = "fetch('/v', {method: 'POST', body: %s})"
AS_JSON = (
    "fetch('/v', {method: 'POST', headers: {'Content-Type': 'application/json'},"
    " body: JSON.stringify(%s)})"
)


@pytest.mark.parametrize(
    ("script", "enctype", "fields"),
    [
        (
            f"var x = new XMLHttpRequest(); x.open('post', '/v'); x.setRequestHeader('Content-Type', '{FORM}'); x.send('a=1&b=' + t)",
            FORM,
            {"a": "1", "b": T},
        ),
        (POST % "'b=' + encodeURIComponent(t) + '&c=%20'", TEXT, f"b={T}&c=%20"),
        (AS_JSON % "{t, 'a': {b: 1, c: [true, null]}, d: `e`}", JSON, {"t": T, "a": {"b": 1, "c": [True, None]}, "d": "e"}),
        (AS_JSON % "[t]", JSON, [T]),
        (AS_JSON % "{b: 'x' + t}", JSON, {"b": f"x{T}"}),
        ("const p = new URLSearchParams(); p.append('b', t); p.set('c', 'd');" + POST % "p", FORM, {"b": T, "c": "d"}),
        (POST % "new URLSearchParams([['b', t]])", FORM, {"b": T}),
        ("const f = new FormData(); f.append('b', t);" + POST % "f", MULTIPART, {"b": T}),
        ("var data = {b: t, next: location.pathname};" + AS_JSON % "data", JSON, {"b": T, "next": "/dir/page"}),
        (AS_JSON % "{b: hcaptcha.getResponse()}", JSON, {"b": T}),
        (AS_JSON % "{b: document.querySelector('[name=h-captcha-response]').value}", JSON, {"b": T}),
        ("$.post('/v', {b: t, c: 'd'}, function () {})", FORM, {"b": T, "c": "d"}),
        ("jQuery.post('/v', 'b=' + t) /* $ */", FORM, {"b": T}),
        ("$.ajax({url: '/v', type: 'POST', data: {b: t}})", FORM, {"b": T}),
        ("$.ajax('/v', {method: 'POST', contentType: 'application/json', data: JSON.stringify({b: t})})", JSON, {"b": T}),
        ("navigator.sendBeacon('/v', new URLSearchParams({b: t}))", FORM, {"b": T}),
        ("send(1, t)", FORM, {"b": T}),
        ("$.post('/v', {b: t, c: $('#c').val(), d: document.querySelector('meta[name=d]').content})", FORM, {"b": T, "c": "1", "d": "2"}),
    ],
)  # fmt: skip
def test_what_a_call_sends(script: str, enctype: str, fields: Any) -> None:
    helper = "function send(n, r) { $.post('/v', {b: r}) }"
    html = page(
        f"function done(t) {{ {script} }} {helper}",
        before="<input type=hidden id=c value=1><meta name=d content=2>",
    )
    sent = sending(html)
    assert sent is not None
    assert (sent.method, sent.url, sent.enctype) == (
        "POST",
        "https://shop.test/v",
        enctype,
    )
    assert held(sent) == fields
    form = plan(html)
    assert form is not None
    assert (form.kind, form.method, form.enctype) == ("call", "POST", enctype)
    assert form.shape == sent.shape


@pytest.mark.parametrize(
    ("script", "kind", "fields"),
    [
        ("fetch('/v?a=1&b=' + t)", "call", {"a": "1", "b": T}),
        ("$.get('/v?a=1', {b: t})", "call", {"a": "1", "b": T}),
        ("window.location.href = '/v?b=' + t + '&a=1'", "form", {"b": T, "a": "1"}),
        ("location.replace(`/v?b=${t}`)", "form", {"b": T}),
    ],
)
def test_a_call_by_get(script: str, kind: str, fields: dict[str, str]) -> None:
    form = call(script)
    assert form is not None
    assert (form.kind, form.method, form.url) == (kind, "GET", "https://shop.test/v")
    assert {*form.token_fields, *dict(form.fields)} == set(fields)
    assert form.token_fields == ("b",)


@pytest.mark.parametrize(
    "script",
    [
        POST % "'b=' + t + secret()",
        POST % "JSON.stringify({b: t, ...rest})",
        "fetch(address(), {method: 'POST', body: 'b=' + t})",
        "fetch('http://')",
        "x.open('POST', '/v'); x.send('b=' + t)",
        "'fetch(\"/v?b=\" + t)'",
        "// fetch('/v?b=' + t)\n",
        "console.log(t)",
    ],
)
def test_what_sends_nothing_is_no_way(script: str) -> None:
    challenge = gate(page(f"function done(t) {{ {script} }}"))
    assert (challenge.form, challenge.reason) == (None, "no_submission")


def test_headers_of_a_call() -> None:
    form = call(
        "fetch('/v', {method: 'POST', headers: {'X-Token': t, 'X-CSRF': 'abc',"
        " Cookie: 'x=1', 'Host': 'evil'}})"
    )
    assert form is not None
    assert (form.header, form.headers) == ("x-token", (("x-csrf", "abc"),))


def test_a_token_in_a_cookie() -> None:
    form = call("document.cookie = 'seen=' + t; location.reload()")
    assert form is not None
    assert (form.method, form.url, form.header) == ("GET", URL, "Cookie")


def test_the_promise_of_execute() -> None:
    for take in ("({ response }) => send(response)", "r => send(r.response)"):
        html = page(
            "addEventListener('load', () => hcaptcha.execute({async: true})"
            f".then({take})); function send(x) {{ fetch('/v?b=' + x) }}"
        )
        form = plan(html)
        assert form is not None
        assert form.token_fields == ("b",)


def test_a_button_asks_the_widget_for_its_token() -> None:
    script = "go.onclick = () => { $.post('/v', {b: hcaptcha.getResponse()}) }"
    html = page(script, before="<button id=go>Go</button>")
    form = plan(html.replace("data-callback=done", ""))
    assert form is not None
    assert form.token_fields == ("b",)


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
    response = HtmlResponse(URL, body=html.encode(), encoding="utf-8")
    challenge = detect_running(response)
    assert challenge is not None
    assert challenge.kind == kind


# Which way goes first

HIDDEN = "<form id=f action=/f method=post><input type=hidden name=tok id=k></form>"
CALL = "fetch('/call?b=' + t);"


@pytest.mark.parametrize(
    ("script", "url"),
    [
        (f"{CALL} document.getElementById('f').submit()", "/call"),
        ("document.getElementById('k').value = t; document.forms.f.submit()", "/f"),
        (CALL, "/call"),
    ],
)
def test_the_order_of_the_ways(script: str, url: str) -> None:
    form = plan(page(f"function done(t) {{ {script} }}", after=HIDDEN))
    assert form is not None
    assert form.url == f"https://shop.test{url}"


@pytest.mark.parametrize("click", ["click()", "trigger('click')"])
def test_a_button_that_the_callback_clicks(click: str) -> None:
    html = page(
        f"function done(t) {{ $('#go').{click} }}",
        "<form action=/a></form><form action=/f method=post><button name=no value=0>"
        "No</button><button id=go name=go value=1>Go</button>",
        "</form>",
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
        "const g = document.getElementById('f'); g.onsubmit = () => {"
        "fetch('/call', {method: 'POST', body: new FormData(g)}); return false }",
        f"{form}<input type=hidden name=a value=1>",
        "<button>Go</button></form>",
    )
    read = plan(html.replace("data-callback=done", ""))
    assert read is not None
    assert (read.kind, read.url, read.fields) == (
        "call", "https://shop.test/call", (("a", "1"),),
    )  # fmt: skip


# What is read without running anything

PLAIN = f"{API}<title>Are you human?</title><form method=post action=/v><div class=h-captcha data-sitekey={KEY}></div><button>Go</button></form>"


def test_a_plain_form_needs_no_scripts() -> None:
    challenge = detect(response_of(PLAIN))
    assert challenge is not None
    assert (challenge.needs_scripts, challenge.solvable) == (False, True)
    assert challenge.form is not None
    assert challenge.form.shape == ()


@pytest.mark.parametrize(
    "more",
    [
        "<script>track()</script>",
        "<script src=/app.js></script><form method=post></form>",
        "<p onclick='go()'>x</p>",
    ],
)
def test_scripts_may_change_what_a_form_sends(more: str) -> None:
    challenge = detect(response_of(PLAIN + more))
    assert challenge is not None
    assert challenge.needs_scripts is ("/app.js" not in more)
    assert challenge.form is not None  # what it would be without them


def test_a_gate_of_scripts_says_so() -> None:
    challenge = detect(response_of(page("function done(t) { fetch('/v?' + t) }")))
    assert challenge is not None
    assert (challenge.kind, challenge.sitekey) == ("gate", KEY)
    assert (challenge.needs_scripts, challenge.solvable) == (True, False)
    assert challenge.reason == "scripts_not_run"


@pytest.mark.parametrize("reason", ["no_engine", "scripts_off"])
def test_without_an_engine_plain_forms_are_left(reason: Any) -> None:
    scripts = Scripts(reason=reason, sentence="There is none.")
    plain = detect_with(response_of(f"{PLAIN}<script>track()</script>"), UNSET, scripts)
    assert plain is not None
    assert plain.solvable
    gate = detect_with(response_of(page("function done() {}")), UNSET, scripts)
    assert gate is not None
    assert (gate.kind, gate.solvable, gate.reason) == ("gate", False, reason)
    assert "There is none." in gate.evidence


@pytest.mark.parametrize(
    ("reading", "reason", "named"),
    [
        (Reading(stopped="its scripts take too long"), "scripts_failed", "too long"),
        (Reading(missing_scripts=("/app.js",)), "scripts_missing", "/app.js"),
        (Reading(lacking=("WebSocket",)), "scripts_missing", "WebSocket"),
        (Reading(needs=("/config",)), "scripts_missing", "/config"),
        (Reading(posts=True), "scripts_missing", "a POST"),
        (Reading(), "no_submission", "No script"),
    ],
)
def test_what_is_no_reading(reading: Reading, reason: str, named: str) -> None:
    html = page("function done(t) { fetch('/v?' + t) }")
    challenge = detect_with(response_of(html), UNSET, Scripts(reading=reading))
    assert challenge is not None
    assert (challenge.solvable, challenge.reason) == (False, reason)
    assert named in " ".join(challenge.evidence)


def test_an_error_for_lack_of_a_script_is_no_reading() -> None:
    html = page(
        "$('#f').on('submit', e => { e.preventDefault(); $.post('/v', {b: 1}) })",
        "<form id=f method=post>",
        "<button>Go</button></form>",
    )
    lone = detect_running(response_of(html))
    assert lone is not None
    assert lone.reason == "scripts_missing"


def test_detect_runs_the_scripts_when_told_to() -> None:
    response = response_of(page("function done(t) { fetch('/v?b=' + t) }"))
    challenge = detect(response, scripts=True)
    assert challenge is not None
    assert challenge.form is not None
    assert challenge.form.token_fields == ("b",)
    assert not challenge.needs_scripts


def test_a_cookie_that_is_tried_for_nothing() -> None:
    challenge = gate(
        page(
            "function done() { document.cookie = 'seen=1; path=/'; location.reload() }"
        )
    )
    assert challenge.free_cookies == ("seen=1; path=/",)
    assert challenge.reason == "no_submission"


def test_a_visit_has_what_a_browser_would_bring() -> None:
    response = HtmlResponse(
        URL,
        body="<p>ü".encode("cp1252"),
        encoding="cp1252",
        headers={"Set-Cookie": ["a=1; Path=/", "b=2; HttpOnly", "bad"]},
    )
    visit = visit_of(response)
    assert (visit.html, visit.url, visit.charset) == ("<p>ü", URL, "windows-1252")
    assert visit.cookies == cookies_of(response) == (("a", "1"),)


def test_a_password_in_an_address_is_not_said() -> None:
    asks = "const x = new XMLHttpRequest(); x.open('GET', '//u:secret@shop.test/d'); x.send()"
    throws = "throw new Error('no https://u:secret@shop.test/')"
    for script, reason in ((asks, "scripts_missing"), (throws, "no_submission")):
        found = gate(page(f"function done(t) {{ {script} }}"))
        assert found.reason == reason
        assert "secret" not in found.seen
        assert "https://***@shop.test/" in found.seen


def test_what_is_sent_for_lack_of_something_is_no_reading() -> None:
    """With it a browser might have sent something else."""
    tries = "try { new WebSocket('wss://shop.test/') } catch { %s }"
    found = gate(page(f"function done(t) {{ {tries % CALL} }}"))
    assert (found.reason, found.form) == ("scripts_missing", None)
    assert "WebSocket" in found.seen


def test_fetch_to_an_address_that_names_a_user_sends_nothing() -> None:
    script = (
        "fetch('https://u:p@shop.test/', {method: 'POST', body: t}).catch(() => { %s })"
    )
    assert gate(page(f"function done(t) {{ {script % ''} }}")).reason == "no_submission"
    form = call(script % CALL)
    assert form is not None
    assert form.url.startswith("https://shop.test/call")


def test_a_form_of_many_fields_is_read_in_time() -> None:
    fields = "".join(f"<input type=hidden name=f{number}>" for number in range(800))
    widget = f"<div class=h-captcha data-sitekey={KEY} data-callback=done></div>"
    script = "function done() { document.forms[0].submit() }"
    form = plan(
        f"<title>Please complete the captcha</title>{API}<form method=post>{widget}"
        f"{fields}</form><script>{script}</script>"
    )
    assert form is not None
    assert len(form.fields) == 800


def test_scripts_behind_the_end_of_a_page_are_run() -> None:
    html = page("", before="<html><body>", after="</body></html>")
    form = plan(
        html.replace(
            "<script></script>", f"<script>function done(t) {{ {CALL} }}</script>"
        )
    )
    assert form is not None
    assert form.url.startswith("https://shop.test/call")


def test_a_visit_to_a_large_page_takes_along_what_is_read_of_it() -> None:
    response = response_of("<p>" + "x" * MAX_BYTES)
    assert len(visit_of(response).html) == MAX_BYTES
    assert response._cached_ubody is None  # the whole text is not held beside it


@pytest.mark.parametrize(
    ("inside", "behind", "reason"),
    [
        ("<input name=a type=hidden>", "<!--" + " " * MAX_BYTES, None),
        (f"<input name=a type=hidden value='{'x' * MAX_BYTES}'>", "", "no_submission"),
        (" " * MAX_BYTES + "<input name=a type=hidden>", "", "no_submission"),
        ("", " " * MAX_BYTES + "<script>done = null</script>", "scripts_missing"),
        ("", f"<script>//{'x' * MAX_BYTES}\ndone = null</script>", "scripts_missing"),
    ],
)
def test_what_is_not_read_of_a_large_page_is_not_guessed(
    inside: str, behind: str, reason: str | None
) -> None:
    """Neither are the fields that it has there, nor what its scripts make of it."""
    widget = f"<div class=h-captcha data-sitekey={KEY} data-callback=done></div>"
    found = gate(
        f"<title>Please complete the captcha</title>{API}<form method=post>{widget}"
        f"<button>Go</button>{inside}</form><script>function done() {{ "
        f"document.forms[0].submit() }}</script>{behind}"
    )
    assert (found.solvable, found.reason) == (reason is None, reason)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["</script>", "</SCRIPT>"])
@pytest.mark.parametrize("at", [-14, -4, 0, (1 << 20) - 14, (1 << 20) - 4, 3 << 20])
def test_scripts_behind_what_is_read_are_noticed(
    at: int, end: str, encoding: str
) -> None:
    widget = f"<div class=h-captcha data-sitekey={KEY} data-callback=done></div>"
    html = (
        f"<html><title>Please complete the captcha</title>{API}<form method=post>"
        f"{widget}<button>Go</button></form><script>function done() {{ "
        "document.forms[0].submit() }</script><script>/*"
    )
    bom = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    body = bom + html.encode(encoding)
    width = len(" ".encode(encoding))
    blanks = (MAX_BYTES + at * width - len(body)) // width
    body += f"{' ' * blanks}{end}<p>".encode(encoding)
    headers = {"Content-Type": "text/html; charset=utf-8"} if not bom else {}
    response = HtmlResponse(URL, body=body, headers=headers)
    found = detect(response)
    assert found is not None
    if len(body) > MAX_BYTES:
        assert (found.solvable, found.reason) == (False, "scripts_missing")
    else:
        assert found.reason != "scripts_missing"


def test_a_widget_needs_scripts_for_its_key_only() -> None:
    login = f"{API}<title>Log in</title><form>{LOGIN}<div class=h-captcha data-sitekey={KEY}></div></form>"
    challenge = detect(response_of(f"{login}<script>go()</script>"))
    assert challenge is not None
    assert (challenge.kind, challenge.needs_scripts) == ("widget", False)


# Headers and options


def test_the_users_field_goes_before_the_scripts() -> None:
    form = call(CALL, field="mine")
    assert form is not None
    assert form.token_fields == ("mine",)


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
