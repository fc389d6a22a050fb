"""Timers, encodings, storage, messages and what else a window has."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.unit.scripts.runtime_page import Page


def test_timers_go_by_the_pages_own_clock() -> None:
    page = Page()
    page.run("""
        var log = [], start = Date.now();
        setTimeout(x => log.push(x, Date.now() - start), 500, 'late');
        setTimeout(() => log.push('soon'), 0);
        setTimeout("log.push('text')", 10);
        var n = 0, i = setInterval(() => { log.push('tick'); if (++n === 2) clearInterval(i); }, 100);
        clearTimeout(setTimeout(() => log.push('never'), 5));
        requestAnimationFrame(() => log.push('frame'));
        Promise.resolve().then(() => log.push('promise'));
        queueMicrotask(() => log.push('micro'));
        setTimeout(() => missing(), 20);
    """)
    page.wait(400)
    assert page.value("log") == [
        "promise",
        "micro",
        "soon",
        "text",
        "frame",
        "tick",
        "tick",
    ]
    page.wait(200)
    assert page.value("log.slice(-2)") == ["late", 500]
    assert page.result["errors"] == ["ReferenceError: missing is not defined"]


def test_dates_are_the_same_in_each_run() -> None:
    code = "[Date.now(), +new Date(), new Date(5).getTime(), new Date() instanceof Date, Math.random(), crypto.randomUUID(), typeof Date()]"
    assert Page().value(code) == Page().value(code)
    assert Page().value(
        "[new Date(2020, 1, 2).getDate(), new Date().constructor === Date]"
    ) == [2, True]


@pytest.mark.parametrize("text", ["", "a", "ab", "abc", "abcd", "\x00\xff~"])
def test_base64(text: str) -> None:
    page = Page()
    coded = base64.b64encode(text.encode("latin-1")).decode()
    page.run(f"var coded = {coded!r}, text = {text!r}")
    assert page.value(
        "[btoa(text) === coded, atob(coded) === text, atob(coded.replace(/=/g, '')) === text]"
    ) == [True, True, True]


@pytest.mark.parametrize("code", ["btoa('\\u0100')", "atob('a')", "atob('a!bc')"])
def test_what_is_no_base64(code: str) -> None:
    page = Page()
    page.run(f"try {{ {code} }} catch (e) {{ var name = e.name }}")
    assert page.value("name") == "InvalidCharacterError"


@pytest.mark.parametrize("algorithm", ["SHA-1", "SHA-256"])
@pytest.mark.parametrize("text", ["", "abc", "x" * 55, "x" * 56, "ü" * 100])
def test_digests(algorithm: str, text: str) -> None:
    page = Page()
    page.run(f"""
        crypto.subtle.digest({algorithm!r}, new TextEncoder().encode({text!r})).then(b => {{
            window.hex = [...new Uint8Array(b)].map(x => x.toString(16).padStart(2, '0')).join('');
        }})
    """)
    wanted = hashlib.new(algorithm.replace("-", ""), text.encode()).hexdigest()
    assert page.value("hex") == wanted


def test_utf8() -> None:
    page = Page()
    assert page.value("[...new TextEncoder().encode('ü😀')]") == list("ü😀".encode())
    assert (
        page.value("new TextDecoder().decode(new Uint8Array([195, 188]).buffer)") == "ü"
    )
    assert (
        page.value("new TextDecoder().decode(new Uint8Array([65, 255]))") == "A\ufffd"
    )


def test_storage() -> None:
    page = Page()
    page.run(
        "localStorage.setItem('a', 1); localStorage.b = 'x'; sessionStorage.c = 2; localStorage.removeItem('no')"
    )
    assert page.value(
        "[localStorage.getItem('a'), localStorage.b, localStorage.length, localStorage.getItem('c'), Object.keys(localStorage)]"
    ) == ["1", "x", 2, None, ["a", "b"]]
    page.run("localStorage.clear()")
    assert page.value("localStorage.length") == 0


def test_messages() -> None:
    page = Page()
    page.run("""
        var log = [];
        window.addEventListener('message', e => log.push(e.data.x, e.origin, e.source === window));
        postMessage({x: 1}, '*');
        var c = new MessageChannel(); c.port1.onmessage = e => log.push(e.data); c.port2.postMessage('p');
    """)
    page.wait()
    assert page.value("log") == [1, "https://site.test", True, "p"]


def test_what_is_in_view_is_seen() -> None:
    page = Page("<p id=p></p>")
    page.run(
        "new IntersectionObserver(es => { window.seen = es[0].isIntersecting }).observe(p)"
    )
    page.wait()
    assert page.value("seen") is True


@pytest.mark.parametrize(
    ("code", "lacks"),
    [
        ("new WebSocket('wss://x.test')", "WebSocket"),
        ("new Worker('/w.js')", "Worker"),
        ("crypto.subtle.encrypt({}, 1, 2).catch(() => {})", "crypto.subtle.encrypt"),
        (
            "crypto.subtle.digest('SHA-512', new Uint8Array(1)).catch(() => {})",
            "crypto.subtle.digest of SHA-512",
        ),
        (
            "document.createElement('iframe').contentWindow.document",
            "the document of a frame",
        ),
    ],
)
def test_what_the_engine_lacks_is_said(code: str, lacks: str) -> None:
    page = Page()
    page.run(f"try {{ {code} }} catch (e) {{}}")
    assert page.result["lacking"] == [lacks]


def test_the_user_agent_is_that_of_the_crawl() -> None:
    page = Page(userAgent="Test/1.0")
    assert page.value("[navigator.userAgent, navigator.webdriver]") == [
        "Test/1.0",
        False,
    ]


def test_nothing_of_the_host_can_be_reached() -> None:
    names = "require process std os scriptArgs __filename Deno Bun python host commands visit"
    page = Page()
    assert (
        page.value(
            f"{names.split()!r}.filter(n => typeof globalThis[n] !== 'undefined')"
        )
        == []
    )
    page.run("import('os').catch(e => { window.refused = true })")
    page.engine.settle()
    assert page.value("refused") is True


@pytest.mark.parametrize(
    "tampering",
    [
        "JSON.stringify = JSON.parse = () => { throw 1 }",
        "Array.prototype.toJSON = String.prototype.toJSON = Object.prototype.toJSON = () => 'x'",
        "['map', 'filter', 'forEach', 'find', 'push', 'slice', 'splice', 'indexOf', 'join', 'some', 'sort'].forEach(n => { Array.prototype[n] = () => { throw 1 } })",
        "['replace', 'split', 'trim', 'toLowerCase', 'slice', 'indexOf', 'charCodeAt'].forEach(n => { String.prototype[n] = () => { throw 1 } })",
        "Object.prototype.inherited = 1; Array.prototype.extra = 1",
        "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw 1 }",
        "Object.keys = Object.assign = Object.defineProperty = Reflect.apply = () => { throw 1 }",
        "window.Promise = null; window.Map = null; window.Proxy = null; window.Date = null",
        "Element.prototype.setAttribute = Node.prototype.insertBefore = Node.prototype.appendChild = () => { throw 1 }",
        "window.HTMLFormElement = window.Event = window.URL = window.FormData = null",
    ],
)
def test_a_page_that_tampers_does_not_break_what_is_written_down(
    tampering: str,
) -> None:
    page = Page(
        "<div class=h-captcha data-sitekey=10000000-ffff-ffff-ffff-000000000001 data-callback=cb></div>"
        f"<form id=f method=post action=/v><input name=t></form><script>{tampering};"
        "function cb(t) { f.elements.t.value = t; f.submit(); }</script>",
        assumedAPI="https://js.hcaptcha.com/1/api.js",
    )
    page.wait()
    page.call("giveToken", "tok")
    [sent] = page.sent
    assert sent["url"] == "https://site.test/v"
    assert ["t", "tok"] in sent["fields"]
