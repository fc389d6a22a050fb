"""A real Redis that stops, comes back, forgets, and holds what is not ours."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from scrapy_onecaptcha.stores.base import Clearance, Lease, Limits, StoreFault
from scrapy_onecaptcha.stores.redis import RedisStore, shown_address
from tests.unit.stores.worlds import (
    OTHER,
    SESSION,
    SITE,
    SITEKEY,
    RedisServer,
    in_loop,
    leased,
    needs_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = 3600.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own, which it may stop."""
    needs_server()
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


def make(url: str, owner: str = "one", namespace: str = "bot") -> RedisStore:
    return RedisStore(url, owner, Limits(), namespace=namespace)


@in_loop
async def test_it_stops_and_comes_back(server: RedisServer) -> None:
    store = make(server.url)
    await store.open()
    assert isinstance(await store.take(SESSION, SITEKEY), Lease)
    server.stop()
    for _ in range(3):
        with pytest.raises(StoreFault, match="redis"):
            await store.take(SESSION, SITEKEY)
    server.start()
    # The script is not there any more, either.
    assert isinstance(await store.take(SESSION, SITEKEY), Lease)
    await store.close()


@in_loop
async def test_it_is_not_there_at_the_start(tmp_path: Path) -> None:
    store = make(f"unix://{tmp_path}/nowhere.sock")
    with pytest.raises(StoreFault, match="nowhere"):
        store.check()
    with pytest.raises(StoreFault, match="nowhere"):
        await store.open()
    await store.close()


@in_loop
async def test_it_does_not_answer(server: RedisServer) -> None:
    store = make(server.url)
    await store.open()
    server.command("CLIENT", "PAUSE", "600000", "WRITE")
    # After `CALL_SECONDS`. They are not made shorter here: the next call has no more.
    with pytest.raises(StoreFault):
        await store.take(SESSION, SITEKEY)
    server.command("CLIENT", "UNPAUSE")
    assert isinstance(await store.take(SESSION, SITEKEY), Lease)
    await store.close()


@in_loop
async def test_its_password_is_not_told(server: RedisServer) -> None:
    server.command("CONFIG", "SET", "requirepass", "hunter2")
    store = make(server.url.replace("unix://", "unix://:swordfish@"))
    with pytest.raises(StoreFault) as caught:
        await store.open()
    assert "swordfish" not in str(caught.value)
    await store.close()
    right = make(server.url.replace("unix://", "unix://:hunter2@"))
    await right.open()
    await right.close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:pw@cache.example:6379/0?x=pw", "redis://cache.example:6379/0"),
        ("unix://:pw@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("rediss://[::1]", "rediss://[::1]"),
    ],
)
def test_how_an_address_is_shown(url: str, shown: str) -> None:
    assert shown_address(url) == shown


@in_loop
async def test_options_that_redis_does_not_know(redis_server: RedisServer) -> None:
    store = make(redis_server.url + "?db=secret")
    with pytest.raises(StoreFault) as caught:
        await store.open()
    assert str(redis_server.socket) in str(caught.value)
    await store.close()


@in_loop
async def test_keys_have_one_prefix_and_an_end(redis_server: RedisServer) -> None:
    redis_server.command("FLUSHALL")
    store = make(redis_server.url, namespace="my {bot}*")
    lease = leased(await store.take(SESSION, SITEKEY))
    await store.publish(lease, Clearance(), HOUR)
    await store.take(OTHER, SITEKEY)
    await store.tell("token_per_page", SESSION, "", HOUR)
    keys = redis_server.command("KEYS", "*").splitlines()
    assert len(keys) >= 5
    for key in keys:
        assert key.startswith("{onecaptcha:2:my%20%7Bbot%7D%2A}:"), key
        assert int(redis_server.command("TTL", key)) > 0, key
    await store.close()


@in_loop
async def test_namespaces_are_apart(redis_server: RedisServer) -> None:
    redis_server.command("FLUSHALL")
    one = make(redis_server.url, "one", "a*")
    two = make(redis_server.url, "two", "ab")
    for store in (one, two):
        lease = leased(await store.take(SESSION, SITEKEY))
        assert await store.publish(lease, Clearance(), HOUR)
    redis_server.command("SET", "another", "program")
    await one.clear()
    assert await one.show() == ()
    assert len(await two.show()) == 1
    assert redis_server.command("GET", "another").strip() == "program"
    await one.close()
    await two.close()


@pytest.mark.parametrize("value", ["{", "[]", '{"generation": "x"}', "null"])
@in_loop
async def test_rows_that_are_not_ours(redis_server: RedisServer, value: str) -> None:
    redis_server.command("FLUSHALL")
    store = make(redis_server.url)
    redis_server.command("SET", f"{{onecaptcha:2:bot}}:clearance:{SESSION}", value)
    with pytest.raises(StoreFault):
        await store.take(SESSION, SITEKEY)
    await store.close()


@in_loop
async def test_a_clearance_that_cannot_be_read(redis_server: RedisServer) -> None:
    redis_server.command("FLUSHALL")
    store = make(redis_server.url)
    row = json.dumps({"generation": 7, "earned_at": 1, "payload": "secret"})
    redis_server.command("SET", f"{{onecaptcha:2:bot}}:clearance:{SESSION}", row)
    with pytest.raises(StoreFault, match="cannot be read") as caught:
        await store.take(SESSION, SITEKEY)
    assert "secret" not in str(caught.value)
    await store.close()


@in_loop
async def test_many_sites_are_cleared(redis_server: RedisServer) -> None:
    redis_server.command("FLUSHALL")
    store = make(redis_server.url)
    for number in range(1200):
        await store.tell("blocked", f"account-{number}", "", HOUR)
    await store.forget(SITE)
    await store.clear()
    assert redis_server.command("DBSIZE").strip() == "0"
    await store.close()


@in_loop
async def test_without_redis_py(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("redis", "redis.asyncio"):
        monkeypatch.setitem(sys.modules, name, None)
    store = make("redis://cache.example")
    with pytest.raises(StoreFault, match=r"pip install scrapy-onecaptcha\[redis\]"):
        await store.open()


@in_loop
async def test_a_call_that_is_cancelled_leaves_no_reply(
    redis_server: RedisServer,
) -> None:
    from twisted.internet.defer import Deferred

    redis_server.command("FLUSHALL")
    store = make(redis_server.url)
    await store.open()
    for _ in range(20):
        call: Deferred[Any] = Deferred.fromCoroutine(store.take(SESSION, SITEKEY))
        call.addErrback(lambda _: None)
        call.cancel()
        assert await store.ask("blocked", "account") is None
    await store.close()


KILLED = """
import asyncio, os, signal, sys
from twisted.internet.defer import Deferred
from scrapy_onecaptcha.stores.base import Limits, Reservation
from scrapy_onecaptcha.stores.redis import RedisStore

async def main():
    loop = asyncio.get_running_loop()
    store = RedisStore(sys.argv[1], f"owner-{os.getpid()}", Limits(max_tasks=20))
    for number in range(100):
        task = Reservation(task=f"{os.getpid()}-{number}", site="https://shop.example")
        reserving = Deferred.fromCoroutine(store.reserve(task))
        refusal = await reserving.asFuture(loop)
        if refusal is not None and refusal.reason == "budget":
            break
        if refusal is None:
            print(number, flush=True)  # here the task would be created
            if number == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
            verdict = Deferred.fromCoroutine(store.verdict(task, "accepted"))
            await verdict.asFuture(loop)
    await Deferred.fromCoroutine(store.close()).asFuture(loop)

asyncio.run(main())
"""


def test_processes_never_spend_more_than_all_of_them_may(
    redis_server: RedisServer,
) -> None:
    redis_server.command("FLUSHALL")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", KILLED, redis_server.url, str(dies_after)],
            stdout=subprocess.PIPE,
        )
        for dies_after in (2, 3, 1000)
    ]
    created = [len(process.communicate(timeout=60)[0].split()) for process in processes]
    assert sum(created) == 20
    assert max(process.returncode for process in processes) == 0
