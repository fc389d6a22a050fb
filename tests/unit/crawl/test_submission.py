"""The request that carries the token, read by parsers that others wrote."""

from __future__ import annotations

import email.parser
import email.policy
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scrapy import FormRequest, Request
from scrapy.http import HtmlResponse
from scrapy.http.request import NO_CALLBACK

from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.requests import ONCE, url_without
from scrapy_onecaptcha.crawl.submission import submit, submit_by
from scrapy_onecaptcha.models import Challenge, Form, Solution
from tests.unit.helpers import AGENT, SITEKEY, TOKEN

PAGE = "https://shop.example/list?page=2"
ACTION = "https://shop.example/verify?old=1"
SOLUTION = Solution(token=TOKEN, user_agent=AGENT, resp_key="E0_key", task_id="7")
PLAIN = Solution(token=TOKEN, user_agent=AGENT)
MULTIPART, TEXT = "multipart/form-data", "text/plain"
URLENCODED = "application/x-www-form-urlencoded"


def asked(url: str = PAGE, **changes: Any) -> Request:
    request = Request(url, **changes)
    request_meta.stamp(request, 1)
    return request


def sent(
    *fields: tuple[str, str],
    request: Request | None = None,
    page: str = PAGE,
    solution: Solution = PLAIN,
    **form: Any,
) -> Request:
    form.setdefault("token_fields", ("h-captcha-response",))
    return submit(
        request or asked(),
        HtmlResponse(page),
        Form(fields=fields, **({"url": ACTION} | form)),
        solution,
    )


def urlencoded(request: Request, encoding: str = "utf-8") -> list[tuple[str, str]]:
    assert request.headers["Content-Type"] == URLENCODED.encode()
    return parse_qsl(
        request.body.decode("ascii"), True, strict_parsing=True, encoding=encoding
    )


def multipart(request: Request, encoding: str = "utf-8") -> list[tuple[str, str]]:
    """Read a body by the standard library's parser of MIME."""
    content_type = request.headers["Content-Type"]
    assert content_type is not None
    raw = b"Content-Type: " + content_type + b"\r\n\r\n" + request.body
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(raw)
    assert not message.defects
    return [_field(part, encoding) for part in message.iter_parts()]


def _field(part: Message, encoding: str) -> tuple[str, str]:
    assert not part.defects
    [(name, raw)] = part.raw_items()
    disposition = Message()
    disposition[name] = raw.encode("ascii", "surrogateescape").decode(encoding)
    assert disposition.get_content_disposition() == "form-data"
    value: Any = part.get_payload(decode=True)
    field = disposition.get_param("name", header="Content-Disposition")
    return str(field), value.decode(encoding)


# Where and how it goes


def test_it_goes_where_the_form_says() -> None:
    request = sent(("a", "b"))
    assert (request.url, request.method) == (ACTION, "POST")
    assert urlencoded(request) == [("a", "b"), ("h-captcha-response", TOKEN)]


def test_the_token_goes_into_each_field_for_it_and_the_key_along() -> None:
    both = ("h-captcha-response", "g-recaptcha-response")
    request = sent(solution=SOLUTION, token_fields=both)
    assert urlencoded(request) == [
        ("h-captcha-response", TOKEN),
        ("g-recaptcha-response", TOKEN),
        ("respKey", "E0_key"),
    ]
    request = sent(solution=SOLUTION, resp_key_field="key")
    assert urlencoded(request)[-1] == ("key", "E0_key")


def test_without_a_key_there_is_no_field_for_it() -> None:
    assert [name for name, _ in urlencoded(sent())] == ["h-captcha-response"]


def test_fields_keep_their_order_and_their_doubles() -> None:
    fields = [("z", "1"), ("a", "2"), ("z", "3"), ("", ""), ("empty", "")]
    assert urlencoded(sent(*fields))[:-1] == fields
    assert multipart(sent(*fields, enctype=MULTIPART))[:-1] == fields


SPECIAL = [
    ("q", "a b&c=d+e%20f"),
    ("plus", "1+1=2"),
    ("umlaut", "Grüße"),
    ("名前", "紅茶"),
    ("semicolon;", "a;b"),
    ("emoji", "\N{HOT BEVERAGE}"),
    ("entity", "&amp;"),
    ("quote", "'single' \"double\""),
]


def test_urlencoded() -> None:
    assert urlencoded(sent(*SPECIAL))[:-1] == SPECIAL


def test_multipart() -> None:
    assert multipart(sent(*SPECIAL, enctype=MULTIPART))[:-1] == SPECIAL


def test_spaces_are_plus_signs() -> None:
    assert sent(("a b", "c d")).body.startswith(b"a+b=c+d&")


def test_names_of_a_multipart_form_are_escaped_as_browsers_do() -> None:
    request = sent(('a"b', "1"), ("c\nd", "2"), enctype=MULTIPART)
    assert multipart(request)[:2] == [("a%22b", "1"), ("c%0D%0Ad", "2")]


def test_plain_text() -> None:
    request = sent(("a", "b c"), ("d", "é=&"), enctype=TEXT)
    assert request.headers["Content-Type"] == b"text/plain"
    wanted = f"a=b c\r\nd=é=&\r\nh-captcha-response={TOKEN}\r\n"
    assert request.body.decode() == wanted


def test_an_unknown_enctype_is_urlencoded() -> None:
    assert urlencoded(sent(("a", "b"), enctype="what/ever"))[0] == ("a", "b")


@pytest.mark.parametrize("enctype", [URLENCODED, MULTIPART, TEXT])
def test_a_form_that_is_sent_by_get(enctype: str) -> None:
    old = {"Content-Type": "text/x", "Content-Length": "2", "Origin": "https://o.test"}
    gate = asked(headers=old, method="POST", body=b"{}")
    request = sent(("a", "b c&ü"), method="GET", enctype=enctype, request=gate)
    assert (request.method, request.body) == ("GET", b"")
    url = urlsplit(request.url)
    assert url._replace(query="").geturl() == "https://shop.example/verify"
    wanted = [("a", "b c&ü"), ("h-captcha-response", TOKEN)]
    assert parse_qsl(url.query, strict_parsing=True) == wanted
    assert not [name for name in old if name in request.headers]
    assert request.headers["Referer"] == PAGE.encode()


# Characters


@pytest.mark.parametrize("read", [urlencoded, multipart])
@pytest.mark.parametrize(
    ("encoding", "value", "received"),
    [
        ("utf-8", "茶 Ω", "茶 Ω"),
        ("gbk", "茶", "茶"),
        ("gb18030", "\N{HOT BEVERAGE}茶", "\N{HOT BEVERAGE}茶"),
        ("latin-1", "é", "é"),
        ("latin-1", "茶 Ω é", "&#33590; &#937; é"),
        ("cp1252", "€ Ω", "€ &#937;"),
        ("ascii", "é", "&#233;"),
        ("shift_jis", "茶", "茶"),
        ("koi8-r", "чай", "чай"),
    ],
)
def test_the_encoding_of_the_page(
    read: Any, encoding: str, value: str, received: str
) -> None:
    enctype = MULTIPART if read is multipart else URLENCODED
    request = sent((value, value), encoding=encoding, enctype=enctype)
    assert read(request, encoding)[0] == (received, received)


def test_the_encoding_of_the_page_holds_for_get_and_plain_text() -> None:
    request = sent(("q", "茶"), encoding="gbk", method="GET")
    assert parse_qsl(urlsplit(request.url).query, encoding="gbk")[0] == ("q", "茶")
    assert sent(("q", "茶"), encoding="gbk", enctype=TEXT).body.startswith(
        "q=茶\r\n".encode("gbk")
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_no_form_is_sent_in_another_utf(encoding: str) -> None:
    assert urlencoded(sent(("q", "茶"), encoding=encoding))[0] == ("q", "茶")


def test_an_encoding_that_nobody_knows_is_utf_8() -> None:
    assert urlencoded(sent(("q", "茶"), encoding="x-none"))[0] == ("q", "茶")


@pytest.mark.parametrize("enctype", [URLENCODED, MULTIPART])
def test_line_breaks_are_sent_as_browsers_do(enctype: str) -> None:
    request = sent(("a", "1\n2\r3\r\n4\n\n5\r"), ("b\n", ""), enctype=enctype)
    read = urlencoded if enctype == URLENCODED else multipart
    pairs = read(request)
    assert pairs[0] == ("a", "1\r\n2\r\n3\r\n4\r\n\r\n5\r\n")
    assert pairs[1][0] == ("b\r\n" if enctype == URLENCODED else "b%0D%0A")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(derandomize=True, max_examples=60)
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6))
def test_whatever_the_fields_hold_arrives(fields: list[tuple[str, str]]) -> None:
    wanted = [
        tuple(
            text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
            for text in pair
        )
        for pair in fields
    ]
    assert urlencoded(sent(*fields))[:-1] == wanted


# The boundary


def boundary(request: Request) -> bytes:
    content_type = request.headers["Content-Type"]
    assert content_type is not None
    kind, _, value = content_type.partition(b"; boundary=")
    assert kind == MULTIPART.encode()
    return value


def test_the_boundary_does_not_stand_in_the_fields() -> None:
    first = boundary(sent(("a", "b"), enctype=MULTIPART))
    tricky = sent(
        ("a", "b"),
        ("c", f"--{first.decode()}--\r\n--"),
        ("--", "--"),
        enctype=MULTIPART,
    )
    assert tricky.body.count(b"--" + boundary(tricky)) == 5
    assert multipart(tricky)[1] == ("c", f"--{first.decode()}--\r\n--")
    assert len(boundary(tricky)) <= 70  # RFC 2046


# Headers


@pytest.mark.parametrize(
    ("page", "referer", "origin"),
    [
        (PAGE, PAGE, "https://shop.example"),
        (f"{PAGE}#top", PAGE, "https://shop.example"),
        (
            "https://me:word@shop.example:8443/a?b",
            "https://shop.example:8443/a?b",
            "https://shop.example:8443",
        ),
        ("http://shop.example/", "http://shop.example/", "http://shop.example"),
    ],
)
def test_it_says_where_it_comes_from(page: str, referer: str, origin: str) -> None:
    old = {"Referer": "https://elsewhere.example/", "Origin": "https://wrong.example"}
    request = sent(page=page, request=asked(headers=old))
    assert request.headers.getlist("Referer") == [referer.encode()]
    assert request.headers.getlist("Origin") == [origin.encode()]


def test_it_keeps_the_headers_of_the_gates_request() -> None:
    old = {
        "User-Agent": "own",
        "Accept-Language": "de",
        "X-Mine": ["1", "2"],
        "Content-Type": "application/json",
        "Content-Length": "2",
    }
    gate = asked(headers=old, method="POST", body=b"{}")
    request = sent(request=gate)
    assert request.headers["User-Agent"] == b"own"
    assert request.headers["Accept-Language"] == b"de"
    assert request.headers.getlist("X-Mine") == [b"1", b"2"]
    assert request.headers.getlist("Content-Type") == [URLENCODED.encode()]
    assert "Content-Length" not in request.headers
    assert gate.headers["Content-Type"] == b"application/json"


@pytest.mark.parametrize("name", ["Authorization", "Cookie"])
def test_credentials_stay_with_their_host(name: str) -> None:
    gate = asked(headers={name: "mine"})
    assert name in sent(request=gate).headers
    assert name not in sent(request=gate, url="https://verify.example/").headers


# What Scrapy may do with it


def test_it_leaves_once_by_the_same_way_as_its_gate() -> None:
    meta = {"cookiejar": 3, "proxy": "http://p.example", "mine": 1}
    gate = asked(meta=meta, priority=7, callback=print, cookies={"a": "b"})
    request = sent(request=gate)
    assert request.meta == {
        **meta,
        **ONCE,
        request_meta.KEY: {"role": "submission", "user_agent": AGENT},
    }
    assert request.priority == 7
    assert request.dont_filter
    assert request.callback is NO_CALLBACK
    assert request.errback is None
    assert request.cookies == {}
    assert TOKEN not in repr(request.meta)
    assert "dont_retry" not in gate.meta


# The user's own


def test_a_browser_is_told_where_it_comes_from() -> None:
    """scrapy-playwright sends no Referer but the one that its ``goto`` is given."""
    told = {"timeout": 7, "referer": "https://elsewhere.example/"}
    meta = {"playwright": True, "playwright_page_goto_kwargs": told}
    request = sent(request=asked(meta=meta))
    kwargs = request.meta["playwright_page_goto_kwargs"]
    assert kwargs == {"timeout": 7, "referer": PAGE}
    assert told["referer"] == "https://elsewhere.example/"
    assert "playwright_page_goto_kwargs" not in sent().meta


CHALLENGE = Challenge(kind="gate", url=PAGE, sitekey=SITEKEY)


def by(made: Any, gate: Request | None = None) -> Request:
    return submit_by(
        lambda *_: made, gate or asked(), HtmlResponse(PAGE), CHALLENGE, SOLUTION
    )


def test_the_users_own_submitter_is_given_everything() -> None:
    gate, response, given_to = asked(), HtmlResponse(PAGE), list[Any]()

    def submitter(*arguments: Any) -> Request:
        given_to.extend(arguments)
        return Request(ACTION)

    submit_by(submitter, gate, response, CHALLENGE, SOLUTION)
    assert given_to == [gate, response, CHALLENGE, SOLUTION]


def test_the_users_own_request_is_kept_and_made_safe() -> None:
    made = FormRequest(
        ACTION,
        formdata={"token": TOKEN},
        headers={"X-Mine": "1", "User-Agent": "mine"},
        meta={"proxy": "http://other.example", "dont_retry": False, "new": 1},
        cookies={"a": "b"},
        priority=3,
        callback=print,
    )
    request = by(made, asked(meta={"cookiejar": 3, "proxy": "http://p.example"}))
    assert (request.url, request.method, request.body) == (ACTION, "POST", made.body)
    assert request.headers["X-Mine"] == b"1"
    assert request.headers["User-Agent"] == b"mine"
    assert request.cookies == {"a": "b"}
    assert request.priority == 3
    assert request.callback is NO_CALLBACK
    assert request.meta == {
        "cookiejar": 3,
        "proxy": "http://other.example",
        "new": 1,
        **ONCE,
        request_meta.KEY: {"role": "submission", "user_agent": AGENT},
    }


def test_a_submission_made_of_the_gates_request_is_a_submission() -> None:
    gate = asked()
    request = by(gate.replace(url=ACTION, method="POST", body=b"token"), gate)
    assert request_meta.role_of(request) == "submission"
    assert request.meta[request_meta.KEY]["user_agent"] == AGENT


ONE, BASIC = "http://one.example:8080", "Basic dXNlcjp3b3Jk"


@pytest.mark.parametrize(
    ("meta", "headers", "expected"),
    [
        ({}, {}, BASIC),
        ({"proxy": ONE}, {}, BASIC),
        ({"proxy": "http://two.example:8080"}, {}, None),
        ({}, {"Proxy-Authorization": "Basic mine"}, "Basic mine"),
    ],
)
def test_the_users_own_request_has_the_credentials_of_its_proxy(
    meta: dict[str, Any], headers: dict[str, str], expected: str | None
) -> None:
    """And no other proxy is told them."""
    gate = asked(headers={"Proxy-Authorization": BASIC}, meta={"proxy": ONE})
    request = by(Request(ACTION, meta=meta, headers=headers), gate)
    sent = request.headers.get("Proxy-Authorization")
    assert (sent and sent.decode()) == expected


@pytest.mark.parametrize("made", [None, ACTION, [Request(ACTION)], HtmlResponse(PAGE)])
def test_what_is_no_request_is_said_so(made: Any) -> None:
    with pytest.raises(TypeError) as caught:
        by(made)
    assert PAGE in str(caught.value)
    assert "scrapy.Request" in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (
            "https://a.example/b?x=1&t=P1_~&y=a%20b#c",
            "https://a.example/b?x=1&y=a%20b#c",
        ),
        ("https://a.example/b?t=P1%5F%7E&t=P1_~", "https://a.example/b"),
        ("https://a.example/b?x=1&&y", "https://a.example/b?x=1&&y"),
        ("https://a.example/b?", "https://a.example/b?"),
    ],
)
def test_a_url_without_its_token(url: str, kept: str) -> None:
    assert url_without("P1_~", url) == kept
