"""URL and URLSearchParams."""

from __future__ import annotations

import pytest

from tests.unit.scripts.runtime_page import Page

BASE = "http://h.test:8080/a/b?q#f"


@pytest.mark.parametrize(
    ("address", "base", "href"),
    [
        ("https://A.test", None, "https://a.test/"),
        ("https://a.test:443/x", None, "https://a.test/x"),
        ("http://a.test:80", None, "http://a.test/"),
        ("http://a.test:8080/x", None, "http://a.test:8080/x"),
        ("  /x y\n", BASE, "http://h.test:8080/x%20y"),
        ("c", BASE, "http://h.test:8080/a/c"),
        ("../c", BASE, "http://h.test:8080/c"),
        ("../../../c", BASE, "http://h.test:8080/c"),
        ("./", BASE, "http://h.test:8080/a/"),
        (".", BASE, "http://h.test:8080/a/"),
        ("%2e%2E/c", BASE, "http://h.test:8080/c"),
        ("?x=1", BASE, "http://h.test:8080/a/b?x=1"),
        ("#g", BASE, "http://h.test:8080/a/b?q#g"),
        ("", BASE, "http://h.test:8080/a/b?q"),
        ("//o.test/y", BASE, "http://o.test/y"),
        (r"\\o.test\y", BASE, "http://o.test/y"),
        ("http:c", BASE, "http://h.test:8080/a/c"),
        ("/ü?ü='\"", BASE, "http://h.test:8080/%C3%BC?%C3%BC=%27%22"),
        ("/😀", BASE, "http://h.test:8080/%F0%9F%98%80"),
        ("/a|b[c]", BASE, "http://h.test:8080/a|b[c]"),
        ("mailto:a@b.test", BASE, "mailto:a@b.test"),
        ("https://a.test/a//b/./c/..", None, "https://a.test/a//b/"),
    ],
)
def test_addresses_are_resolved_as_browsers_do(
    address: str, base: str | None, href: str
) -> None:
    page = Page()
    page.run(f"var u = new URL({address!r}{f', {base!r}' if base else ''})")
    assert page.value("u.href") == href


@pytest.mark.parametrize("address", ["/x", "x", "", "https://", "http://a b/", "//x"])
def test_no_address(address: str) -> None:
    assert Page().value(f"URL.canParse({address!r})") is False


def test_the_parts_of_an_address() -> None:
    page = Page()
    page.run("var u = new URL('https://a.test:8443/p/q?x=1&y=%20#h')")
    parts = "[u.protocol, u.host, u.hostname, u.port, u.pathname, u.search, u.hash, u.origin]"
    assert page.value(parts) == [
        "https:", "a.test:8443", "a.test", "8443", "/p/q", "?x=1&y=%20", "#h",
        "https://a.test:8443",
    ]  # fmt: skip


def test_parts_can_be_set() -> None:
    page = Page()
    page.run("""
        var u = new URL('https://a.test/p?x=1');
        u.searchParams.set('x', 'a b'); u.searchParams.append('t', 'ö&');
        u.pathname = 'new path'; u.hash = 'h'; u.port = 81;
    """)
    assert page.value("u.href") == "https://a.test:81/new%20path?x=a+b&t=%C3%B6%26#h"
    page.run("u.search = 'k=v'; u.hash = ''; u.port = ''; u.protocol = 'http'")
    assert page.value("[u.href, u.searchParams.get('k')]") == [
        "http://a.test/new%20path?k=v",
        "v",
    ]
    page.run("u.href = 'https://b.test/z?y=2'")
    assert page.value("[u.host, u.searchParams.get('y')]") == ["b.test", "2"]


@pytest.mark.parametrize(
    ("init", "text"),
    [
        ("'?a=1&b=2'", "a=1&b=2"),
        ("'a=b=c&d'", "a=b%3Dc&d="),
        ("'a=%zz+x'", "a=%25zz+x"),
        ("{a: 1, b: 'x y'}", "a=1&b=x+y"),
        ("[['a', 1], ['a', 2]]", "a=1&a=2"),
        ("new Map([['k', 'v']])", "k=v"),
        ("new URLSearchParams('z=1')", "z=1"),
        ("new FormData(document.forms[0])", "n=v"),
        ('{a: "*-._~!\'()"}', "a=*-._%7E%21%27%28%29"),
        ("{a: '\\ud800'}", "a=%EF%BF%BD"),
        ("undefined", ""),
    ],
)
def test_query_strings(init: str, text: str) -> None:
    page = Page("<form><input name=n value=v></form>")
    assert page.value(f"new URLSearchParams({init}).toString()") == text


def test_a_query_is_a_list_of_pairs() -> None:
    page = Page()
    page.run("var q = new URLSearchParams('b=2&a=1&b=3')")
    assert page.value("[q.get('b'), q.get('no'), q.getAll('b'), q.has('a'), q.size]") == [
        "2", None, ["2", "3"], True, 3,
    ]  # fmt: skip
    assert page.value("[[...q], [...q.keys()], Object.fromEntries(q)]") == [
        [["b", "2"], ["a", "1"], ["b", "3"]], ["b", "a", "b"], {"a": "1", "b": "3"},
    ]  # fmt: skip
    page.run("q.sort(); q.delete('a'); q.set('b', 9)")
    assert page.value("'' + q") == "b=9"


def test_a_host_outside_ascii_is_no_guess() -> None:
    page = Page("<script>new URL('https://bücher.test/')</script>")
    assert page.result["lacking"] == ["a host outside ASCII"]


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("https://u:p@h.test/x", ["https://u:p@h.test/x", "u", "p"]),
        ("https://u@h.test:443", ["https://u@h.test/", "u", ""]),
        ("https://:p@h.test/", ["https://:p@h.test/", "", "p"]),
        ("https://@h.test/", ["https://h.test/", "", ""]),
        ("https://a b:c:d@e@h.test/", ["https://a%20b:c%3Ad%40e@h.test/", "a%20b", "c%3Ad%40e"]),
        ("https://a%40b@h.test/", ["https://a%40b@h.test/", "a%40b", ""]),
        ("//u:p@h.test/", ["https://u:p@h.test/", "u", "p"]),
        ("/x@y?a@b#c@d", ["https://site.test/x@y?a@b#c@d", "", ""]),
    ],
)  # fmt: skip
def test_an_address_may_name_a_user(address: str, parts: list[str]) -> None:
    page = Page()
    page.run(f"var u = new URL({address!r}, location.href)")
    assert page.value("[u.href, u.username, u.password]") == parts
    assert page.value("u.host + u.origin") == page.value(
        "u.host + u.protocol + '//' + u.host"
    )
    assert page.result["lacking"] == []


def test_the_user_of_an_address_can_be_set_and_is_inherited() -> None:
    page = Page("<a href='https://u:p@h.test/'></a>")
    page.run(
        "var u = new URL('https://h.test/a'); u.username = 'a/b'; u.password = 'c'"
    )
    assert page.value("[u.href, new URL('d', u).href]") == [
        "https://a%2Fb:c@h.test/a",
        "https://a%2Fb:c@h.test/d",
    ]
    page.run("u.username = u.password = ''")
    assert page.value("u.href") == "https://h.test/a"
    assert page.value("(({username, password, host}) => [username, password, host])"
                      "(document.links[0])") == ["u", "p", "h.test"]  # fmt: skip


def test_scripts_do_not_see_the_user_that_the_crawl_has_named() -> None:
    page = Page(url="https://me:secret@site.test/a?b")
    shown = page.value("[location.href, document.URL, document.baseURI]")
    assert shown == ["https://site.test/a?b"] * 3
