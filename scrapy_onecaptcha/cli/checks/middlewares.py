"""Findings on the order of the middleware among the others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.downloadermiddlewares.redirect import (
    MetaRefreshMiddleware,
    RedirectMiddleware,
)
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.downloadermiddlewares.useragent import UserAgentMiddleware
from scrapy.utils.misc import load_object

from scrapy_onecaptcha.addon import ORDER
from scrapy_onecaptcha.cli.checks.finding import Finding
from scrapy_onecaptcha.middleware import OneCaptchaMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.settings import BaseSettings

__all__ = ["place", "proxy_middlewares"]

_MIDDLEWARES = "DOWNLOADER_MIDDLEWARES"
_PATH = "scrapy_onecaptcha.OneCaptchaMiddleware"

#: Middlewares closer to the site: they handle a response before ours sees it.
_BEFORE = (
    (HttpCompressionMiddleware, "COMPRESSION_ENABLED", "it would see pages compressed"),
    (RedirectMiddleware, "REDIRECT_ENABLED", "it would not know where a page led"),
    (
        CookiesMiddleware,
        "COOKIES_ENABLED",
        "the cookies of a gate would be kept only after it was solved",
    ),
)
#: Middlewares closer to the engine.
_AFTER = (
    (RetryMiddleware, "RETRY_ENABLED", "gates with status 429 or 503 would be retried"),
    (
        MetaRefreshMiddleware,
        "METAREFRESH_ENABLED",
        "gates with a meta refresh would be followed before they are seen",
    ),
    (
        UserAgentMiddleware,
        None,
        "the first request to a site would have no User-Agent yet",
    ),
)
_PROXY = re.compile(r"prox(y|ies)", re.IGNORECASE)
#: What a middleware must not set after ours, told by its name.
_LATE = (
    (_PROXY, "proxy", "gate and token"),
    (re.compile(r"user_?agent", re.IGNORECASE), "User-Agent", "page and token"),
)


def place(settings: BaseSettings) -> list[Finding]:
    """Find a middleware that is missing, twice there or at a wrong order."""
    try:
        stack = _stack(settings)
    except Exception as error:  # noqa: BLE001 - of the user's own modules; told here
        return [
            Finding(
                severity="error",
                setting=_MIDDLEWARES,
                what=f"It cannot be loaded: {type(error).__name__}: {error}.",
                why="The crawl does not start.",
                do="Correct the path, or install what is missing.",
            )
        ]
    ours = [key for key, _ in stack if _is_ours(key)]
    orders = [
        order
        for key, order in stack
        if _is_ours(key) and isinstance(order, int | float)
    ]
    if not orders:
        return [_missing(switched_off=bool(ours))]
    if len(orders) > 1:
        return [_twice(orders)]
    placed = [(cls, order) for cls, order in stack if isinstance(order, int | float)]
    return [
        *_misplaced(orders[0], placed, settings),
        *_late(orders[0], placed),
    ]


def proxy_middlewares(settings: BaseSettings) -> list[str]:
    """Return middlewares of the project that use proxies, told by their names."""
    try:
        stack = _stack(settings)
    except Exception:  # noqa: BLE001 - `place` tells of it
        return []
    return [
        getattr(cls, "__name__", repr(cls))
        for cls, order in stack
        if isinstance(order, int | float)
        and not getattr(cls, "__module__", "").startswith("scrapy.")
        and _PROXY.search(f"{getattr(cls, '__module__', '')}.{cls!r}")
    ]


def _stack(settings: BaseSettings) -> list[tuple[Any, Any]]:
    """Return the class and order of each middleware; the order of one removed is None.

    A class that is named twice is returned twice.
    """
    own = settings.getdict(_MIDDLEWARES)
    named = [(load_object(key), order) for key, order in own.items()]
    classes = {cls for cls, _ in named}
    base = settings.getdict(f"{_MIDDLEWARES}_BASE")
    scrapys = [(load_object(key), order) for key, order in base.items()]
    return [*named, *((cls, order) for cls, order in scrapys if cls not in classes)]


def _is_ours(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, OneCaptchaMiddleware)


def _missing(*, switched_off: bool) -> Finding:
    how = "is set to None" if switched_off else "is not there, nor is the add-on"
    return Finding(
        severity="error",
        setting=_MIDDLEWARES,
        what=f"The middleware {how}.",
        why="Callbacks get the gates.",
        do=f'Set {_MIDDLEWARES} = {{"{_PATH}": {ORDER}}}, or '
        'ADDONS = {"scrapy_onecaptcha.Addon": 500}.',
    )


def _twice(orders: list[int | float]) -> Finding:
    listed = " and ".join(f"{order:g}" for order in orders)
    return Finding(
        severity="error",
        setting=_MIDDLEWARES,
        what=f"The middleware is there more than once, at {listed}.",
        why="Only one of them is at the intended order, and two pay twice.",
        do=f"Leave one, at {ORDER}.",
    )


def _misplaced(
    ours: float, placed: list[tuple[Any, float]], settings: BaseSettings
) -> Iterator[Finding]:
    """Compare the order of the middleware with those of Scrapy's own."""
    for rows, is_right, where in (
        (_BEFORE, ours.__lt__, "below"),
        (_AFTER, ours.__gt__, "above"),
    ):
        for cls, switch, why in rows:
            if switch is not None and not settings.getbool(switch, default=True):
                continue
            for other, order in placed:
                if not _is_a(other, cls) or is_right(order):
                    continue
                yield Finding(
                    severity="risk" if cls is UserAgentMiddleware else "error",
                    setting=_MIDDLEWARES,
                    what=f"The middleware is at {ours:g}, {other.__name__} at "
                    f"{order:g}.",
                    why=f"There {why}.",
                    do=f"Put it {where} that one: {ORDER} is right beside Scrapy's own "
                    "orders.",
                )


def _is_a(other: Any, cls: type[Any]) -> bool:
    return isinstance(other, type) and issubclass(other, cls)


def _late(ours: float, placed: list[tuple[Any, float]]) -> Iterator[Finding]:
    for other, order in placed:
        module = getattr(other, "__module__", "")
        if order <= ours or module.startswith("scrapy."):
            continue
        name = getattr(other, "__name__", repr(other))
        for pattern, what, two in _LATE:
            if pattern.search(f"{module}.{name}"):
                yield Finding(
                    severity="risk",
                    setting=_MIDDLEWARES,
                    what=f"By its name {name}, at {order:g}, sets the {what} after "
                    f"this middleware (at {ours:g}) has noted it.",
                    why=f"Then {two} may go by different ones, and the site refuses "
                    "what was paid for.",
                    do=f"Give it a number below {ours:g}.",
                )
