"""Clearances, leases, budget and breaker that several processes and runs share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapy_onecaptcha.stores.base import Limits, Store

__all__ = ["FILE_NAME", "default_url", "open_store"]

_SQLITE = "sqlite:///"

#: The name of the store's file in a ``JOBDIR``.
FILE_NAME = "onecaptcha.db"


def open_store(
    url: str | None, owner: str, limits: Limits | None = None, namespace: str = ""
) -> Store:
    """Return the store of *url*, which its `open` connects.

    Args:
        url: ``sqlite:///PATH``, ``redis://…``, ``rediss://…``, ``unix://…``, or
            ``None`` for the memory of this process.
        owner: names the process; no other one has the same.
        limits: what may be spent.
        namespace: keeps projects that use one file or one Redis apart.

    Raises:
        ValueError: there is no store for such a URL.
    """
    # Loaded when needed: most crawls need neither sqlite3 nor redis-py.
    if url is None:
        from scrapy_onecaptcha.stores.memory import MemoryStore  # noqa: PLC0415

        return MemoryStore(owner, limits)
    if url.startswith(_SQLITE):
        from scrapy_onecaptcha.stores.sqlite import SqliteStore  # noqa: PLC0415

        path = url.removeprefix(_SQLITE)
        return SqliteStore(path, owner, limits, namespace=namespace)
    if url.startswith(("redis://", "rediss://", "unix://")):
        from scrapy_onecaptcha.stores.redis import RedisStore  # noqa: PLC0415

        return RedisStore(url, owner, limits, namespace=namespace)
    raise ValueError("no store has such a URL")


def default_url(jobdir: str | None) -> str | None:
    """Return the store of a crawl whose settings name none.

    Args:
        jobdir: the folder that keeps the state of the crawl, if any.
    """
    return f"{_SQLITE}{jobdir}/{FILE_NAME}" if jobdir else None
