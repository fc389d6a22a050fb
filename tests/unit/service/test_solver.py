"""One paid solve, in virtual time."""

from __future__ import annotations

import copy
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.http import HtmlResponse
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from scrapy_onecaptcha.crawl.budget import PageAttempts, Policy
from scrapy_onecaptcha.exceptions import (
    AccountError,
    AttemptsExhausted,
    BadTaskError,
    BlockedError,
    BudgetExceeded,
    CircuitOpen,
    ProxyFailed,
    ServiceError,
    SiteRefusedError,
    SolveTimeout,
    TaskFailed,
    Unavailable,
)
from scrapy_onecaptcha.models import parse_proxy
from scrapy_onecaptcha.report.journal import Journal, Subject
from scrapy_onecaptcha.report.tally import TaskCount
from scrapy_onecaptcha.service import health
from scrapy_onecaptcha.service.client import Task
from scrapy_onecaptcha.service.protocol import TaskResult
from scrapy_onecaptcha.service.solver import Solver
from scrapy_onecaptcha.stats import Report
from tests.unit.helpers import (
    AGENT,
    OTHER_SITE,
    OTHER_SITEKEY,
    SITE,
    SITEKEY,
    TOKEN,
    Run,
    Service,
    advance,
    configure,
    stats_collector,
)
from tests.unit.report.helpers import Told

if TYPE_CHECKING:
    from typing import TypeAlias

    from scrapy_onecaptcha.crawl.budget import TaskReservation
    from scrapy_onecaptcha.models import Solution

    Solve: TypeAlias = Run[tuple[Solution, TaskReservation]]


class World:
    """A solver, and all that it works with."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1000)  # no moment is 0 by chance
        self.service = Service(self.clock)
        self.config = configure(**({"max_failures": 1000} | settings))
        self.stats = stats_collector()
        tasks = TaskCount()
        self.report = Report(self.stats, self.config, self.clock, tasks, lambda: 0)
        self.policy = Policy(self.config, self.clock.seconds, tasks, self.report)
        self.paused = False
        self.dice = 0.5
        self.solver = Solver(
            self.service.client,
            self.config,
            self.policy,
            self.report,
            self.clock,
            lambda: self.paused,
            lambda: self.dice,
        )
        self.attempts = PageAttempts("https://shop.example/page", 3)

    def solve(
        self,
        site: str = SITE,
        sitekey: str = SITEKEY,
        attempts: PageAttempts | None = None,
    ) -> Solve:
        task = Task(url=f"{site}/page", sitekey=sitekey, user_agent=AGENT)
        attempts = attempts or PageAttempts(task.url, 3)
        return Run(self.solver.solve(task, site, attempts))

    def journal(self) -> list[tuple[Any, ...]]:
        """Have the tasks of the attempts written down; return what is told of them."""
        told = Told()
        journal = Journal(
            run="r",
            spider="s",
            secret=b"s",
            now=self.clock.seconds,
            today=self.clock.seconds,
            listener=told,
        )
        self.attempts = PageAttempts("https://shop.example/page", 5, journal)
        self.attempts.subject = Subject(site=SITE, sitekey=SITEKEY, session=SITE)
        return told.calls

    def stat(self, name: str) -> Any:
        return self.stats.get_value(f"onecaptcha/{name}", 0)

    def pass_time(self, seconds: float) -> None:
        advance(self.clock, seconds)

    @property
    def now(self) -> float:
        return self.clock.seconds() - 1000

    @property
    def created(self) -> list[float]:
        return [moment - 1000 for moment, _ in self.service.created]

    @property
    def polled(self) -> list[float]:
        return [moment - 1000 for moment, _ in self.service.polled]

    @property
    def idle(self) -> bool:
        return not self.clock.getDelayedCalls()


def busy() -> Unavailable:
    """Return a passing fault that the service itself told of: nothing was billed."""
    return Unavailable("busy", code="ERROR_NO_SLOT_AVAILABLE", answered=True)


def silence() -> Unavailable:
    """Return a fault after which nobody knows whether the task was billed."""
    return Unavailable("no answer")


def account() -> AccountError:
    return AccountError("no points", code="ERROR_ZERO_BALANCE", answered=True)


def block(seconds: float) -> BlockedError:
    error = BlockedError("blocked", code="ERROR_IP_BLOCKED", answered=True)
    error.seconds = seconds
    return error


# Create, poll, ready


def test_create_poll_ready() -> None:
    world = World(poll_delay=5, poll_interval=3)
    world.service.user_agent = "theirs"
    run = world.solve()
    world.pass_time(19)
    assert not run.done
    world.pass_time(1)
    assert world.created == [0]
    assert world.polled == [5, 8, 11, 14, 17, 20]
    solution, reservation = run.value
    assert solution.token == f"{TOKEN}-task-1"
    assert (solution.user_agent, solution.resp_key) == ("theirs", "E0_key")
    assert (solution.task_id, solution.seconds) == ("task-1", 20)
    assert reservation.spent
    assert world.idle


def test_the_service_is_asked_for_the_task_as_it_is() -> None:
    world = World()
    world.solve()
    [(_, task)] = world.service.created
    assert task == Task(url=f"{SITE}/page", sitekey=SITEKEY, user_agent=AGENT)


def test_delay_and_interval_are_settings() -> None:
    world = World(poll_delay=10, poll_interval=4)
    world.solve()
    world.pass_time(21)
    assert world.polled == [10, 14, 18, 22][:3]


def test_the_interval_begins_when_a_poll_has_ended() -> None:
    world = World(poll_delay=5, poll_interval=3)
    slow: Deferred[None] = Deferred()
    world.service.on_poll.append(slow)
    world.solve()
    world.pass_time(9)
    assert world.polled == [5]
    slow.callback(None)
    world.pass_time(3)
    assert world.polled == [5, 12]


def test_a_token_is_as_old_as_the_last_word_that_it_was_not_there() -> None:
    world = World(poll_delay=5, poll_interval=3)
    run = world.solve()
    world.pass_time(20)
    assert run.value[0].issued_at - 1000 == 17


def test_a_token_of_the_first_poll_may_be_as_old_as_its_task() -> None:
    world = World(poll_delay=5)
    world.service.seconds = 1
    world.clock.advance(7)
    run = world.solve()
    world.pass_time(5)
    assert run.value[0].issued_at - 1000 == 7


def test_a_token_is_as_old_as_the_question_not_the_answer() -> None:
    world = World(poll_delay=5, poll_interval=3)
    world.service.seconds = 6
    slow: Deferred[None] = Deferred()
    world.service.on_poll.append(slow)
    run = world.solve()
    world.pass_time(15)
    slow.callback(None)  # "processing" was said of some moment after 5
    world.pass_time(3)
    assert run.value[0].issued_at - 1000 == 5


def test_a_poll_that_failed_tells_nothing_of_the_tokens_age() -> None:
    world = World(poll_delay=5, poll_interval=3)
    world.service.seconds = 10
    world.service.on_poll.extend([None, silence()])
    run = world.solve()
    world.pass_time(11)
    assert world.polled == [5, 8, 11]
    assert run.value[0].issued_at - 1000 == 5


def test_a_fault_while_polling_loses_nothing() -> None:
    world = World(poll_delay=5, poll_interval=3)
    world.service.on_poll.extend([silence(), busy(), silence()])
    run = world.solve()
    world.pass_time(20)
    assert run.value
    assert world.polled == [5, 8, 11, 14, 17, 20]
    assert world.created == [0]
    assert world.policy.tasks == 1


@pytest.mark.parametrize("kind", [TaskFailed, ServiceError, BadTaskError])
def test_a_task_that_failed_is_not_asked_for_again(kind: type[ServiceError]) -> None:
    world = World()
    world.service.on_poll.append(
        kind("no", code="ERROR_CAPTCHA_UNSOLVABLE", answered=True)
    )
    run = world.solve()
    world.pass_time(1000)
    assert type(run.error) is kind
    assert len(world.polled) == 1
    assert world.created == [0]
    assert world.policy.tasks == 1  # created, and so paid for
    assert world.idle


def test_there_is_an_end_to_waiting() -> None:
    world = World(solve_timeout=60, poll_delay=5, poll_interval=3)
    world.service.seconds = 10_000
    run = world.solve()
    world.pass_time(1000)
    assert isinstance(run.error, SolveTimeout)
    assert "ONECAPTCHA_SOLVE_TIMEOUT" in str(run.error)
    assert "task-1" in str(run.error)
    assert world.polled[-1] <= 60
    assert len(world.polled) == 19
    assert world.policy.tasks == 1
    assert world.idle


def test_a_last_poll_may_come_at_the_last_moment() -> None:
    world = World(solve_timeout=11, poll_delay=5, poll_interval=3)
    world.service.seconds = 11
    run = world.solve()
    world.pass_time(11)
    assert run.value


def test_polls_of_several_tasks_come_together_and_never_early() -> None:
    world = World()
    for moment in (0.01, 0.03, 0.04, 0.06):
        world.pass_time(moment - (world.clock.seconds() - 1000))
        world.solve(f"https://{moment}.example")
    world.pass_time(9)
    assert world.created == pytest.approx([0.01, 0.03, 0.04, 0.06])
    assert world.polled == pytest.approx([5.05, 5.05, 5.05, 5.1, 8.05, 8.05, 8.05, 8.1])


def test_no_more_polls_than_the_service_allows() -> None:
    world = World(solve_timeout=10_000)
    world.service.seconds = 10_000
    run = world.solve()
    world.pass_time(10_000)
    assert isinstance(run.error, SolveTimeout)
    assert len(world.polled) == 120


def test_a_service_on_this_machine_may_be_asked_more_often() -> None:
    world = World(api_url="http://127.0.0.1:8000", poll_interval=0.5, solve_timeout=200)
    world.service.seconds = 150
    run = world.solve()
    world.pass_time(200)
    assert run.value
    assert len(world.polled) > 120


# A passing fault at createTask


@pytest.mark.parametrize(
    ("dice", "moments"),
    [
        (0.0, [0, 2.5, 7.5, 17.5, 37.5, 67.5, 97.5]),
        (0.5, [0, 5, 15, 35, 75, 135, 195, 255]),
        (1.0, [0, 7.5, 22.5, 52.5, 112.5, 202.5, 292.5]),
    ],
)
def test_a_passing_fault_is_tried_again_ever_later(
    dice: float, moments: list[float]
) -> None:
    world = World(retry_delay=5, solve_timeout=300)
    world.dice = dice
    world.service.on_create.extend(busy() for _ in range(100))
    run = world.solve()
    world.pass_time(1000)
    assert world.created[: len(moments)] == moments
    assert world.created[-1] <= 300
    assert isinstance(run.error, Unavailable)
    assert world.idle


def test_it_gives_up_where_the_next_try_would_be_too_late() -> None:
    world = World(retry_delay=5, solve_timeout=34, poll_delay=1)
    world.service.on_create.extend(busy() for _ in range(100))
    run = world.solve()
    world.pass_time(15)
    assert run.failed  # not at 35
    assert world.created == [0, 5, 15]


def test_it_goes_on_where_the_fault_has_passed() -> None:
    world = World(retry_delay=5)
    world.service.on_create.extend([busy(), silence()])
    run = world.solve()
    world.pass_time(100)
    assert run.value[0].task_id == "task-3"
    assert run.value[0].seconds == 20  # its own, not the waiting


def test_every_retry_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "scrapy_onecaptcha")
    world = World()
    world.service.on_create.append(busy())
    world.solve()
    world.pass_time(5)
    [line] = [text for text in caplog.messages if "Next try" in text]
    assert SITE in line
    assert "5.0 s" in line


def test_what_the_service_refused_is_given_back() -> None:
    world = World(max_tasks=1)
    world.service.on_create.extend([busy(), busy(), busy()])
    run = world.solve()
    world.pass_time(300)
    assert run.value
    assert world.policy.tasks == 1
    assert (world.stat("tasks"), world.stat("points")) == (1, 7)


def test_what_may_have_been_billed_is_kept() -> None:
    world = World()
    world.service.on_create.extend([silence(), silence()])
    attempts = PageAttempts("page", 3)
    run = world.solve(attempts=attempts)
    world.pass_time(300)
    assert run.value
    assert world.policy.tasks == 3
    assert attempts.spent == 3
    assert (world.stat("tasks"), world.stat("points")) == (3, 21)


def test_what_may_have_been_billed_takes_another_of_the_budget() -> None:
    world = World(max_tasks=2)
    world.service.on_create.extend(silence() for _ in range(9))
    run = world.solve()
    world.pass_time(300)
    assert isinstance(run.error, BudgetExceeded)
    assert world.created == [0, 5]


def test_attempts_that_the_service_used_up_end_in_its_fault() -> None:
    world = World()
    world.service.on_create.extend(silence() for _ in range(9))
    run = world.solve(attempts=PageAttempts("page", 2))
    world.pass_time(300)
    assert isinstance(run.error, Unavailable)
    assert str(run.error) == "no answer"
    assert world.created == [0, 5]


def test_attempts_that_the_page_used_up_end_so() -> None:
    world = World()
    attempts = PageAttempts("page", 1)
    world.solve(attempts=attempts)
    world.pass_time(20)
    assert isinstance(world.solve(attempts=attempts).error, AttemptsExhausted)
    assert len(world.created) == 1


def test_who_was_queued_for_long_may_retry_too() -> None:
    world = World(concurrent_tasks=1, solve_timeout=60)
    world.service.seconds = 56
    first, second = world.solve(), world.solve()
    world.service.on_create.append(busy())
    world.pass_time(200)
    assert first.value
    assert second.value


@pytest.mark.parametrize(
    "kind", [ServiceError, BadTaskError, TaskFailed, SiteRefusedError, AccountError]
)
def test_what_does_not_pass_is_not_tried_again(kind: type[ServiceError]) -> None:
    world = World()
    world.service.on_create.append(kind("no", code="ERROR_BAD_REQUEST", answered=True))
    run = world.solve()
    world.pass_time(1000)
    assert type(run.error) is kind
    assert world.created == [0]
    assert world.policy.tasks == 0


# What the service says of us


def test_an_account_that_is_refused_ends_every_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(concurrent_tasks=2)
    polling = world.solve()
    world.pass_time(6)
    world.service.on_create.append(account())
    refused = world.solve()
    calls = world.service.calls
    queued = [world.solve(site) for site in (SITE, OTHER_SITE)]
    world.pass_time(100)
    late = world.solve(OTHER_SITE)
    for run in (polling, refused, *queued, late):
        assert isinstance(run.error, AccountError)
        assert run.error.code == "ERROR_ZERO_BALANCE"
    assert world.service.calls == calls
    assert world.idle
    [record] = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert record.levelno == logging.CRITICAL
    assert "no points" in record.getMessage()


def test_those_who_are_queued_when_the_account_is_refused_make_no_call() -> None:
    world = World(concurrent_tasks=1)
    answer: Deferred[Any] = Deferred()
    world.service.on_create.append(answer)
    runs = [world.solve() for _ in range(5)]
    answer.callback(account())
    assert len(world.created) == 1
    assert all(isinstance(run.error, AccountError) for run in runs)
    assert world.policy.tasks == 0


def test_those_who_back_off_when_the_account_is_refused_make_no_call() -> None:
    world = World()
    world.service.on_create.append(busy())
    waiting = world.solve()
    world.service.on_create.append(account())
    world.solve()
    world.pass_time(100)
    assert isinstance(waiting.error, AccountError)
    assert len(world.created) == 2


def test_an_account_may_be_refused_at_a_poll_too() -> None:
    world = World()
    world.service.on_poll.append(account())
    runs = [world.solve(), world.solve()]
    world.pass_time(100)
    assert [type(run.error) for run in runs] == [AccountError] * 2
    assert len(world.polled) == 1


def test_an_account_that_is_refused_twice_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    answers: list[Deferred[Any]] = [Deferred(), Deferred()]
    world.service.on_create.extend(answers)
    runs = [world.solve(), world.solve()]
    for answer in answers:
        answer.callback(account())
    assert all(isinstance(run.error, AccountError) for run in runs)
    assert [one.levelno for one in caplog.records].count(logging.CRITICAL) == 1


@pytest.mark.parametrize(
    "kind", [AccountError, BlockedError, SiteRefusedError], ids=lambda kind: kind.reason
)
def test_each_page_has_an_error_of_its_own(kind: type[ServiceError]) -> None:
    world = World()
    world.service.on_create.append(kind("no", answered=True))
    errors = [world.solve().error for _ in range(4)]
    assert len({id(error) for error in errors}) == 4
    responses = [HtmlResponse(f"{SITE}/{number}") for number in range(4)]
    for error, response in zip(errors[::-1], responses, strict=True):
        error.response = response
    assert [error.response for error in errors] == responses[::-1]


@pytest.mark.parametrize(
    "kind", [AccountError, BlockedError, SiteRefusedError], ids=lambda kind: kind.reason
)
def test_an_error_does_not_begin_with_the_response_of_another_page(
    kind: type[ServiceError],
) -> None:
    world = World()
    world.service.on_create.append(kind("no", answered=True))
    world.solve().error.response = HtmlResponse(SITE)
    assert world.solve().error.response is None


def test_a_block_is_waited_out_then_one_probes() -> None:
    world = World()
    world.service.on_create.append(block(30))
    assert isinstance(world.solve().error, BlockedError)
    world.pass_time(29)
    assert isinstance(world.solve(OTHER_SITE).error, BlockedError)
    assert world.created == [0]
    world.pass_time(1)
    answer: Deferred[Any] = Deferred()
    world.service.on_create.append(answer)
    probe, second = world.solve(), world.solve(OTHER_SITE)
    assert world.created == [0, 30]
    assert isinstance(second.error, BlockedError)
    answer.callback(None)
    third = world.solve()
    world.pass_time(20)
    assert probe.value
    assert third.value
    assert world.created == [0, 30, 30]


def test_after_the_probe_all_may_go() -> None:
    world = World()
    world.service.on_create.append(block(30))
    world.solve()
    world.pass_time(30)
    world.solve()
    world.service.on_create.extend([Deferred(), Deferred()])
    assert not any(world.solve().done for _ in range(2))
    assert len(world.created) == 4


def test_a_probe_that_is_blocked_again_begins_a_new_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.service.on_create.extend([block(30), block(50)])
    assert world.solve().failed
    world.pass_time(30)
    assert world.solve().failed
    world.pass_time(49)
    assert world.solve().failed
    assert world.created == [0, 30]
    world.pass_time(1)
    run = world.solve()
    world.pass_time(20)
    assert run.value
    lines = [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR]
    assert ["30 s" in lines[0], "50 s" in lines[1], len(lines)] == [True, True, 2]


def test_a_probe_that_fails_otherwise_is_followed_by_another() -> None:
    world = World()
    world.service.on_create.extend([block(30), BadTaskError("no", answered=True)])
    world.solve()
    world.pass_time(30)
    assert isinstance(world.solve().error, BadTaskError)
    answer: Deferred[Any] = Deferred()
    world.service.on_create.append(answer)
    probe = world.solve()
    assert isinstance(world.solve().error, BlockedError)
    answer.callback(None)
    world.pass_time(20)
    assert probe.value


def test_a_probe_that_is_cancelled_is_followed_by_another() -> None:
    world = World()
    world.service.on_create.extend([block(30), Deferred()])
    world.solve()
    world.pass_time(30)
    world.solve().cancel()
    run = world.solve()
    world.pass_time(20)
    assert run.value


def test_no_poll_while_blocked() -> None:
    world = World()
    polling = world.solve()
    world.service.on_create.append(block(30))
    world.solve()
    world.pass_time(29)
    assert world.polled == []
    assert isinstance(polling.error, BlockedError)


@pytest.mark.parametrize(
    "error", [BudgetExceeded, AttemptsExhausted], ids=lambda kind: kind.reason
)
def test_a_probe_that_may_not_be_paid_for_is_followed_by_another(
    error: type[Exception],
) -> None:
    world = World(max_tasks_per_site=1)
    world.solve()
    world.pass_time(20)
    world.service.on_create.append(block(30))
    world.solve(OTHER_SITE)
    world.pass_time(30)
    empty = PageAttempts("page", 0 if error is AttemptsExhausted else 3)
    assert isinstance(world.solve(attempts=empty).error, error)
    run = world.solve(OTHER_SITE)
    world.pass_time(20)
    assert run.value


def test_the_end_of_an_older_call_is_not_the_end_of_the_probe() -> None:
    world = World()
    older: Deferred[Any] = Deferred()
    world.service.on_create.extend([older, block(10), Deferred()])
    world.solve()
    world.solve()
    world.pass_time(10)
    world.solve()  # the probe, still without an answer
    older.callback(BadTaskError("no", answered=True))
    calls = len(world.created)
    assert isinstance(world.solve().error, BlockedError)
    assert len(world.created) == calls


def test_a_site_that_is_refused_is_not_asked_for_again() -> None:
    world = World()
    world.service.on_create.append(
        SiteRefusedError("no", code="ERROR_DOMAIN_NOT_ALLOWED", answered=True)
    )
    world.solve()
    world.pass_time(10_000)
    again = world.solve()
    assert isinstance(again.error, SiteRefusedError)
    assert again.error.code == "ERROR_DOMAIN_NOT_ALLOWED"
    assert len(world.created) == 1
    others = [world.solve(sitekey=OTHER_SITEKEY), world.solve(OTHER_SITE)]
    world.pass_time(20)
    assert all(run.value for run in others)


def test_a_site_is_refused_wholly_once_it_was_for_many_sitekeys() -> None:
    """It may name another one in each of its gates; each would be a wasted call."""
    world = World(max_failures=3)
    for _ in range(10):
        world.service.on_create.append(
            SiteRefusedError("no", code="ERROR_DOMAIN_NOT_ALLOWED", answered=True)
        )
    runs = [world.solve(sitekey=f"key-{number}") for number in range(10)]
    assert [type(run.error) for run in runs] == [SiteRefusedError] * 10
    assert len(world.created) == 3


def test_so_many_refused_sites_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MAX_REFUSED", 3)
    world = World()
    for number in range(10):
        world.service.on_create.append(SiteRefusedError("no", answered=True))
        world.solve(f"https://a{number}.shop.example")
    assert world.solver.health.snapshot()["refused"] == 3
    assert world.solve("https://a9.shop.example").failed
    assert len(world.created) == 10


def test_those_who_are_queued_when_their_site_is_refused_make_no_call() -> None:
    world = World(concurrent_tasks=1)
    answer: Deferred[Any] = Deferred()
    world.service.on_create.append(answer)
    runs = [world.solve() for _ in range(3)]
    answer.callback(SiteRefusedError("no", answered=True))
    assert [type(run.error) for run in runs] == [SiteRefusedError] * 3
    assert len(world.created) == 1


def test_who_is_refused_does_not_queue_first() -> None:
    world = World(concurrent_tasks=1)
    world.service.on_create.append(SiteRefusedError("no", answered=True))
    world.solve()
    world.solve(OTHER_SITE)
    assert isinstance(world.solve().error, SiteRefusedError)


def test_a_site_may_be_refused_at_a_poll_too() -> None:
    world = World()
    world.service.on_poll.append(SiteRefusedError("no", answered=True))
    world.solve()
    world.pass_time(5)
    assert isinstance(world.solve().error, SiteRefusedError)
    assert len(world.created) == 1


def test_too_many_tasks_lower_their_number(caplog: pytest.LogCaptureFixture) -> None:
    world = World(concurrent_tasks=8)
    world.service.seconds = 50
    full = Unavailable("full", code="ERROR_THREADS_MAXIMUM", answered=True)
    first = [world.solve() for _ in range(3)]
    world.service.on_create.append(full)
    fourth = world.solve()
    fifth = world.solve()
    assert len(world.created) == 4  # three are open, which is all that there may be
    [line] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "at most 3 tasks at once" in line.getMessage()
    world.pass_time(50)
    assert all(run.done for run in first)
    world.pass_time(50)
    assert fourth.value
    assert fifth.value


def test_the_number_of_tasks_rises_again_step_by_step(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(concurrent_tasks=3)
    world.service.seconds = 20
    full = Unavailable("full", code="ERROR_THREADS_MAXIMUM", answered=True)

    def at_once() -> int:
        """Return how many of four tasks are created before any has ended."""
        begun = len(world.created)
        for number in range(4):
            world.solve(f"https://{begun}-{number}.example")
        made = len(world.created) - begun
        world.pass_time(200)  # for all of them, one by one at worst
        return made

    world.service.on_create.extend([full, full])
    assert at_once() == 1 + 2  # those that were refused
    assert at_once() == 3
    assert at_once() == 3  # and no further than the setting
    assert sum("at most 1 task at once" in line.message for line in caplog.records) == 1


def test_a_lowered_number_of_tasks_rises_once_a_minute() -> None:
    world = World(concurrent_tasks=8)
    world.service.seconds = 50
    full = Unavailable("full", code="ERROR_THREADS_MAXIMUM", answered=True)
    world.service.on_create.append(full)
    for number in range(8):
        world.solve(f"https://{number}.example")
    world.pass_time(200)
    # One by one, until the second task that was created after a minute.
    assert world.created == [0, 0, 50, 100, 100, 150, 150, 200, 200]


def test_one_task_at_once_is_the_least() -> None:
    world = World()
    full = Unavailable("full", code="ERROR_THREADS_MAXIMUM", answered=True)
    world.service.on_create.extend([full, full])
    run = world.solve()
    world.pass_time(100)
    assert run.value


# Semaphore


def test_so_many_tasks_are_open_at_once_first_come_first_served() -> None:
    world = World(concurrent_tasks=2)
    sites = [f"https://{name}.example" for name in "abcde"]
    runs = [world.solve(site) for site in sites]
    assert len(world.created) == 2
    world.pass_time(20)
    assert [run.done for run in runs] == [True, True, False, False, False]
    assert len(world.created) == 4
    world.pass_time(40)
    assert all(run.value for run in runs)
    assert [task.url for _, task in world.service.created] == [
        f"{site}/page" for site in sites
    ]
    assert world.created == [0, 0, 20, 20, 40]


def test_who_is_queued_is_not_polled_for() -> None:
    world = World(concurrent_tasks=1)
    world.solve()
    world.solve()
    world.pass_time(19)
    assert {task for _, task in world.service.polled} == {"task-1"}
    assert len(world.clock.getDelayedCalls()) == 1


def test_a_place_is_free_once_there_is_a_token() -> None:
    world = World(concurrent_tasks=1)
    first = world.solve()
    world.pass_time(20)
    assert first.value[1].spent  # its verdict is still to come
    world.solve()
    assert len(world.created) == 2


def test_who_backs_off_holds_no_place() -> None:
    world = World(concurrent_tasks=1)
    world.service.on_create.append(busy())
    world.solve()
    world.solve()
    assert world.created == [0, 0]


@pytest.mark.parametrize("error", [TaskFailed("no"), account(), block(1)])
def test_a_place_is_free_whatever_failed(error: Exception) -> None:
    world = World(concurrent_tasks=1)
    for _ in range(3):
        world.service.on_poll.append(copy.copy(error))
        world.solve(OTHER_SITE)
        world.pass_time(5)
    assert world.solver._open.taken == 0


def test_a_paused_engine_creates_no_task() -> None:
    world = World()
    world.paused = True
    run = world.solve()
    world.pass_time(60)
    assert world.service.calls == 0
    assert world.policy.tasks == 0
    world.paused = False
    world.pass_time(1)
    assert world.created == [61]
    world.pass_time(20)
    assert run.value


def test_a_pause_does_not_stop_what_is_paid_for() -> None:
    world = World()
    run = world.solve()
    world.paused = True
    world.pass_time(20)
    assert run.value


# Rules


def test_a_site_whose_breaker_is_open_costs_no_call() -> None:
    world = World(max_failures=1)
    run = world.solve()
    world.pass_time(20)
    run.value[1].settle("failed")
    assert isinstance(world.solve().error, CircuitOpen)
    assert len(world.created) == 1


@pytest.mark.parametrize("created", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        TaskFailed("no", answered=True),
        ProxyFailed("no", answered=True),
        BadTaskError("no", answered=True),
        ServiceError("no"),
    ],
)
def test_a_failure_of_the_service_is_not_the_sites(
    created: bool, error: ServiceError
) -> None:
    world = World(max_failures=1)
    (world.service.on_poll if created else world.service.on_create).append(error)
    failed = world.solve()
    world.pass_time(5)
    assert type(failed.error) is type(error)
    run = world.solve()
    world.pass_time(20)
    assert run.value


def test_a_task_that_never_ends_is_not_the_sites_failure() -> None:
    world = World(max_failures=1, solve_timeout=10)
    assert isinstance(_after(world, 10, world.solve()).error, SolveTimeout)
    world.service.seconds = 5
    assert _after(world, 10, world.solve()).value


def _after(world: World, seconds: float, run: Solve) -> Solve:
    world.pass_time(seconds)
    return run


def test_who_waits_for_a_verdict_holds_no_place() -> None:
    world = World(max_failures=1, concurrent_tasks=1)
    first = world.solve()
    waiting = world.solve()
    world.pass_time(20)
    other = world.solve(OTHER_SITE)
    world.pass_time(20)
    assert other.value
    assert not waiting.done
    first.value[1].settle("accepted")
    world.pass_time(20)
    assert waiting.value


@pytest.mark.parametrize(("cap", "refused"), [(1, 1), (7, 2)])
def test_the_budget_is_exact_with_faults(cap: int, refused: int) -> None:
    world = World(max_tasks=cap, concurrent_tasks=3)
    world.service.on_create.extend([busy(), silence(), busy(), None, silence()])
    runs = [world.solve(f"https://{number}.example") for number in range(20)]
    world.pass_time(3000)
    assert all(run.done for run in runs)
    assert world.policy.tasks == cap
    assert len(world.created) == cap + refused
    assert world.stat("tasks") == cap


# Stopping


def queued(world: World) -> Solve:
    world.solve()
    return world.solve()


def creating(world: World) -> Solve:
    world.service.on_create.append(Deferred())
    return world.solve(OTHER_SITE)


def sleeping(world: World) -> Solve:
    return world.solve(OTHER_SITE)


def polling(world: World) -> Solve:
    world.service.on_poll.append(Deferred())
    run = world.solve(OTHER_SITE)
    world.pass_time(5)
    return run


def backing_off(world: World) -> Solve:
    world.service.on_create.append(busy())
    return world.solve(OTHER_SITE)


def paused(world: World) -> Solve:
    world.paused = True
    return world.solve(OTHER_SITE)


def reserving(world: World) -> Solve:
    world.service.on_create.append(Deferred())
    world.solve()
    return world.solve()


@pytest.mark.parametrize(
    ("wait", "abandoned", "others"),
    [
        (queued, 0, 1),
        (creating, 1, 0),
        (sleeping, 1, 0),
        (polling, 1, 0),
        (backing_off, 0, 0),
        (paused, 0, 0),
        (reserving, 0, 0),
    ],
)
def test_a_wait_that_is_cancelled_leaves_nothing_behind(
    wait: Any, abandoned: int, others: int
) -> None:
    world = World(
        concurrent_tasks=2 if wait is reserving else 1,
        max_failures=1 if wait is reserving else 1000,
    )
    run = wait(world)
    run.cancel()
    assert isinstance(run.error, CancelledError)
    assert world.stat("tasks/failed/abandoned") == abandoned
    assert len(world.clock.getDelayedCalls()) == others
    assert world.solver._open.taken == others + (wait is reserving)
    assert world.solver._open.waiting == 0
    assert world.report._abandoned == abandoned


def test_a_task_that_is_abandoned_was_paid_for() -> None:
    world = World(max_tasks=1)
    world.solve().cancel()
    assert world.policy.tasks == 1
    assert isinstance(world.solve().error, BudgetExceeded)


def test_the_next_in_turn_takes_the_place_of_one_that_is_cancelled() -> None:
    world = World(concurrent_tasks=1)
    first, second = world.solve(), world.solve()
    first.cancel()
    assert len(world.created) == 2
    world.pass_time(20)
    assert second.value


# Accounting


def test_the_stats_of_a_day() -> None:
    world = World(solve_timeout=60, max_tasks_per_site=9)
    world.service.on_create.extend([busy(), silence()])
    world.solve()
    world.pass_time(100)
    world.service.on_poll.append(TaskFailed("no", code="ERROR_TOKEN_EXPIRED"))
    world.solve()
    world.pass_time(5)
    world.service.seconds = 1000
    world.solve()
    world.pass_time(100)
    assert {
        name.removeprefix("onecaptcha/"): value
        for name, value in world.stats.get_stats().items()
    } == {
        "tasks": 4,
        "tasks/ready": 1,
        "tasks/failed/other": 1,
        "tasks/failed/ERROR_TOKEN_EXPIRED": 1,
        "tasks/failed/timeout": 1,
        "seconds/total": 20,
        "seconds/max": 20,
        "points": 28,
        "polls": 6 + 1 + 19,
    }


def test_the_attempt_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "scrapy_onecaptcha")
    world = World()
    attempts = PageAttempts("page", 3)
    for _ in range(2):
        world.solve(attempts=attempts)
        world.pass_time(20)
    lines = [text for text in caplog.messages if "Solved" in text]
    assert ["attempt 1" in lines[0], "attempt 2" in lines[1]] == [True, True]
    assert all(TOKEN not in text for text in caplog.messages)


def test_a_poll_that_is_not_sent_is_not_counted() -> None:
    world = World()
    world.solve()
    world.service.on_create.append(account())
    world.solve()
    world.pass_time(20)
    assert world.polled == []
    assert world.stat("polls") == 0


# Types of task


def type_refused() -> SiteRefusedError:
    return SiteRefusedError("no", code="ERROR_TASK_NOT_SUPPORTED", answered=True)


def types(world: World) -> list[str]:
    return [task.type for _, task in world.service.created]


def test_a_type_that_is_refused_gives_way_to_the_other_at_once() -> None:
    world = World()
    world.service.on_create.append(type_refused())
    run = world.solve()
    assert world.created == [0, 0]
    assert types(world) == ["HCaptchaTaskProxyless", "HCaptchaTask"]
    world.pass_time(20)
    assert run.value
    again = world.solve(OTHER_SITE)
    world.pass_time(20)
    assert again.value
    assert types(world)[2:] == ["HCaptchaTask"]
    assert world.policy.tasks == 2
    assert world.stat("tasks") == 2


def test_where_both_types_are_refused_the_site_is() -> None:
    world = World()
    world.service.on_create.extend([type_refused(), type_refused()])
    assert isinstance(world.solve().error, SiteRefusedError)
    assert isinstance(world.solve().error, SiteRefusedError)
    assert len(world.created) == 2
    assert world.policy.tasks == 0
    world.service.on_create.append(type_refused())
    assert isinstance(world.solve(OTHER_SITE).error, SiteRefusedError)
    assert len(world.created) == 3  # the other type was tried once, not for each site


def test_a_type_that_is_named_is_the_only_one_tried() -> None:
    world = World(task_type="HCaptchaTask")
    world.service.on_create.append(type_refused())
    assert isinstance(world.solve().error, SiteRefusedError)
    assert types(world) == ["HCaptchaTask"]


# The same unknown code time after time


def test_an_unknown_code_over_all_sites_ends_the_calls_for_a_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(cooldown=600)
    for number in range(20):
        error = ServiceError("E: what?", code="ERROR_WHAT", answered=True)
        world.service.on_create.append(error)
        run = world.solve(f"https://{number}.example")
        kind = ServiceError if number < 5 else BlockedError
        assert type(run.error) is kind
        assert run.error.code == "ERROR_WHAT"
    assert len(world.created) == 5
    [line] = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert line.levelno == logging.WARNING
    assert "E: what?" in line.getMessage()
    world.service.on_create.clear()
    world.pass_time(600)
    run = world.solve()
    world.pass_time(20)
    assert run.value


# The proxy of a task


def solve_by(world: World, proxy: str | None) -> Any:
    """Return the proxy that the service is sent for a request that went by *proxy*."""
    task = Task(url=f"{SITE}/page", sitekey=SITEKEY)
    if proxy is not None:
        task = replace(task, proxy=parse_proxy(proxy))
    Run(world.solver.solve(task, SITE, PageAttempts(task.url, 3)))
    return world.service.created[-1][1].proxy


THEIRS = "http://me:secret@p.example:8080"


def test_no_proxy_is_sent_unless_the_user_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert solve_by(World(), THEIRS) is None
    assert not caplog.records


def test_the_requests_own_proxy_is_sent_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    world = World(task_proxy="request")
    assert solve_by(world, None) is None
    assert not caplog.records
    for _ in range(3):
        assert solve_by(world, THEIRS) == parse_proxy(THEIRS)
    [line] = caplog.records
    assert line.levelno == logging.INFO
    assert "credentials are sent to https://api.1captcha.vip" in line.getMessage()
    assert "secret" not in line.getMessage()


@pytest.mark.parametrize("proxy", [None, THEIRS])
def test_a_fixed_proxy_is_sent_with_each_task(proxy: str | None) -> None:
    world = World(task_proxy="socks5://x:y@fixed.example:1")
    assert solve_by(world, proxy) == parse_proxy("socks5://x:y@fixed.example:1")


def test_a_proxy_of_this_machine_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    world = World(task_proxy="request")
    for _ in range(3):
        assert solve_by(world, "http://me:secret@127.0.0.1:3128") is None
    [line] = caplog.records
    assert line.levelno == logging.WARNING
    assert "http://127.0.0.1:3128" in line.getMessage()
    assert "secret" not in line.getMessage()
    sandbox = World(task_proxy="request", api_url="http://127.0.0.1:1")
    assert solve_by(sandbox, "http://127.0.0.1:3128") is not None


def test_a_proxy_that_fails_fails_its_task_only() -> None:
    world = World(max_failures=1, task_proxy="request")
    code = "ERROR_PROXY_CONNECT_REFUSED"
    world.service.on_poll.append(ProxyFailed("no", code=code, answered=True))
    run = world.solve()
    world.pass_time(5)
    assert isinstance(run.error, ProxyFailed)
    assert world.stat("tasks/failed/ERROR_PROXY") == 1
    assert world.stat("points/unbilled") == 7
    run = world.solve()
    world.pass_time(20)
    assert run.value


# What it costs


def test_the_service_says_what_a_task_has_cost() -> None:
    world = World(task_cost=7)
    world.service.on_poll.append(_ready(TaskResult(token=TOKEN, cost=4.5)))
    run = world.solve()
    world.pass_time(5)
    assert run.value[0].cost == 4.5
    assert world.stat("points") == 4.5
    other = world.solve()
    world.pass_time(20)
    assert other.value[0].cost is None
    assert world.stat("points") == 11.5
    assert world.stat("points/unbilled") == 0


def _ready(result: TaskResult) -> Deferred[TaskResult]:
    done: Deferred[TaskResult] = Deferred()
    done.callback(result)
    return done


def test_a_value_that_no_site_can_be_sent_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    result = TaskResult(token=TOKEN, ignored=("User-Agent",))
    world.service.on_poll.append(_ready(result))
    run = world.solve()
    world.pass_time(5)
    assert run.value
    [line] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "User-Agent that cannot be sent to a site; it is ignored" in line.message


@pytest.mark.parametrize(
    ("error", "unbilled"),
    [
        (TaskFailed("no", code="ERROR_CAPTCHA_UNSOLVABLE", answered=True), True),
        (BadTaskError("no", answered=True), True),
        (TaskFailed("no usable token", code="INVALID_SOLUTION"), False),
        (ServiceError("no", code="UNKNOWN_STATUS"), False),
    ],
)
def test_what_gave_no_token_is_kept_apart_where_the_service_says_so(
    error: ServiceError, unbilled: bool
) -> None:
    world = World(task_cost=7)
    world.service.on_poll.append(error)
    world.solve()
    world.pass_time(5)
    assert world.stat("points") == (0 if unbilled else 7)
    assert world.stat("points/unbilled") == (7 if unbilled else 0)
    assert world.policy.tasks == world.stat("tasks") == 1  # the budget counts it


@pytest.mark.parametrize(("timeout", "unbilled"), [(300, 7), (60, 0)])
def test_a_task_given_up_before_the_service_does_may_be_billed(
    timeout: float, unbilled: float
) -> None:
    world = World(solve_timeout=timeout)
    world.service.seconds = 10_000
    world.solve()
    world.pass_time(timeout)
    assert world.stat("points/unbilled") == unbilled
    assert world.stat("points") == 7 - unbilled


def test_a_task_lost_to_the_account_may_be_billed() -> None:
    world = World()
    world.solve()
    world.service.on_poll.append(account())
    world.solve(OTHER_SITE)
    world.pass_time(10)
    assert world.stat("tasks/failed/ERROR_ZERO_BALANCE") == 2
    assert world.stat("points/unbilled") == 7  # of the task that was refused itself


def test_a_task_of_which_nobody_heard_may_be_billed() -> None:
    world = World(max_attempts=1)
    world.service.on_create.append(silence())
    world.solve(attempts=PageAttempts("https://shop.example/", 1))
    world.pass_time(1000)
    assert (world.stat("points"), world.stat("points/unbilled")) == (7, 0)


# What is written down


def test_the_journal_follows_each_task_to_its_token_or_its_failure() -> None:
    world = World()
    lines = world.journal()
    world.service.on_create.append(silence())
    world.service.on_poll.extend([None, TaskFailed("no", answered=True)])
    run = world.solve(attempts=world.attempts)
    world.pass_time(100)
    assert isinstance(run.error, TaskFailed)
    assert lines == [
        ("verdict", "", SITE, "failed"),
        ("verdict", "task-2", SITE, "failed"),
    ]
    lines.clear()
    run = world.solve(attempts=world.attempts)
    world.pass_time(100)
    assert [line[:3] for line in lines] == [("solved", "task-3", SITE)]


def test_the_journal_has_no_task_that_the_service_refused() -> None:
    world = World()
    lines = world.journal()
    world.service.on_create.append(account())
    world.solve(attempts=world.attempts)
    assert lines == []


def test_the_journal_has_a_task_that_was_left_behind() -> None:
    world = World()
    lines = world.journal()
    run = world.solve(attempts=world.attempts)
    world.pass_time(7)
    run.cancel()
    assert lines == [("verdict", "task-1", SITE, "abandoned")]
