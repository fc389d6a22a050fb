"""Runs the examples without a key: a site and a service of their own, on loopback."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.downloadermiddlewares import cookies
from scrapy.exceptions import NotConfigured
from scrapy.utils.defer import maybe_deferred_to_future
from tldextract import TLDExtract

from bookshop.site import SiteSpider
from scrapy_onecaptcha.sandbox import (
    AWKWARD,
    Gate,
    Sandbox,
    ServiceOptions,
    sitekey_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings
    from typing_extensions import Self

KEY = "ONECAPTCHA_API_KEY"

#: A captcha takes some seconds here, and one in a while comes to nothing: by this seed
#: it is the third of four.
SERVICE = ServiceOptions(latency=(2.5, 4.0), failure_rate=0.2)
SEED = 14

#: Where a single captcha is the matter, it takes a moment.
QUICK = ServiceOptions(latency=0.5)

#: The shop asks for another captcha after some pages.
GATE = Gate(sitekey=sitekey_of("bookshop"), csrf=True, clearance_pages=25)

#: The site that each of the other spiders crawls.
SITES = {"expect": "magazine", "gate": "directory", "submitter": "bundle"}

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
        if key or not isinstance(spider, SiteSpider) or spider.site:
            raise NotConfigured  # there is a real crawl to do
        _keep_from_the_internet()
        sandbox = _sandbox_of(spider.name).start()
        crawler.settings.setdict({**sandbox.settings(), **PACE}, priority="spider")
        if getattr(spider, "hand", "yes") == "no":
            _withhold(crawler.settings, spider.custom_settings or {})
        (spider.site,) = sandbox.urls.values()
        spider.logger.info("No %s is set: crawling a sandbox at %s", KEY, spider.site)
        extension = cls(sandbox)
        crawler.signals.connect(extension.engine_stopped, signals.engine_stopped)
        return extension

    async def engine_stopped(self) -> None:
        """Close the sandbox's ports."""
        await maybe_deferred_to_future(self.sandbox.stop())


def _sandbox_of(spider: str) -> Sandbox:
    if spider not in SITES:
        return Sandbox(service=SERVICE, sites={"bookshop": GATE}, seed=SEED)
    site = SITES[spider]
    return Sandbox(service=QUICK, sites={site: AWKWARD[site]})


def _withhold(settings: BaseSettings, hand: Mapping[Any, Any]) -> None:
    """Show by ``-a hand=no`` what would be without the settings of the spider."""
    for name in hand:
        if name.startswith("ONECAPTCHA_") and name != "ONECAPTCHA_SCRIPTS":
            settings.set(name, None, priority="spider")


def _keep_from_the_internet() -> None:
    """Let Scrapy's cookies use the public suffix list that is installed.

    They would fetch the newest list at the first cookie. Without internet that takes
    time and logs a long traceback.
    """
    cookies._split_domain = TLDExtract(  # type: ignore[attr-defined,unused-ignore]  # noqa: SLF001
        suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True
    )
