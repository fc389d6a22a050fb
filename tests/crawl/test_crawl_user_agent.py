"""One User-Agent for a session, whatever other middlewares set."""

from __future__ import annotations

from typing import Any

import pytest
from crawl_harness import ask, crawl, pages, sandbox

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

SOLVER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Solver/9.1"


def test_the_returned_user_agent_holds_for_the_session() -> None:
    sites = ("button", "antibot", "wall", "enterprise")
    with sandbox("--latency", "0.2", "--user-agent", SOLVER) as servers:
        plan: list[dict[str, Any]] = []
        for site in sites:
            first = len(plan)
            plan += pages(servers[site], [1])
            plan += pages(servers[site], [2, 3], after=first)
        plan += [ask(f"{servers['plain']}/page/{number}") for number in (1, 2)]
        result = crawl(servers, plan, {"REDIRECT_PRIORITY_ADJUST": 0}, rotate=True)
        result.assert_clean()
        result.assert_delivered()
        for site in sites:
            sent = [one for one in result.of("sent") if servers[site] in one["url"]]
            agents = [one["user_agent"] for one in sent]
            submitted = [one["token"] for one in sent].index(True)
            assert agents[0].startswith("Rotated/")
            assert set(agents[submitted:]) == {SOLVER}
            assert len(agents[submitted:]) >= 3
        for number in range(12):
            assert result.pages[number]["echo"]["user_agent"] == SOLVER
        for number in (12, 13):  # another session, without a clearance
            agent = result.pages[number]["echo"]["user_agent"]
            assert agent.startswith("Rotated/")
        ledger = servers.ledger()
        assert ledger["rejections"] == {}
        # The wall's clearances are good for one page, and tried on the next.
        assert set(ledger["clearances_refused"]) <= {"spent"}
        assert ledger["tasks_created"] == 6  # three of them for the wall


def test_the_own_user_agent_is_told_to_the_service_and_kept() -> None:
    with sandbox("--latency", "0.2", "--site", "button") as servers:
        plan = pages(servers["button"], [1])
        plan += pages(servers["button"], range(2, 6), after=0)
        result = crawl(servers, plan, rotate=True)
        result.assert_clean()
        result.assert_delivered()
        ledger = servers.ledger()
        told = {task["fields"]["userAgent"] for task in ledger["tasks"]}
        assert told == {"Rotated/1.0"}
        kept = {page["echo"]["user_agent"] for page in result.pages.values()}
        assert kept == told
        assert ledger["clearances_refused"] == {}
        assert ledger["tasks_created"] == 1
