"""Sites that try to cost more than they may: money, requests, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from scrapy.http import HtmlResponse, Response

from scrapy_onecaptcha.crawl import sessions as sessions_module
from scrapy_onecaptcha.crawl.payment import MAX_RENEWALS
from scrapy_onecaptcha.crawl.request_meta import role_of
from scrapy_onecaptcha.exceptions import (
    AttemptsExhausted,
    BudgetExceeded,
    CircuitOpen,
    SubmissionRefused,
    TaskFailed,
    UnsolvableGate,
)
from scrapy_onecaptcha.pages.html import MAX_BYTES
from tests.blocking_pool import WaitingPool

from . import virtual
from .models import Model
from .test_flow_sharing import paths
from .virtual import Crawl, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request

    Crawling = Callable[..., Crawl]

MAX_FAILURES = 5


class Slow(Site):
    """Answers a refetch so late that the token is too old by then."""

    async def download(self, request: Request) -> Response:
        self.latency = 70.0 if role_of(request) == "refetch" else 0.1
        return await super().download(request)


class Turncoat(Site):
    """Shows its gate once; a client that has paid finds an error page."""

    def _page(self, request: Request, agent: str) -> Response:
        if role_of(request) is None:
            return super()._page(request, agent)
        return HtmlResponse(request.url, status=503, body=b"Later.", request=request)


class Renewing(Site):
    """Names another sitekey each time, beside the rqdata that it named before."""

    def _gate(self, request: Request) -> Response:
        gate = super()._gate(request)
        key = f"b1b2c3d4-0000-4000-8000-{self.gates:012d}"
        body = gate.text.replace(self.sitekey(""), key).replace(
            "</body>", "<script>hcaptcha.setData(0, {rqdata: 'same'})</script></body>"
        )
        return gate.replace(body=body.encode())


def add(crawl: Crawl, kind: type[Site], **options: Any) -> Any:
    crawl.sites["shop.example"] = kind(crawl.clock, crawl.service, **options)
    return crawl.sites["shop.example"]


def assert_ended(crawl: Crawl, count: int, *errors: type[Exception]) -> None:
    """Assert that each request ended once, and those that failed in *errors*."""
    assert len(crawl.events) == count
    assert crawl.errors
    assert {type(error) for error in crawl.errors} <= set(errors)
    crawl.finish()


def jars(crawl: Crawl, count: int) -> None:
    """Ask for pages in sessions of their own, so that none waits for another."""
    for number in range(count):
        crawl.ask(f"/{number}", meta={"cookiejar": number})


def hosts(crawl: Crawl, count: int, pages: int = 1, **options: Any) -> None:
    """Ask for pages of so many hosts, as a wildcard in DNS makes them."""
    names = [f"a{number}.shop.example" for number in range(count)]
    for name in names:
        crawl.site(name, **options)
    for page in range(pages):
        crawl.ask(*(f"https://{name}/{page}" for name in names))


@pytest.mark.parametrize(
    "to", ["http://shop.example/verify", "http://shop.example:443/"]
)
def test_a_token_does_not_go_down_to_http(crawling: Crawling, to: str) -> None:
    crawl = crawling()
    crawl.site(action=to)
    crawl.ask("/0")
    crawl.run()
    assert "from https down to http" in str(crawl.errors[0])
    assert crawl.service.created == []
    assert_ended(crawl, 1, SubmissionRefused)


def test_no_redirect_leads_a_token_down_to_http(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    class Down(Site):
        def _submitted(self, request: Request, *_: Any) -> Response:
            headers = {"Location": "http://shop.example/0"}
            return Response(request.url, status=302, headers=headers, request=request)

    caplog.set_level("INFO", "scrapy_onecaptcha")
    crawl = crawling(max_attempts=1)
    add(crawl, Down)
    crawl.ask("/0")
    crawl.run()
    assert not [request for request in crawl.sent if request.url.startswith("http:")]
    assert "Not followed after the submission" in caplog.text
    assert_ended(crawl, 1, AttemptsExhausted)


def test_tokens_that_grow_old_at_the_site_open_its_circuit(crawling: Crawling) -> None:
    crawl = crawling()
    add(crawl, Slow)
    crawl.service.user_agent = "Solver/1.0"  # so each gate is fetched again
    jars(crawl, 40)
    crawl.run(7200)
    assert len(crawl.service.created) == MAX_FAILURES
    assert crawl.stat("tokens/expired") == MAX_FAILURES
    assert_ended(crawl, 40, CircuitOpen)


def test_a_gate_that_turns_into_an_error_opens_the_circuit(crawling: Crawling) -> None:
    crawl = crawling()
    add(crawl, Turncoat)
    crawl.service.user_agent = "Solver/1.0"
    jars(crawl, 40)
    crawl.run(7200)
    assert len(crawl.service.created) == MAX_FAILURES
    delivered = [event for event in crawl.events if event.response is not None]
    assert [event.response.status for event in delivered] == [503] * MAX_FAILURES  # type: ignore[union-attr]
    assert_ended(crawl, 40, CircuitOpen)


def test_a_gate_that_is_another_each_time_is_left_alone(crawling: Crawling) -> None:
    crawl = crawling()
    site = add(crawl, Renewing)
    crawl.service.outcome = lambda _: TaskFailed("no", code="ERROR_CAPTCHA_UNSOLVABLE")
    crawl.ask("/0")
    crawl.run()
    assert len(crawl.service.created) == 1
    assert site.downloads <= 1 + 1 + MAX_RENEWALS + 1
    assert "another sitekey each time" in str(crawl.errors[0])
    assert_ended(crawl, 1, UnsolvableGate)


def test_a_gate_with_a_new_sitekey_each_time_costs_no_more(crawling: Crawling) -> None:
    crawl = crawling()
    add(crawl, Renewing, accepts=lambda _: False)
    crawl.ask(*paths(40))
    crawl.run()
    assert len(crawl.service.created) == MAX_FAILURES
    assert_ended(crawl, 40, CircuitOpen, AttemptsExhausted, UnsolvableGate)


def test_a_site_that_accepts_now_and_then_costs_attempts(crawling: Crawling) -> None:
    """The breaker never opens; what bounds it then are attempts and budgets."""
    for most, settings in {60: {}, 25: {"max_tasks_per_site": 25}}.items():
        crawl = crawling(**settings)
        crawl.site(grants="nothing", accepts=lambda number: number % 3 == 0)
        crawl.ask(*paths(20))
        crawl.run()
        assert most / 2 < len(crawl.service.created) <= most
        assert len(crawl.events) == 20
        crawl.finish()


def test_hosts_without_end_cost_the_budget(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a site of its own; little is remembered of each."""
    monkeypatch.setattr(sessions_module, "MAX_SESSIONS", 100)
    crawl = crawling(max_tasks=30, allowed_domains=["shop.example"])
    hosts(crawl, 1000, accepts=lambda _: False)
    crawl.run()
    assert len(crawl.service.created) == 30
    assert len(crawl.coordinator.sessions._kept) <= 100
    assert len(crawl.coordinator.policy._sites) <= 30
    assert_ended(crawl, 1000, AttemptsExhausted, BudgetExceeded)


def test_what_is_forgotten_of_sessions_is_not_paid_for_again(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits is not lost, nor is a clearance that was paid for a moment ago."""
    monkeypatch.setattr(sessions_module, "MAX_SESSIONS", 4)
    crawl = crawling(concurrency=50)
    hosts(crawl, 30, pages=6)
    crawl.run()
    assert len(crawl.pages) == 180
    assert len(crawl.service.created) == 30
    crawl.finish()


def test_gates_by_the_thousand_wait_in_bounds(crawling: Crawling) -> None:
    crawl = crawling(max_parked=100)
    site = crawl.site(accepts=lambda _: False, latency=0.01)
    crawl.ask(*paths(1000))
    crawl.run()
    assert len(crawl.service.created) == MAX_FAILURES
    assert crawl.stat("parked/max") <= 100 + 16
    assert site.downloads <= 1000 + 3 * MAX_FAILURES
    assert_ended(crawl, 1000, CircuitOpen, AttemptsExhausted)


class Large(Site):
    """Shows gates of which no more than their beginning is read."""

    script = ""

    def _gate(self, request: Request) -> Response:
        self.shown: list[Response] = getattr(self, "shown", [])
        gate = super()._gate(request)
        body = gate.body + self.script.encode() + b" " * MAX_BYTES
        self.shown.append(gate.replace(body=body))
        return self.shown[-1]


@pytest.mark.parametrize("share", [True, False])
def test_a_gate_that_is_too_large_is_not_held_while_it_is_solved(
    crawling: Crawling, share: bool
) -> None:
    crawl = crawling(share_clearance=share)
    site = add(crawl, Large)
    crawl.ask(*paths(3))
    crawl.advance(5)
    assert len(crawl.service.created) == (1 if share else 3)
    assert [len(response.body) for response in site.shown] == [0] * 3
    crawl.run()
    assert len(crawl.pages) == 3
    crawl.finish()


def test_a_gate_that_is_too_large_is_not_held_by_its_error(crawling: Crawling) -> None:
    crawl = crawling(max_attempts=1)
    site = add(crawl, Large, accepts=lambda _: False)
    crawl.ask(*paths(2))
    crawl.run()
    assert_ended(crawl, 2, AttemptsExhausted)
    errors: list[Any] = crawl.errors
    assert {error.response for error in errors} <= set(site.shown)
    assert [len(error.response.body) for error in errors] == [0] * 2


def test_a_large_page_lends_its_slot_once_it_is_known_to_be_a_gate(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its scripts run, all of it is held: it may yet be content."""
    scripts = WaitingPool()
    monkeypatch.setattr(virtual, "BlockingPool", lambda: scripts)
    crawl = crawling(concurrency=1)
    site = add(crawl, Large)
    site.script = "<script>document.forms[0].onsubmit = () => true</script>"
    crawl.ask(*paths(3))
    crawl.advance(1)

    assert (crawl.downloader.total_concurrency, site.gates) == (1, 1)
    scripts.started.callback(None)
    crawl.advance(1)
    assert (crawl.downloader.total_concurrency, site.gates) == (4, 3)
    assert [len(response.body) for response in site.shown] == [MAX_BYTES] * 3
    crawl.run()
    assert len(crawl.pages) == 3
    crawl.finish()


# Sites whose clearances are not what they seem


class Changing(Model):
    """Sets another cookie with each answer, and none of them grants anything."""

    def _answer(self, request: Request) -> Response:
        answer = super()._answer(request)
        answer.headers["Set-Cookie"] = f"ok=never{next(self._names)}; Path=/"
        return answer


class Fickle(Model):
    """Lets every second request pass, whatever it carries."""

    def _passes(self, request: Request) -> bool:
        return self.dice.random() < 0.5


class Wandering(Model):
    """Answers each request for a page by another gate address."""

    def _answer(self, request: Request) -> Response:
        if b"h-captcha-response" in request.body:
            return super()._answer(request)
        if urlsplit(request.url).path.startswith("/captcha"):
            return self._gate(request)
        headers = {"Location": f"/captcha/{next(self._names)}"}
        return Response(request.url, status=302, headers=headers, request=request)


class Growing(Model):
    """Leads on from each token to its page with a longer query, and gates that."""

    def _answer(self, request: Request) -> Response:
        if b"h-captcha-response" not in request.body:
            return self._gate(request)
        parts = urlsplit(request.url)
        name = f"p{next(self._names)}"
        query = f"{parts.query}&{name}=1".strip("&")
        headers = {"Location": f"{parts.path}?{query}"}
        return Response(request.url, status=302, headers=headers, request=request)


@pytest.mark.parametrize("kind", [Changing, Wandering, Growing])
def test_a_site_that_grants_nothing_by_other_means_costs_no_more(
    crawling: Crawling, kind: type[Model]
) -> None:
    crawl = crawling(per_domain=8)
    site = kind(crawl.clock, crawl.service)
    crawl.sites["shop.example"] = site
    crawl.ask(*paths(40))
    crawl.run_exactly(400_000)
    tasks = len(crawl.service.created)
    assert tasks == MAX_FAILURES
    # A page each, and for a token its submission, a hop or two, looks and a pass.
    assert len(crawl.sent) <= 40 * 2 + tasks * 12
    assert_ended(crawl, 40, CircuitOpen, AttemptsExhausted)


def test_a_site_that_grants_and_revokes_at_random_costs_attempts(
    crawling: Crawling,
) -> None:
    for most, settings in {120: {}, 12: {"max_tasks": 12}}.items():
        crawl = crawling(per_domain=8, **settings)
        crawl.sites["shop.example"] = Fickle(crawl.clock, crawl.service)
        crawl.ask(*paths(40))
        crawl.run_exactly(400_000)
        tasks = len(crawl.service.created)
        assert tasks <= most
        assert len(crawl.events) == 40
        # Each free replay is paid for by a new clearance.
        assert len(crawl.sent) <= 40 * (tasks + 2) + tasks * 12
        crawl.finish()
