"""A spider whose callbacks take page objects, for ``scrapy runspider``.

Its annotations are read as it runs.
"""

import os
from collections.abc import AsyncIterator
from typing import Any

import attrs
from scrapy import Request, Spider
from scrapy.http import Response
from scrapy_poet.api import DummyResponse
from web_poet import HttpClient, HttpResponse, ItemPage, RequestUrl, WebPage, field

SITE = os.environ["CRAWL_SITE"]
HOSTS = ["127.0.0.1"]


class Page(WebPage[dict[str, Any]]):
    """Reads the page that was asked for."""

    @field
    def h1(self) -> str | None:
        return self.css("h1::text").get()


@attrs.define
class More(WebPage[dict[str, Any]]):
    """Asks for another page besides."""

    client: HttpClient

    async def to_item(self) -> dict[str, Any]:
        more = await self.client.get(f"{SITE}/page/20")
        return {"h1": self.css("h1::text").get(), "more": more.css("h1::text").get()}


@attrs.define
class Elsewhere(ItemPage[dict[str, Any]]):
    """Has no use for the page that was asked for."""

    url: RequestUrl
    client: HttpClient

    async def to_item(self) -> dict[str, Any]:
        page = await self.client.get(f"{SITE}/page/30")
        return {"asked": str(self.url), "h1": page.css("h1::text").get()}


class Poet(Spider):
    """Asks for one page for each kind of callback."""

    name = "poet"
    allowed_domains = HOSTS

    async def start(self) -> AsyncIterator[Request]:
        callbacks: tuple[Any, ...] = (
            self.parse_page,
            self.parse_more,
            self.parse_response,
            self.parse_elsewhere,
        )
        for number, callback in enumerate(callbacks, 1):
            yield Request(f"{SITE}/page/{number}", callback)

    async def parse_page(
        self, response: DummyResponse, page: Page
    ) -> AsyncIterator[dict[str, Any]]:
        yield {"callback": "page", **await page.to_item()}

    async def parse_more(
        self, response: Response, page: More
    ) -> AsyncIterator[dict[str, Any]]:
        yield {"callback": "more", **await page.to_item()}

    async def parse_response(
        self, response: Response, page: Page, http: HttpResponse
    ) -> AsyncIterator[dict[str, Any]]:
        seen = {response.css("h1::text").get(), http.css("h1::text").get(), page.h1}
        yield {"callback": "response", "h1": "|".join(map(str, seen))}

    async def parse_elsewhere(
        self, response: DummyResponse, page: Elsewhere
    ) -> AsyncIterator[dict[str, Any]]:
        kind = type(response).__name__
        yield {"callback": "elsewhere", "response": kind, **await page.to_item()}
