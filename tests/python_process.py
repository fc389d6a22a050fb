"""Starts Python programs: by forking a process that has imported what they need."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LENIENT", "STRICT", "Process", "run", "start"]

FORKSERVER = Path(__file__).with_name("forkserver.py")
#: Options ``-W`` by which warnings are errors, but for one of Python 3.10 about the
#: oldest Twisted.
STRICT = ("error", "ignore:currentThread():DeprecationWarning")
#: Scrapy 2.13 itself leaves files of its disk queues open, and Twisted one that it
#: keeps in reserve, of which Python 3.10 may complain at its end.
LENIENT = (*STRICT, "ignore:unclosed file:ResourceWarning")
#: Variables of the locale, which Python reads at its start only, like its own.
LOCALE = {"LANG", "LC_ALL", "LC_CTYPE"}
#: Of Python's own the one that is easily obeyed later.
LATER = {"PYTHONIOENCODING"}


class Process:
    """A process that is no child of ours, with what tests need of ``Popen``.

    Args:
        status: where its number comes and, in the end, its exit status.

    Attributes:
        pid: its number.
        returncode: its exit status; minus the number of a signal that has ended it.
    """

    def __init__(self, status: int) -> None:
        self._status = os.fdopen(status, "rb", buffering=0)
        self.pid = int(self._status.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, or ``None`` while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit status.

        Raises:
            subprocess.TimeoutExpired: it runs still after *timeout* seconds.
        """
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            ready, _, _ = select.select([self._status], [], [], timeout)
            if ready:
                self.returncode = int(self._status.readline())
                self._status.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            # It may have ended just now, of which its status is still on the way.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def start(
    argv: Sequence[str],
    *,
    stdin: IO[Any],
    stdout: IO[Any],
    stderr: IO[Any],
    cwd: Path | str,
    env: Mapping[str, str],
    warnings: tuple[str, ...] = (),
) -> Process | subprocess.Popen[bytes]:
    """Start a Python program.

    Where none can be forked, or Python has to know something when it starts, it is
    started as any other.

    Args:
        argv: begins with the path of a script, or with ``-m``.
        stdin: its standard input.
        stdout: its standard output.
        stderr: its standard error.
        cwd: the folder that it runs in.
        env: its environment.
        warnings: options ``-W`` of Python.
    """
    requests = _forkserver() if _may_be_forked(env) else None
    if requests is None:
        options = [f"-W{option}" for option in warnings]
        return subprocess.Popen(
            [sys.executable, *options, *argv],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=env,
        )
    job = {"argv": argv, "warnings": warnings, "cwd": str(cwd), "env": dict(env)}
    status, told = os.pipe()
    descriptors = [file.fileno() for file in (stdin, stdout, stderr)]
    socket.send_fds(requests, [json.dumps(job).encode()], [*descriptors, told])
    os.close(told)
    return Process(status)


def run(
    argv: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str],
    warnings: tuple[str, ...] = (),
    timeout: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Run a Python program without input to its end, and return what it printed.

    Raises:
        subprocess.TimeoutExpired: it runs still after *timeout* seconds; it is killed.
    """
    with (
        Path(os.devnull).open("rb") as nothing,
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
    ):
        process = start(
            argv,
            stdin=nothing,
            stdout=out,
            stderr=errors,
            cwd=cwd,
            env=env,
            warnings=warnings,
        )
        try:
            code = process.wait(timeout)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        out.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess([*argv], code, out.read(), errors.read())


def _may_be_forked(env: Mapping[str, str]) -> bool:
    own = {name for name in {*env, *os.environ} if name.startswith("PYTHON")}
    names = (own | LOCALE) - LATER
    return all(env.get(name) == os.environ.get(name) for name in names)


@cache
def _forkserver() -> socket.socket | None:
    """Return the socket of the one server of this process."""
    if sys.platform != "linux":
        return None
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        server = subprocess.Popen(
            [sys.executable, str(FORKSERVER), str(its.fileno())],
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
        )

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours
