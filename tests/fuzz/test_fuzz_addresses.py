"""URLs, redirects and headers of sites, which may hold any bytes."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scrapy import Request
from scrapy.http import HtmlResponse, Response

from scrapy_onecaptcha.crawl import request_meta, requests
from scrapy_onecaptcha.crawl.page_match import is_page, same_page
from scrapy_onecaptcha.crawl.scope import Scope
from scrapy_onecaptcha.crawl.sessions import session_key
from scrapy_onecaptcha.crawl.submission import submit
from scrapy_onecaptcha.exceptions import SubmissionRefused
from scrapy_onecaptcha.models import Form, Solution
from scrapy_onecaptcha.pages.html import join
from scrapy_onecaptcha.pages.steps import finish
from scrapy_onecaptcha.service.client import Task
from tests.flow.virtual import Crawl

from .fuzzing import ends, fuzzed, is_one_line

PAGE = "https://shop.example/page?a=1#b"
SCHEMES = [
    "https://",
    "http://",
    "//",
    "/",
    "",
    "HTTPS:",
    "javascript:",
    "data:",
    "ftp://",
]
USERS = ["", "", "", "u@", "u:p@", "@", "u:p@@", "\xe9:\u2100@", "%40:%00@"]
HOSTS = [
    *(
        "shop.example",
        "SHOP.example.",
        "b\xfccher.example",
        "xn--zzzzz-.example",
        "\u2100",
    ),
    *("127.0.0.1", "localhost", "[::1]", "[", "[::1", "[v1.x]", "a..b", ".", "x" * 300),
    *(
        "\ud800.example",
        "shop.example\\@evil.test",
        "sh\nop.example",
        "%zz",
        "a\x00b",
        "",
    ),
]
PORTS = ["", "", "", ":443", ":", ":0", ":99999", ":-1", ":x", ":٣", ":80:80"]
PATHS = [
    "",
    "/",
    "/page?a=1",
    "/\xe9?\xfc#\u20ac",
    "/%zz?%",
    "\\..\\a",
    "/a b\r\nX: y",
    "?\ud800",
]
URLS = st.one_of(
    st.builds(
        "".join,
        st.tuples(*map(st.sampled_from, (SCHEMES, USERS, HOSTS, PORTS, PATHS))),
    ),
    st.text(max_size=30),
)
#: The same as a header may have it: in UTF-8, in Latin-1, or as mere bytes.
LOCATIONS = (
    URLS.map(lambda url: url.encode("utf-8", "surrogatepass"))
    | URLS.map(lambda url: url.encode("latin-1", "replace"))
    | st.binary(max_size=40)
)
SCOPES = [
    Scope(lambda: ()),
    Scope(lambda: ("shop.example", "evil.test", "localhost", "xn--bcher-kva.example")),
]


def may_go(scope: Scope, target: str) -> bool:
    try:
        scope.check_submission(PAGE, target)
    except SubmissionRefused as error:
        refused = str(error)
    else:
        return True
    assert is_one_line(refused), refused
    return False


@fuzzed(500)
@example("https://shop.example:99999/", SCOPES[1])
@given(url=URLS, scope=st.sampled_from(SCOPES))
def test_a_form_s_address_is_sent_to_or_refused(url: str, scope: Scope) -> None:
    with ends():
        target = join(PAGE, url)
        if target is None or not may_go(scope, target):
            return
        request = Request(PAGE, headers={"User-Agent": "crawler/1.0"})
        page = HtmlResponse(PAGE, request=request)
        request.replace(url=target, method="POST")
        for method in ("GET", "POST"):
            form = Form(url=target, method=method)
            made = submit(request, page, form, Solution(token="P1_token"))
            assert may_go(scope, made.url), "not where the scope was asked for"
            assert urlsplit(made.url).port != -1  # raises for what is no port
            session_key(made)
            assert made.url.isascii()


@fuzzed(500)
@given(
    location=LOCATIONS,
    status=st.sampled_from([301, 302, 303, 307, 200]),
    scope=st.sampled_from(SCOPES),
)
def test_a_redirect_is_followed_or_is_not(
    location: bytes, status: int, scope: Scope
) -> None:
    answer = Response(PAGE, status=status, headers={"Location": location})
    with ends():
        target = requests.redirect_target(answer)
        if target is None or not may_go(scope, target):
            return
        submission = Request(PAGE, method="POST", body=b"h-captcha-response=P1_token")
        hop = requests.hop(submission, target, "P1_token")
        assert (hop.method, hop.body) == ("GET", b"")
        assert may_go(scope, hop.url)
        same_page(PAGE, hop.url)
        page = Response(hop.url)
        finish(is_page(Request(PAGE), page, redirected=True, expect=None))


@fuzzed(300)
@given(url=URLS, asked=URLS)
def test_any_url_is_in_scope_or_is_not(url: str, asked: str) -> None:
    for scope in SCOPES:
        with ends():
            scope.holds(url, asked)
            payload = Task(url=url, sitekey="").payload()
            assert "#" not in payload["websiteURL"]


@fuzzed(200)
@given(
    user=st.sampled_from(USERS),
    host=st.sampled_from(["proxy.example", "[::1]", "127.0.0.1", ""]),
    port=st.sampled_from(["", ":8080", ":99999", ":x"]),
    header=st.none() | st.binary(max_size=20),
)
def test_a_proxy_s_password_is_in_no_session_s_name(
    user: str, host: str, port: str, header: bytes | None
) -> None:
    request = Request(PAGE, meta={"proxy": f"http://{user}{host}{port}"})
    if header is not None:
        request.headers["Proxy-Authorization"] = header
    proxy = session_key(request).proxy
    assert "@" not in proxy
    assert ":p" not in proxy
    hash(session_key(request))


HEADERS = st.dictionaries(
    st.sampled_from(["Set-Cookie", "Content-Type", "Location", "Refresh", "Server"]),
    st.lists(st.binary(max_size=30) | LOCATIONS, min_size=1, max_size=3),
)


@fuzzed(60)
@given(
    gate=HEADERS,
    answer=HEADERS,
    status=st.sampled_from([200, 204, 302, 303, 307, 403, 500]),
)
def test_a_crawl_ends_whatever_the_headers_hold(
    gate: dict[str, list[bytes]], answer: dict[str, list[bytes]], status: int
) -> None:
    """Of the gate, and of the answer to its token."""
    with pytest.MonkeyPatch.context() as monkeypatch, ends():
        crawl = Crawl()
        site = crawl.site()
        download = site.download

        async def dressed(request: Request) -> Response:
            response = await download(request)
            role = request_meta.role_of(request)
            if role == "submission":
                return response.replace(status=status, headers=answer)
            if role is None:
                kept = {
                    name: value for name, value in gate.items() if name != "Location"
                }
                return response.replace(headers=kept)
            return response

        monkeypatch.setattr(site, "download", dressed)
        crawl.ask("/1", "/2")
        crawl.run(seconds=5000, step=1.0)
        assert len(crawl.events) == 2
        for event in crawl.events:
            assert event.response is not None, event.error
        crawl.finish()
