"""The file: who may read it, what it is, and what can go wrong with it."""

# ruff: noqa: ASYNC240 - nobody else waits for this loop

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from scrapy_onecaptcha.stores.base import (
    Clearance,
    Lease,
    Limits,
    Reservation,
    StoreFault,
)
from scrapy_onecaptcha.stores.sqlite import APPLICATION_ID, SqliteStore
from tests.unit.stores.worlds import SESSION, SITEKEY, in_loop, leased

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600.0


def make(path: Path, owner: str = "one", namespace: str = "bot") -> SqliteStore:
    return SqliteStore(path, owner, Limits(), namespace=namespace, busy_seconds=0.2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def fault_of(store: SqliteStore) -> str:
    with pytest.raises(StoreFault) as caught:
        await store.take(SESSION, SITEKEY)
    await store.close()
    return str(caught.value)


@in_loop
async def test_nobody_else_may_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        store = make(path)
        await store.open()
        await store.take(SESSION, SITEKEY)
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == [
            "store.db",
            "store.db-shm",
            "store.db-wal",
        ]
        for file in files:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    finally:
        os.umask(before)
    await store.close()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o601])
@in_loop
async def test_a_file_that_others_can_read_is_refused(path: Path, mode: int) -> None:
    store = make(path)
    await store.open()
    await store.close()
    path.chmod(mode)
    with pytest.raises(StoreFault, match=f"run: chmod 600 {path}"):
        await store.open()
    path.chmod(0o600)
    await store.open()
    await store.close()


@in_loop
async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "store.db"
    assert await fault_of(make(path)) == f"{path}: No such file or directory"


@in_loop
async def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    assert "Is a directory" in await fault_of(make(tmp_path))


@in_loop
async def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_text("key: value\n" * 100)
    path.chmod(0o600)
    assert "not a database" in await fault_of(make(path))
    assert path.read_text() == "key: value\n" * 100


@in_loop
async def test_the_database_of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE books (title TEXT)")
    path.chmod(0o600)
    assert "not a store of scrapy-onecaptcha" in await fault_of(make(path))


@in_loop
async def test_a_file_of_a_later_version(path: Path) -> None:
    store = make(path)
    await store.open()
    await store.close()
    with closing(sqlite3.connect(path)) as later:
        assert later.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        later.execute("PRAGMA user_version = 99")
    assert "schema 99, not 2" in await fault_of(make(path))


@in_loop
async def test_namespaces_are_apart(path: Path) -> None:
    limits = Limits(max_tasks=1)
    one, two, again = (
        SqliteStore(path, owner, limits, namespace=namespace)
        for owner, namespace in (("one", "a"), ("two", "b"), ("three", "a"))
    )
    for store in (one, two):
        lease = leased(await store.take(SESSION, SITEKEY))
        assert await store.publish(lease, Clearance(), HOUR)
        task = Reservation(task="task", site="https://shop.example")
        assert await store.reserve(task) is None
    assert isinstance(await again.take(SESSION, SITEKEY), Clearance)
    assert await again.reserve(Reservation(task="more", site="x")) is not None
    await one.clear()
    assert await one.show() == ()
    assert len(await two.show()) == 1
    for store in (one, two, again):
        await store.close()


@in_loop
async def test_a_lock_that_another_program_holds(path: Path) -> None:
    store = make(path)
    await store.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFault, match="locked"):
            await store.take(SESSION, SITEKEY)
        other.execute("ROLLBACK")
    assert isinstance(await store.take(SESSION, SITEKEY), Lease)
    await store.close()


@in_loop
async def test_a_file_that_breaks_under_the_crawl(path: Path) -> None:
    store, other = make(path), make(path, "two")
    lease = leased(await store.take(SESSION, SITEKEY))
    await store.publish(lease, Clearance(cookies=({"v": "x" * 20_000},)), HOUR)
    await store.close()
    await other.open()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    fault = await fault_of(other)
    assert str(path) in fault
    path.unlink()
    for rest in path.parent.iterdir():
        rest.unlink()
    assert isinstance(await other.take(SESSION, SITEKEY), Lease)
    await other.close()


@in_loop
async def test_a_row_that_no_store_writes(path: Path) -> None:
    store = make(path)
    await store.take(SESSION, SITEKEY)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("""UPDATE entries SET row = '{"secret": 1}'""")
    fault = await fault_of(store)
    assert fault == f"{path}: it holds what no store of scrapy-onecaptcha writes"


@in_loop
async def test_a_file_that_is_deleted_under_the_crawl(path: Path) -> None:
    one, two = make(path), make(path, "two")
    await one.open()
    path.unlink()
    assert isinstance(await two.take(SESSION, SITEKEY), Lease)
    # Both use the new file, and not each a file of its own.
    assert not isinstance(await one.take(SESSION, SITEKEY), Lease)
    await one.close()
    await two.close()


@in_loop
async def test_a_disk_that_is_full(path: Path) -> None:
    store = make(path)
    lease = leased(await store.take(SESSION, SITEKEY))
    assert store._connection is not None
    store._connection.execute("PRAGMA max_page_count = 8")
    big = Clearance(cookies=({"value": "x" * 60_000},))
    with pytest.raises(StoreFault, match="full"):
        await store.publish(lease, big, HOUR)
    # Nothing is half written: the lease is still held, and there is no clearance.
    assert await store.renew(lease)
    assert await store.publish(lease, Clearance(), HOUR)
    await store.close()


@in_loop
async def test_what_is_dropped_is_not_in_the_file_any_more(path: Path) -> None:
    store = make(path)
    lease = leased(await store.take(SESSION, SITEKEY))
    secret = "clearance-to-be-forgotten"
    earned = await store.publish(lease, Clearance(cookies=({"v": secret},)), HOUR)
    assert earned is not None
    assert any(secret.encode() in f.read_bytes() for f in path.parent.iterdir())
    await store.take(SESSION, SITEKEY, earned.generation, ended=True)
    await store.close()
    assert not any(secret.encode() in f.read_bytes() for f in path.parent.iterdir())


KILLED = """
import asyncio, os, signal, sys
from twisted.internet.defer import Deferred
from scrapy_onecaptcha.stores.base import Limits, Reservation
from scrapy_onecaptcha.stores.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1], f"owner-{os.getpid()}", Limits(max_tasks=20))
    for number in range(100):
        task = Reservation(task=f"{os.getpid()}-{number}", site="https://shop.example")
        reserving = Deferred.fromCoroutine(store.reserve(task))
        refusal = await reserving.asFuture(asyncio.get_running_loop())
        if refusal is not None and refusal.reason == "budget":
            break
        if refusal is None:
            print(number, flush=True)  # here the task would be created
            if number == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
            verdict = Deferred.fromCoroutine(store.verdict(task, "accepted"))
            await verdict.asFuture(asyncio.get_running_loop())
    closing = Deferred.fromCoroutine(store.close())
    await closing.asFuture(asyncio.get_running_loop())

asyncio.run(main())
"""


def test_processes_never_spend_more_than_all_of_them_may(path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path), str(dies_after)],
            stdout=subprocess.PIPE,
        )
        for dies_after in (2, 3, 1000, 1000)
    ]
    created = [len(process.communicate(timeout=60)[0].split()) for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert sum(created) == 20
    assert codes[-1] == 0, codes
