"""What is written down of a crawl, and told while it runs."""

from __future__ import annotations

import collections
import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from scrapy_onecaptcha import (
    AccountError,
    BudgetExceeded,
    onecaptcha_lost,
    onecaptcha_solved,
    onecaptcha_verdict,
)
from scrapy_onecaptcha.exceptions import TaskFailed, Unavailable
from scrapy_onecaptcha.report.ledger import Fault, read
from scrapy_onecaptcha.report.record import KEYS

from .test_flow_sharing import paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scrapy_onecaptcha.report.record import Record

    from .virtual import Crawl

    Crawling = Callable[..., Crawl]

SITE = "https://shop.example"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "captchas.jsonl"


def lines(path: Path) -> list[Record]:
    faults: list[Fault] = []
    found = list(read([path], faults.append))
    assert faults == []
    return found


def outcomes(path: Path) -> dict[str, int]:
    return dict(collections.Counter(each.outcome for each in lines(path)))


def test_a_clearance_that_opens_all(crawling: Crawling, ledger: Path) -> None:
    crawl = crawling(ledger=ledger)
    crawl.site()
    crawl.ask(*paths(30))
    crawl.run()
    (line,) = lines(ledger)
    assert (line.outcome, line.opened) == ("accepted", 1), "known as soon as it is"
    crawl.finish()
    (line,) = lines(ledger)
    assert (line.outcome, line.opened, line.points) == ("accepted", 30, 7)
    assert (line.site, line.spider, line.task) == (SITE, "virtual", "task-1")
    assert line.type == "HCaptchaTaskProxyless"
    assert line.seconds == pytest.approx(11, abs=2)
    assert line.attempt == 1
    assert line.evidence


def test_clearances_that_end(crawling: Crawling, ledger: Path) -> None:
    crawl = crawling(ledger=ledger)
    crawl.site(pages=20)
    crawl.ask(*paths(60))
    crawl.run()
    crawl.finish()
    found = lines(ledger)
    assert len(found) == len(crawl.service.created)
    assert sum(line.opened for line in found) == 60
    assert all(line.outcome == "accepted" for line in found)


def test_the_pages_are_known_when_a_clearance_has_ended(
    crawling: Crawling, ledger: Path
) -> None:
    """Not only when the next one comes, which a crash may prevent."""
    crawl = crawling(ledger=ledger, concurrency=1)
    crawl.site(pages=5)
    crawl.ask(*paths(8))
    while len(crawl.service.created) < 2:
        crawl.advance(0.5)
    (line,) = lines(ledger)
    assert line.opened >= 4
    crawl.run()
    crawl.finish()


def test_the_file_is_closed_with_the_crawl(crawling: Crawling, ledger: Path) -> None:
    crawl = crawling(ledger=ledger)
    written = crawl.coordinator.journal.ledger
    assert written is not None
    os.fstat(written._file)
    crawl.finish()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(written._file)


def test_a_site_that_wants_a_token_for_each_page(
    crawling: Crawling, ledger: Path
) -> None:
    crawl = crawling(ledger=ledger)
    crawl.site(grants="nothing")
    crawl.ask(*paths(9))
    crawl.run()
    crawl.finish()
    assert [line.opened for line in lines(ledger)] == [1] * 9


def test_nothing_is_shared(crawling: Crawling, ledger: Path) -> None:
    crawl = crawling(ledger=ledger, share_clearance=False)
    crawl.site(grants="nothing")
    crawl.ask(*paths(4))
    crawl.run()
    crawl.finish()
    assert [line.opened for line in lines(ledger)] == [1] * 4


def test_refused_tokens_and_failed_tasks(crawling: Crawling, ledger: Path) -> None:
    crawl = crawling(ledger=ledger)
    crawl.site(accepts=lambda number: number > 1)
    failed = TaskFailed("no", code="ERROR_CAPTCHA_UNSOLVABLE", answered=True)
    crawl.service.outcome = lambda number: failed if number == 2 else None
    crawl.ask("/1")
    crawl.run()
    crawl.finish()
    assert [(each.outcome, each.code, each.attempt) for each in lines(ledger)] == [
        ("rejected", "", 1),
        ("failed", "ERROR_CAPTCHA_UNSOLVABLE", 2),
        ("accepted", "", 3),
    ]
    assert [each.points for each in lines(ledger)] == [7, 0, 7]


def test_a_task_whose_creation_went_unanswered(
    crawling: Crawling, ledger: Path
) -> None:
    crawl = crawling(ledger=ledger)
    crawl.site()
    silence = Unavailable("no answer")
    crawl.service.creating = lambda number: silence if number == 1 else None
    crawl.ask("/1")
    crawl.run()
    crawl.finish()
    assert [(line.outcome, line.task) for line in lines(ledger)] == [
        ("failed", ""),
        ("accepted", "task-1"),
    ]
    assert crawl.stat("tasks") == 2


def test_a_task_that_was_refused_has_no_line(crawling: Crawling, ledger: Path) -> None:
    crawl = crawling(ledger=ledger)
    crawl.site()
    refused = AccountError("no points", code="ERROR_ZERO_BALANCE", answered=True)
    crawl.service.creating = lambda _: refused
    crawl.ask(*paths(3))
    crawl.run()
    crawl.finish()
    assert lines(ledger) == []


def test_the_stop_of_a_crawl(crawling: Crawling, ledger: Path) -> None:
    crawl = crawling(ledger=ledger)
    crawl.site()
    crawl.ask(*paths(3))
    crawl.advance(6)
    assert lines(ledger) == []
    crawl.stop()
    crawl.advance(10)
    crawl.finish()
    (line,) = lines(ledger)
    assert (line.outcome, line.points) == ("abandoned", 7)


def test_an_old_token(crawling: Crawling, ledger: Path) -> None:
    crawl = crawling(ledger=ledger, token_max_age=10.0, gate_max_age=1.0)
    site = crawl.site()
    crawl.ask("/1")
    crawl.advance(5)
    site.latency = 15.0  # the gate is fetched again for longer than the token lives
    crawl.advance(25)
    site.latency = 0.1
    crawl.run()
    crawl.finish()
    assert outcomes(ledger) == {
        "expired": crawl.stat("tokens/expired"),
        "accepted": 1,
    }


def test_every_task_has_one_line_and_all_add_up(
    crawling: Crawling, ledger: Path
) -> None:
    crawl = crawling(ledger=ledger, seed=3, max_attempts=4)
    for name in ("a.example", "b.example"):
        crawl.site(name, pages=7, accepts=lambda number: number % 4 != 0)
        crawl.ask(*(f"https://{name}/{number}" for number in range(40)))
    failed = TaskFailed("no", code="ERROR_CAPTCHA_UNSOLVABLE", answered=True)
    crawl.service.outcome = lambda number: failed if number % 5 == 0 else None
    crawl.run(20_000)
    crawl.finish()
    found = lines(ledger)
    assert len(found) == crawl.stat("tasks")
    assert sum(line.points for line in found) == crawl.stat("points")
    counted = outcomes(ledger)
    assert counted["accepted"] == crawl.stat("tokens/accepted")
    assert counted["rejected"] == crawl.stat("tokens/rejected")
    assert counted["failed"] == crawl.stat("tasks/failed/ERROR_CAPTCHA_UNSOLVABLE")
    pages = sum(line.opened for line in found)
    assert pages == len(crawl.pages) == 80 - len(crawl.errors)
    assert len({line.run for line in found}) == 1
    assert len({line.session for line in found}) == 2


def test_no_secret_is_written(crawling: Crawling, ledger: Path) -> None:
    crawl = crawling(ledger=ledger, api_key="k" * 40)
    crawl.site()
    crawl.ask("/1?session=hush", meta={"proxy": "http://user:hush@10.0.0.1:8080"})
    crawl.run()
    crawl.finish()
    text = ledger.read_text()
    (line,) = text.splitlines()
    assert list(json.loads(line)) == list(KEYS)
    for secret in ("hush", "k" * 40, "P1_token", "?"):
        assert secret not in text


def test_a_ledger_that_cannot_be_written(crawling: Crawling, tmp_path: Path) -> None:
    path = tmp_path / "no" / "captchas.jsonl"
    with pytest.raises(
        ValueError,
        match=re.escape(
            f"ONECAPTCHA_LEDGER is '{path}': No such file or directory; allowed: a "
            "path in a folder that exists."
        ),
    ):
        crawling(ledger=path)


# Signals


def heard(crawl: Crawl) -> list[tuple[Any, ...]]:
    told: list[tuple[Any, ...]] = []

    def solved(task: str, site: str, seconds: float) -> None:
        told.append(("solved", task, site, seconds > 0))

    def verdict(task: str, site: str, outcome: str) -> None:
        told.append(("verdict", task, site, outcome))

    def lost(request: Any, error: Exception) -> None:
        told.append(("lost", request.url, type(error)))

    for handler, signal in (
        (solved, onecaptcha_solved),
        (verdict, onecaptcha_verdict),
        (lost, onecaptcha_lost),
    ):
        crawl.signals.connect(handler, signal, weak=False)
    return told


@pytest.mark.parametrize("on_failure", ["error", "response"])
def test_the_signals(crawling: Crawling, on_failure: str) -> None:
    crawl = crawling(max_tasks=2, on_failure=on_failure)
    told = heard(crawl)
    crawl.site(accepts=lambda number: number > 1, grants="nothing")
    crawl.ask("/1", "/2")
    crawl.run()
    crawl.finish()
    assert sorted(told, key=lambda each: each[0] == "lost") == [
        ("solved", "task-1", SITE, True),
        ("verdict", "task-1", SITE, "rejected"),
        ("solved", "task-2", SITE, True),
        ("verdict", "task-2", SITE, "accepted"),
        ("lost", told[-1][1], BudgetExceeded),
    ]


def test_a_page_that_is_lost_by_a_fault_on_the_way(crawling: Crawling) -> None:
    crawl = crawling()
    told = heard(crawl)
    crawl.site(fault=lambda number, _: OSError("reset") if number > 1 else None)
    crawl.ask("/1")
    crawl.run()
    crawl.finish()
    assert told[-1] == ("lost", f"{SITE}/1", OSError)
    assert ("verdict", "task-1", SITE, "failed") in told


# The snapshot


def test_the_snapshot(crawling: Crawling) -> None:
    crawl = crawling(max_tasks=5)
    crawl.site()
    crawl.ask(*paths(6))
    empty = crawl.middleware.snapshot()
    assert (empty["sessions"], empty["spent"]) == ([], {"tasks": 0, "points": 0})
    crawl.advance(5)
    waiting = crawl.middleware.snapshot()
    assert (waiting["open_tasks"], waiting["waiting"]) == (1, 6)
    assert waiting["budget_left"] == 4
    assert waiting["spent"] == {"tasks": 1, "points": 7}
    crawl.run()
    done = crawl.middleware.snapshot()
    (session,) = done["sessions"]
    assert (session["site"], session["pages"]) == (SITE, 5)
    assert session["age"] > 0
    assert (done["open_tasks"], done["waiting"], done["held"]) == (0, 0, 0)
    assert done["breakers"] == []
    assert done["store"] is None
    assert done["service"]["account_refused"] is None
    assert json.dumps(done)
    crawl.finish()


def test_the_snapshot_of_a_site_that_is_left_alone(crawling: Crawling) -> None:
    crawl = crawling(max_failures=2)
    crawl.site(accepts=lambda _: False)
    crawl.ask(*paths(2))
    crawl.run()
    (breaker,) = crawl.middleware.snapshot()["breakers"]
    assert (breaker["site"], breaker["failures"]) == (SITE, 2)
    assert 0 < breaker["seconds"] <= 600
    crawl.finish()


def test_no_budget_in_the_snapshot(crawling: Crawling) -> None:
    crawl = crawling()
    assert crawl.middleware.snapshot()["budget_left"] is None
    crawl.finish()


# The progress line


def test_the_progress_says_when_the_next_token_is_due(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "scrapy_onecaptcha")
    crawl = crawling(log_interval=3)
    crawl.service.latency = 20.0
    crawl.site(grants="nothing")
    crawl.ask("/1", "/2")
    crawl.run()
    crawl.finish()
    told = [text for text in caplog.messages if text.startswith("Waiting")]
    assert "1 task open; so far" in told[0], "nothing is known yet"
    assert any(re.search(r"the next token is due in about \d+ s; so", t) for t in told)
