"""Calls in threads, and their way back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest
from twisted.internet.defer import CancelledError

from scrapy_onecaptcha._twisted import caller_of_this_thread
from scrapy_onecaptcha.stores.worker import Worker
from tests.unit.stores.worlds import in_loop


@in_loop
async def test_what_it_does_comes_back_in_the_callers_thread() -> None:
    worker = Worker("test", caller_of_this_thread())
    done = worker.call(threading.current_thread)
    back: list[threading.Thread] = []
    done.addCallback(_note, back)
    worked = await done
    assert worked is not threading.current_thread()
    assert back == [threading.current_thread()]
    worker.close()


def _note(value: threading.Thread, back: list[threading.Thread]) -> threading.Thread:
    back.append(threading.current_thread())
    return value


@in_loop
async def test_its_error_comes_back() -> None:
    worker = Worker("test", caller_of_this_thread())
    with pytest.raises(ZeroDivisionError):
        await worker.call(lambda: 1 / 0)
    worker.close()


@in_loop
async def test_a_call_that_is_cancelled() -> None:
    worker = Worker("test", caller_of_this_thread())
    go_on = threading.Event()
    done = worker.call(go_on.wait)
    done.cancel()
    with pytest.raises(CancelledError):
        await done
    go_on.set()
    assert await worker.call(lambda: 1) == 1  # in the same thread, after it
    worker.close()


def test_whoever_waits_may_be_gone() -> None:
    go_on = threading.Event()

    async def leave() -> Worker:
        worker = Worker("test", caller_of_this_thread())
        worker.call(go_on.wait)
        return worker

    worker = asyncio.run(leave())
    go_on.set()
    worker._pool.shutdown(wait=True)


def test_without_a_loop_it_is_the_reactor() -> None:
    code = """
from twisted.internet import selectreactor
selectreactor.install()
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from scrapy_onecaptcha.stores.base import Limits
from scrapy_onecaptcha.stores.sqlite import SqliteStore
import sys

async def main():
    store = SqliteStore(sys.argv[1], "one", Limits())
    print(type(await store.take("session", "sitekey")).__name__)
    await store.close()

def start():
    done = Deferred.fromCoroutine(main())
    done.addErrback(lambda failure: print(failure))
    done.addBoth(lambda _: reactor.stop())

reactor.callWhenRunning(start)
reactor.run()
"""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, f"{folder}/store.db"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert done.stdout == "Lease\n"
    assert done.stderr == ""
