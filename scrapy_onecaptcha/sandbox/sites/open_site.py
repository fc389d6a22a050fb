"""A site without a gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.sites.content import ROBOTS, Content

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.ledger import Ledger
    from scrapy_onecaptcha.sandbox.messages import Reply, Visit

__all__ = ["OpenSite"]


class OpenSite:
    """A site without a gate.

    Args:
        name: name of the site.
        content: its pages.
        ledger: counts what it does.
    """

    def __init__(self, name: str, content: Content, *, ledger: Ledger) -> None:
        self.name = name
        self._content = content
        self._ledger = ledger

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        if visit.path == "/robots.txt":
            return ROBOTS
        self._ledger.see(self.name, visit)
        self._ledger.hit(self.name, visit.path, "content")
        return self._content.answer(visit)
