"""Submitters and middlewares that a crawl of the tests loads by name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from scrapy import Request
from scrapy.http import HtmlResponse

if TYPE_CHECKING:
    from scrapy import Spider
    from scrapy.http import Response

    from scrapy_onecaptcha import Challenge, Solution

#: Seconds for which `Holder` keeps a submission.
HELD = 2.5


def by_header(
    request: Request, response: Response, challenge: Challenge, solution: Solution
) -> Request:
    """Send the token in a header, as the site's own script does."""
    return Request(
        response.urljoin("/verify"),
        method="POST",
        headers={"X-Captcha-Token": solution.token},
    )


def by_two_headers(
    request: Request, response: Response, challenge: Challenge, solution: Solution
) -> Request:
    """Repeat the call with the token and its second value in two headers."""
    demand: Any = response.json()  # type: ignore[attr-defined]
    return request.replace(
        headers={
            **request.headers,
            "X-Captcha-Key": solution.token,
            "X-Captcha-Rqtoken": demand["captcha_rqtoken"],
        }
    )


class Holder:
    """Holds each submission for some seconds, as a middleware that throttles may."""

    async def process_request(
        self, request: Request, spider: Spider | None = None
    ) -> None:
        if b"P1_" in request.body or "P1_" in request.url:
            await asyncio.sleep(HELD)


class JsonShown:
    """Puts the JSON of an API into a page, because the spider reads pages only.

    Demands stay as they are: the middleware's own requests pass here, too.
    """

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Response:
        kind = response.headers.get("Content-Type") or b""
        if b"json" not in kind or response.status >= 400:
            return response
        text = response.body.decode()
        return HtmlResponse(
            response.url,
            status=response.status,
            body=f'<h1>JSON</h1><pre class="body">{text}</pre>'.encode(),
            request=response.request,
        )
