"""Secrets: values that hide themselves, and a search for echoes of them in text.

Error reporters keep the local variables of each frame of a traceback, by their
``repr``.
"""

from __future__ import annotations

import re
import sys
from array import array
from typing import TypeVar

__all__ = [
    "Secret",
    "SecretBytes",
    "Spelling",
    "any_spelling",
    "without_frames",
    "without_user",
]

_Error = TypeVar("_Error", bound=BaseException)

_HIDDEN = "<not shown>"
#: Encodings within encodings that are undone, each by one pass over the text.
MAX_PASSES = 8
#: How JSON, URLs and HTML write a character. No two alternatives begin with the same
#: character, and none can match a stretch of text in two ways that both fail late: the
#: search is linear.
_ESCAPE = re.compile(
    r"\\+(?:u(?P<json>[0-9a-f]{4}))?"
    r"|%(?:25)*(?P<url>[0-9a-f]{2})"
    r"|&(?:\#(?P<decimal>[0-9]+)|\#x(?P<hex>[0-9a-f]+)|(?P<name>quot|amp|apos|lt|gt));?",
    re.IGNORECASE,
)
# A part of a URL between its slashes, and what may be its user and password.
_PART = re.compile(r"[^/\\?#\s\"'<>]+")
# Browsers take a backslash for a slash, and need neither behind these.
_BEFORE_USER = re.compile(r"[/\\]{2}\Z|(?:https?|wss?|ftp):[/\\]?\Z", re.IGNORECASE)
_SCHEME = re.compile(r"(?:https?|wss?|ftp):", re.IGNORECASE)
_LONGEST = len("https:/")
_ENTITIES = {"quot": '"', "amp": "&", "apos": "'", "lt": "<", "gt": ">"}
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_MAX_DIGITS = 7


class Secret(str):
    """Text that its ``repr`` does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show no part of it."""
        return _HIDDEN


class SecretBytes(bytes):
    """Bytes that neither ``repr`` nor ``str`` shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show no part of them."""
        return _HIDDEN

    __str__ = __repr__


def without_frames(error: _Error) -> _Error:
    """Return *error* without its traceback, cause and context.

    Used where the frames below hold a secret and the message of the error is enough.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def without_user(text: str) -> str:
    """Return *text* with "***" for the user and password of each URL in it."""
    return _PART.sub(_part_without_user, text)


def _part_without_user(part: re.Match[str]) -> str:
    """Return *part* of a text, its user hidden where a URL may begin before it."""
    text, start = part[0], part.start()
    end = text.rfind("@")
    if end < 0:
        return text
    if _BEFORE_USER.search(part.string[max(0, start - _LONGEST) : start]):
        return f"***{text[end:]}"
    scheme = _SCHEME.search(text, 0, end)
    return f"{text[: scheme.end()]}***{text[end:]}" if scheme else text


class Spelling:
    """Finds a secret in text, however the text writes it.

    In upper or lower case, and each character plain or as in a URL, in JSON or in
    HTML, several times over. Backslashes are ignored, because an encoder adds any
    number of them. The work is linear in the text, whatever the secret and the text
    are made of.

    Args:
        secret: what is searched for.
    """

    __slots__ = ("_begins", "_ends", "_secret")

    def __init__(self, secret: str) -> None:
        self._secret = Secret(_Decoded(secret).text)
        self._begins = secret.startswith("\\")
        self._ends = secret.endswith("\\")

    def search(self, text: str) -> bool:
        """Tell whether *text* holds the secret."""
        return bool(self._secret) and self._secret in _Decoded(text).text

    def sub(self, replacement: str, text: str) -> str:
        """Return *text* with *replacement* in place of each echo of the secret."""
        if not self._secret:
            return text
        decoded = _Decoded(text)
        kept, done = [], 0
        at = decoded.text.find(self._secret)
        while at >= 0:
            end = at + len(self._secret)
            before = text[done : decoded.starts[at]]
            kept += [before.rstrip("\\") if self._begins else before, replacement]
            done = decoded.ends[end - 1]
            if self._ends:
                while text.startswith("\\", done):
                    done += 1
            at = decoded.text.find(self._secret, end)
        return "".join([*kept, text[done:]])


def any_spelling(secret: str) -> Spelling:
    """Return what finds *secret*, however it is written."""
    return Spelling(secret)


class _Decoded:
    """Text with its encodings undone, and where each character came from.

    Each character is one byte of UTF-8, as URLs encode text.
    """

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: str) -> None:
        lower = text.translate(_LOWER)
        if text.isascii():
            self.text = lower
            self.starts = array("L", range(len(text)))
        else:
            encoded = [_bytes_of(char) for char in lower]
            self.text = "".join(encoded)
            self.starts = array(
                "L", (at for at, some in enumerate(encoded) for _ in some)
            )
        self.ends = array("L", (start + 1 for start in self.starts))
        for _ in range(MAX_PASSES):
            if not self._undo():
                break

    def _undo(self) -> bool:
        """Undo one layer of encoding; tell whether there was one."""
        pieces: list[str] = []
        starts, ends = array("L"), array("L")
        done = 0
        for escape in _ESCAPE.finditer(self.text):
            char = _decoded_char(escape)
            if char is None:
                continue
            begin, end = escape.span()
            pieces += [self.text[done:begin], char]
            starts += self.starts[done:begin]
            ends += self.ends[done:begin]
            starts.extend([self.starts[begin]] * len(char))
            ends.extend([self.ends[end - 1]] * len(char))
            done = end
        if not done:
            return False
        self.text = "".join([*pieces, self.text[done:]])
        self.starts = starts + self.starts[done:]
        self.ends = ends + self.ends[done:]
        return True


def _decoded_char(escape: re.Match[str]) -> str | None:
    """Return the bytes of a character; ``""`` drops it, ``None`` leaves it."""
    if escape["name"]:
        return _ENTITIES[escape["name"].lower()]
    if escape["url"]:
        return chr(int(escape["url"], 16)).translate(_LOWER)
    for group, base in (("json", 16), ("hex", 16), ("decimal", 10)):
        digits = escape[group]
        if digits:
            significant = digits.lstrip("0") or "0"
            code = int(significant[:_MAX_DIGITS], base)
            if len(significant) > _MAX_DIGITS or code > sys.maxunicode:
                return None
            return _bytes_of(chr(code).translate(_LOWER))
    return ""


def _bytes_of(char: str) -> str:
    """Return the UTF-8 bytes of *char*, each as a character."""
    return char.encode("utf-8", "surrogatepass").decode("latin-1")
