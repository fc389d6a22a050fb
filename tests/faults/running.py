"""Runs rows of the table: real crawls, many in one process, each with its own service.

The reactor must be installed, and runs, before `run` is called.
"""

from __future__ import annotations

import gc
import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

from scrapy import Request, Spider
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler, CrawlerRunner
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.defer import TimeoutError as DeadlinePassed
from twisted.internet.task import deferLater

from scrapy_onecaptcha.exceptions import ServiceError
from scrapy_onecaptcha.sandbox import Gate, Sandbox, ServiceOptions, sitekey_of
from scrapy_onecaptcha.service.client import Client

from .judging import PLACES
from .rows import BALANCE, DELIVERED, Row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from scrapy.http import Response
    from twisted.python.failure import Failure

__all__ = ["HANGS", "Log", "Outcome", "run"]

#: Rows that run at a time, and those of them in which calls time out soon: more of them
#: would keep each other from answering in time.
AT_A_TIME = 8
IN_A_HURRY = 3
#: Seconds after which a row that has not ended is taken for one that hangs.
HANGS = 60.0
#: Seconds before a page is asked for again that was refused.
AGAIN = 0.1
#: A site whose gate has no script: what runs those is no part of the table, and its
#: process would take three times as long as the rest of a crawl.
SITE = "shop"
SITES = {SITE: Gate(sitekey=sitekey_of(SITE), widget="element", csrf=True)}

_TOKEN = re.compile(r"P1_[A-Za-z0-9_.%=-]{100,}")
_NEVER = (
    "Traceback",
    "Unhandled error",
    "Unhandled Error",
    "was never awaited",
    "was never retrieved",
    "Task was destroyed",
    "Exception ignored",
    "Warning:",
)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a row.

    Attributes:
        ends: for each page, in the order in which they ended, its number and what it
            came to: `DELIVERED` or the name of an error.
        codes: of the errors.
        created: tasks that the service created.
        counted: tasks that the crawl counted.
        calls: that the service saw, as in `Row`.
        lost: the stats ``failed/{reason}`` together.
        places: the downloader's, at the end.
        seconds: from the start of the spider to the last end.
        marks: what tells its lines of the log from others'.
        said: what was said of it, as far as the row wants to hear it.
    """

    ends: list[tuple[int, str]] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    created: int = 0
    counted: int = 0
    calls: list[int] = field(default_factory=list)
    lost: int = 0
    places: int = PLACES
    seconds: float = 0.0
    marks: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


class Log(logging.Handler):
    """Hears all that is logged in the process; keeps what must be looked at.

    Args:
        wanted: what rows want to hear.
        key: of the service.

    Attributes:
        loud: ERROR and CRITICAL lines.
        bad: what must never be logged.
        heard: lines with something that is wanted.
        told: called with such a line.
    """

    def __init__(self, wanted: set[str], key: str) -> None:
        super().__init__()
        self._wanted = wanted
        self._key = key
        self.loud: list[str] = []
        self.bad: list[str] = []
        self.heard: list[str] = []
        self.told: list[Callable[[str], None]] = []
        self.setFormatter(logging.Formatter("[%(name)s] %(levelname)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one line."""
        line = self.format(record)
        if record.levelno >= logging.ERROR:
            self.loud.append(line)
        if (
            any(text in line for text in _NEVER)
            or self._key in line
            or _TOKEN.search(line)
        ):
            self.bad.append(line[:3000])
        if any(text in line for text in self._wanted):
            self.heard.append(line)
            for tell in self.told:
                tell(line)


class PatientHandler(HTTP11DownloadHandler):
    """Waits for its connections to close.

    Scrapy's gives up after 1 s; where that ends as they close, which a busy machine may
    take as long for, it logs an ``AlreadyCalledError``.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._disconnect_timeout = int(HANGS)


class FaultSpider(Spider):
    """Asks for the pages of a row."""

    name = "faults"
    custom_settings = {"ROBOTSTXT_OBEY": False}  # noqa: RUF012  # Scrapy's own way

    def __init__(self, row: Row, site: str, outcome: Outcome, now: Any) -> None:
        super().__init__()
        self.allowed_domains = ["127.0.0.1"]
        self.row = row
        self.site = site
        self.outcome = outcome
        self.now = now

    async def start(self) -> AsyncIterator[Any]:
        """Ask for the first page, or for all."""
        self.began = self.now()
        for number in range(self.row.pages if self.row.at_once else 1):
            yield self.ask(number)

    def ask(self, number: int, *, again: bool = False) -> Request:
        return Request(
            f"{self.site}/page/{number}",
            meta={"cookiejar": number} if self.row.jars else {},
            cb_kwargs={"number": number},
            callback=self.parse,
            errback=self.failed,
            dont_filter=again,
        )

    def parse(self, response: Response, number: int) -> Iterator[Request]:
        """Note a page, and ask for the next."""
        heading = response.css("h1::text").get() or ""
        wanted = heading.startswith(f"Page {number} of ")
        yield from self.ended(number, DELIVERED if wanted else f"page: {heading}")

    async def failed(self, failure: Failure) -> AsyncIterator[Request]:
        """Note an error, and ask for the next page, or for the same again."""
        error: Any = failure.value
        request: Any = failure.request  # type: ignore[attr-defined]
        number = request.cb_kwargs["number"]
        self.outcome.codes.append(getattr(error, "code", ""))
        self.outcome.said.append(str(error))
        if self.row.again:
            from twisted.internet import reactor

            clock: Any = reactor
            await maybe_deferred_to_future(deferLater(clock, AGAIN, lambda: None))
            yield self.ask(number, again=True)
            return
        for following in self.ended(number, type(error).__name__):
            yield following

    def ended(self, number: int, what: str) -> Iterator[Request]:
        self.outcome.ends.append((number, what))
        self.outcome.seconds = self.now() - self.began
        if not self.row.at_once and number + 1 < self.row.pages:
            yield self.ask(number + 1)


def sandbox_of(row: Row, reactor: Any) -> Sandbox:
    """Return the service of *row*, whose task ids are its own, and a gated site."""
    faults = {call: tuple(names) for call, names in row.script.items()}
    service = ServiceOptions(latency=row.latency, faults=faults)
    sandbox = Sandbox(
        service=service, sites=SITES, reactor=reactor, seed=crc32(row.id.encode())
    ).start()
    if row.down:
        sandbox.go_down(row.down)
    return sandbox


def marks_of(sandbox: Sandbox) -> list[str]:
    """Return what tells lines of the log about this crawl from others'."""
    return [sandbox.urls[SITE], *sandbox.ledger.tasks]


async def run(rows: Sequence[Row], reactor: Any) -> tuple[dict[str, Outcome], Log]:
    """Run *rows*; return the outcome of each by its id, and what was logged."""
    log = Log({row.says for row in rows if row.says}, ServiceOptions().key)
    logging.root.addHandler(log)
    logging.root.setLevel(logging.DEBUG)
    outcomes: dict[str, Outcome] = {}

    async def work(waiting: list[Row]) -> None:
        while waiting:
            row = waiting.pop()
            outcomes[row.id] = await run_one(row, reactor, log)

    hurried = [row for row in rows if "ONECAPTCHA_API_TIMEOUT" in row.settings]
    others = [row for row in rows if row not in hurried]
    for some, at_a_time in ((others, AT_A_TIME), (hurried, IN_A_HURRY)):
        workers = [Deferred.fromCoroutine(work(some)) for _ in range(at_a_time)]
        await gatherResults(workers, consumeErrors=True)
    gc.collect()  # an error that nobody has handled is told when it is thrown away
    logging.root.removeHandler(log)
    for outcome in outcomes.values():
        outcome.said += [
            line for line in log.heard if any(m in line for m in outcome.marks)
        ]
    return outcomes, log


@contextmanager
def returning(row: Row, sandbox: Sandbox, log: Log) -> Iterator[None]:
    """Have the service of *row* come back once its crawl has said that it is away.

    Only while the row runs: the system gives its port to a later row, whose lines say
    nothing about this one.
    """

    def come_back(line: str) -> None:
        if any(mark in line for mark in marks_of(sandbox)):
            sandbox.come_back()

    if row.returns:
        log.told.append(come_back)
    try:
        yield
    finally:
        if row.returns:
            log.told.remove(come_back)


async def run_one(row: Row, reactor: Any, log: Log) -> Outcome:
    """Run one row, with a service of its own."""
    sandbox = sandbox_of(row, reactor)
    outcome = Outcome()
    try:
        work = ask_balance if row.call == BALANCE else crawl
        with returning(row, sandbox, log):
            running = Deferred.fromCoroutine(work(row, sandbox, outcome, reactor))
            await running.addTimeout(HANGS, reactor)
    except DeadlinePassed:
        pass  # that its pages have not ended is found
    finally:
        ledger = sandbox.ledger
        outcome.created = len(ledger.tasks)
        outcome.marks = marks_of(sandbox)
        calls = (BALANCE,) if row.call == BALANCE else ("createTask", "getTaskResult")
        outcome.calls = [ledger.calls[call] for call in calls]
        await sandbox.stop()
    return outcome


async def crawl(row: Row, sandbox: Sandbox, outcome: Outcome, reactor: Any) -> None:
    """Crawl the pages of *row*."""
    settings = {
        **sandbox.settings(),
        "DOWNLOADER_MIDDLEWARES": {"scrapy_onecaptcha.OneCaptchaMiddleware": 585},
        "DOWNLOAD_HANDLERS": {"http": PatientHandler},
        "TELNETCONSOLE_ENABLED": False,
        "ONECAPTCHA_POLL_DELAY": 0.05,
        "ONECAPTCHA_POLL_INTERVAL": 0.05,
        "ONECAPTCHA_RETRY_DELAY": 0.01,
        **row.settings,
    }
    runner = CrawlerRunner(settings)
    crawler: Crawler = runner.create_crawler(FaultSpider)
    site = sandbox.urls[SITE]
    await runner.crawl(
        crawler, row=row, site=site, outcome=outcome, now=reactor.seconds
    )
    stats: Any = crawler.stats
    told = stats.get_stats()
    outcome.counted = told.get("onecaptcha/tasks", 0)
    outcome.lost = sum(
        count for name, count in told.items() if name.startswith("onecaptcha/failed/")
    )
    engine: Any = crawler.engine
    outcome.places = engine.downloader.total_concurrency


async def ask_balance(
    row: Row, sandbox: Sandbox, outcome: Outcome, reactor: Any
) -> None:
    """Ask for the balance once."""
    client = Client.over_network(
        ServiceOptions().key,
        sandbox.service_url,
        reactor=reactor,
        timeout=row.settings.get("ONECAPTCHA_API_TIMEOUT", 30.0),
    )
    began = reactor.seconds()
    try:
        points = await client.get_balance()
        outcome.ends.append((0, DELIVERED if points == sandbox.ledger.balance else "?"))
    except ServiceError as error:
        outcome.ends.append((0, type(error).__name__))
        outcome.codes.append(error.code)
        outcome.said.append(str(error))
    outcome.seconds = reactor.seconds() - began
    await client.close()
