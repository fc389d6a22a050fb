"""A token for a widget, asked for by a callback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha.crawl.addresses import chain_of
from scrapy_onecaptcha.crawl.bookkeeping import subject_of
from scrapy_onecaptcha.crawl.gate import task_of
from scrapy_onecaptcha.crawl.shutdown import CrawlClosing
from scrapy_onecaptcha.exceptions import (
    DryRun,
    OneCaptchaError,
    SubmissionRefused,
    UnsolvableGate,
)

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.crawl.budget import PageAttempts, TaskReservation
    from scrapy_onecaptcha.crawl.scope import Scope
    from scrapy_onecaptcha.crawl.session_key import SessionKey
    from scrapy_onecaptcha.crawl.shutdown import Waits
    from scrapy_onecaptcha.models import Challenge, Solution
    from scrapy_onecaptcha.service.solver import Solver

__all__ = ["solve_widget"]


async def solve_widget(
    solver: Solver[TaskReservation],
    waits: Waits,
    scope: Scope,
    response: Response,
    challenge: Challenge | None,
    key: SessionKey,
    attempts: PageAttempts,
    auth_encoding: str,
    *,
    dry_run: bool,
) -> Solution:
    """Return a token for the widget of *response*, which reads as *challenge*.

    Raises:
        UnsolvableGate: there is no widget, or none that a token can be got for.
        OneCaptchaError: the rules forbid it, or the service gave no token.
    """
    request = response.request
    assert request is not None  # noqa: S101  (the caller has looked)
    bad = challenge is not None and challenge.reason == "bad_rqdata"
    if challenge is None or challenge.sitekey is None or bad:
        raise UnsolvableGate(
            f"{response.url} holds no hCaptcha that a token can be got for "
            f"({(challenge and challenge.reason) or 'none is seen'}); what is missing "
            'can be stated in meta["onecaptcha"]: sitekey, rqdata',
            response=response,
            challenge=challenge,
        )
    if not scope.holds(response.url, chain_of(request)[0]):
        raise SubmissionRefused(
            f"{response.url} is out of scope; add its host to "
            "ONECAPTCHA_ALLOWED_DOMAINS",
            response=response,
            challenge=challenge,
        )
    if dry_run:
        raise DryRun(
            f"This is a dry run: the widget of {response.url} stays unsolved",
            response=response,
            challenge=challenge,
        )
    attempts.subject = subject_of(challenge, key)
    work = solver.solve(task_of(challenge, request, auth_encoding), key.site, attempts)
    try:
        solution, reservation = await waits.until_closing(work)
    except CrawlClosing:
        raise OneCaptchaError(
            f"The crawl is closing: the widget of {response.url} stays unsolved",
            response=response,
            challenge=challenge,
        ) from None
    # What the site makes of the token is not seen here.
    reservation.settle("void", "handed_over")
    return solution
