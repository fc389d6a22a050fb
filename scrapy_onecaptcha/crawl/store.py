"""The store of a crawl, as its settings name it."""

from __future__ import annotations

import hashlib
import socket
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha.settings import PREFIX
from scrapy_onecaptcha.stores import FILE_NAME, default_url, open_store
from scrapy_onecaptcha.stores.base import Limits, StoreFault
from scrapy_onecaptcha.stores.guard import GuardedStore
from scrapy_onecaptcha.stores.memory import MemoryStore
from scrapy_onecaptcha.stores.naming import name_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.settings import BaseSettings

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.sessions import SessionKey
    from scrapy_onecaptcha.report.snapshot import StoreState
    from scrapy_onecaptcha.settings import Config
    from scrapy_onecaptcha.stores.base import Store

__all__ = ["CrawlStore", "open_for", "place_of"]

logger = get_logger(__name__)

#: Seconds after the end of a solve within which its site has to say what it makes of
#: the token, before the task counts as lost with its process.
VERDICT_SECONDS = 300.0


#: Owns the leases in the store of a JOBDIR.
JOBDIR_OWNER = "jobdir"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlStore:
    """A store, and what a crawl is called in it.

    Attributes:
        store: that the processes share.
        run: names this run of this process.
        egress: where its requests come from, without a proxy.
        account: names the account without showing its key.
        max_tasks: ``ONECAPTCHA_SHARED_MAX_TASKS``.
        wall: returns the seconds since 1970.
    """

    store: GuardedStore
    run: str
    egress: str
    account: str
    max_tasks: int = 0
    wall: Callable[[], float] = time.time

    def state(self, *, is_spent: bool, imported: int) -> StoreState:
        """Return what is known of the store.

        Args:
            is_spent: whether it has refused a task because all are spent.
            imported: clearances that were taken from it.
        """
        seen = self.store.seen
        left = self.max_tasks - seen[1] if seen and self.max_tasks else None
        return {
            "silent_seconds": self.store.silent_seconds,
            "imported": imported,
            "tasks": seen[1] if seen else None,
            "budget_left": 0 if is_spent else left,
        }

    def name(self, key: SessionKey) -> str | None:
        """Return what a session is called; ``None`` for one of this process only."""
        return name_session(key.site, key.cookiejar, key.proxy, self.egress)


def limits_of(config: Config) -> Limits:
    """Return what all processes may spend together."""
    return Limits(
        max_tasks=config.shared_max_tasks,
        period=config.budget_period,
        max_failures=config.max_failures,
        cooldown=config.cooldown,
        pending_seconds=config.solve_timeout + VERDICT_SECONDS,
    )


def account_of(config: Config) -> str:
    """Return a name of the account that does not reveal its key."""
    told = f"{config.api_url}\n{config.api_key}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def open_for(
    config: Config,
    settings: BaseSettings,
    clock: Clock,
    random: Callable[[], float],
) -> CrawlStore | None:
    """Return the store of a crawl; ``None`` where it has no need of one.

    Raises:
        ValueError: the store that is set cannot be used.
    """
    url, namespace = place_of(config.store, config.store_namespace, settings)
    if url is None and not config.shared_max_tasks:
        return None
    run = uuid.uuid4().hex
    # One crawl at a time uses a JOBDIR: its next run need not wait for the lease of one
    # that was killed.
    owner = run if config.store else JOBDIR_OWNER
    limits = limits_of(config)
    store = open_store(url, owner, limits, namespace)
    if config.store is not None:
        _check(store)
    elif url is not None and not _is_kept_in(settings["JOBDIR"], store):
        return None
    guarded = GuardedStore(
        store,
        clock,
        config.store_timeout,
        config.store_on_fault,
        MemoryStore(owner, limits),
        random,
    )
    return CrawlStore(
        store=guarded,
        run=run,
        egress=config.egress or socket.gethostname(),
        account=account_of(config),
        max_tasks=config.shared_max_tasks,
    )


def _check(store: Store) -> None:
    """Raise a ValueError where the store that was set cannot be used."""
    try:
        store.check()
    except StoreFault as fault:
        raise ValueError(f"{PREFIX}STORE cannot be used: {fault}") from None


def _is_kept_in(jobdir: str, store: Store) -> bool:
    """Tell whether *store*, which nobody has asked for, can be used; say so."""
    # Scrapy makes the folder when the spider opens, which is later.
    Path(jobdir).mkdir(parents=True, exist_ok=True)
    try:
        store.check()
    except StoreFault as fault:
        logger.warning(
            "The JOBDIR cannot keep clearances, and the next run pays again: %s", fault
        )
        return False
    logger.info(
        "Clearances are kept in %s/%s, which holds cookies now; set %sSTORE to "
        "keep them elsewhere.",
        jobdir,
        FILE_NAME,
        PREFIX,
    )
    return True


def place_of(
    url: str | None, namespace: str | None, settings: BaseSettings
) -> tuple[str | None, str]:
    """Return URL and namespace of the store of a crawl, if it has one.

    Args:
        url: ``ONECAPTCHA_STORE``.
        namespace: ``ONECAPTCHA_STORE_NAMESPACE``.
        settings: the crawl's, with its JOBDIR and name.
    """
    named = namespace or settings.get("BOT_NAME") or ""
    return url or default_url(settings.get("JOBDIR")), str(named)
