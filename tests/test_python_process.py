"""A program that is forked is run as one that is started anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import python_process
from tests.python_process import LENIENT, LOCALE, STRICT, Process, run, start

if TYPE_CHECKING:
    from collections.abc import Callable

    Runs = Callable[..., tuple[int, str, str]]

TELLS = """
import json, os, signal, sys, threading
print(json.dumps({
    "argv": sys.argv, "path": sys.path[0], "name": __name__, "cwd": os.getcwd(),
    "warnings": sys.warnoptions, "encoding": sys.stdout.encoding,
    "environment": dict(os.environ), "interrupt": str(signal.getsignal(signal.SIGINT)),
    "ignored": [n for n in range(1, 65) if signal.getsignal(n) == signal.SIG_IGN],
    "threads": threading.active_count(),
    "reactor": "twisted.internet.reactor" in sys.modules,
    "descriptors": len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0,
}))
"""
PROGRAMS = {
    "tells": TELLS,
    "is refused": "import sys\nsys.exit('no')",
    "fails": "import sys\nsys.exit(3)",
    "is killed": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "is interrupted": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)",
    "warns": "import warnings\nwarnings.warn('old', DeprecationWarning)",
    "leaves a file": "import os\nfile = open(os.devnull)\ndel file",
    "says good-bye": "import atexit\natexit.register(print, 'good-bye')",
}
#: Another one than that of this process, which may have been given one.
HASH_SEED = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
OTHER_LOCALE = "C" if os.environ.get("LC_ALL") == "POSIX" else "POSIX"


def environment() -> dict[str, str]:
    """Return one in which programs are forked: Python would start no other way."""
    same = {
        name: value
        for name, value in os.environ.items()
        if name == "PATH" or name in LOCALE or name.startswith("PYTHON")
    }
    return {**same, "PYTHONIOENCODING": "utf-8"}


@pytest.fixture(params=["forked", "started"])
def runs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Runs:
    """Return what runs a text as a program, forked or started."""
    if request.param == "started":
        monkeypatch.setattr(python_process, "_forkserver", lambda: None)

    def runs(text: str, *words: str, **keywords: object) -> tuple[int, str, str]:
        (tmp_path / "program.py").write_text(text)
        env = environment()
        argv = ["-m", "program"] if "-m" in words else ["program.py", *words]
        done = run(argv, cwd=tmp_path, env=env, **keywords)  # type: ignore[arg-type]
        return done.returncode, done.stdout, done.stderr

    return runs


@pytest.mark.skipif(sys.platform != "linux", reason="is forked on Linux only")
@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Process),
        ({"PYTHONHASHSEED": HASH_SEED}, subprocess.Popen),
        ({"LC_ALL": OTHER_LOCALE}, subprocess.Popen),
        ({"PYTHONIOENCODING": "latin-1"}, Process),
    ],
)
def test_which_are_forked(
    tmp_path: Path, changes: dict[str, str], kind: type[object]
) -> None:
    (tmp_path / "program.py").write_text("")
    with Path(os.devnull).open("w+b") as nothing:
        process = start(
            ["program.py"],
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            cwd=tmp_path,
            env=environment() | changes,
        )
        assert process.wait(60) == 0
    assert type(process) is kind


@pytest.mark.parametrize("warnings", [(), STRICT, LENIENT])
@pytest.mark.parametrize("name", PROGRAMS)
def test_both_are_the_same(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, name: str, warnings: tuple[str, ...]
) -> None:
    def last_words(outcome: tuple[int, str, str]) -> tuple[int, str, list[str]]:
        code, out, errors = outcome
        return code, out, errors.splitlines()[-1:]

    first = last_words(runs(PROGRAMS[name], "a", "b", warnings=warnings))
    monkeypatch.setattr(python_process, "_forkserver", lambda: None)
    assert last_words(runs(PROGRAMS[name], "a", "b", warnings=warnings)) == first


def test_warnings_are_errors(runs: Runs) -> None:
    assert runs(PROGRAMS["warns"], warnings=STRICT)[0] == 1
    assert runs(PROGRAMS["warns"])[0] == 0
    assert "unclosed file" in runs(PROGRAMS["leaves a file"], warnings=STRICT)[2]
    assert runs(PROGRAMS["leaves a file"], warnings=LENIENT)[2] == ""


def test_a_module(runs: Runs) -> None:
    assert runs("print(__name__)", "-m") == (0, "__main__\n", "")


def test_an_end_by_a_signal(runs: Runs) -> None:
    assert runs(PROGRAMS["is killed"])[0] == -signal.SIGKILL
    assert "KeyboardInterrupt" in runs(PROGRAMS["is interrupted"])[2]


def test_one_that_does_not_end(runs: Runs) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        runs("import time\ntime.sleep(60)", timeout=0.5)


def test_what_python_heeds_at_its_start_only(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import sys\nprint(sys.flags.hash_randomization)"
    )
    env = {**os.environ, "PYTHONHASHSEED": "0"}
    assert run(["program.py"], cwd=tmp_path, env=env).stdout == "0\n"


def test_signals_reach_it(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "print('up', flush=True)\nimport time\ntime.sleep(60)"
    )
    reads, writes = os.pipe()
    with os.fdopen(reads, "rb") as output, Path(os.devnull).open("r+b") as nothing:
        with os.fdopen(writes, "wb") as its_output:
            process = start(
                ["program.py"],
                stdin=nothing,
                stdout=its_output,
                stderr=nothing,
                cwd=tmp_path,
                env=os.environ,
            )
        assert output.readline() == b"up\n"
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
        process.kill()  # it is gone, and nothing happens
