"""Text that is safe to log: one line without control characters, counts in words."""

from __future__ import annotations

import logging

__all__ = ["counted", "get_logger", "one_line", "printable"]


def printable(text: str) -> str:
    """Return *text* with a space in place of each character that is not printable.

    A page or a reply could otherwise forge lines of a log, or control a terminal.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text)


def one_line(text: str, limit: int) -> str:
    """Return *text* as one line of at most *limit* characters, spaces collapsed."""
    line = " ".join(printable(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


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
