"""What is sent to Scrapy's signal manager."""

from __future__ import annotations

from typing import Any

from scrapy import Request
from scrapy.signalmanager import SignalManager

import scrapy_onecaptcha
from scrapy_onecaptcha.report import signals
from scrapy_onecaptcha.report.signals import SignalSender


def heard(signal: object) -> tuple[SignalSender, list[dict[str, Any]]]:
    """Return a sender, and what handlers of *signal* are given by it."""
    manager = SignalManager()
    given: list[dict[str, Any]] = []

    def handler(**arguments: Any) -> None:
        for name in ("signal", "sender"):
            del arguments[name]
        given.append(arguments)

    manager.connect(handler, signal, weak=False)
    return SignalSender(manager.send_catch_log), given


def test_a_task_is_solved() -> None:
    sender, given = heard(signals.onecaptcha_solved)
    sender.solved("task-1", "https://shop.example", 20.0)
    sender.verdict("task-1", "https://shop.example", "accepted")
    assert given == [
        {"task": "task-1", "site": "https://shop.example", "seconds": 20.0}
    ]


def test_a_verdict() -> None:
    sender, given = heard(signals.onecaptcha_verdict)
    sender.verdict("task-1", "https://shop.example", "accepted")
    assert given == [
        {"task": "task-1", "site": "https://shop.example", "outcome": "accepted"}
    ]


def test_a_page_is_lost() -> None:
    sender, given = heard(signals.onecaptcha_lost)
    request, error = Request("https://shop.example/1"), OSError("no route")
    sender.lost(request, error)
    assert given == [{"request": request, "error": error}]


def test_the_signals_are_found_at_the_root() -> None:
    for name in ("onecaptcha_lost", "onecaptcha_solved", "onecaptcha_verdict"):
        assert getattr(scrapy_onecaptcha, name) is getattr(signals, name)
