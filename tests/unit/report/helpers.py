"""Records for the tests of the report."""

from __future__ import annotations

import random
from typing import Any

from scrapy_onecaptcha.report.record import OUTCOMES, Record
from scrapy_onecaptcha.report.summary import Summary, summarize

#: A moment: 2026-11-25 00:00:00 UTC.
MIDNIGHT = 1_795_564_800.0
SITE = "https://shop.example"
SITES = (
    SITE,
    "https://www.books-and-more.example:8443",
    "https://a-rather-long-subdomain-of-a-site.directory.example",
)
EVIDENCE = ("The status is 403.", "Its title or a heading says “Just a moment”.")


def record(**changed: Any) -> Record:
    """Return the record of an accepted token, some fields changed."""
    fields: dict[str, Any] = {
        "time": MIDNIGHT + 60,
        "run": "r1",
        "spider": "books",
        "site": SITE,
        "sitekey": "338af34c-7bcb-4c7c-900b-acbec73d7d43",
        "session": "0123456789ab",
        "attempt": 1,
        "task": "task-1",
        "type": "HCaptchaTaskProxyless",
        "seconds": 20.0,
        "points": 7.0,
        "outcome": "accepted",
        "opened": 25,
        "evidence": EVIDENCE,
    }
    return Record(**{**fields, **changed})


def many(count: int, seed: int = 1) -> list[Record]:
    """Return records of all kinds, as a crawl may leave them."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        outcome = draw.choices(tuple(OUTCOMES), (70, 6, 2, 3, 1, 18, 2))[0]
        found.append(
            record(
                time=MIDNIGHT + draw.random() * 60 * count,
                run=f"r{number // 500}",
                site=draw.choice(SITES),
                seconds=min(300.0, draw.lognormvariate(3.3, 0.5)),
                outcome=outcome,
                code=draw.choice(CODES) if outcome == "failed" else "",
                opened=draw.choice((1, 25)) if outcome == "accepted" else 0,
            )
        )
    return found


CODES = ("ERROR_CAPTCHA_UNSOLVABLE", "timeout", "ERROR_NEW")


def summary(*records: Record) -> Summary:
    return summarize(records, lambda code: f"Advice for {code}.")


class Told:
    """Notes what a listener is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def solved(self, *arguments: Any) -> None:
        self.calls.append(("solved", *arguments))

    def verdict(self, *arguments: Any) -> None:
        self.calls.append(("verdict", *arguments))
