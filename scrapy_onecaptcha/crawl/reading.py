"""Reads a response: is a gate there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha.pages.readings import detect_once

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.models import Challenge
    from scrapy_onecaptcha.request_options import RequestOptions

__all__ = ["Reader"]


class Reader:
    """Reads the responses of a crawl."""

    def look(self, response: Response, options: RequestOptions) -> Challenge | None:
        """Return what the HTML of *response* shows by itself."""
        return detect_once(response, options)

    async def read(
        self, response: Response, options: RequestOptions
    ) -> Challenge | None:
        """Return the gate or widget of *response*, its scripts included."""
        return self.look(response, options)
