"""What a call of a script amounts to: the form that is sent in its place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from scrapy_onecaptcha._values import is_settable
from scrapy_onecaptcha.models import Form
from scrapy_onecaptcha.pages.json_values import parse_json
from scrapy_onecaptcha.pages.script_literals import TOKEN, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_onecaptcha.models import FormKind

__all__ = ["JSON", "MULTIPART", "URLENCODED", "Body", "body_of", "made_form"]

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
JSON = "application/json"

MAX_HEADER = 1000  # characters
# Of objects in objects, down to the token.
MAX_DEPTH = 12

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Body:
    """What a call sends: an object's value, and how it is written.

    Attributes:
        value: pairs, or what stands in JSON.
        enctype: how, or ``None`` for an object that the library encodes.
    """

    value: Any
    enctype: str | None


def made_form(
    kind: FormKind, method: str, url: str, body: Body | None, headers: dict[str, Any]
) -> Form:
    """Return the form that a call amounts to.

    Args:
        kind: of the form.
        method: in any case.
        url: absolute; a query of its own is sent by GET along with the body's pairs.
        body: what is sent, with `TOKEN` where the token goes.
        headers: what the call sets, `TOKEN` likewise.

    Raises:
        Unreadable: it holds no token, or where none can be put in.
    """
    method = method.strip().upper()
    if method not in _METHODS or not url.startswith(("http://", "https://")):
        raise Unreadable
    parts = urlsplit(url)
    enctype = (body.enctype if body else None) or URLENCODED
    as_json = enctype == JSON and method != "GET"
    held = body.value if body else {}
    if not isinstance(held, dict):
        raise Unreadable
    if method == "GET":
        held = dict(parse_qsl(parts.query, keep_blank_values=True)) | held
        parts = parts._replace(query="")
    if TOKEN in urlunsplit(parts):
        raise Unreadable  # in a path, say
    flat = dict(_flat(held)) if as_json else held
    header, others = _split_headers(headers)
    tokens = tuple(name for name, value in flat.items() if value == TOKEN)
    if not (tokens or header):
        raise Unreadable
    return Form(
        kind=kind,
        url=urlunsplit(parts),
        method=method,
        enctype=enctype,
        fields=tuple(_fields(flat, as_json=as_json)),
        token_fields=tokens,
        header=header,
        headers=others,
    )


def body_of(text: str) -> Body:
    """Read a body that is written as a text: JSON or pairs."""
    if text.lstrip()[:1] == "{":
        return Body(parse_json(text), JSON)
    if "=" not in text:
        raise Unreadable
    return Body(dict(parse_qsl(text, keep_blank_values=True)), URLENCODED)


def _flat(
    value: dict[str, Any], above: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    """Yield the leaves that lead to the token by their dotted names, others whole."""
    if depth > MAX_DEPTH:
        raise Unreadable
    for key, inner in value.items():
        if "." in key:
            raise Unreadable
        if isinstance(inner, dict) and TOKEN in _written(inner):
            yield from _flat(inner, f"{above}{key}.", depth + 1)
        else:
            yield f"{above}{key}", inner


def _fields(flat: dict[str, Any], *, as_json: bool) -> Iterator[tuple[str, str]]:
    for name, value in flat.items():
        if value == TOKEN:
            continue
        text = _written(value)
        if TOKEN in text or TOKEN in name:
            raise Unreadable  # part of a longer text
        if as_json:
            yield name, text
        elif isinstance(value, dict | list):
            raise Unreadable
        else:
            yield name, value if isinstance(value, str) else text


def _written(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:  # it was read with less of the stack in use
        raise Unreadable from None


def _split_headers(
    headers: dict[str, Any],
) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """Return the header that takes the token, and the others that may be set."""
    token, others = None, []
    for name, value in headers.items():
        if not isinstance(value, str) or not is_settable(name):
            continue
        if value == TOKEN:
            token = name
        elif TOKEN in value:
            raise Unreadable
        elif value.isascii() and value.isprintable() and len(value) <= MAX_HEADER:
            others.append((name, value))
    return token, tuple(others)
