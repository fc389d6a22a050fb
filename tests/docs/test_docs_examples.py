"""The examples and commands of the docs, run as a reader would run them."""

from __future__ import annotations

import json
import re
import shlex
from argparse import ArgumentParser
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from scrapy.settings import default_settings
from scrapy.utils.misc import load_object

from scrapy_onecaptcha.commands import TOOLS
from scrapy_onecaptcha.sandbox.__main__ import _parser
from scrapy_onecaptcha.settings import DEFAULTS
from tests.docs.pages import (
    DOCS,
    EXAMPLE,
    ROOT,
    config,
    environment,
    fences,
    serving,
    steady,
)
from tests.python_process import run as python

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from scrapy_onecaptcha.cli.base import Tool

SITES = DOCS / "sites.md"
#: Its first task fails.
SANDBOX = (
    "-m scrapy_onecaptcha.sandbox --site bookshop "
    "--fault getTaskResult=ERROR_CAPTCHA_UNSOLVABLE"
)
COMMANDS = [
    (fence.page, line)
    for path in sorted(DOCS.glob("*.md"))
    for fence in fences(path)
    if fence.language == "sh"
    for line in fence.text.splitlines()
]
SPIDERS = {path.stem for path in (EXAMPLE / "bookshop" / "spiders").glob("[a-z]*.py")}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the example project, with this Python's scrapy and pytest."""
    return python(
        ["-m", *command],
        cwd=EXAMPLE,
        # The public suffix list that is installed will do: nobody asks the internet.
        env={**environment(), "TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS": ""},
        timeout=120,
    )


# Each spider that needs a hand, with it and without


class Crawl(NamedTuple):
    """What became of a command."""

    code: int
    stdout: str
    stderr: str

    @property
    def log(self) -> list[str]:
        return [steady(line) for line in self.stderr.splitlines()]

    @property
    def scraped(self) -> list[Any]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    def stat(self, name: str) -> int:
        found = re.search(rf"'onecaptcha/{name}': (\d+)", self.stderr)
        return int(found[1]) if found else 0


@pytest.fixture(scope="module")
def crawls() -> dict[str, Crawl]:
    """Run every crawl of the page, side by side."""
    lines = [line for page, line in COMMANDS if page == SITES.name]
    commands = [line for line in lines if line.startswith("scrapy crawl ")]
    more = {"scrapy crawl expect -a hand=no": ["-L", "DEBUG"]}
    with ThreadPoolExecutor() as pool:
        done = pool.map(
            lambda line: run(*shlex.split(line), *more.get(line, [])), commands
        )
        ended = [Crawl(each.returncode, each.stdout, each.stderr) for each in done]
    return dict(zip(commands, ended, strict=True))


@pytest.mark.crawl
@pytest.mark.parametrize("name", ["expect", "gate", "submitter"])
def test_with_the_hand_all_comes_for_one_task(
    crawls: dict[str, Crawl], name: str
) -> None:
    crawl = crawls[f"scrapy crawl {name}"]
    assert crawl.code == 0
    assert len(crawl.scraped) == 5
    assert all(all(item.values()) for item in crawl.scraped)
    assert crawl.stat("tasks") == 1
    assert "WARNING" not in crawl.stderr
    assert "ERROR:" not in crawl.stderr


@pytest.mark.crawl
@pytest.mark.parametrize(
    ("name", "items", "stats"),
    [
        ("expect", 0, {"tasks": 0, "widgets_ignored": 1}),
        ("gate", 5, {"tasks": 6, "tokens/accepted": 6}),
        ("submitter", 0, {"tasks": 0, "unsolvable/scripts_off": 1}),
    ],
)
def test_what_is_without_the_hand(
    crawls: dict[str, Crawl], name: str, items: int, stats: dict[str, int]
) -> None:
    crawl = crawls[f"scrapy crawl {name} -a hand=no"]
    assert crawl.code == 0
    assert len(crawl.scraped) == items
    assert {stat: crawl.stat(stat) for stat in stats} == stats


@pytest.mark.crawl
def test_the_log_is_as_shown(crawls: dict[str, Crawl]) -> None:
    """Each line that the page shows after a command is a line of its crawl."""
    command, shown = "", 0
    for fence in fences(SITES):
        for line in fence.text.splitlines() if fence.language == "sh" else ():
            command = line if line in crawls else command
        if fence.language == "log":
            for line in fence.text.splitlines():
                assert steady(line) in crawls[command].log, line
                shown += 1
    assert shown >= 6


# The other commands


def settings_in(words: list[str]) -> dict[str, str]:
    """Return what ``-s NAME=VALUE`` sets."""
    pairs = [words[n + 1] for n, word in enumerate(words) if word == "-s"]
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def check_tool(tool: str, words: list[str]) -> None:
    """Hold a command line of ``scrapy onecaptcha`` against the tool's own check."""
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    called: Tool = load_object(TOOLS[tool][0])()
    called.add_options(parser)
    options, arguments = parser.parse_known_args(words)
    assert not [argument for argument in arguments if argument.startswith("-")]
    called.check(arguments, options)


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_exists(page: str, line: str) -> None:
    words = shlex.split(line)
    match words:
        case ["make", target]:
            assert f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8")
        case ["scrapy", "crawl", spider, *rest]:
            assert spider in SPIDERS
            check_settings(settings_in(rest))
        case ["scrapy", "onecaptcha", tool, *rest]:
            check_tool(tool, rest)
        case ["python", "-m", "scrapy_onecaptcha.sandbox", *rest]:
            _parser().parse_args(rest)
        case ["python", "-m", "pip", "install", "." | ".[scripts]"] | [
            "cd",
            "example_project",
        ]:
            assert (ROOT / words[-1].partition("[")[0]).is_dir()
        case ["scrapy", "fetch", url]:
            assert url.startswith("http://127.0.0.1:")
        case ["export", pair]:
            assert pair.partition("=")[0] in DEFAULTS
        case ["python", "-m", "pytest", file]:
            assert (EXAMPLE / file).is_file()
        case _:
            pytest.fail(f"{page}: who knows {line!r}?")


def check_settings(values: dict[str, str]) -> None:
    own = {name: value for name, value in values.items() if name in DEFAULTS}
    config(**own)
    assert all(hasattr(default_settings, name) for name in values.keys() - own)


@pytest.mark.crawl
def test_the_users_own_test_passes() -> None:
    done = run("pytest", "-q", "-p", "no:cacheprovider", "test_books.py")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def only(page: str, begin: str) -> list[str]:
    (line,) = [line for where, line in COMMANDS if (where == page) and begin in line]
    return shlex.split(line)


@pytest.mark.crawl
def test_overnight(tmp_path: Path) -> None:
    """The budget ends the first run, and the second one brings all."""
    command = only("production.md", "JOBDIR=")
    spent = int(settings_in(command)["ONECAPTCHA_MAX_TASKS"])
    assert settings_in(command)["ONECAPTCHA_CLOSE_ON_FATAL"] == "1"
    feed = tmp_path / "books.jsonl"

    def night(budget: int) -> str:
        # Of the command the budget is changed, and where the disk and the site are.
        here = {
            **told["settings"],
            "DOWNLOAD_DELAY": 0,
            "FEEDS": "{}",
            "JOBDIR": tmp_path / "job",
            "ONECAPTCHA_MAX_TASKS": budget,
        }
        options = [each for n, v in here.items() for each in ("-s", f"{n}={v}")]
        site = f"site={told['sites']['bookshop']}"
        return run(*command, *options, "-a", site, "-o", str(feed)).stderr

    with serving(shlex.split(SANDBOX)) as told:
        first, second = night(1), night(9)
    assert "'finish_reason': 'onecaptcha_budget'" in first
    for fence in fences(DOCS / "production.md"):
        if fence.heading == "Overnight" and fence.language == "log":
            assert fence.text.strip().replace(f"{spent} tasks", "1 task") in first
    assert "'finish_reason': 'finished'" in second
    books = [json.loads(line) for line in feed.read_text("utf-8").splitlines()]
    assert len({book["url"] for book in books}) == len(books) == 60
