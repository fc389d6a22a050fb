"""Forks Python programs from a process that has imported what they need.

To import Scrapy, Twisted and the package takes more than a second of CPU, and that is
more than most programs of the tests take for the rest; there are hundreds of them. No
reactor is imported here: a program decides for itself which one it uses, as always.

Called by `tests.python_process` with the descriptor of a socket. A message is a job in
JSON::

    {"argv": ["script.py" or "-m", …], "warnings": ["error", …], "cwd": "path",
     "env": {…}}

with four descriptors: standard input, output and error, and where to write down the
number of the process, once it runs, and its exit status, once it has ended.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib
import importlib.abc
import json
import os
import pkgutil
import random
import re
import runpy
import signal
import socket
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REACTOR = "twisted.internet.reactor"
MAX_MESSAGE = 1 << 20
#: What is not imported before it is needed, or by nothing else.
ALSO = ("treq", "scrapy.cmdline")


class WithoutReactor(importlib.abc.MetaPathFinder):
    """Fails each import of a reactor, and so of what imports one (FTP, in Twisted)."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == REACTOR:
            raise ImportError("Not here.")


def preload() -> None:
    """Import what a program may need, but no reactor."""
    sys.meta_path.insert(0, WithoutReactor())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in sorted({*ALSO, *_of_scrapy(), *_of_package()}):
            # What it needs is not installed, or is a reactor.
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    del sys.meta_path[0]
    assert REACTOR not in sys.modules
    gc.collect()
    gc.freeze()  # so these pages of memory stay shared


def _of_scrapy() -> Iterator[str]:
    """Yield the modules that Scrapy's settings name."""
    for value in vars(
        importlib.import_module("scrapy.settings.default_settings")
    ).values():
        for each in [*value, *value.values()] if isinstance(value, dict) else [value]:
            if isinstance(each, str) and each.startswith("scrapy."):
                yield each.rpartition(".")[0]


def _of_package() -> Iterator[str]:
    package = importlib.import_module("scrapy_onecaptcha")
    for module in pkgutil.walk_packages(package.__path__, "scrapy_onecaptcha."):
        if not module.name.endswith("__main__"):
            yield module.name


def serve(requests: socket.socket) -> None:
    """Start what is asked for until the socket ends; in a child, be that process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a keeper
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, MAX_MESSAGE, 4)
        if not message:
            return
        if os.fork() == 0:
            requests.close()
            keep(json.loads(message), *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def keep(job: dict[str, Any], *descriptors: int) -> None:
    """Start the process and wait for it, as only its parent can."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    told = descriptors[3]
    pid = os.fork()
    if pid == 0:
        os.close(told)
        become(job, descriptors[:3])
        return
    os.write(told, f"{pid}\n".encode())
    for descriptor in (*descriptors[:3], 0, 1, 2):
        os.close(descriptor)
    _, status = os.waitpid(pid, 0)
    # Nobody reads it where the test has ended.
    with contextlib.suppress(BrokenPipeError):
        os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def become(job: dict[str, Any], standard: Iterable[int]) -> None:
    """Run *job* as if this process had been started for it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(job["env"])
    os.chdir(job["cwd"])
    if encoding := job["env"].get("PYTHONIOENCODING"):
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            stream.reconfigure(encoding=encoding)  # type: ignore[union-attr]
    filter_warnings(job["warnings"])
    random.seed()
    program, *arguments = job["argv"]
    if program == "-m":
        program, *arguments = arguments
        sys.path[0] = job["cwd"]
        sys.argv = [program, *arguments]
        sys.modules.pop(f"{program}.__main__", None)  # it is imported elsewhere, too
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(job["cwd"], program).parent)
        sys.argv = [program, *arguments]
        runpy.run_path(program, run_name="__main__")


def filter_warnings(options: list[str]) -> None:
    """Do what Python does for each option ``-W``."""
    sys.warnoptions[:] = options
    for option in options:
        action, message, category = f"{option}::".split(":")[:3]
        kind = getattr(builtins, category or "Warning")
        literal: Any = action
        warnings.filterwarnings(literal, re.escape(message), kind)


if __name__ == "__main__":
    preload()
    serve(socket.socket(fileno=int(sys.argv[1])))
