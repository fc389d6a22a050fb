"""One solve for a session, and never more than the budget."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from crawl_harness import ask, crawl, crawling, pages, sandbox, without_scripts

pytestmark = pytest.mark.crawl


@pytest.mark.parametrize("site", ["button", "bouncer"])
def test_a_hundred_pages_at_once_are_one_task(site: str) -> None:
    """By a cookie; by the address."""
    with sandbox("--latency", "0.5", "--site", site) as servers:
        plan = pages(servers[site], range(100))
        settings = {"CONCURRENT_REQUESTS": 32, "CONCURRENT_REQUESTS_PER_DOMAIN": 32}
        result = crawl(servers, plan, settings)
        result.assert_clean()
        result.assert_delivered()
        assert servers.tasks == 1
        assert result.stat("tasks") == 1
        # Who would only meet the gate waits unsent: but for the first ones.
        assert servers.hits(site, "gates") <= 16 + 2 * 32
        assert result.places == 32


def test_gates_side_by_side_leave_the_first_one_the_cookie_of_its_form() -> None:
    with sandbox("--latency", "0.5", "--site", "bookshop") as servers:
        settings = {"CONCURRENT_REQUESTS": 32, "DOWNLOAD_DELAY": 0.1}
        result = crawl(servers, pages(servers["bookshop"], range(40)), settings)
        result.assert_clean()
        result.assert_delivered()
        assert servers.tasks == 1
        # How many leave before the first gate comes depends on the machine.
        assert servers.hits("bookshop", "gates") > 1
        # At most one is being read just when the token comes: only then is its cookie
        # the one that counts, and the form is fetched once more.
        assert result.stat("refetched") <= 1


def test_each_cookiejar_is_a_session_and_a_wall_grants_nothing() -> None:
    options = without_scripts("button", "wall", latency=0.1)
    with sandbox(options=options) as servers, ExitStack() as stack:
        plan = [
            ask(f"{servers['button']}/page/{number}", meta={"cookiejar": number % 2})
            for number in range(20)
        ]
        plan += pages(servers["wall"], range(12))
        # Two for the cookiejars, and four for the wall (one, one and two at once):
        # that these have opened nothing else lets four be open side by side.
        with servers.held(after=6):
            running = stack.enter_context(crawling(servers, plan))
            running.until(lambda: servers.ledger()["open_tasks"] >= 4)
        result = running.result()
        result.assert_clean()
        result.assert_delivered()
        assert servers.tasks_of("button") == 2
        assert servers.tasks_of("wall") == 12
        assert servers.ledger()["rejections"] == {}


def test_a_budget_holds_exactly() -> None:
    # By a rate, as many would fail as the order of creations and results has it.
    fault = "getTaskResult=ok,ERROR_CAPTCHA_UNSOLVABLE,ok,ok,ERROR_CAPTCHA_UNSOLVABLE"
    with sandbox(
        *("--latency", "0.1-0.4", "--site", "wall", "--fault", fault)
    ) as servers:
        plan = pages(servers["wall"], range(20))
        result = crawl(servers, plan, {"ONECAPTCHA_MAX_TASKS": 7})
        result.assert_clean()
        assert result.ended == dict.fromkeys(range(20), 1)
        ledger = servers.ledger()
        assert ledger["tasks_created"] == ledger["calls"]["createTask"] == 7
        assert len(result.pages) == servers.hits("wall", "content")
        assert 0 < len(result.pages) < 7
        kinds = {error["error"] for error in result.errors.values()}
        assert "BudgetExceeded" in kinds
        assert kinds <= {"BudgetExceeded", "AttemptsExhausted"}
        assert result.places == 16


def test_a_site_that_refuses_everything_costs_five_tasks() -> None:
    options = without_scripts("button", latency=0.2, refused_rate=1.0)
    with sandbox(options=options) as it:
        plan = [
            ask(f"{it['button']}/page/{number}", meta={"cookiejar": number % 10})
            for number in range(50)
        ]
        result = crawl(it, plan)
        result.assert_clean()
        assert result.ended == dict.fromkeys(range(50), 1)
        assert len(result.errors) == 50
        kinds = {error["error"] for error in result.errors.values()}
        assert "CircuitOpen" in kinds
        assert kinds <= {"CircuitOpen", "AttemptsExhausted"}
        assert it.tasks == it.ledger()["calls"]["createTask"] == 5
        assert result.places == 16
