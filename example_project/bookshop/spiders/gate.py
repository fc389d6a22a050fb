"""Pages that look like gates; a function of the project tells which one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookshop.site import STDOUT, SiteSpider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy import Request
    from scrapy.http import Response


class GateSpider(SiteSpider):
    """Reads names and addresses of a directory, and pays for no telephone number."""

    name = "gate"
    custom_settings = {
        "FEEDS": STDOUT,
        "ONECAPTCHA_GATE": "bookshop.captcha.is_gate",
    }

    def parse_list(self, response: Response) -> Iterator[Request]:
        """Follow the list to its firms."""
        for link in response.css("a.firm::attr(href)").getall():
            yield response.follow(link, self.parse_firm)

    def parse_firm(self, response: Response) -> Iterator[dict[str, Any]]:
        """Read the page of one firm."""
        yield {
            "name": response.css(".name::text").get(),
            "address": response.css(".address::text").get(),
        }
