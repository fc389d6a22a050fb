"""A large page is read in turns; what counts is what was so when it came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.flow.virtual import Crawl, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request
    from scrapy.http import Response

    Crawling = Callable[..., Crawl]

LARGE = " " * 20_000


class OtherCookies(Site):
    """Large gates, and open pages that come while they are read.

    Both set the cookie that a gate's form belongs to.
    """

    cached = False

    async def download(self, request: Request) -> Response:
        self.latency = 0.9 if self.cached and "/open" in request.url else 0.1
        response = await super().download(request)
        if self.cached and self.gates == 1 and "/open" not in request.url:
            response.flags.append("cached")
        return response

    def _gate(self, request: Request) -> Response:
        response = super()._gate(request)
        response.headers["Set-Cookie"] = f"csrf={self.gates}"
        return response.replace(body=response.body + LARGE.encode())

    def _content(self, request: Request) -> Response:
        response = super()._content(request)
        if "/open" in request.url:
            response.headers["Set-Cookie"] = "csrf=another"
        return response


@pytest.mark.parametrize("other", [True, False])
@pytest.mark.parametrize("cached", [True, False])
def test_a_cookie_that_is_set_while_a_gate_is_read_makes_its_form_old(
    crawling: Crawling, cached: bool, other: bool
) -> None:
    crawl = crawling()
    site = OtherCookies(crawl.clock, crawl.service)
    site.cached = cached
    crawl.sites["shop.example"] = site
    crawl.ask("/0", *(["/open"] if other else []))
    crawl.run()
    assert crawl.stat("refetched") == int(other)
    (sent,) = (one.body for one in crawl.sent if one.method == "POST")
    assert f"ticket={site.gates}&".encode() in sent, "the form that the cookie is of"
    assert "/0" in crawl.pages
    assert len(crawl.service.created) == 1
    crawl.finish()
