"""Cloudflare's challenge of 2020 to 2022 is told by its markers."""

from __future__ import annotations

import pytest
from scrapy.http import HtmlResponse

from scrapy_onecaptcha.pages.cloudflare import marker_of
from scrapy_onecaptcha.pages.detection import detect
from scrapy_onecaptcha.request_options import RequestOptions

FORM = '<form class="challenge-form" id="challenge-form" action="/?a=b" method="POST">'
KIND = '<input type="hidden" name="cf_captcha_kind" value="h">'
URL = "https://shop.example/x"


@pytest.mark.parametrize(
    ("html", "marker"),
    [
        (f"{FORM}{KIND}</form>", "cf_captcha_kind"),
        (f"<form id=challenge-form>{KIND}", "cf_captcha_kind"),
        (f'{FORM}<iframe src="/cdn-cgi/images/captcha/nojs/h/z">', "captcha/nojs/h"),
        (
            f"{FORM}<script>s='/cdn-cgi/challenge-platform/h/b/orchestrate/captcha/v1'",
            "orchestrate/captcha",
        ),
        (FORM + KIND.replace('"h"', '"re"'), None),
        (KIND, None),
        (f"<p>Their form is called challenge-form.</p>{KIND}", None),
        (f"<div id=challenge-form>{KIND}</div>", None),
        (f"{FORM}<p>cf_captcha_kind is h</p>", None),
        ("<form class=my-challenge-form-2>captcha/nojs/h", None),
    ],
)
def test_the_markers(html: str, marker: str | None) -> None:
    assert marker_of(html.encode()) == marker


def test_it_is_a_gate_without_a_sitekey_whatever_it_looks_like() -> None:
    html = f"<h1>Welcome to our shop</h1>{'<p>text</p>' * 900}{FORM}{KIND}</form>"
    page = HtmlResponse(URL, body=html.encode())
    challenge = detect(page)
    assert challenge is not None
    assert (challenge.kind, challenge.reason) == ("gate", "no_sitekey")
    assert challenge.confidence == 1.0
    assert any("cf_captcha_kind" in sentence for sentence in challenge.evidence)


def test_what_the_user_says_of_it_holds() -> None:
    html = f"<h1>Welcome</h1>{FORM}{KIND}</form>"
    page = HtmlResponse(URL, body=html.encode())
    assert detect(page, RequestOptions(expect="h1")) is None
    refused = detect(page, RequestOptions(gate=False))
    assert refused is not None
    assert refused.kind == "widget"
    key = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
    known = detect(page, RequestOptions(sitekey=key))
    assert known is not None
    assert known.solvable
    assert known.form is not None
    assert known.form.fields == (("cf_captcha_kind", "h"),)
