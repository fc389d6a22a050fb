"""The page of the tools is held against their options, their JSON and their output."""

from __future__ import annotations

import json
import re
import shlex
from argparse import ArgumentParser
from dataclasses import asdict, fields
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from scrapy import Spider
from scrapy.settings import Settings
from scrapy.utils.misc import load_object

from scrapy_onecaptcha import Addon, OneCaptchaMiddleware, commands
from scrapy_onecaptcha.cli import balance, base, store
from scrapy_onecaptcha.cli.base import Call
from scrapy_onecaptcha.cli.check import effective, in_words
from scrapy_onecaptcha.cli.checks.finding import SEVERITIES, Finding
from scrapy_onecaptcha.cli.checks.project import find
from scrapy_onecaptcha.cli.detect import Detect
from scrapy_onecaptcha.cli.purchase import Answer
from scrapy_onecaptcha.cli.report import ReportTool
from scrapy_onecaptcha.cli.sandbox import SandboxTool
from scrapy_onecaptcha.cli.terminal import Terminal
from scrapy_onecaptcha.report.ledger import Ledger
from scrapy_onecaptcha.sandbox import __main__ as process
from scrapy_onecaptcha.stores.base import Clearance, Entry
from scrapy_onecaptcha.stores.naming import name_session
from tests.docs.pages import GATE, config, page, rows, samples, section, words
from tests.unit.report.helpers import CODES, MIDNIGHT, SITES, record

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = page("tools.md")


def tables(title: str) -> dict[str, set[str]]:
    """Return what the tables below a heading of the tools name, by their first head."""
    found: dict[str, set[str]] = {}
    for head, body in re.findall(
        r"^\| (\w+) \|.*\n\|[-|]+\n((?:\|.*\n)+)", section(title, TOOLS), re.MULTILINE
    ):
        cells = [line.split("|")[1] for line in body.splitlines()]
        found[head] = {name for cell in cells for name in words(cell)}
    return found


def documented_fields(tool: str) -> set[str]:
    return tables(tool)["field"]


def test_the_tools_are_all_there() -> None:
    listed = re.findall(r"^\| \[`(\w+)`\]\(#(\w+)\)", TOOLS, re.MULTILINE)
    assert listed == [(name, name) for name in commands.TOOLS]
    assert re.findall(r"^## (.+)$", TOOLS, re.MULTILINE) == list(commands.TOOLS)


@pytest.mark.parametrize("tool", commands.TOOLS)
def test_every_option_of_a_tool_is_documented(tool: str) -> None:
    parser = ArgumentParser()
    load_object(commands.TOOLS[tool][0])().add_options(parser)
    options = set(re.findall(r"(--[a-z-]+)", parser.format_help())) - {"--help"}
    assert tables(tool).get("option", set()) == options


def test_every_field_of_the_json_is_documented() -> None:
    assert documented_fields("balance") == balance.tell(config(), None, None).keys()
    assert documented_fields("solve") == Answer(url="").tell(0).keys()
    (cell,) = [
        meaning
        for line in section("check", TOOLS).splitlines()
        if line.startswith("| `findings`")
        for meaning in [line.split("|")[2]]
    ]
    assert words(cell) == {field.name for field in fields(Finding)}


def test_the_exit_status_is_documented() -> None:
    documented = [row[0] for row in rows("Tools", TOOLS) if row[0].isdigit()]
    every = (base.DONE, base.FAILED, base.WRONG_USAGE, base.INTERRUPTED)
    assert documented == [str(status) for status in every]


def shown_by(tool: str) -> str:
    """Return what the tools' page says that a tool prints."""
    (text,) = samples(tool, TOOLS, "text")
    return text


def detected(folder: Path, *, as_json: bool) -> str:
    """Return what the sample of detect prints, which reads a file."""
    page = folder / "page.html"
    page.write_bytes(GATE)
    (sample,) = samples("detect", TOOLS, "sh")
    parser = ArgumentParser()
    detect = Detect()
    detect.add_options(parser)
    _, *rest = shlex.split(sample.splitlines()[1].partition("onecaptcha ")[2])
    options, arguments = parser.parse_known_args(rest)
    assert arguments == [page.name]
    options.json = as_json
    out = StringIO()
    call = Call(
        arguments=[str(page)],
        options=options,
        settings=Settings(),
        terminal=Terminal(out, out),
    )
    assert detect.run(call) == base.DONE
    return out.getvalue().replace(str(page), page.name)


def test_what_detect_prints(tmp_path: Path) -> None:
    assert detected(tmp_path, as_json=False) == shown_by("detect")
    told = json.loads(detected(tmp_path, as_json=True))
    assert documented_fields("detect") - {"saved"} == told.keys()


def test_what_balance_prints() -> None:
    told = balance.tell(config(), 1071810.0, None)
    assert f"{balance.in_words(told)}\n" == shown_by("balance")


def test_what_check_prints() -> None:
    project = {
        "ADDONS": {Addon: 500},
        "DOWNLOADER_MIDDLEWARES": {OneCaptchaMiddleware: 595},
        "ONECAPTCHA_API_KEY": "key",
        "REMOTE_CONTROL_ENABLED": False,
        "ROBOTSTXT_OBEY": True,
    }
    spider = type("Shop", (Spider,), {"allowed_domains": ["shop.example"]})
    settings, kept = effective(Settings(project), spider)
    found = [*kept, *find(settings, spider, {}, engine_problem=lambda: None)]
    counts = {
        f"{severity}s": sum(each.severity == severity for each in found)
        for severity in SEVERITIES
    }
    told = {
        "project": "mine",
        "spider": "shop",
        "findings": [asdict(each) for each in found],
        "account": None,
        **counts,
    }
    assert documented_fields("check") == told.keys()
    assert "\n".join([*in_words(told), ""]) == shown_by("check")


def test_what_the_sandbox_prints() -> None:
    """But for the ports: what it tells in JSON, and each line of its text."""
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    SandboxTool().add_options(parser)
    (sample,) = samples("sandbox", TOOLS, "sh")
    options = parser.parse_args(shlex.split(sample)[3:])
    built = process.build(options)
    built.service_url, built.siteverify_url = "http://a", "http://b/siteverify"
    built.urls = dict.fromkeys(built.sites, "http://c")

    def without_ports(text: str) -> str:
        return re.sub(r"http://[\w.:]+", "URL", text)

    printed = process.show(built, options)
    assert without_ports(f"{printed}\n") == without_ports(shown_by("sandbox"))
    options.json = True
    told = json.loads(process.show(built, options))
    assert documented_fields("sandbox") == told.keys()


def reported(folder: Path, *options: str) -> str:
    """Return what report prints of a ledger of a few tasks."""
    path = folder / "captchas.jsonl"
    ledger = Ledger(path)
    for each in TASKS:
        ledger.append(each)
    ledger.close()
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    tool = ReportTool()
    tool.add_options(parser)
    out = StringIO()
    call = Call(
        arguments=[str(path)],
        options=parser.parse_args(options),
        settings=Settings(),
        terminal=Terminal(out, out),
    )
    assert tool.run(call) == base.DONE
    return out.getvalue()


#: Two nights of a shop, and one of its neighbours.
TASKS = [
    *[record(opened=48, seconds=22.5 + n) for n in range(9)],
    record(outcome="rejected", opened=0),
    *[record(time=MIDNIGHT - 3600, opened=50, seconds=30.0 + n) for n in range(5)],
    *[
        record(time=MIDNIGHT - 7200, outcome="failed", code=CODES[0], points=0.0)
        for _ in range(2)
    ],
    record(site=SITES[1], opened=1, seconds=41.0),
    record(site=SITES[1], outcome="failed", code="timeout", seconds=300.0, points=0.0),
]


def test_what_report_prints(tmp_path: Path) -> None:
    assert reported(tmp_path) == shown_by("report")


def test_every_field_of_a_report_is_documented(tmp_path: Path) -> None:
    told = json.loads(reported(tmp_path, "--json"))
    assert documented_fields("report") == told.keys()
    cells = {
        name: meaning
        for cell, meaning in re.findall(
            r"^\| (.+?) \| (.+) \|$", section("report", TOOLS), re.MULTILINE
        )
        for name in words(cell)
    }
    assert words(cells["total"]) - {"null"} == told["total"].keys()
    assert words(cells["failures"]) == told["failures"][0].keys()


STORED = [
    Entry(
        session=name_session("https://shop.example", None, "", "crawler-1") or "",
        clearance=Clearance(
            cookies=({"name": "session"}, {"name": "clearance"}),
            user_agent="Mozilla/5.0 (X11; Linux x86_64)",
            generation=3,
            earned_at=1793521800.0,
        ),
        seconds=86_340.0,
    ),
    Entry(
        session=name_session(
            "https://shop.example", 2, "203.0.113.7:8080#1f3870be274f", "crawler-1"
        )
        or "",
        clearance=None,
        token_per_page=True,
    ),
]


def test_what_store_prints() -> None:
    told = [store.tell(entry) for entry in STORED]
    assert "\n".join([*store.in_words(told), ""]) == shown_by("store")
    assert documented_fields("store") == told[0].keys()
    said = section("store", TOOLS)
    assert json.dumps({"forgotten": 2}) in said
