"""JavaScript as text: its comments and its strings."""

from __future__ import annotations

import re
from functools import partial

__all__ = [
    "STRING",
    "TOKEN",
    "Unreadable",
    "unescape",
    "without_comments",
    "without_strings",
]

#: Stands for the token in what is read of a script: a character of private use.
TOKEN = "\ue000"  # noqa: S105

# A literal or comment that lacks its end runs to the end of the line or text: so
# nothing is scanned twice.
_LITERAL = re.compile(
    r"""
    (?P<string> "(?:[^"\\\n]|\\.)*"? | '(?:[^'\\\n]|\\.)*'? | `(?:[^`\\]|\\.)*`? )
    | (?P<comment> //[^\n]* | /\*.*?(?:\*/|\Z) )
    # A regular expression, which follows what no division can follow.
    | (?:(?<=[=(,:!&|?{};\[]) | (?<=[=(,:&|?]\ )) /(?![*/])(?:[^/\\\n]|\\.)+/
    """,
    re.DOTALL | re.VERBOSE,
)
STRING = re.compile(
    r""" \s* (?: "((?:[^"\\\n]|\\.)*)" | '((?:[^'\\\n]|\\.)*)'
               | `((?:[^`\\$]|\\.)*)` ) """,
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|.))",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}
_ESCAPES |= {"0": "\0", "\n": "", "\r\n": ""}


class Unreadable(Exception):
    """An expression that is not known without running the script."""


def without_comments(code: str) -> str:
    """Blank the comments of *code* out; its length stays."""
    return _LITERAL.sub(partial(_blank, strings=False), code)


def without_strings(code: str) -> str:
    """Blank the comments and the contents of the strings of *code* out."""
    return _LITERAL.sub(partial(_blank, strings=True), code)


def _blank(literal: re.Match[str], *, strings: bool) -> str:
    text = literal[0]
    if literal["comment"] is not None:
        return " " * len(text)
    if strings and literal["string"] is not None:
        return text[0] + " " * (len(text) - 2) + text[-1:] * (len(text) > 1)
    return text


def unescape(literal: re.Match[str]) -> str:
    """Decode the escapes of a string, surrogate pairs included."""
    raw = next(group for group in literal.groups() if group is not None)
    text = _ESCAPE.sub(_character, raw)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(escape: re.Match[str]) -> str:
    digits = escape[1] or escape[2] or escape[3]
    if digits is None:
        return _ESCAPES.get(escape[4], escape[4])
    return chr(min(int(digits, 16), 0x10FFFF))
