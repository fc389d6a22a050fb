"""Cookies in headers."""

from __future__ import annotations

from scrapy import Request
from scrapy.http import Response
from scrapy.http.cookies import CookieJar

from scrapy_onecaptcha.crawl.cookie_headers import (
    sent_cookies,
    set_by,
    set_cookies_of,
)

URL = "https://shop.example/"


def test_cookies_of_a_response() -> None:
    lines = ["a=1; Path=/", "b = x=y ;Secure", "c"]
    found = set_cookies_of(Response(URL, headers={"Set-Cookie": lines}))
    assert found == {("a", "1"), ("b", "x=y"), ("c", "")}


def test_a_header_that_is_odd() -> None:
    request = Request(URL, headers={"Cookie": b"a=1; b; c=\xff=2"})
    response = Response(URL, headers={"Set-Cookie": [b"a=1", b"d", b"e=\xff", b"=f"]})
    assert set_by(request, response) == {"d", "e", ""}
    assert set_by(Request(URL), Response(URL)) == set()


def test_they_read_as_in_a_jar() -> None:
    response = Response(URL, headers={"Set-Cookie": "Größe=größer; Path=/"})
    jar = CookieJar()
    jar.extract_cookies(response, Request(URL))
    request = Request(URL)
    jar.add_cookie_header(request)
    kept = {(cookie.name, cookie.value) for cookie in jar.jar}
    assert kept == set_cookies_of(response) == sent_cookies(request)
