"""What a dry run counts, and what it tells."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from scrapy_onecaptcha.crawl import dry_run
from scrapy_onecaptcha.crawl.dry_run import DryRunCounts, plan_of
from scrapy_onecaptcha.models import Challenge, Form
from scrapy_onecaptcha.report import tally
from tests.unit.helpers import OTHER_SITE, SITE

KEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
GATE = Challenge(
    kind="gate",
    url=f"{SITE}/",
    sitekey=KEY,
    form=Form(url=f"{SITE}/verify", token_fields=("h-captcha-response",)),
)


def test_no_gate() -> None:
    assert DryRunCounts(7).summary() == ["Dry run: no gate met"]


def test_a_plan_shows_no_password() -> None:
    form = Form(url="https://ann:pw@shop.example/v", token_fields=("token",))
    plan = plan_of(replace(GATE, form=form), submitter=False)
    assert "sent by POST to https://***@shop.example/v in token" in plan


def test_a_browser_needs_a_token_for_each_session() -> None:
    counts = DryRunCounts(7)
    new = [counts.met(SITE, session, "plan") for session in ("a", "a", "b", "a")]
    assert new == [1, 0, 1, 0]
    told = (
        "4 gates met; a browser would need at least 2 tasks, 14 points (0.014 CNY), "
        "and 4 tasks, 28 points (0.028 CNY) if each page wanted a token of its own"
    )
    assert counts.summary() == [
        f"Dry run on {SITE}: {told}",
        f"Dry run in all: {told}; nothing was paid",
    ]


def test_pages_that_share_nothing() -> None:
    counts = DryRunCounts(7)
    assert [counts.met(SITE, None, "plan") for _ in range(2)] == [1, 1]
    assert counts.summary()[-1] == (
        "Dry run in all: 2 gates met; a browser would need at least 2 tasks, 14 points "
        "(0.014 CNY); nothing was paid"
    )


def test_the_sum_is_that_of_the_sites() -> None:
    counts = DryRunCounts(7)
    counts.met(SITE, "a", "plan")
    counts.met(OTHER_SITE, "a", "plan")
    *sites, total = counts.summary()
    assert [line.split(": ")[0] for line in sites] == [
        f"Dry run on {site}" for site in sorted((SITE, OTHER_SITE))
    ]
    assert "2 gates met; a browser would need at least 2 tasks" in total


def test_what_would_be_sent_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    counts = DryRunCounts(7)
    for plan in ("one", "one", "two", "one"):
        counts.met(SITE, "a", plan)
    assert [each.getMessage() for each in caplog.records] == [
        f"Dry run on {SITE}: one",
        f"Dry run on {SITE}: two",
    ]


def test_one_more_site_is_one() -> None:
    counts = DryRunCounts(7)
    for number in range(tally.MAX_TOLD + 1):
        counts.met(f"https://s{number:02}.example", number, "plan")
    assert counts.summary()[-2].startswith("Dry run on 1 more site: 1 gate met")


def test_it_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(tally, "MAX_SITES", 50)
    monkeypatch.setattr(dry_run, "MAX_PLANS", 30)
    counts = DryRunCounts(7)
    for number in range(100):
        for page in range(20):
            counts.met(f"https://s{number}.example", number, f"plan {page}")
    assert len(caplog.records) == 30
    summary = counts.summary()
    assert len(summary) == tally.MAX_TOLD + 2
    assert summary[-1].startswith("Dry run in all: 2000 gates met; a browser would")
    assert "100 tasks, 700 points" in summary[-1]


@pytest.mark.parametrize(
    ("challenge", "plan"),
    [
        (GATE, f"would be sent by POST to {SITE}/verify in h-captcha-response"),
        (
            replace(GATE, form=Form(url=SITE, header="x-captcha", token_fields=())),
            f"would be sent by POST to {SITE} in the header x-captcha",
        ),
        (
            replace(
                GATE,
                form=Form(url=SITE, method="GET", header="x", token_fields=("a", "b")),
            ),
            f"would be sent by GET to {SITE} in a, b and in the header x",
        ),
        (
            replace(GATE, form=None),
            "would be sent in a way that is not known yet",
        ),
    ],
)
def test_the_plan(challenge: Challenge, plan: str) -> None:
    assert plan_of(challenge, submitter=False) == f"a token for sitekey {KEY} {plan}"


def test_the_plan_of_a_submitter() -> None:
    plan = plan_of(replace(GATE, form=None), submitter=True)
    assert plan == f"a token for sitekey {KEY} would be sent by your submitter"


def test_the_plan_forges_no_line_of_a_log() -> None:
    form = Form(url=f"{SITE}/a\nb", token_fields=("x\x1b[0m",))
    assert plan_of(replace(GATE, form=form), submitter=False).isprintable()
