"""The Python in the docs: quoted of the example project, settings, or run here."""

from __future__ import annotations

import ast
import asyncio
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest
from scrapy import Request
from scrapy.settings import default_settings
from scrapy.statscollectors import MemoryStatsCollector
from scrapy.utils.misc import load_object
from twisted.python.failure import Failure

from scrapy_onecaptcha import (
    AttemptsExhausted,
    CircuitOpen,
    OneCaptchaMiddleware,
    Solution,
    UnsolvableGate,
)
from scrapy_onecaptcha.report.signals import SignalSender
from scrapy_onecaptcha.sandbox import Sandbox
from scrapy_onecaptcha.settings import DEFAULTS, RequestOptions
from tests.crawlers import make_crawler
from tests.docs.pages import DOCS, EXAMPLE, GATE, Fence, config, executed, fences, gate

PYTHON = [
    fence
    for path in sorted(DOCS.glob("*.md"))
    for fence in fences(path)
    if fence.language == "python"
]
TRIED = {
    ("errors.md", "The tree"),
    ("report.md", "onecaptcha_lost(request, error)"),
    ("settings.md", "One request"),
    ("sites.md", "field"),
    ("sites.md", "sitekey"),
    ("sites.md", "A widget that you want solved"),
    ("testing.md", "Sites"),
    ("tools.md", "What is seen in a page, from Python"),
}


@pytest.fixture(autouse=True)
def _the_example_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))


def is_quoted(fence: Fence) -> bool:
    """Tell whether a sample is, letter by letter, in a file of the example project."""
    sources = (path.read_text("utf-8") for path in EXAMPLE.rglob("*.py"))
    return any(f"\n{fence.text}" in source for source in sources)


def settings_of(fence: Fence) -> dict[str, Any] | None:
    """Return the settings that a sample sets, if that is all that it does."""
    try:
        lines = ast.parse(fence.text).body
    except SyntaxError:
        return None
    if not all(isinstance(line, ast.Assign) for line in lines):
        return None
    values = executed(fence.text)
    return values if all(name.isupper() for name in values) else None


def the(page: str, heading: str) -> list[str]:
    found = [fence.text for fence in PYTHON if fence[:2] == (page, heading)]
    return [text for text in found if not is_quoted(Fence(page, heading, "", text))]


def test_every_sample_is_quoted_or_tried() -> None:
    rest = {
        fence[:2]
        for fence in PYTHON
        if not is_quoted(fence) and settings_of(fence) is None
    }
    assert rest == TRIED


#: How settings of other packages begin.
NEIGHBOURS = ("METRICS_EXPORTER_", "REDIS_", "SCHEDULER_PERSIST", "SPIDERMON_")


def installed(path: str) -> bool:
    """Tell whether the package of a component is here; those of others need not be."""
    return find_spec(path.partition(".")[0]) is not None


SETTINGS = [fence for fence in PYTHON if settings_of(fence) is not None]


@pytest.mark.parametrize("fence", SETTINGS, ids=lambda f: f"{f.page}-{f.heading}")
def test_settings_are_taken(fence: Fence) -> None:
    values = settings_of(fence)
    assert values
    own = {name: value for name, value in values.items() if name in DEFAULTS}
    parsed = config(**own)
    for name, value in own.items():
        read = getattr(parsed, name.removeprefix("ONECAPTCHA_").lower())
        assert read != DEFAULTS[name], f"{name} is {value!r} anyway"
    for name, value in values.items():
        known = hasattr(default_settings, name) or name.startswith(NEIGHBOURS)
        assert name in own or known
        if isinstance(value, dict) and name not in own:  # components, by their path
            assert all(callable(load_object(path)) for path in value if installed(path))


def test_an_errback_that_keeps_what_is_worth_another_try() -> None:
    (sample,) = the("errors.md", "The tree")
    errback = executed(sample)["errback"]
    told: list[str] = []
    logger = SimpleNamespace(
        info=lambda text, *args: told.append(text % args),
        warning=lambda text, *args: told.append(text % args),
    )
    spider = SimpleNamespace(logger=logger, later=[])
    for path, error in enumerate(
        (AttemptsExhausted("3 tasks"), CircuitOpen("open"), OSError("no route"))
    ):
        failure: Any = Failure(error)  # type: ignore[no-untyped-call]
        failure.request = Request(f"https://shop.example/{path}")
        errback(spider, failure)
    assert spider.later == ["https://shop.example/0"]
    assert told == [
        "https://shop.example/1 stays gated (circuit_open): open",
        "https://shop.example/2: OSError('no route')",
    ]


@pytest.mark.parametrize(
    ("heading", "key", "value"),
    [
        ("field", "field", "header:x-captcha-response"),
        ("sitekey", "sitekey", "338af34c-7bcb-4c7c-900b-acbec73d7d43"),
    ],
)
def test_what_a_request_says(heading: str, key: str, value: str) -> None:
    (sample,) = the("sites.md", heading)
    request = executed(sample)["request"]
    options = RequestOptions.from_meta(request.meta["onecaptcha"], config().options)
    assert getattr(options, key) == value


@pytest.mark.parametrize("fails", [False, True])
def test_a_callback_that_solves(fails: bool) -> None:
    (sample,) = the("sites.md", "A widget that you want solved")
    parse = executed(sample)["parse"]

    async def solve(_: Any) -> Solution:
        if fails:
            raise UnsolvableGate("no widget")
        return Solution(token="P1_x&y")

    middlewares = {OneCaptchaMiddleware: SimpleNamespace(solve=solve)}
    told: list[str] = []
    spider = SimpleNamespace(
        crawler=SimpleNamespace(get_downloader_middleware=middlewares.get),
        parse_results=print,
        logger=SimpleNamespace(warning=lambda text, *args: told.append(text % args)),
    )

    async def run() -> list[Request]:
        return [request async for request in parse(spider, gate())]

    made = asyncio.run(run())
    if fails:
        assert (made, told) == ([], ["No search on https://shop.example/: no widget"])
    else:
        assert [request.body for request in made] == [
            b"q=books&h-captcha-response=P1_x%26y"
        ]


def test_a_site_like_ones_own() -> None:
    making, testing = the("testing.md", "Sites")
    sandbox = executed(making)["sandbox"]
    assert isinstance(sandbox, Sandbox)
    assert list(sandbox.sites) == ["mine"]
    recognised = executed(testing)["test_our_gate_is_recognised"]
    recognised(GATE)
    with pytest.raises(AssertionError):
        recognised(b"<h1>Books</h1>")


# The alarm of the example project


@pytest.mark.parametrize(
    ("stats", "told"),
    [
        ({}, []),
        ({"gates": 40, "tasks": 2, "tasks/ready": 2, "tokens/accepted": 2}, []),
        (
            {"gates": 9, "failed/account": 2, "failed/budget": 1},
            ["3 of 9 gated pages were lost", "the account is refused"],
        ),
        (
            {"tasks/ready": 3, "tokens/rejected": 2},
            ["the site refuses most tokens"],
        ),
        (
            {"gates": 40, "tasks": 21},
            ["21 tasks for 40 gates: no clearance is shared"],
        ),
    ],
)
def test_what_the_alarm_says(stats: dict[str, int], told: list[str]) -> None:
    crawler = make_crawler()
    crawler.stats = MemoryStatsCollector(crawler)
    for name, value in stats.items():
        crawler.stats.set_value(f"onecaptcha/{name}", value)
    alarm = load_object("bookshop.alarm.CaptchaAlarm").from_crawler(crawler)
    assert list(alarm.complaints()) == told
    lines: list[str] = []
    logger = SimpleNamespace(error=lambda text, *args: lines.append(text % args))
    alarm.spider_closed(SimpleNamespace(logger=logger))
    assert lines == [f"Captchas: {each}" for each in told]


def test_a_handler_of_a_signal() -> None:
    (sample,) = the("report.md", "onecaptcha_lost(request, error)")
    crawler = make_crawler()
    crawler.stats = MemoryStatsCollector(crawler)
    counter = executed(sample)["RefusalCounter"].from_crawler(crawler)
    sender = SignalSender(crawler.signals.send_catch_log)
    for outcome in ("rejected", "accepted", "rejected"):
        sender.verdict("task-1", "https://shop.example", outcome)
    assert counter.stats.get_value("refusals/https://shop.example") == 2
