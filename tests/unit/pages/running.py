"""Detection with the page's scripts run, in one child process for all tests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scrapy.http import TextResponse

from scrapy_onecaptcha.pages.detection import detect, steps_with_scripts
from scrapy_onecaptcha.pages.scripted import Scripts, visit_of
from scrapy_onecaptcha.pages.steps import finish
from scrapy_onecaptcha.request_options import UNSET, RequestOptions
from tests.blocking_pool import shared_child

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.models import Challenge
    from scrapy_onecaptcha.scripts.models import Reading

__all__ = ["detect_running", "visited"]


def visited(response: TextResponse, **more: str) -> Reading:
    """Run the scripts of *response*; *more* are external ones, by address."""
    external = tuple((response.urljoin(url), code) for url, code in more.items())
    reading = shared_child().visit(replace(visit_of(response), external=external))
    assert reading is not None
    return reading


def detect_running(
    response: Response, options: RequestOptions = UNSET, **external: str
) -> Challenge | None:
    """Detect what *response* is; its scripts are run where that tells more."""
    challenge = detect(response, options)
    if challenge is None or not challenge.needs_scripts:
        return challenge
    assert isinstance(response, TextResponse)
    reading = visited(response, **external)
    scripts = Scripts(reading=reading)
    return finish(steps_with_scripts(response, options, challenge, scripts))
