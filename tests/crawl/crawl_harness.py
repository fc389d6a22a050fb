"""Real crawls: a Scrapy process against a sandbox process, both on loopback."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import select
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from tests.python_process import LENIENT, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tests.python_process import Process

HERE = Path(__file__).parent
RUNNER = HERE / "crawl_runner.py"
SERVERS = HERE / "crawl_servers.py"
MIDDLEWARE = {"scrapy_onecaptcha.OneCaptchaMiddleware": 585}
#: The settings of a crawl on each reactor, and what the log then says.
REACTORS: dict[str, tuple[dict[str, Any], str]] = {
    name: ({"TWISTED_REACTOR": f"twisted.internet.{path}"}, path.partition(".")[2])
    for name, path in {
        "asyncio": "asyncioreactor.AsyncioSelectorReactor",
        "select": "selectreactor.SelectReactor",
        "poll": "pollreactor.PollReactor",
        "epoll": "epollreactor.EPollReactor",
    }.items()
    if name == "asyncio" or hasattr(select, name)  # not all systems have them all
}
if importlib.util.find_spec("scrapy.utils.reactorless"):  # Scrapy 2.15 and later
    without = {"TWISTED_REACTOR_ENABLED": False}
    REACTORS["none"] = (without, "Not using a Twisted reactor")
#: Of those that wait by a system call of their own, Linux has another one by default.
OTHERS = {"poll", "select"} if "epoll" in REACTORS else set()
EACH_REACTOR = [
    pytest.param(name, marks=pytest.mark.long) if name in OTHERS else name
    for name in REACTORS
]
#: What a gate differs in whose page has no script. The process that runs the scripts of
#: pages takes more CPU than all else in a small crawl.
NO_SCRIPT = {"widget": "element"}
#: Seconds after which a crawl that has not ended is taken for one that hangs, and what
#: a test waits for is taken not to come. Nobody waits so long if nothing is wrong.
HANGS = 150.0

# No proxy of this machine may come between us and loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_LEVEL = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[([^]]+)\] ([A-Z]+): (.*)$")
_TOKEN = re.compile(r"P1_[A-Za-z0-9_.%=-]{100,}")
_OWN_GET = re.compile(r" \[scrapy\.core\.engine\] DEBUG: Crawled \(\d+\) <GET ")
#: When Scrapy's handler closes its connections, it fires a Deferred after a second, and
#: fails where they were closed just then.
_SCRAPYS_RACE = re.compile(
    r"^(?:\S+ \S+ \[twisted\] CRITICAL: )?while handling timed call\n"
    r"Traceback \(most recent call last\):\n(?: +.*\n)+"
    r"twisted\.internet\.defer\.AlreadyCalledError(?:: ?)?\n?$",
    re.MULTILINE,
)
_NEVER = (
    "Traceback",
    "Unhandled error",
    "Unhandled Error",
    "was never awaited",
    "was never retrieved",
    "Task was destroyed",
    "Exception ignored",
    "Warning:",  # of the warnings module; the log's own level is "WARNING:"
)


def _environment() -> dict[str, str]:
    """Return this process's environment without what would bend a crawl."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and name != "ONECAPTCHA_API_KEY"
    }


@dataclass
class Servers:
    """A sandbox in a process of its own."""

    info: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a crawl that uses it; retries wait for a moment only."""
        return {**self.info["settings"], "ONECAPTCHA_RETRY_DELAY": 0.01}

    @property
    def key(self) -> str:
        return str(self.info["settings"]["ONECAPTCHA_API_KEY"])

    def __getitem__(self, site: str) -> str:
        """Return the URL of *site*."""
        return str(self.info["sites"][site])

    def visits(self, site: str) -> list[dict[str, Any]]:
        """Return who has visited *site* of `crawl_servers`, and how."""
        found: list[dict[str, Any]] = json.loads(self.fetch(f"{self[site]}/_visits"))
        return found

    def fetch(self, url: str) -> str:
        with _OPENER.open(url, timeout=HANGS) as answer:
            return str(answer.read().decode())

    @contextmanager
    def held(self, *, after: int = 0) -> Iterator[None]:
        """Have tasks of `crawl_servers` solved at the end, but for the next ones."""
        self.fetch(f"{self.info['service']}/_hold/{after}")
        try:
            yield
        finally:
            self.fetch(f"{self.info['service']}/_solve")

    def ledger(self) -> Any:
        """Return what the sandbox has counted."""
        return json.loads(self.fetch(f"{self.info['service']}/_ledger"))

    @property
    def tasks(self) -> int:
        return int(self.ledger()["tasks_created"])

    def tasks_of(self, site: str) -> int:
        urls = (task["fields"]["websiteURL"] for task in self.ledger()["tasks"])
        return sum(url.startswith(f"{self[site]}/") for url in urls)

    def tasks_for(self, sitekey: str) -> int:
        """Return the number of tasks for a sitekey, on whichever host."""
        keys = (task["fields"]["websiteKey"] for task in self.ledger()["tasks"])
        return sum(key == sitekey for key in keys)

    def count(self, site: str, event: str) -> int:
        """Return how often *event* happened at *site*: orders, links…"""
        return int(self.ledger()["counts"].get(site, {}).get(event, 0))

    def hits(self, site: str, what: str) -> int:
        """Return how often *site* did *what*: content, gates, accepted, rejected."""
        paths = self.ledger()["sites"].get(site, {})
        return sum(hits.get(what, 0) for hits in paths.values())


class Shared(Servers):
    """A sandbox that other tests have used before: counts from now on.

    One that is started for each test costs a second of CPU each time.
    """

    def __init__(self, servers: Servers) -> None:
        super().__init__(servers.info)
        self._before = self.ledger()

    @property
    def tasks(self) -> int:
        return super().tasks - int(self._before["tasks_created"])

    def calls(self, name: str) -> int:
        """Return the number of calls of the service by that name."""
        before = self._before["calls"].get(name, 0)
        return int(self.ledger()["calls"].get(name, 0) - before)

    @property
    def was_visited(self) -> bool:
        """Whether any site was."""
        return bool(self.ledger()["sites"] != self._before["sites"])


@contextmanager
def sandbox(
    *arguments: str, options: Any = None, script: Path = SERVERS
) -> Iterator[Servers]:
    """Run a sandbox: the package's own, or *script* with *options*."""
    what = ["-m", "scrapy_onecaptcha.sandbox", "--json", "--until-eof", *arguments]
    if options is not None:
        what = [str(script), json.dumps(options)]
    with ExitStack() as stack, tempfile.TemporaryFile("w+") as errors:
        its_input, input_ = _pipe(stack)
        output, its_output = _pipe(stack)
        with its_input, its_output:
            process = start(
                what,
                stdin=its_input,
                stdout=its_output,
                stderr=errors,
                env=_environment(),
                cwd=tempfile.gettempdir(),
                warnings=LENIENT,
            )
        try:
            line = output.readline()
            assert line, _read(errors)
            yield Servers(json.loads(line))
            input_.close()  # and so it ends
            process.wait(timeout=HANGS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        assert (process.returncode, _read(errors)) == (0, "")


def without_scripts(*sites: str, **service: Any) -> dict[str, Any]:
    """Return the options of a sandbox whose gates have no script.

    Args:
        sites: names of sites of the sandbox.
        service: attributes of `ServiceOptions`.
    """
    gates = {name: {"gate": {"like": name, **NO_SCRIPT}} for name in sites}
    return {"sites": gates, "service": service}


def _pipe(stack: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """Return both ends of a pipe."""
    reads, writes = os.pipe()
    return (
        stack.enter_context(os.fdopen(reads, "rb")),
        stack.enter_context(os.fdopen(writes, "wb")),
    )


def _read(file: Any) -> str:
    file.seek(0)
    return str(file.read())


def ask(url: str, **values: Any) -> dict[str, Any]:
    """Return one request of a plan."""
    return {"url": url, **values}


def pages(site: str, numbers: Iterable[int], **values: Any) -> list[dict[str, Any]]:
    """Return requests for numbered pages of the site at the URL *site*."""
    return [ask(f"{site}/page/{number}", **values) for number in numbers]


@dataclass
class Result:
    """What became of a crawl."""

    plan: list[dict[str, Any]]
    key: str
    code: int
    log: str
    events: list[dict[str, Any]] = field(repr=False)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["kind"] == kind]

    @property
    def pages(self) -> dict[int, dict[str, Any]]:
        """The pages delivered, by the place of their request in the plan."""
        return {event["number"]: event for event in self.of("page")}

    @property
    def errors(self) -> dict[int, dict[str, Any]]:
        """The errors delivered, by the place of their request in the plan."""
        return {event["number"]: event for event in self.of("error")}

    @property
    def ended(self) -> Counter[int]:
        """How often each request of the plan ended in its callback or errback."""
        ends = (*self.of("page"), *self.of("error"))
        return Counter(event["number"] for event in ends)

    @property
    def stats(self) -> dict[str, Any]:
        return dict(self.of("stats")[0]["stats"])

    def stat(self, name: str) -> int:
        return int(self.stats.get(f"onecaptcha/{name}", 0))

    @property
    def peak(self) -> float:
        """The most memory that the crawl's process held, in MB."""
        return float(self.of("usage")[0]["peak"]) * 1024 / 1e6

    @property
    def places(self) -> int:
        """The downloader's places when the spider had closed."""
        return int(self.of("closed")[0]["places"])

    def lines(self, *levels: str) -> list[str]:
        """Return what was logged at *levels*."""
        found = (_LEVEL.match(line) for line in self.log.splitlines())
        return [line[3] for line in found if line and line[2] in levels]

    def assert_clean(self, *, allowed: Sequence[str] = ()) -> None:
        """Assert that nothing went wrong aloud; *allowed* are parts of error lines."""
        for text in _NEVER:
            before, found, after = self.log.partition(text)
            assert not found, f"{before[-1000:]}{found}{after[:3000]}"
        loud = [
            line
            for line in self.lines("ERROR", "CRITICAL")
            if not any(text in line for text in allowed)
        ]
        assert loud == []
        told = json.dumps(self.events)
        assert self.key not in self.log
        assert self.key not in told
        assert not _TOKEN.search(told)
        leaks = [
            line[:300]
            for line in self.log.splitlines()
            if _TOKEN.search(line) and not _OWN_GET.search(line)
        ]
        assert leaks == []

    def assert_delivered(self, *, but: Iterable[int] = ()) -> None:
        """Assert that each page came once, as it was asked for."""
        wanted = sorted(set(range(len(self.plan))) - set(but))
        assert self.code == 0, self.of("failed") or self.log[-4000:]
        assert dict(self.ended) == dict.fromkeys(range(len(self.plan)), 1)
        lost = {n: e["message"] for n, e in self.errors.items() if n in wanted}
        assert lost == {}, lost
        assert sorted(self.pages) == wanted
        for number in wanted:
            assert_as_asked(self.pages[number], self.plan[number])
        assert self.places == 16 or "CONCURRENT_REQUESTS" in self.log


def assert_each_its_own(result: Result, *, but: Iterable[int] = ()) -> None:
    """Assert that each request ended once, with the page that it asked for."""
    wanted = sorted(set(range(len(result.plan))) - set(but))
    assert result.code == 0, result.of("failed") or result.log[-4000:]
    ends = {n: result.ended[n] for n in range(len(result.plan)) if result.ended[n] != 1}
    assert ends == {}, f"ended not once: {ends}"
    lost = {n: error["message"] for n, error in result.errors.items() if n not in but}
    assert lost == {}, lost
    assert sorted(result.pages) == wanted
    for number in wanted:
        page, asked = result.pages[number], result.plan[number]["url"]
        got = (without_pass(page["url"]), page["status"], page["request_url"])
        assert got == (asked, 200, asked), f"\ngot      {got}\nexpected {asked}"
        path = "/" + without_pass(asked).partition("//")[2].partition("/")[2]
        assert page["echo"]["uri"] == path, (asked, page["h1"], page["echo"])


def without_pass(url: str) -> str:
    return re.sub(r"[?&]pass=[0-9a-f]+$", "", url)


#: What Scrapy itself leaves in the meta of a request that was not redirected.
SCRAPYS_OWN = {
    "cache_timestamp",
    "depth",
    "download_latency",
    "download_slot",
    "download_timeout",
    "is_start_request",
}


def assert_as_asked(page: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Assert that *page* is what *wanted* asked for, down to its meta."""
    url = wanted["url"]
    meta = wanted.get("meta", {})
    expected = {
        "url": url,
        "status": wanted.get("status", 200),
        "request_url": url,
        "request_method": wanted.get("method", "GET"),
        "request_body": wanted.get("body", ""),
        "callback": wanted.get("callback", "parse"),
        "cb_kwargs": {"number": page["number"], **wanted.get("cb_kwargs", {})},
        "priority": wanted.get("priority", 0),
        "meta": meta,
    }
    got = {name: page[name] for name in expected}
    got["url"] = without_pass(page["url"])
    own = set(SCRAPYS_OWN)
    if page["meta"].get("redirect_times") == 2:
        # To the gate and back, for its session was cleared meanwhile: no gate met it.
        own |= {name for name in page["meta"] if name.startswith("redirect_")}
    got["meta"] = {
        name: value for name, value in got["meta"].items() if name not in own
    }
    assert got == expected, f"\ngot      {got}\nexpected {expected}"
    assert page["cb_kwargs"] == page["request_cb_kwargs"], url
    if "/page/" in url and not page["flags"]:
        number = url.partition("/page/")[2].partition("?")[0]
        assert page["h1"].startswith(f"Page {number} of "), (url, page["h1"])


def _without_scrapys_race(log: str) -> str:
    before, closed, after = log.partition("] INFO: Spider closed (")
    return before + closed + _SCRAPYS_RACE.sub("", after)


@dataclass
class Crawl:
    """A crawl under way."""

    process: Process | subprocess.Popen[bytes]
    plan: list[dict[str, Any]]
    key: str
    log: Path
    events: Path
    hangs: float

    def until(self, is_so: Callable[[], bool], seconds: float = HANGS) -> None:
        """Wait until *is_so*."""
        give_up = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < give_up, self.log.read_text()[-4000:]
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            time.sleep(0.05)

    def says(self, text: str) -> bool:
        return text in self.log.read_text()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def result(self) -> Result:
        """Wait for the end."""
        try:
            code = self.process.wait(timeout=self.hangs)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"hangs; its last words:\n{self.log.read_text()[-6000:]}"
            ) from None
        lines = self.events.read_text().splitlines()
        return Result(
            plan=self.plan,
            key=self.key,
            code=code,
            log=_without_scrapys_race(self.log.read_text()),
            events=[json.loads(line) for line in lines],
        )

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextmanager
def crawling(
    servers: Servers,
    plan: list[dict[str, Any]],
    settings: Mapping[str, Any] | None = None,
    *,
    middlewares: Mapping[str, int] | None = None,
    rotate: bool = False,
    allowed_domains: Sequence[str] | None = ("127.0.0.1",),
    environment: Mapping[str, str] | None = None,
    deprecated: bool = False,
    hangs: float = HANGS,
    runner: Path = RUNNER,
) -> Iterator[Crawl]:
    """Start a crawl of *plan*; it is killed at the end if it still runs.

    What Scrapy deprecates is an error, unless others' code in it is *deprecated*.
    """
    middlewares = MIDDLEWARE if middlewares is None else middlewares
    told = {
        **servers.settings,
        "DOWNLOADER_MIDDLEWARES": dict(middlewares),
        "LOG_LEVEL": "DEBUG",
        "TELNETCONSOLE_ENABLED": False,
        **(settings or {}),
    }
    told = {name: value for name, value in told.items() if value is not None}
    with tempfile.TemporaryDirectory(prefix="crawl-") as folder:
        log, events = Path(folder, "log"), Path(folder, "events")
        events.touch()
        job = {
            "requests": plan,
            "settings": told,
            "rotate": rotate,
            "deprecated": deprecated,
            "events": str(events),
            "allowed_domains": allowed_domains,
        }
        Path(folder, "plan").write_text(json.dumps(job))
        with log.open("wb") as output, Path(os.devnull).open("rb") as nothing:
            process = start(
                [str(runner), f"{folder}/plan"],
                stdin=nothing,
                stdout=output,
                stderr=output,
                env={**_environment(), **(environment or {})},
                cwd=folder,
                warnings=() if deprecated else LENIENT,
            )
        running = Crawl(process, plan, servers.key, log, events, hangs)
        try:
            yield running
        finally:
            running.kill()


def crawl(
    servers: Servers,
    plan: list[dict[str, Any]],
    settings: Mapping[str, Any] | None = None,
    **keywords: Any,
) -> Result:
    """Crawl *plan* to its end."""
    with crawling(servers, plan, settings, **keywords) as running:
        return running.result()
