"""Is the answer to a submission the page that was asked for?"""

from __future__ import annotations

from typing import Any

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, JsonResponse, Response, TextResponse

from scrapy_onecaptcha.crawl import page_match
from scrapy_onecaptcha.crawl.page_match import moves_on, same_page
from scrapy_onecaptcha.pages.steps import finish
from tests.fuzz.fuzzing import ends

URL = "https://shop.example/list?page=2"
HTML = b"<html><body><h1 id=title>List</h1></body></html>"


def is_page(request: Request, answer: Response, **options: Any) -> bool:
    return finish(page_match.is_page(request, answer, **options))


def expected(response: Response, selector: str) -> bool:
    return finish(page_match.expected(response, selector))


@pytest.mark.parametrize(
    ("asked", "got", "same"),
    [
        (URL, URL, True),
        (URL, f"{URL}#top", True),
        (f"{URL}#top", URL, True),
        (URL, f"{URL}&pass=1", True),
        (URL, "https://shop.example/list?pass=1&page=2", True),
        (URL, "https://shop.example/list?page=2&page=2", True),
        (URL, "https://shop.example/list?page=3", False),
        (URL, "https://shop.example/list", False),
        (URL, "https://shop.example/list?page=", False),
        (URL, "https://shop.example/list?Page=2", False),
        (URL, "https://shop.example/?page=2", False),
        (URL, "https://shop.example/list/?page=2", False),
        (URL, "https://www.shop.example/list?page=2", False),
        (URL, "https://shop.example:8443/list?page=2", False),
        (URL, "http://shop.example/list?page=2", False),
        ("https://shop.example", "https://shop.example/", True),
        ("https://shop.example/", "https://shop.example?pass=1", True),
        ("https://shop.example/?a=1&a=2", "https://shop.example/?a=2&a=1", True),
        ("https://shop.example/?a=1&a=1", "https://shop.example/?a=1", False),
        ("https://shop.example/?a=1&a=1", "https://shop.example/?a=1&a=1&b", True),
        ("https://shop.example/?q=", "https://shop.example/", False),
        ("https://shop.example/?q=", "https://shop.example/?q=&pass=1", True),
        ("https://shop.example/?q=a+b", "https://shop.example/?q=a%20b", True),
    ],
)
def test_same_page(asked: str, got: str, same: bool) -> None:
    assert same_page(asked, got) is same


ELSEWHERE = "https://shop.example/thanks"


@pytest.mark.parametrize("redirected", [True, False])
@pytest.mark.parametrize(
    ("answer", "delivered"),
    [
        (HtmlResponse(URL, body=HTML), True),
        (HtmlResponse(f"{URL}&pass=1", body=HTML), True),
        (HtmlResponse(URL, status=206, body=HTML), True),
        (HtmlResponse(URL, status=204), False),
        (HtmlResponse(URL, status=199, body=HTML), False),
        (HtmlResponse(URL, status=300, body=HTML), False),
        (HtmlResponse(URL, status=302, body=HTML), False),
        (HtmlResponse(URL, status=403, body=HTML), False),
        (HtmlResponse(URL, status=404, body=HTML), False),
        (HtmlResponse(URL, status=503, body=HTML), False),
        (HtmlResponse(ELSEWHERE, body=HTML), False),
    ],
)
def test_a_page(answer: Response, delivered: bool, redirected: bool) -> None:
    request = Request(URL)
    assert is_page(request, answer, redirected=redirected, expect=None) is delivered


@pytest.mark.parametrize(
    "answer",
    [
        JsonResponse(URL, body=b'{"success": true}'),
        TextResponse(URL, body=b"ok"),
        Response(URL, body=b"\0"),
    ],
)
def test_a_direct_answer_of_another_kind_may_be_a_mere_verdict(
    answer: Response,
) -> None:
    request = Request(URL)
    assert not is_page(request, answer, redirected=False, expect=None)
    assert is_page(request, answer, redirected=True, expect=None)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_what_a_body_asked_for_is_not_answered_without_a_redirect(method: str) -> None:
    request, answer = Request(URL, method=method), HtmlResponse(URL, body=HTML)
    assert not is_page(request, answer, redirected=False, expect=None)
    assert is_page(request, answer, redirected=True, expect=None)


@pytest.mark.parametrize(
    ("answer", "may_be"),
    [
        (HtmlResponse(URL, body=HTML), True),
        (HtmlResponse(ELSEWHERE, body=HTML), False),
        (HtmlResponse(URL, status=404, body=HTML), False),
    ],
)
def test_what_the_user_expects_must_be_there_as_well(
    answer: Response, may_be: bool
) -> None:
    request = Request(URL)
    for redirected in (True, False):
        fine = is_page(request, answer, redirected=redirected, expect="#title")
        assert fine is may_be
        assert not is_page(request, answer, redirected=redirected, expect="#other")


NOTICES = [
    b"",
    b"  \n",
    b'<meta http-equiv="refresh" content="1">Thank you',
    b"<META content='0; url=/x' HTTP-EQUIV=Refresh>",
    b"<script>location.replace('/x')</script>Thank you, one moment",
    b"<script>window.location = '/x'</script>",
    b"<script>location.href='/x';</script><p>One moment</p>",
    b"<script>location.reload()</script>",
]


@pytest.mark.parametrize("body", NOTICES)
def test_what_only_moves_on_is_no_page(body: bytes) -> None:
    answer = HtmlResponse(URL, body=body)
    assert not is_page(Request(URL), answer, redirected=True, expect=None)


def test_a_refresh_header_moves_on() -> None:
    answer = HtmlResponse(URL, body=HTML, headers={"Refresh": "0"})
    assert not is_page(Request(URL), answer, redirected=True, expect=None)


@pytest.mark.parametrize(
    "script", [b"if (location.href == x) {}", b"location.replace('/login')"]
)
def test_a_page_with_text_may_have_such_a_script(script: bytes) -> None:
    body = b"<script>" + script + b"</script>" + b"<p>Tea, and more of it.</p>" * 40
    answer = HtmlResponse(URL, body=body)
    assert is_page(Request(URL), answer, redirected=True, expect=None)


def test_expected() -> None:
    assert expected(HtmlResponse(URL, body=HTML), "h1#title")
    assert not expected(HtmlResponse(URL, body=HTML), "h2")
    assert not expected(Response(URL, body=HTML), "h1")
    assert not expected(JsonResponse(URL, body=b'{"h1": 1}'), "h1")
    kind = {"Content-Type": "text/html; charset=base64"}
    assert not expected(HtmlResponse(URL, headers=kind, body=HTML), "h1")


@pytest.mark.parametrize("piece", [b"<script", b"<", b"<meta ", b"</script "])
def test_no_page_takes_long_to_be_told_from_a_notice(piece: bytes) -> None:
    body = b"<p>location.reload()" + piece * (1_000_000 // len(piece))
    with ends(2.0):
        assert moves_on(HtmlResponse(URL, body=body)) in (True, False)


def test_nested_elements_do_not_take_long_to_be_matched() -> None:
    deep = HtmlResponse(URL, body=b"<div class=a>" * 8_000, encoding="utf-8")
    with ends(2.0):
        assert expected(deep, "div .a div .a")
        assert not expected(deep, "div .a ~ div .a p")
