"""The stats of a crawl, by name."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STATS"]

#: Every stat, without the ``onecaptcha/`` that each begins with, and what it counts.
STATS: Mapping[str, str] = MappingProxyType(
    {
        "gates": "gates met in scope",
        "widgets_ignored": "pages with an hCaptcha that gates nothing",
        "unsolvable/{reason}": "gates that no token can pass",
        "tasks": "tasks created, those given back by the service not counted",
        "tasks/ready": "tasks that gave a token",
        "tasks/failed/{code}": "tasks that gave none",
        "tokens/accepted": "tokens that let their page pass",
        "tokens/rejected": "tokens after which a look at the page met the gate",
        "tokens/failed": "tokens after which the page answered with an error",
        "tokens/expired": "tokens that grew too old to be sent",
        "tokens/unused": "tokens not sent: the gate was gone, or its page changed",
        "clearances": "times that a site let pages pass for a token",
        "clearances/imported": "clearances that were taken from the store",
        "clearances/pages": "pages that one of them opened until it ended, on average",
        "clearances/seconds": "seconds that one of them lasted, on average",
        "shared": "pages that passed on another's clearance",
        "replayed": "requests sent again for their page",
        "refetched": "gates fetched again before a token is sent",
        "refused/{reason}": "gates that were left alone",
        "failed/{reason}": "gated pages that were lost",
        "parked/max": "requests that waited at once, at most",
        "seconds/total": "seconds that tasks took until their tokens, together",
        "seconds/max": "seconds of the slowest of them",
        "polls": "calls of getTaskResult",
        "points": "points spent, without points/unbilled",
        "points/unbilled": "points of failed tasks, which the service does not charge",
        "dry_run/tasks": "tasks that the gates of a dry run would need at least",
    }
)
