"""The stores under test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.stores.worlds import (
    FakeRedis,
    Memory,
    Redis,
    RedisServer,
    Sqlite,
    ThreadedRedis,
    World,
    needs_server,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    needs_server()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


KINDS: dict[str, Callable[[Path], World]] = {
    "memory": Memory,
    "sqlite": Sqlite,
    "fakeredis": FakeRedis,
}
REAL: dict[str, Callable[[str], World]] = {
    "redis": Redis,
    "redis in threads": ThreadedRedis,
}


@pytest.fixture(params=[*KINDS, *REAL])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    kind: str = request.param
    if kind in REAL:
        server: RedisServer = request.getfixturevalue("redis_server")
        server.command("FLUSHALL")
        return REAL[kind](server.url)
    if kind == "fakeredis":
        pytest.importorskip("fakeredis")
    return KINDS[kind](tmp_path)
