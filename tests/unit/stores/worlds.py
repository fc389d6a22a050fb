"""Each kind of store, as several processes would open it, with a clock to move."""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from twisted.internet.defer import Deferred

from scrapy_onecaptcha.stores.base import Lease, Limits
from scrapy_onecaptcha.stores.memory import MemoryRows, MemoryStore
from scrapy_onecaptcha.stores.redis import RedisStore
from scrapy_onecaptcha.stores.redis_client import LoopClient, ThreadClient
from scrapy_onecaptcha.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from scrapy_onecaptcha.stores.base import Busy, Clearance, Store

T = TypeVar("T")

SESSION = '["https://shop.example",null,"host"]'
OTHER = '["https://news.example",null,"host"]'
SITE = "https://shop.example"
SITEKEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
SERVER = "redis-server"
DAY = 24 * 3600.0


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test that awaits Deferreds on an asyncio loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(_as_future(test(*args, **kwargs)))

    return run


async def _as_future(coro: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    outcome: T = await Deferred.fromCoroutine(coro).asFuture(loop)
    return outcome


def leased(outcome: Clearance | Lease | Busy) -> Lease:
    assert isinstance(outcome, Lease), outcome
    return outcome


class World(ABC):
    """One store, and the processes that open it.

    Its time begins at noon, so that no day of a budget ends unasked.
    """

    def __init__(self) -> None:
        self.began = time.time()
        self.passed = (DAY / 2 - self.began) % DAY
        self.opened: list[Store] = []

    def advance(self, seconds: float) -> None:
        self.passed += seconds

    def now(self) -> float:
        return self.began + self.passed

    def store(self, owner: str = "one", **limits: Any) -> Store:
        store = self.make(owner, Limits(**limits))
        self.opened.append(store)
        return store

    @abstractmethod
    def make(self, owner: str, limits: Limits) -> Store: ...

    async def close(self) -> None:
        for store in self.opened:
            await store.close()


class Memory(World):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.rows = MemoryRows(self.now)

    def make(self, owner: str, limits: Limits) -> Store:
        return MemoryStore(owner, limits, self.rows)


class Sqlite(World):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "store.db"

    def make(self, owner: str, limits: Limits) -> Store:
        return SqliteStore(self.path, owner, limits, now=self.now, busy_seconds=0.2)


class Redis(World):
    """A real server; awaited. Its time goes on by itself, too."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def now(self) -> float:
        return time.time() + self.passed

    def client(self, url: str, script: str) -> Any:
        return LoopClient(url, script)

    def make(self, owner: str, limits: Limits) -> Store:
        return RedisStore(
            self.url,
            owner,
            limits,
            namespace="my bot",
            make=self.client,
            shift=lambda: self.passed,
        )


class ThreadedRedis(Redis):
    """A real server; called in threads."""

    def client(self, url: str, script: str) -> Any:
        back = asyncio.get_running_loop().call_soon_threadsafe
        return ThreadClient(url, script, back)


class FakeClient(LoopClient):
    """Speaks to no server, but to a stand-in within this process."""

    def __init__(self, server: Any, script: str) -> None:
        from fakeredis import FakeAsyncRedis

        self._client = FakeAsyncRedis(server=server, decode_responses=True)
        self._pool = self._client.connection_pool
        self._script = self._client.register_script(script)


class FakeRedis(Redis):
    def __init__(self, folder: Path) -> None:
        from fakeredis import FakeServer

        super().__init__("redis://fake")
        self.server = FakeServer()

    def client(self, url: str, script: str) -> Any:
        return FakeClient(self.server, script)


class RedisServer:
    """A `redis-server` of our own on a socket in a folder, without a port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = f"{SERVER} --port 0 --unixsocket {self.socket} --dir {self.folder}"
        options = ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        self._process = subprocess.Popen(
            [*command.split(), *options], stdout=subprocess.DEVNULL
        )
        for _ in range(2000):
            ping = ["redis-cli", "-s", str(self.socket), "ping"]
            if subprocess.run(ping, capture_output=True, check=False).stdout[:4] == (
                b"PONG"
            ):
                return
            time.sleep(0.05)
        raise AssertionError("redis-server does not answer")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def command(self, *words: str) -> str:
        done = subprocess.run(
            ["redis-cli", "-s", str(self.socket), *words],
            capture_output=True,
            check=True,
        )
        return done.stdout.decode()


def needs_server() -> None:
    """Skip a test where there is no `redis-server`; never in CI."""
    if shutil.which(SERVER) is None and os.environ.get("CI") != "true":
        pytest.skip(f"{SERVER} is not installed")
