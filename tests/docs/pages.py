"""README and docs as text: their sections, tables, samples, links."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scrapy import Request
from scrapy.http import HtmlResponse
from scrapy.settings import Settings

from scrapy_onecaptcha.settings import Config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
EXAMPLE = ROOT / "example_project"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = (ROOT / "README.md", ROOT / "CHANGES.md", *sorted(DOCS.glob("*.md")))
#: The time before a line of the log.
TIME = re.compile(r"^\d{4}-\S+ \S+ ", re.MULTILINE)
#: What else differs from run to run: ports, seconds, names of tasks.
VARYING = re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<=in )\d+\.\d(?= s )|[0-9a-f-]{36}")


def page(name: str) -> str:
    """Return the text of a page of the docs."""
    return (DOCS / name).read_text(encoding="utf-8")


def section(title: str, text: str) -> str:
    """Return the text below a heading, up to the next one of any level."""
    found = re.search(
        rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"no section {title!r}"
    return found[1]


def rows(title: str, text: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    lines = [line for line in section(title, text).splitlines() if line[:1] == "|"]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def headings(text: str) -> list[str]:
    """Return the headings of a page."""
    fenceless = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.+)$", fenceless, re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Return where links into a page may lead."""
    bare = (re.sub(r"[^\w -]", "", heading) for heading in headings(text))
    return {heading.lower().replace(" ", "-") for heading in bare}


def code(cell: str) -> str:
    """Return the text of a cell that is one piece of code."""
    found = re.fullmatch(r"`([^`]+)`", cell)
    assert found is not None, f"no code: {cell!r}"
    return found[1]


def words(text: str) -> set[str]:
    """Return the pieces of code in a text."""
    return set(re.findall(r"`([^`]+)`", text))


def shown(default: Any) -> str:
    """Return how a page shows a default."""
    if default is None:
        return "none"
    if isinstance(default, str):
        return f'`"{default}"`'
    return "`{}`" if default == {} else f"`{default!r}`"


GATE = b"""<title>Just a moment</title><form method="post" action="/verify">
<div class="h-captcha" data-sitekey="338af34c-7bcb-4c7c-900b-acbec73d7d43"></div>
</form><script src="https://js.hcaptcha.com/1/api.js"></script>"""


def gate() -> HtmlResponse:
    request = Request("https://shop.example/")
    return HtmlResponse(request.url, body=GATE, encoding="utf-8", request=request)


def environment() -> dict[str, str]:
    """Return this process's environment without what would bend a command."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy")
        and name not in {"ONECAPTCHA_API_KEY", "SCRAPY_SETTINGS_MODULE"}
    }


@contextmanager
def serving(arguments: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Run a sandbox in a process of its own; yield what it says of itself."""
    with subprocess.Popen(
        [sys.executable, *arguments, "--json", "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())


def steady(log: str) -> str:
    """Return lines of a log without what differs from run to run."""
    return VARYING.sub("…", TIME.sub("", log))


class Fence(NamedTuple):
    """A block of code in a page."""

    page: str
    heading: str
    language: str
    text: str


def fences(path: Path) -> list[Fence]:
    """Return the blocks of code in a page, each with the heading that it is below."""
    found, heading = [], ""
    lines = iter(path.read_text(encoding="utf-8").splitlines(keepends=True))
    for line in lines:
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
        elif line.startswith("```"):
            language = line[3:].strip()
            block = []
            for inner in lines:
                if inner.startswith("```"):
                    break
                block.append(inner)
            found.append(Fence(path.name, heading, language, "".join(block)))
    return found


def samples(title: str, text: str, language: str = "python") -> list[str]:
    """Return the pieces of code below a heading."""
    found = re.findall(rf"```{language}\n(.*?)```", section(title, text), re.DOTALL)
    assert found, title
    return found


def executed(sample: str, **names: Any) -> dict[str, Any]:
    """Run *sample*, the names given it known; return what it defines."""
    tree = compile(sample, "a page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    exec(tree, names)
    return {name: value for name, value in names.items() if name != "__builtins__"}


def config(**settings: Any) -> Config:
    return Config.from_settings(Settings({"ONECAPTCHA_API_KEY": "k"} | settings))
