"""The request that carries the token: what a browser or an API's client would send."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, unquote_plus, urlsplit, urlunsplit

from scrapy import Request
from scrapy.http.request import NO_CALLBACK

from scrapy_onecaptcha._values import is_settable
from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.cookie_headers import pair_of
from scrapy_onecaptcha.crawl.requests import ONCE
from scrapy_onecaptcha.crawl.session_key import GOTO, is_in_browser
from scrapy_onecaptcha.models import JSON, MULTIPART, PLAIN_TEXT, URLENCODED
from scrapy_onecaptcha.pages.encodings import keeps_ascii
from scrapy_onecaptcha.pages.json_values import parse_json, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scrapy.http import Headers, Response

    from scrapy_onecaptcha.models import Challenge, Form, Solution
    from scrapy_onecaptcha.scripts.models import Sending

    Submitter = Callable[[Request, Response, Challenge, Solution], Request]
    Encoded = Iterable[tuple[bytes, bytes]]

__all__ = ["send_as_page", "submit", "submit_by"]


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
    headers = _headers(request, response, form)
    url, body = form.url, b""
    if form.kind == "repeat":
        url, body = _repeated(request, form, solution.token)
        headers = request.headers.copy()
        headers.pop("Content-Length", None)
        for name, value in form.headers:  # what goes back with the token
            headers[name] = value
        if body and not request.body:
            headers["Content-Type"] = form.enctype
    elif form.method == "GET":
        pairs = tuple(_encode(form, _fields(form, solution)))
        url = urlunsplit(urlsplit(url)._replace(query=_urlencoded(pairs).decode()))
    elif form.enctype == JSON:
        headers["Content-Type"], body = JSON, _json({}, form, solution.token)
    else:
        pairs = tuple(_encode(form, _fields(form, solution)))
        headers["Content-Type"], body = _body(form.enctype, pairs)
    if form.header:
        headers[form.header] = solution.token
    return _submission(request, solution, url, form.method, headers, body)


def send_as_page(
    request: Request,
    response: Response,
    sending: Sending,
    form: Form,
    solution: Solution,
) -> Request:
    """Return the request that the page's scripts have made with the real token.

    Args:
        request: brought the gate; its proxy, cookiejar and headers are kept.
        response: the gate.
        sending: what its scripts send.
        form: as it was planned.
        solution: the token.
    """
    headers = _headers(request, response, form)
    for name, value in sending.headers:
        if is_settable(name):
            headers[name] = value
    url, body = sending.url, (sending.body or "").encode()
    kind = sending.content_type
    fields = list(sending.fields or ())
    # A script sends just what it was written to send.
    if sending.kind == "form" and solution.resp_key:
        fields = [pair for pair in fields if pair[0] != form.resp_key_field]
        fields.append((form.resp_key_field, solution.resp_key))
    pairs = tuple(_encode(form, fields))
    if sending.method == "GET":
        if sending.kind == "form":
            query = _urlencoded(pairs).decode()
            url = urlunsplit(urlsplit(url)._replace(query=query))
    elif sending.fields is not None and sending.enctype is not None:
        written, body = _body(sending.enctype, pairs)
        kind = written if sending.enctype == MULTIPART else kind
    if kind:
        headers["Content-Type"] = kind
    sent = _submission(request, solution, url, sending.method, headers, body)
    return sent.replace(
        cookies=[
            {"name": name, "value": value}
            for name, value in map(pair_of, sending.cookies)
            if solution.token in value
        ]
    )


def _submission(
    request: Request,
    solution: Solution,
    url: str,
    method: str,
    headers: Headers,
    body: bytes,
) -> Request:
    """Return what takes the token to the site, made from the gate's *request*."""
    meta = request_meta.mark(request, "submission", solution.user_agent) | ONCE
    referer = headers.get("Referer")
    if is_in_browser(request) and referer:  # its browser takes it from nowhere else
        told = meta.get(GOTO) or {}
        meta[GOTO] = {**told, "referer": referer.decode("latin-1")}
    return Request(
        url,
        method=method,
        headers=headers,
        body=body,
        meta=meta,
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
            f"The submitter {submitter!r} returned a {type(made).__name__} for "
            f"{response.url}: "
            "it must return a scrapy.Request"
        )
    kept = request_meta.mark(request, "submission", solution.user_agent)
    # One that was made of the gate's request has the state of that one.
    meta = kept | made.meta | {request_meta.KEY: kept[request_meta.KEY]} | ONCE
    headers = made.headers.copy()
    # HttpProxyMiddleware has moved the credentials out of meta.
    credentials = request.headers.get("Proxy-Authorization")
    if credentials is not None and meta.get("proxy") == request.meta.get("proxy"):
        headers.setdefault("Proxy-Authorization", credentials)
    return made.replace(meta=meta, headers=headers, callback=NO_CALLBACK)


def _headers(request: Request, response: Response, form: Form) -> Headers:
    """Return the headers of the gate's request, with a browser's Referer and Origin."""
    headers = request.headers.copy()
    for name in ("Content-Type", "Content-Length", "Origin"):
        headers.pop(name, None)
    page = urlsplit(response.url)
    netloc = page.netloc.rpartition("@")[2]
    if urlsplit(form.url).netloc.rpartition("@")[2] != netloc:
        for name in ("Authorization", "Cookie"):
            headers.pop(name, None)  # they are that host's
    headers["Referer"] = urlunsplit(page._replace(netloc=netloc, fragment=""))
    if form.method != "GET":
        headers["Origin"] = f"{page.scheme}://{netloc}"
    for name, value in form.headers:
        headers[name] = value
    return headers


def _fields(form: Form, solution: Solution) -> Iterable[tuple[str, str]]:
    yield from form.fields
    for name in form.token_fields:
        yield name, solution.token
    # A script sends just what it was written to send.
    if solution.resp_key and form.kind == "form":
        yield form.resp_key_field, solution.resp_key


def _encode(form: Form, fields: Iterable[tuple[str, str]]) -> Encoded:
    """Encode names and values as browsers do (HTML, "form submission").

    What the page's encoding lacks is sent as a character reference, and every line
    break as CR LF.
    """
    encoding = form.encoding if keeps_ascii(form.encoding) else "utf-8"
    for name, value in fields:
        yield (
            _crlf(name).encode(encoding, "xmlcharrefreplace"),
            _crlf(value).encode(encoding, "xmlcharrefreplace"),
        )


def _crlf(text: str) -> str:
    return re.sub(r"\r\n?|\n", "\r\n", text)


def _body(enctype: str, pairs: Encoded) -> tuple[str, bytes]:
    if enctype == MULTIPART:
        return _multipart(pairs)
    if enctype == PLAIN_TEXT:
        return enctype, b"".join(b"%s=%s\r\n" % pair for pair in pairs)
    return URLENCODED, _urlencoded(pairs)


def _json(onto: dict[str, Any], form: Form, token: str) -> bytes:
    """Return *onto* as JSON, the fields and the token added; ASCII, so never broken."""
    for name, value in form.fields:
        put(onto, name, parse_json(value))
    for name in form.token_fields:
        put(onto, name, token)
    return json.dumps(onto).encode()


def _repeated(request: Request, form: Form, token: str) -> tuple[str, bytes]:
    """Return URL and body of *request*, the fields and *token* of *form* added.

    Fields of the same names make room; all others stay as they are, to the byte where
    the body is no JSON.
    """
    if not (form.token_fields or form.fields):
        return request.url, request.body
    if form.method != "GET" and form.enctype == JSON:
        held = parse_json(request.body) if request.body else {}
        return request.url, _json(held, form, token)
    pairs = [*form.fields, *((name, token) for name in form.token_fields)]
    if form.method != "GET":
        return request.url, _with_pairs(request.body.decode("latin-1"), pairs).encode(
            "latin-1"
        )
    parts = urlsplit(request.url)
    return urlunsplit(parts._replace(query=_with_pairs(parts.query, pairs))), b""


def _with_pairs(query: str, pairs: list[tuple[str, str]]) -> str:
    names = {name for name, _ in pairs}
    kept = [
        part
        for part in query.split("&")
        if part and unquote_plus(part.partition("=")[0]) not in names
    ]
    return "&".join([*kept, *(f"{quote_plus(n)}={quote_plus(v)}" for n, v in pairs)])


def _urlencoded(pairs: Encoded) -> bytes:
    return "&".join(f"{quote_plus(n)}={quote_plus(v)}" for n, v in pairs).encode()


def _multipart(pairs: Encoded) -> tuple[str, bytes]:
    """Encode *pairs* after RFC 7578, names escaped as browsers do."""
    parts = tuple(
        b'Content-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (_quoted(name), value)
        for name, value in pairs
    )
    # A digest of the parts cannot be in them, and needs no randomness.
    boundary = "----FormBoundary" + hashlib.sha256(b"".join(parts)).hexdigest()[:24]
    mark = b"--" + boundary.encode()
    body = b"".join(mark + b"\r\n" + part for part in parts) + mark + b"--\r\n"
    return f"{MULTIPART}; boundary={boundary}", body


def _quoted(name: bytes) -> bytes:
    name = name.replace(b'"', b"%22")
    return name.replace(b"\r", b"%0D").replace(b"\n", b"%0A")
