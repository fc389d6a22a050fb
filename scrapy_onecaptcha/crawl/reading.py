"""Reads a response: is a gate there? Each response is read once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from scrapy_onecaptcha.pages.detection import Hints, detect

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.models import Challenge

__all__ = ["Reader"]


class Reader:
    """Reads the responses of a crawl, and remembers what it has read in each."""

    def __init__(self) -> None:
        self._seen: WeakKeyDictionary[Response, tuple[Hints, Challenge | None]] = (
            WeakKeyDictionary()
        )

    def look(self, response: Response, hints: Hints) -> Challenge | None:
        """Return what the HTML of *response* shows by itself."""
        seen = self._seen.get(response)
        if seen is not None and seen[0] == hints:
            return seen[1]
        challenge = detect(response, hints)
        if challenge is not None:
            self._seen[response] = hints, challenge
        return challenge

    async def read(self, response: Response, hints: Hints) -> Challenge | None:
        """Return the gate or widget of *response*, its scripts included."""
        return self.look(response, hints)
