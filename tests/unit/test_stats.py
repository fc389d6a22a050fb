"""What the crawl says of itself."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from twisted.internet.task import Clock

from scrapy_onecaptcha import exceptions
from scrapy_onecaptcha.exceptions import (
    AccountError,
    BudgetExceeded,
    CircuitOpen,
    OneCaptchaError,
    ServiceError,
    SolveTimeout,
    TaskFailed,
    Unavailable,
)
from scrapy_onecaptcha.models import REASONS, Challenge, Solution
from scrapy_onecaptcha.report.log_lines import (
    MAX_LINES,
    MAX_QUIET,
    MAX_WARNINGS,
    QUIET,
)
from scrapy_onecaptcha.report.tally import MAX_SITES, MAX_TOLD, TaskCount
from scrapy_onecaptcha.service.error_codes import RULES
from scrapy_onecaptcha.stats import (
    MANY_SITES,
    STATS,
    VARIANTS,
    Report,
)
from tests.unit.helpers import (
    OTHER_SITE,
    SITE,
    TOKEN,
    advance,
    configure,
    stats_collector,
)

ERRORS = [getattr(exceptions, name) for name in exceptions.__all__]
PAGE = f"{SITE}/page"


class Desk:
    """A report, its clock and its stats."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.collector = stats_collector()
        self.waiting = 0
        self.tasks = TaskCount()
        self.report = Report(
            self.collector,
            configure(**settings),
            self.clock,
            self.tasks,
            lambda: self.waiting,
        )

    @property
    def stats(self) -> dict[str, Any]:
        found = self.collector.get_stats()
        assert all(name.startswith("onecaptcha/") for name in found)
        return {name.removeprefix("onecaptcha/"): found[name] for name in found}

    def create(self, site: str) -> None:
        self.tasks.add(site)
        self.report.task_created(site)

    def refund(self, site: str) -> None:
        self.tasks.take_back(site)
        self.report.task_refunded(site)

    def solve(self, site: str = SITE, seconds: float = 20) -> None:
        self.create(site)
        solution = Solution(token=TOKEN, task_id="7", seconds=seconds)
        self.report.task_ready(site, solution, 1)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "scrapy_onecaptcha")
    return caplog


def levels(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in caplog.records]


# Stats


def is_known(name: str) -> bool:
    """Tell whether a stat is described, and of a closed set."""
    if name in STATS and "{" not in name:
        return True
    for pattern, variants in VARIANTS.items():
        before = pattern.partition("{")[0]
        if name.startswith(before) and name.removeprefix(before) in variants:
            return pattern in STATS
    return False


def do_everything(desk: Desk) -> None:
    report = desk.report
    for reason in REASONS:
        url = f"{SITE}/{reason}"
        bad = Challenge(kind="gate", url=url, solvable=False, reason=reason)
        report.gate(bad)
        report.unsolvable(bad)
    report.gate(Challenge(kind="gate", url=PAGE))
    report.widget(Challenge(kind="widget", url=PAGE))
    report.waiting(3)
    desk.solve()
    for error in [
        *(kind("no") for kind in ERRORS),
        *(ServiceError("no", code=code) for code in RULES),
        *(ServiceError("no", code=code) for code in ("HTTP_500", "ERROR_NEW", "a/b")),
        Unavailable("no", code="ERROR_NO_SLOT_AVAILABLE_FOR_YOU"),
    ]:
        desk.create(SITE)
        report.task_failed(SITE, error)
        report.lost(SITE, PAGE, error)
    desk.create(SITE)
    report.task_failed(SITE, TaskFailed("no"), charged=False)
    desk.create(SITE)
    desk.refund(SITE)
    desk.create(SITE)
    report.task_abandoned()
    report.accepted(SITE)
    report.rejected(SITE, PAGE)
    report.no_content(PAGE, SITE, 503)
    report.unused(SITE)
    report.expired(SITE, 61)
    report.clearance_begun()
    report.clearance_ended(SITE, seconds=10, pages=1, cost=1)
    report.shared(SITE)
    report.closed()


def test_every_stat_is_of_a_closed_set_and_described() -> None:
    desk = Desk()
    do_everything(desk)
    assert [name for name in desk.stats if not is_known(name)] == []
    emitted = {name for name in STATS if "{" not in name and name in desk.stats}
    counted_elsewhere = {"replayed", "refetched", "polls", "dry_run/tasks"}
    counted_elsewhere |= {"clearances/imported"}
    assert emitted == {name for name in STATS if "{" not in name} - counted_elsewhere


def test_each_set_belongs_to_a_stat() -> None:
    assert set(VARIANTS) == {name for name in STATS if "{" in name}
    assert all(STATS.values())
    words = re.compile(r"[a-z_]+|(?:ERROR|WRONG)_[A-Z_]+")
    for variants in VARIANTS.values():
        assert all(words.fullmatch(variant) for variant in variants)


def test_clearances_are_told_and_averaged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "scrapy_onecaptcha")
    desk = Desk()
    desk.report.clearance_ended(SITE, seconds=300, pages=49, cost=2)
    desk.report.clearance_ended(SITE, seconds=100, pages=0, cost=1)
    assert desk.stats["clearances/pages"] == 25.5
    assert desk.stats["clearances/seconds"] == 200
    (record,) = caplog.records
    assert record.getMessage() == (
        f"The clearance of {SITE} has ended: it lasted 300.0 s, opened 50 pages and "
        "cost 2 tasks"
    )


def test_that_each_page_wants_a_token_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "scrapy_onecaptcha")
    desk = Desk()
    for site in (SITE, SITE, OTHER_SITE):
        desk.report.token_for_each_page(site)
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"{s} wants a token for each page" for s in (SITE, OTHER_SITE)]


def test_each_error_has_a_place_among_the_lost() -> None:
    lost = {kind.reason for kind in ERRORS}
    assert VARIANTS["failed/{reason}"] == lost


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (TaskFailed("no", code="ERROR_TOKEN_EXPIRED"), "ERROR_TOKEN_EXPIRED"),
        (ServiceError("no", code="ERROR_NOBODY_KNOWS"), "other"),
        (Unavailable("no", code="HTTP_503"), "other"),
        (Unavailable("no"), "other"),
        (SolveTimeout("no"), "timeout"),
        (TaskFailed("no", code="ERROR_PROXY_BANNED"), "ERROR_PROXY"),
        (TaskFailed("no", code="ERROR_NO_SLOT_AVAILABLE_X"), "ERROR_NO_SLOT_AVAILABLE"),
    ],
)
def test_a_task_that_failed_counts_by_its_code(
    error: OneCaptchaError, name: str
) -> None:
    desk = Desk()
    desk.create(SITE)
    desk.report.task_failed(SITE, error)
    assert desk.stats[f"tasks/failed/{name}"] == 1


def test_gates_by_reason() -> None:
    desk = Desk()
    bad = Challenge(kind="gate", url=PAGE, solvable=False, reason="no_sitekey")
    desk.report.gate(Challenge(kind="gate", url=PAGE))
    desk.report.gate(bad)
    desk.report.unsolvable(bad)
    desk.report.widget(Challenge(kind="widget", url=PAGE))
    assert desk.stats == {
        "gates": 2,
        "unsolvable/no_sitekey": 1,
        "widgets_ignored": 1,
    }


def test_numbers_add_up() -> None:
    desk = Desk(task_cost=2.5)
    do_everything(desk)
    stats = desk.stats
    failed = sum(stats[name] for name in stats if name.startswith("tasks/failed/"))
    assert stats["tasks"] == stats["tasks/ready"] + failed
    assert stats["points/unbilled"] == 2.5
    assert stats["points"] + 2.5 == 2.5 * stats["tasks"]
    assert desk.report._open_tasks == 0
    lost = sum(stats[name] for name in stats if name.startswith("failed/"))
    assert lost == desk.report.site(SITE).lost


def test_seconds() -> None:
    desk = Desk()
    for seconds in (20, 30.5, 10):
        desk.solve(seconds=seconds)
    assert desk.stats["seconds/total"] == 60.5
    assert desk.stats["seconds/max"] == 30.5


def test_the_most_that_waited_at_once() -> None:
    desk = Desk()
    for count in (1, 7, 3):
        desk.report.waiting(count)
    assert desk.stats == {"parked/max": 7}


# At the start


def test_the_start_tells_scope_budget_and_price(
    lines: pytest.LogCaptureFixture,
) -> None:
    desk = Desk(max_tasks=50, task_cost=7)
    desk.report.started(("shop.example", "b.example"), "https://api.example")
    [line] = lines.messages
    for told in ("shop.example, b.example", "https://api.example", "50 tasks", "7 p"):
        assert told in line
    assert levels(lines) == [logging.INFO]


@pytest.mark.parametrize("domains", [(), None])
def test_a_crawl_that_nothing_bounds_is_warned_of(
    domains: Any, lines: pytest.LogCaptureFixture
) -> None:
    Desk().report.started(domains, "https://api.example")
    assert levels(lines) == [logging.INFO, logging.WARNING]
    assert "every host" in lines.messages[0]
    assert "no limit" in lines.messages[0]
    for name in ("allowed_domains", "ONECAPTCHA_MAX_TASKS"):
        assert name in lines.messages[1]


def test_a_scope_is_bound_enough(lines: pytest.LogCaptureFixture) -> None:
    Desk().report.started(("shop.example",), "https://api.example")
    assert levels(lines) == [logging.INFO]


@pytest.mark.parametrize("budget", ["max_tasks", "max_tasks_per_site"])
def test_a_budget_is_bound_enough(budget: str, lines: pytest.LogCaptureFixture) -> None:
    Desk(**{budget: 1}).report.started((), "https://api.example")
    assert levels(lines) == [logging.INFO]


# While anything waits


def test_a_line_at_every_interval_while_anything_waits(
    lines: pytest.LogCaptureFixture,
) -> None:
    desk = Desk(log_interval=30)
    desk.waiting = 2
    desk.report.waiting(2)
    desk.solve()
    desk.create(SITE)
    lines.clear()
    advance(desk.clock, 29)
    assert lines.messages == []
    advance(desk.clock, 1)
    advance(desk.clock, 30)
    first, second = lines.messages
    assert first == second
    for told in ("2 requests waiting", "1 task open", "2 tasks", "14 points"):
        assert told in first


def test_the_lines_end_when_nothing_waits_and_begin_again(
    lines: pytest.LogCaptureFixture,
) -> None:
    desk = Desk(log_interval=30)
    for _ in range(2):
        desk.waiting = 1
        desk.report.waiting(1)
        desk.report.waiting(1)
        assert len(desk.clock.getDelayedCalls()) == 1
        desk.waiting = 0
        advance(desk.clock, 30)
        assert desk.clock.getDelayedCalls() == []
    assert lines.messages == []


def test_nothing_that_waits_starts_no_lines() -> None:
    desk = Desk()
    desk.report.waiting(0)
    assert desk.clock.getDelayedCalls() == []


def test_the_end_of_the_crawl_ends_the_lines() -> None:
    desk = Desk()
    desk.waiting = 1
    desk.report.waiting(1)
    desk.report.closed()
    assert desk.clock.getDelayedCalls() == []


# At the end


def test_a_summary_for_each_site(lines: pytest.LogCaptureFixture) -> None:
    desk = Desk(task_cost=7)
    report = desk.report
    for _ in range(3):
        desk.solve()
    desk.create(SITE)
    report.task_failed(SITE, TaskFailed("no"))
    report.accepted(SITE)
    report.rejected(SITE, PAGE)
    report.expired(SITE, 70)
    for _ in range(5):
        report.shared(SITE)
    report.lost(SITE, PAGE, CircuitOpen("open"))
    desk.solve(OTHER_SITE)
    report.accepted(OTHER_SITE)
    lines.clear()
    report.closed()
    other, one, all_ = lines.messages
    assert SITE in one
    assert OTHER_SITE in other
    for told in (
        "4 tasks",
        "1 passed",
        "3 failed",
        "5 pages shared",
        "1 page lost",
        "28 points (0.028 CNY)",
    ):
        assert told in one
    for told in ("1 task,", "1 passed", "0 failed", "0 pages shared", "0 pages lost"):
        assert told in other
    for told in ("5 tasks", "2 passed", "3 failed", "35 points (0.035 CNY)"):
        assert told in all_
    assert "abandoned" not in all_
    assert set(levels(lines)) == {logging.INFO}


def test_tasks_abandoned_are_in_the_summary(lines: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    for _ in range(2):
        desk.create(SITE)
        desk.report.task_abandoned()
    desk.report.closed()
    assert "2 abandoned" in lines.messages[-1]


def test_what_was_refunded_is_not_in_the_summary(
    lines: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    desk.create(SITE)
    desk.refund(SITE)
    desk.report.closed()
    assert "0 tasks" in lines.messages[-1]
    assert "0 points" in lines.messages[-1]


def test_a_crawl_without_a_gate_says_so(lines: pytest.LogCaptureFixture) -> None:
    Desk().report.closed()
    assert lines.messages == ["hCaptcha: no gate met, nothing spent"]


# Pages


def test_a_solve_is_one_line_without_the_token(
    lines: pytest.LogCaptureFixture,
) -> None:
    Desk().solve(seconds=12.34)
    [line] = lines.messages
    for told in (SITE, "12.3 s", "attempt 1", "task 7"):
        assert told in line
    assert TOKEN not in line


def test_a_lost_page_is_told_with_what_to_do(lines: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.report.lost(SITE, PAGE, CircuitOpen("it failed 5 times"))
    [line] = lines.messages
    for told in (PAGE, "it failed 5 times", CircuitOpen.advice):
        assert told in line
    assert levels(lines) == [logging.WARNING]
    assert desk.stats == {"failed/circuit_open": 1}


@pytest.mark.parametrize("why", ["no answer", "no answer."])
def test_a_sentence_ends_once(why: str, lines: pytest.LogCaptureFixture) -> None:
    Desk().report.lost(SITE, PAGE, Unavailable(why))
    assert lines.messages == [
        f"Gated page lost: {PAGE}: no answer. {Unavailable.advice}"
    ]


def test_lost_pages_are_told_at_a_bounded_rate(
    lines: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    for number in range(100):
        desk.report.lost(SITE, f"{SITE}/{number}", CircuitOpen("open"))
    assert len(lines.messages) == 1
    assert "more such pages" not in lines.messages[0]
    advance(desk.clock, QUIET - 1)
    desk.report.lost(SITE, PAGE, CircuitOpen("open"))
    assert len(lines.messages) == 1
    advance(desk.clock, 1)
    for _ in range(2):
        desk.report.lost(SITE, PAGE, CircuitOpen("open"))
    assert len(lines.messages) == 2
    assert "100 more such pages" in lines.messages[1]
    advance(desk.clock, QUIET)
    desk.report.lost(SITE, PAGE, CircuitOpen("open"))
    assert "(1 more such page since" in lines.messages[2]
    assert desk.stats == {"failed/circuit_open": 104}
    assert desk.report.site(SITE).lost == 104


def test_each_site_and_each_reason_has_its_own_rate(
    lines: pytest.LogCaptureFixture,
) -> None:
    report = Desk().report
    for _ in range(3):
        report.lost(SITE, PAGE, CircuitOpen("open"))
        report.lost(SITE, PAGE, AccountError("no points"))
        report.lost(OTHER_SITE, PAGE, CircuitOpen("open"))
    assert len(lines.messages) == 3


def test_a_warning_is_given_once_for_each_key(lines: pytest.LogCaptureFixture) -> None:
    report = Desk().report
    for _ in range(3):
        report.warn_once("a", "first")
        report.warn_once("b", "second")
        report.warn_once("a", "another")
    assert lines.messages == ["first", "second"]
    assert levels(lines) == [logging.WARNING] * 2


def test_a_warning_of_one_kind_is_given_of_so_many(
    lines: pytest.LogCaptureFixture,
) -> None:
    """A site may have hosts without end."""
    report = Desk().report
    for number in range(1000):
        for _ in range(2):
            report.warn_once("scope", "out of scope", of=f"a{number}.shop.example")
    assert lines.messages[:MAX_WARNINGS] == ["out of scope"] * MAX_WARNINGS
    (last,) = lines.messages[MAX_WARNINGS:]
    assert "No further warnings of this kind (scope)" in last


def test_the_summary_tells_the_dearest_sites(lines: pytest.LogCaptureFixture) -> None:
    desk = Desk(max_tasks=5000)
    for number in range(50):
        for _ in range(number + 1):
            desk.create(f"https://a{number:02}.shop.example")
    desk.report.shared("https://a00.shop.example")
    lines.clear()
    desk.report.closed()
    told = [line for line in lines.messages if line.startswith("hCaptcha on https")]
    assert len(told) == MAX_TOLD
    assert told[0].startswith("hCaptcha on https://a30.shop.example: 31 tasks")
    assert told[-1].startswith("hCaptcha on https://a49.shop.example: 50 tasks")
    (rest,) = [line for line in lines.messages if "more sites" in line]
    assert rest.startswith(
        "hCaptcha on 30 more sites: 465 tasks, 0 passed, 0 failed, 1 "
    )
    assert "in all: 1275 tasks" in lines.messages[-1]


def test_sites_without_end_are_counted_together(
    lines: pytest.LogCaptureFixture,
) -> None:
    desk = Desk(max_tasks=20_000)
    for number in range(MAX_SITES + 100):
        desk.create(f"https://a{number}.shop.example")
    assert len(desk.report._summary.sites) == MAX_SITES + 1
    assert desk.tasks.sites == MAX_SITES + 100  # for the budget of each
    desk.report.closed()
    assert "hCaptcha on other sites: 100 tasks, 0 passed" in lines.text
    assert f"more sites: {MAX_SITES - 19} tasks" in lines.text
    assert f"hCaptcha in all: {MAX_SITES + 100} tasks" in lines.text
    assert f"{MAX_SITES + 100} tasks" in desk.report._summary.totals()


def test_losses_of_one_kind_are_told_of_so_many_sites(
    lines: pytest.LogCaptureFixture,
) -> None:
    """A budget that is spent is spent on all of them."""
    desk = Desk()
    for number in range(100):
        site = f"https://a{number}.shop.example"
        desk.report.lost(site, f"{site}/page", BudgetExceeded("spent"))
    desk.report.lost(SITE, PAGE, CircuitOpen("open"))
    assert len(lines.messages) == MAX_LINES + 1
    desk.clock.advance(QUIET)
    desk.report.lost(SITE, PAGE, BudgetExceeded("spent"))
    desk.report.lost(OTHER_SITE, PAGE, BudgetExceeded("spent"))
    assert f"{100 - MAX_LINES} more such pages" in lines.messages[-2]
    assert "more such pages" not in lines.messages[-1]
    assert desk.stats["failed/budget"] == 102


def test_losses_are_held_back_of_so_many_sites() -> None:
    report = Desk().report
    for number in range(2 * MAX_QUIET):
        report.lost(f"https://a{number}.shop.example", PAGE, CircuitOpen("open"))
    assert len(report._losses._here) == MAX_QUIET


@pytest.mark.parametrize("budget", [0, 5000])
def test_one_is_warned_of_many_sites_without_a_budget(
    budget: int, lines: pytest.LogCaptureFixture
) -> None:
    desk = Desk(max_tasks=budget)
    for number in range(MANY_SITES - 2):
        desk.create(f"https://a{number}.shop.example")
        desk.create(f"https://a{number}.shop.example")
    desk.create(SITE)
    desk.refund(SITE)
    desk.create(OTHER_SITE)
    assert lines.messages == []
    for _ in range(3):
        desk.create(OTHER_SITE)
        desk.create(SITE)
    warned = [line for line in lines.messages if "ONECAPTCHA_MAX_TASKS" in line]
    assert len(warned) == (0 if budget else 1)


def test_all_lines_come_from_one_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "scrapy_onecaptcha")
    do_everything(Desk())
    assert {record.name for record in caplog.records} == {"scrapy_onecaptcha"}


def test_what_is_counted_by_name_may_be_any_number() -> None:
    desk = Desk()
    desk.report.count("replayed")
    desk.report.count("replayed", 2)
    assert desk.stats == {"replayed": 3}


def test_a_widget_that_is_left_alone_is_told_once_for_each_host(
    lines: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    for host in ("a.example", "a.example", "b.example:8443"):
        url = f"https://{host}/login"
        desk.report.widget(Challenge(kind="widget", url=url, confidence=0.913))
    told = [record.getMessage() for record in lines.records]
    assert [line.partition(" seems ")[0] for line in told] == [
        "An hCaptcha on a.example",
        "An hCaptcha on b.example:8443",
    ]
    assert "(first: https://a.example/login, confidence 0.91)" in told[0]
    assert desk.stats["widgets_ignored"] == 3


def test_a_gate_is_told_at_info_once_for_each_host(
    lines: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    for page, confidence in (("1", 0.914), ("2", 0.62)):
        for host in ("a.example", "b.example:8443"):
            url = f"https://{host}/{page}"
            desk.report.gate(Challenge(kind="gate", url=url, confidence=confidence))
    told = [r.getMessage() for r in lines.records if r.levelname == "INFO"]
    assert told == [
        f"An hCaptcha on {host} gates its pages (first: https://{host}/1, "
        "confidence 0.91)"
        for host in ("a.example", "b.example:8443")
    ]
    assert desk.stats["gates"] == 4
