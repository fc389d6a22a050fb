"""Pages made to be slow: each multiplies two things that a page can have many of.

Each took seconds or minutes once. They are written here, not stored, because most have
hundreds of kilobytes.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from scrapy import Request
from scrapy.http import HtmlResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CONTENT", "SELECTORS", "SLOW", "WIDGETS", "page", "siblings"]

KEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
API = '<script src="https://js.hcaptcha.com/1/api.js"></script>'
WIDGET = f'<div class="h-captcha" data-sitekey="{KEY}"></div>'
CONFIGURED = f'<script>var config = {{"hcaptchaSiteKey": "{KEY}"}}</script>'
PARAGRAPH = (
    "<p class='entry'>A paragraph of some length, with <a href='/a/b'>a link</a> in it "
    "and a few words more, as articles have them.</p>\n"
)


def fieldsets() -> str:
    forms = [f"<form>{'<input name=a>' * 199}</form>" for _ in range(9)]
    first = f"<form>{WIDGET}{'<input name=a>' * 199}</form>"
    return "<fieldset disabled>" * 1900 + first + "".join(forms)


def leaves() -> str:
    data = json.dumps({"k" * 200: {"j" * 200: ["s"] * 500}})
    script = f'<script type="application/json">{data}</script>'
    return "<div class=h-captcha></div>" * 128 + script * 16


def ends_of_forms() -> str:
    return WIDGET + "x</form>" * 60_000


def templates() -> str:
    return WIDGET + "x<template>y</template>" * 45_000


def styles() -> str:
    divs = f'<div style="{"x" * 2000}">' * 31
    fields = "<input name=a>" * 199
    return f"{divs}<form>{WIDGET}{fields}</form>{'</div>' * 31}" * 15


def attributes() -> str:
    names = " ".join(f"a{number}=b" for number in range(60_000))
    return f"{WIDGET}<p {names}>"


def attributes_behind_quotes() -> str:
    names = " ".join(f'a{number}=">"' for number in range(60_000))
    return f"{WIDGET}<p b=x\"y z='<' {names}>"


def depth() -> str:
    return "<form>" + "<div>" * 90_000 + WIDGET + "<input name=a>" * 30_000


def depth_by_siblings() -> str:
    return API + WIDGET + "<div>" * 200 + "<a href=x id=a onclick=b></a>" * 9_800


def legends() -> str:
    return f"<fieldset disabled>{WIDGET}" + "<legend><input name=a></legend>" * 28_000


def owners() -> str:
    forms = "".join(f"<form id=f{n}></form>" for n in range(9_000))
    return WIDGET + forms + "".join(f"<input form=f{n} name=a>" for n in range(9_000))


def links() -> str:
    return WIDGET + "<a href=x><span>" * 50_000


def quotes() -> str:
    return WIDGET + "<a b='" * 150_000


def strings() -> str:
    return f"{WIDGET}<script>// hcaptcha.render(" + '\n""' * 300_000


def renderings() -> str:
    script = "<script>hcaptcha.render('x')</script>"
    return WIDGET + (script + API) * 4_000 + "<p id=y>" * 4_000


def noscripts() -> str:
    return WIDGET + "<input name=a><noscript>x" * 40_000


def headings() -> str:
    return WIDGET + "<h1><h2>" * 9_000


def empty_objects() -> str:
    script = f'<script type="application/json">{{"a":[{",".join(["{}"] * 20_000)}]}}'
    return WIDGET + f"{script}</script>" * 16


def escapes() -> str:
    values = r"\x31," * 180_000
    return f"{WIDGET}<script>captcha=JSON.parse('[{values}1]')</script>"


def attributes_of_all() -> str:
    names = " ".join(f"a{number}" for number in range(60))
    return WIDGET + f"<p {names}>" * 4_000


def few_attributes_of_all() -> str:
    return WIDGET + f"<p {' '.join(f'{name}=1' for name in 'abcdefghij')}>" * 19_900


def many_attributes_of_all() -> str:
    names = " ".join(
        f"{first}{second}" for first in "abcd" for second in "efghijklmnopqrs"
    )
    return WIDGET + f"<p {names}>" * 5_000


def repeated_ids() -> str:
    return WIDGET + "<input name=a>x" * 10_000 + "<div id=x></div>" * 4_900


#: What each page is made of: two things of which there are many.
SLOW: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "fieldsets by controls": fieldsets,
        "widgets by JSON leaves": leaves,
        "texts by ends of forms": ends_of_forms,
        "texts by templates": templates,
        "styles by controls": styles,
        "attributes of a tag": attributes,
        "attributes behind quotes": attributes_behind_quotes,
        "controls by depth": depth,
        "elements by depth": depth_by_siblings,
        "legends by fields": legends,
        "forms by controls": owners,
        "links in links": links,
        "tags without an end": quotes,
        "texts by ends of the page": lambda: WIDGET + "x</html>" * 60_000,
        "strings of a script": strings,
        "words of a script": lambda: (
            f"{WIDGET}<script>hcaptcha.render(" + "some words, 'a string'\n" * 19_000
        ),
        "renderings by ids": renderings,
        "noscripts in noscripts": noscripts,
        "headings in headings": headings,
        "empty objects by JSON scripts": empty_objects,
        "escapes of a literal": escapes,
        "attributes by tags": attributes_of_all,
        "few attributes by many tags": few_attributes_of_all,
        "many attributes by many tags": many_attributes_of_all,
        "siblings by repeated ids": repeated_ids,
        "fields by attributes": (
            lambda: WIDGET + "<input name=pow_response data-pow>" * 19_900
        ),
        "characters of a text": lambda: WIDGET + "人 x" * 200_000,
    }
)


def siblings() -> str:
    return WIDGET + "<p>" * 19_900


def nested() -> str:
    return WIDGET + "<div>" * 19_900


def text_in_many() -> str:
    return WIDGET + "<div>" * 2_000 + "y" * 900_000


def nested_fieldsets() -> str:
    nested = "<fieldset disabled><legend>x</legend>" * 2_000
    return f"{WIDGET}{nested}<div>{'<input name=a>' * 15_000}"


def nested_legends() -> str:
    return WIDGET + "<fieldset disabled><legend><input name=a>" * 6_600


def texts_of_one() -> str:
    return WIDGET + "x<b>y</b>" * 9_900


#: Pages, and selectors of a user, that look from many elements at many others.
SELECTORS: Mapping[str, tuple[Callable[[], str], str]] = MappingProxyType(
    {
        "siblings by their places": (siblings, "p:nth-child(2n):nth-last-child(3n) b"),
        "siblings by those after them": (siblings, "p:has(~ b)"),
        "elements by those around them": (nested, "div div div b"),
        "elements by those in them": (nested, "div:has(div p b)"),
        "elements by their languages": (nested, "div:lang(en)"),
        "elements by their texts": (text_in_many, "div:contains('z')"),
        "texts of all elements": (siblings, "::text"),
        "texts of one element": (texts_of_one, "::text"),
        "controls by their fieldsets": (
            nested_fieldsets,
            ":enabled b, :disabled b",
        ),
        "controls by their legends": (nested_legends, ":enabled b, :disabled b"),
        "elements by attributes": (attributes_of_all, "p:not([b]):not([a59]) b"),
    }
)


def _script(size: int) -> str:
    lines = (
        f"function f{n}(a, b) {{ var x = {{key{n}: 'value', b: [1, 2]}}; return a; }}\n"
        for n in range(size // 50)
    )
    return f"<script>{''.join(lines)[:size]}</script>"


def _article(scripts: int, more: str) -> str:
    return f"<head>{_script(scripts)}</head><body>{PARAGRAPH * 750}{more}</body>"


#: Content with scripts, which is no possible gate.
CONTENT: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "100 KB, 100 KB of scripts": lambda: _article(100_000, CONFIGURED),
        "100 KB, 430 KB of scripts": lambda: _article(430_000, CONFIGURED),
    }
)


#: Content with scripts and with a widget of its own.
WIDGETS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "100 KB, 100 KB of scripts, api.js": lambda: _article(100_000, API),
        "the same, a form for comments": lambda: _article(
            100_000,
            f"{API}<form action=/comment><textarea name=text></textarea>{WIDGET}"
            "<button>Comment</button></form>",
        ),
    }
)


def page(html: str) -> HtmlResponse:
    """Return *html* as it would come."""
    url = "https://shop.example/page"
    loaded = API if "h-captcha" in html else ""
    body = f"<!doctype html>{loaded}{html}".encode()
    return HtmlResponse(url, body=body, encoding="utf-8", request=Request(url))
