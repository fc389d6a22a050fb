"""What the spiders of this project share: one site each, given by an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy import Request, Spider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scrapy.http import Response

#: For small crawls: items are printed.
STDOUT = {"stdout:": {"format": "jsonlines"}}


class SiteSpider(Spider):
    """Crawls the site given by ``-a site=https://…``, from its first page on."""

    site = ""

    @property
    def allowed_domains(self) -> list[str]:
        """The site's own host: where the crawl may go, and where it may solve."""
        host = urlsplit(self.site).hostname
        return [host] if host else []

    async def start(self) -> AsyncIterator[Request]:
        """Begin with the first page."""
        if not self.allowed_domains:
            self.logger.error(
                "Name the site: scrapy crawl %s -a site=https://…", self.name
            )
            return
        yield Request(self.site, self.parse_list)

    def parse_list(self, response: Response) -> object:
        """Read the first page; each spider does it in its own way."""
        raise NotImplementedError
