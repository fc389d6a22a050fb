"""What a form is for is told by its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scrapy.http import HtmlResponse

from scrapy_onecaptcha.pages import purpose
from scrapy_onecaptcha.pages.html import parse

if TYPE_CHECKING:
    from scrapy_onecaptcha.pages.html import Page

KEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"


def page_of(html: str, url: str = "https://shop.example/x") -> Page:
    page = parse(HtmlResponse(url, body=html.encode(), encoding="utf-8"))
    assert page is not None
    return page


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Total $28.00", "$28.00"),
        ("合計 3,700円", "3,700円"),
        ("Summa 298 kr", "298 kr"),
        ("Végösszeg: 5 980 Ft", "5 980 Ft"),
        ("Rp 50.000", "Rp 50.000"),
        ("1 400 грн", "1 400 грн"),
        ("Il prezzo: 24,90 €", "24,90 €"),
        ("Node 5f of 12", ""),
        ("Ray ID 75f1c0", ""),
        ("12 krona", ""),
        ("1" * 5000, ""),
    ],
)
def test_a_price_is_an_amount_of_money(text: str, found: str) -> None:
    assert purpose.price(text) == found


@pytest.mark.parametrize(
    ("name", "is_choice"),
    [
        *(("cart", True), ("product_id", True), ("vote[choice]", True), ("qty", True)),
        *(("order-id", True), ("seats", True), ("_token", False), ("redirect", False)),
        *(("h-captcha-response", False), ("border", False), ("cartoon", False)),
    ],
)
def test_a_hidden_field_names_what_was_chosen(name: str, is_choice: bool) -> None:
    page = page_of(f"<form><input type=hidden name='{name}'><input name=total></form>")
    form = page.root.find(".//form")
    assert purpose.chosen(form, page) == (name if is_choice else "")
    assert purpose.chosen(None, page) == ""


@pytest.mark.parametrize(
    ("script", "draws"),
    [
        ("i = document.createElement('input'); i.name = n; i.required = true", True),
        ("e.innerHTML = '<label>Navn <input name=navn></label>'", True),
        ("i = document.createElement('input'); i.type = 'hidden'; i.name = 't'", False),
        ("i = document.createElement(\"input\"); i.name = 'h-captcha-response'", False),
        ("document.createElement('script')", False),
    ],
)
def test_fields_that_a_script_makes(script: str, draws: bool) -> None:
    assert purpose.drawn(page_of(f"<script>{script}</script>")) is draws


def test_a_link_to_rules_of_the_site() -> None:
    hcaptchas = "<a href='https://www.hcaptcha.com/privacy'>Privacy</a>"
    assert purpose.rules(page_of(hcaptchas)) == ""
    assert (
        purpose.rules(page_of(f"{hcaptchas}<a href=/villkor>Villkor</a>")) == "Villkor"
    )
    assert purpose.rules(page_of("<a href='http://['>x</a><a href=/about>y</a>")) == ""


def test_a_token_for_the_page_around() -> None:
    assert purpose.frame_of(page_of("<script>parent.postMessage(t, '*')</script>"))
    app = "<script>window.ReactNativeWebView.postMessage(t)</script>"
    assert purpose.frame_of(page_of(app))
    assert not purpose.frame_of(
        page_of("<script>post(t); worker.postMessage(t)</script>")
    )


def test_a_sitekey_in_the_address_is_read_where_a_script_reads_it() -> None:
    reads = "<script>k = new URLSearchParams(location.search).get('k')</script>"
    url = f"https://shop.example/frame?k={KEY}&a=1"
    assert purpose.key_in_query(page_of(reads, url)) == KEY
    assert purpose.key_in_query(page_of("<script>k = 1</script>", url)) is None
    other = KEY.replace("3", "4")
    assert purpose.key_in_query(page_of(reads, f"{url}&b={other}")) is None
    assert purpose.key_in_query(page_of(reads)) is None
