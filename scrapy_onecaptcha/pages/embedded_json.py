"""Data that a page carries for its scripts: JSON scripts, objects, parsed literals."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.models import valid_sitekey
from scrapy_onecaptcha.pages.json_values import leaves, parse_json, plain, prefix
from scrapy_onecaptcha.pages.script_literals import STRING, unescape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scrapy_onecaptcha.pages.json_values import Path

    Leaf = tuple[Path, Any]

__all__ = ["read_data", "rqdata_of", "sitekey_of"]

# Of each kind of place that is tried.
MAX_BLOBS = 16

_OBJECT = re.compile(r"[=(]\s{0,20}(?=\{\s{0,20}[\"'])")
_PARSED = re.compile(r"JSON\.parse\(")


def read_data(code: str, bare: str, texts: Iterable[str]) -> list[Leaf]:
    """Return the values of all JSON in a page, each with the keys that lead to it.

    Args:
        code: the page's scripts: what they assign, pass on or parse is read.
        bare: the same, without what stands in its strings.
        texts: of its scripts that are no JavaScript.
    """
    return [leaf for value in _values(code, bare, texts) for leaf in leaves(value)]


def _values(code: str, bare: str, texts: Iterable[str]) -> Iterator[Any]:
    for text in islice(texts, MAX_BLOBS):
        yield parse_json(text)
    for found in islice(_OBJECT.finditer(bare), MAX_BLOBS):
        yield prefix(code, found.end())
    for found in islice(_PARSED.finditer(bare), MAX_BLOBS):
        literal = STRING.match(code, found.end())
        if literal:
            yield parse_json(unescape(literal))


def sitekey_of(data: Iterable[Leaf]) -> str | None:
    """Return the one sitekey that *data* names as hCaptcha's, if it is one."""
    keys = {
        key
        for path, value in data
        if isinstance(value, str) and (key := valid_sitekey(value))
        if plain(path).endswith("sitekey") and "hcaptcha" in _joined(path)
    }
    return keys.pop() if len(keys) == 1 else None


def rqdata_of(data: Iterable[Leaf], sitekey: str | None) -> str | None:
    """Return the rqdata of *data*: the one beside *sitekey*, else the only one."""
    found = {
        path: value
        for path, value in data
        if isinstance(value, str) and value and plain(path).endswith("rqdata")
    }
    above = {
        path[:-1]
        for path, value in data
        if sitekey and isinstance(value, str) and valid_sitekey(value) == sitekey
    }
    beside = {value for path, value in found.items() if path[:-1] in above}
    values = beside or set(found.values())
    return values.pop() if len(values) == 1 else None


def _joined(path: Path) -> str:
    return re.sub(r"[^a-z]", "", "".join(path).lower())
