"""Data that a page carries for its scripts: JSON scripts, objects, parsed literals."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.models import valid_sitekey
from scrapy_onecaptcha.pages.json_values import last, leaves, parse_json, plain, prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from scrapy_onecaptcha.pages.json_values import Path
    from scrapy_onecaptcha.pages.steps import Steps

__all__ = ["NO_DATA", "Data", "data_steps", "rqdata_of", "sitekey_of"]

# Pieces of data that are tried, of each kind, and characters of the longest.
MAX_PIECES = 16
MAX_PIECE_LENGTH = 512 * 1024
# Values that are looked at in all pieces together, and in one step.
MAX_VALUES = 10_000
MAX_IN_STEP = 4_000
# Escapes in a literal that is parsed; one with more is left out.
MAX_ESCAPES = 20_000

_OBJECT = re.compile(r"[=(]\s{0,20}(?=\{\s{0,20}[\"'])")
_PARSED = re.compile(
    r"""JSON\.parse\(\s*(?:"([^"\\\n]*(?:\\.[^"\\\n]*)*)\""""
    r"""|'([^'\\\n]*(?:\\.[^'\\\n]*)*)')"""
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Data:
    """What the JSON in a page says of hCaptcha.

    Attributes:
        sitekeys: those that it names as hCaptcha's.
        rqdata: each that it has.
        beside: the rqdata in the same object as a sitekey, by that sitekey.
        visited: how many values were looked at.
    """

    sitekeys: frozenset[str] = frozenset()
    rqdata: frozenset[str] = frozenset()
    beside: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    visited: int = 0


NO_DATA = Data()


def data_steps(code: str, texts: Iterable[str]) -> Steps[Data]:
    """Read all JSON in a page, once for all of its widgets, in steps.

    Args:
        code: the page's scripts; data that they assign, pass on or parse is read.
        texts: the page's scripts that are data, not JavaScript.
    """
    found, visited = _Found(), 0
    for value in _values(code, texts):
        yield
        for path, leaf in islice(leaves(value), MAX_VALUES - visited):
            visited += 1
            if not visited % MAX_IN_STEP:
                yield
            if isinstance(leaf, str):
                found.add(path, leaf)
    return Data(
        frozenset(found.sitekeys),
        frozenset(found.rqdata.values()),
        _beside(found.rqdata, found.keyed),
        visited,
    )


@dataclass(slots=True)
class _Found:
    """What was found so far.

    Attributes:
        names: plain names, by names as they are written.
        sitekeys: those that are named as hCaptcha's.
        rqdata: each, by its path.
        keyed: the objects that hold a sitekey, by that sitekey.
    """

    names: dict[str, str] = field(default_factory=dict)
    sitekeys: set[str] = field(default_factory=set)
    rqdata: dict[Path, str] = field(default_factory=dict)
    keyed: dict[str, set[Path]] = field(default_factory=dict)

    def add(self, path: Path, value: str) -> None:
        """Look at one text."""
        name = last(path)
        if name not in self.names:
            self.names[name] = plain(path)
        if self.names[name].endswith("rqdata") and value:
            self.rqdata[path] = value
        if key := valid_sitekey(value):
            self.keyed.setdefault(key, set()).add(path[:-1])
            if self.names[name].endswith("sitekey") and "hcaptcha" in _joined(path):
                self.sitekeys.add(key)


def _beside(
    rqdata: Mapping[Path, str], keyed: Mapping[str, set[Path]]
) -> dict[str, frozenset[str]]:
    by_place: dict[Path, set[str]] = {}
    for path, value in rqdata.items():
        by_place.setdefault(path[:-1], set()).add(value)
    return {
        key: frozenset().union(*(by_place.get(place, ()) for place in places))
        for key, places in keyed.items()
    }


def _values(code: str, texts: Iterable[str]) -> Iterator[Any]:
    for text in islice(texts, MAX_PIECES):
        yield parse_json(text) if len(text) <= MAX_PIECE_LENGTH else None
    for found in islice(_OBJECT.finditer(code), MAX_PIECES):
        yield prefix(code[found.end() : found.end() + MAX_PIECE_LENGTH], 0)
    for found in islice(_PARSED.finditer(code), MAX_PIECES):
        literal = found[1] or found[2] or ""
        is_long = len(literal) > MAX_PIECE_LENGTH or literal.count("\\") > MAX_ESCAPES
        yield None if is_long else parse_json(_unescape(literal))


def _unescape(literal: str) -> str:
    """Decode the escapes of a string, surrogate pairs included."""
    text = _ESCAPE.sub(_character, literal)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(escape: re.Match[str]) -> str:
    digits = escape[1] or escape[2]
    return chr(int(digits, 16)) if digits else _ESCAPES.get(escape[3], escape[3])


def sitekey_of(data: Data) -> str | None:
    """Return the one sitekey that *data* names as hCaptcha's, if it is one."""
    return next(iter(data.sitekeys)) if len(data.sitekeys) == 1 else None


def rqdata_of(data: Data, sitekey: str | None) -> str | None:
    """Return the rqdata of *data*: the one beside *sitekey*, else the only one."""
    values = (data.beside.get(sitekey) if sitekey else None) or data.rqdata
    return next(iter(values)) if len(values) == 1 else None


def _joined(path: Path) -> str:
    return re.sub(r"[^a-z]", "", "".join(path).lower())
