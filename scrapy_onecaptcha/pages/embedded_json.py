"""Data that a page carries for its scripts: JSON scripts, objects, parsed literals."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.models import valid_sitekey
from scrapy_onecaptcha.pages.json_values import last, leaves, parse_json, plain, prefix
from scrapy_onecaptcha.pages.steps import finish

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from scrapy_onecaptcha.pages.json_values import Path
    from scrapy_onecaptcha.pages.steps import Steps

__all__ = ["NO_DATA", "Data", "data_steps", "read_data", "rqdata_of", "sitekey_of"]

# Of each kind of place that is tried.
MAX_BLOBS = 16
# Of values in all places together.
MAX_VALUES = 10_000
# Of values in one step.
MAX_IN_STEP = 4_000

_OBJECT = re.compile(r"[=(]\s{0,20}(?=\{\s{0,20}[\"'])")
_PARSED = re.compile(
    r"""JSON\.parse\(\s*(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)')"""
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


def read_data(code: str, texts: Iterable[str]) -> Data:
    """Read all JSON in a page, once for all of its widgets.

    Args:
        code: the page's scripts: what they assign, pass on or parse is read.
        texts: of its scripts that are no JavaScript.
    """
    return finish(data_steps(code, texts))


def data_steps(code: str, texts: Iterable[str]) -> Steps[Data]:
    """Do as `read_data` does, in steps."""
    every = (leaf for value in _values(code, texts) for leaf in leaves(value))
    names: dict[str, str] = {}
    sitekeys: set[str] = set()
    rqdata: dict[Path, str] = {}
    keyed: dict[str, set[Path]] = {}
    visited = 0
    for path, value in islice(every, MAX_VALUES):
        visited += 1
        if not visited % MAX_IN_STEP:
            yield
        if not isinstance(value, str):
            continue
        name = last(path)
        if name not in names:
            names[name] = plain(path)
        if names[name].endswith("rqdata") and value:
            rqdata[path] = value
        if key := valid_sitekey(value):
            keyed.setdefault(key, set()).add(path[:-1])
            if names[name].endswith("sitekey") and "hcaptcha" in _joined(path):
                sitekeys.add(key)
    return Data(
        frozenset(sitekeys), frozenset(rqdata.values()), _beside(rqdata, keyed), visited
    )


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
    for text in islice(texts, MAX_BLOBS):
        yield parse_json(text)
    for found in islice(_OBJECT.finditer(code), MAX_BLOBS):
        yield prefix(code, found.end())
    for found in islice(_PARSED.finditer(code), MAX_BLOBS):
        yield parse_json(_unescape(found[1] or found[2] or ""))


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
