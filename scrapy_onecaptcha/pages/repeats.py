"""A request repeated with the token in it: how APIs, and some pages, take theirs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from scrapy_onecaptcha._values import HEADER, is_settable
from scrapy_onecaptcha.models import JSON, URLENCODED, Form
from scrapy_onecaptcha.pages.encodings import media_type
from scrapy_onecaptcha.pages.json_values import MAX_JSON, leaves, parse_json, put

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

__all__ = ["repeat"]

# Names of a field that takes the token, if the request has it already.
_TAKES_TOKEN = re.compile(
    r"(?:h-?|g-re|re)?captcha(?:[-_]?(?:key|token|response|solution|answer|value))?",
    re.IGNORECASE,
)


def repeat(
    response: Response,
    fields: tuple[str, ...],
    along: tuple[tuple[str, str], ...] = (),
) -> Form | None:
    """Plan the request of *response* once more, with the token.

    Args:
        response: demands the token.
        fields: where the token goes, and then what goes along; empty: where the request
            has a place for it.
        along: values of the reply that go back with the token, by name.

    Returns:
        The plan, or ``None`` where no place is known, or none fits the body.
    """
    form = _repeat(response, next(iter(fields), None))
    if form is None:
        return None
    for name, value in along:
        form = _with(form, response.request, _place_of(name, form, fields[1:]), value)
    return form


def _place_of(name: str, form: Form, named: tuple[str, ...]) -> str:
    """Return where the value called *name* goes: the user's word, or beside the token.

    With a token in the header ``X-Captcha-Key`` it goes into ``X-Captcha-Rqtoken``.
    """
    ours = _letters(name)
    for place in named:
        theirs = _letters(place.removeprefix(HEADER))
        if theirs.endswith(ours) or ours.endswith(theirs) or _ends_alike(ours, theirs):
            return place
    if named:
        return named[0]
    if form.header is None:
        return name
    stem = form.header.rpartition("-")[0]
    return f"{HEADER}{stem}-{ours.removeprefix('captcha')}" if stem else name


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _ends_alike(one: str, other: str) -> bool:
    return one.endswith("rqtoken") and other.endswith("rqtoken")


def _with(form: Form, request: Request | None, place: str, value: str) -> Form:
    """Add *value* to what is sent, in a header or in the body."""
    if place.startswith(HEADER):
        name = place.removeprefix(HEADER)
        safe = is_settable(name) and value.isascii() and value.isprintable()
        return replace(form, headers=(*form.headers, (name, value))) if safe else form
    if not form.token_fields and (request is None or request.method == "GET"):
        return form  # the token is in a header, and there is no body
    enctype = form.enctype
    if not form.token_fields:
        enctype = _enctype(request, form.method) or enctype
    written = json.dumps(value) if enctype == JSON else value
    return replace(form, enctype=enctype, fields=(*form.fields, (place, written)))


def _repeat(response: Response, field: str | None) -> Form | None:
    """Plan the request of *response* once more, with the token in *field*."""
    request = response.request
    method = request.method if request is not None else "GET"
    url = request.url if request is not None else response.url
    if field is not None and field.startswith(HEADER):
        name = field.removeprefix(HEADER)
        if not is_settable(name):
            return None
        return Form(kind="repeat", url=url, method=method, token_fields=(), header=name)
    enctype = _enctype(request, method)
    field = field or (_own_field(request, enctype) if request is not None else None)
    if enctype is None or field is None:
        return None
    if enctype == JSON and not _fits(request, field):
        return None
    return Form(
        kind="repeat",
        url=url,
        method=method,
        enctype=enctype,
        token_fields=(field,),
    )


def _enctype(request: Request | None, method: str) -> str | None:
    """Return what the token can be added to; a query is urlencoded."""
    if request is None or method == "GET":
        return URLENCODED
    if len(request.body) > MAX_JSON:
        return None
    kind = media_type(request)
    if not request.body:
        return URLENCODED if kind.startswith(URLENCODED.encode()) else JSON
    if isinstance(parse_json(request.body), dict):
        return JSON
    return URLENCODED if kind.startswith(URLENCODED.encode()) else None


def _own_field(request: Request, enctype: str | None) -> str | None:
    """Return the field of *request* that a token would go into."""
    if enctype == JSON:
        body = parse_json(request.body) if request.body else None
        names = [
            ".".join(path)
            for path, value in leaves(body)
            if path and all(path) and (value is None or isinstance(value, str))
        ]
    else:
        text = (
            urlsplit(request.url).query
            if request.method == "GET"
            else request.body.decode("latin-1")
        )
        names = [name for name, _ in parse_qsl(text, keep_blank_values=True)]
    return next((n for n in names if _TAKES_TOKEN.fullmatch(n.split(".")[-1])), None)


def _fits(request: Request | None, field: str) -> bool:
    """Tell whether *field* can be set in the request's JSON."""
    held = parse_json(request.body) if request is not None and request.body else {}
    return isinstance(held, dict) and put(held, field, "")
