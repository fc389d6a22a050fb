"""The store of a crawl, as its settings name it."""

from __future__ import annotations

import logging
import socket
import stat
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings
from twisted.internet.task import Clock

from scrapy_onecaptcha.crawl.session_key import SessionKey
from scrapy_onecaptcha.crawl.store import account_of, limits_of, open_for
from scrapy_onecaptcha.stores.base import Busy, Lease
from tests.unit.helpers import KEY, configure
from tests.unit.stores.worlds import SESSION, SITEKEY, in_loop

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy_onecaptcha.crawl.store import CrawlStore

SITE = "https://shop.example"


def opened(scrapy: dict[str, Any] | None = None, **ours: Any) -> CrawlStore | None:
    return open_for(configure(**ours), Settings(scrapy or {}), Clock(), lambda: 0.5)


def test_most_crawls_need_none() -> None:
    assert opened() is None
    assert opened({"JOBDIR": ""}) is None


def test_a_shared_budget_is_counted_in_memory_where_there_is_none() -> None:
    assert opened(shared_max_tasks=5) is not None


def test_a_store_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    assert opened(store=f"sqlite:///{path}") is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_store_that_cannot_be_used_stops_the_crawl(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    path.chmod(0o644)  # whatever the umask is
    with pytest.raises(
        ValueError, match=r"ONECAPTCHA_STORE cannot be used: .*chmod 600"
    ):
        opened(store=f"sqlite:///{path}")


def test_a_jobdir_keeps_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    job = tmp_path / "jobs" / "one"
    assert opened({"JOBDIR": str(job)}) is not None
    assert (job / "onecaptcha.db").is_file()
    (line,) = [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    assert line.startswith(f"Clearances are kept in {job}/onecaptcha.db, which holds ")
    caplog.clear()
    # The setting goes first.
    other = tmp_path / "other.db"
    assert opened({"JOBDIR": str(job)}, store=f"sqlite:///{other}") is not None
    assert other.is_file()
    assert not caplog.records


def test_a_jobdir_that_cannot_keep_them_is_no_reason_to_stop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "onecaptcha.db").touch()
    (tmp_path / "onecaptcha.db").chmod(0o644)  # whatever the umask is
    assert opened({"JOBDIR": str(tmp_path)}) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "the next run pays again" in record.getMessage()


async def taken(store: CrawlStore | None) -> type[Any]:
    """Return what a process gets that would solve now."""
    assert store is not None
    outcome = await store.store.take(SESSION, SITEKEY)
    await store.store.close()
    return type(outcome)


@in_loop
async def test_the_next_run_of_a_job_does_not_wait_for_one_that_was_killed(
    tmp_path: Path,
) -> None:
    job = {"JOBDIR": str(tmp_path)}
    assert await taken(opened(job)) is Lease
    assert await taken(opened(job)) is Lease
    # A store that is set may be used by others at the same time.
    url = f"sqlite:///{tmp_path}/other.db"
    assert await taken(opened(store=url)) is Lease
    assert await taken(opened(store=url)) is Busy


@in_loop
async def test_projects_are_kept_apart_unless_a_namespace_joins_them(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    for bot in ("books", "news"):
        assert await taken(opened({"BOT_NAME": bot}, store=url)) is Lease
    for bot, outcome in (("books", Lease), ("news", Busy)):
        joined = opened({"BOT_NAME": bot}, store=url, store_namespace="all")
        assert await taken(joined) is outcome


def test_what_sessions_are_called() -> None:
    named = opened(shared_max_tasks=5, egress="office")
    assert named is not None
    assert named.name(SessionKey(SITE, None, "")) == f'["{SITE}",null,"office"]'
    assert named.name(SessionKey(SITE, 3, "p:80#1")) == f'["{SITE}",3,"p:80#1"]'
    assert named.name(SessionKey(SITE, ("playwright", "default"), "")) is None
    default = opened(shared_max_tasks=5)
    assert default is not None
    assert default.egress == socket.gethostname()


def test_accounts_are_told_apart_without_their_keys() -> None:
    one, two = configure(), configure(api_key="another-key-of-an-account")
    assert account_of(one) == account_of(configure())
    assert account_of(one) != account_of(two)
    assert account_of(one) != account_of(configure(api_url="https://other.example"))
    assert KEY[:6] not in account_of(one)


def test_limits_are_those_of_the_settings() -> None:
    limits = limits_of(
        configure(
            shared_max_tasks=7,
            budget_period="month",
            max_failures=3,
            cooldown=60,
            solve_timeout=200,
        )
    )
    assert (limits.max_tasks, limits.period) == (7, "month")
    assert (limits.max_failures, limits.cooldown) == (3, 60)
    assert limits.pending_seconds > 200


def test_no_two_runs_have_the_same_name(tmp_path: Path) -> None:
    stores = [opened({"JOBDIR": str(tmp_path)}) for _ in range(2)]
    names = {store.run for store in stores if store is not None}
    assert len(names) == 2
