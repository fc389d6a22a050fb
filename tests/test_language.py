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

#: Each of these had an ordinary word in the field; `docs/terms.md` has that.
RETIRED = re.compile(
    r"\b(?:couriers?|roads?|rush(?:es|ed)?|passages?|detours?|blobs?|walled|in vain"
    r"|whom|so as to|wares|(?:not )?to be had|by the way of|outgoing)\b",
    re.IGNORECASE,
)
#: Names of modules that no longer exist are listed where people look for them.
OLD_NAMES = ROOT / "docs" / "upgrading.md"
SOURCES = sorted((ROOT / "scrapy_onecaptcha").rglob("*.py"))


def read_by_people(path: Path) -> Iterator[str]:
    """Yield the comments, docstrings and messages of a module."""
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_retired_word_is_in_the_documentation(path: Path) -> None:
    if path != OLD_NAMES:
        assert RETIRED.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_retired_word_is_in_the_code(path: Path) -> None:
    found = [text for text in read_by_people(path) if RETIRED.search(text)]
    assert found == []


def test_a_retired_word_is_found() -> None:
    assert RETIRED.search("The token was in vain.")
    assert RETIRED.search("what is to be had")
    assert not RETIRED.search("a vain hope")
