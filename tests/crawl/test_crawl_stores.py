"""Real crawls that share a store: the next run, and several processes at once."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import (
    HANGS,
    REACTORS,
    Shared,
    ask,
    crawl,
    crawling,
    pages,
    sandbox,
    without_scripts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crawl_harness import Crawl, Servers

pytestmark = pytest.mark.crawl

BOTH = ["sqlite", "redis"]
QUEUE = Path(__file__).with_name("crawl_queue_runner.py")


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Callable[[float], Shared]]:
    """Return a sandbox whose service takes so many seconds for a token."""
    with ExitStack() as stack:

        @functools.cache
        def start(latency: float) -> Servers:
            options = without_scripts("button", "wall", latency=latency)
            return stack.enter_context(sandbox(options=options))

        yield lambda latency: Shared(start(latency))


@pytest.fixture
def it(sandboxes: Callable[[float], Shared]) -> Shared:
    return sandboxes(0.3)


@pytest.fixture
def slow(sandboxes: Callable[[float], Shared]) -> Shared:
    return sandboxes(2.0)


class Redis:
    """A `redis-server` on a socket of its own."""

    def __init__(self, folder: str) -> None:
        self.socket = f"{folder}/redis.sock"
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        command = ["redis-server", "--port", "0", "--unixsocket", self.socket]
        options = ["--dir", self.folder, "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
        while b"PONG" not in self.command("ping"):
            assert self.process.poll() is None
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(HANGS)
            self.process = None

    def command(self, *words: str) -> bytes:
        done = subprocess.run(
            ["redis-cli", "-s", self.socket, *words], capture_output=True, check=False
        )
        return done.stdout


@contextmanager
def redis() -> Iterator[Redis]:
    if shutil.which("redis-server") is None and os.environ.get("CI") != "true":
        pytest.skip("redis-server is not installed")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = Redis(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def store_of(kind: str) -> Iterator[str]:
    """Return the URL of a new store."""
    if kind == "redis":
        with redis() as server:
            yield server.url
        return
    with tempfile.TemporaryDirectory(prefix="store-") as folder:
        yield f"sqlite:///{folder}/store.db"


def told(result: Any, text: str) -> int:
    return sum(text in line for line in result.lines("INFO", "WARNING"))


@pytest.mark.parametrize(
    ("kind", "reactor"),
    [
        ("sqlite", "asyncio"),
        ("redis", "select"),
        pytest.param("redis", "asyncio", marks=pytest.mark.long),
        pytest.param("sqlite", "select", marks=pytest.mark.long),
        *((kind, "none") for kind in BOTH if "none" in REACTORS),
    ],
)
def test_the_next_run_pays_nothing(it: Shared, kind: str, reactor: str) -> None:
    with store_of(kind) as url:
        settings = {**REACTORS[reactor][0], "ONECAPTCHA_STORE": url}
        for run in range(2):
            result = crawl(it, pages(it["button"], range(12)), settings)
            result.assert_clean()
            result.assert_delivered()
            assert it.tasks == 1
            assert result.stat("tasks") == (1 if run == 0 else 0)
            assert told(result, "a clearance from the store") == run


def test_a_crawl_that_is_resumed_pays_nothing(it: Shared, tmp_path: Path) -> None:
    job = tmp_path / "job"
    settings = {"JOBDIR": str(job)}
    for run in range(2):
        numbers = range(run * 10, run * 10 + 10)
        result = crawl(it, pages(it["button"], numbers), settings)
        result.assert_clean()
        result.assert_delivered()
        assert it.tasks == 1
        assert told(result, "onecaptcha.db, which holds cookies now") == 1
    path = job / "onecaptcha.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # What the documentation says of its deletion.
    path.unlink()
    result = crawl(it, pages(it["button"], range(20, 25)), settings)
    result.assert_delivered()
    assert it.tasks == 2


@pytest.mark.parametrize(
    "kind", ["redis", pytest.param("sqlite", marks=pytest.mark.long)]
)
def test_four_processes_pay_once(slow: Shared, kind: str) -> None:
    with store_of(kind) as url, ExitStack() as stack:
        settings = {"ONECAPTCHA_STORE": url}
        plans = [pages(slow["button"], range(n, n + 50)) for n in range(0, 200, 50)]
        running = [
            stack.enter_context(crawling(slow, plan, settings)) for plan in plans
        ]
        results = [each.result() for each in running]
        for result in results:
            result.assert_clean()
            result.assert_delivered()
        assert slow.tasks == 1
        assert sum(result.stat("tasks") for result in results) == 1
        agents = {
            sent["user_agent"] for result in results for sent in result.of("sent")[-1:]
        }
        assert len(agents) == 1


@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("redis", marks=pytest.mark.long)]
)
def test_a_budget_of_several_processes(it: Shared, kind: str) -> None:
    with store_of(kind) as url, ExitStack() as stack:
        settings = {"ONECAPTCHA_STORE": url, "ONECAPTCHA_SHARED_MAX_TASKS": 7}
        running = [
            stack.enter_context(crawling(it, pages(it["wall"], range(8)), settings))
            for _ in range(3)
        ]
        results = [each.result() for each in running]
        assert it.tasks == it.calls("createTask") == 7
        errors = [error for result in results for error in result.errors.values()]
        assert {error["error"] for error in errors} == {"BudgetExceeded"}
        assert sum(len(result.pages) for result in results) == 7
        later = crawl(it, pages(it["wall"], range(1)), settings)
        assert {e["error"] for e in later.errors.values()} == {"BudgetExceeded"}
        assert it.tasks == 7


def test_a_process_that_is_killed_or_paused_is_replaced(slow: Shared) -> None:
    """Both at the same time: a lease takes 30 s to end."""
    plan = pages(slow["button"], range(6))
    with ExitStack() as stack, redis() as server:
        urls = [stack.enter_context(store_of("sqlite")), server.url]

        def start(url: str) -> Crawl:
            settings = {"ONECAPTCHA_STORE": url}
            return stack.enter_context(crawling(slow, plan, settings))

        with slow.held():  # else they might be done before they are stopped
            killed = start(urls[0])
            killed.until(lambda: slow.tasks == 1)
            killed.process.send_signal(signal.SIGKILL)
            killed.process.wait()
            polls = slow.calls("getTaskResult")
            paused = start(urls[1])
            # With an answer to its createTask: one that is lost costs the page.
            paused.until(lambda: slow.calls("getTaskResult") > polls)
            paused.process.send_signal(signal.SIGSTOP)
        successors = [start(url) for url in urls]
        for result in [each.result() for each in successors]:
            result.assert_clean()
            result.assert_delivered()
            assert told(result, "another process solves") == 1
        kept = clearances(server)
        paused.process.send_signal(signal.SIGCONT)
        late = paused.result()
        late.assert_clean()
        late.assert_delivered()
        # It has a clearance of its own, and stores it over no newer one.
        assert late.stat("clearances") == 1
        assert clearances(server) == kept != {}
        assert slow.tasks == 4


def clearances(server: Redis) -> dict[str, bytes]:
    keys = server.command("KEYS", "*:clearance:*").decode().split()
    return {key: server.command("GET", key) for key in keys}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("unix:///nowhere/redis.sock", "unix:///nowhere/redis.sock: "),
        ("sqlite:////nowhere/store.db", "/nowhere/store.db: No such file"),
    ],
)
def test_a_store_that_is_not_there_stops_the_crawl(
    it: Shared, url: str, said: str
) -> None:
    plan = pages(it["button"], range(1))
    result = crawl(it, plan, {"ONECAPTCHA_STORE": url})
    (failed,) = result.of("failed")
    assert "ONECAPTCHA_STORE cannot be used" in str(failed)
    assert said in str(failed)
    assert not it.was_visited


def test_redis_stops_and_comes_back_under_a_crawl(slow: Shared) -> None:
    with redis() as server, ExitStack() as stack:
        settings = {"ONECAPTCHA_STORE": server.url, "DOWNLOAD_DELAY": 0.1}
        plan = pages(slow["button"], range(20))
        plan += [
            {**each, "meta": {"cookiejar": "b"}}
            for each in pages(slow["button"], range(20, 25))
        ]
        with slow.held():  # else it might be all over before the stop
            running = stack.enter_context(crawling(slow, plan, settings))
            running.until(lambda: slow.tasks >= 1)
            server.stop()
            running.until(lambda: running.says("ONECAPTCHA_STORE does not answer"))
            server.start()
        result = running.result()
        result.assert_clean()
        result.assert_delivered()
        # Once for all pages; a busy machine may let a call of its own wait too long.
        faults = told(result, "ONECAPTCHA_STORE does not answer")
        assert 1 <= faults <= 3
        assert told(result, "ONECAPTCHA_STORE answers again") == faults
        assert slow.tasks <= 3


@contextmanager
def doing(action: Callable[[], None]) -> Iterator[str]:
    """Serve a page that is sent after *action*, and yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            action()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>Done</h1>")

        def log_message(self, *arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_without_redis_pages_are_lost_and_nothing_is_paid(it: Shared) -> None:
    """It stops when the crawl has found it, and before that meets a gate."""
    with redis() as server, doing(server.stop) as first:
        settings = {
            "ONECAPTCHA_STORE": server.url,
            "ONECAPTCHA_STORE_TIMEOUT": 3,
        }
        plan = [ask(first), *pages(it["button"], range(5), after=0)]
        result = crawl(it, plan, settings)
        result.assert_clean()
        result.assert_delivered(but=range(1, 6))
        kinds = {error["error"] for error in result.errors.values()}
        assert kinds == {"StoreUnavailable"}
        assert it.tasks == 0


def _secrets(it: Shared, result: Any) -> list[str]:
    tokens = [token for task in it.ledger()["tasks"] for token in [task.get("token")]]
    return [it.key, "/page/", *[token for token in tokens if token]]


def test_what_is_at_rest(it: Shared) -> None:
    with redis() as server, tempfile.TemporaryDirectory() as folder:
        plan = pages(it["button"], range(4))
        for url in (f"sqlite:///{folder}/store.db", server.url):
            result = crawl(it, plan, {"ONECAPTCHA_STORE": url})
            result.assert_delivered()
        files = b"".join(p.read_bytes() for p in Path(folder).iterdir())
        keys = server.command("KEYS", "*").decode().split()
        values = b"\n".join(server.command("GET", key) for key in keys)
        for found in (files, values + "\n".join(keys).encode()):
            assert b"cookies" in found
            assert b"P1_" not in found
            assert b"E0_" not in found
            for secret in _secrets(it, result):
                assert secret.encode() not in found, secret


def test_workers_of_one_queue_pay_once(slow: Shared) -> None:
    """scrapy-redis: every page once, one task, and one User-Agent for all."""
    pytest.importorskip("scrapy_redis")
    with redis() as server, ExitStack() as stack:
        plan = enumerate(pages(slow["button"], range(200)))
        lines = [json.dumps({**wanted, "number": number}) for number, wanted in plan]
        server.command("RPUSH", "plan", *lines)
        settings = {
            "ONECAPTCHA_STORE": f"{server.url}?db=1",
            "REDIS_URL": server.url,
            "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
            "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
            "SCHEDULER_PERSIST": True,
            "CONCURRENT_REQUESTS": 8,
        }
        running = [
            stack.enter_context(
                crawling(slow, [], settings, runner=QUEUE, deprecated=True)
            )
            for _ in range(4)
        ]
        results = [each.result() for each in running]
        assert [result.code for result in results] == [0] * 4
        delivered = [e["number"] for result in results for e in result.of("page")]
        assert sorted(delivered) == list(range(200))
        assert [result.of("error") for result in results] == [[]] * 4
        assert slow.tasks == 1
        agents = {
            sent["user_agent"] for result in results for sent in result.of("sent")[-1:]
        }
        assert len(agents) == 1
