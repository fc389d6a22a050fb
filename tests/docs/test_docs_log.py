"""What the docs show of the log can be logged: by its words, logger and level.

A line of a sample has to fit a message of the package's code. Every text there is taken
for one, what it leaves open for anything.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scrapy.http import HtmlResponse

import scrapy_onecaptcha
from scrapy_onecaptcha import exceptions
from scrapy_onecaptcha.pages.detection import detect
from scrapy_onecaptcha.pages.features import FEATURES
from scrapy_onecaptcha.pages.weights import BIAS, WEIGHTS
from scrapy_onecaptcha.request_options import RequestOptions
from tests.docs.pages import EXAMPLE, GATE, PAGES, config, fences, page, rows, words

PACKAGE = Path(scrapy_onecaptcha.__file__).parent
LINE = re.compile(r"\[([\w.]+)\] ([A-Z]+): (.+)")
LOG = [
    line
    for path in PAGES
    for fence in fences(path)
    if fence.language == "log"
    for line in fence.text.splitlines()
]
#: What is left open in a text.
OPEN = "\0"
#: Words that a text must have to be told by them.
WORDS = 3
LOST = "Gated page lost: "
#: Where one message goes on with another.
JOINT = "; last reason: "


def text_of(node: ast.expr) -> str:
    """Return the text of *node*, `OPEN` for what it leaves open; "" if it has none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[-+\d.]*[sdgf]", OPEN, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else OPEN
            for part in node.values
        )
    if isinstance(node, ast.BinOp):
        return text_of(node.left) + text_of(node.right)
    return ""


@cache
def texts(folder: Path = PACKAGE) -> frozenset[str]:
    """Return every text in the code that leaves words to tell it by."""
    found = (
        text_of(node)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.expr)
    )
    return frozenset(
        text for text in found if len(re.findall(r"[A-Za-z_]+", text)) >= WORDS
    )


def fits(said: str) -> bool:
    """Tell whether texts of the code can become *said*."""
    return all(map(is_text, said.split(JOINT)))


def is_text(said: str) -> bool:
    return any(pattern.fullmatch(said) for pattern in patterns())


@cache
def patterns() -> tuple[re.Pattern[str], ...]:
    return tuple(
        re.compile(".*".join(re.escape(part) for part in text.split(OPEN)), re.DOTALL)
        for text in texts() | texts(EXAMPLE)
    )


@cache
def logged(level: str) -> frozenset[str]:
    """Return the modules that log at *level*.

    ``warn_once`` logs a WARNING, ``log`` at any level.
    """
    calls = ("log", level.lower(), *(("warn_once",) if level == "WARNING" else ()))
    return frozenset(
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if any(f".{call}(" in path.read_text("utf-8") for call in calls)
    )


@pytest.mark.parametrize("line", LOG)
def test_a_line_of_the_log_can_be_logged(line: str) -> None:
    found = LINE.fullmatch(line)
    if found is None:
        refused = re.match(r"ValueError: (\w+) is (\S+);", line)
        assert refused is not None
        with pytest.raises(ValueError) as bad:
            config(**{refused[1]: ast.literal_eval(refused[2])})
        assert line == f"ValueError: {bad.value}"
        return
    name, level, said = found.groups()
    first, _, module = name.partition(".")
    if first == "scrapy_onecaptcha":
        assert (module or "stats") in logged(level)
    if first == "scrapy":  # it names the class that the add-on has put there
        said = re.split(r"OneCaptchaMiddleware'>: ", said, maxsplit=1)[-1]
    if said.startswith(LOST):
        said = told_of_a_loss(said)
    assert fits(said)


@pytest.mark.parametrize(
    "said",
    [
        "Solved the hCaptcha of https://shop.example in 3 s",
        "hCaptcha in total: 1 tasks, 1 passed, 7 points",
        "No token for the site; last reason: it was lost",
    ],
)
def test_what_the_code_cannot_say_is_found_out(said: str) -> None:
    assert not fits(said)


def told_of_a_loss(said: str) -> str:
    """Return the message in *said*; the advice that follows is that of an error."""
    advices = {getattr(exceptions, name).advice for name in exceptions.__all__}
    (advice,) = [each for each in advices if said.endswith(each)]
    return re.sub(rf"^{LOST}\S+: ", "", said.removesuffix(f". {advice}"))


def test_the_faq_goes_by_lines_that_are_logged() -> None:
    table = rows("By the line in the log", page("faq.md"))
    assert len(table) > 20
    for cell, _, _ in table:
        (said,) = words(cell)
        parts = [re.escape(part) for part in said.partition(JOINT)[0].split("…")]
        pattern = re.compile(".*".join(parts), re.DOTALL)
        assert any(pattern.search(text) for text in texts() | warnings()), said


def test_every_warning_of_the_package_is_in_the_faq() -> None:
    """Those about a lost page by their message, the others by themselves."""
    told = " ".join(words(" ".join(row[0] for row in rows_of_faq())))
    missing = [text for text in warnings() if not named(text, told)]
    assert missing == []


def rows_of_faq() -> list[list[str]]:
    return rows("By the line in the log", page("faq.md"))


@cache
def warnings() -> frozenset[str]:
    """Return what is logged as a WARNING or above."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                at = {"warn_once": 1, "warning": 0, "error": 0, "critical": 0}
                at |= {
                    "tell": 1,
                    "_tell": 1,
                    "_tell_once": 2,
                }  # their level goes before
                where = at.get(node.func.attr)
                if where is not None and len(node.args) > where and is_loud(node):
                    found.add(text_of(node.args[where]))
    return frozenset(found - {""})


def is_loud(call: ast.Call) -> bool:
    """Tell whether *call* may log a WARNING or above."""
    levels = {
        argument.attr for argument in call.args if isinstance(argument, ast.Attribute)
    }
    return not levels & {"INFO", "DEBUG"}


def named(text: str, told: str) -> bool:
    """Tell whether four words in a row of *text*, or all, are among what is *told*."""
    parts = [part.split() for part in text.split(OPEN)]
    long = [part for part in parts if len(part) >= 4]
    return any(
        " ".join(part[start : start + 4]).strip(".:(,") in told
        for part in long or [part for part in parts if len(part) > 1]
        for start in range(max(1, len(part) - 3))
    )


# How gates are weighed


def test_what_is_weighed_is_in_the_table() -> None:
    weighed = [
        (WEIGHTS[feature.name], re.sub(r"{[^}]*}", "…", feature.sentence))
        for feature in FEATURES
    ]
    table = rows("Gate or widget", page("decisions.md"))
    assert [(int(points), said) for points, said in table] == weighed
    assert f"starts at {BIAS} points" in page("decisions.md")


CONTENT = b'<h1 class="content">Books</h1>' + GATE


@pytest.mark.parametrize(
    ("body", "said", "decide", "kind"),
    [
        (CONTENT, {"expect": "h1.content", "gate": True}, True, "widget"),
        (GATE, {"expect": "h1.content", "gate": False}, True, "widget"),
        (GATE, {"gate": False}, True, "widget"),
        (GATE, {}, False, "widget"),
        (GATE, {}, None, "gate"),
        (b"<h1>Anything</h1>", {"gate": True}, True, None),
        (b"<h1>Anything</h1>", {"gate": True, "expect": "h1.content"}, None, "gate"),
        (b"<h1>Anything</h1>", {"expect": "h1.content"}, True, None),
    ],
)
def test_whose_word_decides(
    body: bytes, said: dict[str, Any], decide: bool | None, kind: str | None
) -> None:
    page = HtmlResponse("https://shop.example/", body=body)
    own = None if decide is None else lambda *_: decide
    challenge = detect(page, RequestOptions(decide=own, **said))
    assert (challenge.kind if challenge else None) == kind
