"""The two ways to call redis-py: awaited on an asyncio loop, or in threads."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred

from scrapy_onecaptcha._twisted import caller_of_this_thread
from scrapy_onecaptcha.stores.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Client", "make_client", "run_once"]

#: Seconds that a connection, a call, or the wait for a connection may take.
CALL_SECONDS = 2.0

MAX_CONNECTIONS = 8
THREADS = 4


def _connection_options() -> dict[str, Any]:
    retry = import_module("redis.retry").Retry
    backoff = import_module("redis.backoff").NoBackoff
    return {
        "max_connections": MAX_CONNECTIONS,
        "timeout": CALL_SECONDS,
        "socket_timeout": CALL_SECONDS,
        "socket_connect_timeout": CALL_SECONDS,
        "decode_responses": True,
        # Older servers speak this one only, and nothing here needs a newer one.
        "protocol": 2,
        "retry": retry(backoff(), 0),
    }


class Client(Protocol):
    """The calls of redis-py that are used, as Deferreds."""

    def script(self, keys: list[str], args: list[str]) -> Deferred[Any]:
        """Run the store's script."""
        ...

    def command(self, name: str, *args: Any) -> Deferred[Any]:
        """Run one command of Redis."""
        ...

    def close(self) -> Deferred[Any]:
        """Close all connections."""
        ...


class LoopClient:
    """Awaits redis-py's asyncio client on the running loop."""

    def __init__(self, url: str, script: str) -> None:
        module = import_module("redis.asyncio")
        retry = import_module("redis.asyncio.retry").Retry
        options = _connection_options()
        options["retry"] = retry(import_module("redis.backoff").NoBackoff(), 0)
        self._pool = module.BlockingConnectionPool.from_url(url, **options)
        self._client = module.Redis(connection_pool=self._pool)
        self._script = self._client.register_script(script)

    def script(self, keys: list[str], args: list[str]) -> Deferred[Any]:
        """Run the store's script."""
        return _shielded(self._script(keys=keys, args=args))

    def command(self, name: str, *args: Any) -> Deferred[Any]:
        """Run one command of Redis."""
        return _shielded(self._client.execute_command(name, *args))

    def close(self) -> Deferred[Any]:
        """Close all connections."""
        return _shielded(self._pool.disconnect())


def _shielded(call: Coroutine[Any, Any, Any]) -> Deferred[Any]:
    """Return a Deferred of *call*, which goes on when the Deferred is cancelled.

    A call that is cut off half-way would leave its reply for the next one to read.
    """
    task = asyncio.ensure_future(call)
    task.add_done_callback(_look)
    return Deferred.fromFuture(asyncio.shield(task))


def _look(task: asyncio.Future[Any]) -> None:
    """Look at the error of a call that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


class ThreadClient:
    """Runs redis-py's synchronous client in threads."""

    def __init__(self, url: str, script: str, back: Callable[..., object]) -> None:
        module = import_module("redis")
        options = _connection_options()
        self._pool = module.BlockingConnectionPool.from_url(url, **options)
        self._client = module.Redis(connection_pool=self._pool)
        self._script = self._client.register_script(script)
        self._worker = Worker("onecaptcha-redis", back, THREADS)

    def script(self, keys: list[str], args: list[str]) -> Deferred[Any]:
        """Run the store's script."""
        return self._worker.call(lambda: self._script(keys=keys, args=args))

    def command(self, name: str, *args: Any) -> Deferred[Any]:
        """Run one command of Redis."""
        return self._worker.call(lambda: self._client.execute_command(name, *args))

    def close(self) -> Deferred[Any]:
        """Close all connections."""
        closed = self._worker.call(self._pool.disconnect)
        self._worker.close()
        return closed


def make_client(url: str, script: str) -> Client:
    """Return the client that suits the running loop, or its absence."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return ThreadClient(url, script, caller_of_this_thread())
    return LoopClient(url, script)


def run_once(url: str, script: str, keys: list[str], args: list[str]) -> None:
    """Run *script* on a connection of its own, and block until it has run."""
    module = import_module("redis")
    pool = module.BlockingConnectionPool.from_url(url, **_connection_options())
    try:
        module.Redis(connection_pool=pool).eval(script, len(keys), *keys, *args)
    finally:
        pool.disconnect()
