"""Reads a response: is a gate there? The scripts of a possible one are run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.http import TextResponse

from scrapy_onecaptcha.pages.detection import detect_again
from scrapy_onecaptcha.pages.readings import detect_once

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.crawl.page_scripts import PageScripts
    from scrapy_onecaptcha.models import Challenge
    from scrapy_onecaptcha.request_options import RequestOptions

__all__ = ["Reader"]


class Reader:
    """Reads the responses of a crawl; each is read once.

    Args:
        scripts: runs the scripts of pages.
    """

    def __init__(self, scripts: PageScripts) -> None:
        self._scripts = scripts

    def look(self, response: Response, options: RequestOptions) -> Challenge | None:
        """Return what the HTML of *response* shows by itself."""
        return detect_once(response, options)

    async def read(
        self, response: Response, options: RequestOptions
    ) -> Challenge | None:
        """Return the gate or widget of *response*, its scripts included."""
        challenge = self.look(response, options)
        if challenge is None or not challenge.needs_scripts:
            return challenge
        assert isinstance(response, TextResponse)  # noqa: S101  (else it has none)
        scripts = await self._scripts.run(response)
        return detect_again(response, options, challenge, scripts)
