"""The package as a whole: what it exports, how its modules depend on each other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from scrapy.exceptions import IgnoreRequest

import scrapy_onecaptcha
from scrapy_onecaptcha import exceptions
from tests.versions import INDEPENDENT, LIBRARIES

PACKAGE = Path(scrapy_onecaptcha.__file__).parent


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
        "DryRun",
        "OneCaptchaError",
        "OneCaptchaMiddleware",
        "PolicyError",
        "ProxyFailed",
        "ServiceError",
        "SiteRefusedError",
        "Solution",
        "SolveTimeout",
        "StoreUnavailable",
        "SubmissionRefused",
        "TaskFailed",
        "Unavailable",
        "UnsolvableGate",
        "__version__",
        "detect",
        "onecaptcha_lost",
        "onecaptcha_solved",
        "onecaptcha_verdict",
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


# Size

MAX_LINES = 400
MAX_ROOT_MODULES = 16


@pytest.mark.parametrize(
    "path",
    sorted(PACKAGE.rglob("*.py")),
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_a_module_is_short_enough_to_be_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_the_root_has_few_modules() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= MAX_ROOT_MODULES


# Versions

ROOT = PACKAGE.parent


def listed(file: str, section: str, option: str) -> list[str]:
    """Return the lines of an option, without comments."""
    ini = ConfigParser(interpolation=None)
    ini.read(ROOT / file, encoding="utf-8")
    lines = ini[section][option].strip().splitlines()
    return [line for line in lines if not line.startswith("#")]


#: What its other modules may use in place of the libraries of `LIBRARIES`.
SEAMS = ("scrapy_onecaptcha._scrapy", "scrapy_onecaptcha._twisted")

#: What the package is made for; everything else comes with these.
MAIN = ("Scrapy", "Twisted", "treq")


def test_the_oldest_versions_are_the_ones_that_are_tested() -> None:
    floors = [
        line
        for line in listed("setup.cfg", "options", "install_requires")
        if line.startswith(MAIN)
    ]
    pins = [
        re.sub(r"(\.0)*$", "", pin.removesuffix('; python_version < "3.11"'))
        for pin in listed("tox.ini", "testenv:oldest", "deps")
        if not pin.endswith('; python_version >= "3.11"')
    ]
    assert pins == [floor.replace(">=", "==") for floor in floors]


def imported(path: Path) -> set[str]:
    """Return the dotted names that *path* imports when it runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in set(ast.walk(tree)) - typing_only:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def roots(names: set[str]) -> set[str]:
    """Return the top-level modules of *names*."""
    return {name.partition(".")[0] for name in names}


def test_every_direct_import_is_declared() -> None:
    installed = packages_distributions()
    extras = listed("setup.cfg", "options", "install_requires") + [
        line
        for name in ("redis", "report", "scripts", "spidermon")
        for line in listed_extra(name)
    ]
    declared = {canonical(re.split(r"[<>=!~ \[;]", line)[0]) for line in extras}
    used = set[str]().union(*map(imported, PACKAGE.rglob("*.py")))
    outside = roots(used) - set(sys.stdlib_module_names) - {"scrapy_onecaptcha"}
    missing = {
        name
        for name in outside
        if not declared & {canonical(each) for each in installed.get(name, [name])}
    }
    assert missing == set()


def modules_of(pattern: str) -> list[Path]:
    """Return the modules whose units are the tests that match *pattern*."""
    name = pattern.removeprefix("unit/").replace("test_", "")
    found = (*PACKAGE.glob(name), *PACKAGE.glob(f"_{name}"))
    return [path for path in found if path.suffix == ".py"]


def test_what_is_left_out_on_other_versions_uses_none_of_their_libraries() -> None:
    modules = {
        module.relative_to(PACKAGE).as_posix(): imported(module)
        for pattern in INDEPENDENT
        if pattern.startswith("unit/")
        for module in modules_of(pattern)
    }
    assert {"pages/forms.py", "report/ledger.py", "scripts/visit.py"} <= set(modules)
    assert "_redact.py" in modules
    wrong = {
        (module, name)
        for module, names in modules.items()
        for name in names - {name for name in names if name.startswith("scrapy.http.")}
        if name.partition(".")[0] in LIBRARIES or name.startswith(SEAMS)
    }
    assert wrong == set()


def listed_extra(name: str) -> list[str]:
    try:
        return listed("setup.cfg", "options.extras_require", name)
    except KeyError:
        return []


def canonical(name: str) -> str:
    """Return *name* as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


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


#: Modules of extras, which need not be installed.
EXTRAS = {"spidermon"}


def test_importing_it_all_installs_no_reactor() -> None:
    code = f"""
import importlib, sys
for name in {NAMES!r}:
    try:
        importlib.import_module(name.removesuffix(".__init__"))
    except ModuleNotFoundError as error:
        if error.name not in {EXTRAS!r}:
            raise
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


def test_the_sandbox_may_import_nothing_of_the_rest() -> None:
    forbidden = listed(
        ".importlinter", "importlinter:contract:sandbox", "forbidden_modules"
    )
    rest = {path.stem for path in PACKAGE.iterdir() if path.suffix in ("", ".py")}
    rest -= {"__init__", "__pycache__", "_version", "sandbox"}
    assert {name.removeprefix("scrapy_onecaptcha.") for name in forbidden} == rest
