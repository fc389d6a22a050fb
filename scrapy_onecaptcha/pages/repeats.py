"""A request repeated with the token in it: how APIs, and some pages, take theirs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from scrapy_onecaptcha._values import HEADER, is_settable
from scrapy_onecaptcha.models import Form
from scrapy_onecaptcha.pages.json_values import MAX_JSON, leaves, parse_json, put

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

__all__ = ["repeat"]

_URLENCODED = "application/x-www-form-urlencoded"
_JSON = "application/json"
# A field that the request has already, empty or with a token that was refused.
_TAKES_TOKEN = re.compile(
    r"(?:h-?|g-re|re)?captcha(?:[-_]?(?:key|token|response|solution|answer|value))?",
    re.IGNORECASE,
)


def repeat(
    response: Response, field: str | None, along: tuple[tuple[str, str], ...] = ()
) -> Form | None:
    """Plan the request of *response* once more, with the token.

    Args:
        response: demands the token.
        field: where it goes; ``None``: where the request has a place for it.
        along: goes with it, where it goes into a body.

    Returns:
        The plan, or ``None`` where no place is known, or none fits the body.
    """
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
    if enctype == _JSON and not _fits(request, field):
        return None
    pairs = tuple((n, json.dumps(v) if enctype == _JSON else v) for n, v in along)
    return Form(
        kind="repeat",
        url=url,
        method=method,
        enctype=enctype,
        fields=pairs,
        token_fields=(field,),
    )


def _enctype(request: Request | None, method: str) -> str | None:
    """Return what the token can be added to; a query is urlencoded."""
    if request is None or method == "GET":
        return _URLENCODED
    if len(request.body) > MAX_JSON:
        return None
    kind = (request.headers.get("Content-Type") or b"").lower()
    if not request.body:
        return _URLENCODED if kind.startswith(_URLENCODED.encode()) else _JSON
    if isinstance(parse_json(request.body), dict):
        return _JSON
    return _URLENCODED if kind.startswith(_URLENCODED.encode()) else None


def _own_field(request: Request, enctype: str | None) -> str | None:
    """Return the field of *request* that a token would go into."""
    if enctype == _JSON:
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
