"""fetch, XMLHttpRequest, sendBeacon."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.scripts.runtime_page import Page

FORM = "<form id=f><input name=a value=1></form>"
TEXT = [["content-type", "text/plain;charset=UTF-8"]]
PAIRS = [["content-type", "application/x-www-form-urlencoded;charset=UTF-8"]]
MULTIPART = [["content-type", "multipart/form-data"]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("'x'", {"method": "GET", "url": "https://site.test/dir/x", "body": None, "headers": []}),
        ("new URL('/x#h', location)", {"url": "https://site.test/x"}),
        ("'/x', {method: 'post', body: 'b'}", {"method": "POST", "body": "b", "headers": TEXT}),
        ("'/x', {method: 'patch'}", {"method": "patch"}),
        ("'/x', {method: 'POST', body: new URLSearchParams({a: 1})}", {"fields": [["a", "1"]], "headers": PAIRS}),
        ("'/x', {method: 'POST', body: new FormData(f)}", {"fields": [["a", "1"]], "headers": MULTIPART}),
        ("'/x', {method: 'POST', body: new Blob(['a', 'b'], {type: 'A/b'})}", {"body": "ab", "headers": [["content-type", "a/b"]]}),
        ("'/x', {method: 'POST', body: new TextEncoder().encode('ü')}", {"body": "ü", "headers": []}),
        ("'/x', {method: 'POST', body: {}}", {"body": "[object Object]"}),
        ("'/x', {method: 'POST', headers: {'Content-Type': 'application/json', B: ' 2 '}, body: '{}'}", {"headers": [["b", "2"], ["content-type", "application/json"]]}),
        ("'/x', {headers: [['A', 1], ['a', 2]]}", {"headers": [["a", "1, 2"]]}),
        ("new Request('/x', {method: 'POST', body: 'b', headers: new Headers({C: 1})})", {"method": "POST", "body": "b", "headers": [["c", "1"], TEXT[0]]}),
        ("new Request('/x'), {method: 'PUT', body: 'c'}", {"method": "PUT", "body": "c"}),
    ],
)  # fmt: skip
def test_what_fetch_sends(options: str, expected: dict[str, Any]) -> None:
    page = Page(FORM)
    page.run(f"fetch({options})")
    [sent] = page.sent
    assert sent["kind"] == "fetch"
    assert {name: sent[name] for name in expected} == expected


@pytest.mark.parametrize(
    "options", ["'http://'", "'/x', {body: 'b'}", "'/x', {headers: {'a b': 1}}"]
)
def test_what_fetch_refuses(options: str) -> None:
    page = Page()
    page.run(f"fetch({options}).catch(e => {{ window.refused = e.name }})")
    assert page.sent == []
    assert page.value("refused") == "TypeError"


def test_an_answer_to_fetch() -> None:
    page = Page()
    page.run("""
        fetch('/x').then(async r => {
            window.got = [r.status, r.ok, r.headers.get('X-A'), (await r.clone().json()).k, await r.text(), r.url];
        });
        fetch('/y').catch(e => { window.failed = e.message });
    """)
    answer = {"status": 201, "body": '{"k": 1}', "headers": [["x-a", "b"]], "url": "/x"}
    page.call("answer", 1, answer)
    page.call("answer", 2, {"error": True})
    assert page.value("got") == [201, True, "b", 1, '{"k": 1}', "/x"]
    assert page.value("failed") == "Failed to fetch"


def test_xmlhttprequest() -> None:
    page = Page()
    page.run("""
        var log = [], x = new XMLHttpRequest();
        x.onreadystatechange = () => log.push(x.readyState);
        x.onload = () => log.push('load', x.status, x.responseText, x.getResponseHeader('A'));
        x.addEventListener('loadend', () => log.push('end'));
        x.open('post', 'y'); x.setRequestHeader('X-B', '1'); x.send('a=b');
    """)
    [sent] = page.sent
    assert [sent["kind"], sent["method"], sent["url"], sent["body"]] == [
        "xhr", "POST", "https://site.test/dir/y", "a=b",
    ]  # fmt: skip
    page.call(
        "answer", sent["id"], {"status": 200, "body": "ok", "headers": [["a", "1"]]}
    )
    assert page.value("log") == [1, 2, 4, "load", 200, "ok", "1", "end"]


def test_a_json_answer_to_xmlhttprequest() -> None:
    page = Page()
    page.run("""
        var x = new XMLHttpRequest(); x.open('GET', '/y'); x.responseType = 'json';
        x.onload = () => { window.got = x.response.k }; x.send('ignored');
    """)
    assert page.sent[0]["body"] is None
    page.call("answer", 1, {"status": 200, "body": '{"k": 5}', "headers": []})
    assert page.value("got") == 5


def test_a_failed_and_an_aborted_call() -> None:
    page = Page()
    page.run("""
        var log = [], x = new XMLHttpRequest(), y = new XMLHttpRequest();
        x.onerror = () => log.push('error', x.status); x.open('GET', '/x'); x.send();
        y.onload = () => log.push('never'); y.open('GET', '/y'); y.send(); y.abort();
    """)
    page.call("answer", 1, {"error": True})
    page.call("answer", 2, {"status": 200, "body": "", "headers": []})
    assert page.value("log") == ["error", 0]


def test_a_beacon() -> None:
    page = Page()
    page.run("var said = navigator.sendBeacon('/b', new URLSearchParams({t: 1}))")
    assert page.value("said") is True
    [sent] = page.sent
    assert [sent["kind"], sent["method"], sent["fields"]] == [
        "beacon",
        "POST",
        [["t", "1"]],
    ]


@pytest.mark.parametrize(
    "code",
    [
        "fetch('/v', {method: 'POST', body: t})",
        "fetch('/v?t=' + encodeURIComponent(t))",
        "fetch('/v', {headers: {a: 'Bearer ' + t}})",
        "fetch('/v', {method: 'POST', body: btoa('{\"t\":\"' + t + '\"}')})",
        "fetch('/v', {method: 'POST', body: btoa('x' + t)})",
        "fetch('/v', {method: 'POST', body: btoa('xy' + t + 'z')})",
        "fetch('/v', {method: 'POST', body: [...t].map(c => c.charCodeAt(0).toString(16)).join('')})",
        "document.cookie = 'c=' + t; fetch('/v')",
        "location = '/v/' + t",
        "document.cookie = 'c=' + t; location.reload()",
        "f.a.value = t; f.submit()",
    ],
)
def test_a_token_is_seen_wherever_it_is(code: str) -> None:
    page = Page(f"{FORM}<script>function go(t) {{ {code} }}</script>")
    page.call("giveToken", "to/ken+1=_x.y-and-so-on")
    assert page.call("tokenSent") is False
    page.run("go('another')")
    assert page.call("tokenSent") is False
    page.run("go('to/ken+1=_x.y-and-so-on')")
    assert page.call("tokenSent") is True


def test_files_in_forms_are_no_guess() -> None:
    page = Page("<script>new FormData().append('f', new File(['x'], 'n'))</script>")
    assert page.result["lacking"] == ["a file in a form"]
    page = Page(
        "<script>fetch('/v', {method: 'POST', body: new Uint8Array([255])}).catch(() => {})</script>"
    )
    assert page.result["lacking"] == ["a body that is no text"]


def test_form_data_is_a_list_of_pairs() -> None:
    page = Page(FORM)
    page.run(
        "var d = new FormData(f); d.append('b', 2); d.append('b', 3); d.set('a', 9); d.delete('c')"
    )
    assert page.value("[[...d], d.getAll('b'), Object.fromEntries(d)]") == [
        [["a", "9"], ["b", "2"], ["b", "3"]], ["2", "3"], {"a": "9", "b": "3"},
    ]  # fmt: skip


def test_headers_are_a_map() -> None:
    page = Page()
    page.run(
        "var h = new Headers({B: 1, a: 2}); h.append('A', 3); h.delete('b'); h.set('c', ' x ')"
    )
    assert page.value("[[...h], h.get('A'), h.has('B'), h.get('no')]") == [
        [["a", "2, 3"], ["c", "x"]], "2, 3", False, None,
    ]  # fmt: skip


def test_no_page_sends_without_end() -> None:
    page = Page()
    page.run("for (let i = 0; i < 1000; i++) navigator.sendBeacon('/b')")
    assert len(page.sent) == 200


@pytest.mark.parametrize(
    "call",
    [
        "fetch('https://u:pass@site.test/')",
        "new Request('/x', {}); new Request('//u@site.test/')",
    ],
)
def test_fetch_refuses_an_address_that_names_a_user(call: str) -> None:
    page = Page()
    page.run(
        f"var seen; (async () => {{ {call.replace('fetch', 'await fetch')} }})().catch((e) => {{ seen = e }})"
    )
    page.wait()
    assert page.value("seen instanceof TypeError") is True
    assert "pass" not in page.value("seen.message")
    assert (page.sent, page.result["lacking"]) == ([], [])


def test_others_send_to_an_address_that_names_a_user() -> None:
    page = Page("<form method=post action='https://u:p@site.test/f'></form>")
    page.run("""
        var x = new XMLHttpRequest(); x.open('POST', 'https://u:p@site.test/x'); x.send('1');
        x.open('GET', '/y', true, 'v', 'q'); x.send();
        x.open('GET', '/z', true, null, undefined); x.send();
        navigator.sendBeacon('https://u:p@site.test/b', '1');
        document.forms[0].submit();
    """)
    page.wait()
    assert [sent["url"] for sent in page.sent] == [
        "https://u:p@site.test/x",
        "https://v:q@site.test/y",
        "https://site.test/z",
        "https://u:p@site.test/b",
        "https://u:p@site.test/f",
    ]


@pytest.mark.parametrize("src", ["https://u:p@site.test/a.js", "http://a b/"])
def test_no_script_is_loaded_from_such_an_address(src: str) -> None:
    page = Page(f"<script src='{src}' onerror='failed = true'></script>")
    page.wait()
    assert page.value("failed") is True
    assert page.result["missingScripts"] == []
