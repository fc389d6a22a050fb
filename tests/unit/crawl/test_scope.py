"""Where the crawl may solve, and where a token may go."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.utils.httpobj import urlparse_cached

from scrapy_onecaptcha._logging import MAX_SHOWN, quoted
from scrapy_onecaptcha.crawl.scope import Scope
from scrapy_onecaptcha.exceptions import SubmissionRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = "https://shop.example/list?page=2"


def scope(*domains: str) -> Scope:
    return Scope(lambda: domains or None)


def holds(url: str, *domains: str, **meta: Any) -> bool:
    request = Request(url, meta=meta)
    return scope(*domains).holds(request.url, request.url)


def refusal(page: str, target: str, domains: Sequence[str] = ()) -> str:
    with pytest.raises(SubmissionRefused) as caught:
        scope(*domains).check_submission(page, target)
    text = str(caught.value)
    assert page in text
    # As a log may show it: one line, and no query, which may hold the token.
    assert quoted(target.partition("?")[0]) in text
    return text


# Where it may solve


@pytest.mark.parametrize(
    ("url", "domain", "held"),
    [
        ("https://shop.example/", "shop.example", True),
        ("http://www.shop.example/", "shop.example", True),
        ("https://a.b.shop.example/x?y=z", "shop.example", True),
        ("https://SHOP.example/", "shop.example", True),
        ("https://shop.example/", "Shop.Example", True),
        ("https://shop.example./", "shop.example", True),
        ("https://shop.example:8443/", "shop.example", True),
        ("https://user:word@shop.example/", "shop.example", True),
        ("https://bücher.example/", "xn--bcher-kva.example", True),
        ("https://example/", "shop.example", False),
        ("https://myshop.example/", "shop.example", False),
        ("https://shop.example.evil.test/", "shop.example", False),
        ("https://shop.example@evil.test/", "shop.example", False),
        ("https://evil.test/shop.example", "shop.example", False),
        ("https://evil.test/?.shop.example", "shop.example", False),
        ("https://shopxexample/", "shop.example", False),
    ],
)
def test_allowed_domains(url: str, domain: str, held: bool) -> None:
    assert holds(url, domain) is held
    assert holds(url, "first.test", domain, "last.test") is held


@pytest.mark.parametrize(
    ("asked", "met", "held"),
    [
        ("https://shop.example/", "https://shop.example/captcha", True),
        ("https://shop.example/", "http://shop.example:8080/", True),
        ("https://shop.example/", "https://shop.example./", True),
        ("https://shop.example/", "https://www.shop.example/", False),
        ("https://shop.example/", "https://evil.test/", False),
    ],
)
def test_without_domains_the_host_that_was_asked_for(
    asked: str, met: str, held: bool
) -> None:
    assert scope().holds(met, asked) is held


def test_the_domains_decide_where_there_are_some_whatever_was_asked_for() -> None:
    url = "https://evil.test/"
    assert not scope("shop.example").holds(url, url)


def test_a_spider_may_change_its_domains_as_it_goes() -> None:
    domains = ["shop.example"]
    growing = Scope(lambda: domains)
    url = "https://news.example/"
    assert not growing.holds(url, url)
    domains.append("News.example")
    assert growing.holds(url, url)
    assert growing.domains == ("shop.example", "news.example")


@pytest.mark.parametrize("none", [None, (), []])
def test_no_domains(none: Any) -> None:
    assert Scope(lambda: none).domains == ()


def test_a_none_among_the_domains_is_skipped_as_scrapy_does() -> None:
    domains: Any = [None, "shop.example"]
    assert Scope(lambda: domains).domains == ("shop.example",)


# Where a token may go


@pytest.mark.parametrize(
    ("page", "target"),
    [
        (PAGE, "https://shop.example/verify"),
        (PAGE, PAGE),
        (PAGE, "https://SHOP.example/"),
        (PAGE, "https://shop.example:443/"),
        ("https://shop.example:443/", "https://shop.example/"),
        ("http://shop.example/", "http://shop.example:80/"),
        ("http://shop.example/", "https://shop.example/"),
        ("http://shop.example:80/", "https://shop.example:443/"),
        ("https://u:p@shop.example/", "https://shop.example/"),
        (PAGE, "https://shop.example#@evil.test/"),
        (PAGE, "https://shop.example/?@evil.test/"),
        ("http://127.0.0.1:8000/gate", "http://127.0.0.1:8000/verify"),
        ("http://localhost:8000/", "http://localhost:8000/verify"),
        ("http://[::1]:8000/", "http://[::1]:8000/verify"),
        ("http://10.1.2.3/", "http://10.1.2.3/verify"),
    ],
)
def test_to_the_site_of_its_page(page: str, target: str) -> None:
    scope().check_submission(page, target)
    scope("elsewhere.test").check_submission(page, target)


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.test/",
        "https://www.shop.example/",
        "https://example/",
        "https://shop.example:8443/",
        "https://shop.example.evil.test/",
        "https://shop.example@evil.test/",
        "https://shop.example:443@evil.test/",
        "https://shop.example%2f@evil.test/",
        "https://shop.example\t.evil.test/",
        "https://shop.example\N{FULLWIDTH FULL STOP}evil.test/",
        "https://evil.test#@shop.example/",
        "https://evil.test?@shop.example/",
        "https://evil.test/@shop.example/",
        "https:///shop.example/",
        "https:/shop.example/",
        "https:shop.example/",
    ],
)
def test_another_site_is_refused(target: str) -> None:
    assert "ONECAPTCHA_ALLOWED_DOMAINS" in refusal(PAGE, target)


@pytest.mark.parametrize(
    "target", ["https://verify.example/v", "https://eu.verify.example:8443/v"]
)
def test_an_allowed_domain(target: str) -> None:
    scope("shop.example", "verify.example").check_submission(PAGE, target)
    refusal(PAGE, target, ["shop.example"])


def test_never_from_https_down_to_http() -> None:
    for target in ("http://shop.example/verify", "http://verify.example/"):
        said = refusal(PAGE, target, ["shop.example", "verify.example"])
        assert "down to http" in said


@pytest.mark.parametrize(
    "target",
    [
        "javascript:document.forms[0].submit()",
        "data:text/html,hello",
        "file:///etc/passwd",
        "ftp://shop.example/",
        "ws://shop.example/",
        "mailto:a@shop.example",
        "//shop.example/",
        "/verify",
        "",
        "   ",
        "http://[",
        "https://[::1",
        "https://shop.example]/",
    ],
)
def test_what_is_no_web_address_is_refused(target: str) -> None:
    assert "no web address" in refusal(PAGE, target, ["shop.example"])


@pytest.mark.parametrize(
    "target", ["https://u:secret@shop.example/", "https://u@verify.example"]
)
def test_an_address_with_a_user_is_refused(target: str) -> None:
    said = refusal(PAGE, target, ["verify.example"])
    assert "names a user" in said
    assert "secret" not in said
    with_user = target.replace("verify", "shop")
    scope().check_submission(with_user, with_user)


def test_a_long_address_is_not_shown_whole() -> None:
    said = refusal(PAGE, "https://evil.test/" + "x" * 100_000)
    assert len(said) < 2 * MAX_SHOWN + len(PAGE)


@pytest.mark.parametrize("port", ["99999", "-1", "x", "0x1bb"])
def test_a_port_that_is_none(port: str) -> None:
    refusal(PAGE, f"https://shop.example:{port}/")


PRIVATE = [
    "localhost",
    "localhost.",
    "LOCALHOST",
    "sub.localhost",
    "127.0.0.1",
    "127.8.8.8",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fd00::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.1.2.3]",
]


@pytest.mark.parametrize("host", PRIVATE)
@pytest.mark.parametrize("page", ["https://shop.example/", "https://127.0.0.2/"])
def test_a_private_address_is_refused(host: str, page: str) -> None:
    assert "private" in refusal(page, f"https://{host}/", ["shop.example"])


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "localhost"])
def test_a_private_address_that_is_named_is_allowed(host: str) -> None:
    scope = Scope(lambda: ["shop.example", host])
    scope.check_submission(PAGE, f"https://{host}/")


@pytest.mark.parametrize("way", ["https://127.0.0.1:8000/land?t=1", "https://x.test/"])
def test_the_way_back_to_the_asked_site_is_allowed(way: str) -> None:
    asked = f"{way}page"
    Scope(lambda: ["shop.example"]).check_submission(PAGE, way, asked)
    with pytest.raises(SubmissionRefused):
        Scope(lambda: ["shop.example"]).check_submission(
            PAGE, way, "https://other.test/"
        )


def test_the_way_back_leads_not_down_to_http() -> None:
    way = "http://x.test/"
    with pytest.raises(SubmissionRefused, match="down to http"):
        Scope(lambda: None).check_submission(PAGE, way, way)


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.1", "0"]
)
def test_other_spellings_of_a_loopback_address_are_refused(host: str) -> None:
    refusal(PAGE, f"https://{host}/")
    refusal(PAGE, f"https://{host}/", ["shop.example"])


def test_other_ports_of_a_private_page_must_be_named() -> None:
    page, target = "http://127.0.0.1:8000/", "http://127.0.0.1:9000/"
    refusal(page, target)
    scope("127.0.0.1").check_submission(page, target)


def test_a_public_address_may_be_named() -> None:
    scope("8.8.8.8").check_submission(PAGE, "https://8.8.8.8/")


def test_the_error_says_what_to_do() -> None:
    with pytest.raises(SubmissionRefused) as caught:
        scope().check_submission(PAGE, "https://evil.test/")
    assert caught.value.reason == "submission_refused"
    assert caught.value.advice


TRICKS = [
    "https://evil.test@shop.example/",
    "https://evil.test:443@shop.example/",
    "https://evil.test%2F@shop.example/",
    "https://evil.test%5C@shop.example/",
    "https://shop.example/\\evil.test",
    "https://shop.example\n/",
    " https://shop.example/",
    "https://evil.test\\@shop.example/",
    "https://evil.test\\.shop.example@shop.example/",
]


@pytest.mark.parametrize("target", TRICKS)
def test_what_is_let_through_leads_there_by_scrapys_reading_too(target: str) -> None:
    with suppress(SubmissionRefused):
        scope().check_submission(PAGE, target)
        assert urlparse_cached(Request(target)).hostname == "shop.example"
