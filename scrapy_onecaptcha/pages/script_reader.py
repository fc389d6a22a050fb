"""Inline JavaScript: the few things that a page's scripts say of its hCaptcha.

This is reading, not running: calls with literal arguments, variables that are set
to a literal, the body of a callback. Every pattern is linear in the text, and what
is read of a call or a function is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from scrapy_onecaptcha.pages.script_literals import (
    STRING,
    unescape,
    without_comments,
    without_strings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Function", "Reference", "Script"]

# Of all inline scripts of a page together, in characters.
MAX_SCRIPT = 512 * 1024
# Of one call or function.
MAX_SPAN = 32 * 1024
MAX_CALLS = 16
# Of a name. Names are put into patterns.
MAX_NAME = 100
# Of references in one function.
MAX_REFERENCES = 8

_BRACKET = re.compile(r"[()\[\]{},]")
# A line goes on where the next begins with an operator, or this one ends with one.
_STATEMENT = re.compile(r"[()\[\]{};,]|(?<![+=?:&|(])\n(?!\s{0,99}[+.?:&|])")
_NAME = re.compile(r"\s*(?:[\w$]+\s*(?:\?\.|\.)\s*)*([\w$]+)\s*\Z")
_REFERENCE = r"""
    (?: getElementById\(\s*["'](?P<id>[^"']*)["']\s*\)
      | getElementsByName\(\s*["'](?P<field>[^"']*)["']\s*\)
      | (?:querySelector(?:All)?|(?<![\w$])\$|jQuery)
        \(\s*(?P<q>["'])(?P<css>(?:\\.|(?!(?P=q))[^\\\n])*)(?P=q)\s*\)
      | document\.forms(?:\[\s*(?P<index>\d+)\s*\]|\[\s*["'](?P<form>[^"']*)["']\s*\]
                         |\.(?P<member>[\w$]+))
      | (?<![\w$])(?P<name>[\w$]+) )
    (?:\[\s*0\s*\]|\.get\(0\)|\.item\(0\))?
"""
_REFERENCES = re.compile(rf"(?:document\.(?=get|query))?{_REFERENCE}", re.VERBOSE)
_SUBMIT = re.compile(
    _REFERENCE
    + r"""\s*\??\.\s*(?:(?:requestS|s)ubmit\s*\(
    |trigger\(\s*["'](?:submit|click)|click\s*\(\s*\))""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Reference:
    """An element as a script names it.

    Attributes:
        kind: ``id``, ``css``, ``field`` (a control's name), ``form`` (a form's name),
            ``index`` (of a form) or ``name`` (a form's or control's name or id).
        value: the name, selector or number.
    """

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function's parameters and where its body stands in the script."""

    parameters: tuple[str, ...]
    start: int
    end: int


class Script:
    """The inline scripts of a page, as one text.

    Attributes:
        code: the text, comments blanked out.
        bare: the same, the contents of strings blanked out too. Both have the same
            length, so that what is found in one can be read in the other.
    """

    __slots__ = ("_closed", "bare", "code")

    def __init__(self, texts: Iterable[str]) -> None:
        whole = "\n;\n".join(texts)[:MAX_SCRIPT]
        self.code = without_comments(whole)
        self.bare = without_strings(whole)
        self._closed = _closed(self.bare)

    def calls(
        self, *methods: str, of: str = "hcaptcha"
    ) -> Iterator[tuple[str, list[tuple[int, int]]]]:
        """Yield each call of a method and where its arguments stand."""
        pattern = rf"(?<![\w$]){of}\s*\??\.\s*({'|'.join(methods)})\s*\("
        for count, call in enumerate(re.finditer(pattern, self.bare)):
            if count == MAX_CALLS:
                return
            yield call[1], self.arguments(call.end() - 1)

    def option(self, span: tuple[int, int], key: str) -> tuple[int, int] | None:
        """Return where the value of *key* stands in the object literal at *span*.

        A name stands for the object literal that is assigned to it.
        """
        if name := self.name(span):
            assigned = re.search(
                rf"(?<![\w$.]){re.escape(name)}\s*=\s*(?=\{{)", self.bare
            )
            if assigned is None:
                return None
            span = (assigned.end(), self.end(assigned.end()))
        pattern = re.compile(rf"""(?<![\w$.-])(["']?){re.escape(key)}\1\s*([:,}}])""")
        for found in pattern.finditer(self.code, *span):
            if self.bare[found.start()] != self.code[found.start()]:
                continue  # inside a string
            if found[2] == ":":
                return found.end(), self._value_end(found.end(), span[1])
            if not found[1]:
                return (
                    found.start(),
                    found.end() - 1,
                )  # {sitekey}, for {sitekey: sitekey}
        return None

    def text(self, span: tuple[int, int]) -> str:
        """Return what stands at *span*."""
        return self.code[slice(*span)].strip()

    def value(self, span: tuple[int, int] | None) -> str | None:
        """Return the string that the expression at *span* stands for, if it is plain.

        That is a literal, or a name that some script sets to one (as a variable or as
        a member of an object).
        """
        if span is None:
            return None
        literal = STRING.match(self.code, *span)
        if literal:
            return unescape(literal)
        name = self.name(span)
        if not name:
            return None
        setting = re.compile(
            rf"""(?<![\w$-])(["']?){re.escape(name)}\1\s*(?::|=(?!=))(?=\s*["'`])"""
        )
        for found in setting.finditer(self.code):
            literal = STRING.match(self.code, found.end())
            if literal and self.bare[found.start()] == self.code[found.start()]:
                return unescape(literal)
        return None

    def function(self, name: str) -> Function | None:
        """Find the function that is declared as, or assigned to, *name*."""
        if not re.fullmatch(r"[\w$.]+", name[: MAX_NAME + 1]) or len(name) > MAX_NAME:
            return None
        last = re.escape(name.rsplit(".", 1)[-1])
        pattern = re.compile(
            rf"""(?<![\w$])function\s+{last}\s*(?=\()|(?<![\w$]){last}["']?\]?\s*"""
            r"""(?:=(?!=)|:)\s*(?=async\b|function\b|\(|[\w$]+\s*=>)"""
        )
        found = pattern.search(self.code)
        return self.function_at(found.end()) if found else None

    def function_at(self, start: int) -> Function | None:
        """Read the function whose head stands at *start*."""
        head = re.compile(
            r"\s*(?:async\b\s*)?(?:function\b(?:\s*[\w$]+)?\s*)?(?:(\()|([\w$]+)\s*=>)"
        ).match(self.bare, start, start + MAX_SPAN)
        if head is None:
            return None
        end = self.end(head.end() - 1) if head[1] else head.end()
        inside = head[2] or self.bare[head.end() : end - 1]
        names = tuple(part.split("=")[0].strip() for part in inside.split(","))
        body = re.compile(r"\s*(?:=>)?\s*").match(self.bare, end)
        begin = body.end() if body else end
        if self.bare[begin : begin + 1] == "{":
            return Function(names, begin, self.end(begin))
        line = re.compile(r"[^;\n]*").match(self.bare, begin, begin + MAX_SPAN)
        return Function(names, begin, line.end() if line else begin)

    def submits(self, function: Function) -> Iterator[Reference]:
        """Yield what *function* calls ``submit()``, or a button's ``click()``, on."""
        calls = _SUBMIT.finditer(self.code, function.start, function.end)
        for found in islice(calls, MAX_REFERENCES):
            yield self._reference(found)

    def fills(self, function: Function) -> Iterator[Reference]:
        """Yield the fields that *function* puts its first parameter into."""
        token = function.parameters[0] if function.parameters else ""
        if not re.fullmatch(r"[\w$]{1,100}", token):
            return
        put = re.compile(
            _REFERENCE + r"\s*\.\s*(?:value\s*=(?!=)|val\()\s*"
            rf"{re.escape(token)}(?![\w$.(\[])",
            re.VERBOSE,
        )
        puts = put.finditer(self.code, function.start, function.end)
        for found in islice(puts, MAX_REFERENCES):
            yield self._reference(found)

    def references(self, span: tuple[int, int]) -> Iterator[Reference]:
        """Yield the element that the expression at *span* names."""
        if literal := STRING.match(self.code, *span):
            yield Reference("id", unescape(literal).removeprefix("#"))
        elif found := _REFERENCES.search(self.code, *span):
            yield self._reference(found)

    def _reference(self, found: re.Match[str]) -> Reference:
        groups = found.groupdict()
        for kind in ("id", "field", "css", "index", "form"):
            if groups[kind] is not None:
                return Reference(kind, groups[kind])
        if groups["member"] is not None:
            return Reference("form", groups["member"])
        name = groups["name"][:MAX_NAME]
        variable = re.compile(
            rf"(?<![\w$.]){re.escape(name)}\s*=\s*(?:document\.)?(?:{_REFERENCE})",
            re.VERBOSE,
        ).search(self.code)
        if variable and variable["name"] is None:
            return self._reference(variable)
        return Reference("name", name)

    def name(self, span: tuple[int, int]) -> str | None:
        """Return the last part of the dotted name at *span*, if it is one."""
        found = _NAME.match(self.code[slice(*span)])
        return found[1] if found and len(found[1]) <= MAX_NAME else None

    def end(self, start: int) -> int:
        """Return the position after the bracket that closes the one at *start*."""
        limit = min(len(self.bare), start + MAX_SPAN)
        return min(self._closed.get(start, limit), limit)

    def arguments(self, start: int) -> list[tuple[int, int]]:
        """Return where the parts between the brackets at *start* stand."""
        return self.split((start + 1, self.end(start) - 1), ",")

    def split(self, span: tuple[int, int], mark: str) -> list[tuple[int, int]]:
        """Return where the parts of *span* stand that *mark* parts, brackets aside."""
        begin, spans = span[0], []
        marks = re.compile(rf"[()\[\]{{}}{re.escape(mark)}]")
        found = marks.search(self.bare, *span)
        while found:
            after = found.end()
            if found[0] == mark:
                spans.append((begin, found.start()))
                begin = after
            elif found[0] in "([{":
                after = self.end(found.start())
            else:
                break  # of a bracket around it all
            found = marks.search(self.bare, after, span[1])
        return [*spans, (begin, span[1])]

    def statement_end(self, start: int) -> int:
        """Return where the expression that begins at *start* ends.

        At a line's end too, unless the expression goes on, as it does in brackets.
        """
        depth, limit = 0, min(len(self.bare), start + MAX_SPAN)
        for found in _STATEMENT.finditer(self.bare, start, limit):
            depth += (found[0] in "([{") - (found[0] in ")]}")
            if depth < 0 or (depth == 0 and found[0][0] in ";,\n"):
                return found.start()
        return limit

    def _value_end(self, start: int, limit: int) -> int:
        """Return where the value that begins at *start* of an object ends."""
        depth = 0
        for bracket in _BRACKET.finditer(self.bare, start, limit):
            if depth == 0 and bracket[0] in ",})]":
                return bracket.start()
            depth += (bracket[0] in "([{") - (bracket[0] in ")]}")
        return limit


def _closed(bare: str) -> dict[int, int]:
    """Return for each bracket that is closed the position after the one that does.

    Brackets of all kinds count alike: code that mixes them up is no JavaScript.
    """
    closed, opened = {}, []
    for bracket in _BRACKET.finditer(bare):
        if bracket[0] in "([{":
            opened.append(bracket.start())
        elif opened and bracket[0] in ")]}":
            closed[opened.pop()] = bracket.end()
    return closed
