"""Sleeping."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from scrapy_onecaptcha.clock import sleep

from .helpers import Run


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
