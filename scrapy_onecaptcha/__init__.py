"""Scrapy downloader middleware that passes hCaptcha gates through 1captcha."""

from __future__ import annotations

from scrapy_onecaptcha._version import __version__
from scrapy_onecaptcha.addon import Addon
from scrapy_onecaptcha.exceptions import (
    AccountError,
    AttemptsExhausted,
    BadTaskError,
    BlockedError,
    BudgetExceeded,
    CircuitOpen,
    DryRun,
    OneCaptchaError,
    PolicyError,
    ProxyFailed,
    ServiceError,
    SiteRefusedError,
    SolveTimeout,
    StoreUnavailable,
    SubmissionRefused,
    TaskFailed,
    Unavailable,
    UnsolvableGate,
)
from scrapy_onecaptcha.middleware import OneCaptchaMiddleware
from scrapy_onecaptcha.models import Challenge, Solution
from scrapy_onecaptcha.pages.detection import detect
from scrapy_onecaptcha.report.signals import (
    onecaptcha_lost,
    onecaptcha_solved,
    onecaptcha_verdict,
)

__all__ = [
    "AccountError",
    "Addon",
    "AttemptsExhausted",
    "BadTaskError",
    "BlockedError",
    "BudgetExceeded",
    "Challenge",
    "CircuitOpen",
    "DryRun",
    "OneCaptchaError",
    "OneCaptchaMiddleware",
    "PolicyError",
    "ProxyFailed",
    "ServiceError",
    "SiteRefusedError",
    "Solution",
    "SolveTimeout",
    "StoreUnavailable",
    "SubmissionRefused",
    "TaskFailed",
    "Unavailable",
    "UnsolvableGate",
    "__version__",
    "detect",
    "onecaptcha_lost",
    "onecaptcha_solved",
    "onecaptcha_verdict",
]
