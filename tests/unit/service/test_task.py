"""What the service is sent about a task, and the proxy of a request."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.httpproxy import HttpProxyMiddleware

from scrapy_onecaptcha.models import Proxy, parse_proxy
from scrapy_onecaptcha.service.task import Task, proxy_of
from tests.unit.helpers import SITEKEY, spider_argument

URL = "https://shop.example/page"


def through_scrapy(monkeypatch: pytest.MonkeyPatch, **environ: str) -> Any:
    """Return what Scrapy's own middleware makes of a request."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    crawler = Crawler(Spider, {"HTTPPROXY_ENABLED": True})
    middleware = HttpProxyMiddleware.from_crawler(crawler)

    def process(request: Request) -> Request:
        arguments = spider_argument(middleware.process_request)
        middleware.process_request(request, **arguments)
        return request

    return process


PROXY = Proxy(scheme="http", host="gate.proxy.example", port=8080)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://gate.proxy.example:8080", PROXY),
        ("gate.proxy.example:8080", PROXY),
        ("HTTP://GATE.proxy.example:8080/", PROXY),
        ("http://p.example", Proxy(scheme="http", host="p.example", port=80)),
        ("https://p.example", Proxy(scheme="https", host="p.example", port=443)),
        ("socks4://p.example", Proxy(scheme="socks4", host="p.example", port=1080)),
        ("socks5h://1.2.3.4:9", Proxy(scheme="socks5", host="1.2.3.4", port=9)),
        (
            "http://[2001:db8::1]:8080",
            Proxy(scheme="http", host="2001:db8::1", port=8080),
        ),
        (
            "socks5://me%40x:p%3aw/@d?#@p.example:1",
            Proxy(
                scheme="socks5",
                host="p.example",
                port=1,
                login="me@x",
                password="p:w/@d?#",
            ),
        ),
    ],
)
def test_a_proxy_as_it_is_written(url: str, proxy: Proxy) -> None:
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize(
    "url",
    [
        *("", "http://", "ftp://p.example:1", "http://p.example:0"),
        *("http://p.example:65536", "http://[::1", "http://[1:2]:3"),
        *("http://p.example:x", "http://p example:1", "http://p.example:1/path"),
        *("http://p.example\r\n:1", "x" * 5000),
    ],
)
def test_what_names_no_proxy(url: str) -> None:
    with pytest.raises(ValueError):
        parse_proxy(url)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("box", True)),
        *(("10.0.0.7", True), ("192.168.1.1", True), ("nas.local", True)),
        *(("1.2.3.4", False), ("proxy.example", False), ("[2001:4860::1]", False)),
    ],
)
def test_a_proxy_that_only_this_network_reaches(host: str, local: bool) -> None:
    assert parse_proxy(f"http://{host}:1").is_local is local


def test_a_proxy_shows_no_credentials() -> None:
    proxy = parse_proxy("http://me:secret@p.example:1")
    assert str(proxy) == "http://p.example:1"
    assert str(parse_proxy("http://[2001:db8::1]:1")) == "http://[2001:db8::1]:1"
    for shown in (repr(proxy), repr(Task(url=URL, sitekey=SITEKEY, proxy=proxy))):
        assert "secret" not in shown
        assert "me" not in shown.replace("scheme", "")
    assert "secret" not in repr(proxy.password)


def test_the_fields_of_a_proxy() -> None:
    proxy = parse_proxy("socks5://me:secret@[2001:db8::1]:9000")
    payload = Task(url=URL, sitekey=SITEKEY, proxy=proxy).payload()
    assert payload == {
        "type": "HCaptchaTaskProxyless",
        "websiteURL": URL,
        "websiteKey": SITEKEY,
        "proxyType": "socks5",
        "proxyAddress": "2001:db8::1",
        "proxyPort": 9000,
        "proxyLogin": "me",
        "proxyPassword": "secret",
    }


def test_a_proxy_without_credentials_sends_none() -> None:
    payload = Task(url=URL, sitekey=SITEKEY, proxy=PROXY, type="X").payload()
    assert payload["type"] == "X"
    assert {name for name in payload if name.startswith("proxy")} == {
        "proxyType",
        "proxyAddress",
        "proxyPort",
    }


# The proxy of a request


@pytest.mark.parametrize("proxy", [None, "", 7, "nonsense://x", b"http://p.example"])
def test_a_request_without_a_proxy(proxy: Any) -> None:
    assert proxy_of(Request(URL, meta={"proxy": proxy})) is None
    assert proxy_of(Request(URL)) is None


def test_credentials_from_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    process = through_scrapy(monkeypatch)
    request = process(Request(URL, meta={"proxy": "http://me:p%40w@p.example:1"}))
    assert request.meta["proxy"] == "http://p.example:1"  # Scrapy has moved them
    expected = parse_proxy("http://me:p%40w@p.example:1")
    assert proxy_of(request) == expected
    assert expected.password == "p@w"


def test_credentials_from_a_header() -> None:
    header = b"Basic " + base64.b64encode("mé:p:w".encode("latin-1"))
    request = Request(
        URL,
        meta={"proxy": "http://p.example:1"},
        headers={"Proxy-Authorization": header},
    )
    proxy = proxy_of(request)
    assert proxy is not None
    assert (proxy.login, proxy.password) == ("mé", "p:w")
    assert proxy_of(request, "ascii") is not None


@pytest.mark.parametrize("header", [b"Bearer x", b"Basic ???", b"Basic", b""])
def test_a_header_that_names_nobody(header: bytes) -> None:
    request = Request(
        URL,
        meta={"proxy": "http://p.example:1"},
        headers={"Proxy-Authorization": header},
    )
    proxy = proxy_of(request)
    assert proxy is not None
    assert (proxy.login, proxy.password) == ("", "")


def test_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    process = through_scrapy(monkeypatch, https_proxy="http://me:pw@env.example:3128")
    proxy = proxy_of(process(Request(URL)))
    assert proxy == parse_proxy("http://me:pw@env.example:3128")
    assert proxy_of(process(Request("http://shop.example/"))) is None
