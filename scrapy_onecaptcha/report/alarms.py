"""Alarms: problems of a crawl that a person should look at, judged by its stats."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha.models import price

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ALARMS", "Limits", "complaint"]

#: Tasks or tokens from which on a share or a mean of them says something.
ENOUGH = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where an alarm begins.

    Attributes:
        lost: share of the gated pages that were lost.
        rejected: share of the tokens that sites refused.
        failed: share of the tasks that gave no token.
        seconds: how long a token took, in the mean.
        points: what the crawl may spend; ``None`` for no such limit.
        tasks: the crawl's budget; 0 for none. The alarm begins at nine tenths of it.
    """

    lost: float = 0.01
    rejected: float = 0.5
    failed: float = 0.7
    seconds: float = 120.0
    points: float | None = None
    tasks: int = 0


class _Counts:
    """The stats of this package."""

    def __init__(self, stats: Mapping[str, Any]) -> None:
        self._stats = stats

    def __call__(self, name: str) -> float:
        """Return a stat, or the sum of those that begin with ``name/``."""
        if not name.endswith("/"):
            return float(self._stats.get(f"onecaptcha/{name}") or 0)
        return float(
            sum(
                value
                for key, value in self._stats.items()
                if key.startswith(f"onecaptcha/{name}")
            )
        )


def _account(count: _Counts, _: Limits) -> str | None:
    pages = count("failed/account")
    if not pages:
        return None
    return f"the service refuses the account; {counted(int(pages), 'page')} lost by it"


def _breaker(count: _Counts, _: Limits) -> str | None:
    pages = count("failed/circuit_open")
    if not pages:
        return None
    return (
        f"{counted(int(pages), 'page')} lost, because a site refused too many tokens "
        "in a row and is left alone (ONECAPTCHA_MAX_FAILURES)"
    )


def _lost(count: _Counts, limits: Limits) -> str | None:
    lost, gates = count("failed/"), count("gates")
    if not lost or lost <= limits.lost * gates:
        return None
    return f"{lost:g} of {gates:g} gated pages were lost"


def _rejected(count: _Counts, limits: Limits) -> str | None:
    rejected, ready = count("tokens/rejected"), count("tasks/ready")
    if ready < ENOUGH or rejected <= limits.rejected * ready:
        return None
    return f"sites refused {rejected:g} of {ready:g} tokens"


def _failed(count: _Counts, limits: Limits) -> str | None:
    failed, tasks = count("tasks/failed/"), count("tasks")
    if tasks < ENOUGH or failed <= limits.failed * tasks:
        return None
    return f"{failed:g} of {tasks:g} tasks gave no token"


def _slow(count: _Counts, limits: Limits) -> str | None:
    ready = count("tasks/ready")
    mean = count("seconds/total") / ready if ready else 0.0
    if ready < ENOUGH or mean <= limits.seconds:
        return None
    return f"a token took {mean:.0f} s in the mean"


def _spend(count: _Counts, limits: Limits) -> str | None:
    points, tasks = count("points"), count("tasks")
    if limits.points is not None and points > limits.points:
        return f"{price(points)} were spent, more than {limits.points:,g}"
    if limits.tasks and tasks >= 0.9 * limits.tasks:
        return f"{tasks:g} of {limits.tasks} tasks of the budget are spent"
    return None


#: Each alarm by its name: returns what is wrong, if it is.
ALARMS: Mapping[str, Callable[[_Counts, Limits], str | None]] = MappingProxyType(
    {
        "account": _account,
        "breaker": _breaker,
        "lost": _lost,
        "rejected": _rejected,
        "failed": _failed,
        "slow": _slow,
        "spend": _spend,
    }
)


def complaint(name: str, stats: Mapping[str, Any], limits: Limits) -> str | None:
    """Return what is wrong by one of `ALARMS`, or ``None``.

    Args:
        name: of the alarm.
        stats: the crawl's, as its collector has them.
        limits: where an alarm begins.
    """
    return ALARMS[name](_Counts(stats), limits)
