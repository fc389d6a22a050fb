"""``scrapy onecaptcha balance``: the points of the account, and how many solves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy.exceptions import UsageError

from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha.cli.base import DONE, FAILED, Tool, exits
from scrapy_onecaptcha.cli.runner import run
from scrapy_onecaptcha.cli.service import balance_of, has_no_balance, read_config
from scrapy_onecaptcha.exceptions import ServiceError
from scrapy_onecaptcha.models import POINTS_PER_CNY, price

if TYPE_CHECKING:
    from argparse import Namespace

    from scrapy_onecaptcha.cli.base import Call
    from scrapy_onecaptcha.settings import Config

__all__ = ["Balance", "in_words", "tell"]


class Balance(Tool):
    """Asks the service for the account's balance, once."""

    about = (
        "Ask the service what the account has left, in points, and how many solves "
        "that is at ONECAPTCHA_TASK_COST. One call, which costs nothing; the service "
        "allows one in 30 seconds."
    )
    epilog = exits(
        "when the service answered, even if only that it has no such call",
        "when the account was refused, or there was no answer",
    )

    def check(self, arguments: list[str], options: Namespace) -> None:  # noqa: ARG002
        """Refuse arguments: there is only one account."""
        if arguments:
            raise UsageError(f"balance takes no argument, not {arguments[0]!r}")

    def run(self, call: Call) -> int:
        """Ask, and tell."""
        config = read_config(call.settings)
        error: ServiceError | None = None
        points: float | None = None
        try:
            points = run(call.settings, lambda stage: balance_of(config, stage.reactor))
        except ServiceError as raised:
            error = raised
        told = tell(config, points, error)
        if call.options.json:
            call.terminal.as_json(told)
        elif points is not None:
            call.terminal.result(in_words(told))
        if error is None:
            return DONE
        if has_no_balance(error):
            call.terminal.say(f"This service does not tell its balances: {error}")
            return DONE
        call.terminal.say(str(error))
        return FAILED


def tell(
    config: Config, points: float | None, error: ServiceError | None
) -> dict[str, Any]:
    """Return what is known of the account, for JSON."""
    cost = config.task_cost
    solves = None if points is None or not cost else max(0, int(points // cost))
    return {
        "service": config.api_url,
        "points": points,
        "cny": None if points is None else points / POINTS_PER_CNY,
        "task_cost": cost,
        "task_type": config.task_type,
        "solves": solves,
        "error": None if error is None else str(error),
        "code": None if error is None else error.code,
    }


def in_words(told: dict[str, Any]) -> str:
    """Return the same as a line of text."""
    left = price(told["points"])
    if told["solves"] is None:
        return left
    solves = counted(told["solves"], "solve", ",")
    return f"{left}: {solves} at {counted(told['task_cost'], 'point', 'g')}"
