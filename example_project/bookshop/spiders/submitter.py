"""A gate that does not show how it takes its token; the project sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookshop.site import STDOUT, SiteSpider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy import Request
    from scrapy.http import Response


class SubmitterSpider(SiteSpider):
    """Reads the first pages of a site whose gate is a script in a file of its own.

    Scripts of pages are off here, as they are where no engine is installed.
    """

    name = "submitter"
    custom_settings = {
        "FEEDS": STDOUT,
        "ONECAPTCHA_SCRIPTS": "off",
        "ONECAPTCHA_SUBMITTERS": {"127.0.0.1": "bookshop.captcha.submit"},
    }

    def parse_list(self, response: Response) -> Iterator[Request]:
        """Follow the list to its pages."""
        for link in response.css('a[href^="/page/"]::attr(href)').getall()[:5]:
            yield response.follow(link, self.parse_page)

    def parse_page(self, response: Response) -> Iterator[dict[str, Any]]:
        """Read one page."""
        yield {"title": response.css("h1.content::text").get()}
