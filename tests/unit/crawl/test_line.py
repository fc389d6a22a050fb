"""Who waits, and who of them goes next."""

from __future__ import annotations

from typing import Any

import pytest
from scrapy import Request
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from scrapy_onecaptcha.crawl.clearance import Clearance, Clearances
from scrapy_onecaptcha.crawl.domains import Domain
from scrapy_onecaptcha.crawl.line import Go, Line, Phase, Waiting
from tests.unit.helpers import OTHER_SITEKEY, SITE, SITEKEY, Run

PAGE = Request(f"{SITE}/paid")


class Desk:
    """A line, its clock, and what is in the downloader."""

    def __init__(self, domain: Domain | None = None, most_tasks: int = 32) -> None:
        self.clock = Clock()
        self.active: set[Request] = set()
        self.queued: set[Request] = set()
        self.clearances = Clearances()
        self.line = Line(
            self.clearances,
            domain or Domain(),
            self.clock,
            most_tasks,
            self,
        )
        self.line.window.set_pace(8, 0)
        self._number = 0

    def is_active(self, request: Request) -> bool:
        return request in self.active

    def is_queued(self, request: Request) -> bool:
        return request in self.queued

    def grant(self, generation: int) -> None:
        self.clearances.grant(Clearance(generation=generation, since=0, paid_for=PAGE))
        self.line.granted()

    def gated(self, stamp: int, sitekey: str = SITEKEY, attempts: int = 0) -> Run[Any]:
        self._number += 1
        self.line.gated(stamp)
        order = attempts, self._number
        return Run(self.line.wait(Waiting(order=order, stamp=stamp, sitekey=sitekey)))

    def held(self) -> Run[Any]:
        self._number += 1
        request = Request(f"{SITE}/{self._number}")
        self.active.add(request)
        return Run(self.line.wait(Waiting(order=(0, self._number), request=request)))

    def answer(self, run: Run[Any], stamp: int, status: int = 200) -> None:
        """Have the request that *run* let go come back with a page."""
        ticket = run.value[1]
        self.line.answered(stamp, status, content=status == 200)
        self.line.return_ticket(ticket)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def gone(runs: list[Run[Any]]) -> list[int]:
    return [index for index, run in enumerate(runs) if run.done]


# One solve at a time


def test_one_solves_and_the_others_wait(desk: Desk) -> None:
    runs = [desk.gated(0) for _ in range(3)]
    assert runs[0].value == (Go.SOLVE, None)
    assert gone(runs) == [0]


def test_two_sitekeys_are_solved_side_by_side(desk: Desk) -> None:
    assert desk.gated(0).value[0] is Go.SOLVE
    assert desk.gated(0, OTHER_SITEKEY).value[0] is Go.SOLVE


def test_after_a_failure_the_fewest_attempts_go_first(desk: Desk) -> None:
    first = desk.gated(0)
    others = [desk.gated(0), desk.gated(0)]
    assert first.done
    desk.line.solved(SITEKEY, failed=True)
    again = desk.gated(0, attempts=1)
    assert gone(others) == [0]
    assert not again.done


def test_one_that_is_cancelled_makes_room(desk: Desk) -> None:
    desk.gated(0)
    runs = [desk.gated(0), desk.gated(0)]
    runs[0].cancel()
    assert isinstance(runs[0].error, CancelledError)
    desk.line.solved(SITEKEY, failed=True)
    desk.line.move()
    assert runs[1].value[0] is Go.SOLVE


# The wall of a session that was never cleared


def test_what_is_not_sent_yet_goes_at_once_without_a_wall(desk: Desk) -> None:
    desk.gated(0)
    assert desk.line.is_free
    assert desk.held().value == (Go.SEND, None)


@pytest.mark.parametrize("pace", [(8, 0.0), (1, 0.0), (8, 0.7)])
def test_behind_a_wall_it_waits_for_a_page_or_the_end_of_the_solve(
    desk: Desk, pace: tuple[int, float]
) -> None:
    desk.line.window.set_pace(*pace)
    desk.gated(0)
    for _ in range(desk.line.window.size):
        assert desk.line.is_free
        desk.line.saw(gate=True)
    assert not desk.line.is_free
    runs = [desk.held() for _ in range(3)]
    assert not gone(runs)
    desk.line.saw(gate=False)
    assert gone(runs) == [0, 1, 2]


def test_there_is_no_wall_while_nobody_solves(desk: Desk) -> None:
    for _ in range(100):
        desk.line.saw(gate=True)
    assert desk.line.is_free


# The window


def test_a_probe_goes_first_and_its_page_opens_the_window(desk: Desk) -> None:
    desk.gated(0)
    runs = [desk.gated(0) for _ in range(20)]
    desk.grant(1)
    desk.line.solved(SITEKEY, failed=False)
    desk.line.move()
    assert gone(runs) == [0]
    assert runs[0].value[1].kind == "probe"
    desk.answer(runs[0], 1)
    assert gone(runs) == list(range(1 + 8))
    desk.answer(runs[3], 1)
    assert gone(runs) == list(range(1 + 8 + 1))


@pytest.mark.parametrize("status", [404, 410, 500, 503])
def test_an_error_or_a_missing_page_is_no_probe(desk: Desk, status: int) -> None:
    desk.grant(1)
    runs = [desk.held() for _ in range(4)]
    desk.answer(runs[0], 1, status)
    assert gone(runs) == [0, 1]
    assert runs[1].value[1].kind == "probe"


def test_a_download_that_fails_is_no_probe(desk: Desk) -> None:
    desk.grant(1)
    runs = [desk.held() for _ in range(4)]
    desk.line.return_ticket(runs[0].value[1])
    assert gone(runs) == [0, 1]


def test_a_refusal_without_a_gate_opens_the_window(desk: Desk) -> None:
    desk.grant(1)
    runs = [desk.held() for _ in range(4)]
    desk.answer(runs[0], 1, 403)
    assert gone(runs) == [0, 1, 2, 3]
    assert desk.clearances.current is not None
    assert desk.clearances.current.pages == 0


def test_a_slow_probe_gets_another_beside_it(desk: Desk) -> None:
    desk.grant(1)
    runs = [desk.held() for _ in range(4)]
    desk.clock.advance(4.9)
    assert gone(runs) == [0]
    desk.clock.advance(0.2)
    assert gone(runs) == [0, 1]
    desk.answer(runs[0], 1)
    assert gone(runs) == [0, 1, 2, 3], "the slow one has its page now"


def test_a_slow_request_does_not_keep_the_next_one_waiting(desk: Desk) -> None:
    desk.line.window.set_pace(1, 0)
    desk.grant(1)
    runs = [desk.held() for _ in range(3)]
    desk.answer(runs[0], 1)
    assert gone(runs) == [0, 1]
    desk.clock.advance(10.1)
    assert gone(runs) == [0, 1, 2]


@pytest.mark.parametrize("is_probe", [True, False])
def test_one_that_waits_in_its_slot_is_not_slow(desk: Desk, is_probe: bool) -> None:
    """Else a long queue would let one more go each few seconds, to an end unseen."""
    desk.line.window.set_pace(1, 0)
    desk.grant(1)
    if not is_probe:
        probe = desk.held()
        desk.answer(probe, 1)
    runs = [desk.held() for _ in range(2)]
    desk.queued.update(desk.active)
    desk.clock.pump([1.0] * 60)
    assert gone(runs) == [0]
    desk.queued.clear()
    desk.clock.pump([1.0] * 11)
    assert gone(runs) == [0, 1]


def test_one_that_never_comes_back_leaves_its_place(desk: Desk) -> None:
    """Redirected, or dropped by another middleware."""
    desk.line.window.set_pace(1, 0)
    desk.grant(1)
    assert desk.line.enter(Request(SITE)) is None, "no probe has passed"
    desk.line.move()
    first = Request(f"{SITE}/a")
    desk.active.add(first)
    ticket = desk.line.enter(first)
    assert ticket is not None
    assert desk.line.window.ticket_of(first) is ticket
    assert desk.line.enter(Request(f"{SITE}/b")) is None
    desk.active.clear()
    assert desk.line.enter(Request(f"{SITE}/c")) is not None


@pytest.mark.parametrize(
    ("concurrency", "delay", "size"),
    [(8, 0, 8), (1, 0, 1), (8, 1, 2), (8, 0.7, 3), (8, 0.1, 8), (8, 30, 2), (1, 2, 1)],
)
def test_the_window_holds_what_leaves_in_a_second(
    desk: Desk, concurrency: int, delay: float, size: int
) -> None:
    desk.line.window.set_pace(concurrency, delay)
    assert desk.line.window.size == size


def opened(desk: Desk, generation: int = 1) -> None:
    desk.grant(generation)
    desk.line.move()
    assert desk.line.phase is Phase.OPEN, "nobody waits"


def test_the_first_gate_of_the_clearance_closes_it(desk: Desk) -> None:
    opened(desk)
    desk.line.answered(1, 200, content=True)
    solving = desk.gated(1)
    assert solving.value[0] is Go.SOLVE
    assert desk.line.enter(Request(SITE)) is None
    assert not desk.held().done


def test_it_is_closed_before_the_gate_waits_in_the_line(desk: Desk) -> None:
    """Between the two, robots.txt is asked whether a token may be sent."""
    opened(desk)
    desk.line.gated(1)
    assert desk.line.phase is Phase.CLOSED
    assert desk.line.enter(Request(SITE)) is None


def test_a_gate_that_the_line_was_not_told_of_closes_it_too(desk: Desk) -> None:
    """It waited in the line of a session that was found to be one with this one."""
    opened(desk)
    moved = Waiting(order=(0, 99), stamp=1, sitekey=SITEKEY)
    assert Run(desk.line.wait(moved)).value[0] is Go.SOLVE
    assert desk.line.phase is Phase.CLOSED
    assert desk.line.enter(Request(SITE)) is None
    assert not desk.held().done


def test_a_gate_of_an_older_clearance_does_not(desk: Desk) -> None:
    opened(desk, 2)
    late = desk.gated(1)
    assert late.value[0] is Go.SEND
    assert desk.line.phase is Phase.OPEN


# A clearance without a yield


def test_it_is_found_out_what_it_opened_before_anything_is_paid(desk: Desk) -> None:
    opened(desk)
    first, second = desk.gated(1), desk.gated(1)
    assert first.value == (Go.RECHECK, None)
    assert not second.done
    desk.clearances.rechecked(1, passes=False)
    desk.line.rechecked()
    again = desk.gated(1)
    assert [run.value[0] for run in (second,)] == [Go.SOLVE]
    assert not again.done


def test_a_site_that_grants_nothing_is_solved_side_by_side(desk: Desk) -> None:
    for generation in (1, 2, 3):
        opened(desk, generation)
        desk.line.gated(generation)
        desk.clearances.rechecked(generation, passes=False)
    runs = [desk.gated(3) for _ in range(6)]
    assert [run.value[0] for run in runs[1:3]] == [Go.SOLVE, Go.SOLVE]
    assert len(gone(runs)) == 3


# Neighbours


def test_the_first_solve_of_a_domain_goes_alone() -> None:
    domain = Domain()
    one, two, three = Desk(domain), Desk(domain), Desk(domain)
    first, second, third = (desk.gated(0) for desk in (one, two, three))
    assert (first.done, second.done, third.done) == (True, False, False)
    one.line.solved(SITEKEY, failed=True)
    again = one.gated(0, attempts=1)
    assert (second.done, third.done, again.done) == (True, False, False)
    two.line.solved(SITEKEY, failed=False)
    assert (third.done, again.done) == (True, True)


def test_after_failures_a_host_without_one_has_its_turn() -> None:
    domain = Domain()
    one, two, three, four = (Desk(domain) for _ in range(4))
    assert one.gated(0).done
    second, third = two.gated(0), three.gated(0)
    one.line.solved(SITEKEY, failed=True)
    again, fourth = one.gated(0, attempts=1), four.gated(0)
    two.line.solved(SITEKEY, failed=True)
    assert (second.done, third.done) == (True, True)
    three.line.solved(SITEKEY, failed=True)
    assert (again.done, fourth.done) == (False, True), "the first one has failed once"


def test_a_neighbours_clearance_is_tried_once_before_the_first_payment() -> None:
    domain = Domain()
    one, two = Desk(domain), Desk(domain)
    domain.opened(one.line, 5, frozenset({("ok", "1")}))

    def ask(stamp: int, cookies: set[tuple[str, str]], *, shared: bool = False) -> Any:
        waiting = Waiting(
            order=(0, 1),
            stamp=stamp,
            sitekey=SITEKEY,
            unsent_cookies=lambda: frozenset(cookies),
            shared=shared,
        )
        run = Run(two.line.wait(waiting))
        go = run.value[0]
        if go is Go.SOLVE:
            two.line.solved(SITEKEY, failed=True)
        return go

    assert ask(0, {("ok", "1"), ("other", "2")}) is Go.SEND
    assert ask(0, {("ok", "1")}, shared=True) is Go.SOLVE
    assert ask(0, {("other", "2")}) is Go.SOLVE, "it has no cookie of that clearance"
    assert ask(5, {("ok", "1")}) is Go.SOLVE, "it left after that clearance"
