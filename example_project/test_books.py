"""The spider of the bookshop, tested without a key: ``pytest test_books.py``."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from bookshop.spiders.books import BooksSpider
from scrapy import signals
from scrapy.crawler import CrawlerProcess
from scrapy.utils.project import get_project_settings
from scrapy.utils.reactor import install_reactor

from scrapy_onecaptcha.sandbox import Sandbox, ServiceOptions


def crawl(service: ServiceOptions, settings: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Crawl a gated bookshop; return items, stats and what the sandbox counted."""
    install_reactor("twisted.internet.asyncioreactor.AsyncioSelectorReactor")
    sandbox = Sandbox(sites=["bookshop"], service=service).start()
    project = get_project_settings()
    project.setdict({**sandbox.settings(), "FEEDS": {}, "DOWNLOAD_DELAY": 0})
    project.setdict(settings)
    process = CrawlerProcess(project)
    crawler = process.create_crawler(BooksSpider)
    items: list[Any] = []

    def keep(item: Any) -> None:
        items.append(item)

    crawler.signals.connect(keep, signals.item_scraped)
    process.crawl(crawler, site=sandbox.urls["bookshop"])
    process.start()
    assert crawler.stats is not None
    return items, crawler.stats.get_stats(), sandbox.ledger.as_dict()


def crawled(
    service: ServiceOptions | None = None, **settings: Any
) -> tuple[Any, Any, Any]:
    """Do so in a process of its own: a reactor runs only once."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(crawl, service or ServiceOptions(), settings).result()


def test_all_books_come_for_one_captcha() -> None:
    books, stats, sandbox = crawled()
    assert len({book.title for book in books}) == 60
    assert stats["onecaptcha/tasks"] == 1
    assert sandbox["rejections"] == {}


def test_a_shop_that_stays_shut_costs_no_more_than_its_attempts() -> None:
    books, stats, _ = crawled(ServiceOptions(failure_rate=1.0, latency=0))
    assert books == []
    assert stats["onecaptcha/tasks"] == 3
    assert stats["onecaptcha/failed/attempts"] == 1
