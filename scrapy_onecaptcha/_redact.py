"""What must not be shown: values that hide themselves, and how an echo is found.

Reporters of crashes keep the locals of every frame of a traceback, by their ``repr``.
"""

from __future__ import annotations

import re
from typing import TypeVar

__all__ = ["Secret", "SecretBytes", "any_spelling", "bare"]

_Error = TypeVar("_Error", bound=BaseException)

_HIDDEN = "<not shown>"
_ENTITIES = {'"': "quot", "&": "amp", "'": "apos", "<": "lt", ">": "gt"}


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


def bare(error: _Error) -> _Error:
    """Return *error* without the frames that it came through, and what led to it.

    For one that says all by itself, where those frames hold what must not be shown.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def any_spelling(secret: str) -> re.Pattern[str]:
    """Return a pattern that finds *secret*, which is ASCII, however it is written.

    In either case, and each character as in a URL, in JSON or in HTML. Repetitions are
    bounded, so that no text takes long to search.
    """
    return re.compile("".join(map(_spellings, secret)), re.IGNORECASE)


def _spellings(char: str) -> str:
    itself, code = re.escape(char), ord(char)
    ways = [
        itself,
        f"%(?:25){{0,3}}{code:02x}",
        rf"\\{{1,4}}(?:u{code:04x}|{itself})",
        f"&#(?:0{{0,4}}{code}|x0{{0,4}}{code:x});?",
    ]
    if char in _ENTITIES:
        ways.append(f"&{_ENTITIES[char]};?")
    return f"(?:{'|'.join(ways)})"
