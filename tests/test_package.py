"""The package as a whole: what it exports, how its modules depend on each other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from configparser import ConfigParser
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest
from scrapy.exceptions import IgnoreRequest

import scrapy_onecaptcha
from scrapy_onecaptcha import exceptions

PACKAGE = Path(scrapy_onecaptcha.__file__).parent

#: A module imports from levels below its own only, for types as well.
LEVELS = (
    (
        "_compat _version answers blobs challenge clock headers literals page parking "
        "parsing places secret state words"
    ),
    (
        "controls exceptions exchange options outgoing pagedata reissue repeats "
        "scripts sessions stopping"
    ),
    (
        "callbacks detours errorcodes expressions forms handler pooling scope settings "
        "submission widgets"
    ),
    "calls evidence policy replies report",
    "api demands plan",
    "detection gate network solving",
    "httpcache visitor",
    "courier",
    "passage rush",
    "middleware",
    "addon",
    "tools tools.finding tools.running tools.terminal",
    "tools.base tools.looking tools.neighbours tools.service tools.values",
    "tools.balance tools.detect tools.findings tools.sandbox tools.version",
    "tools.check tools.purchase",
    "tools.solve",
    "commands",
    "__init__",
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names.split()}

#: What looks up: `options` only for a type, since defaults of a request are a crawl's.
#: The sandbox stands beside all levels; the tool that runs it is the one that may.
UPWARDS = {("options", "settings"), ("tools.sandbox", "sandbox")}


def modules(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.py"))


#: All but the sandbox's, which has rules of its own.
MODULES = (*modules(PACKAGE), *modules(PACKAGE / "tools"))


def named(path: Path) -> str:
    """Return the module at *path* as `LEVELS` has it: a package by its own name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    inner = parts[:-1] if parts[1:] and parts[-1] == "__init__" else parts
    return ".".join(inner)


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the modules of this package that *path* imports, wherever in its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names |= {f"{base}.{alias.name}" for alias in node.names}
    found = set()
    for name in names:
        _, mine, rest = name.partition("scrapy_onecaptcha")
        if mine:
            first, _, _ = rest.strip(".").partition(".")
            inner = ".".join(rest.strip(".").split(".")[:2])
            known = [part for part in (inner, first) if part in {*LEVEL, "sandbox"}]
            found.add(known[0] if known else "__init__")
    return frozenset(found)


def test_what_the_package_exports() -> None:
    assert scrapy_onecaptcha.__all__ == [
        "AccountError",
        "Addon",
        "AttemptsExhausted",
        "BadTaskError",
        "BlockedError",
        "BudgetExceeded",
        "Challenge",
        "CircuitOpen",
        "OneCaptchaError",
        "OneCaptchaMiddleware",
        "PolicyError",
        "ServiceError",
        "SiteRefusedError",
        "Solution",
        "SolveTimeout",
        "SubmissionRefused",
        "TaskFailed",
        "Unavailable",
        "UnsolvableGate",
        "__version__",
        "detect",
    ]


def test_all_that_is_exported_exists() -> None:
    for name in scrapy_onecaptcha.__all__:
        assert hasattr(scrapy_onecaptcha, name)
    assert set(exceptions.__all__) <= set(scrapy_onecaptcha.__all__)


def test_the_version_is_that_of_the_distribution() -> None:
    assert version("scrapy-onecaptcha") == scrapy_onecaptcha.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", scrapy_onecaptcha.__version__)


def test_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


# Errors


def tree(error: type[Exception], depth: int = 0) -> list[tuple[str, int]]:
    """Return the classes below *error*, each with its depth, in the order written."""
    found = [(error.__name__, depth)]
    for child in error.__subclasses__():
        if child.__module__ == exceptions.__name__:
            found += tree(child, depth + 1)
    return found


def drawn() -> list[tuple[str, int]]:
    """Return the same from the drawing in the docstring."""
    doc = exceptions.__doc__ or ""
    lines = re.findall(
        r"^ {4}([│├└─ ]*)(\w+)(?: \(IgnoreRequest\))?$", doc, re.MULTILINE
    )
    return [(name, len(indent) // 4) for indent, name in lines]


def test_the_error_tree_is_complete() -> None:
    assert drawn() == tree(exceptions.OneCaptchaError)


def test_every_error_is_exported_and_can_be_ignored() -> None:
    assert sorted(name for name, _ in drawn()) == sorted(exceptions.__all__)
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), IgnoreRequest)


def test_every_error_has_a_reason_of_its_own_and_an_advice() -> None:
    errors = [getattr(exceptions, name) for name in exceptions.__all__]
    assert len({error.reason for error in errors}) == len(errors)
    for error in errors:
        assert error.advice.endswith(".")


# Levels


def test_every_module_has_its_level() -> None:
    assert {named(path) for path in MODULES} == LEVEL.keys()


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_imports_downwards_only(path: Path) -> None:
    own = named(path)
    up = {
        (own, name)
        for name in imports(path)
        if LEVEL.get(name, len(LEVELS)) >= LEVEL[own]
    }
    assert up == {pair for pair in UPWARDS if pair[0] == own}


@pytest.mark.parametrize(
    "path", modules(PACKAGE / "sandbox"), ids=lambda path: path.stem
)
def test_the_sandbox_imports_nothing_of_the_rest(path: Path) -> None:
    assert imports(path) <= {"sandbox"}
    assert "from .." not in path.read_text(encoding="utf-8")


# Versions

ROOT = PACKAGE.parent


def listed(file: str, section: str, option: str) -> list[str]:
    """Return the lines of an option, without comments."""
    ini = ConfigParser(interpolation=None)
    ini.read(ROOT / file, encoding="utf-8")
    return ini[section][option].strip().splitlines()


def test_the_oldest_versions_are_the_ones_that_are_tested() -> None:
    floors = listed("setup.cfg", "options", "install_requires")
    pins = [
        re.sub(r"(\.0)*$", "", pin.removesuffix('; python_version < "3.11"'))
        for pin in listed("tox.ini", "testenv:oldest", "deps")
        if not pin.endswith('; python_version >= "3.11"')
    ]
    assert pins == [floor.replace(">=", "==") for floor in floors]


# Importing


def run(code: str) -> str:
    """Run *code* in an interpreter of its own; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


NAMES = sorted(
    ".".join(["scrapy_onecaptcha", *path.relative_to(PACKAGE).with_suffix("").parts])
    for path in PACKAGE.rglob("*.py")
)


def test_importing_it_all_installs_no_reactor() -> None:
    code = f"""
import importlib, sys
for name in {NAMES!r}:
    importlib.import_module(name.removesuffix(".__init__"))
    if "twisted.internet.reactor" in sys.modules:
        print(name)
        break
"""
    assert run(code) == ""


def test_the_sandbox_is_imported_by_nobody() -> None:
    assert run(
        "import sys, scrapy_onecaptcha\n"
        "print([n for n in sys.modules if n.startswith('scrapy_onecaptcha.sandbox')])"
    ) == ("[]\n")
