"""A token is sent once, whatever the download handler does by itself."""

from __future__ import annotations

import importlib
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from scrapy import Request
from twisted.web.client import HTTPConnectionPool

from scrapy_onecaptcha.crawl.send_once import SendOnce
from tests.crawlers import make_crawler

REQUEST = Request("http://shop.example/")


class Handler:
    """Keeps connections, as Scrapy's own for HTTP/1.1."""

    def __init__(self, *, repeats: bool = True) -> None:
        self._pool = Pool()
        self._pool.retryAutomatically = repeats


class Pool:
    retryAutomatically = True  # noqa: N815  (Twisted's name)


class Unknown:
    pass


def once(handler: object) -> SendOnce:
    engine: Any = SimpleNamespace(handler=lambda scheme: handler)
    return SendOnce(engine)


def test_it_is_off_while_a_token_is_under_way() -> None:
    handler = Handler()
    sending = once(handler)
    ends = [sending.begin(REQUEST), sending.begin(REQUEST)]
    assert handler._pool.retryAutomatically is False
    ends.pop()()
    assert handler._pool.retryAutomatically is False
    ends.pop()()
    assert handler._pool.retryAutomatically is True


def test_what_was_off_stays_off() -> None:
    handler = Handler(repeats=False)
    once(handler).begin(REQUEST)()
    assert handler._pool.retryAutomatically is False


def test_an_unknown_handler_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    sending = once(Unknown())
    for _ in range(3):
        sending.begin(REQUEST)()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "Unknown" in record.getMessage()


def test_a_downloader_that_tells_no_handler_is_left_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    once(None).begin(REQUEST)()
    assert not caplog.records


def test_twisteds_pool_has_its_switch() -> None:
    """On each version that is supported."""
    assert HTTPConnectionPool.retryAutomatically is True


def test_scrapys_handler_has_its_pool() -> None:
    module = importlib.import_module("scrapy.core.downloader.handlers.http11")
    source = importlib.import_module("inspect").getsource(module)
    assert "self._pool: HTTPConnectionPool = HTTPConnectionPool(" in source


def test_aiohttps_session_has_its_switch() -> None:
    aiohttp = pytest.importorskip("aiohttp")
    assert "_retry_connection" in aiohttp.ClientSession.ATTRS


def test_scrapys_downloader_tells_its_handler() -> None:
    from scrapy.core.downloader.handlers import DownloadHandlers

    handlers: Any = DownloadHandlers(make_crawler())
    assert callable(handlers._get_handler)
    assert handlers._get_handler("onecaptcha-expired") is None
