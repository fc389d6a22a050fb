"""The records of a crawl's tasks: its ledger, and the handlers of its signals."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from scrapy_onecaptcha.report.journal import Journal, Subject
from scrapy_onecaptcha.report.ledger import Ledger
from scrapy_onecaptcha.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.crawler import Crawler

    from scrapy_onecaptcha.crawl.clearance import Clearance
    from scrapy_onecaptcha.crawl.session_key import SessionKey
    from scrapy_onecaptcha.models import Challenge
    from scrapy_onecaptcha.report.journal import Listener
    from scrapy_onecaptcha.settings import Config
    from scrapy_onecaptcha.stats import Report

__all__ = ["make_journal", "subject_of", "tell_end"]

_RUN_BYTES, _SECRET_BYTES = 4, 16


def make_journal(
    crawler: Crawler, config: Config, now: Callable[[], float], listener: Listener
) -> Journal:
    """Return the journal of a crawl, with the ledger that its settings name.

    Args:
        crawler: the crawl.
        config: the settings.
        now: seconds of the crawl's clock.
        listener: sends the signals.

    Raises:
        ValueError: the ledger cannot be written.
    """
    return Journal(
        run=secrets.token_hex(_RUN_BYTES),
        spider=str(getattr(crawler.spider, "name", "") or ""),
        secret=secrets.token_bytes(_SECRET_BYTES),
        now=now,
        today=time.time,
        ledger=_open_ledger(config.ledger),
        listener=listener,
    )


def subject_of(challenge: Challenge, key: SessionKey) -> Subject:
    """Return what tasks for *challenge* are for, met in the session *key*."""
    return Subject(
        site=key.site,
        sitekey=challenge.sitekey or "",
        session=key,
        evidence=challenge.evidence,
    )


def tell_end(report: Report, site: str, clearance: Clearance | None) -> None:
    """Tell what *clearance* of *site* was good for, if it has ended.

    Called when the next one is granted, when its session becomes one with another, or
    when the crawl is over: before that, a page may still pass and show that the gate
    was not the end.
    """
    if clearance is not None and clearance.ended_at is not None:
        report.clearance_ended(
            site,
            seconds=clearance.ended_at - clearance.since,
            pages=clearance.pages,
            cost=clearance.cost,
        )


def _open_ledger(path: str | None) -> Ledger | None:
    if path is None:
        return None
    try:
        return Ledger(path)
    except OSError as error:
        raise ValueError(
            f"{PREFIX}LEDGER is {path!r}: {error.strerror}; allowed: a path in a "
            "folder that exists."
        ) from None
