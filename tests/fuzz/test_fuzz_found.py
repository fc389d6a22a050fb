"""What was found by the tests beside this one, each as a case of its own.

The pages that took minutes are in ``test_fuzz_bounds``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_onecaptcha.crawl.submission import submit
from scrapy_onecaptcha.models import Challenge, Form
from scrapy_onecaptcha.pages.detection import detect
from tests.unit.helpers import configure

from .test_fuzz_pages import SOLUTION, TOKEN, check_page

if TYPE_CHECKING:
    from scrapy.http import TextResponse

URL = "https://shop.example/page"
KEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
API = '<script src="https://js.hcaptcha.com/1/api.js"></script>'
WIDGET = f'<div class="h-captcha" data-sitekey="{KEY}" data-callback="f"></div>'


def gate(body: str, charset: str = "utf-8") -> HtmlResponse:
    return HtmlResponse(
        URL,
        403,
        body=body.encode("utf-8", "surrogatepass"),
        headers={"Content-Type": f"text/html; charset={charset}"},
        request=Request(URL),
    )


def seen(response: TextResponse) -> Challenge:
    challenge = check_page(response)
    assert challenge is not None
    assert challenge.kind == "gate"
    return challenge


def form_of(response: TextResponse) -> Form:
    form = seen(response).form
    assert form is not None
    return form


@pytest.mark.parametrize(
    "charset", ["hex", "base64", "rot13", "undefined", "idna", "zlib", "utf-7", "cp037"]
)
def test_a_charset_that_is_none_of_text(charset: str) -> None:
    """Reading such a page raised, and so the crawl lost it."""
    page = f"{API}<form method=post>{WIDGET}<button>Go</button></form>"
    response = gate(page, charset)
    check_page(response)
    form = Form(url=URL, fields=(("a", "\xe9+"),), encoding=charset)
    request = Request(URL)
    assert TOKEN in submit(request, response, form, SOLUTION).body.decode("ascii")


@pytest.mark.parametrize("charset", ["hex", "undefined", "idna", "utf-7", "punycode"])
def test_a_form_that_accepts_no_charset_of_text(charset: str) -> None:
    """The submission raised, or garbled the token, after it was paid for."""
    page = (
        f"{API}<form method=post accept-charset={charset}>{WIDGET}<button>Go</button>"
    )
    assert form_of(gate(page)).encoding == "utf-8"


@pytest.mark.parametrize("odd", ["&#27;", "\x1b", "&#xd800;", "\ufffe"])
@pytest.mark.parametrize("last", ["", "<p>x</p>&#27;"])
def test_a_character_that_lxml_does_not_write(odd: str, last: str) -> None:
    """Behind the end of a page it raised, and so the crawl lost that page."""
    form = f"<form method=post>{WIDGET}<button>Go</button></form>"
    page = f"<html><body>{API}{form}{last}</body></html>y{odd}<p>z</p>{odd}"
    assert form_of(gate(page)).method == "POST"
    challenge = detect(gate(page + "<script>function f() {}</script>"), scripts=True)
    assert challenge is not None


def run(statements: str) -> Challenge:
    """Return what is seen where the scripts are run, as a browser runs them."""
    page = gate(f"{API}{WIDGET}<script>function f(t){{{statements}}}</script>")
    challenge = detect(page, scripts=True)
    assert challenge is not None
    return challenge


@pytest.mark.parametrize(
    ("number", "solvable"),
    [("007", True), ("-01", True), ("\u0663", False), ("1.\u0663", False)],
)
def test_a_number_that_json_does_not_have(number: str, *, solvable: bool) -> None:
    """The first two are numbers of old scripts, the others are errors."""
    statement = f"fetch('/a',{{method:'POST',body:JSON.stringify({{n:{number},k:t}})}})"
    assert run(statement).solvable is solvable


@pytest.mark.parametrize(
    ("pairs", "name"),
    [
        ("[[{},t]]", "[object Object]"),
        ("[[1,t]]", "1"),
        ("[[[],t]]", ""),
        ("[[null,t]]", "null"),
    ],
)
def test_pairs_whose_names_are_none(pairs: str, name: str) -> None:
    statement = f"fetch('/a',{{method:'POST',body:new URLSearchParams({pairs})}})"
    form = run(statement).form
    assert form is not None
    assert form.token_fields == (name,)


@pytest.mark.parametrize("depth", [300, 600, 900, 980])
def test_json_that_is_too_deep_to_be_written(depth: int) -> None:
    """Its text is the script's own, and is sent as that."""
    inner = '{"a":' * depth
    statement = f"fetch('/a',{{method:'POST',body:'{inner}\"'+t+'\"{'}' * depth}'}})"
    assert run(statement).solvable


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("max_tasks", -(10**5000)), ("max_tasks", 10**5000), ("task_cost", 10**5000)),
        *(("expect", ":is(" * 2000 + "a" + ")" * 2000), ("expect", "a>" * 3000 + "a")),
        *(("submitters", "[" * 50_000), ("gate", "\x1f"), ("gate", "a" * 5000)),
    ],
    ids=range(8),
)
def test_a_setting_that_raised_something_else(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^ONECAPTCHA_{name.upper()} is ") as caught:
        configure(**{name: value})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000
