"""Slots: each one is lent once and comes back once."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import Any

import pytest

from scrapy_onecaptcha.crawl.slots import SlotLoans


class Downloader:
    def __init__(self, total_concurrency: int = 16) -> None:
        self.total_concurrency = total_concurrency


class StrangeDownloader:
    pass


class Lot:
    """Loans, the downloader whose slots are lent, and how often it was nudged."""

    def __init__(self, downloader: Any, limit: int = 512, gated: int = 512) -> None:
        self.downloader = downloader
        self.nudges: list[int] = []
        engine: Any = self
        self.loans = SlotLoans(engine, limit, gated)

    def nudge(self) -> None:
        self.nudges.append(getattr(self.downloader, "total_concurrency", -1))


def test_a_place_is_lent_while_a_request_waits() -> None:
    lot = Lot(Downloader())
    with lot.loans.wait():
        assert lot.downloader.total_concurrency == 17
        with lot.loans.wait():
            assert lot.downloader.total_concurrency == 18
            assert (lot.loans.waiting, lot.loans.lent) == (2, 2)
        assert lot.downloader.total_concurrency == 17
    assert lot.downloader.total_concurrency == 16
    assert (lot.loans.waiting, lot.loans.lent) == (0, 0)


def test_the_engine_hears_of_each_place_once_it_is_there() -> None:
    lot = Lot(Downloader())
    with lot.loans.wait(), lot.loans.wait():
        pass
    assert lot.nudges == [17, 18]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_a_place_comes_back_whatever_fails(error: type[BaseException]) -> None:
    lot = Lot(Downloader())
    with pytest.raises(error), lot.loans.wait():
        raise error
    assert lot.downloader.total_concurrency == 16
    assert (lot.loans.waiting, lot.loans.lent) == (0, 0)


def test_past_the_limit_a_request_keeps_its_own_place() -> None:
    lot = Lot(Downloader(), gated=2)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(lot.loans.wait())
        assert lot.downloader.total_concurrency == 18
        assert (lot.loans.waiting, lot.loans.lent) == (3, 2)
        assert lot.nudges == [17, 18]
    assert lot.downloader.total_concurrency == 16


def test_one_that_kept_its_place_gives_none_back() -> None:
    lot = Lot(Downloader(), gated=1)
    first, second = lot.loans.wait(), lot.loans.wait()
    first.__enter__()
    second.__enter__()
    second.__exit__(None, None, None)
    assert lot.downloader.total_concurrency == 17
    assert lot.loans.lent == 1
    first.__exit__(None, None, None)
    assert lot.downloader.total_concurrency == 16


def test_a_limit_of_none_lends_none() -> None:
    lot = Lot(Downloader(), limit=0)
    with lot.loans.wait():
        assert lot.downloader.total_concurrency == 16
    assert lot.nudges == []


def test_no_limit_stays_no_limit() -> None:
    lot = Lot(Downloader(0))
    with lot.loans.wait():
        assert lot.downloader.total_concurrency == 0
        assert (lot.loans.waiting, lot.loans.lent) == (1, 0)
    assert lot.downloader.total_concurrency == 0


def test_a_limit_that_is_lifted_meanwhile_stays_lifted() -> None:
    lot = Lot(Downloader())
    with lot.loans.wait():
        lot.downloader.total_concurrency = 0
    assert lot.downloader.total_concurrency == 0


@pytest.mark.parametrize("limit", [1, 8, 40])
def test_what_somebody_else_sets_is_what_it_ends_at(limit: int) -> None:
    lot = Lot(Downloader())
    with lot.loans.wait(), lot.loans.wait():
        lot.downloader.total_concurrency = limit  # other code throttles the crawl
        with lot.loans.wait():
            assert lot.downloader.total_concurrency == limit + 3
    assert lot.downloader.total_concurrency == limit


def test_what_is_set_while_nothing_is_lent_counts_too() -> None:
    lot = Lot(Downloader())
    with lot.loans.wait():
        pass
    lot.downloader.total_concurrency = 4
    with lot.loans.wait():
        assert lot.downloader.total_concurrency == 5
    assert lot.downloader.total_concurrency == 4


def test_one_that_is_held_unsent_lends_its_slot_when_it_says_so() -> None:
    lot = Lot(Downloader())
    with lot.loans.hold() as held:
        assert lot.downloader.total_concurrency == 16
        held.lend()
        held.lend()
        assert lot.downloader.total_concurrency == 17
        assert (lot.loans.waiting, lot.loans.held, lot.loans.lent) == (1, 1, 1)
    assert lot.downloader.total_concurrency == 16
    assert (lot.loans.waiting, lot.loans.held, lot.loans.lent) == (0, 0, 0)


@pytest.mark.parametrize("order", ["gated first", "held first", "in turn"])
def test_no_more_slots_are_lent_than_the_limit_whoever_waits(
    order: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A queue that others read as well must not be drained into one process."""
    caplog.set_level(logging.INFO)
    lot = Lot(Downloader(), limit=4)
    gates = [True, False] * 5
    if order != "in turn":
        gates.sort(reverse=order == "gated first")
    with ExitStack() as stack:
        for gated in gates:
            if gated:
                stack.enter_context(lot.loans.wait())
            else:
                stack.enter_context(lot.loans.hold()).lend()
            assert lot.downloader.total_concurrency <= 16 + 4
        assert (lot.loans.waiting, lot.loans.lent) == (10, 4)
        assert lot.downloader.total_concurrency == 16 + 4
    assert lot.downloader.total_concurrency == 16
    (record,) = caplog.records
    assert "Slots of 4 requests" in record.getMessage()
    assert "ONECAPTCHA_MAX_HELD" in record.getMessage()


@pytest.mark.parametrize(("limit", "gated"), [(4, 2), (2, 2), (512, 0)])
def test_the_limit_of_gated_ones_is_told_as_well(
    limit: int, gated: int, caplog: pytest.LogCaptureFixture
) -> None:
    """By default both limits are one, and gated requests come first."""
    caplog.set_level(logging.INFO)
    lot = Lot(Downloader(), limit=limit, gated=gated)
    with ExitStack() as stack:
        for _ in range(gated):
            stack.enter_context(lot.loans.wait())
        assert not caplog.records
        for _ in range(3):
            stack.enter_context(lot.loans.wait())
    (record,) = caplog.records
    assert f"Slots of {gated} requests" in record.getMessage()
    assert "ONECAPTCHA_MAX_PARKED" in record.getMessage()


def test_gated_ones_may_have_a_smaller_limit_of_their_own() -> None:
    lot = Lot(Downloader(), gated=1)
    with lot.loans.wait(), lot.loans.wait(), lot.loans.hold() as held:
        assert lot.downloader.total_concurrency == 17
        held.lend()
        assert lot.downloader.total_concurrency == 18


def test_another_downloader_lends_nothing_and_one_line_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lot = Lot(StrangeDownloader())
    with lot.loans.wait(), lot.loans.wait():
        assert (lot.loans.waiting, lot.loans.lent) == (2, 0)
    assert not hasattr(lot.downloader, "total_concurrency")
    assert lot.nudges == []
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "StrangeDownloader" in record.getMessage()
    assert "CONCURRENT_REQUESTS" in record.getMessage()
