"""A crawler of the test's own process, with any version of Scrapy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy import Spider
from scrapy.utils.test import get_crawler

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

__all__ = ["make_crawler"]


def make_crawler(settings: dict[str, Any] | None = None) -> Crawler:
    """Return a crawler with *settings*, which is not run.

    Scrapy below 2.15 wants a reactor to be installed. Whether another test has done so
    is a matter of the order in which they are run.
    """
    from twisted.internet import reactor  # noqa: F401

    return get_crawler(Spider, settings or {})
