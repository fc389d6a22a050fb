"""The request that carries the token: what a browser would send on submit."""

from __future__ import annotations

import codecs
import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlsplit, urlunsplit

from scrapy import Request
from scrapy.http.request import NO_CALLBACK

from scrapy_onecaptcha import state
from scrapy_onecaptcha.reissue import ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scrapy.http import Response

    from scrapy_onecaptcha.challenge import Challenge, Form, Solution

    Submitter = Callable[[Request, Response, Challenge, Solution], Request]
    Encoded = Iterable[tuple[bytes, bytes]]

__all__ = ["submit", "submit_by"]


def submit(
    request: Request, response: Response, form: Form, solution: Solution
) -> Request:
    """Return the request that submits *form* with *solution*.

    Args:
        request: brought the gate; its proxy, cookiejar and headers are kept.
        response: the gate.
        form: how the gate takes its token.
        solution: the token, and what goes along with it.
    """
    pairs = tuple(_encode(form, _fields(form, solution)))
    headers = request.headers.copy()
    for name in ("Content-Type", "Content-Length", "Origin"):
        headers.pop(name, None)
    page = urlsplit(response.url)
    netloc = page.netloc.rpartition("@")[2]
    headers["Referer"] = urlunsplit(page._replace(netloc=netloc, fragment=""))
    url, body = form.url, b""
    if form.method == "GET":
        url = urlunsplit(urlsplit(url)._replace(query=_urlencoded(pairs).decode()))
    else:
        headers["Origin"] = f"{page.scheme}://{netloc}"
        headers["Content-Type"], body = _body(form.enctype, pairs)
    return Request(
        url,
        method=form.method,
        headers=headers,
        body=body,
        meta=state.mark(request, "submission", solution.user_agent) | ONCE,
        priority=request.priority,
        dont_filter=True,
        callback=NO_CALLBACK,
    )


def submit_by(
    submitter: Submitter,
    request: Request,
    response: Response,
    challenge: Challenge,
    solution: Solution,
) -> Request:
    """Return the request that the user's *submitter* makes, safe to be sent.

    Raises:
        TypeError: the submitter returned no Request.
    """
    made = submitter(request, response, challenge, solution)
    if not isinstance(made, Request):
        raise TypeError(
            f"The submitter {submitter!r} returned {made!r} for {response.url}: "
            "it must return a scrapy.Request"
        )
    kept = state.mark(request, "submission", solution.user_agent)
    return made.replace(meta=kept | made.meta | ONCE, callback=NO_CALLBACK)


def _fields(form: Form, solution: Solution) -> Iterable[tuple[str, str]]:
    yield from form.fields
    for name in form.token_fields:
        yield name, solution.token
    if solution.resp_key:
        yield form.resp_key_field, solution.resp_key


def _encode(form: Form, fields: Iterable[tuple[str, str]]) -> Encoded:
    """Encode names and values as browsers do (HTML, "form submission").

    What the page's encoding lacks is sent as a character reference, and every line
    break as CR LF.
    """
    encoding = _codec(form.encoding)
    for name, value in fields:
        yield (
            _crlf(name).encode(encoding, "xmlcharrefreplace"),
            _crlf(value).encode(encoding, "xmlcharrefreplace"),
        )


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        return "utf-8"
    return "utf-8" if name.startswith("utf-") else name


def _crlf(text: str) -> str:
    return re.sub(r"\r\n?|\n", "\r\n", text)


def _body(enctype: str, pairs: Encoded) -> tuple[str, bytes]:
    if enctype == "multipart/form-data":
        return _multipart(pairs)
    if enctype == "text/plain":
        return enctype, b"".join(b"%s=%s\r\n" % pair for pair in pairs)
    return "application/x-www-form-urlencoded", _urlencoded(pairs)


def _urlencoded(pairs: Encoded) -> bytes:
    return "&".join(f"{quote_plus(n)}={quote_plus(v)}" for n, v in pairs).encode()


def _multipart(pairs: Encoded) -> tuple[str, bytes]:
    """Encode *pairs* after RFC 7578, names escaped as browsers do."""
    parts = tuple(
        b'Content-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (_quoted(name), value)
        for name, value in pairs
    )
    # A digest of the parts cannot stand in them, and needs no randomness.
    boundary = "----FormBoundary" + hashlib.sha256(b"".join(parts)).hexdigest()[:24]
    mark = b"--" + boundary.encode()
    body = b"".join(mark + b"\r\n" + part for part in parts) + mark + b"--\r\n"
    return f"multipart/form-data; boundary={boundary}", body


def _quoted(name: bytes) -> bytes:
    name = name.replace(b'"', b"%22")
    return name.replace(b"\r", b"%0D").replace(b"\n", b"%0A")
