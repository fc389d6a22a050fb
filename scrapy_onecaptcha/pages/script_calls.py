"""Calls by which a script sends the token itself: XHR, fetch, jQuery, axios, beacons.

Only what is literal is read; what a call's answer is good for is seen in a replay.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.pages.controls import TOKEN_FIELDS
from scrapy_onecaptcha.pages.forms import read_form
from scrapy_onecaptcha.pages.html import find, join
from scrapy_onecaptcha.pages.script_callbacks import token_names
from scrapy_onecaptcha.pages.script_expressions import LOOKUP, Expressions, Steps
from scrapy_onecaptcha.pages.script_literals import TOKEN, Unreadable
from scrapy_onecaptcha.pages.script_requests import (
    JSON,
    MULTIPART,
    URLENCODED,
    Body,
    body_of,
    made_form,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_onecaptcha.models import Form
    from scrapy_onecaptcha.pages.html import Page
    from scrapy_onecaptcha.pages.script_expressions import Span
    from scrapy_onecaptcha.pages.script_reader import Function, Script

__all__ = ["read_calls"]

# Calls of one function that are looked at.
MAX_CALLS = 8

_CALL = re.compile(
    r"""(?<![\w$])(?:(?P<fetch>fetch)
      | (?:\$|jQuery)\.(?P<jquery>post|get|getJSON|ajax)
      | (?:axios|\$http|\$axios)(?:\.(?P<axios>post|put|patch|get|request))?
      | navigator\.(?P<beacon>sendBeacon)
      | (?P<xhr>[\w$]{1,100})\.open
      | location\.(?P<go>assign|replace))\s*\(
      | (?<![\w$])location(?:\.href)?\s*(?P<led>=)(?![=>])""",
    re.VERBOSE,
)
_BODY = re.compile(
    r"(?:(?P<json>JSON\.stringify)|(?:new\s+)?(?P<query>URLSearchParams)"
    r"|(?:new\s+)?(?P<data>FormData)|(?:\$|jQuery)\.(?P<param>param)"
    r"|(?:qs|Qs)\.(?P<qs>stringify))\s*\("
)
_WIDGET = ".//*[@data-sitekey or contains(@class, 'h-captcha')] | .//h-captcha"


def read_calls(
    script: Script, page: Page, function: Function, steps: Steps
) -> Iterator[Form]:
    """Yield the calls of *function* that send the token, as far as they are literal.

    One that leads the browser elsewhere is a form sent by GET: its answer is a page.

    Args:
        script: the page's scripts.
        page: where elements are looked up.
        function: the function.
        steps: those of the page, which functions share.
    """
    reader = _Reader(script, page, function, steps)
    found = _CALL.finditer(script.bare, function.start, function.end)
    for call in islice(found, MAX_CALLS):
        try:
            yield reader.form(call)
        except Unreadable:
            continue


class _Reader:
    """Reads the calls of one function."""

    def __init__(
        self, script: Script, page: Page, function: Function, steps: Steps
    ) -> None:
        self._script = script
        self._page = page
        self._function = function
        self._steps = steps
        self._read = Expressions(script, page, function, token_names(function), steps)

    def form(self, call: re.Match[str]) -> Form:  # noqa: PLR0911  (one each)
        """Return what *call* sends.

        Raises:
            Unreadable: it is not known in full, or holds no token.
        """
        if call["led"]:
            stop = self._script.statement_end(call.end())
            return self._made("GET", (call.end(), stop), None, kind="form")
        arguments = self._script.arguments(call.end() - 1)
        if call["xhr"]:
            return self._xhr(call, arguments)
        if call["jquery"]:
            return self._jquery(call["jquery"], arguments)
        if call["go"]:
            return self._made("GET", arguments[0], None, kind="form")
        if call["beacon"]:
            return self._made("POST", arguments[0], self._body(_nth(arguments, 1)))
        if call["fetch"]:
            return self._fetch(arguments)
        return self._axios(call["axios"], arguments)

    def _xhr(self, call: re.Match[str], arguments: list[Span]) -> Form:
        if len(arguments) < 2:  # noqa: PLR2004
            raise Unreadable
        body, headers = None, {}
        name = re.escape(call["xhr"])
        later = re.compile(
            rf"(?<![\w$.]){name}\.(send|setRequestHeader|open)\s*\("
        ).finditer(self._script.bare, call.end(), self._function.end)
        for found in islice(later, 2 * MAX_CALLS):
            spans = self._script.arguments(found.end() - 1)
            if found[1] == "setRequestHeader" and len(spans) > 1:
                headers[self._read.text(spans[0])] = self._read.text(spans[1])
            elif found[1] == "send":
                body = self._body(spans[0]) if self._script.text(spans[0]) else None
                break
            else:
                break
        return self._made(self._read.text(arguments[0]), arguments[1], body, headers)

    def _fetch(self, arguments: list[Span]) -> Form:
        options = _nth(arguments, 1)
        method = self._option(options, "method")
        body = self._option(options, "body")
        return self._made(
            self._read.text(method) if method else "GET",
            arguments[0],
            self._body(body) if body else None,
            self._headers(options),
        )

    def _jquery(self, method: str, arguments: list[Span]) -> Form:
        own = {"X-Requested-With": "XMLHttpRequest"}
        if method != "ajax":
            data = _nth(arguments, 1)
            verb = "POST" if method == "post" else "GET"
            body = self._body(data) if self._script.text(data) else None
            return self._made(verb, arguments[0], body, own)
        options = arguments[-1]
        url = self._option(options, "url") if len(arguments) == 1 else arguments[0]
        verb_at = self._option(options, "method") or self._option(options, "type")
        data_at = self._option(options, "data")
        return self._made(
            self._read.text(verb_at) if verb_at else "GET",
            url,
            self._body(data_at) if data_at else None,
            own | self._headers(options),
        )

    def _axios(self, method: str | None, arguments: list[Span]) -> Form:
        if method in (None, "request"):
            options, url = arguments[0], self._option(arguments[0], "url")
            verb_at = self._option(options, "method")
            verb = self._read.text(verb_at) if verb_at else "GET"
            body_at = self._option(options, "data")
        else:
            verb, url = str(method).upper(), arguments[0]
            body_at = None if verb == "GET" else _nth(arguments, 1)
            options = _nth(arguments, 1 if verb == "GET" else 2)
        body_at = body_at or self._option(options, "params")
        body = self._body(body_at) if body_at else None
        if body and body.enctype is None and verb != "GET":
            body = Body(body.value, JSON)
        return self._made(verb, url, body, self._headers(options))

    def _option(self, span: Span, key: str) -> Span | None:
        return self._script.option(span, key) if self._script.text(span) else None

    def _headers(self, options: Span) -> dict[str, Any]:
        span = self._option(options, "headers")
        headers = self._read.data(span) if span else {}
        if not isinstance(headers, dict):
            raise Unreadable
        return headers

    def _body(self, span: Span) -> Body:
        """Read what a call sends at *span*."""
        self._read.step()
        span = self._read.trimmed(span)
        written = self._script.text(span)
        made = _BODY.match(self._script.code, *span)
        if made:
            inside = self._script.arguments(made.end() - 1)[0]
            return self._encoded(made, inside)
        if written[:1] == "{":
            return Body(self._read.data(span), None)
        if written.endswith(".toString()"):
            return self._body((span[0], span[1] - len(".toString()")))
        assigned = self._read.assigned(span)
        if assigned and assigned != span:
            body = self._body(assigned)
            if isinstance(body.value, dict):
                body.value.update(self._added(written))
            return body
        return body_of(self._read.text(span))

    def _encoded(self, made: re.Match[str], inside: Span) -> Body:
        written = self._script.text(inside)
        if made["json"]:
            return Body(self._read.data(inside), JSON)
        enctype = MULTIPART if made["data"] else URLENCODED
        if not written:
            return Body({}, enctype)
        if made["data"]:
            return Body(self._form_data(inside), enctype)
        if written[:1] in "{[" or self._read.assigned(inside):
            value = self._read.data(inside)
            return Body(dict(value) if _is_pairs(value) else value, enctype)
        return Body(body_of(self._read.text(inside)).value, enctype)

    def _form_data(self, span: Span) -> dict[str, str]:
        """Read the fields of a form, in which the widget must stand."""
        reference = next(self._script.references(span), None)
        if reference is None:
            raise Unreadable
        self._steps.take(LOOKUP)
        form = find(self._page, reference.kind, reference.value)
        if form is None or form.tag != "form" or not form.xpath(_WIDGET):
            raise Unreadable
        read = read_form(form, self._page, by_script=True, url=self._page.url)
        if read is None:
            raise Unreadable
        return dict(read.fields) | dict.fromkeys(TOKEN_FIELDS, TOKEN)

    def _added(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield what is put into the object *name* after it was made."""
        pattern = re.compile(rf"(?<![\w$.]){re.escape(name)}\.(?:append|set)\s*\(")
        adds = pattern.finditer(
            self._script.bare, self._function.start, self._function.end
        )
        for found in islice(adds, 4 * MAX_CALLS):
            spans = self._script.arguments(found.end() - 1)
            yield self._read.text(spans[0]), self._read.text(_nth(spans, 1))

    def _made(
        self,
        method: str,
        url: Span | None,
        body: Body | None,
        headers: dict[str, Any] | None = None,
        kind: Any = "call",
    ) -> Form:
        written = self._read.text(url) if url else ""
        joined = join(self._page.base, written) or ""
        return made_form(kind, method, joined, body, headers or {})


def _nth(spans: list[Span], number: int) -> Span:
    return spans[number] if number < len(spans) else (0, 0)


def _is_pairs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)  # noqa: PLR2004
        for pair in value
    )
