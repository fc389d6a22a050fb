"""A gate that looks like any page of its site; the spider says what its pages have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookshop.site import STDOUT, SiteSpider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy import Request
    from scrapy.http import Response


class ExpectSpider(SiteSpider):
    """Reads the first pages of a magazine."""

    name = "expect"
    custom_settings = {
        "FEEDS": STDOUT,
        "ONECAPTCHA_EXPECT": "h1.content",
    }

    def parse_list(self, response: Response) -> Iterator[Request]:
        """Follow the list to its pages."""
        links = response.css('a[href^="/page/"]::attr(href)').getall()
        if not links:
            self.logger.warning("No list at %s", response.url)
        for link in links[:5]:
            yield response.follow(link, self.parse_page)

    def parse_page(self, response: Response) -> Iterator[dict[str, Any]]:
        """Read one page."""
        yield {"title": response.css("h1.content::text").get()}
