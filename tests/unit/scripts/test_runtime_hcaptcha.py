"""hCaptcha's API as a page sees it."""

from __future__ import annotations

import pytest

from tests.unit.scripts.runtime_page import Page

KEY = "10000000-ffff-ffff-ffff-000000000001"
API = "<script src=https://js.hcaptcha.com/1/api.js{}></script>"
TOKEN = "the-token"


def solved(html: str, query: str = "") -> Page:
    page = Page(API.format(query) + html)
    page.wait()
    page.call("giveToken", TOKEN, "the-key")
    page.wait()
    return page


def test_containers_are_rendered() -> None:
    page = solved(
        f"<form id=f><div class=h-captcha data-sitekey={KEY} data-callback=cb></div></form><script>var got; function cb(...a) {{ got = a }}</script>"
    )
    assert page.value("got") == [TOKEN]
    assert page.value(
        "[f['h-captcha-response'].value, f['g-recaptcha-response'].value]"
    ) == [TOKEN, TOKEN]
    assert (
        page.value("document.querySelector('iframe').dataset.hcaptchaResponse") == TOKEN
    )
    assert page.value("[hcaptcha.getResponse(), hcaptcha.getRespKey()]") == [
        TOKEN,
        "the-key",
    ]
    [widget] = page.result["widgets"]
    assert [widget["sitekey"], widget["tag"], widget["called"]] == [KEY, "div", True]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?recaptchacompat=off", ["h-captcha-response"]),
        ("", ["h-captcha-response", "g-recaptcha-response"]),
    ],
)
def test_the_fields_of_a_widget(query: str, names: list[str]) -> None:
    page = solved(f"<div class=h-captcha data-sitekey={KEY}></div>", query)
    assert (
        page.value("Array.from(document.querySelectorAll('textarea')).map(e => e.name)")
        == names
    )


@pytest.mark.parametrize(
    ("container", "query", "count"),
    [
        ("<div class=g-recaptcha data-sitekey=K></div>", "", 1),
        ("<div class=g-recaptcha data-sitekey=K></div>", "?recaptchacompat=off", 0),
        ("<h-captcha data-sitekey=K></h-captcha>", "", 1),
        ("<div class=h-captcha></div>", "", 0),
        ("<div class=h-captcha data-sitekey=K></div>", "?render=explicit", 0),
    ],
)
def test_what_is_rendered_by_itself(container: str, query: str, count: int) -> None:
    page = Page(API.format(query) + container.replace("K", KEY))
    page.wait()
    assert len(page.result["widgets"]) == count


@pytest.mark.parametrize(
    "render",
    [
        "hcaptcha.render('w', {sitekey: key, callback: cb})",
        "hcaptcha.render(document.getElementById('w'), {sitekey: key, callback: 'cb'})",
        "hcaptcha.render('#w', {sitekey: key, callback: 'space.cb'})",
        "hcaptcha.render(jq, {sitekey: key, callback: cb})",
        "grecaptcha.render('w', {sitekey: key, callback: cb})",
        "w.setAttribute('data-sitekey', key); w.dataset.callback = 'cb'; hcaptcha.render('w')",
    ],
)
def test_explicit_rendering(render: str) -> None:
    page = solved(
        f"<div id=w></div><script>var got, key = '{KEY}', cb = t => {{ got = t }}, space = {{cb}};"
        f"var jq = {{jquery: 1, 0: document.getElementById('w')}}; function go() {{ {render} }}</script>",
        "?onload=go&render=explicit",
    )
    assert page.value("got") == TOKEN
    assert page.result["widgets"][0]["sitekey"] == KEY


def test_a_callback_may_be_a_const() -> None:
    page = solved(
        f"<div class=h-captcha data-sitekey={KEY} data-callback=cb></div><script>let got; const cb = t => {{ got = t }}</script>"
    )
    assert page.value("got") == TOKEN


@pytest.mark.parametrize(
    "execute",
    [
        "hcaptcha.execute(id, {async: true}).then(r => { got = [r.response, r.key] })",
        "hcaptcha.execute({async: true}).then(r => { got = [r.response, r.key] })",
        "hcaptcha.execute(undefined, {async: true}).then(r => { got = [r.response, r.key] })",
        "hcaptcha.execute(); var i = setInterval(() => { if (hcaptcha.getResponse(id)) got = [hcaptcha.getResponse(id), 'the-key'] }, 100)",
    ],
)
def test_an_invisible_widget_is_executed(execute: str) -> None:
    page = Page(
        API.format("?onload=go&render=explicit")
        + f"<div id=w></div><script>var got, id; function go() {{ id = hcaptcha.render('w', {{sitekey: '{KEY}', size: 'invisible'}}) }}</script>"
    )
    page.wait()
    page.call("giveToken", TOKEN, "the-key")
    assert page.value("got === undefined") is True
    page.run(execute)
    page.wait()
    assert page.value("got") == [TOKEN, "the-key"]
    assert page.result["widgets"][0]["size"] == "invisible"


def test_a_button_is_an_invisible_widget() -> None:
    page = solved(
        f"<form id=f><button id=b class=h-captcha data-sitekey={KEY} data-callback=cb></button></form><script>function cb() {{ f.submit() }}</script>"
    )
    assert page.sent == []
    page.run("b.click()")
    page.wait()
    assert len(page.sent) == 1
    assert page.result["widgets"][0]["size"] == "invisible"


@pytest.mark.parametrize(
    "code",
    [
        "hcaptcha.setData(id, {rqdata: 'R'})",
        "hcaptcha.setData({rqdata: 'R'})",
        "hcaptcha.execute(id, {rqdata: 'R'})",
    ],
)
def test_rqdata(code: str) -> None:
    page = solved(
        f"<div id=w></div><script>function go() {{ var id = hcaptcha.render('w', {{sitekey: '{KEY}'}}); {code} }}</script>",
        "?onload=go",
    )
    assert page.result["widgets"][0]["rqdata"] == "R"


def test_one_widget_gets_the_token() -> None:
    page = solved(
        f"<div class=h-captcha data-sitekey=placeholder></div><div class=h-captcha data-sitekey={KEY}></div><div class=h-captcha data-sitekey={KEY}></div>"
    )
    assert page.value(
        "Array.from(document.querySelectorAll('[name=h-captcha-response]')).map(e => e.value)"
    ) == ["", TOKEN, ""]


def test_a_callback_that_is_missing_is_an_error() -> None:
    page = solved(
        f"<div class=h-captcha data-sitekey={KEY} data-callback=nowhere></div>"
    )
    assert page.result["errors"] == ["ReferenceError: nowhere is not defined"]


@pytest.mark.parametrize(
    "address",
    [
        "https://js.hcaptcha.com/1/api.js",
        "//hcaptcha.com/1/api.js?x=1",
        "https://cn1.hcaptcha.com/1/api.js",
        "https://pat.corp.test/1/secure-api.js",
    ],
)
def test_the_api_may_come_late_and_from_many_places(address: str) -> None:
    page = Page(f"<div class=h-captcha data-sitekey={KEY}></div>")
    page.run(
        f"var s = document.createElement('script'); s.src = '{address}'; s.onload = () => {{ window.on = 1 }}; document.head.append(s)"
    )
    page.wait()
    assert len(page.result["widgets"]) == 1
    assert page.value("on") == 1
