"""Runs the scripts of pages at once, for tests whose time is not the real one."""

from __future__ import annotations

import atexit
from functools import cache
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from scrapy_onecaptcha.scripts.child import Child

if TYPE_CHECKING:
    from scrapy_onecaptcha.scripts.models import Reading, Visit

__all__ = ["BlockingPool", "WaitingPool", "shared_child"]


@cache
def shared_child() -> Child:
    """Return one child process for all tests of this process."""
    child = Child(page_seconds=30)
    atexit.register(child.close)
    return child


class BlockingPool:
    """A double of the pool of a crawl."""

    async def visit(self, visit: Visit) -> Reading:
        reading = shared_child().visit(visit)
        assert reading is not None
        return reading

    def close(self) -> None:
        pass


class WaitingPool(BlockingPool):
    """Runs no script before its process has started.

    Attributes:
        started: fires then.
    """

    def __init__(self) -> None:
        self.started: Deferred[None] = Deferred()

    async def visit(self, visit: Visit) -> Reading:
        if not self.started.called:
            await self.started
        return await super().visit(visit)
