"""From the catalogue's first page to every book: a spider as any other."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy import Request, Spider

from bookshop.items import Book

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from scrapy.http import Response


class BooksSpider(Spider):
    """Crawls the bookshop given by ``-a site=https://…``."""

    name = "books"
    site = ""

    @property
    def allowed_domains(self) -> list[str]:
        """The shop's own host: where the crawl may go, and where it may solve."""
        host = urlsplit(self.site).hostname
        return [host] if host else []

    async def start(self) -> AsyncIterator[Request]:
        """Begin with the catalogue."""
        if not self.allowed_domains:
            self.logger.error(
                "Which bookshop? Say so: scrapy crawl books -a site=https://…"
            )
            return
        yield Request(self.site, self.parse_list)

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
