"""The command line and what needs no reactor, in this process."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.cmdline import execute
from scrapy.settings import Settings
from scrapy.utils.misc import load_object
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from scrapy_onecaptcha import Addon, OneCaptchaMiddleware
from scrapy_onecaptcha._version import __version__
from scrapy_onecaptcha.addon import ORDER
from scrapy_onecaptcha.cli import balance
from scrapy_onecaptcha.cli.page_fetch import (
    MISSING_ROBOTS_ORDER,
    Look,
    Looker,
    LookSpider,
    MissingRobots,
    put_in_place,
)
from scrapy_onecaptcha.cli.purchase import Answer
from scrapy_onecaptcha.cli.service import has_no_balance, read_config
from scrapy_onecaptcha.cli.terminal import LINE, TICK, Terminal
from scrapy_onecaptcha.commands import TOOLS
from scrapy_onecaptcha.exceptions import ServiceError, TaskFailed
from scrapy_onecaptcha.models import Solution, price
from scrapy_onecaptcha.request_options import RequestOptions
from scrapy_onecaptcha.service.client import Task
from scrapy_onecaptcha.settings import Config

if TYPE_CHECKING:
    from pathlib import Path

KEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
PAGE = ("--sitekey", KEY, "--url", "https://shop.example/")
OURS = "scrapy_onecaptcha.OneCaptchaMiddleware"


class Ran:
    """What a command came to."""

    def __init__(self, status: Any, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Run ``scrapy onecaptcha``, outside any project and without a terminal."""
    monkeypatch.chdir(tmp_path)
    for name in ("ONECAPTCHA_API_KEY", "SCRAPY_SETTINGS_MODULE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def ran(*arguments: str, **settings: Any) -> Ran:
        with pytest.raises(SystemExit) as ended:
            execute(["scrapy", "onecaptcha", *arguments], Settings(settings))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Ran(ended.value.code, out, err)

    return ran


def config(**settings: Any) -> Config:
    return Config.parse(Settings({"ONECAPTCHA_API_KEY": "k", **settings}), {})


# The command line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a tool: detect, balance, solve, sandbox, check, report, st"),
        (("slove",), "(not 'slove')"),
        (("--jsn", "check"), "there is no option --jsn"),
        (("check", "--jsn"), "there is no option --jsn"),
        (("check", "a", "b"), "one SPIDER at a time"),
        (("check", "nobody"), "no spider is called 'nobody'; there are: none"),
        (("check", "-s", "X"), "Invalid -s value"),
        (("balance", "mine"), "no argument, not 'mine'"),
        (("balance",), "set ONECAPTCHA_API_KEY"),
        (("sandbox", "wall"), "a site is named by --site wall"),
        (("sandbox", "--site", "nowhere"), "invalid choice: 'nowhere'"),
        (("sandbox", "--failure-rate", "2"), "failure_rate"),
        (("solve",), "solve what?"),
        (("solve", "shop.example"), "begins with http:// or https://"),
        (("solve", "https://a.test/", "https://b.test/"), "one URL at a time"),
        (("solve", "https://a.test/", "--invisible"), "--invisible goes with"),
        (("solve", "https://a.test/", "--rqdata", "x"), "--rqdata goes with"),
        (("solve", "--sitekey", KEY), "--sitekey goes with --url"),
        (("solve", "--sitekey", KEY, "--url", "shop"), "--sitekey goes with --url"),
        (("solve", "--sitekey", "x", *PAGE[2:]), "--sitekey is 'x'; allowed: a UUID"),
        (("solve", *PAGE, "--user-agent", "a\nb"), "allowed: one line of text"),
        (("solve", *PAGE, "--rqdata", ""), "--rqdata is ''; allowed: one line"),
        (("solve", *PAGE, "--yes"), "set ONECAPTCHA_API_KEY"),
    ],
)
def test_a_wrong_command_line(run: Any, arguments: tuple[str, ...], said: str) -> None:
    ran = run(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err


def test_nothing_is_paid_where_nobody_can_agree(run: Any) -> None:
    """There is no terminal here; that nobody is called shows by the reserved name."""
    ran = run("solve", *PAGE, ONECAPTCHA_API_KEY="k")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "scrapy onecaptcha solve: error: there is no terminal to ask on whether to "
        "pay; add --yes to agree\n"
    )


def test_a_bad_setting_is_one_line(run: Any) -> None:
    ran = run("balance", "-s", "ONECAPTCHA_MAX_TASKS=-1", ONECAPTCHA_API_KEY="k")
    assert (ran.status, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert line.startswith(
        "scrapy onecaptcha balance: error: ONECAPTCHA_MAX_TASKS is '-1'; allowed: "
    )


def test_options_may_stand_before_the_tool(run: Any) -> None:
    ran = run("--json", "-s", "ONECAPTCHA_MAX_TASKS=1", "check", "-s", "JOBDIR=x")
    found = {each["setting"] for each in json.loads(ran.out)["findings"]}
    assert "ONECAPTCHA_MAX_TASKS" not in found
    assert "ONECAPTCHA_MAX_TASKS" in {
        each["setting"] for each in json.loads(run("check", "--json").out)["findings"]
    }


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_has_its_help(run: Any, tool: str) -> None:
    ran = run(tool, "--help")
    assert (ran.status, ran.err) == (0, "")
    text = " ".join(ran.out.split())
    assert f"scrapy onecaptcha {tool} [options]" in text
    assert re.search(r"Exit status: 0 when .* 2 .* 130 after Ctrl-C\.$", text)


def test_a_projects_log_is_left_alone(run: Any, tmp_path: Path) -> None:
    """Its level would bury the answer, and its file may be written anew each time."""
    log = tmp_path / "crawl.log"
    project = {"LOG_FILE": str(log), "LOG_LEVEL": "DEBUG", "ONECAPTCHA_API_KEY": "k"}
    ran = run("detect", "missing.html", **project)
    assert (ran.status, ran.err, log.exists()) == (2, "", False)
    settings = Settings(project)
    with pytest.raises(SystemExit):
        execute(["scrapy", "onecaptcha", "--version", "-L", "INFO"], settings)
    assert (settings["LOG_LEVEL"], settings["LOG_FILE"]) == ("INFO", None)


def test_the_help_of_all(run: Any) -> None:
    ran = run("--help")
    assert (ran.status, ran.err) == (0, "")
    text = " ".join(ran.out.split())
    for tool in TOOLS:
        assert f"{tool}: " in text
    assert "Exit status of every tool: 0 done; 1" in text


def test_the_versions(run: Any) -> None:
    ran = run("--version")
    assert (ran.status, ran.err) == (0, "")
    assert re.fullmatch(
        rf"scrapy-onecaptcha {re.escape(__version__)} \(Scrapy [\d.]+, Twisted [\d.]+, "
        r"treq [\d.]+, Python [\d.]+\)\n",
        ran.out,
    )
    found = json.loads(run("--version", "--json").out)
    assert list(found) == ["scrapy-onecaptcha", "Scrapy", "Twisted", "treq", "Python"]
    assert f"(Scrapy {found['Scrapy']}, " in ran.out


def test_risks_count_if_they_are_to(run: Any) -> None:
    project = {
        "ONECAPTCHA_API_KEY": "the-key",
        "DOWNLOADER_MIDDLEWARES": {OURS: 585},
        "REMOTE_CONTROL_ENABLED": False,
    }
    ran = run("check", **project)
    assert ran.status == 0
    assert "risk: ONECAPTCHA_MAX_TASKS: There is no budget." in ran.out
    # One more where no engine for scripts is installed.
    assert re.search(r"\n0 errors, (1 risk|2 risks), 2 hints\n$", ran.out)
    assert run("check", "--strict", **project).status == 1
    assert run("check", **project, ONECAPTCHA_API_URL="http://a.test").status == 1
    assert "the-key" not in ran.out


def test_check_does_not_ask_with_a_key_that_is_wrong(run: Any) -> None:
    """In this process no reactor may run: it would fail if it asked."""
    ran = run("check", "--balance", "--json")
    assert ran.status == 1
    assert json.loads(ran.out)["account"] is None


def test_a_reader_that_leaves_is_no_fault(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: Any) -> None:
        raise BrokenPipeError

    moved: list[int] = []
    monkeypatch.setattr(Terminal, "result", leave)
    monkeypatch.setattr("os.dup2", lambda _, there: moved.append(there))
    monkeypatch.setattr("sys.stdout.fileno", lambda: 1)
    ran = run("--version")
    assert (ran.status, ran.err, moved) == (1, "", [1])


# What is told


def test_a_tool_is_meant_even_where_crawls_are_off() -> None:
    settings = Settings({"ONECAPTCHA_API_KEY": "k", "ONECAPTCHA_ENABLED": False})
    assert read_config(settings).enabled
    assert settings["ONECAPTCHA_ENABLED"] is False


@pytest.mark.parametrize(
    ("points", "cost", "solves"),
    [(1071810.0, 7, 153115), (6.99, 7, 0), (-3.0, 7, 0), (10.0, 0, None)],
)
def test_how_far_a_balance_goes(points: float, cost: float, solves: int | None) -> None:
    told = balance.tell(config(ONECAPTCHA_TASK_COST=cost), points, None)
    assert (told["points"], told["solves"]) == (points, solves)
    assert told["cny"] == points / 1000
    assert ("solves" in balance.in_words(told)) == (solves is not None)


def test_a_balance_in_words() -> None:
    told = balance.tell(config(), 1071810.0, None)
    assert balance.in_words(told) == (
        "1,071,810 points (1,071.810 CNY): 153,115 solves at 7 points"
    )


@pytest.mark.parametrize(
    ("code", "lacks"),
    [
        ("NO_BALANCE", True),
        ("ERROR_NO_SUCH_METHOD", True),
        ("HTTP_404", True),
        ("ERROR_KEY_DOES_NOT_EXIST", False),
        ("HTTP_403", False),
        ("", False),
    ],
)
def test_a_service_that_has_no_balance(code: str, lacks: bool) -> None:
    assert has_no_balance(ServiceError("x", code=code)) is lacks


def test_prices() -> None:
    assert price(7) == "7 points (0.007 CNY)"
    assert price(0.5) == "0.5 points (0.001 CNY)"


def test_the_user_agent_that_a_token_is_good_for() -> None:
    task = Task(url="https://shop.example/", sitekey=KEY, user_agent="Mine/1.0")
    answer = Answer(url=task.url, task=task)
    assert answer.tell(7)["user_agent"] is None
    answer.solution = Solution(token="P1_x")
    assert answer.tell(7)["user_agent"] == "Mine/1.0"
    answer.solution = Solution(token="P1_x", user_agent="Theirs/1.0")
    assert answer.tell(7)["user_agent"] == "Theirs/1.0"


def test_a_failure_as_json() -> None:
    error = TaskFailed("It failed.", code="ERROR_CAPTCHA_UNSOLVABLE")
    told = Answer(url="https://shop.example/", spent=1, error=error).tell(7)
    assert (told["error"], told["reason"]) == ("It failed.", "task_failed")
    assert (told["code"], told["points"]) == ("ERROR_CAPTCHA_UNSOLVABLE", 7)
    assert told["token"] is told["sitekey"] is None


# The looks


@pytest.mark.parametrize(
    "named", [{}, {OURS: 585}, {OneCaptchaMiddleware: 600}, {OURS: None}]
)
def test_a_looker_stands_where_the_middleware_would(named: dict[Any, Any]) -> None:
    """Looking must not pay: an add-on leaves alone what is named already."""
    settings = Settings({"DOWNLOADER_MIDDLEWARES": {**named, "a.b.Other": 1}})
    with pytest.raises(ModuleNotFoundError):
        put_in_place(settings)
    settings = Settings({"DOWNLOADER_MIDDLEWARES": named})
    put_in_place(settings)
    Addon().update_settings(settings)
    placed = settings.getdict("DOWNLOADER_MIDDLEWARES")
    assert placed.pop(Looker) == ORDER
    assert placed.pop(MissingRobots) == MISSING_ROBOTS_ORDER
    (ours,) = placed.items()
    assert (load_object(ours[0]), ours[1]) == (OneCaptchaMiddleware, None)


@pytest.mark.parametrize("fresh", [True, False])
def test_what_is_to_be_paid_for_is_not_from_a_cache(fresh: bool) -> None:
    look = Look("https://shop.example/")
    request = LookSpider([look], RequestOptions(), fresh=fresh).ask(look)
    assert request.meta["dont_cache"] is fresh


# The terminal


class Screen(io.StringIO):
    """Takes what is written, as a terminal does."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def test_progress_is_written_over_on_a_terminal() -> None:
    clock, screen = Clock(), Screen(is_terminal=True)
    terminal = Terminal(io.StringIO(), screen)
    with terminal.progress(clock, lambda s: f"{s:.0f} s"):
        assert screen.getvalue() == "0 s"
        clock.advance(TICK)
        assert screen.getvalue() == "0 s\r   \r1 s"
        terminal.say("A line.")
        assert screen.getvalue() == "0 s\r   \r1 s\r   \rA line.\n"
        clock.advance(TICK)
    assert screen.getvalue().endswith("A line.\n2 s\r   \r")
    assert clock.getDelayedCalls() == []


def test_progress_is_a_line_now_and_then_elsewhere() -> None:
    clock, screen = Clock(), Screen(is_terminal=False)
    with Terminal(io.StringIO(), screen).progress(clock, lambda s: f"{s:.0f} s"):
        clock.advance(LINE - 1)
        assert screen.getvalue() == ""
        clock.pump([1, LINE])
    assert screen.getvalue() == "10 s\n20 s\n"
    assert clock.getDelayedCalls() == []


def test_progress_ends_with_what_it_is_about() -> None:
    clock, screen = Clock(), Screen(is_terminal=True)

    async def wait() -> None:
        with Terminal(io.StringIO(), screen).progress(clock, lambda _: "waits"):
            await Deferred()

    waiting = Deferred.fromCoroutine(wait())
    failed: list[Any] = []
    waiting.addBoth(failed.append)
    waiting.cancel()
    assert failed[0].check(CancelledError)
    assert clock.getDelayedCalls() == []


def test_a_page_cannot_write_to_the_terminal() -> None:
    out, screen = io.StringIO(), Screen(is_terminal=False)
    terminal = Terminal(out, screen)
    terminal.result("a\x1b[2Jb")
    terminal.say("c\rd\x07")
    assert (out.getvalue(), screen.getvalue()) == ("a [2Jb\n", "c d \n")


def test_json_is_one_line() -> None:
    out = io.StringIO()
    Terminal(out, out).as_json({"a": "b\n\x1b"})
    assert out.getvalue() == '{"a": "b\\n\\u001b"}\n'
