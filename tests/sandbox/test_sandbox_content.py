"""The pages behind the gates, and the site without one."""

from __future__ import annotations

import pytest
from sandbox_browser import Browser, World, is_page

from scrapy_onecaptcha.sandbox.forms import parse_form, parse_urlencoded
from scrapy_onecaptcha.sandbox.messages import Reply, Visit
from scrapy_onecaptcha.sandbox.sites.bookshop import BOOKS, Bookshop

SHOP = Bookshop()


def shop(uri: str) -> Reply:
    return SHOP.answer(Visit(uri=uri))


def test_the_catalogue_is_sixty_books_on_six_pages() -> None:
    assert len(BOOKS) == len({book.title for book in BOOKS}) == 60
    pages = [shop(f"/catalogue/{number}").body for number in range(1, 7)]
    assert [page.count(b'class="book"') for page in pages] == [10] * 6
    assert [b'class="next"' in page for page in pages] == [True] * 5 + [False]
    assert shop("/").body == pages[0]
    assert shop("/catalogue/7").status == 404


def test_a_book_tells_all_about_itself() -> None:
    page = shop("/book/60").body.decode()
    for name in ("title", "author", "price", "stock", "description"):
        assert f'{name}">' in page
    assert BOOKS[59].price_text in page
    assert shop("/book/61").status == 404
    assert shop("/book/0").status == 404


def test_the_bookshop_has_numbered_pages_too() -> None:
    assert is_page(shop("/page/12"), 12, "bookshop")


ODD = [
    "/contact",
    "/login",
    "/newsletter",
    "/blog",
    "/comment",
    "/noscript",
    "/config",
]


@pytest.mark.parametrize("path", ODD)
def test_odd_pages_mention_hcaptcha(path: str) -> None:
    page = Browser(World("plain")).get(path)
    assert page.status == 200
    assert b"captcha" in page.body.lower()
    assert b'<h1 class="content">' in page.body


def test_the_blogs_sample_is_text() -> None:
    page = Browser(World("plain")).get("/blog").body
    assert b"&lt;div class=&quot;h-captcha&quot;" in page
    assert b'<div class="h-captcha"' not in page


def test_a_plain_403_and_big_and_missing_pages() -> None:
    world = World("plain")
    browser = Browser(world)
    assert browser.get("/forbidden").status == 403
    assert 99_000 < len(browser.get("/big/7").body) < 105_000
    assert browser.get("/nothing").status == 404
    assert is_page(browser.get("/page/2"), 2, "plain")
    assert world.ledger.total("content", "plain") == 4
    assert world.ledger.hits["plain"]["/big/7"] == {"content": 1}


# Forms


def test_urlencoded_bytes_are_kept() -> None:
    data = b"a=+1%20&b=%D6%D0&c&a=2"
    assert parse_urlencoded(data) == (
        (b"a", b" 1 "),
        (b"b", b"\xd6\xd0"),
        (b"c", b""),
        (b"a", b"2"),
    )


def part(name: str, value: str, rest: str = "") -> str:
    return (
        f'--x\r\nContent-Disposition: form-data; name="{name}"{rest}\r\n\r\n{value}\r\n'
    )


def test_multipart_values_are_kept() -> None:
    body = (
        part("a", "\r\n v \r\n") + part("f", "text", '; filename="f.txt"') + "--x--\r\n"
    )
    media_type, fields = parse_form('multipart/form-data; boundary="x"', body.encode())
    assert media_type == "multipart/form-data"
    assert fields == ((b"a", b"\r\n v \r\n"),)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "a=1",
        part("a", "1"),
        part("a", "1").replace("--x", "--y") + "--y--",
        "--x\r\nContent-Type: text/plain\r\n\r\n1\r\n--x--",
        '--x\r\nContent-Disposition: form-data; name="a"\r\n--x--',
    ],
)
def test_multipart_is_read_strictly(body: str) -> None:
    with pytest.raises(ValueError):
        parse_form("multipart/form-data; boundary=x", body.encode())


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data"])
def test_what_is_no_form(content_type: str) -> None:
    with pytest.raises(ValueError):
        parse_form(content_type, b"a=1")
