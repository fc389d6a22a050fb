"""Faults of the disk under a real crawl: full, locked by others, corrupt."""

from __future__ import annotations

import resource
import sqlite3
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import (
    HANGS,
    Crawl,
    Servers,
    Shared,
    crawl,
    crawling,
    pages,
    sandbox,
    without_scripts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

pytestmark = [
    pytest.mark.crawl,
    pytest.mark.skipif(sys.platform != "linux", reason="uses prlimit and /dev/full"),
]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with sandbox(options=without_scripts("button", latency=0.1)) as running:
        yield running


@contextmanager
def full(crawl: Crawl, path: Path) -> Iterator[None]:
    """Let no file of the crawl grow beyond what the store's has by now."""
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        # While it reads, the store must append: nothing of its log can be used again.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        size = path.with_name(f"{path.name}-wal").stat().st_size
        limits = resource.prlimit(crawl.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(crawl.process.pid, resource.RLIMIT_FSIZE, (size, limits[1]))
        yield
        resource.prlimit(crawl.process.pid, resource.RLIMIT_FSIZE, limits)
    # The limit is meant for the store: all else that the crawl writes must fit.
    assert crawl.log.stat().st_size < size
    assert crawl.events.stat().st_size < size


@contextmanager
def locked(crawl: Crawl, path: Path) -> Iterator[None]:
    """Hold the file's lock, as another program that writes does."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=HANGS)
    with closing(connection) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def corrupt(crawl: Crawl, path: Path) -> Iterator[None]:
    """Put a file in its place that is no database; it is deleted in the end."""
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    path.touch(0o600)
    path.write_bytes(b"\xff" * 10_000)
    yield
    path.unlink()


def told(result: Any, text: str) -> int:
    return sum(text in line for line in result.lines("WARNING", "ERROR"))


@pytest.mark.parametrize(
    ("fault", "said"),
    [(full, "disk"), (locked, "locked"), (corrupt, "database")],
)
def test_a_fault_of_the_disk(
    fault: Callable[[Crawl, Path], AbstractContextManager[None]],
    said: str,
    servers: Servers,
    tmp_path: Path,
) -> None:
    """The crawl goes on, says so once, and no task is paid for twice."""
    path = tmp_path / "store.db"
    settings = {
        "ONECAPTCHA_STORE": f"sqlite:///{path}",
        "ONECAPTCHA_LEDGER": "/dev/full",
        "LOG_LEVEL": "INFO",
    }
    it = Shared(servers)
    plan = pages(it["button"], range(6))
    # They need a task of their own, while the fault lasts.
    plan += [
        {**each, "meta": {"cookiejar": "b"}, "after": 0}
        for each in pages(it["button"], range(6, 9))
    ]
    with ExitStack() as stack, ExitStack() as faults:
        with it.held():  # else it might be all over before the fault
            running = stack.enter_context(crawling(it, plan, settings))
            running.until(lambda: it.tasks == 1)
            faults.enter_context(fault(running, path))
        running.until(lambda: running.says("STORE does not answer"))
        running.until(lambda: running.says("The ledger /dev/full"))
        time.sleep(1)  # more calls fail, of which nothing is said
        assert it.tasks == 1
        faults.close()
        result = running.result()
    result.assert_clean(allowed=["/dev/full"])
    result.assert_delivered()
    (line,) = [w for w in result.lines("WARNING") if "does not answer" in w]
    assert said in line
    assert told(result, "STORE answers again") == 1
    assert told(result, "/dev/full cannot be written: No space left") == 1
    assert told(result, "The ledger /dev/full lacks 2 tasks") == 1
    assert it.tasks == 2
    if fault is not full:
        return
    # What was earned while the disk was full was stored afterwards.
    later = crawl(it, pages(it["button"], range(3)), settings)
    later.assert_delivered()
    assert (it.tasks, later.stat("clearances/imported")) == (2, 1)
