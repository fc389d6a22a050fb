"""The child process."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scrapy_onecaptcha.scripts import child as module
from scrapy_onecaptcha.scripts.child import Child, NoEngine
from scrapy_onecaptcha.scripts.models import Visit

if TYPE_CHECKING:
    from collections.abc import Iterator

linux = pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child(page_seconds=20)
    yield child
    child.close()


def page(script: str) -> Visit:
    return Visit(html=f"<script>{script}</script>", url="https://site.test/")


def test_one_child_visits_many_pages(child: Child) -> None:
    pid = child.pid
    for number in range(5):
        reading = child.visit(page(f"document.cookie = 'n={number}'"))
        assert reading is not None
        assert reading.cookies == (f"n={number}",)
    assert child.pid == pid


@pytest.mark.parametrize(
    "script",
    [
        "for (;;) {}",
        "'a'.repeat(5e6).indexOf('a'.repeat(2e6) + 'b')",  # no limit of the engine's holds
        "new Array(1e9).join('x')",
    ],
)
def test_a_page_that_does_not_end_costs_the_process(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The engine's own limit is far off: whichever came first would end the page else.
    boot = module._BOOT.replace("main(seconds)", "main(60)")
    monkeypatch.setattr(module, "_BOOT", boot)
    child = Child(page_seconds=0.5)
    assert child.visit(page(script)) is None
    assert child.close() == ""


def test_a_time_that_ends_with_the_answer(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where this process was stopped, both are there when it goes on."""

    class EndsAsItIsCancelled(threading.Timer):
        def cancel(self) -> None:
            self.interval = 0
            self.function()
            super().cancel()

    monkeypatch.setattr(threading, "Timer", EndsAsItIsCancelled)
    assert not child.killed
    assert child.visit(page("document.cookie = 'a=1'")) is not None
    assert child.killed


def test_a_child_that_is_gone(child: Child) -> None:
    child.kill()
    assert child.visit(page("1")) is None
    child.close()
    child.kill()


def test_it_is_waited_for() -> None:
    child = Child()
    child.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_scripts_see_nothing_of_the_machine(child: Child) -> None:
    reading = child.visit(
        page(
            "document.cookie = 'n=' + ['process', 'require', 'std', 'os'].filter(n => n in globalThis)"
        )
    )
    assert reading is not None
    assert reading.cookies == ("n=",)


@linux
def test_it_has_no_secrets_and_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECAPTCHA_API_KEY", "the-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    # Where the tests run in the background, SIGINT is ignored without any doing.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    child = Child(page_seconds=20)
    signal.signal(signal.SIGINT, before)
    try:
        assert child.visit(page("1")) is not None
        proc = Path("/proc") / str(child.pid)
        environment = (proc / "environ").read_bytes()
        assert b"the-key" not in environment
        assert b"another" not in environment
        names = {
            entry.partition(b"=")[0].decode() for entry in environment.split(b"\0")
        }
        assert names <= {*module._ENVIRONMENT, ""}
        assert sorted(path.name for path in (proc / "fd").iterdir()) == ["0", "1", "2"]
        limits = (proc / "limits").read_text()
        rows = {
            row[:26].strip(): row[26:].split()[0] for row in limits.splitlines()[1:]
        }
        assert rows["Max open files"] == "3"
        assert rows["Max file size"] == "0"
        assert rows["Max core file size"] == "0"
        assert rows["Max address space"] == str(400 << 20)
        assert int(rows["Max cpu time"]) < 60  # seconds
        status = (proc / "status").read_text()
        ignored = int(status.partition("SigIgn:\t")[2].split()[0], 16)
        assert ignored & 1 << (signal.SIGINT - 1)
        assert os.getsid(child.pid) != os.getsid(0)
    finally:
        child.close()


@linux
def test_while_a_page_runs_its_process_may_not_take_long() -> None:
    """Its watcher may be gone by then."""
    child = Child(page_seconds=1)
    line = json.dumps(page("'a'.repeat(5e6).indexOf('a'.repeat(2e6) + 'b')").as_dict())
    assert child._process.stdin is not None
    child._process.stdin.write(line.encode() + b"\n")
    child._process.stdin.flush()
    assert child._process.wait(30) < 0
    child.close()


def test_scrapy_is_not_loaded_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    boot = module._BOOT.replace(
        "main(seconds)",
        "sys.stdout.write('scrapy' in sys.modules and 'yes' or '{\"ready\": 1}')\n",
    )
    monkeypatch.setattr(module, "_BOOT", boot)
    Child().close()


def test_what_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(NoEngine, match="does not start"):
        Child()
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(NoEngine, match="executable"):
        Child()


def test_what_fails_to_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BOOT", "raise SystemExit('no luck')")
    with pytest.raises(NoEngine, match="no luck"):
        Child()


def test_a_child_without_an_engine_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    boot = module._BOOT.replace(
        "main(seconds)", "sys.modules['quickjs'] = None\nmain(seconds)"
    )
    monkeypatch.setattr(module, "_BOOT", boot)
    with pytest.raises(NoEngine, match="quickjs"):
        Child()
