"""A form is sent with the cookies that it belongs to."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import pytest

from scrapy_onecaptcha._twisted import sleep
from tests.blocking_pool import BlockingPool
from tests.flow import virtual
from tests.flow.virtual import GATE, SITEKEY, Crawl, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.scripts.models import Reading, Visit

    Crawling = Callable[..., Crawl]


class BoundForms(Site):
    """Its forms are bound to a cookie, and a visitor without one is given a new one."""

    refused = 0
    of_pages = "csrf=another"  # what its open pages set

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
            response.headers["Set-Cookie"] = f"{self.of_pages}; Path=/"
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
def test_gates_that_come_later_leave_the_form_its_cookie(
    crawling: Crawling, latency: float
) -> None:
    """All requests left for their slot before the first gate came, without a cookie."""
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
    assert crawl.stat("refetched") == 0
    crawl.finish()


class Sessions(Site):
    """Remembers who has solved its captcha by the session that its gates begin."""

    def _identity(self, request: Request) -> Any:
        return _csrf_of(request) or None

    def _gate(self, request: Request) -> Response:
        response = super()._gate(request)
        if not _csrf_of(request):
            response.headers["Set-Cookie"] = f"csrf=s{self.gates}; Path=/"
        return response


@pytest.mark.parametrize("latency", [0.1, 3.0])
def test_gates_that_come_later_do_not_end_a_clearance(
    crawling: Crawling, latency: float
) -> None:
    """Gates that come after it as well, whose requests left before it."""
    crawl = crawling(concurrency=40, per_domain=1, delay=1.0)
    crawl.service.latency = latency
    crawl.sites["shop.example"] = Sessions(crawl.clock, crawl.service)
    asked = [f"/{n}" for n in range(60)]
    crawl.ask(*asked)
    crawl.run()
    assert sorted(crawl.pages) == sorted(asked)
    assert len(crawl.service.created) == 1
    assert len(crawl.sent) < 60 + 40 + 5
    crawl.finish()


@pytest.mark.parametrize("cookie", ["csrf=; Max-Age=0", "csrf=another"])
def test_a_page_that_deletes_or_replaces_the_cookie_of_a_form_makes_it_old(
    crawling: Crawling, cookie: str
) -> None:
    crawl = crawling()
    site = BoundForms(crawl.clock, crawl.service)
    site.of_pages = cookie
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


def test_a_page_may_replace_a_cookie_that_its_request_did_not_carry(
    crawling: Crawling,
) -> None:
    """As a login does, whose request left before a gate had set a cookie."""
    crawl = crawling()
    site = crawl.sites["shop.example"] = BoundForms(crawl.clock, crawl.service)
    crawl.ask("/0", "/open")
    crawl.run()
    assert sorted(crawl.pages) == ["/0", "/open"]
    assert (site.refused, crawl.stat("refetched")) == (0, 1)
    assert crawl.sent[-1].headers["Cookie"] == b"csrf=another"
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


class Scripted(Restless):
    """The forms of its gates are sent by a script."""

    def _gate(self, request: Request) -> Response:
        script = b"<script>document.forms[0].onsubmit = () => true</script></body>"
        gate = super()._gate(request)
        return gate.replace(body=gate.body.replace(b"</body>", script))


class BusyPool(BlockingPool):
    """Takes a second for each visit."""

    clock: Clock

    def __init__(self) -> None:
        self.paid: list[Visit] = []
        self.begun = self.paid.append

    async def visit(self, visit: Visit) -> Reading:
        if visit.paid and visit.token:
            self.begun(visit)
        await sleep(self.clock, 1.0)
        return await super().visit(visit)


def test_a_cookie_that_is_set_while_the_scripts_of_the_form_run(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = BusyPool()
    monkeypatch.setattr(virtual, "BlockingPool", lambda: pool)
    crawl = crawling()
    pool.clock = crawl.clock
    site = crawl.sites["shop.example"] = Scripted(crawl.clock, crawl.service)

    def begun(visit: Visit) -> None:
        pool.paid.append(visit)
        if len(pool.paid) == 1:
            crawl.ask("/open")  # which sets the cookie of the forms

    pool.begun = begun
    crawl.ask("/0")
    crawl.run()
    assert sorted(crawl.pages) == ["/0", "/open"]
    assert (site.refused, len(pool.paid)) == (0, 2), "once for each form"
    assert len(crawl.service.created) == 1
    assert crawl.stat("refetched") == 1
    crawl.finish()


def test_a_cookie_that_is_set_while_a_middleware_keeps_the_submission(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawl = crawling()
    site = crawl.sites["shop.example"] = Restless(crawl.clock, crawl.service)
    kept: list[Request] = []
    leave = crawl.middleware.process_request

    async def keep(request: Request) -> Any:
        if request.method == "POST" and not kept:
            kept.append(request)
            crawl.ask("/open")
            await sleep(crawl.clock, 2.0)
        left: Any = leave(request)
        return left

    monkeypatch.setattr(crawl.middleware, "process_request", keep)
    crawl.ask("/0")
    crawl.run()
    assert sorted(crawl.pages) == ["/0", "/open"]
    assert kept
    assert site.refused == 0
    assert len(crawl.service.created) == 1
    assert crawl.stat("refetched") == 1
    crawl.finish()
