"""Clearances: their generation, their end, and their yield."""

from __future__ import annotations

import pytest
from scrapy import Request

from scrapy_onecaptcha.crawl.clearance import Clearance, Clearances
from tests.unit.helpers import SITE

PAGE = Request(f"{SITE}/page")


def granted(*generations: int, paid_for: Request | None = PAGE) -> Clearances:
    clearances = Clearances()
    for generation in generations:
        grant(clearances, generation, paid_for=paid_for)
    return clearances


def grant(
    clearances: Clearances, generation: int, *, paid_for: Request | None = PAGE
) -> None:
    clearances.grant(Clearance(generation=generation, since=0, paid_for=paid_for))


def opens_nothing(clearances: Clearances, generation: int) -> None:
    grant(clearances, generation, paid_for=None)
    assert clearances.must_recheck(generation) is None


def test_without_a_clearance_nothing_is_stale() -> None:
    clearances = Clearances()
    assert clearances.generation == 0
    assert not clearances.is_stale(0)
    assert clearances.must_recheck(0) is None
    assert clearances.most_open == 1


def test_what_left_before_the_clearance_is_stale() -> None:
    clearances = granted(5)
    assert clearances.is_stale(4)
    assert not clearances.is_stale(5)
    assert not clearances.is_stale(9)  # another session's number


def test_a_clearance_with_a_yield_has_simply_ended() -> None:
    clearances = granted(5)
    clearances.passed(5)
    assert clearances.must_recheck(5) is None
    assert clearances.most_open == 1
    assert clearances.current is not None
    assert clearances.current.pages == 1


def test_an_old_page_is_no_yield() -> None:
    clearances = granted(5)
    clearances.passed(4)
    assert clearances.must_recheck(5) is PAGE


@pytest.mark.parametrize(("passes", "unproductive"), [(True, 0), (False, 1)])
def test_the_page_that_was_paid_for_tells_a_part_from_nothing(
    passes: bool, unproductive: int
) -> None:
    clearances = granted(5)
    assert clearances.must_recheck(4) is None, "a stale gate is no evidence"
    assert clearances.must_recheck(5) is PAGE
    clearances.rechecked(5, passes=passes)
    assert clearances.must_recheck(5) is None, "once is enough"
    assert clearances.unproductive == unproductive


def test_a_recheck_that_comes_too_late_says_nothing() -> None:
    clearances = granted(5, 6)
    clearances.rechecked(5, passes=False)
    assert clearances.unproductive == 0


def test_as_many_may_be_open_as_opened_nothing_else() -> None:
    clearances = Clearances()
    open_ = []
    for generation in range(1, 5):
        opens_nothing(clearances, generation)
        open_.append(clearances.most_open)
    assert open_ == [1, 2, 3, 4]
    for generation in range(5, 9):
        grant(clearances, generation, paid_for=None)
    assert clearances.must_recheck(8) is None
    assert clearances.most_open == 8, "the row, not only those that a gate has told of"
    clearances.passed(8)
    assert clearances.most_open == 1


def test_a_row_ages_a_stamp_once() -> None:
    clearances = Clearances()
    for generation in range(3, 9):
        opens_nothing(clearances, generation)
    assert clearances.is_stale(2)
    assert not any(clearances.is_stale(stamp) for stamp in range(3, 9))


def test_one_alone_is_no_row() -> None:
    clearances = Clearances()
    opens_nothing(clearances, 3)
    grant(clearances, 4)
    assert clearances.is_stale(3)


def test_that_tokens_opened_nothing_else_is_forgotten() -> None:
    clearances = Clearances()
    for generation in (1, 2, 3):
        opens_nothing(clearances, generation)
    clearances.gated(3, 601, 600)
    assert clearances.most_open == 1


def test_a_gate_ends_a_clearance_and_a_page_takes_that_back() -> None:
    clearances = granted(5)

    def ended_at() -> float | None:
        assert clearances.current is not None
        return clearances.current.ended_at

    clearances.gated(4, 10, 600)
    assert ended_at() is None
    clearances.gated(5, 20, 600)
    clearances.gated(5, 30, 600)
    assert ended_at() == 20
    clearances.passed(5)
    assert ended_at() is None
