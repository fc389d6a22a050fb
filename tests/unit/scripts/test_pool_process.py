"""However a crawl ends, no process of the engine is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

#: Seconds after which a process that has not ended is taken for one that hangs.
HANGS = 60.0
PROGRAM = """
import signal
import sys
from twisted.internet.defer import Deferred
if "asyncio" in sys.argv:
    from twisted.internet.asyncioreactor import install
    install()
from twisted.internet import reactor
from scrapy_onecaptcha.scripts.models import Visit
from scrapy_onecaptcha.scripts.pool import ScriptPool
pool = ScriptPool()
async def scenario():
    pid = None
    while pid is None:  # a busy machine may take longer than a page may
        await pool.visit(Visit(html="<p>", url="https://site.test/"))
        pid = pool.pid
    print(pid, flush=True)
    if "busy" in sys.argv:
        slow = "'a'.repeat(5e6).indexOf('a'.repeat(2e6) + 'b')"
        await pool.visit(Visit(html=f"<script>{slow}</script>", url="https://site.test/"))
reactor.callWhenRunning(lambda: Deferred.fromCoroutine(scenario()))
if "closes" in sys.argv:
    reactor.addSystemEventTrigger("before", "shutdown", pool.close)
# Twisted's own handler fails at a second signal that comes before the first has acted,
# which may be within this one: only a single call takes the stop for itself.
stops = [reactor.stop]
def stop(number, frame):
    try:
        reactor.callFromThread(stops.pop())
    except IndexError:
        pass
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, stop)
reactor.run(installSignalHandlers=False)
"""


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and waits for a parent is none.
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return sys.platform != "linux"
    except ProcessLookupError:  # it ended while its file was read
        return False


def gone(pid: int) -> bool:
    give_up = time.monotonic() + HANGS
    while time.monotonic() < give_up:
        if not exists(pid):
            return True
        time.sleep(0.05)
    return False


ONE, TWO = [signal.SIGINT], [signal.SIGINT, signal.SIGINT]


@pytest.mark.parametrize(
    ("busy", "loop", "closes", "signals"),
    [
        ("idle", "select", "closes", ONE),
        ("busy", "select", "closes", ONE),
        ("busy", "asyncio", "closes", ONE),
        ("busy", "asyncio", "closes", TWO),
        ("busy", "select", "exits", ONE),
        ("busy", "asyncio", "exits", TWO),
        ("busy", "select", "exits", [signal.SIGTERM]),
        ("idle", "asyncio", "exits", [signal.SIGKILL]),
        ("busy", "asyncio", "exits", [signal.SIGKILL]),
    ],
)
def test_no_process_is_left(
    busy: str, loop: str, closes: str, signals: list[signal.Signals]
) -> None:
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, busy, loop, closes],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert program.stdout is not None
        child = int(program.stdout.readline())
        for sent in signals:
            os.killpg(program.pid, sent)  # as a terminal does
        _, errors = program.communicate(timeout=HANGS)
    finally:
        program.kill()
        program.wait()
    assert gone(child)
    assert errors == ""
