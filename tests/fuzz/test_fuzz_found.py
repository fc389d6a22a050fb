"""What was found by the tests beside this one, each as a case of its own.

The pages that took minutes stand in ``test_fuzz_bounds``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, JsonResponse

from scrapy_onecaptcha.cli.detect import show, tell
from scrapy_onecaptcha.cli.page_fetch import Look
from scrapy_onecaptcha.crawl.sessions import session_key
from scrapy_onecaptcha.crawl.submission import submit
from scrapy_onecaptcha.models import Challenge, Form
from scrapy_onecaptcha.pages.detection import detect
from scrapy_onecaptcha.pages.html import join
from scrapy_onecaptcha.request_options import RequestOptions
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


def called(statements: str) -> Challenge:
    """Return what is seen where the callback does that with its token ``t``."""
    return seen(gate(f"{API}{WIDGET}<script>function f(t){{{statements}}}</script>"))


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


@pytest.mark.parametrize("number", ["007", "-01", "\u0663", "1.\u0663"])
def test_a_number_that_json_does_not_have(number: str) -> None:
    statement = f"fetch('/a',{{method:'POST',body:JSON.stringify({{n:{number},k:t}})}})"
    assert called(statement).reason == "no_submission"


@pytest.mark.parametrize("pairs", ["[[{},t]]", "[[1,t]]", "[[[],t]]", "[[null,t]]"])
def test_pairs_whose_names_are_none(pairs: str) -> None:
    statement = f"fetch('/a',{{method:'POST',body:new URLSearchParams({pairs})}})"
    assert called(statement).reason == "no_submission"


@pytest.mark.parametrize("depth", [300, 600, 900, 980])
def test_json_that_is_too_deep_to_be_written(depth: int) -> None:
    inner = '{"a":' * depth
    statement = f"fetch('/a',{{method:'POST',body:'{inner}\"'+t+'\"{'}' * depth}'}})"
    assert called(statement).reason == "no_submission"
    deep = f"{inner}1{'}' * depth}"
    statement = f"fetch('/a',{{method:'POST',body:'{{\"k\":\"'+t+'\",\"d\":{deep}}}'}})"
    called(statement)


def test_half_a_surrogate_pair_in_what_goes_along() -> None:
    """The submission raised after it was paid for."""
    for ticket in ("\ud800", "a\nb"):
        demand: dict[str, Any] = {"captcha_sitekey": KEY, "captcha_service": "hcaptcha"}
        demand |= {"captcha_key": ["captcha-required"], "captcha_rqtoken": ticket}
        request = Request(
            URL,
            method="POST",
            body=b"captcha_key=",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        body = json.dumps(demand).encode()
        response = JsonResponse(URL, 400, body=body, request=request)
        form = form_of(response)
        assert form.fields == ()
        assert TOKEN.encode() in submit(request, response, form, SOLUTION).body


def test_what_is_joined_to_no_url_is_none() -> None:
    assert join("http://[", "") is None


def test_a_page_at_no_url() -> None:
    page = f"{API}{WIDGET}<script>function f(t){{location=location.href+t}}</script>"
    detect(HtmlResponse("http://[", 403, body=page.encode(), encoding="utf-8"))


def test_a_page_writes_nothing_to_the_terminal() -> None:
    """Text that is not written as JSON was shown as it came."""
    page = (
        f'{API}<form method=post>{WIDGET}<input name="a\u202e\u2028" value=b><button>'
    )
    response = gate(page, "\x1b[2J")
    look = Look("page.html", response, detect(response, RequestOptions(gate=True)))
    shown = show(tell(look), as_json=False)
    assert all(line.isprintable() for line in shown.split("\n"))


def test_a_proxy_s_password_may_hold_what_no_url_may() -> None:
    """It raised for every request, once a gate was met."""
    keys = [
        session_key(Request(URL, meta={"proxy": f"http://u:{password}@proxy:8080"}))
        for password in ("\u2100", "[", "]")
    ]
    assert len(set(keys)) == 3
    assert {key.proxy.partition("#")[0] for key in keys} == {"proxy:8080"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("max_tasks", -(10**5000)), ("max_tasks", 10**5000), ("task_cost", 10**5000)),
        *(("expect", ":is(" * 400 + "a" + ")" * 400), ("expect", "a>" * 3000 + "a")),
        *(("submitters", "[" * 50_000), ("gate", "\x1f"), ("gate", "a" * 5000)),
    ],
    ids=range(8),
)
def test_a_setting_that_raised_something_else(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^ONECAPTCHA_{name.upper()} is ") as caught:
        configure(**{name: value})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000
