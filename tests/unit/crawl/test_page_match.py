"""Is the answer to a submission the page that was asked for?"""

from __future__ import annotations

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, JsonResponse, Response, TextResponse

from scrapy_onecaptcha.crawl.page_match import expected, is_page, same_page

URL = "https://shop.example/list?page=2"
HTML = b"<html><body><h1 id=title>List</h1></body></html>"


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


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("expect", [None, "#title"])
def test_what_a_body_asked_for_is_answered_by_a_replay_only(
    method: str, expect: str | None
) -> None:
    request, answer = Request(URL, method=method), HtmlResponse(URL, body=HTML)
    assert not is_page(request, answer, redirected=True, expect=expect)


@pytest.mark.parametrize(
    "answer",
    [
        HtmlResponse(URL, body=HTML),
        HtmlResponse(ELSEWHERE, body=HTML),
        HtmlResponse(URL, status=404, body=HTML),
    ],
)
def test_where_the_user_says_what_to_expect_that_decides(answer: Response) -> None:
    request = Request(URL)
    for redirected in (True, False):
        assert is_page(request, answer, redirected=redirected, expect="#title")
        assert not is_page(request, answer, redirected=redirected, expect="#other")


def test_expected() -> None:
    assert expected(HtmlResponse(URL, body=HTML), "h1#title")
    assert not expected(HtmlResponse(URL, body=HTML), "h2")
    assert not expected(Response(URL, body=HTML), "h1")
    assert not expected(JsonResponse(URL, body=b'{"h1": 1}'), "h1")
    kind = {"Content-Type": "text/html; charset=base64"}
    assert not expected(HtmlResponse(URL, headers=kind, body=HTML), "h1")
