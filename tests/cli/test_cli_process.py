"""``scrapy onecaptcha …`` as a person runs it: real processes, and Ctrl-C in each."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from crawl_harness import REACTORS as CRAWLS
from crawl_harness import Servers, sandbox
from scrapy.commands import ScrapyCommand

from tests.python_process import STRICT
from tests.python_process import run as python

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

#: The option that has a tool run on each reactor, or none.
REACTORS = {
    name: next(f"{setting}={value}" for setting, value in settings.items())
    for name, (settings, _) in CRAWLS.items()
}
#: Seconds after which a process that has not ended is taken for one that hangs.
HANGS = 120.0
DOCS = Path(__file__).resolve().parents[2] / "docs" / "tools.md"
KEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
TOKEN = re.compile(r"P1_[\w.-]{200,}")
SETTINGS = """
ADDONS = {"scrapy_onecaptcha.Addon": 500}
BOT_NAME = "mine"
ONECAPTCHA_MAX_TASKS = 50
ROBOTSTXT_OBEY = True
SPIDER_MODULES = ["mine.spiders"]
USER_AGENT = "Project/1.0"
"""
SPIDER = """
from scrapy import Spider


class Shop(Spider):
    name = "shop"
    allowed_domains = ["shop.example"]
    custom_settings = {"COOKIES_ENABLED": False}
"""
#: An add-on that says where it is, and stays there.
STALLS = """
import sys, time


class Stalls:
    def update_settings(self, settings):
        print("stalls", flush=True)
        time.sleep(60)
"""


def environment() -> dict[str, str]:
    """Return this process's environment without what would bend a tool."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy")
        and not name.startswith("ONECAPTCHA")
        and name not in {"COLUMNS", "SCRAPY_SETTINGS_MODULE"}
    } | {"PYTHONIOENCODING": "utf-8"}


def command(servers: Servers | None, *arguments: str) -> list[str]:
    """Return Python's arguments for a tool, which uses the service of *servers*."""
    settings = servers.settings if servers else {}
    said = [
        text for name, value in settings.items() for text in ("-s", f"{name}={value}")
    ]
    return ["-m", "scrapy", "onecaptcha", *arguments, *said]


def program(servers: Servers | None, *arguments: str) -> list[str]:
    """Return the command line of a tool."""
    return [
        sys.executable,
        *(f"-W{option}" for option in STRICT),
        *command(servers, *arguments),
    ]


def run(
    folder: Path, servers: Servers | None, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    done = python(
        command(servers, *arguments),
        cwd=folder,
        env=environment() | variables,
        warnings=STRICT,
        timeout=HANGS,
    )
    assert "Traceback" not in done.stderr
    assert servers is None or servers.key not in done.stdout + done.stderr
    return done


@contextmanager
def running(
    folder: Path, servers: Servers | None, *arguments: str
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        program(servers, *arguments),
        cwd=folder,
        encoding="utf-8",
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C; return what was printed, once it has ended as it should."""
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=HANGS)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "Task was destroyed" not in errors
    return out, errors


@contextmanager
def silent() -> Iterator[tuple[str, socket.socket]]:
    """Listen and never answer; `accept` tells that a client has come."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(HANGS)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", listener


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with sandbox("--site", "wall", "--latency", "0.2", "--resp-key", "E0_k") as info:
        yield info


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "scrapy.cfg").write_text("[settings]\ndefault = mine.settings\n")
    (tmp_path / "mine" / "spiders").mkdir(parents=True)
    (tmp_path / "mine" / "__init__.py").touch()
    (tmp_path / "mine" / "settings.py").write_text(SETTINGS)
    (tmp_path / "mine" / "stalls.py").write_text(STALLS)
    (tmp_path / "mine" / "spiders" / "__init__.py").write_text(SPIDER)
    return tmp_path


# What they say


@pytest.mark.parametrize("reactor", ["asyncio", "select"])
def test_the_balance(tmp_path: Path, servers: Servers, reactor: str) -> None:
    told = run(
        tmp_path,
        servers,
        "balance",
        "--json",
        "-s",
        REACTORS[reactor],
    )
    assert (told.returncode, told.stderr) == (0, "")
    account = json.loads(told.stdout)
    left = servers.ledger()["balance"]
    assert account == {
        "service": servers.info["service"],
        "points": left,
        "cny": left / 1000,
        "task_cost": 7,
        "task_type": "auto",
        "solves": left // 7,
        "error": None,
        "code": None,
    }


def test_the_balance_without_a_reactor_and_in_words(
    tmp_path: Path, servers: Servers
) -> None:
    told = run(tmp_path, servers, "balance", "-s", "TWISTED_REACTOR_ENABLED=False")
    assert (told.returncode, told.stderr) == (0, "")
    left = servers.ledger()["balance"]
    assert told.stdout == (
        f"{left:,} points ({left / 1000:,.3f} CNY): {left // 7:,} solves at 7 points\n"
    )


def test_an_account_that_is_refused(tmp_path: Path, servers: Servers) -> None:
    service = f"ONECAPTCHA_API_URL={servers.info['service']}"
    told = run(
        tmp_path,
        None,
        *("balance", "--json", "-s", service),
        ONECAPTCHA_API_KEY="not-known-there",
    )
    assert told.returncode == 1
    account = json.loads(told.stdout)
    assert (account["points"], account["code"]) == (None, "ERROR_KEY_DOES_NOT_EXIST")
    assert "check ONECAPTCHA_API_KEY" in told.stderr
    assert "not-known-there" not in told.stdout + told.stderr


def test_a_service_without_a_balance(tmp_path: Path) -> None:
    with sandbox("--site", "plain", "--fault", "getBalance=http:404,*") as bare:
        told = run(tmp_path, bare, "balance")
    assert (told.returncode, told.stdout) == (0, "")
    assert told.stderr.startswith("This service does not tell its balances: ")


def test_a_token_for_a_page(project: Path, servers: Servers) -> None:
    """The token alone on standard output, so that a shell can take it."""
    url = f"{servers['wall']}/page/1"
    before = servers.tasks
    told = run(project, servers, "solve", url, "--yes")
    assert told.returncode == 0, told.stderr
    assert TOKEN.fullmatch(told.stdout.removesuffix("\n"))
    assert servers.tasks == before + 1
    task = servers.ledger()["tasks"][-1]["fields"]
    assert (task["websiteURL"], task["userAgent"]) == (url, "Project/1.0")
    fetching, price, solved, *rest = told.stderr.splitlines()
    assert fetching == f"Fetching {url}"
    assert f"{task['websiteKey']} of " in price
    assert price.endswith(
        f"one task at {servers.info['service']}, 7 points (0.007 CNY)."
    )
    assert re.fullmatch(r"Solved in \d+\.\d s, for 7 points \(0\.007 CNY\)\.", solved)
    assert rest == [
        "User-Agent: Project/1.0",
        "respKey: E0_k",
        "Send the token once, within 60 s, with that User-Agent.",
    ]
    documented = DOCS.read_text("utf-8").partition("```text\nFetching")[2]
    shown = f"Fetching{documented.partition('```')[0]}"
    assert alike(told.stderr) == alike(shown)


def alike(text: str) -> str:
    """Return *text* without what differs from one solve to the next."""
    text = re.sub(r"https?://[^\s,]+", "URL", text)
    text = re.sub(r"hCaptcha \S+ of \S+ ", "hCaptcha KEY of SITE ", text)
    text = re.sub(r"(User-Agent|respKey): .*", r"\1: …", text)
    return re.sub(r"Solved in [\d.]+ s", "Solved in … s", text)


def test_a_token_for_a_sitekey(tmp_path: Path, servers: Servers) -> None:
    told = run(
        tmp_path,
        servers,
        *("solve", "--sitekey", KEY.upper(), "--url", "https://shop.example/a"),
        *("--invisible", "--rqdata", "some", "--yes", "--json"),
        *("--user-agent", "Mine/1.0", "-s", REACTORS["select"]),
    )
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    assert TOKEN.fullmatch(answer.pop("token"))
    assert answer.pop("seconds") > 0
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.pop("task_id"))
    task = servers.ledger()["tasks"][-1]
    assert task["fields"]["rqdata"] == "some"
    assert answer == {
        "url": "https://shop.example/a",
        "kind": None,
        "sitekey": KEY,
        "invisible": True,
        "rqdata": True,
        "user_agent": "Mine/1.0",
        "task_type": "HCaptchaTaskProxyless",
        "resp_key": "E0_k",
        "points": 7,
        "error": None,
        "reason": None,
        "code": None,
    }


def test_nothing_is_paid_for_a_page_without_a_captcha(
    tmp_path: Path, servers: Servers
) -> None:
    before = servers.tasks
    told = run(
        tmp_path, servers, "solve", f"{servers.info['service']}/", "--yes", "--json"
    )
    assert told.returncode == 1
    answer = json.loads(told.stdout)
    assert (answer["token"], answer["points"]) == (None, 0)
    assert answer["reason"] == "unsolvable"
    assert "has no hCaptcha: It does not mention hCaptcha." in answer["error"]
    assert told.stderr.endswith("No token was bought, nothing was spent.\n")
    assert servers.tasks == before


def test_a_task_that_fails_says_what_it_may_have_cost(tmp_path: Path) -> None:
    with sandbox(
        *("--site", "plain", "--failure-rate", "1", "--latency", "0"),
        *("--fault", "createTask=ERROR_NO_SLOT_AVAILABLE,ok"),
    ) as failing:
        told = run(
            tmp_path,
            failing,
            *("solve", "--sitekey", KEY, "--url", "https://shop.example/", "--yes"),
        )
        assert failing.tasks == 1
    assert (told.returncode, told.stdout) == (1, "")
    assert "ERROR_NO_SLOT_AVAILABLE" in told.stderr
    assert "Next try in" in told.stderr
    assert "ERROR_CAPTCHA_UNSOLVABLE" in told.stderr
    assert "A task was created, and may have been billed: 7 points" in told.stderr


def test_a_task_whose_creation_went_unanswered_is_the_only_one(tmp_path: Path) -> None:
    """It may have been billed: a second would be more than was agreed to."""
    with sandbox(
        "--site", "plain", "--latency", "0", "--fault", "createTask=drop,ok"
    ) as dropping:
        told = run(
            tmp_path,
            dropping,
            *("solve", "--sitekey", KEY, "--url", "https://shop.example/", "--yes"),
        )
        assert dropping.tasks == 1
    assert (told.returncode, told.stdout) == (1, "")
    assert "createTask" in told.stderr
    assert "A task was created, and may have been billed: 7 points" in told.stderr


def test_check_reads_a_project_as_a_crawl_would(project: Path) -> None:
    told = run(
        project, None, "check", "shop", "--json", ONECAPTCHA_API_KEY="secret-key"
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert "secret-key" not in told.stdout
    found = json.loads(told.stdout)
    assert (found["project"], found["spider"]) == ("mine", "shop")
    assert found["errors"] == 0
    # What is installed here is not the project's doing.
    settings = {each["setting"] for each in found["findings"]}
    assert settings - {"ONECAPTCHA_SCRIPTS", "REMOTE_CONTROL_ENABLED"} == {
        "COOKIES_ENABLED"
    }
    assert found["account"] is None


def test_check_asks_the_service(project: Path, servers: Servers) -> None:
    told = run(project, servers, "check", "--balance")
    assert told.returncode == 0, told.stdout
    assert "The service knows the key: " in told.stdout


def test_check_says_that_the_account_is_refused(
    project: Path, servers: Servers
) -> None:
    service = ("-s", f"ONECAPTCHA_API_URL={servers.info['service']}")
    told = run(project, None, "check", "--balance", *service, ONECAPTCHA_API_KEY="no")
    assert told.returncode == 1
    assert "error: ONECAPTCHA_API_KEY: The service refused getBalance" in told.stdout


def test_detect_in_a_project_says_nothing_of_the_middleware(
    project: Path, servers: Servers
) -> None:
    before = servers.tasks
    told = run(project, servers, "detect", f"{servers['wall']}/page/1")
    assert (told.returncode, told.stderr) == (0, "")
    assert "verdict: gate, solvable" in told.stdout
    assert servers.tasks == before


def test_a_host_that_is_not_there_is_told_in_a_sentence(
    project: Path, servers: Servers
) -> None:
    """Also where robots.txt is asked for first, of which Scrapy shows a traceback."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # nobody listens there, nor can
        url = "http://{}:{}/".format(*nobody.getsockname())
        done = run(project, servers, "solve", "--yes", url)
    assert done.returncode == 1
    assert f"{url} could not be read: " in done.stderr
    assert "nothing was spent" in done.stderr


def test_a_robots_txt_that_did_not_come_is_asked_for_again(project: Path) -> None:
    """Or a crawl of the project would read in its HTTP cache that there is none."""
    asked: list[str] = []

    class Forbidding(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"User-agent: *\nDisallow: /")

        def log_message(self, *_: object) -> None:
            pass

    cache = ("-s", "HTTPCACHE_ENABLED=1", "-s", f"HTTPCACHE_DIR={project / 'kept'}")
    server = HTTPServer(("127.0.0.1", 0), Forbidding, bind_and_activate=False)
    server.server_bind()  # it is there, but does not listen
    url = "http://{}:{}/".format(*server.server_address)
    try:
        first = run(project, None, "detect", url, *cache)
        server.server_activate()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        second = run(project, None, "detect", url, *cache)
        server.shutdown()
    finally:
        server.server_close()
    assert "ConnectionRefused" in first.stdout
    assert "robots.txt" in second.stdout
    assert asked == ["/robots.txt"]


def test_a_project_that_cannot_start_says_why(project: Path, servers: Servers) -> None:
    broken = "-s", 'DOWNLOADER_MIDDLEWARES={"no.such.Middleware": 1}'
    told = run(project, servers, "detect", f"{servers['wall']}/", *broken)
    assert told.returncode == 2
    assert (
        "Scrapy could not start: ModuleNotFoundError: No module named 'no'"
        in told.stdout
    )
    if not hasattr(ScrapyCommand, "requires_crawler_process"):
        return  # Scrapy 2.13 loads add-ons before it calls a command
    told = run(project, servers, "balance", "-s", 'ADDONS={"no.such.Addon": 1}')
    assert told.returncode == 2
    assert "Scrapy cannot be set up: ModuleNotFoundError" in told.stderr


# Ctrl-C


@pytest.mark.parametrize("reactor", ["asyncio", "select"])
def test_ctrl_c_while_a_page_is_fetched(tmp_path: Path, reactor: str) -> None:
    with silent() as (url, listener):
        name = REACTORS[reactor]
        with running(tmp_path, None, "detect", url, "-s", name) as process:
            visitor, _ = listener.accept()
            with visitor:
                assert interrupted(process) == ("", "")


def test_ctrl_c_while_a_task_is_created(tmp_path: Path) -> None:
    with silent() as (url, listener):
        service = ("-s", f"ONECAPTCHA_API_URL={url}", "-s", "ONECAPTCHA_API_KEY=k")
        page = ("--sitekey", KEY, "--url", "https://shop.example/", "--yes")
        with running(tmp_path, None, "solve", *page, *service) as process:
            visitor, _ = listener.accept()
            with visitor:
                out, errors = interrupted(process)
    assert out == ""
    assert errors.endswith(
        "Interrupted. A task was created, and may have been billed: "
        "7 points (0.007 CNY).\n"
    )


def test_ctrl_c_while_a_token_is_awaited(tmp_path: Path) -> None:
    page = ("--sitekey", KEY, "--url", "https://shop.example/", "--yes")
    with (
        sandbox("--site", "plain", "--latency", "600") as slow,
        running(tmp_path, slow, "solve", *page) as process,
    ):
        polled(slow)
        out, errors = interrupted(process)
    assert out == ""
    assert "Interrupted. A task was created, and may have been billed: " in errors


def polled(servers: Servers) -> None:
    """Wait until a task has been asked for."""
    give_up = time.monotonic() + HANGS
    while not servers.ledger()["calls"].get("getTaskResult"):
        assert time.monotonic() < give_up


def test_ctrl_c_ends_the_sandbox(tmp_path: Path) -> None:
    with running(tmp_path, None, "sandbox", "--json", "--site", "plain") as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert list(told) == ["service", "siteverify", "sites", "settings"]
        assert Servers(told).fetch(told["sites"]["plain"] + "/page/1")
        assert interrupted(process) == ("", "")


def test_ctrl_c_while_settings_are_checked(project: Path) -> None:
    stalls = ("-s", 'ADDONS={"mine.stalls.Stalls": 1}')
    with running(project, None, "check", *stalls) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stalls\n"
        assert interrupted(process) == ("", "")


# A terminal

#: Makes standard input the terminal of a command, so that Ctrl-C can be typed there.
LOGIN = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Person:
    """A person at a terminal, on which a tool runs."""

    def __init__(self, folder: Path, servers: Servers, *arguments: str) -> None:
        self._screen, keyboard = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOGIN, *program(servers, *arguments)],
            cwd=folder,
            encoding="utf-8",
            env=environment(),
            stdin=keyboard,
            stdout=subprocess.PIPE,
            stderr=keyboard,
            start_new_session=True,
        )
        os.close(keyboard)

    def sees(self, text: str) -> None:
        """Read the screen until *text* is on it."""
        while text not in self.shown:
            ready, _, _ = select.select([self._screen], [], [], HANGS)
            assert ready, self.shown
            try:
                self.shown += os.read(self._screen, 4096).decode()
            except OSError:  # how Linux says that the other end is closed
                raise AssertionError(self.shown) from None

    def types(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def leaves(self) -> tuple[int, str]:
        """Return the exit status, and what was on standard output."""
        out, _ = self.process.communicate(timeout=HANGS)
        os.close(self._screen)
        return self.process.returncode, out


def ask(folder: Path, servers: Servers) -> Person:
    return Person(
        folder, servers, "solve", "--sitekey", KEY, "--url", "https://shop.example/"
    )


def test_a_person_agrees(tmp_path: Path, servers: Servers) -> None:
    person = ask(tmp_path, servers)
    person.sees("7 points (0.007 CNY).")
    person.sees("Buy a token? [y/N] ")
    person.types("y\n")
    person.sees("Waiting for the token: 0 s")
    person.sees("Solved in")
    person.sees("within 60 s.")
    status, out = person.leaves()
    assert (status, bool(TOKEN.fullmatch(out.strip()))) == (0, True)


@pytest.mark.parametrize(("typed", "status"), [("\n", 1), ("\x04", 1), ("\x03", 130)])
def test_a_person_does_not_agree(
    tmp_path: Path, servers: Servers, typed: str, status: int
) -> None:
    """By the default answer, by the end of the input, by Ctrl-C."""
    before = servers.tasks
    person = ask(tmp_path, servers)
    person.sees("Buy a token? [y/N] ")
    person.types(typed)
    person.sees("No token was bought, nothing was spent.")
    assert person.leaves() == (status, "")
    assert "Traceback" not in person.shown
    assert servers.tasks == before
