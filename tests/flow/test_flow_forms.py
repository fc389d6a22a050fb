"""A form is sent with the cookies that it belongs to."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import pytest

from tests.flow.virtual import GATE, SITEKEY, Crawl, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request
    from scrapy.http import Response

    Crawling = Callable[..., Crawl]


class BoundForms(Site):
    """Its forms are bound to a cookie, and a visitor without one is given a new one."""

    refused = 0

    def _gate(self, request: Request) -> Response:
        response = super()._gate(request)
        csrf = _csrf_of(request)
        if not csrf:
            csrf = f"c{self.gates}"
            response.headers["Set-Cookie"] = f"csrf={csrf}; Path=/"
        body = GATE.format(action=request.url, ticket=csrf, sitekey=SITEKEY)
        return response.replace(body=body.encode())

    def _content(self, request: Request) -> Response:
        response = super()._content(request)
        if "/open" in request.url:
            response.headers["Set-Cookie"] = "csrf=; Path=/; Max-Age=0"
        return response

    def _submitted(
        self, request: Request, fields: dict[str, list[str]], agent: str
    ) -> Response:
        if fields["ticket"] != [_csrf_of(request)]:
            self.refused += 1
            return self._gate(request)
        return super()._submitted(request, fields, agent)


def _csrf_of(request: Request) -> str:
    header = (request.headers.get("Cookie") or b"").decode()
    found: Any = SimpleCookie(header).get("csrf")
    return found.value if found else ""


@pytest.mark.parametrize("latency", [3.0, 5.5])
def test_a_gate_that_waits_in_its_slot_while_others_set_its_cookie(
    crawling: Crawling, latency: float
) -> None:
    """The form that is fetched again is of a cookie that is gone when it comes.

    All requests left for their slot before the first gate came, without a cookie. The
    gate that is fetched again has the cookie of those that came before it left, and
    waits behind the others.
    """
    crawl = crawling(concurrency=16, per_domain=1, delay=1.0)
    crawl.service.latency = latency
    site = BoundForms(crawl.clock, crawl.service)
    crawl.sites["shop.example"] = site
    asked = [f"/{n}" for n in range(16)]
    crawl.ask(*asked)
    crawl.run()
    assert sorted(crawl.pages) == sorted(asked)
    assert site.refused == 0
    assert len(crawl.service.created) == 1
    assert crawl.stat("refetched") == 2, "behind the others, and once more after them"
    crawl.finish()


def test_a_page_that_deletes_the_cookie_of_a_form_makes_it_old(
    crawling: Crawling,
) -> None:
    crawl = crawling()
    site = BoundForms(crawl.clock, crawl.service)
    crawl.sites["shop.example"] = site
    crawl.ask("/0")
    crawl.advance(2)
    crawl.ask("/open")
    crawl.advance(2)
    assert len(crawl.pages) == 1
    crawl.run()
    assert sorted(crawl.pages) == ["/0", "/open"]
    assert site.refused == 0
    assert len(crawl.service.created) == 1
    assert crawl.stat("refetched") == 1
    crawl.finish()


class Restless(BoundForms):
    """Takes its time for gates, while its open pages set the cookie of the forms."""

    async def download(self, request: Request) -> Response:
        self.latency = 0.1 if "/open" in request.url else 1.0
        return await super().download(request)

    def _content(self, request: Request) -> Response:
        response = super()._content(request)
        if "/open" in request.url:
            response.headers["Set-Cookie"] = f"csrf=of-{self.downloads}; Path=/"
        return response


def test_a_cookie_that_never_rests_has_no_gate_fetched_without_end(
    crawling: Crawling,
) -> None:
    crawl = crawling(max_attempts=1)
    site = Restless(crawl.clock, crawl.service)
    crawl.sites["shop.example"] = site
    crawl.ask("/0")
    for number in range(100):
        crawl.ask(f"/open{number}")
        crawl.advance(0.3)
    assert crawl.stat("refetched") == 3
    assert len(crawl.service.created) == len(site.submissions) + site.refused == 1
    crawl.run()
    crawl.finish()
