"""A visit: what a page sends, needs, lacks."""

from __future__ import annotations

import time
from typing import Any

import pytest

from scrapy_onecaptcha.scripts.engine import Engine
from scrapy_onecaptcha.scripts.models import Answer, Reading, Visit
from scrapy_onecaptcha.scripts.visit import DRY_TOKENS, read

KEY = "10000000-ffff-ffff-ffff-000000000001"
API = "<script src=https://js.hcaptcha.com/1/api.js></script>"
WIDGET = f"<div class=h-captcha data-sitekey={KEY} data-callback=cb></div>"
URL = "https://site.test/dir/gate?id=7"


def visited(script: str, html: str = WIDGET, **options: Any) -> Reading:
    return read(
        Visit(html=f"{API}{html}<script>{script}</script>", url=URL, **options), 20
    )


def test_a_call_of_the_callback() -> None:
    reading = visited(
        "function cb(t) { fetch('/v', {method: 'POST', body: JSON.stringify({a: {b: t}})}) }"
    )
    sending = reading.sending
    assert sending is not None
    assert (sending.kind, sending.method, sending.url) == (
        "fetch",
        "POST",
        "https://site.test/v",
    )
    assert sending.body == f'{{"a":{{"b":"{DRY_TOKENS[0]}"}}}}'
    assert sending.token_fields == ("a.b",)
    assert sending.shape == (
        "POST",
        "https://site.test/v",
        "text/plain",
        "a.b",
    )
    [widget] = reading.widgets
    assert (widget.sitekey, widget.invisible, widget.called) == (KEY, False, True)
    assert reading.api
    assert (reading.stopped, reading.errors, reading.lacking, reading.pressed) == (
        None,
        (),
        (),
        (),
    )


def test_a_value_that_depends_on_the_token_is_found_however_it_does() -> None:
    reading = visited("""
        function cb(t) {
            var sum = 0; for (var c of t) sum += c.charCodeAt(0);
            fetch('/v', {method: 'POST', headers: {'X-Sum': sum, 'X-Fixed': 1},
                         body: new URLSearchParams({sum: sum, rev: [...t].reverse().join(''), k: 1})});
        }""")
    assert reading.sending is not None
    assert reading.sending.token_fields == ("sum", "rev")
    assert reading.sending.token_headers == ("x-sum",)


def test_the_token_in_a_path() -> None:
    reading = visited("function cb(t) { fetch('/v/' + t, {method: 'PUT'}) }")
    assert reading.sending is not None
    assert reading.sending.shape[:2] == ("PUT", "https://site.test/v/{token}")


def test_a_form_and_its_fields() -> None:
    reading = visited(
        "function cb() { f.submit() }",
        f"<form id=f method=post action=/v><input name=x value=1>{WIDGET}</form>",
    )
    assert reading.sending is not None
    assert reading.sending.fields == (
        ("x", "1"), ("h-captcha-response", DRY_TOKENS[0]), ("g-recaptcha-response", DRY_TOKENS[0]),
    )  # fmt: skip
    assert reading.sending.token_fields == (
        "h-captcha-response",
        "g-recaptcha-response",
    )
    assert reading.sending.enctype == "application/x-www-form-urlencoded"


def test_a_form_by_get_is_told_by_its_fields() -> None:
    reading = visited(
        "function cb() { f.submit() }",
        f"<form id=f action=/v><input name=x value=1>{WIDGET}</form>",
    )
    assert reading.sending is not None
    assert reading.sending.method == "GET"
    assert reading.sending.shape == (
        "GET",
        "https://site.test/v",
        "",
        "g-recaptcha-response",
        "h-captcha-response",
        "x",
    )


@pytest.mark.parametrize(
    ("buttons", "pressed"),
    [
        (
            "<button id=other type=button onclick='other.hidden = true'>A</button><button id=go disabled>Go</button>",
            ("go",),
        ),
        (
            "<button type=button id=close onclick='1'>Close</button><button id=go disabled>Go</button>",
            ("go",),
        ),
        ("<button id=go disabled style='display:none'>Go</button>", ("go",)),
    ],
)
def test_the_button_that_the_token_enables_is_pressed(
    buttons: str, pressed: tuple[str, ...]
) -> None:
    reading = visited(
        "function cb() { document.getElementById('go').disabled = false }",
        f"<form method=post action=/v>{WIDGET}{buttons}</form>",
    )
    assert reading.sending is not None
    assert reading.pressed == pressed


def test_a_form_that_nobody_sends_is_not_sent() -> None:
    reading = visited(
        "function cb() {}", f"<form method=post action=/v>{WIDGET}</form>"
    )
    assert reading.sending is None


def test_four_buttons_at_most() -> None:
    buttons = "".join(
        f"<button type=button onclick='n{i} = 1'>b{i}</button>" for i in range(9)
    )
    assert len(visited("function cb() {}", WIDGET + buttons).pressed) == 4


def test_a_get_that_the_page_needs() -> None:
    script = "function cb(t) { fetch('/csrf?a').then(r => r.json()).then(c => fetch('/v', {method: 'POST', body: c.x + t})) }"
    reading = visited(script)
    assert reading.sending is None
    assert reading.needs == ("https://site.test/csrf?a",)
    answered = visited(
        script, answers=(("https://site.test/csrf?a", Answer(body='{"x": "7"}')),)
    )
    assert answered.needs == ()
    assert answered.sending is not None
    assert answered.sending.body == f"7{DRY_TOKENS[0]}"


def test_a_post_that_the_page_waits_for() -> None:
    reading = visited(
        "function cb(t) { fetch('/log', {method: 'POST'}).then(() => fetch('/v?t=' + t)) }"
    )
    assert (reading.sending, reading.needs, reading.posts) == (None, (), True)


def test_of_two_requests_with_the_token_the_sites_own_counts() -> None:
    reading = visited(
        "function cb(t) { navigator.sendBeacon('/log', t); fetch('https://stat.test/?t=' + t); fetch('/v', {method: 'POST', body: t}) }"
    )
    assert reading.sending is not None
    assert reading.sending.url == "https://site.test/v"


def test_a_cookie_and_a_reload_without_the_token() -> None:
    reading = visited(
        "function cb() { document.cookie = 'seen=1; path=/'; location.reload() }"
    )
    assert (reading.sending, reading.reloads, reading.cookies) == (
        None,
        True,
        ("seen=1; path=/",),
    )


def test_a_cookie_with_the_token() -> None:
    reading = visited(
        "function cb(t) { document.cookie = 't=' + t; location.reload() }"
    )
    assert reading.sending is not None
    assert (reading.sending.kind, reading.sending.method, reading.sending.url) == (
        "reload",
        "GET",
        URL,
    )
    assert reading.sending.cookies == (f"t={DRY_TOKENS[0]}",)


@pytest.mark.parametrize(
    ("then", "reloads", "moves_to"),
    [
        ("location.reload()", True, None),
        ("location = location.href", True, None),
        ("location = '/next'", False, "https://site.test/next"),
        ("r.json().then(j => { location = j.to })", False, "https://site.test/there"),
        ("document.body.textContent = 'ok'", False, None),
        ("if (!r.ok) location = '/sorry'", False, None),
        ("setTimeout(() => location.reload(), 3000)", True, None),
    ],
)
def test_what_a_page_makes_of_the_answer(
    then: str, reloads: bool, moves_to: str | None
) -> None:
    script = f"function cb(t) {{ fetch('/v', {{method: 'POST', body: t}}).then(r => {{ {then} }}) }}"
    reading = visited(
        script, token="real", answer=Answer(status=200, body='{"to": "/there"}')
    )
    assert (reading.reloads, reading.moves_to) == (reloads, moves_to)


def test_a_real_token_and_its_key() -> None:
    reading = visited(
        "function cb(t) { fetch('/v', {method: 'POST', body: t + ' ' + hcaptcha.getRespKey()}) }",
        token="real-token",
        resp_key="real-key",
    )
    assert reading.sending is not None
    assert reading.sending.body == "real-token real-key"


def test_what_is_missing_is_named() -> None:
    reading = visited(
        "$(function () {})", f"<script src=/static/jquery.js></script>{WIDGET}"
    )
    assert reading.missing_scripts == ("https://site.test/static/jquery.js",)
    assert reading.errors[0] == "ReferenceError: $ is not defined"
    assert reading.sending is None


def test_external_scripts_run_in_their_order() -> None:
    external = (
        ("https://site.test/dir/a.js", "var order = ['a']; const top_level = 1;"),
        (
            "https://site.test/b.js",
            "order.push('b'); function cb(t) { fetch('/v', {method: 'POST', body: order.join('') + top_level + t}) }",
        ),
    )
    reading = visited(
        "order.push('c')",
        f"<script src=/b.js defer></script><script src=a.js></script>{WIDGET}",
        external=external,
    )
    assert reading.sending is not None
    assert reading.sending.body == f"acb1{DRY_TOKENS[0]}"


def test_modules_run() -> None:
    html = f"{WIDGET}<script type=module>const r = await Promise.resolve('/m'); window.cb = t => fetch(r, {{method: 'POST', body: t}}); export {{}}</script>"
    reading = visited("", html)
    assert reading.sending is not None
    assert reading.sending.url == "https://site.test/m"


@pytest.mark.parametrize(
    ("type_", "runs"),
    [
        ("text/javascript", True),
        ("application/x-javascript", True),
        ("8a7f-text/javascript", True),
        ("application/json", False),
        ("text/template", False),
    ],
)
def test_which_scripts_run(type_: str, runs: bool) -> None:
    html = (
        f"{WIDGET}<script type='{type_}'>function cb(t) {{ fetch('/v?' + t) }}</script>"
    )
    assert (visited("", html).sending is not None) is runs


def test_hcaptcha_is_loaded_when_the_visitor_moves() -> None:
    script = f"""
        addEventListener('mousemove', () => {{
            var s = document.createElement('script'); s.src = 'https://js.hcaptcha.com/1/api.js?onload=go'; document.head.append(s);
        }}, {{once: true}});
        function go() {{ hcaptcha.render('w', {{sitekey: '{KEY}', callback: t => fetch('/v?t=' + t)}}) }}
    """
    reading = read(
        Visit(html=f"<div id=w></div><script>{script}</script>", url=URL), 20
    )
    assert reading.sending is not None


def test_a_widget_that_a_button_brings() -> None:
    script = f"function show() {{ hcaptcha.render('w', {{sitekey: '{KEY}', callback: t => fetch('/v?t=' + t)}}) }}"
    reading = visited(
        script, "<div id=w></div><button onclick='show()'>Verify</button>"
    )
    assert reading.sending is not None
    assert reading.pressed == ("Verify",)


@pytest.mark.parametrize(
    ("script", "seconds", "stopped"),
    [
        ("for (;;) {}", 1, "its scripts take too long"),
        (
            "(function f() { Promise.resolve().then(f) })()",
            20,
            "its promises never come to an end",
        ),
        (
            "var a = []; for (;;) a.push(new Array(1000).fill(1))",
            20,
            "its scripts take too much memory",
        ),
    ],
)
def test_limits(script: str, seconds: float, stopped: str) -> None:
    reading = read(Visit(html=f"<script>{script}</script>", url=URL), seconds)
    assert reading == Reading(stopped=stopped)


def test_only_the_time_for_which_it_runs_counts() -> None:
    """A busy machine lets it wait."""

    def late() -> Engine:
        time.sleep(1.2)
        return Engine(5)

    visit = Visit(html="<script>document.cookie = 'a=1'</script>", url=URL)
    assert read(visit, 1, late).cookies == ("a=1",)


@pytest.mark.parametrize(
    "script",
    [
        "function f() { return f() + 1 } f()",
        "setInterval(() => {}, 0)",
        "throw null",
        "throw {toString() { throw 1 }}",
        "Object.defineProperty(window, 'name', {get() { throw 1 }}); name",
        "eval('('.repeat(1e5))",
        "JSON.parse('['.repeat(1e6))",
        "document.documentElement.remove()",
        "document.body.innerHTML = '<form>'.repeat(1000)",
        "</scr" + "ipt><script>x",
    ],
)
def test_awkward_scripts_end(script: str) -> None:
    reading = read(Visit(html=f"{API}{WIDGET}<script>{script}</script>", url=URL), 20)
    assert reading.stopped is None
    assert reading.sending is None


def test_nothing_to_visit() -> None:
    assert read(Visit(html="", url=URL), 5).stopped == "nothing of it can be parsed"


def test_text_that_the_engine_keeps_in_parts() -> None:
    """A long text that was concatenated is no plain string inside of the engine."""
    reading = visited(
        "function cb(t) { var s = ''; for (var i = 0; i < 5000; i++) s += 'ab' + i; fetch('/v', {method: 'POST', body: s + t}) }"
    )
    assert reading.stopped is None
    assert reading.sending is not None
    assert len(reading.sending.body or "") > 20_000
