"""Text that is safe to log."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

import scrapy_onecaptcha
from scrapy_onecaptcha._logging import counted, get_logger, one_line, printable, quoted


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a b", "a b"),
        ("a\r\nb", "a  b"),
        ("\x1b[2J\x00\u2028é", " [2J  é"),
        ("", ""),
    ],
)
def test_printable(text: str, safe: str) -> None:
    assert printable(text) == safe


def test_one_line() -> None:
    assert one_line(" a\r\n\t b ", 10) == "a b"
    assert one_line("abcdef", 6) == "abcdef"
    assert one_line("abcdef", 5) == "abcd…"


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 tasks"), (1, "1 task"), (2, "2 tasks")]
)
def test_counted(number: int, said: str) -> None:
    assert counted(number, "task") == said


def test_counted_in_a_form() -> None:
    assert counted(1200, "task", ",") == "1,200 tasks"
    assert counted(1.0, "point", "g") == "1 point"


def test_a_page_is_quoted_without_what_it_must_not_say() -> None:
    said = quoted("https://me:secret@shop.example/\nERROR " + "x" * 300)
    assert said.startswith("https://***@shop.example/ ERROR x")
    assert len(said) == 200


def test_a_line_of_the_log_is_printable_whatever_it_is_given(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = get_logger("scrapy_onecaptcha.test")
    assert get_logger("scrapy_onecaptcha.test") is logger
    error = ValueError("a\x1b[2J")
    logger.warning("%s: %s", "b\r\n2026 [root] INFO: c", error)
    logger.warning("as %s it is", "plain")
    first, second = caplog.records
    assert first.getMessage() == "b  2026 [root] INFO: c: a [2J"
    assert (second.msg, second.args) == ("as %s it is", ("plain",))
    assert len(logger.filters) == 1
    assert first.levelno == logging.WARNING


def test_every_logger_of_the_package_is_made_so() -> None:
    package = Path(scrapy_onecaptcha.__file__).parent
    own = re.compile(r"logger = logging\.getLogger\(")
    found = [
        path.name
        for path in package.rglob("*.py")
        if own.search(path.read_text("utf-8")) and path.name != "_logging.py"
    ]
    assert found == []
