"""The engine, and which one is installed."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from scrapy_onecaptcha.scripts import engine
from scrapy_onecaptcha.scripts.engine import RUNTIME, Engine, ScriptFailed, Stopped


def test_every_file_of_the_runtime_is_loaded() -> None:
    folder = Path(engine.__file__).with_name("runtime")
    assert sorted(path.stem for path in folder.iterdir()) == sorted(RUNTIME)


def test_no_file_of_the_runtime_is_too_long() -> None:
    for path in Path(engine.__file__).with_name("runtime").iterdir():
        assert 40 <= len(path.read_text("utf-8").splitlines()) <= 400, path.name


def versions(monkeypatch: pytest.MonkeyPatch, *installed: str) -> None:
    def version(name: str) -> str:
        if name in installed:
            return "1"
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", version)


def test_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    assert engine.problem() == (
        "No script engine is installed: pip install 'scrapy-onecaptcha[scripts]'"
    )


@pytest.mark.parametrize(
    ("installed", "usable"),
    [
        (["quickjs-ng"], True),
        ([], True),
        (["quickjs"], False),
        (["quickjs", "quickjs-ng"], False),
    ],
)
def test_which_engine(
    monkeypatch: pytest.MonkeyPatch, installed: list[str], usable: bool
) -> None:
    versions(monkeypatch, *installed)
    sentence = engine.problem()
    assert (sentence is None) is usable
    assert usable or "pip uninstall -y quickjs quickjs-ng; pip install" in (
        sentence or ""
    )


def test_asking_loads_no_engine() -> None:
    code = (
        "import sys; from scrapy_onecaptcha.scripts.engine import problem; problem();"
        "sys.exit('quickjs' in sys.modules or '_quickjs' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_older_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        def eval(self, code: str) -> str:
            return "undefined"

    quickjs = type("quickjs", (), {"Context": Context, "JSException": Exception})
    monkeypatch.setitem(sys.modules, "quickjs", quickjs)
    with pytest.raises(ImportError, match="older package"):
        Engine(1)


def test_a_command_that_fails() -> None:
    with pytest.raises(ScriptFailed, match="TypeError"):
        Engine(5).call("boot", None)


def test_a_limit_of_time() -> None:
    made = Engine(5)
    made.limit(0.05)
    with pytest.raises(Stopped, match="too long"):
        made.run("for (;;) {}")
