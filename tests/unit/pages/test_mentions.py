"""Which pages are parsed at all."""

from __future__ import annotations

import pytest

from scrapy_onecaptcha.pages.mentions import (
    MAX_MENTIONS,
    first_mention,
    may_hold_widget,
)

CONFIG = b'<script>var c = {"hcaptchaSiteKey": "x", "hcaptcha": 1}</script>'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<p>A page on captchas, recaptcha and others.",
        CONFIG,
        CONFIG * 3 + b"<p class=x>text</p>",
        b'<script type=\'application/json\'>{"provider": "hcaptcha"}</script>',
        b"<script>loadHcaptcha = 'h-captcha'; // hcaptcha</script>",
    ],
)
def test_configuration_is_no_reason_to_parse(body: bytes) -> None:
    assert not may_hold_widget(body, first_mention(body))


@pytest.mark.parametrize(
    "body",
    [
        b"<div class=h-captcha></div>",
        b"<script src='https://js.hcaptcha.com/1/api.js'></script>",
        b"<script>s.src = 'https://hcaptcha.com/1/api.js'</script>",
        b"<script>hcaptcha.render('x', {sitekey: k})</script>",
        b"<script>window.hcaptcha\n ?.execute(w)</script>",
        b"<script src='//hc.shop.example/1/secure-api.js'></script>",
        b"<script id=hcaptcha-data type=application/json>{}</script>",
        b"<script>a</script><div id=hcaptcha></div>",
        b"<!-- <script> --><div class=h-captcha></div>",
        b"<p>About hCaptcha, or hcaptcha.",
        CONFIG + b"<h-captcha site-key=x></h-captcha>",
        CONFIG * (MAX_MENTIONS // 2 + 1),
    ],
)
def test_what_may_be_a_widget_is_parsed(body: bytes) -> None:
    assert may_hold_widget(body, first_mention(body))
