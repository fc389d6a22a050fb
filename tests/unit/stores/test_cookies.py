"""Which cookies are a clearance, out of a jar and into one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scrapy import Request
from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.http import Response

from scrapy_onecaptcha.crawl.cookie_headers import set_by
from scrapy_onecaptcha.stores.cookies import granted, inject, lifetime, older
from tests.unit.helpers import spider_argument

URL = "https://shop.example/list"
HOST = "shop.example"


class Browser:
    """Scrapy's own middleware, as it sends and takes cookies."""

    def __init__(self) -> None:
        self.middleware = CookiesMiddleware()

    @property
    def jar(self) -> Any:
        return self.middleware.jars[None]

    def send(self, url: str = URL) -> Request:
        request = Request(url)
        process = self.middleware.process_request
        process(request, **spider_argument(process))
        return request

    def get(self, *cookies: str, url: str = URL) -> tuple[Request, Response]:
        request = self.send(url)
        response = Response(url, headers={"Set-Cookie": list(cookies)})
        process = self.middleware.process_response
        process(request, response, **spider_argument(process))
        return request, response

    @property
    def sent(self) -> str:
        return (self.send().headers.get("Cookie") or b"").decode()

    def meet_gate(self, *cookies: str) -> Any:
        request, response = self.get(*cookies)
        new = set_by(request, response)
        found = older(self.jar, HOST)
        return {key: value for key, value in found.items() if key.name not in new}

    def granted(self, before: Any) -> list[str]:
        return sorted(str(cookie["name"]) for cookie in granted(self.jar, HOST, before))


def test_what_was_set_after_the_gate() -> None:
    browser = Browser()
    browser.get("cart=7", "login=me")
    before = browser.meet_gate()
    browser.get("clr=1; Path=/; Max-Age=600")
    assert browser.granted(before) == ["clr"]


def test_what_the_gate_itself_set() -> None:
    browser = Browser()
    before = browser.meet_gate("sid=1")
    assert browser.granted(before) == ["sid"]


def test_what_the_gate_set_to_the_same_is_older() -> None:
    browser = Browser()
    browser.get("sid=1")
    before = browser.meet_gate("sid=1; Max-Age=600")
    assert browser.granted(before) == []


def test_a_session_that_rolls_on_is_older() -> None:
    browser = Browser()
    browser.get("session=1")
    before = browser.meet_gate("session=2")
    assert browser.granted(before) == []
    browser.get("session=3")  # with the page: it may be the clearance
    assert browser.granted(before) == ["session"]


def test_what_was_changed() -> None:
    browser = Browser()
    browser.get("clr=old", "cart=7")
    before = browser.meet_gate()
    browser.get("clr=new")
    assert browser.granted(before) == ["clr"]


def test_cookies_of_other_hosts_are_none_of_it() -> None:
    browser = Browser()
    before = browser.meet_gate()
    browser.get("far=1", url="https://news.example/")
    browser.get("deep=1", url="https://www.shop.example/")
    browser.get("wide=1; Domain=shop.example", url="https://www.shop.example/")
    assert browser.granted(before) == ["wide"]


def test_from_one_process_to_another() -> None:
    one, two = Browser(), Browser()
    one.get("cart=7")
    before = one.meet_gate()
    one.get('clr="a b"; Path=/; Secure; HttpOnly; SameSite=Lax', "empty=", "ü=é")
    cookies = json.loads(json.dumps(granted(one.jar, HOST, before)))
    two.get("cart=8")
    assert {key.name for key in inject(two.jar, HOST, cookies)} == {"clr", "empty", "ü"}
    assert two.sent.split("; ")[0] == "cart=8"
    assert sorted(one.sent.split("; ")[1:]) == sorted(two.sent.split("; ")[1:])


@pytest.mark.parametrize("url", ["http://localhost:8000/", "http://127.0.0.1:8000/"])
def test_hosts_without_a_domain(url: str) -> None:
    host = url.split("/")[2].split(":", maxsplit=1)[0]
    one, two = Browser(), Browser()
    before = older(one.jar, host)
    one.get("clr=1", url=url)
    cookies = granted(one.jar, host, before)
    assert inject(two.jar, host, cookies)
    assert two.send(url).headers.get("Cookie") == b"clr=1"


def test_what_must_not_be_overwritten() -> None:
    one, two = Browser(), Browser()
    before = one.meet_gate("session=one")
    one.get("clr=1")
    cookies = granted(one.jar, HOST, before)
    two.get("session=two")
    keep = two.meet_gate()
    assert [key.name for key in inject(two.jar, HOST, cookies, keep)] == ["clr"]
    assert two.sent == "session=two; clr=1"
    assert len(inject(two.jar, HOST, cookies)) == 2  # nothing to keep
    assert "session=one" in two.sent


def good(**changes: Any) -> dict[str, Any]:
    browser = Browser()
    before = browser.meet_gate()
    browser.get("clr=1; Domain=shop.example")
    (cookie,) = granted(browser.jar, HOST, before)
    return {**cookie, **changes}


@pytest.mark.parametrize(
    "cookie",
    [
        {},
        {"name": "clr", "value": "1"},
        good(name=None),
        good(value=7),
        good(domain=["shop.example"]),
        good(expires="never"),
        good(expires=float("inf")),
        good(rest=None),
        good(extra=1),
        good(domain="bank.example"),
        good(domain=".example.shop.example"),
        good(domain="hop.example"),
    ],
)
def test_what_is_no_cookie_of_the_site_is_left_out(cookie: dict[str, Any]) -> None:
    browser = Browser()
    put = inject(browser.jar, HOST, [cookie, good(name="fine")])
    assert [key.name for key in put] == ["fine"]
    assert browser.sent == "fine=1"


@pytest.mark.parametrize("domain", ["shop.example", ".shop.example", ".example"])
def test_domains_that_reach_the_site(domain: str) -> None:
    assert inject(Browser().jar, HOST, [good(domain=domain)])


@pytest.mark.parametrize(
    ("ends", "seconds"),
    [
        ([], 1000),
        ([None], 1000),
        ([1200], 200),
        ([1200, 1500], 500),
        ([1200, None], 1000),
        ([9999], 1000),
        ([900], -100),
    ],
)
def test_how_long_it_is_kept(ends: list[Any], seconds: float) -> None:
    cookies = [{"expires": end} for end in ends]
    assert lifetime(cookies, now=1000, max_age=1000) == seconds
