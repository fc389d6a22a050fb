"""What a person reads is plain: words that were retired do not come back."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import PAGES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Each of these has an ordinary word in the field; `docs/terms.md` has that.
RETIRED = re.compile(
    r"\b(?:couriers?|roads?|rush(?:es|ed)?|passages?|detours?|blobs?|walled|in vain"
    r"|whom|so as to|wares|(?:not )?(?:to )?be had|by the way of|outgoing"
    r"|stands?(?!-in)|stood|whoever|heed(?:s|ed)?|be it|at last|as ever|somebody)\b"
    # "because" and "for example" are meant.
    r"|, for (?:it|they|there|nobody|then|what)\b|, say[,;:)]|\b\w+ say\)",
    re.IGNORECASE,
)
FILES = (
    *("SECURITY.md", "CONTRIBUTING.md", "MANIFEST.in", "Makefile", "setup.cfg"),
    *("tox.ini", "ruff.toml", ".importlinter", ".pre-commit-config.yaml", ".ci/run"),
)
TEXTS = (*PAGES, *(ROOT / name for name in FILES))
#: Parts of names, which are read as well.
RETIRED_NAMES = re.compile(
    r"(?:^|_)(?:couriers?|roads?|passages?|detours?|blobs?|walled|in_vain|outgoing"
    r"|park(?:ed|ing)?)(?:_|$)",
    re.IGNORECASE,
)
#: It quotes log lines and names of the first edition.
OLD_NAMES = ROOT / "docs" / "upgrading.md"
ROOMS = ("scrapy_onecaptcha", "tests", "benchmarks", "example_project")
#: Not the words of a page that is read, nor names of files and APIs.
NOT_OURS = ("tests/corpus/labels.py", "tests/test_language.py")
SOURCES = sorted(
    path
    for room in ROOMS
    for path in (ROOT / room).rglob("*.py")
    if path.relative_to(ROOT).as_posix() not in NOT_OURS
)


def read_by_people(path: Path) -> Iterator[str]:
    """Yield the comments, docstrings and messages of a module.

    Of a test, comments and docstrings only: its other texts are input.
    """
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    tree = ast.parse(source)
    if "tests" in path.relative_to(ROOT).parts:
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        for node in ast.walk(tree):
            if isinstance(node, documented):
                yield ast.get_docstring(node) or ""
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_retired_word_is_in_the_documentation(path: Path) -> None:
    if path != OLD_NAMES:
        assert RETIRED.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_retired_word_is_in_the_code(path: Path) -> None:
    found = [text for text in read_by_people(path) if RETIRED.search(text)]
    assert found == []


def names(path: Path) -> Iterator[str]:
    """Yield the names that a module defines or uses."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for field in ("id", "attr", "name", "arg"):
            if isinstance(name := getattr(node, field, None), str):
                yield name


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_retired_word_is_a_name(path: Path) -> None:
    found = {name.lower() for name in names(path) if RETIRED_NAMES.search(name)}
    # An argument of Hypothesis, and a setting.
    assert found <= {"print_blob", "max_parked", "onecaptcha_max_parked"}


@pytest.mark.parametrize(
    "said",
    [
        "The token was in vain.",
        "what is to be had",
        "A gate stands there.",
        "whoever waits",
        "It is left alone, for they wait.",
        "a setting (for proxies say)",
    ],
)
def test_a_retired_word_is_found(said: str) -> None:
    assert RETIRED.search(said)


@pytest.mark.parametrize("said", ["a vain hope", "a stand-in", "the docs say: yes"])
def test_an_ordinary_word_is_none(said: str) -> None:
    assert not RETIRED.search(said)
