"""What inline scripts say of hCaptcha without being run."""

from __future__ import annotations

import pytest
from scrapy.http import HtmlResponse

from scrapy_onecaptcha.pages.html import parse
from scrapy_onecaptcha.pages.inline_scripts import MAX_LITERALS, InlineScripts
from scrapy_onecaptcha.pages.steps import finish

KEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"


def read(code: str) -> InlineScripts:
    body = f"<!doctype html><script>{code}</script>".encode()
    page = parse(HtmlResponse("https://shop.example/", body=body, encoding="utf-8"))
    assert page is not None
    return finish(InlineScripts.steps(page))


def rendered(code: str) -> list[str | None]:
    return [each.element_id for each in read(code).renderings()]


@pytest.mark.parametrize(
    ("code", "ids"),
    [
        ("hcaptcha.render('a')", ["a"]),
        ("hcaptcha . execute ( 'a' )", ["a"]),
        ("// hcaptcha.render('a')\nhcaptcha.render('b')", ["b"]),
        ("/* hcaptcha.render('a') */ hcaptcha.render('b')", ["b"]),
        ("x = \"hcaptcha.render('a')\"; hcaptcha.render('b')", ["b"]),
        ("u = 'https://x'; hcaptcha.render('a')", ["a"]),
        ("r = /'/; hcaptcha.render('a')", ["a"]),
        ("hcaptcha.getResponse('a')", []),
    ],
)
def test_renderings(code: str, ids: list[str]) -> None:
    assert rendered(code) == ids


@pytest.mark.parametrize("literal", ['"";', "//x", "/**/"])
def test_a_script_that_is_all_quotes_is_read_in_part(literal: str) -> None:
    quotes = f"{literal}\n" * MAX_LITERALS
    code = f"// hcaptcha\nhcaptcha.render('a');{quotes}hcaptcha.render('b');"
    assert rendered(code) == ["a"]
    assert "render('b')" not in read(code).code


def test_rqdata_and_the_address_of_the_script() -> None:
    url = "https://js.hcaptcha.com/1/api.js?render=explicit"
    scripts = read(f"s.src = '{url}'; hcaptcha.setData({{rqdata: 'x1'}})")
    assert scripts.injected() == [url]
    assert scripts.rqdata() == "x1"
    assert read(f"var k = '{KEY}', captcha = 1").rqdata() is None
