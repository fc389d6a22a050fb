"""Refused tokens, a refused account, a service in trouble: every request ends once."""

from __future__ import annotations

from typing import Any

import pytest
from crawl_harness import SCRAPYS_OWN, ask, assert_as_asked, crawl, pages, sandbox

from scrapy_onecaptcha.sandbox import sitekey_of

pytestmark = [pytest.mark.crawl, pytest.mark.versions]


def test_refused_tokens_are_solved_again_up_to_the_limit() -> None:
    with sandbox("--latency", "0.1", "--refused-rate", "1") as servers:
        button = servers["button"]
        plan = [
            ask(f"{button}/page/1"),
            ask(f"{button}/page/2", errback=False, meta={"cookiejar": 1}),
            *pages(servers["plain"], range(3)),
            *pages(servers["plain"], [3], after=0),
        ]
        result = crawl(servers, plan, {"ONECAPTCHA_MAX_ATTEMPTS": 2})
        result.assert_clean()
        # The last is what the first one's errback asks for.
        assert result.ended == {0: 1, 2: 1, 3: 1, 4: 1, 5: 1}
        error = result.errors[0]
        assert (error["error"], error["reason"]) == ("AttemptsExhausted", "attempts")
        assert error["gate"] == error["request_url"] == f"{button}/page/1"
        assert error["sitekey"] == sitekey_of("button")
        assert error["request_method"] == "GET"
        assert servers.tasks == 4
        assert servers.ledger()["rejections"] == {"token-refused": 4}
        # Both pages are told, with the reason and what to do, and neither as an error.
        lost = [line for line in result.lines("WARNING") if "page lost" in line]
        assert len(lost) == 1  # the second of the same site and reason is counted
        assert f"{button}/page/" in lost[0]
        assert "ONECAPTCHA_MAX_ATTEMPTS" in lost[0]
        assert result.stat("failed/attempts") == 2


def test_a_gate_that_stays_is_handed_on_where_that_is_wanted() -> None:
    """And Scrapy does not retry it."""
    assert_handed_on(handle_httpstatus_list=[503])


def test_a_gate_is_handed_on_whatever_its_status() -> None:
    assert_handed_on()


def assert_handed_on(**meta: Any) -> None:
    """Assert that the callback gets the gate, once."""
    sites = {"button": {"gate": {"like": "button", "status": 503}}}
    service = {"latency": 0.1, "refused_rate": 1}
    with sandbox(options={"sites": sites, "service": service}) as servers:
        url = f"{servers['button']}/page/1"
        plan = [ask(url, callback="other", priority=3, status=503, meta=meta)]
        settings = {
            "ONECAPTCHA_MAX_ATTEMPTS": 1,
            "ONECAPTCHA_ON_FAILURE": "response",
            "RETRY_TIMES": 2,
        }
        result = crawl(servers, plan, settings)
        result.assert_clean()
        # The gate itself, the gate for the refused token, and the look at the page.
        assert servers.hits("button", "gates") == 3
        assert "retry/count" not in result.stats
        assert (result.ended, result.errors) == ({0: 1}, {})
        page = result.pages[0]
        assert page["flags"] == ["onecaptcha-failed"]
        assert page["h1"] == "Checking that you are human"
        # That its status is allowed must still be there for HttpErrorMiddleware.
        asked = plan[0] | {"meta": meta | {"handle_httpstatus_list": [503]}}
        assert_as_asked(page, asked)


def test_an_errback_sees_nothing_of_ours_in_meta() -> None:
    with sandbox("--fault", "createTask=ERROR_ZERO_BALANCE,*") as servers:
        plan = pages(servers["wall"], [1]) + pages(servers["antibot"], [1])
        result = crawl(servers, plan)
        assert sorted(result.errors) == [0, 1]
        for error in result.errors.values():
            assert error["meta"].keys() <= SCRAPYS_OWN
            assert error["request_url"].endswith("/page/1")


def test_a_gate_that_stays_is_no_submission() -> None:
    """The token of a GET form must not reach the spider in a URL."""
    with sandbox("--latency", "0.1", "--refused-rate", "1", "--site", "wall") as it:
        plan = pages(it["wall"], [1])
        settings = {"ONECAPTCHA_MAX_ATTEMPTS": 1}
        result = crawl(it, plan, settings)
        result.assert_clean()
        assert result.errors[0]["gate"] == plan[0]["url"]


def test_a_refused_account_ends_every_page_with_one_call() -> None:
    code = "ERROR_ZERO_BALANCE"
    with sandbox("--fault", f"createTask={code},*", "--site", "button") as servers:
        plan = [
            ask(f"{servers['button']}/page/{number}", meta={"cookiejar": number % 3})
            for number in range(30)
        ]
        settings = {"ONECAPTCHA_CONCURRENT_TASKS": 1}
        result = crawl(servers, plan, settings)
        result.assert_clean(allowed=["No further call to the service"])
        assert result.ended == dict.fromkeys(range(30), 1)
        errors = result.errors.values()
        assert {error["error"] for error in errors} == {"AccountError"}
        assert {error["code"] for error in errors} == {code}
        # Each page has its own response, though the error is of all.
        assert all(error["gate"] == error["request_url"] for error in errors)
        assert len(result.lines("CRITICAL")) == 1
        assert servers.ledger()["calls"] == {"createTask": 1}
        assert result.stat("tasks") == 0


def test_passing_faults_of_the_service_are_survived() -> None:
    faults = "ERROR_NO_SLOT_AVAILABLE,http:500,html,garbled,null,drop,truncated"
    polls = "http:500,html,truncated,drop,list,empty"
    with sandbox(
        *("--latency", "0.1", "--site", "button", "--site", "plain"),
        *("--fault", f"createTask={faults}", "--fault", f"getTaskResult={polls}"),
    ) as servers:
        plan = pages(servers["button"], range(4)) + pages(servers["plain"], range(4))
        settings = {"ONECAPTCHA_MAX_ATTEMPTS": 20, "ONECAPTCHA_MAX_FAILURES": 20}
        result = crawl(servers, plan, settings)
        result.assert_clean()
        result.assert_delivered()
        assert servers.ledger()["calls"]["createTask"] == 8
        # A refusal in the service's own words costs nothing; no answer may have.
        assert result.stat("tasks") == 7
        assert result.stat("tokens/accepted") == 1


def test_a_service_that_stays_down_fails_pages_only() -> None:
    with sandbox(
        *("--site", "button", "--site", "wall", "--site", "plain"),
        *("--fault", "createTask=stall,http:503,*"),
    ) as servers:
        plan = [
            *pages(servers["button"], range(3)),
            *pages(servers["wall"], range(3)),
            *pages(servers["plain"], range(3)),
        ]
        settings = {
            "ONECAPTCHA_API_TIMEOUT": 0.3,
            "ONECAPTCHA_SOLVE_TIMEOUT": 1,
            "ONECAPTCHA_MAX_ATTEMPTS": 2,
        }
        result = crawl(servers, plan, settings)
        result.assert_clean()
        assert result.ended == dict.fromkeys(range(9), 1)
        assert sorted(result.errors) == [0, 1, 2, 3, 4, 5]
        kinds = {error["error"] for error in result.errors.values()}
        assert kinds == {"Unavailable"}  # not CircuitOpen: the sites did nothing
        calls = servers.ledger()["calls"]["createTask"]
        assert calls <= 6 * 2  # MAX_ATTEMPTS for each page


def test_tasks_that_fail_and_a_key_that_no_task_can_use() -> None:
    fault = "ERROR_CAPTCHA_UNSOLVABLE,ERROR_TASK_TIMEOUT"
    with sandbox(
        *("--latency", "0.1", "--site", "button", "--site", "enterprise"),
        *("--fault", f"getTaskResult={fault}"),
        *("--fault", "createTask=ok,ok,ok,ERROR_DOMAIN_NOT_ALLOWED,*"),
    ) as servers:
        plan = pages(servers["button"], [1])
        plan += pages(servers["enterprise"], range(5), after=0)
        result = crawl(servers, plan)
        result.assert_clean()
        result_kinds = {error["error"] for error in result.errors.values()}
        assert result.ended == dict.fromkeys(range(6), 1)
        assert list(result.pages) == [0]
        assert result_kinds == {"SiteRefusedError"}
        # The site is refused by name: asked once, then not again.
        assert servers.ledger()["calls"]["createTask"] == 4
