"""The ledger of real crawls: one line for each task, whatever ends the crawl."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import (
    EACH_REACTOR,
    NO_SCRIPT,
    REACTORS,
    Servers,
    crawl,
    crawling,
    pages,
    sandbox,
)

from scrapy_onecaptcha.report.ledger import Fault, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scrapy_onecaptcha.report.record import Record

pytestmark = pytest.mark.crawl

SITES = {
    "p10": {"gate": {"like": "pages", "clearance_pages": 10, **NO_SCRIPT}},
    "button": {"gate": "button"},
}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with sandbox(options={"sites": SITES, "service": {"latency": 0.2}}) as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "captchas.jsonl"


def lines(path: Path) -> list[Record]:
    faults: list[Fault] = []
    found = list(read([path], faults.append))
    assert faults == []
    return found


@pytest.mark.parametrize("reactor", EACH_REACTOR)
def test_each_task_has_its_line(servers: Servers, reactor: str, path: Path) -> None:
    settings = {**REACTORS[reactor][0], "ONECAPTCHA_LEDGER": str(path)}
    result = crawl(servers, pages(servers["p10"], range(1, 41)), settings)
    result.assert_clean()
    result.assert_delivered()
    found = lines(path)
    assert len(found) == result.stat("tasks") >= 4
    assert {line.outcome for line in found} == {"accepted"}
    # Pages that left before a clearance came, and passed after it, are nobody's.
    assert 30 <= sum(line.opened for line in found) <= 40
    assert {line.site for line in found} == {servers["p10"]}
    assert sum(line.points for line in found) == result.stat("points")


def test_crawls_side_by_side_share_a_ledger(servers: Servers, path: Path) -> None:
    def run(_: int) -> int:
        settings = {"ONECAPTCHA_LEDGER": str(path)}
        result = crawl(servers, pages(servers["button"], range(1, 6)), settings)
        return result.stat("tasks")

    with ThreadPoolExecutor() as pool:
        tasks = list(pool.map(run, range(3)))
    found = lines(path)
    assert len(found) == sum(tasks)
    assert len({line.run for line in found}) == 3
    assert [line.opened for line in found] == [5, 5, 5]


def test_a_crawl_that_is_killed_loses_its_open_tasks_at_most(path: Path) -> None:
    options: dict[str, Any] = {
        "sites": {"p3": {"gate": {"like": "pages", "clearance_pages": 3, **NO_SCRIPT}}},
        "service": {"latency": 0.3},
    }
    settings = {"ONECAPTCHA_LEDGER": str(path)}
    with sandbox(options=options) as own:
        plan = pages(own["p3"], range(1, 200))
        with crawling(own, plan, settings) as running:
            running.until(lambda: own.tasks >= 5)
            running.process.send_signal(signal.SIGKILL)
            running.process.wait()
        # One task was open, and one may have waited for its verdict.
        assert len(lines(path)) >= own.tasks - 2
        assert len(lines(path)) <= own.tasks


@pytest.mark.parametrize("reactor", EACH_REACTOR)
def test_a_dry_run_pays_nothing_and_needs_no_key(
    servers: Servers, reactor: str, path: Path
) -> None:
    before = servers.tasks
    settings = {
        **REACTORS[reactor][0],
        "ONECAPTCHA_API_KEY": None,
        "ONECAPTCHA_DRY_RUN": True,
        "ONECAPTCHA_LEDGER": str(path),
    }
    result = crawl(servers, pages(servers["button"], range(1, 8)), settings)
    result.assert_clean()
    assert servers.tasks == before
    assert {error["reason"] for error in result.errors.values()} == {"dry_run"}
    assert result.stat("failed/dry_run") == 7
    assert result.stat("dry_run/tasks") == 1
    assert "7 gates met; a browser would need at least 1 task" in result.log
    assert lines(path) == []
