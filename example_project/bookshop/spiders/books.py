"""From the catalogue's first page to every book: a spider as any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookshop.items import Book
from bookshop.site import SiteSpider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy import Request
    from scrapy.http import Response


class BooksSpider(SiteSpider):
    """Crawls the bookshop given by ``-a site=https://…``."""

    name = "books"

    def parse_list(self, response: Response) -> Iterator[Request]:
        """Follow a list page to its books, and to the next list page."""
        for link in response.css(".book h2 a::attr(href)").getall():
            yield response.follow(link, self.parse_book)
        for link in response.css(".next a::attr(href)").getall():
            yield response.follow(link, self.parse_list)

    def parse_book(self, response: Response) -> Iterator[Book]:
        """Read the page of one book."""

        def text(selector: str) -> str:
            return response.css(f".book {selector}::text").get(default="")

        yield Book(
            title=text(".title"),
            author=text(".author"),
            price=text(".price"),
            stock=text(".stock"),
            url=response.url,
        )
