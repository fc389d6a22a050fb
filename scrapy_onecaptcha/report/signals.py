"""Signals of a running crawl, sent by Scrapy's signal manager.

No argument of theirs holds a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request

__all__ = [
    "SignalSender",
    "onecaptcha_lost",
    "onecaptcha_solved",
    "onecaptcha_verdict",
]

#: A task gave a token: ``handler(task: str, site: str, seconds: float)``.
onecaptcha_solved = object()

#: It is known what a task came to: ``handler(task: str, site: str, outcome: str)``. The
#: outcomes are those of the ledger.
onecaptcha_verdict = object()

#: A gated page was lost: ``handler(request: Request, error: Exception)``.
onecaptcha_lost = object()


class SignalSender:
    """Sends the signals.

    Args:
        send: sends one to its handlers: ``crawler.signals.send_catch_log``.
    """

    def __init__(self, send: Callable[..., Any]) -> None:
        self._send = send

    def solved(self, task: str, site: str, seconds: float) -> None:
        """Tell that *task* gave a token."""
        self._send(onecaptcha_solved, task=task, site=site, seconds=seconds)

    def verdict(self, task: str, site: str, outcome: str) -> None:
        """Tell what *task* came to."""
        self._send(onecaptcha_verdict, task=task, site=site, outcome=outcome)

    def lost(self, request: Request, error: Exception) -> None:
        """Tell that the page of *request* was lost."""
        self._send(onecaptcha_lost, request=request, error=error)
