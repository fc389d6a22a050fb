"""A response is read once, however many ask what it is.

The HTTP cache's policy sees a response before the middleware does, and still
compressed; what takes a token to the site sees its answers after the middleware.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from scrapy_onecaptcha.pages.detection import first_look, steps_after
from scrapy_onecaptcha.request_options import UNSET, RequestOptions

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha.models import Challenge
    from scrapy_onecaptcha.pages.detection import Look
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
) -> Steps[Challenge | None] | None:
    """Return what does as `detect` does, in steps, or ``None`` where nothing is to do.

    The last reading of a request's response is kept. A first look at a response, which
    is all that most get, takes no longer than to compare it with another.

    Raises:
        Exception: as `detect` does.
    """
    look = first_look(response, options)
    return None if look is None else _steps(look, response, options)


def _steps(
    look: Look, response: Response, options: RequestOptions
) -> Steps[Challenge | None]:
    request = response.request
    known = None if request is None else _READINGS.get(request)
    if known is not None and known[0] == _identify(response, options):
        return known[1]
    yield
    challenge = yield from steps_after(look, response, options)
    if request is not None:
        _READINGS[request] = _identify(response, options), challenge
    return challenge


def _identify(response: Response, options: RequestOptions) -> _Reading:
    return _Reading(
        type(response),
        response.url,
        response.status,
        len(response.body),
        hash(response.body),
        options,
    )
