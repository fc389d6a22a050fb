"""Which requests concern this package, and what they say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy.http.request import NO_CALLBACK

from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.request_options import RequestOptions

if TYPE_CHECKING:
    from scrapy import Request

    from scrapy_onecaptcha.settings import Config

__all__ = ["RequestRules", "is_robots", "must_not_wait"]


class RequestRules:
    """What the settings and a request's own options say of it.

    Args:
        config: the settings.
    """

    def __init__(self, config: Config) -> None:
        self._options = config.options

    def concerns(self, request: Request) -> bool:
        """Tell whether *request* is looked at."""
        return self.options_of(request) is not None

    def options_of(self, request: Request) -> RequestOptions | None:
        """Return the options of *request*, or ``None`` where it is not looked at."""
        if request.method == "HEAD" or not request.url.startswith("http"):
            return None
        options = self.options(request)
        return options if options.enabled else None

    def options(self, request: Request) -> RequestOptions:
        """Return what *request* says in its ``meta``."""
        return RequestOptions.of(request, self._options)


def must_not_wait(request: Request) -> bool:
    """Tell whether others wait for *request*, or it is what they wait for."""
    return request_meta.role_of(request) is not None or is_robots(request)


def is_robots(request: Request) -> bool:
    """Tell whether *request* is the one of Scrapy's robots.txt middleware."""
    return request.callback is NO_CALLBACK and (
        urlsplit(request_meta.first_of(request)["url"]).path == "/robots.txt"
    )
