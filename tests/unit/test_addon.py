"""Set-up in one line."""

from __future__ import annotations

from typing import Any

import pytest
from scrapy.settings import Settings
from scrapy.utils.conf import build_component_list

from scrapy_onecaptcha import Addon, OneCaptchaMiddleware
from scrapy_onecaptcha.addon import ORDER

PATH = "scrapy_onecaptcha.OneCaptchaMiddleware"


def middlewares(**given: Any) -> dict[Any, Any]:
    settings = Settings(given)
    Addon().update_settings(settings)
    return settings.getdict("DOWNLOADER_MIDDLEWARES")


def test_it_adds_the_middleware_where_it_belongs() -> None:
    assert middlewares() == {OneCaptchaMiddleware: 585}
    assert ORDER == 585


def test_the_users_own_middlewares_stay() -> None:
    own = {"scrapy.downloadermiddlewares.retry.RetryMiddleware": 100}
    assert middlewares(DOWNLOADER_MIDDLEWARES=own) == own | {OneCaptchaMiddleware: 585}


@pytest.mark.parametrize("key", [PATH, OneCaptchaMiddleware])
@pytest.mark.parametrize("order", [600, None])
def test_what_the_project_says_of_it_stays(key: Any, order: int | None) -> None:
    assert middlewares(DOWNLOADER_MIDDLEWARES={key: order}) == {key: order}


def test_it_stands_between_what_must_come_before_and_after() -> None:
    settings = Settings()
    Addon().update_settings(settings)
    merged = build_component_list(
        settings.getdict("DOWNLOADER_MIDDLEWARES_BASE")
        | settings.getdict("DOWNLOADER_MIDDLEWARES")
    )
    order = [getattr(one, "__name__", str(one)).rpartition(".")[2] for one in merged]
    place = order.index("OneCaptchaMiddleware")
    for name in ("RetryMiddleware", "MetaRefreshMiddleware", "UserAgentMiddleware"):
        assert order.index(name) < place
    for name in (
        "HttpCompressionMiddleware",
        "RedirectMiddleware",
        "CookiesMiddleware",
        "HttpProxyMiddleware",
    ):
        assert order.index(name) > place
