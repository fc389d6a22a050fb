"""A small catalogue of invented books."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.messages import Reply, html_reply
from scrapy_onecaptcha.sandbox.sites.content import NumberedPages, not_found
from scrapy_onecaptcha.sandbox.sites.gate_html import escape, layout

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.messages import Visit

__all__ = ["BOOKS", "Book", "Bookshop"]

_PER_PAGE = 10
_LIST = re.compile(r"/catalogue/([1-9][0-9]{0,3})")
_BOOK = re.compile(r"/book/([1-9][0-9]{0,3})")

_ADJECTIVES = (
    "Amber",
    "Quiet",
    "Seventh",
    "Hollow",
    "Winter",
    "Borrowed",
    "Last",
    "Salt",
)
_NOUNS = (
    "Lantern",
    "Orchard",
    "Ferry",
    "Almanac",
    "Clockmaker",
    "Tide",
    "Archive",
    "Garden",
)
_PLACES = (
    "Harrow Lane",
    "the Northern Isles",
    "Mill & Weir",
    "Vesper Street",
    "São Bento",
)
_FIRST = ("Ada", "Emile", "Josephine", "Konrad", "Maud", "Tobias", "Zoë", "Ines")
_LAST = ("Ashdown", "Bellweather", "Corvin", "O'Dell", "Fairbairn", "Grünwald", "Lisle")
_PLOTS = (
    "A surveyor returns to a valley that has moved by half a mile.",
    "Two sisters inherit a shop in which nothing was ever sold.",
    "The keeper of a lighthouse receives letters that are dated tomorrow.",
    "A cookery book, and the household that ate its way through it.",
    "Notes of a botanist on the weeds between the tram lines.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """One book; *price* is in pence."""

    number: int
    title: str
    author: str
    price: int
    stock: int
    description: str

    @property
    def price_text(self) -> str:
        """The price as text."""
        return f"£{self.price // 100}.{self.price % 100:02d}"


def _books(count: int) -> tuple[Book, ...]:
    # The books do not depend on the sandbox's seed, so that a demo prints the same.
    rng = random.Random(1)  # noqa: S311 - invents books, guards nothing
    return tuple(_book(number, rng) for number in range(1, count + 1))


def _book(number: int, rng: random.Random) -> Book:
    name = f"The {rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}"
    return Book(
        number=number,
        title=f"{name} of {rng.choice(_PLACES)}, No. {number}",
        author=f"{rng.choice(_FIRST)} {rng.choice(_LAST)}",
        price=rng.randrange(350, 4000),
        stock=rng.randrange(25),
        description=" ".join(rng.sample(_PLOTS, 2)),
    )


BOOKS = _books(60)
"""The whole catalogue: six pages of ten books."""


class Bookshop:
    """List pages ``/catalogue/1`` to ``6``, books ``/book/1`` to ``60``.

    The numbered pages of the other sites are there as well.
    """

    def __init__(self) -> None:
        self._pages = NumberedPages("bookshop")

    def answer(self, visit: Visit) -> Reply:
        """Answer one request; ``/`` is the first list page."""
        if visit.path == "/":
            return _list_page(1)
        if found := _LIST.fullmatch(visit.path):
            return _list_page(int(found[1]))
        if found := _BOOK.fullmatch(visit.path):
            return _book_page(int(found[1]))
        return self._pages.answer(visit)


def _list_page(number: int) -> Reply:
    books = BOOKS[(number - 1) * _PER_PAGE : number * _PER_PAGE]
    if not books:
        return not_found()
    rows = "\n".join(
        f'<article class="book"><h2><a href="/book/{book.number}">{escape(book.title)}'
        f'</a></h2><p class="author">{escape(book.author)}</p>'
        f'<p class="price">{book.price_text}</p></article>'
        for book in books
    )
    title = f"Catalogue, page {number} of {len(BOOKS) // _PER_PAGE}"
    links = _links(number)
    body = f'<h1 class="content">{title}</h1>\n{rows}\n<ul class="pager">{links}</ul>'
    return html_reply(layout(title, body))


def _links(number: int) -> str:
    wanted = {"previous": number - 1, "next": number + 1}
    last = len(BOOKS) // _PER_PAGE
    return "".join(
        f'<li class="{name}"><a href="/catalogue/{other}">{name.capitalize()}</a></li>'
        for name, other in wanted.items()
        if 1 <= other <= last
    )


def _book_page(number: int) -> Reply:
    if number > len(BOOKS):
        return not_found()
    book = BOOKS[number - 1]
    stock = f"In stock ({book.stock} available)" if book.stock else "Out of stock"
    body = f"""<article class="book">
<h1 class="content title">{escape(book.title)}</h1>
<p class="author">{escape(book.author)}</p>
<p class="price">{book.price_text}</p>
<p class="stock">{stock}</p>
<p class="description">{escape(book.description)}</p>
</article>
<p><a href="/catalogue/{(number - 1) // _PER_PAGE + 1}">Back to the catalogue</a></p>"""
    return html_reply(layout(book.title, body))
