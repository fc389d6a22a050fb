"""The figures, against figures that are worked out in another way."""

from __future__ import annotations

import json
import math
import statistics

import pytest

from scrapy_onecaptcha.report.record import CODES, OUTCOMES
from scrapy_onecaptcha.report.summary import MAX_SENTENCES, of_site, quantile
from tests.unit.report.helpers import MIDNIGHT, SITE, SITES, many, record, summary

DAY = 86400.0


def test_no_task() -> None:
    empty = summary()
    assert (empty.total.tasks, empty.first, empty.last) == (0, None, None)
    assert empty.total.pass_rate is empty.total.points_per_accepted is None
    assert empty.total.median is empty.total.p95 is None
    assert json.dumps(empty.told())


def test_the_total_is_the_sum() -> None:
    records = many(400)
    told = summary(*records)
    total = told.total
    accepted = [each for each in records if each.outcome == "accepted"]
    assert total.tasks == 400
    assert total.accepted == len(accepted)
    assert total.points == 2800
    assert total.opened == sum(each.opened for each in accepted)
    judged = [each for each in records if each.outcome != "handed_over"]
    assert 0 < len(judged) < 400
    assert total.pass_rate == len(accepted) / len(judged)
    assert total.points_per_accepted == 2800 / len(accepted)
    assert total.pages_per_clearance == statistics.mean(e.opened for e in accepted)
    for groups in (told.days, told.sites):
        assert sum(each.tasks for each in groups.values()) == 400
        assert sum(each.points for each in groups.values()) == 2800
    assert list(total.outcomes) == list(OUTCOMES)


def test_seconds_are_those_of_tasks_that_gave_a_token() -> None:
    told = summary(
        record(seconds=10.0),
        record(seconds=20.0, outcome="rejected"),
        record(seconds=30.0, outcome="unused"),
        record(seconds=300.0, outcome="failed", code="timeout"),
        record(seconds=200.0, outcome="abandoned"),
    )
    assert (told.total.median, told.total.p95) == (20.0, 30.0)
    assert list(told.solves) == [10.0, 20.0, 30.0]


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 100, 101])
def test_quantiles(count: int) -> None:
    ordered = list(range(1, count + 1))
    assert quantile(ordered, 0.95) == math.ceil(0.95 * count)
    assert quantile(ordered, 0.5) == math.ceil(0.5 * count)


def test_pages_count_where_the_token_was_accepted_only() -> None:
    told = summary(record(opened=25), record(opened=25, outcome="rejected"))
    assert told.total.opened == 25


def test_days_are_those_of_utc() -> None:
    told = summary(
        record(time=MIDNIGHT + DAY),
        record(time=MIDNIGHT - 0.001),
        record(time=MIDNIGHT),
        record(time=MIDNIGHT + DAY - 0.001),
    )
    assert {day: figures.tasks for day, figures in told.days.items()} == {
        "2026-11-24": 1,
        "2026-11-25": 2,
        "2026-11-26": 1,
    }
    assert list(told.days) == sorted(told.days)


def test_the_sites_begin_with_the_dearest() -> None:
    told = summary(*[record(site=SITES[1])] * 3, record(site=SITES[0]))
    assert list(told.sites) == [SITES[1], SITES[0]]


def test_what_failed_most() -> None:
    told = summary(
        *[record(outcome="failed", code="timeout", points=0.0)] * 2,
        *[record(outcome="failed", code="timeout", site=SITES[1])] * 3,
        record(outcome="rejected", code="not asked for"),
        *[record()] * 10,
    )
    first, second = told.failures
    assert (first.name, first.tasks, first.points) == ("timeout", 5, 21)
    assert (first.sites, first.worst) == (2, SITES[1])
    assert first.advice == "Advice for timeout."
    assert (second.name, second.tasks) == ("rejected", 1)
    assert second.advice == OUTCOMES["rejected"]


def test_a_token_for_a_callback_is_no_failure() -> None:
    told = summary(record(), record(outcome="handed_over"))
    assert told.failures == []
    assert told.total.pass_rate == 1.0


def test_codes_of_our_own_have_their_advice() -> None:
    (failure,) = summary(record(outcome="failed", code="page_error")).failures
    assert failure.advice == CODES["page_error"]


def test_the_evidence_of_a_site() -> None:
    told = summary(
        record(evidence=("a", "b")),
        record(evidence=("a",)),
        record(site=SITES[1], evidence=("c",)),
    )
    assert told.evidence == {SITE: [("a", 2), ("b", 1)], SITES[1]: [("c", 1)]}


def test_a_site_of_which_each_page_is_told_by_something_else() -> None:
    told = summary(*(record(evidence=(f"{n}",)) for n in range(5000)))
    assert len(told.evidence[SITE]) == MAX_SENTENCES


def test_the_span_is_from_the_first_creation_to_the_last_verdict() -> None:
    told = summary(
        record(time=MIDNIGHT + 100, seconds=10.0),
        record(time=MIDNIGHT + 120, seconds=90.0),
    )
    assert (told.first, told.last) == (MIDNIGHT + 30, MIDNIGHT + 120)


def test_runs_and_spiders() -> None:
    told = summary(record(run="a"), record(run="b"), record(run="b", spider=""))
    assert (told.runs, told.spiders) == (2, ["books"])


@pytest.mark.parametrize(
    ("site", "names", "is_one"),
    [
        ("https://shop.example", ["shop.example"], True),
        ("https://shop.example:8443", ["shop.example"], True),
        ("https://www.shop.example", ["shop.example"], True),
        ("https://myshop.example", ["shop.example"], False),
        ("https://shop.example", ["https://shop.example"], True),
        ("http://shop.example", ["https://shop.example"], False),
        ("http://[", ["shop.example"], False),
        ("", ["shop.example"], False),
    ],
)
def test_the_site_that_is_asked_for(site: str, names: list[str], is_one: bool) -> None:
    assert of_site(site, names) is is_one
