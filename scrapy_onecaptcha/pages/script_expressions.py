"""What an expression of a script stands for: a text, an object, the token.

Where a part of it cannot be known without running the script, all of it is unreadable:
a token that is sent with half of its fields would be lost.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from scrapy_onecaptcha.pages.controls import TOKEN_FIELDS
from scrapy_onecaptcha.pages.html import find
from scrapy_onecaptcha.pages.script_literals import STRING, TOKEN, Unreadable, unescape

if TYPE_CHECKING:
    from scrapy_onecaptcha.pages.html import Page
    from scrapy_onecaptcha.pages.script_reader import Function, Script

__all__ = ["LOOKUP", "Expressions", "Span", "Steps"]

Span = tuple[int, int]

# Of expressions in expressions, and of all that are read of one page.
MAX_DEPTH = 8
MAX_STEPS = 200
# What it costs to look an element up, which is a pass over the page.
LOOKUP = 5
MAX_NAME = 100

_DOTTED = re.compile(r"[\w$]+(?:\??\.[\w$]+)*")
_ENCODES = re.compile(r"(?:window\.)?(encodeURIComponent|encodeURI|escape|String)\s*\(")
_RESPONSE = re.compile(r"(?:window\.)?(?:hcaptcha|grecaptcha)\??\.getResponse\s*\(")
_PLACEHOLDER = re.compile(r"\$\{([^{}]{0,500})\}")
_KEY = re.compile(r"""\s*(?:([\w$]+)|"([^"\\\n]*)"|'([^'\\\n]*)')\s*(:|\Z)""")
_PROPERTY = re.compile(
    r"""\s*\??\.\s*(?:(value|content)|val\(\s*\)
    |(?:getAttribute|attr)\(\s*["']([\w-]+)["']\s*\))\s*\Z""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?|true|false|null")


class Steps:
    """Counts what is read of a page's scripts, so that there is an end of reading."""

    def __init__(self) -> None:
        self._left = MAX_STEPS

    def take(self, count: int = 1) -> None:
        """Count one expression, or what costs as much as *count* of them.

        Raises:
            Unreadable: there were too many.
        """
        self._left -= count
        if self._left < 0:
            raise Unreadable


class Expressions:
    """Reads the expressions of one function.

    Args:
        script: the page's scripts.
        page: where elements are looked up.
        function: the function.
        tokens: names that stand for the token in it.
        steps: those of the page.
    """

    def __init__(
        self,
        script: Script,
        page: Page,
        function: Function,
        tokens: frozenset[str],
        steps: Steps,
    ) -> None:
        self._script = script
        self._page = page
        self.function = function
        self._tokens = tokens
        self._steps = steps

    def text(self, span: Span, depth: int = 0) -> str:
        """Return the text at *span*, with `TOKEN` where the token stands.

        Raises:
            Unreadable: it is not known.
        """
        self.step(depth)
        parts = self._script.split(span, "+")
        if len(parts) > 1:
            return "".join(self.text(part, depth + 1) for part in parts)
        return self._operand(self.trimmed(span), depth + 1)

    def data(self, span: Span, depth: int = 0) -> Any:
        """Return the object, list, number or text at *span*.

        Raises:
            Unreadable: it is not known.
        """
        self.step(depth)
        span = self.trimmed(span)
        first = self._script.code[span[0] : span[0] + 1]
        if first == "{":
            parts = self._script.arguments(span[0])
            pairs = [p for p in parts if self._script.text(p)]
            return dict(self._pair(pair, depth + 1) for pair in pairs)
        if first == "[":
            parts = self._script.arguments(span[0])
            return [self.data(p, depth + 1) for p in parts if self._script.text(p)]
        written = self._script.text(span)
        if _NUMBER.fullmatch(written):
            return json.loads(written)
        assigned = self.assigned(span)
        if assigned and self._script.code[assigned[0]] in "{[":
            return self.data(assigned, depth + 1)
        return self.text(span, depth + 1)

    def assigned(self, span: Span) -> Span | None:
        """Return where the value stands that the name at *span* is set to."""
        name = self._script.text(span)
        if not re.fullmatch(r"[\w$]{1,100}", name):
            return None
        start, end = self.function.start, self.function.end
        pattern = re.compile(rf"(?<![\w$.]){re.escape(name)}\s*=(?![=>])\s*")
        found = pattern.search(self._script.bare, start, end)
        found = found or pattern.search(self._script.bare)
        if found is None:
            return None
        stop = self._script.statement_end(found.end())
        return self.trimmed((found.end(), stop)) if stop > found.end() else None

    def trimmed(self, span: Span) -> Span:
        """Return *span* without the space around it, and brackets around it all."""
        start, end = span
        code = self._script.code
        for _ in range(MAX_DEPTH):
            while start < end and code[start].isspace():
                start += 1
            while end > start and code[end - 1].isspace():
                end -= 1
            if code[start:end][:1] != "(" or self._script.end(start) != end:
                break
            start, end = start + 1, end - 1
        return start, end

    def step(self, depth: int = 0) -> None:
        """Count one expression.

        Raises:
            Unreadable: there are too many, or too deep.
        """
        self._steps.take()
        if depth > MAX_DEPTH:
            raise Unreadable

    def _operand(self, span: Span, depth: int) -> str:  # noqa: PLR0911  (one each)
        code, written = self._script.code, self._script.text(span)
        literal = STRING.fullmatch(code, *span)
        if literal:
            return unescape(literal).replace(TOKEN, "")
        if written[:1] == "`" and written[-1:] == "`":
            return self._template(written[1:-1], depth)
        encoding = _ENCODES.match(code, *span)
        if encoding:
            inner = self.text(self._script.arguments(encoding.end() - 1)[0], depth)
            return _encoded(inner) if encoding[1] != "String" else inner
        if _RESPONSE.match(written):
            return TOKEN
        if re.fullmatch(_NUMBER, written):
            return written
        if _DOTTED.fullmatch(written[: MAX_NAME + 1]):
            return self._named(written, span, depth)
        return self._of_element(span)

    def _template(self, text: str, depth: int) -> str:
        """Fill the placeholders of a template literal; names only, bare or encoded."""
        parts = _PLACEHOLDER.split(text)
        if len(parts) > MAX_STEPS or "${" in "".join(parts[::2]):
            raise Unreadable
        for number in range(1, len(parts), 2):
            inner = parts[number].strip()
            encoding = re.fullmatch(r"encodeURIComponent\(\s*([\w$.]+)\s*\)", inner)
            value = self._name(encoding[1] if encoding else inner, depth)
            parts[number] = _encoded(value) if encoding else value
        return "".join(parts)

    def _name(self, name: str, depth: int) -> str:
        """Return what a name within a template stands for."""
        if _RESPONSE.match(name):
            return TOKEN
        known = self._known(name)
        if known is not None:
            return known
        found = re.compile(rf"(?<![\w$.]){re.escape(name[:MAX_NAME])}(?![\w$])").search(
            self._script.bare
        )
        if found is None:
            raise Unreadable
        return self._named(name, found.span(), depth)

    def _named(self, name: str, span: Span, depth: int) -> str:
        known = self._known(name)
        if known is not None:
            return known
        assigned = self.assigned(span)
        if assigned is not None:
            return self.text(assigned, depth + 1)
        value = self._script.value(span)
        if value is not None:
            return value.replace(TOKEN, "")
        return self._of_element(span)

    def _known(self, name: str) -> str | None:
        """Return the token, or what the browser knows of the page."""
        if name in self._tokens:
            return TOKEN
        try:
            url = urlsplit(self._page.url)
        except ValueError:
            raise Unreadable from None
        bare = re.sub(r"^(?:(?:window|document|self|top)\.)+", "", name)
        return {
            "location": self._page.url,
            "location.href": self._page.url,
            "URL": self._page.url,
            "location.pathname": url.path or "/",
            "location.search": f"?{url.query}" if url.query else "",
            "location.origin": f"{url.scheme}://{url.netloc}",
            "location.host": url.netloc,
        }.get(bare)

    def _of_element(self, span: Span) -> str:
        """Return the value of the element that is named at *span*."""
        reference = next(self._script.references(span), None)
        written = self._script.text(span)
        end = _PROPERTY.search(written[-200:])
        if reference is None or end is None:
            raise Unreadable
        if any(field in reference.value for field in TOKEN_FIELDS):
            return TOKEN
        self._steps.take(LOOKUP)
        element = find(self._page, reference.kind, reference.value)
        value = None if element is None else element.get(end[1] or end[2] or "value")
        if value is None:
            raise Unreadable
        return str(value).replace(TOKEN, "")

    def _pair(self, span: Span, depth: int) -> tuple[str, Any]:
        """Read ``key: value``, or ``name`` for ``name: name``."""
        code = self._script.code[slice(*span)]
        found = _KEY.match(code)
        if found is None:
            raise Unreadable
        key = next(group for group in found.groups() if group is not None)
        if found[4] == ":":
            return key, self.data((span[0] + found.end(), span[1]), depth)
        if found[1] is None:
            raise Unreadable
        return key, self.data(span, depth)


def _encoded(text: str) -> str:
    return TOKEN.join(quote(part, safe="~()*!'") for part in text.split(TOKEN))
