"""The service may answer anything: a value or a typed error, without any secret."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from scrapy_onecaptcha.crawl.budget import PageAttempts, Policy
from scrapy_onecaptcha.exceptions import OneCaptchaError, ServiceError
from scrapy_onecaptcha.models import Solution
from scrapy_onecaptcha.report.tally import TaskCount
from scrapy_onecaptcha.service.client import Client, Task, TaskResult
from scrapy_onecaptcha.service.protocol import (
    read_balance,
    read_reply,
    read_result,
    read_task_id,
)
from scrapy_onecaptcha.service.solver import Solver
from scrapy_onecaptcha.stats import Report
from tests.flow.virtual import Crawl
from tests.unit.helpers import Run, advance, configure, stats_collector

from .fuzzing import ends, fuzzed, is_one_line
from .service import BODIES, KEY, REPLIES, STATUSES, TOKEN, Http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SITEKEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
TASK = Task(url="https://user:pass@shop.example/page#part", sitekey=SITEKEY)
READY = (
    200,
    b'{"errorId":0,"status":"ready","solution":{"gRecaptchaResponse":"%s"}}'
    % TOKEN.encode(),
)
CREATED = (200, b'{"errorId":0,"taskId":"t-1"}')
PROCESSING = (200, b'{"errorId":0,"status":"processing"}')


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if record.exc_info:
            self.lines.append(logging.Formatter().formatException(record.exc_info))


@pytest.fixture(scope="module")
def log() -> Iterator[Lines]:
    """Return all that the package logs, whatever the level."""
    handler, logger = Lines(), logging.getLogger("scrapy_onecaptcha")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def check_error(error: OneCaptchaError) -> None:
    """Hold an error against what may be shown."""
    assert is_one_line(str(error)), str(error)
    texts = [str(error), repr(error), *map(repr, error.args)]
    if isinstance(error, ServiceError):
        texts += [error.code, error.description]
        assert error.code.isprintable()
        assert error.description.isprintable()
    chained = (error.__cause__, error.__context__)
    texts += [str(one) for one in chained if one is not None]
    for text in texts:
        assert KEY not in text.lower()
        assert TOKEN not in text


def check_log(log: Lines) -> None:
    """Hold what was logged against the same, and begin anew."""
    lines, log.lines = log.lines, []
    for line in lines:
        assert is_one_line(line), line
        assert KEY not in line.lower()
        assert TOKEN not in line


READERS: tuple[Callable[[dict[str, Any]], Any], ...] = (
    read_task_id,
    read_result,
    read_balance,
)


@fuzzed(400)
@example(
    200, b'{"errorId":1,"errorCode":"ERROR_IP_BLOCKED","errorDescription":"5 \xc5\xbf"}'
)
@given(status=STATUSES, body=BODIES)
def test_a_reply_is_read_or_is_a_typed_error(status: int, body: bytes) -> None:
    def scrub(text: str) -> str:
        return text.lower().replace(KEY, "***")

    for read in READERS:
        try:
            with ends():
                value = read(read_reply("aCall", status, body, scrub=scrub))
        except ServiceError as error:
            check_error(error)
            continue
        if isinstance(value, TaskResult):
            assert TOKEN not in repr(value)
            texts = (value.token, value.user_agent or "x", value.resp_key or "x")
            assert all(text and text.isprintable() for text in texts)
        elif isinstance(value, str):
            assert is_one_line(value)
        elif value is not None:
            assert isinstance(value, float)
            assert abs(value) < float("inf")


def client_of(http: Http, clock: Any) -> Client:
    return Client(KEY, "https://service.example", http=http, clock=clock)


@fuzzed(200)
@given(reply=REPLIES)
def test_a_call_ends_in_a_value_or_a_typed_error(log: Lines, reply: Any) -> None:
    for name in ("create_task", "get_task_result", "get_balance"):
        clock, http = Clock(), Http([reply])
        client = client_of(http, clock)
        arguments = {"create_task": (TASK,), "get_task_result": ("t-1",)}
        with ends():
            run = Run(getattr(client, name)(*arguments.get(name, ())))
            advance(clock, 60)
        assert run.done
        assert len(http.calls) == 1
        if run.failed:
            assert isinstance(run.error, ServiceError)
            check_error(run.error)
        check_log(log)
        assert not clock.getDelayedCalls()


SEQUENCES = st.lists(
    REPLIES | st.sampled_from([CREATED, PROCESSING, READY]), min_size=1, max_size=12
)


@fuzzed(150)
@example([(200, b'{"errorId":0,"taskId":1}'), "silent"])
@given(replies=SEQUENCES)
def test_a_solve_ends_whatever_the_service_says(log: Lines, replies: list[Any]) -> None:
    clock, http = Clock(), Http(replies)
    config = configure(max_failures=1000)
    tasks = TaskCount()
    report = Report(stats_collector(), config, clock, tasks, lambda: 0)
    solver = Solver(
        client_of(http, clock),
        config,
        Policy(config, clock.seconds, tasks, report),
        report,
        clock,
        lambda: False,
        lambda: 0.5,
    )
    attempts = PageAttempts("https://shop.example/page", 3)
    with ends():
        run = Run(solver.solve(TASK, "https://shop.example", attempts))
        advance(clock, 3000)
    assert run.done
    if run.failed:
        assert isinstance(run.error, OneCaptchaError)
        check_error(run.error)
    else:
        solution, reservation = run.value
        reservation.settle("void")
        assert isinstance(solution, Solution)
        assert TOKEN not in f"{solution!r} {solution}"
    check_log(log)
    # Those that were refunded, or never sent, are tried again for 300 s.
    assert http.count("createTask") <= 3 + 300 / 2.5
    assert http.count("getTaskResult") <= 120 * http.count("createTask")
    assert attempts.spent <= 3


@fuzzed(60)
@given(replies=SEQUENCES, on_failure=st.sampled_from(["error", "response"]))
def test_a_crawl_ends_whatever_the_service_says(
    log: Lines, replies: list[Any], on_failure: str
) -> None:
    with ends():
        crawl = Crawl(api_key=KEY, on_failure=on_failure)
        http = Http(replies)
        client = client_of(http, crawl.clock)
        service: Any = crawl.service
        service.create_task = client.create_task
        service.get_task_result = client.get_task_result
        crawl.site(grants="cookie")
        asked = crawl.ask("/1", "/2", "/3")
        crawl.run(seconds=20_000, step=1.0)
        assert len(crawl.events) == len(asked)
        for event in crawl.events:
            if event.error is not None:
                assert isinstance(event.error, OneCaptchaError)
                check_error(event.error)
        assert http.count("createTask") <= len(asked) * (3 + 300 / 2.5)
        assert http.count("getTaskResult") <= 120 * http.count("createTask")
        crawl.finish()
    stats = crawl.stats.get_stats()
    assert KEY not in repr(stats)
    check_log(log)


def test_what_is_held_against_the_rules_can_break_them() -> None:
    """The checks above would be worth nothing if they let these pass."""
    for message in (f"bad key {KEY}", "", "x" * 3000, f"sent {TOKEN}"):
        with pytest.raises(AssertionError):
            check_error(ServiceError(message))
