"""Text that is safe to log: without control characters, secrets, or too much of it."""

from __future__ import annotations

import logging
import re

from scrapy_onecaptcha._redact import without_user

__all__ = ["counted", "get_logger", "masked", "one_line", "printable", "quoted"]

#: Characters of a value, or of a page's own words, in a sentence of ours.
MAX_SHOWN = 200


def printable(text: str) -> str:
    """Return *text* with a space in place of each character that is not printable.

    A page or a reply could otherwise forge lines of a log, or control a terminal.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text)


def one_line(text: str, limit: int) -> str:
    """Return *text* as one line of at most *limit* characters, spaces collapsed."""
    return _cut(" ".join(printable(text).split()), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def masked(text: str) -> str:
    """Return *text* without keys, queries and credentials, cut to `MAX_SHOWN`."""
    # Each pattern begins where nothing of its own goes before: no text is read twice.
    text = re.sub(
        r"(?<![a-z0-9])(?=[a-z]*[0-9])[a-z0-9]{24,}", "***", text, flags=re.IGNORECASE
    )
    text = re.sub(r"(?<![^\s'\"])(\w*:?//)?[^\s'\"]*@", r"\1***@", text)
    text = re.sub(r"(//[^?#\s]*)(?:([?#])[^\s'\"]+)?", _without_query, text)
    return _cut(text, MAX_SHOWN)


def quoted(words: str) -> str:
    """Return *words* of a page as a sentence of ours may quote them."""
    return without_user(printable(words))[:MAX_SHOWN]


def _without_query(url: re.Match[str]) -> str:
    return f"{url[1]}{url[2]}***" if url[2] else url[1]


def counted(number: float, noun: str, form: str = "") -> str:
    """Return *number* and *noun*, in the plural unless it is 1: ``"1 task"``.

    Args:
        number: how many there are.
        noun: in the singular.
        form: how the number is written, as in a format string.
    """
    return f"{number:{form}} {noun}" if number == 1 else f"{number:{form}} {noun}s"


def get_logger(name: str) -> logging.Logger:
    """Return the logger called *name*, whose lines are always printable."""
    logger = logging.getLogger(name)
    logger.addFilter(_make_printable)
    return logger


def _make_printable(record: logging.LogRecord) -> bool:
    """Rewrite the message of *record* where it holds a control character."""
    message = record.getMessage()
    if not message.isprintable():
        record.msg, record.args = printable(message), ()
    return True
