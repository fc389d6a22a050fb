"""The memory of a gate's sessions: one page for each client."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from scrapy_onecaptcha.sandbox.messages import Visit

__all__ = ["GateSessions"]


class GateSessions:
    """Remembers for each client one page: the last that was gated.

    Args:
        site: name of the site; part of the cookie's name.
        rng: cookies are drawn from it.
    """

    def __init__(self, site: str, *, rng: random.Random) -> None:
        self._cookie_name = f"session_{site}"
        self._rng = rng
        self._pages: dict[str, str] = {}

    def remember(self, visit: Visit, page: str) -> str:
        """Remember *page*; return the cookie to set, ``""`` for none."""
        brought = visit.cookies.get(self._cookie_name, "")
        known = brought in self._pages
        key = brought if known else f"{self._rng.getrandbits(128):032x}"
        self._pages[key] = page
        return "" if known else f"{self._cookie_name}={key}; Path=/; HttpOnly"

    def page_of(self, visit: Visit) -> str:
        """Return the client's last gated page; ``/`` for an unknown client."""
        return self._pages.get(visit.cookies.get(self._cookie_name, ""), "/")
