"""Runs the example without a key: a bookshop and a service of its own, on loopback."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scrapy import signals
from scrapy.exceptions import NotConfigured
from scrapy.utils.defer import maybe_deferred_to_future

from bookshop.spiders.books import BooksSpider
from scrapy_onecaptcha.sandbox import Gate, Sandbox, ServiceOptions, sitekey_of

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from typing_extensions import Self

KEY = "ONECAPTCHA_API_KEY"

#: A captcha takes some seconds here, and one in a while comes to nothing: by this seed
#: it is the third of four.
SERVICE = ServiceOptions(latency=(2.5, 4.0), failure_rate=0.2)
SEED = 14

#: The shop asks for another captcha after some pages.
GATE = Gate(sitekey=sitekey_of("bookshop"), csrf=True, clearance_pages=25)

#: So that there is something to see in a crawl of some seconds; nobody is disturbed.
PACE = {"ONECAPTCHA_LOG_INTERVAL": 2, "DOWNLOAD_DELAY": 0}


class SandboxExtension:
    """Starts the sandbox inside the crawl where there is neither a key nor a site.

    Scrapy makes its extensions when the reactor is installed and the spider is made,
    but before it freezes the settings and makes the middlewares: the one place where
    ports can be opened and their addresses still become settings. An add-on would come
    before the reactor.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Start the sandbox, and let the crawl use it."""
        spider = crawler.spider
        key = crawler.settings.get(KEY) or os.environ.get(KEY)
        if key or not isinstance(spider, BooksSpider) or spider.site:
            raise NotConfigured  # there is a real crawl to do
        _keep_from_the_internet()
        sandbox = Sandbox(service=SERVICE, sites={"bookshop": GATE}, seed=SEED).start()
        crawler.settings.setdict({**sandbox.settings(), **PACE}, priority="spider")
        spider.site = sandbox.urls["bookshop"]
        spider.logger.info("No %s is set: crawling a sandbox at %s", KEY, spider.site)
        extension = cls(sandbox)
        crawler.signals.connect(extension.engine_stopped, signals.engine_stopped)
        return extension

    async def engine_stopped(self) -> None:
        """Close the sandbox's ports."""
        await maybe_deferred_to_future(self.sandbox.stop())


def _keep_from_the_internet() -> None:
    """Let Scrapy's cookies use the public suffix list that is installed.

    They would fetch the newest at the first cookie, which on a machine without internet
    takes its time and logs a traceback. It is tldextract that does it, and that reads
    this variable; an empty one names no place to fetch from.
    """
    os.environ.setdefault("TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS", "")
