"""Semaphore: first come first served, never more than there are."""

from __future__ import annotations

import random

import pytest
from twisted.internet.defer import CancelledError

from scrapy_onecaptcha._twisted import Semaphore
from tests.unit.helpers import Run


def filled(limit: int) -> Semaphore:
    """Return places that are all taken."""
    places = Semaphore(limit)
    for _ in range(limit):
        assert Run(places.take()).done
    return places


def queue(places: Semaphore, count: int) -> tuple[list[Run[None]], list[int]]:
    """Let *count* wait; the list tells who got a place, in that order."""
    served: list[int] = []

    async def take(name: int) -> None:
        await places.take()
        served.append(name)

    return [Run(take(name)) for name in range(count)], served


def test_a_free_place_is_taken_at_once() -> None:
    places = Semaphore(2)
    assert [Run(places.take()).done for _ in range(3)] == [True, True, False]
    assert (places.taken, places.waiting) == (2, 1)


def test_first_come_first_served() -> None:
    places = filled(1)
    _, served = queue(places, 4)
    for count in range(5):
        assert served == list(range(count))
        assert places.taken == 1
        places.release()
    assert (places.taken, places.waiting) == (0, 0)


def test_those_ahead_go_before_the_others() -> None:
    places = filled(1)
    runs, served = queue(places, 2)

    async def take_ahead(name: int) -> None:
        await places.take(ahead=True)
        served.append(name)

    runs += [Run(take_ahead(name)) for name in (10, 11, 12)]
    assert places.waiting == 5
    runs[3].cancel()
    for _ in range(4):
        places.release()
    assert served == [10, 12, 0, 1]
    assert (places.taken, places.waiting) == (1, 0)


def test_nobody_overtakes_those_who_wait() -> None:
    places = filled(1)
    _, served = queue(places, 1)

    async def take_again() -> None:
        await places.take()
        served.append(99)

    places.release()
    assert served == [0]
    late = Run(take_again())
    assert not late.done
    places.release()
    assert served == [0, 99]


def test_a_higher_limit_lets_so_many_in() -> None:
    places = filled(1)
    _, served = queue(places, 5)
    places.limit = 4
    assert served == [0, 1, 2]
    assert (places.limit, places.taken, places.waiting) == (4, 4, 2)


def test_a_lower_limit_holds_as_soon_as_places_return() -> None:
    places = filled(4)
    _, served = queue(places, 3)
    places.limit = 2
    assert places.taken == 4
    places.release()
    places.release()
    assert served == []
    places.release()
    assert served == [0]
    assert places.taken == 2


def test_a_waiter_that_is_cancelled_leaves_the_queue() -> None:
    places = filled(1)
    waiters, served = queue(places, 3)
    waiters[1].cancel()
    assert isinstance(waiters[1].error, CancelledError)
    assert places.waiting == 2
    places.release()
    places.release()
    assert served == [0, 2]
    assert places.taken == 1


def test_thousands_that_take_and_return_at_once() -> None:
    places = filled(1)
    most = 0

    async def take_and_return() -> None:
        nonlocal most
        await places.take()
        most = max(most, places.taken)
        places.release()

    waiters = [Run(take_and_return()) for _ in range(5000)]
    assert not any(waiter.done for waiter in waiters)
    places.release()
    for waiter in waiters:
        assert waiter.value is None
    assert most == 1
    assert (places.taken, places.waiting) == (0, 0)


def test_a_waiter_may_ask_for_another_place_when_it_gets_one() -> None:
    places = filled(1)
    order: list[str] = []

    async def twice(name: str) -> None:
        for turn in "12":
            await places.take()
            order.append(name + turn)
            places.release()

    runs = [Run(twice(name)) for name in "ab"]
    places.release()
    assert all(run.done for run in runs)
    assert order == ["a1", "b1", "a2", "b2"]


@pytest.mark.parametrize("seed", range(20))
def test_never_more_than_the_limit_whatever_happens(seed: int) -> None:
    dice = random.Random(seed)
    places = Semaphore(3)
    held: list[int] = []
    waiting: dict[int, Run[None]] = {}

    async def take(name: int) -> None:
        await places.take()
        held.append(name)

    for name in range(300):
        kind = dice.choice(["take", "take", "release", "cancel", "limit"])
        before = places.taken
        if kind == "take":
            waiting[name] = Run(take(name))
        elif kind == "release" and held:
            held.remove(dice.choice(held))
            places.release()
        elif kind == "cancel" and waiting:
            waiting.pop(dice.choice(list(waiting))).cancel()
        elif kind == "limit":
            places.limit = dice.randrange(1, 6)
        waiting = {name: run for name, run in waiting.items() if not run.done}
        assert places.taken == len(held) <= max(places.limit, before)
        assert places.waiting == len(waiting)
        assert not waiting or places.taken >= places.limit
