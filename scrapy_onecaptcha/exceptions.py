"""Everything that can end a gated request, as one tree.

Every error is also a Scrapy ``IgnoreRequest``: it reaches the request's errback
and Scrapy neither retries it nor logs a traceback for it.

.. code-block:: text

    OneCaptchaError (IgnoreRequest)
    ├── UnsolvableGate
    ├── PolicyError
    │   ├── BudgetExceeded
    │   ├── CircuitOpen
    │   ├── AttemptsExhausted
    │   ├── SubmissionRefused
    │   ├── StoreUnavailable
    │   └── DryRun
    ├── ServiceError
    │   ├── AccountError
    │   ├── BlockedError
    │   ├── BadTaskError
    │   ├── SiteRefusedError
    │   ├── TaskFailed
    │   │   └── ProxyFailed
    │   └── Unavailable
    └── SolveTimeout
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from scrapy.exceptions import IgnoreRequest

from scrapy_onecaptcha._logging import printable

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.models import Challenge

#: What to do about a page that changes between a task and its submission.
PAGE_CHANGED = "If the page does that each time, send the token by a submitter."

__all__ = [
    "AccountError",
    "AttemptsExhausted",
    "BadTaskError",
    "BlockedError",
    "BudgetExceeded",
    "CircuitOpen",
    "DryRun",
    "OneCaptchaError",
    "PolicyError",
    "ProxyFailed",
    "ServiceError",
    "SiteRefusedError",
    "SolveTimeout",
    "StoreUnavailable",
    "SubmissionRefused",
    "TaskFailed",
    "Unavailable",
    "UnsolvableGate",
]


class OneCaptchaError(IgnoreRequest):  # type: ignore[misc,unused-ignore]
    """A gate stayed unsolved.

    Attributes:
        response: the gate, or ``None`` where the error was not raised for a page.
        challenge: what was read from the gate, or ``None``.
        code: the service's ``errorCode`` that was the last reason; ``""`` where the
            service gave none, or had no part in it.
        reason: the word that counts this error in ``onecaptcha/failed/{reason}``.
        advice: what to do about it, a sentence for the log.
    """

    reason: ClassVar[str] = "error"
    advice: str = "Look for the reason in the lines above."

    def __init__(
        self,
        message: str = "",
        *,
        response: Response | None = None,
        challenge: Challenge | None = None,
        advice: str = "",
    ) -> None:
        # A page or a reply may be quoted in it, and it is going to be logged.
        super().__init__(printable(message))
        self.response = response
        self.challenge = challenge
        self.code = ""
        if advice:
            self.advice = advice


class UnsolvableGate(OneCaptchaError):
    """No token can pass this gate: no sitekey, or more than a token is asked for."""

    reason = "unsolvable"
    advice = (
        "If a person passes it by the captcha alone, say how: sitekey, field or "
        'submitter in meta["onecaptcha"].'
    )


class PolicyError(OneCaptchaError):
    """The crawl's own rules forbid to pay for this gate."""

    reason = "policy"


class BudgetExceeded(PolicyError):
    """A budget is spent: of the run, of the site, or of all processes together.

    The settings are ``ONECAPTCHA_MAX_TASKS``, ``ONECAPTCHA_MAX_TASKS_PER_SITE`` and
    ``ONECAPTCHA_SHARED_MAX_TASKS``.
    """

    reason = "budget"
    advice = "Raise the setting to go on."


class CircuitOpen(PolicyError):
    """The site refused too many tokens in a row (``ONECAPTCHA_MAX_FAILURES``)."""

    reason = "circuit_open"
    advice = "Check by hand whether the site accepts any solved captcha."


class AttemptsExhausted(PolicyError):
    """``ONECAPTCHA_MAX_ATTEMPTS`` tasks were spent on this page; it stayed gated."""

    reason = "attempts"
    advice = (
        "Check by hand whether the site accepts a solved captcha, or raise "
        "ONECAPTCHA_MAX_ATTEMPTS."
    )


class SubmissionRefused(PolicyError):
    """The token would have to be sent where it may not go."""

    reason = "submission_refused"
    advice = "If that is where the site takes its captcha, allow it by name."


class StoreUnavailable(PolicyError):
    """``ONECAPTCHA_STORE`` did not answer: nothing may be paid without it."""

    reason = "store_unavailable"
    advice = (
        "Bring the store back and run the pages again, or set "
        'ONECAPTCHA_STORE_ON_FAULT to "local".'
    )


class DryRun(PolicyError):
    """``ONECAPTCHA_DRY_RUN`` is on: nothing is paid for."""

    reason = "dry_run"
    advice = "Set ONECAPTCHA_DRY_RUN to False to have captchas solved."


class ServiceError(OneCaptchaError):
    """The service answered with an error, or not at all.

    Attributes:
        description: the service's ``errorDescription``; ``""`` where it gave none.
        answered: whether the service itself refused the call, in its own protocol
            (``errorId`` not 0). A ``createTask`` that was refused so was not billed;
            one that got no such answer may have been.
        sent: whether the call may have reached the service at all. One that did not
            was not billed.
    """

    reason = "service"
    advice = "Ask the service what its answer means."

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        description: str = "",
        answered: bool = False,
        sent: bool = True,
        response: Response | None = None,
        challenge: Challenge | None = None,
    ) -> None:
        super().__init__(message, response=response, challenge=challenge)
        self.code = code
        self.description = description
        self.answered = answered
        self.sent = sent


class AccountError(ServiceError):
    """The account is refused (key, balance, address): no call can succeed."""

    reason = "account"
    advice = "Set the account right, then crawl again."


class BlockedError(ServiceError):
    """The service blocks this client for a time.

    Attributes:
        seconds: how long, in seconds, from the moment the service said so.
    """

    reason = "blocked"
    advice = "Wait, and send fewer calls (ONECAPTCHA_CONCURRENT_TASKS)."
    seconds: float = 600.0


class BadTaskError(ServiceError):
    """The service finds our call malformed: it must not be repeated unchanged."""

    reason = "bad_task"
    advice = "Check the sitekey and URL; report it if they are right."


class SiteRefusedError(ServiceError):
    """The service does not solve for this site or sitekey."""

    reason = "site_refused"
    advice = "The service cannot help here; take the site out of the crawl."


class TaskFailed(ServiceError):
    """The service gave this task up; another one may succeed."""

    reason = "task_failed"
    advice = "Crawl it again later; the pass rate is never 100 %."


class ProxyFailed(TaskFailed):
    """The service could not use the proxy that the task named.

    The proxy is at fault, not the site.
    """

    reason = "proxy"
    advice = (
        "Check that the proxy takes connections from anywhere (ONECAPTCHA_TASK_PROXY)."
    )


class Unavailable(ServiceError):
    """A passing fault: no answer, HTTP 429 or 5xx, a full queue, no JSON."""

    reason = "unavailable"
    advice = "Crawl it again when the service answers."


class SolveTimeout(OneCaptchaError):
    """No token within ``ONECAPTCHA_SOLVE_TIMEOUT`` seconds."""

    reason = "timeout"
    advice = "Crawl it again later, or raise ONECAPTCHA_SOLVE_TIMEOUT."
