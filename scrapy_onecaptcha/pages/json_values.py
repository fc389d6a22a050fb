"""JSON of any origin: parsed and walked with bounds on its size and depth."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["last", "leaves", "parse_json", "plain", "prefix", "put"]

# Bytes or characters of the longest text that is parsed.
MAX_JSON = 1_000_000
# Levels of objects and lists, and values in all, that are looked at.
MAX_DEPTH = 12
MAX_LEAVES = 5_000
# Characters of a name; what a longer one leads to is left out.
MAX_NAME = 200

Path = tuple[str, ...]


def parse_json(text: str | bytes) -> Any:
    """Return the value of *text*, or ``None`` where it is no JSON, or too much."""
    if len(text) > MAX_JSON:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def prefix(text: str, start: int) -> Any:
    """Return the JSON value that begins at *start*, whatever follows it."""
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None


def leaves(value: Any) -> Iterator[tuple[Path, Any]]:
    """Yield what is neither object nor list, each with the keys that lead to it.

    What is empty or too deep is yielded as it is: so that each counts, and a million of
    them are not walked through.
    """
    yield from islice(_leaves(value, ()), MAX_LEAVES)


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    is_outer = isinstance(value, dict | list) and value and len(path) < MAX_DEPTH
    if not is_outer:
        yield path, value
        return
    # A list adds no name of its own, but a level.
    pairs = value.items() if isinstance(value, dict) else (("", v) for v in value)
    for key, inner in pairs:
        if len(key) <= MAX_NAME:
            yield from _leaves(inner, (*path, key))


def last(path: Path) -> str:
    """Return the last name of *path*; the places in a list have none."""
    return next((key for key in reversed(path) if key), "")


def plain(path: Path) -> str:
    """Return the same in lower case, without what parts its words."""
    return re.sub(r"[^a-z0-9]", "", last(path).lower())


def put(onto: dict[str, Any], name: str, value: Any) -> bool:
    """Set ``a.b`` within *onto*, objects made as needed; ``False`` where none fits."""
    *outer, last = name.split(".")
    for key in outer:
        inner = onto.setdefault(key, {})
        if not isinstance(inner, dict):
            return False
        onto = inner
    onto[last] = value
    return True
