"""Keeps Scrapy's download handlers from sending a token twice.

A handler that keeps connections sends an idempotent request again by itself where the
site closes one. There is no public switch for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy_onecaptcha._logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request

    from scrapy_onecaptcha.crawl.engine import Engine

__all__ = ["SendOnce"]

logger = get_logger(__name__)

#: Where handlers repeat requests: Twisted's pool, aiohttp's session.
SWITCHES = (("_pool", "retryAutomatically"), ("_session", "_retry_connection"))

#: Download handlers that repeat nothing by themselves.
REPEATS_NOTHING = frozenset({"HttpxDownloadHandler", "H2DownloadHandler", "NoneType"})


class SendOnce:
    """Switches the repeating of requests off for as long as a token is under way.

    Args:
        engine: the crawl's.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._off: dict[Any, tuple[int, Any]] = {}
        self._told: set[str] = set()

    def begin(self, request: Request) -> Callable[[], None]:
        """Switch it off for *request*; return what switches it on again."""
        handler = self._engine.handler(urlsplit(request.url).scheme)
        holder, name = _switch_of(handler)
        if holder is None:
            self._tell_unknown(type(handler).__qualname__)
            return lambda: None
        count, before = self._off.get(holder, (0, getattr(holder, name)))
        self._off[holder] = count + 1, before
        setattr(holder, name, False)

        def end() -> None:
            count, before = self._off.pop(holder)
            if count > 1:
                self._off[holder] = count - 1, before
            else:
                setattr(holder, name, before)

        return end

    def _tell_unknown(self, name: str) -> None:
        if name in self._told or name in REPEATS_NOTHING:
            return
        self._told.add(name)
        logger.warning(
            "%s is a download handler that is not known here: if it repeats a request "
            "whose connection was closed, a token may be sent twice.",
            name,
        )


def _switch_of(handler: Any) -> tuple[Any, str]:
    """Return what repeats requests in *handler*, and the name of its switch."""
    for owner, name in SWITCHES:
        holder = getattr(handler, owner, None)
        if hasattr(holder, name):
            return holder, name
    return None, ""
