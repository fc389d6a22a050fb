"""Sleeping, waking, beating, the background, and the time of asyncio's loop."""

from __future__ import annotations

import asyncio

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from scrapy_onecaptcha._twisted import Background, Beat, LoopClock, Waiters, sleep
from tests.unit.helpers import Run


async def sleeper(clock: Clock, seconds: float) -> str:
    await sleep(clock, seconds)
    return "awake"


def test_sleep_takes_as_long_as_it_says() -> None:
    clock = Clock()
    run = Run(sleeper(clock, 5))
    clock.advance(4.9)
    assert not run.done
    clock.advance(0.1)
    assert run.value == "awake"


def test_a_cancelled_sleep_leaves_nothing_behind() -> None:
    clock = Clock()
    run = Run(sleeper(clock, 5))
    run.cancel()
    assert isinstance(run.error, CancelledError)
    assert clock.getDelayedCalls() == []


def test_sleep_yields_nothing() -> None:
    clock = Clock()
    results: list[object] = []
    done: Deferred[None] = sleep(clock, 0)
    done.addCallback(results.append)
    clock.advance(0)
    assert results == [None]


# Waking


def test_all_who_wait_are_woken_once() -> None:
    waiters = Waiters()
    runs = [Run(waiters.wait()) for _ in range(3)]
    assert not any(run.done for run in runs)
    waiters.wake()
    assert all(run.done for run in runs)
    late = Run(waiters.wait())
    assert not late.done


def test_who_has_given_up_is_not_woken() -> None:
    waiters = Waiters()
    gone, stays = Run(waiters.wait()), Run(waiters.wait())
    gone.cancel()
    assert isinstance(gone.error, CancelledError)
    waiters.wake()
    assert stays.done


def test_who_waits_again_is_woken_the_next_time() -> None:
    waiters = Waiters()
    looks: list[int] = []

    async def look() -> None:
        while len(looks) < 3:
            await waiters.wait()
            looks.append(1)

    run = Run(look())
    waiters.wake()
    assert looks == [1]
    waiters.wake()
    waiters.wake()
    assert run.done


# In the background


def test_the_background_is_waited_for_by_subject() -> None:
    clock = Clock()
    background: Background[str] = Background(lambda failure: failure)
    background.run(sleep_then(clock, 1), "one")
    background.run(sleep_then(clock, 2), "two")
    one = Run(background.until_done(lambda subject: subject == "one"))
    both = Run(background.until_done())
    seen = [(bool(background), one.done, both.done)]
    for _ in range(2):
        clock.advance(1)
        seen.append((bool(background), one.done, both.done))
    assert seen == [(True, False, False), (True, True, False), (False, True, True)]


def test_a_fault_in_the_background_is_told() -> None:
    told: list[object] = []
    background: Background[str] = Background(lambda fault: told.append(fault.value))

    async def fail() -> None:
        raise ZeroDivisionError

    background.run(fail(), "any")
    assert [type(error) for error in told] == [ZeroDivisionError]
    assert not background


async def sleep_then(clock: Clock, seconds: float) -> None:
    await sleep(clock, seconds)


# Without a reactor


def test_the_time_of_a_loop() -> None:
    async def main() -> list[str]:
        clock = LoopClock()
        before, heard = clock.seconds(), list[str]()
        first = clock.callLater(0, heard.append, "first")
        second = clock.callLater(0, heard.append, "second")
        assert first.active()
        assert second.active()
        second.cancel()
        assert not second.active()
        await sleep(clock, 0).asFuture(asyncio.get_running_loop())
        assert not first.active()
        assert clock.seconds() >= before
        return heard

    assert asyncio.run(main()) == ["first"]


# Again and again


def test_a_beat_goes_on_until_it_is_stopped() -> None:
    clock, calls = Clock(), list[float]()
    beat = Beat(clock, 2, lambda: calls.append(clock.seconds()))
    beat.start()
    beat.start()
    clock.pump([1, 1, 1, 1])
    assert calls == [2, 4]
    beat.stop()
    beat.stop()
    clock.advance(10)
    assert calls == [2, 4]
    assert not clock.getDelayedCalls()
    beat.start()
    clock.advance(2)
    assert calls == [2, 4, 16]


def test_a_beat_may_be_stopped_by_its_own_call() -> None:
    clock, calls = Clock(), list[float]()

    def call() -> None:
        calls.append(1)
        beat.stop()

    beat = Beat(clock, 1, call)
    beat.start()
    clock.advance(1)
    assert calls == [1]
    assert not clock.getDelayedCalls()
