"""A response is read once, however many ask what it is.

The HTTP cache's policy sees a response before the middleware does, and still
compressed; what takes a token to the site sees its answers after the middleware.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from scrapy_onecaptcha.pages.detection import detection_steps
from scrapy_onecaptcha.request_options import UNSET, RequestOptions

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha.models import Challenge
    from scrapy_onecaptcha.pages.steps import Steps

__all__ = ["reading_steps"]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read, and of what."""

    kind: type[Response]
    url: str
    status: int
    size: int
    body_hash: int
    options: RequestOptions


# By request: a response is copied on its way, its request is not. An entry goes with
# its request, so that the table holds no more than the crawl does.
_READINGS: WeakKeyDictionary[Request, tuple[_Reading, Challenge | None]] = (
    WeakKeyDictionary()
)


def reading_steps(
    response: Response, options: RequestOptions = UNSET
) -> Steps[Challenge | None]:
    """Do as `detect` does, in steps; the last reading of a request's response is kept.

    Raises:
        Exception: as `detect` does.
    """
    request = response.request
    if request is None:
        return (yield from detection_steps(response, options))
    reading = _Reading(
        type(response),
        response.url,
        response.status,
        len(response.body),
        hash(response.body),
        options,
    )
    known = _READINGS.get(request)
    if known is not None and known[0] == reading:
        return known[1]
    challenge = yield from detection_steps(response, options)
    _READINGS[request] = reading, challenge
    return challenge
