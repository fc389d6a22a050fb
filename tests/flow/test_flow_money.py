"""Budget, attempts, circuit breaker: what a crawl may cost, to the task."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from scrapy_onecaptcha._twisted import sleep
from scrapy_onecaptcha.crawl import payment
from scrapy_onecaptcha.exceptions import (
    AccountError,
    AttemptsExhausted,
    BlockedError,
    BudgetExceeded,
    CircuitOpen,
    ServiceError,
    SiteRefusedError,
    SolveTimeout,
    TaskFailed,
    Unavailable,
)

from .test_flow_sharing import paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred

    from scrapy_onecaptcha._twisted import Clock

    from .virtual import Crawl

    Crawling = Callable[..., Crawl]


def test_a_budget_of_seven_creates_seven_tasks(crawling: Crawling) -> None:
    crawl = crawling(max_tasks=7)
    crawl.site(grants="nothing")
    crawl.ask(*paths(30))
    crawl.run()
    assert len(crawl.service.created) == 7
    assert len(crawl.pages) == 7
    assert {type(error) for error in crawl.errors} == {BudgetExceeded}
    assert len(crawl.errors) == 23
    assert crawl.stat("points") == 49
    crawl.finish()


def test_a_budget_of_a_site_leaves_the_other_sites_theirs(crawling: Crawling) -> None:
    crawl = crawling(max_tasks_per_site=2)
    for name in ("one.example", "two.example"):
        crawl.site(name, grants="nothing")
        crawl.ask(*[f"https://{name}/{n}" for n in range(5)])
    crawl.run()
    assert len(crawl.service.created) == 4
    assert len(crawl.pages) == 4
    crawl.finish()


def test_a_task_that_the_service_refused_is_not_counted(crawling: Crawling) -> None:
    crawl = crawling(max_tasks=1)
    crawl.site()
    full = Unavailable("full", code="ERROR_NO_SLOT_AVAILABLE", answered=True)
    crawl.service.creating = lambda n: full if n < 4 else None
    crawl.ask("/0")
    crawl.run()
    assert crawl.pages == ["/0"]
    assert crawl.service.create_calls == 4
    assert crawl.stat("tasks") == 1
    assert crawl.stat("points") == 7
    crawl.finish()


def test_a_task_that_may_have_been_created_is_counted(crawling: Crawling) -> None:
    crawl = crawling(max_tasks=1)
    crawl.site()
    crawl.service.creating = lambda _: Unavailable("connection lost")
    crawl.ask("/0")
    crawl.run()
    assert crawl.service.create_calls == 1
    assert {type(error) for error in crawl.errors} == {BudgetExceeded}
    assert crawl.stat("tasks") == 1
    crawl.finish()


def test_attempts_of_a_page(crawling: Crawling) -> None:
    crawl = crawling(max_attempts=2)
    crawl.site(accepts=lambda _: False)
    crawl.ask("/0")
    crawl.ask("/1", meta={"onecaptcha": {"max_attempts": 1}})
    crawl.run()
    assert [type(error) for error in crawl.errors] == [AttemptsExhausted] * 2
    assert len(crawl.service.created) == 3
    for error in crawl.errors:
        assert isinstance(error, AttemptsExhausted)
        assert error.challenge is not None
        assert error.challenge.kind == "gate"
        assert error.response is not None
        assert "refused the token" in str(error)
        assert error.code == ""
    crawl.finish()


def test_the_services_code_stays_with_a_page_whose_attempts_are_spent(
    crawling: Crawling,
) -> None:
    crawl = crawling(max_attempts=2)
    crawl.site(accepts=lambda _: False)
    codes = ["ERROR_TASK_TIMEOUT", "ERROR_CAPTCHA_UNSOLVABLE", "ERROR_TASK_TIMEOUT"]
    crawl.service.outcome = lambda n: (
        TaskFailed("no", code=codes[n - 1]) if n <= len(codes) else None
    )
    crawl.ask("/0")
    crawl.run()
    crawl.ask("/1")  # a task that fails, and a token that is refused
    crawl.run()
    assert [type(error) for error in crawl.errors] == [AttemptsExhausted] * 2
    codes_told = [getattr(error, "code", None) for error in crawl.errors]
    assert codes_told == ["ERROR_CAPTCHA_UNSOLVABLE", ""]
    crawl.finish()


@pytest.mark.parametrize("grants", ["cookie", "nothing"])
def test_a_site_that_refuses_every_token_costs_max_failures(
    crawling: Crawling, grants: str
) -> None:
    crawl = crawling(concurrency=50)
    crawl.site(grants=grants, accepts=lambda _: False)
    for jar in range(10):
        crawl.ask(*[f"/{jar}-{n}" for n in range(20)], meta={"cookiejar": jar})
    crawl.run()
    assert len(crawl.service.created) == 5
    assert len(crawl.errors) == 200
    assert CircuitOpen in {type(error) for error in crawl.errors}
    crawl.finish()


def test_an_open_circuit_lets_one_task_probe_after_the_cooldown(
    crawling: Crawling,
) -> None:
    crawl = crawling(cooldown=100.0, max_failures=2)
    site = crawl.site(accepts=lambda n: n > 3)
    crawl.ask(*paths(4))
    crawl.run()
    assert len(crawl.service.created) == 2
    crawl.ask("/early")
    crawl.run()
    assert len(crawl.service.created) == 2
    crawl.advance(100)
    crawl.ask("/probe", meta={"onecaptcha": {"max_attempts": 1}})
    crawl.run()
    assert len(site.submissions) == 3
    crawl.advance(100)
    crawl.ask("/late", "/later")
    crawl.run()
    assert sorted(crawl.pages) == ["/late", "/later"]
    assert len(crawl.service.created) == 4
    crawl.finish()


@pytest.mark.parametrize(
    ("waits", "tasks", "pages"), [(0, 2, 0), (1, 2 + 4, 0), (3, 2 + 8, 4)]
)
@pytest.mark.parametrize("early", [0.0, 0.5])
def test_waiting_requests_sit_out_so_many_cool_downs(
    crawling: Crawling,
    monkeypatch: pytest.MonkeyPatch,
    waits: int,
    tasks: int,
    pages: int,
    early: float,
) -> None:
    """Each cool-down admits one task, and its failure begins the next one.

    Timers of event loops may fire a little *early*.
    """

    def doze(clock: Clock, seconds: float) -> Deferred[None]:
        return sleep(clock, seconds - early if seconds > 1 else seconds)

    monkeypatch.setattr(payment, "sleep", doze)
    crawl = crawling(
        cooldown=100.0, max_failures=2, max_attempts=20, breaker_waits=waits
    )
    crawl.site(accepts=lambda n: n == 10)
    crawl.ask(*paths(4))
    began = crawl.clock.seconds()
    crawl.run()
    assert len(crawl.service.created) == tasks
    assert len(crawl.pages) == pages
    assert {type(error) for error in crawl.errors} <= {CircuitOpen}
    assert len(crawl.errors) == 4 - pages
    assert crawl.clock.seconds() - began > 100 * (tasks - 2)
    crawl.finish()


def test_a_failure_while_a_cool_down_is_sat_out_begins_another_one(
    crawling: Crawling,
) -> None:
    """Another process may have met it. However late, that cool-down is counted."""
    crawl = crawling(cooldown=100.0, max_failures=2, max_attempts=20, breaker_waits=1)
    crawl.site(accepts=lambda _: False)
    crawl.ask("/0")
    policy = crawl.coordinator.policy
    site = "https://shop.example"
    while len(crawl.service.created) < 2 or crawl.service.open_now:
        crawl.advance(1)
    crawl.advance(2)
    (state,) = policy.breakers()
    crawl.advance(state["seconds"] - 0.2)
    assert 0 < policy.cooldown_left(site) < 1
    policy._sites[site].failed_at = crawl.clock.seconds()
    crawl.run()
    assert [type(error) for error in crawl.errors] == [CircuitOpen]
    assert len(crawl.service.created) == 2
    crawl.finish()


def test_a_healthy_site_with_a_pass_rate_of_a_third_is_not_cut_off(
    crawling: Crawling,
) -> None:
    """Of tokens that pass in 30 % of cases, rows of failures are ordinary."""
    dice = random.Random(11)
    verdicts = [True, *(dice.random() < 0.3 for _ in range(2000))]
    crawl = crawling(max_attempts=10)
    crawl.site(grants="nothing", accepts=lambda n: verdicts[n - 1])
    crawl.ask(*paths(60))
    crawl.run(seconds=20_000)
    assert not [error for error in crawl.errors if isinstance(error, CircuitOpen)]
    assert len(crawl.pages) >= 55
    crawl.finish()


def test_before_its_first_acceptance_a_site_has_few_tasks_open(
    crawling: Crawling,
) -> None:
    """Those past MAX_FAILURES wait for a verdict; they do not fail."""
    crawl = crawling(concurrency=40)
    crawl.site()
    for jar in range(20):
        crawl.ask(f"/{jar}", meta={"cookiejar": jar})
    crawl.advance(8)
    assert len(crawl.service.created) == 5
    crawl.run()
    assert len(crawl.pages) == 20
    assert len(crawl.service.created) == 20
    crawl.finish()


def test_an_account_error_ends_all_calls_and_every_page_alike(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    crawl = crawling(concurrency=40)
    crawl.site()
    crawl.service.creating = lambda n: (
        AccountError("no points", code="ERROR_ZERO_BALANCE", answered=True)
        if n == 3
        else None
    )
    for jar in range(20):
        crawl.ask(f"/{jar}", meta={"cookiejar": jar})
    crawl.run()
    assert crawl.service.create_calls == 5  # those that were under way
    assert {type(error) for error in crawl.errors} == {AccountError}
    assert len(crawl.errors) == 20
    assert crawl.service.polls == 0
    urls = {error.response.url for error in crawl.errors}  # type: ignore[attr-defined]
    assert len(urls) == 20, "each page's error carries its own gate"
    criticals = [r for r in caplog.records if r.levelname == "CRITICAL"]
    assert len(criticals) == 1
    crawl.finish()


def test_a_timed_block_ends_calls_for_its_time_then_one_probes(
    crawling: Crawling,
) -> None:
    crawl = crawling(max_failures=50)
    crawl.site(grants="nothing")
    blocked = BlockedError("wait", code="ERROR_IP_BLOCKED", answered=True)
    crawl.service.creating = lambda n: blocked if n == 2 else None
    crawl.ask("/0")
    crawl.run()
    crawl.ask("/1")
    crawl.run()
    assert [type(error) for error in crawl.errors] == [BlockedError]
    crawl.ask(*[f"/blocked{n}" for n in range(5)])
    crawl.run()
    assert crawl.service.create_calls == 2
    crawl.advance(600)
    crawl.service.call_seconds = 1.0
    crawl.ask(*[f"/after{n}" for n in range(5)])
    crawl.advance(1)
    assert crawl.service.create_calls == 3  # the probe
    crawl.run()
    assert "/after0" in crawl.pages
    crawl.finish()


def test_a_site_that_the_service_refuses_is_not_asked_for_again(
    crawling: Crawling,
) -> None:
    crawl = crawling()
    crawl.site()
    crawl.service.creating = lambda _: SiteRefusedError(
        "not there", code="ERROR_DOMAIN_NOT_ALLOWED", answered=True
    )
    crawl.ask(*paths(10))
    crawl.run()
    assert crawl.service.create_calls == 1
    assert {type(error) for error in crawl.errors} == {SiteRefusedError}
    assert len(crawl.errors) == 10
    assert crawl.stat("tasks") == 0
    crawl.finish()


def test_threads_maximum_lowers_the_number_of_open_tasks(crawling: Crawling) -> None:
    crawl = crawling(share_clearance=False, max_failures=50)
    crawl.site(grants="nothing")
    limit = 4

    def creating(_: int) -> Exception | None:
        if crawl.service.open_now >= limit:
            return Unavailable("full", code="ERROR_THREADS_MAXIMUM", answered=True)
        return None

    crawl.service.creating = creating
    crawl.ask(*paths(12))
    crawl.run()
    assert len(crawl.pages) == 12
    assert crawl.service.open_most <= limit
    calls = crawl.service.create_calls
    crawl.ask(*[f"/more{n}" for n in range(12)])
    crawl.run()
    assert crawl.service.create_calls == calls + 12, "no more than it may have open"
    crawl.finish()


def test_an_unknown_error_is_not_retried(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site()
    crawl.service.creating = lambda _: ServiceError("new", code="NEW", answered=True)
    crawl.ask("/0")
    crawl.run()
    assert crawl.service.create_calls == 1
    assert [type(error) for error in crawl.errors] == [ServiceError]
    crawl.finish()


def test_a_task_that_fails_before_it_is_created_is_not_asked_for_for_ever(
    crawling: Crawling,
) -> None:
    """It costs nothing, so that neither attempts nor budget would end it."""
    crawl = crawling()
    crawl.site()
    crawl.service.creating = lambda _: TaskFailed(
        "no", code="ERROR_CAPTCHA_UNSOLVABLE", answered=True
    )
    crawl.ask("/0")
    crawl.advance(60)
    assert crawl.service.create_calls == 1
    assert [type(error) for error in crawl.errors] == [TaskFailed]
    assert crawl.stat("tasks") == 0
    crawl.finish()


def test_a_failed_task_is_followed_by_another_within_attempts(
    crawling: Crawling,
) -> None:
    crawl = crawling()
    crawl.site()
    crawl.service.outcome = lambda n: TaskFailed("no") if n < 3 else None
    crawl.ask("/0")
    crawl.run()
    assert crawl.pages == ["/0"]
    assert len(crawl.service.created) == 3
    crawl.finish()


def test_a_task_that_never_ends_times_out(crawling: Crawling) -> None:
    crawl = crawling(max_attempts=1)
    crawl.site()
    crawl.service.latency = 10_000.0
    crawl.ask("/0")
    crawl.run()
    assert [type(error) for error in crawl.errors] == [AttemptsExhausted]
    assert "ONECAPTCHA_SOLVE_TIMEOUT" in str(crawl.errors[0])
    assert crawl.stat(f"tasks/failed/{SolveTimeout.reason}") == 1
    assert 299 < crawl.clock.seconds() < 303
    crawl.finish()


def test_open_tasks_are_bounded_and_nobody_polls_while_queued(
    crawling: Crawling,
) -> None:
    crawl = crawling(concurrent_tasks=3, share_clearance=False, max_failures=50)
    crawl.site(grants="nothing")
    crawl.ask(*paths(9))
    crawl.advance(6)
    assert len(crawl.service.created) == 3
    assert crawl.service.polls == 3
    crawl.run()
    assert crawl.service.open_most == 3
    urls = [task.url.rpartition("/")[2] for task in crawl.service.created]
    assert urls == [str(n) for n in range(9)], "first come, first served"
    crawl.finish()


def test_while_the_engine_is_paused_no_task_is_created(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site()
    crawl.ask("/0")
    crawl.engine.paused = True
    crawl.advance(60)
    assert crawl.service.create_calls == 0
    crawl.engine.paused = False
    crawl.run()
    assert crawl.pages == ["/0"]
    crawl.finish()


def test_unsolvable_and_out_of_scope_gates_cost_nothing(crawling: Crawling) -> None:
    crawl = crawling(allowed_domains=["shop.example"])
    crawl.site(sitekey=lambda _: "your_site_key")
    crawl.site("elsewhere.example")
    crawl.ask("/0", "https://elsewhere.example/1")
    crawl.run()
    assert crawl.service.create_calls == 0
    assert [type(error).__name__ for error in crawl.errors] == ["UnsolvableGate"]
    assert (crawl.stat("gates"), crawl.stat("unsolvable/bad_sitekey")) == (1, 1)
    outside = [event.response for event in crawl.events if event.response is not None]
    assert [page.url for page in outside] == ["https://elsewhere.example/1"]
    assert crawl.stat("refused/scope") == 1
    crawl.finish()


def test_each_end_of_a_clearance_is_told_once_with_what_it_was_good_for(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    """When the next one comes, or, where none does, when the crawl is over."""
    caplog.set_level("INFO")
    crawl = crawling(max_tasks=2, concurrency=1)
    crawl.site(pages=3)
    crawl.ask(*paths(8))
    crawl.run()
    assert len(crawl.pages) == 6

    def told() -> list[str]:
        return [text for text in caplog.messages if "has ended" in text]

    assert len(told()) == 1
    crawl.finish()
    assert len(told()) == 2
    assert all("opened 3 pages and cost 1 task" in text for text in told())
    assert crawl.stat("clearances") == 2
    assert crawl.stat("clearances/pages") == 3
