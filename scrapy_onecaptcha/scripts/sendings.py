"""Requests that the runtime wrote down: which parts of them depend on the token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from scrapy_onecaptcha.models import PLAIN_TEXT, URLENCODED
from scrapy_onecaptcha.scripts.models import Sending

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["is_same", "make_sending"]

Request = dict[str, Any]
Pairs = list[list[str]]

# Takes the place of the token where two visits are compared.
PLACE = "{token}"
MAX_DEPTH = 20
# Characters of a header's value, a token included.
MAX_HEADER = 8_000


def is_same(one: Request, other: Request) -> bool:
    """Tell whether two requests, made with different tokens, depend on neither."""
    compared = ("kind", "method", "url", "headers", "body", "fields", "cookies")
    return all(one[name] == other[name] for name in compared)


def make_sending(one: Request, other: Request, token: str, other_token: str) -> Sending:
    """Return *one* as a request that carries the token.

    Args:
        one: the request as it was written down in the visit with *token*.
        other: the same request in the visit with *other_token*.
        token: what the first visit was given.
        other_token: what the second was given.
    """
    headers = list(_settable(one["headers"] or ()))
    other_headers = dict(map(tuple, other["headers"] or ()))
    enctype = _enctype(one)
    body_fields = _fields(one, enctype)
    named = dict(_named(one, enctype))
    other_named = dict(_named(other, _enctype(other)))
    return Sending(
        kind=one["kind"],
        method=one["method"],
        url=one["url"],
        enctype=enctype,
        content_type=_content_type(one),
        fields=None if body_fields is None else tuple(map(_pair, body_fields)),
        body=one["body"] if body_fields is None else None,
        headers=tuple(headers),
        cookies=tuple(one["cookies"]),
        token_fields=tuple(
            name.replace(token, PLACE)
            for name, value in named.items()
            if other_named.get(name.replace(token, other_token)) != value
            or token in name
        ),
        token_headers=tuple(
            name for name, value in headers if other_headers.get(name) != value
        ),
        token_cookies=tuple(
            _cookie_name(cookie)
            for cookie, other_cookie in zip(
                one["cookies"], other["cookies"], strict=False
            )
            if cookie != other_cookie
        ),
        shape=tuple(_shape(one, enctype, token)),
        charset=one["charset"],
    )


def _settable(headers: Iterable[list[str]]) -> Iterator[tuple[str, str]]:
    """Yield the headers that are sent as such; the type of the body is kept apart."""
    for name, value in headers:
        plain = value.isascii() and value.isprintable() and len(value) <= MAX_HEADER
        if plain and name != "content-type":
            yield name, value


def _cookie_name(cookie: str) -> str:
    return cookie.partition("=")[0].strip()


def _pair(pair: list[str]) -> tuple[str, str]:
    return pair[0], pair[1]


def _content_type(request: Request) -> str | None:
    if request["kind"] == "form":
        enctype = request["enctype"]
        return str(enctype) if enctype else None
    if request["body"] is None and request["fields"] is None:
        return None
    headers = dict(map(tuple, request["headers"] or ()))
    written = str(headers.get("content-type", ""))
    plain = written.isascii() and written.isprintable() and len(written) <= MAX_HEADER
    return written if plain else ""


def _enctype(request: Request) -> str | None:
    """Return the media type of the body, without parameters."""
    written = _content_type(request)
    if written is None:
        return None
    return written.partition(";")[0].strip().lower() or PLAIN_TEXT


def _fields(request: Request, enctype: str | None) -> Pairs | None:
    """Return the fields of the body, or of the query where there is none."""
    if request["kind"] == "form" and request["method"] == "GET":
        return request["fields"] or []
    if request["fields"] is not None:
        fields: Pairs = request["fields"]
        return fields
    if request["body"] is None:
        return [list(pair) for pair in _query(request["url"])]
    if enctype == URLENCODED:
        return [list(pair) for pair in parse_qsl(request["body"], True)]
    return None


def _query(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def _named(request: Request, enctype: str | None) -> Iterator[tuple[str, str]]:
    """Yield the names and values of fields, or of a JSON body by their dotted names."""
    fields = _fields(request, enctype)
    if fields is not None:
        yield from ((name, value) for name, value in fields)
        return
    try:
        yield from _leaves(json.loads(request["body"]))
    except (ValueError, RecursionError):
        yield "", request["body"]


def _leaves(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    if depth < MAX_DEPTH and isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else key, depth + 1)
    elif depth < MAX_DEPTH and isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{name}[{number}]", depth + 1)
    else:
        yield name, json.dumps(value)


def _shape(request: Request, enctype: str | None, token: str) -> Iterator[str]:
    """Yield what must be the same in another visit, whatever the values are."""
    parts = urlsplit(request["url"])
    path = parts.path.replace(quote(token, safe=""), PLACE).replace(token, PLACE)
    yield request["method"]
    yield f"{parts.scheme}://{parts.netloc}{path}"
    yield enctype or ""
    names = {name.replace(token, PLACE) for name, _ in _named(request, enctype)}
    if request["method"] != "GET":
        names |= {f"?{name}" for name, _ in _query(request["url"])}
    yield from sorted(names)
    yield from sorted(f"{name}:" for name, _ in _settable(request["headers"] or ()))
