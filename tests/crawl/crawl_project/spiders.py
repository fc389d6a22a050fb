"""One spider for each kind that Scrapy has. `SITE` is gated, `OPEN` is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from scrapy import FormRequest, Request, Spider
from scrapy.linkextractors import LinkExtractor
from scrapy.spiders import CrawlSpider, Rule, SitemapSpider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.http import Response

SITE = os.environ["CRAWL_SITE"]
OPEN = os.environ["CRAWL_OPEN"]
HOSTS = ["127.0.0.1"]
FRONT, LOGIN, UNGATED = [f"{SITE}/"], [f"{SITE}/login"], [f"{OPEN}/page/1"]


def item(response: Response) -> dict[str, Any]:
    return {"url": response.url, "h1": response.css("h1::text").get()}


class Rules(CrawlSpider):
    """Follows links."""

    name = "rules"
    allowed_domains = HOSTS
    start_urls = FRONT
    rules = (Rule(LinkExtractor(allow="/page/[1-5]$"), callback="parse_page"),)

    def parse_page(self, response: Response) -> Iterator[dict[str, Any]]:
        yield item(response)


class Sitemap(SitemapSpider):
    """Reads a sitemap."""

    name = "sitemap"
    allowed_domains = HOSTS
    sitemap_urls = (f"{SITE}/sitemap.xml",)
    sitemap_rules = [("/page/", "parse_page")]  # noqa: RUF012  (Scrapy's own way)

    def parse_page(self, response: Response) -> Iterator[dict[str, Any]]:
        yield item(response)


class Login(Spider):
    """Logs in, and crawls on."""

    name = "login"
    allowed_domains = HOSTS
    start_urls = LOGIN

    def parse(self, response: Response) -> Iterator[Request]:
        nonce = response.css("input[name=nonce]::attr(value)").get("")
        form = {"nonce": nonce, "user": "ann", "password": "secret"}
        yield FormRequest(response.url, self.logged_in, formdata=form)

    def logged_in(self, response: Response) -> Iterator[Any]:
        yield item(response)
        yield response.follow("/page/1", self.parse_page)

    def parse_page(self, response: Response) -> Iterator[dict[str, Any]]:
        """Read a page: the contract that ``scrapy check`` holds it to."""
        yield item(response)

    parse_page.__doc__ = f"""Read a page.

    @url {SITE}/page/1
    @returns items 1 1
    @scrapes url h1
    """


class Files(Spider):
    """Finds files that are behind a gate."""

    name = "files"
    allowed_domains = HOSTS
    start_urls = UNGATED

    def parse(self, response: Response) -> Iterator[dict[str, Any]]:
        for number in range(3):
            yield {"file_urls": [f"{SITE}/files/{number}.pdf"]}
