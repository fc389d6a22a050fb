"""README and docs are held against the code, and the README's samples are run."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.utils.misc import load_object

from scrapy_onecaptcha import (
    Addon,
    OneCaptchaMiddleware,
    Solution,
    detect,
    exceptions,
)
from scrapy_onecaptcha.addon import ORDER
from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.endings import FAILED
from scrapy_onecaptcha.crawl.statuses import NO_CONTENT
from scrapy_onecaptcha.models import MAX_RQDATA, REASONS
from scrapy_onecaptcha.pages.html import MAX_BYTES
from scrapy_onecaptcha.request_options import KEYS
from scrapy_onecaptcha.settings import DEFAULTS, SETTINGS, RequestOptions
from scrapy_onecaptcha.stats import STATS, VARIANTS
from tests.docs.pages import (
    GATE,
    PAGES,
    README,
    ROOT,
    anchors,
    code,
    config,
    environment,
    executed,
    gate,
    headings,
    page,
    rows,
    samples,
    section,
    serving,
    shown,
    steady,
    words,
)
from tests.python_process import run
from tests.test_package import MAIN, listed

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from scrapy import Request

DEVELOPMENT = page("development.md")
COMPATIBILITY = page("compatibility.md")
SETTINGS_PAGE, STATS_PAGE, ERRORS_PAGE, LIMITS = map(
    page, ("settings.md", "stats.md", "errors.md", "limits.md")
)
SITES_PAGE, TESTING_PAGE, TOOLS_PAGE = map(page, ("sites.md", "testing.md", "tools.md"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_error_tree_is_that_of_the_code() -> None:
    doc = exceptions.__doc__ or ""
    tree = re.findall(r"^ *((?:OneCaptchaError|[│├└]).*)$", doc, re.MULTILINE)
    assert tree
    assert "```\n" + "\n".join(tree) + "\n```" in section("The tree", ERRORS_PAGE)


def test_the_limit_on_pages_is_that_of_the_code() -> None:
    assert f"the first {MAX_BYTES / 1e6:g} MB is read" in section("Limits", LIMITS)


def test_the_notations_of_field_are_ones() -> None:
    (cell,) = [
        meaning
        for name, _, meaning in rows("One request", SETTINGS_PAGE)
        if code(name) == "field"
    ]
    notations = re.findall(r'`"([^`]+)"`', cell)
    assert [re.sub(r"\w+", "x", each) for each in notations] == ["x", "x.x", "x:x-x-x"]
    for notation in notations:
        options = RequestOptions.from_meta({"field": notation}, config().options)
        assert options.field == notation


def test_every_setting_that_is_named_anywhere_exists() -> None:
    for path in PAGES:
        named = re.findall(r"\bONECAPTCHA_[A-Z_]+[A-Z]", path.read_text("utf-8"))
        assert set(named) <= set(DEFAULTS), path.name


def test_the_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test"} <= named
    for path in PAGES:
        named |= set(re.findall(r"`make ([a-z]+)`", path.read_text("utf-8")))
    assert named <= targets


def test_every_command_is_documented() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)) - {"help"}
    assert {code(row[0]) for row in rows("Development", DEVELOPMENT)} == {
        f"make {target}" for target in targets
    }


def test_the_rooms_that_are_named_exist() -> None:
    package = ROOT / "scrapy_onecaptcha"
    rooms = {code(room) for room, _ in rows("Where things live", DEVELOPMENT)}
    assert rooms == {path.parent.name for path in package.glob("*/__init__.py")}
    table = rows("Where each behaviour lives", DEVELOPMENT)
    assert len(table) > 20
    for _, module in table:
        assert (ROOT / "scrapy_onecaptcha" / code(module)).is_file(), module


def test_every_folder_of_tests_is_documented() -> None:
    folders = {path.parent for path in (ROOT / "tests").glob("*/*.py")}
    assert {code(row[0]) for row in rows("Tests", DEVELOPMENT)} == {
        f"tests/{path.name}" for path in folders
    }


def test_every_benchmark_is_documented() -> None:
    source = (ROOT / "benchmarks" / "__main__.py").read_text(encoding="utf-8")
    named = re.findall(r'^    "(\w+)": \w+\.rows,$', source, re.MULTILINE)
    assert named
    assert [code(row[0]) for row in rows("The benchmarks", DEVELOPMENT)] == named


def test_the_oldest_versions_are_those_of_the_metadata() -> None:
    oldest = {name: version for name, version, _ in rows("Versions", COMPATIBILITY)}
    floors = [
        line
        for line in listed("setup.cfg", "options", "install_requires")
        if line.startswith(MAIN)
    ]
    python = listed("setup.cfg", "options", "python_requires")
    assert [f"Python{python[0]}", *floors] == [
        f"{name}>={version.removesuffix('.0')}" for name, version in oldest.items()
    ]


def test_every_environment_is_documented() -> None:
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    table = rows("How they are tested", COMPATIBILITY)[1:]
    named = {name for row in table for name in words(row[0])}
    assert named == set(re.findall(r"^\[testenv:(\w+)\]$", tox, re.MULTILINE))


def test_what_is_linked_exists() -> None:
    for path in PAGES:
        for target in re.findall(r"\]\((?!https?://)([^)]+)", path.read_text("utf-8")):
            file, _, anchor = target.partition("#")
            linked = path.parent / file if file else path
            assert linked.exists(), f"{path.name}: {target}"
            if anchor:
                text = linked.read_text("utf-8")
                assert anchor in anchors(text), f"{path.name}: {target}"


def test_every_page_is_in_the_index() -> None:
    linked = re.findall(r"\]\(([\w.-]+\.md)\)", page("index.md"))
    assert len(linked) == len(set(linked))
    assert set(linked) == {path.name for path in PAGES[2:]} - {"index.md"}
    assert "](docs/index.md)" in README


def test_the_versions_needed_are_those_of_the_metadata() -> None:
    metadata = (ROOT / "setup.cfg").read_text("utf-8")
    for name, pattern in (
        ("Scrapy", r"Scrapy>=([\d.]+)"),
        ("Python", r"python_requires = >=([\d.]+)"),
    ):
        (least,) = re.findall(pattern, metadata)
        for text in (README, page("quickstart.md")):
            assert f"{name} {least}" in text


# The reference pages


def labelled(title: str, text: str) -> dict[str, str]:
    """Return the items of a section that begin with a label: ``- Default: ...``."""
    items = re.findall(r"^- ([A-Z]\w+): (.+)$", section(title, text), re.MULTILINE)
    return dict(items)


def test_every_setting_has_a_heading_of_its_own() -> None:
    named = [h for h in headings(SETTINGS_PAGE) if h.startswith("ONECAPTCHA_")]
    assert named == list(DEFAULTS)


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_settings_default_and_what_it_takes(name: str) -> None:
    said = labelled(name, SETTINGS_PAGE)
    assert said["Default"] == shown(DEFAULTS[name])
    assert said["Allowed"] == SETTINGS[name].allowed


def test_every_key_of_meta_is_explained() -> None:
    table = rows("One request", SETTINGS_PAGE)
    assert {code(name): allowed for name, allowed, _ in table} == {
        name: row.allowed for name, row in KEYS.items()
    }


def test_every_stat_has_a_heading_of_its_own() -> None:
    named = [words(heading).pop() for heading in headings(STATS_PAGE) if "/" in heading]
    assert named == [f"onecaptcha/{stat}" for stat in STATS]


@pytest.mark.parametrize("stat", VARIANTS)
def test_every_variant_of_a_stat_is_named_and_nothing_else(stat: str) -> None:
    told = words(section(f"`onecaptcha/{stat}`", STATS_PAGE))
    variants = {each for each in told if re.fullmatch(r"[a-z_]+|[A-Z_]+", each)}
    assert variants - set(DEFAULTS) == VARIANTS[stat]


def test_the_only_flag_is_named() -> None:
    assert FAILED in words(section("What a callback sees", STATS_PAGE))
    assert request_meta.KEY in words(section("What a callback sees", STATS_PAGE))


def test_the_statuses_that_show_no_content_are_named() -> None:
    told = section("`onecaptcha/tokens/failed`", STATS_PAGE)
    assert {int(each) for each in re.findall(r"\b\d{3}\b", told)} == NO_CONTENT


@pytest.mark.parametrize("name", exceptions.__all__)
def test_an_errors_reason_and_advice(name: str) -> None:
    error = getattr(exceptions, name)
    said = labelled(name, ERRORS_PAGE)
    assert (code(said["Reason"]), said["Advice"]) == (error.reason, error.advice)
    assert said["Costs"]


def test_no_error_is_made_up() -> None:
    named = re.findall(r"^### (\w+)$", ERRORS_PAGE, re.MULTILINE)
    assert sorted(named) == sorted(exceptions.__all__)
    assert section("The tree", ERRORS_PAGE).count("─ ") == len(exceptions.__all__) - 1
    assert section("The tree", ERRORS_PAGE).split("```")[1] in section(
        "The tree", ERRORS_PAGE
    )


def test_every_reason_of_an_unsolvable_gate_has_its_remedy() -> None:
    table = rows("Why a gate is unsolvable", ERRORS_PAGE)
    assert [code(row[0]) for row in table] == list(REASONS)
    assert f"{MAX_RQDATA:,} characters" in section(
        "Why a gate is unsolvable", ERRORS_PAGE
    )


# The samples

MAX_README_LINES = 160
TRY_IT = "Try it in your own project without a key"
WIDGET = "A widget that you want solved"
SEEN = "What is seen in a page, from Python"
#: Samples of the README by heading.
TRIED = {"Install": 2, "An example": 1}


def test_every_sample_of_the_readme_is_tried() -> None:
    titles = re.findall(r"^##+ (.+)$", README, re.MULTILINE)
    found = {title: section(title, README).count("```python") for title in titles}
    assert {title: count for title, count in found.items() if count} == TRIED


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MAX_README_LINES


def test_the_set_up() -> None:
    by_hand, by_add_on = (executed(text) for text in samples("Install", README))
    (path,) = by_hand["DOWNLOADER_MIDDLEWARES"]
    assert load_object(path) is OneCaptchaMiddleware
    assert by_hand["DOWNLOADER_MIDDLEWARES"][path] == ORDER
    (path,) = by_add_on["ADDONS"]
    assert load_object(path) is Addon
    assert by_hand["ONECAPTCHA_API_KEY"] == "…"


@pytest.mark.crawl
def test_the_example_of_the_readme_runs_as_printed(tmp_path: Path) -> None:
    (sample,) = samples("An example", README)
    (tmp_path / "books.py").write_text(sample, encoding="utf-8")
    done = run(
        ["books.py"],
        cwd=tmp_path,
        env={**environment(), "TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS": ""},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    titles = (tmp_path / "books.csv").read_text("utf-8").splitlines()
    assert len(set(titles)) == 61  # with the head
    told = re.search(r"```\n(\[scrapy_one.*?)```", README, re.DOTALL)
    assert told is not None
    logged = steady(done.stderr).splitlines()
    for line in told[1].splitlines():
        assert steady(line) in logged


def test_what_a_request_says() -> None:
    (sample,) = samples("One request", SETTINGS_PAGE)
    request = executed(sample)["request"]
    options = RequestOptions.from_meta(request.meta["onecaptcha"], config().options)
    assert options.field == "header:x-captcha-response"


@pytest.mark.parametrize("user_agent", [None, "Mozilla/5.0 (theirs)"])
def test_a_callback_that_solves(user_agent: str | None) -> None:
    (sample,) = samples(WIDGET, SITES_PAGE)
    parse = executed(sample)["parse"]

    async def solve(_: Any) -> Solution:
        return Solution(token="P1_x", user_agent=user_agent)

    middlewares = {OneCaptchaMiddleware: SimpleNamespace(solve=solve)}
    crawler = SimpleNamespace(get_downloader_middleware=middlewares.get)
    spider = SimpleNamespace(crawler=crawler, parse_results=print)

    async def run() -> list[Request]:
        return [request async for request in parse(spider, gate())]

    (made,) = asyncio.run(run())
    assert (made.method, made.url) == ("POST", "https://shop.example/search")
    assert made.body == b"q=books&h-captcha-response=P1_x"
    sent = made.headers.get("User-Agent")
    assert sent == (user_agent.encode() if user_agent else None)


def test_what_is_seen_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    (sample,) = samples(SEEN, TOOLS_PAGE)
    found = executed(sample, response=gate())
    assert found["detect"] is detect
    assert capsys.readouterr().out.startswith("True 338af34c-7bcb-4c7c-900b-")


def scrapy(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return run(["-m", "scrapy", *arguments], cwd=folder, env=environment(), timeout=120)


@pytest.mark.crawl
def test_what_is_seen_from_the_command_line(tmp_path: Path) -> None:
    (sample,) = samples("detect", TOOLS_PAGE, "sh")
    (tmp_path / "page.html").write_bytes(GATE)
    commands = [shlex.split(line) for line in sample.splitlines()]
    assert [command[:3] for command in commands] == [
        ["scrapy", "onecaptcha", "detect"]
    ] * 3
    as_text = scrapy(commands[1][1:], tmp_path)
    assert as_text.returncode == 0, as_text.stderr
    assert "status 403" in as_text.stdout
    assert "verdict: gate, solvable" in as_text.stdout
    as_json = scrapy(commands[2][1:], tmp_path)
    assert as_json.returncode == 0, as_json.stderr
    (line,) = as_json.stdout.splitlines()
    told = json.loads(line)
    assert told["verdict"] == "gate"
    missing = scrapy(["onecaptcha", "detect", "missing.html"], tmp_path)
    assert missing.returncode == 2


@contextmanager
def sandbox() -> Iterator[dict[str, Any]]:
    """Run the sandbox as the page says; yield what it prints."""
    shell = samples(TRY_IT, TESTING_PAGE, "sh")
    (command,) = [text for text in shell if "sandbox" in text]
    python, *arguments = shlex.split(command)
    assert python == "python"
    with serving([*arguments, "--site", "bookshop"]) as told:
        yield told


@pytest.mark.crawl
def test_it_can_be_tried_without_a_key(tmp_path: Path) -> None:
    (sample,) = samples(TRY_IT, TESTING_PAGE)
    settings = executed(sample)
    middlewares = settings.pop("DOWNLOADER_MIDDLEWARES")
    shell = samples(TRY_IT, TESTING_PAGE, "sh")
    (fetch,) = [text for text in shell if "fetch" in text]
    made = scrapy(["startproject", "mine", "."], tmp_path)
    assert made.returncode == 0, made.stderr
    with sandbox() as told:
        # What is printed is what the page shows, but for the port.
        url = settings.pop("ONECAPTCHA_API_URL")
        printed = dict(told["settings"])
        assert settings == {n: v for n, v in printed.items() if v != told["service"]}
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        config(**printed)
        with (tmp_path / "mine" / "settings.py").open("a", encoding="utf-8") as file:
            for name, value in printed.items():
                file.write(f"{name} = {value!r}\n")
        _, command, _ = shlex.split(fetch)
        shop = f"{told['sites']['bookshop']}/"
        without = scrapy([command, shop], tmp_path)
        with (tmp_path / "mine" / "settings.py").open("a", encoding="utf-8") as file:
            file.write(f"DOWNLOADER_MIDDLEWARES = {middlewares!r}\n")
        done = scrapy([command, shop], tmp_path)
    assert "h-captcha" in without.stdout
    assert "<title>Catalogue" in done.stdout
    assert "Solved hCaptcha of" in done.stderr
