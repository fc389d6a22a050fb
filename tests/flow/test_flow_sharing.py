"""One solve serves a session; no waiting request is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from twisted.internet.error import ConnectionLost

from scrapy_onecaptcha.exceptions import TaskFailed, UnsolvableGate
from tests.blocking_pool import BlockingPool, WaitingPool

from . import virtual
from .models import Model
from .virtual import OTHER_SITEKEY, SITEKEY, Crawl, Site, lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha.scripts.models import Reading, Visit

    Crawling = Callable[..., Crawl]


def paths(number: int) -> list[str]:
    """Return so many paths."""
    return [f"/{n}" for n in range(number)]


@pytest.mark.parametrize("grants", ["cookie", "ip"])
def test_one_task_lets_a_hundred_pages_pass(crawling: Crawling, grants: str) -> None:
    crawl = crawling()
    crawl.site(grants=grants)
    crawl.ask(*paths(100))
    crawl.run()
    assert sorted(crawl.pages) == sorted(paths(100))
    assert len(crawl.service.created) == 1
    assert crawl.stat("tokens/accepted") == 1
    gated = crawl.stat("gates")
    assert crawl.stat("shared") == gated - 1
    crawl.finish()


def test_the_clearance_is_probed_by_one_request_before_the_rest(
    crawling: Crawling,
) -> None:
    crawl = crawling(concurrency=8)
    site = crawl.site(latency=1.0)
    crawl.ask(*paths(8))
    crawl.advance(3)
    sent = len(crawl.sent)
    while not crawl.events:
        crawl.clock.advance(0.1)
    # The leader's submission and replay, then the probe alone.
    crawl.clock.advance(0.5)
    assert len(crawl.sent) - sent == 3
    crawl.clock.advance(1.0)
    assert len(crawl.sent) - sent == 3 + 6
    crawl.run()
    assert len(site.delivered) == 8
    crawl.finish()


@pytest.mark.parametrize(("grants", "told"), [("nothing", 1), ("cookie", 0)])
def test_that_a_site_wants_a_token_for_each_page_is_told_once(
    crawling: Crawling, caplog: pytest.LogCaptureFixture, grants: str, told: int
) -> None:
    caplog.set_level("INFO", "scrapy_onecaptcha")
    crawl = crawling()
    crawl.site(grants=grants)
    crawl.ask(*paths(6))
    crawl.run()
    assert caplog.text.count("wants a token for each page") == told
    crawl.finish()


def test_a_site_that_grants_nothing_is_solved_side_by_side(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site(grants="nothing")
    crawl.ask(*paths(12))
    crawl.run()
    assert sorted(crawl.pages) == sorted(paths(12))
    assert len(crawl.service.created) == 12
    assert crawl.service.open_most == 4  # 1, 1, 2, 4 …: as many as opened nothing else
    assert crawl.clock.seconds() < 6 * 16
    crawl.finish()


def test_that_a_site_grants_nothing_is_forgotten_after_the_cooldown(
    crawling: Crawling,
) -> None:
    crawl = crawling(cooldown=60.0)
    site = crawl.site(grants="nothing")
    crawl.ask(*paths(3))
    crawl.run()
    crawl.advance(61)
    site.grants = "cookie"
    crawl.ask("/a", "/b", "/c")
    crawl.run()
    assert len(crawl.pages) == 6
    assert len(crawl.service.created) == 3 + 1
    crawl.finish()


def test_a_clearance_that_expires_starts_one_new_solve(crawling: Crawling) -> None:
    crawl = crawling(concurrency=50)
    site = crawl.site()
    crawl.ask(*paths(50))
    crawl.run()
    site.clearances.clear()
    before = site.gates
    crawl.ask(*[f"/again{n}" for n in range(50)])
    crawl.run()
    assert len(crawl.pages) == 100
    assert len(crawl.service.created) == 2
    assert site.gates - before <= 8 + 2, "a window, and no stampede"
    crawl.finish()


def test_two_cookiejars_have_a_clearance_each(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site()
    for jar in (1, 2):
        crawl.ask(*[f"/{jar}-{n}" for n in range(5)], meta={"cookiejar": jar})
    crawl.run()
    assert len(crawl.pages) == 10
    assert len(crawl.service.created) == 2
    crawl.finish()


def test_two_proxies_have_a_clearance_each(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site(grants="ip")
    for proxy in ("http://one.proxy:8080", "http://two.proxy:8080"):
        crawl.ask(*[f"/{proxy[7:10]}{n}" for n in range(5)], meta={"proxy": proxy})
    crawl.run()
    assert len(crawl.pages) == 10
    assert len(crawl.service.created) == 2
    crawl.finish()


def test_two_sitekeys_of_a_site_do_not_confuse_each_other(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.site(sitekey=lambda path: OTHER_SITEKEY if "b" in path else SITEKEY)
    crawl.ask(*[f"/a{n}" for n in range(5)], *[f"/b{n}" for n in range(5)])
    crawl.run()
    assert len(crawl.pages) == 10
    assert sorted(t.sitekey for t in crawl.service.created) == [SITEKEY, OTHER_SITEKEY]
    crawl.finish()


def test_without_sharing_every_gated_page_is_solved(crawling: Crawling) -> None:
    crawl = crawling(share_clearance=False)
    crawl.site()
    crawl.ask(*paths(5))
    crawl.run()
    assert len(crawl.pages) == 5
    assert len(crawl.service.created) == 5
    crawl.finish()


def test_a_leader_that_fails_hands_over(crawling: Crawling) -> None:
    crawl = crawling(max_attempts=1)
    crawl.site()
    crawl.service.outcome = lambda n: TaskFailed("no") if n == 1 else None
    crawl.ask(*paths(5))
    crawl.run()
    assert len(crawl.pages) == 4
    assert [type(error).__name__ for error in crawl.errors] == ["AttemptsExhausted"]
    assert len(crawl.service.created) == 2
    crawl.finish()


def test_a_leader_whose_submission_is_dropped_hands_over(crawling: Crawling) -> None:
    crawl = crawling()
    site = crawl.site()
    # The submission and the replay after it, of the first leader only.
    site.fault = lambda n, _: ConnectionLost() if n in (6, 7) else None
    crawl.ask(*paths(5))
    crawl.run()
    assert len(crawl.pages) == 4
    assert [type(error) for error in crawl.errors] == [ConnectionLost]
    crawl.finish()


def test_a_lost_submission_is_followed_by_a_free_replay(crawling: Crawling) -> None:
    """The token may have arrived: the site has granted, though no answer came."""
    crawl = crawling()
    site = crawl.site(fault=lost(2))
    site.clearances[None, SITEKEY] = ["crawler/1.0", 0]  # gone at the first look

    crawl.ask("/0")
    crawl.advance(8)
    site.clearances[None, SITEKEY] = ["crawler/1.0", None]
    crawl.run()
    assert crawl.pages == ["/0"]
    assert len(crawl.service.created) == 1
    crawl.finish()


def test_late_gates_of_an_older_clearance_are_replayed_free(crawling: Crawling) -> None:
    crawl = crawling()
    site = crawl.site(latency=0.1)
    crawl.ask("/0")
    crawl.advance(1)
    site.latency = 30.0  # sent before the clearance, gated after it
    crawl.ask("/late")
    crawl.clock.advance(0.01)
    crawl.clock.advance(0.01)
    site.latency = 0.1
    crawl.run()
    assert sorted(crawl.pages) == ["/0", "/late"]
    assert len(crawl.service.created) == 1
    crawl.finish()


def test_a_gated_session_waits_unsent(crawling: Crawling) -> None:
    crawl = crawling(concurrency=4)
    site = crawl.site()
    crawl.ask(*paths(60))
    crawl.advance(5)
    assert site.gates == 8  # a window, which is no more than it takes to know
    assert crawl.coordinator.loans.waiting == 60
    crawl.run()
    assert sorted(crawl.pages) == sorted(paths(60))
    assert len(crawl.service.created) == 1
    crawl.finish()


class ScriptedSite(Site):
    """Gates that have to be run to be read."""

    def _gate(self, request: Request) -> Response:
        return virtual.keyed_by_script(super()._gate(request))


@pytest.mark.parametrize("shares", [True, False])
def test_a_session_whose_gates_are_being_read_waits_unsent(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch, shares: bool
) -> None:
    scripts = WaitingPool()
    monkeypatch.setattr(virtual, "BlockingPool", lambda: scripts)
    crawl = crawling(concurrency=4, share_clearance=shares)
    site = crawl.sites["shop.example"] = ScriptedSite(crawl.clock, crawl.service)
    crawl.ask(*paths(60))
    crawl.advance(5)
    assert site.gates == (8 if shares else 60)
    scripts.started.callback(None)
    crawl.run()
    assert sorted(crawl.pages) == sorted(paths(60))
    assert len(crawl.service.created) == (1 if shares else 60)
    crawl.finish()


class Submitting(Site):
    """Its gates are gates by their HTML; what they send is told by their scripts."""

    def _gate(self, request: Request) -> Response:
        script = b"<script>document.forms[0].onsubmit = () => true</script></body>"
        gate = super()._gate(request)
        return gate.replace(body=gate.body.replace(b"</body>", script))


def test_scripts_are_run_of_the_gate_that_is_paid_for(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    visited = Visited()
    monkeypatch.setattr(virtual, "BlockingPool", lambda: visited)
    crawl = crawling(concurrency=16, per_domain=16)
    crawl.sites["shop.example"] = Submitting(crawl.clock, crawl.service)
    crawl.ask(*paths(60))
    crawl.run()
    assert sorted(crawl.pages) == sorted(paths(60))
    assert len(crawl.service.created) == 1
    assert len(set(visited.urls)) == 1
    crawl.finish()


class Visited(BlockingPool):
    def __init__(self) -> None:
        self.urls: list[str] = []

    async def visit(self, visit: Visit) -> Reading:
        self.urls.append(visit.url)
        return await super().visit(visit)


class CookieByScript(Site):
    """A visitor with a script engine passes without a token."""

    def _is_clear(self, request: Request, agent: str) -> bool:
        return b"js=1" in (request.headers.get("Cookie") or b"")

    def _gate(self, request: Request) -> Response:
        script = b"document.cookie = 'js=1; path=/'; location.reload()"
        gate = super()._gate(request)
        setting = b"<script>%b</script></body>" % script
        body = gate.body.replace(b"form", b"div").replace(b"</body>", setting)
        return gate.replace(body=body)


@pytest.mark.parametrize("shares", [True, False])
def test_a_cookie_that_scripts_set_is_tried_before_anything_is_paid(
    crawling: Crawling, shares: bool
) -> None:
    crawl = crawling(concurrency=8, share_clearance=shares)
    crawl.sites["shop.example"] = CookieByScript(crawl.clock, crawl.service)
    crawl.ask(*paths(20))
    crawl.run(60)
    assert sorted(crawl.pages) == sorted(paths(20))
    assert crawl.service.created == []
    crawl.finish()


class CookiesWithoutEnd(CookieByScript):
    """Its gates set another cookie each time, and let nobody pass for it."""

    def _is_clear(self, request: Request, agent: str) -> bool:
        return False

    def _gate(self, request: Request) -> Response:
        gate = super()._gate(request)
        return gate.replace(body=gate.body.replace(b"js=1", b"js%d=1" % self.gates))


def test_cookies_of_scripts_are_tried_once_for_each_page(crawling: Crawling) -> None:
    crawl = crawling(concurrency=4)
    site = crawl.sites["shop.example"] = CookiesWithoutEnd(crawl.clock, crawl.service)
    crawl.ask(*paths(4))
    crawl.run(60)
    assert [type(event.error) for event in crawl.events] == [UnsolvableGate] * 4
    assert site.gates <= 2 * 4
    crawl.finish()


class OtherKey(Site):
    """Its HTML has a sitekey that its scripts replace."""

    def _gate(self, request: Request) -> Response:
        script = b"<script>document.querySelector('.h-captcha').dataset.sitekey = '%b'"
        gate = super()._gate(request)
        setting = script % OTHER_SITEKEY.encode() + b"</script></body>"
        return gate.replace(body=gate.body.replace(b"</body>", setting))


def test_the_sitekey_is_the_one_that_scripts_set(crawling: Crawling) -> None:
    crawl = crawling()
    crawl.sites["shop.example"] = OtherKey(
        crawl.clock, crawl.service, sitekey=lambda _: SITEKEY
    )
    crawl.ask(*paths(3))
    crawl.run()
    assert {task.sitekey for task in crawl.service.created} == {OTHER_SITEKEY}
    crawl.finish()


def test_a_gate_that_cannot_be_read_keeps_nobody_waiting(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = WaitingPool()
    monkeypatch.setattr(virtual, "BlockingPool", lambda: scripts)
    crawl = crawling(concurrency=4)
    crawl.sites["shop.example"] = ScriptedSite(crawl.clock, crawl.service)
    crawl.ask(*paths(20))
    crawl.advance(5)
    crawl.ask(*paths(20))
    monkeypatch.setattr(scripts, "visit", broken)
    scripts.started.errback(ValueError("Broken."))
    crawl.run()
    assert [type(event.error) for event in crawl.events] == [ValueError] * 40
    crawl.finish()


async def broken(visit: Visit) -> Reading:
    raise ValueError("Broken.")


def test_a_gated_session_does_not_hold_other_sessions(crawling: Crawling) -> None:
    crawl = crawling(concurrency=4)
    crawl.site()
    crawl.site("other.example", gated=lambda _: False)
    crawl.ask(*paths(40))
    crawl.advance(3)
    crawl.ask("https://other.example/free", "/x")
    crawl.advance(1)
    assert crawl.pages == ["/free"]
    crawl.run()
    assert len(crawl.pages) == 42
    crawl.finish()


@pytest.mark.parametrize("most", [0, 1, 3, 20])
@pytest.mark.parametrize("grants", ["cookie", "nothing"])
def test_no_more_requests_are_taken_than_may_wait(
    crawling: Crawling, most: int, grants: str
) -> None:
    """Gated and unsent ones, of all sites together; and nobody waits for ever."""
    crawl = crawling(concurrency=4, max_held=most, max_failures=50)
    for host in ("shop.example", "other.example", "third.example"):
        crawl.site(host, grants=grants)
        crawl.ask(*[f"https://{host}{path}" for path in paths(20)])
    taken = 0
    while len(crawl.events) < 60:
        crawl.clock.advance(0.1)
        taken = max(taken, 60 - len(crawl._scheduled) - len(crawl.events))
        assert crawl.clock.seconds() < 10_000
    assert taken == 4 + most
    assert sorted(crawl.pages) == sorted(paths(20) * 3)
    crawl.finish()


OWN = "scrapy.core.scheduler.Scheduler"


@pytest.mark.parametrize(
    ("scheduler", "jobdir", "held"),
    [(OWN, None, 50), (OWN, "crawls/1", 4 * 4), ("other.Scheduler", None, 4 * 4)],
)
def test_of_a_queue_that_is_kept_or_shared_less_is_held(
    crawling: Crawling, scheduler: str, jobdir: str | None, held: int
) -> None:
    """A crash loses little of it, and another process gets its share."""
    queue = {"SCHEDULER": scheduler, "JOBDIR": jobdir, "CONCURRENT_REQUESTS": 4}
    crawl = crawling(concurrency=4, max_parked=50, scrapy_settings=queue)
    crawl.site()
    crawl.ask(*paths(100))
    crawl.advance(5)
    assert 100 - len(crawl._scheduled) == 4 + held
    crawl.run()
    assert len(crawl.pages) == 100
    crawl.finish()


def test_held_requests_go_on_when_the_solve_fails(crawling: Crawling) -> None:
    crawl = crawling(concurrency=4, max_failures=1)
    crawl.site(accepts=lambda _: False)
    crawl.ask(*paths(40))
    crawl.run()
    assert len(crawl.errors) == 40
    assert len(crawl.service.created) == 1
    crawl.finish()


@pytest.mark.parametrize("kind", ["domain", "hosts"])
def test_hosts_of_a_domain_that_one_clearance_opens_become_one_session(
    crawling: Crawling, kind: str
) -> None:
    crawl = crawling()
    model = Model(crawl.clock, crawl.service, kind=kind, hosts=4)
    for name in model.names:
        crawl.sites[name] = model
    crawl.ask(*[model.url(number) for number in range(12)])
    crawl.run_exactly()
    assert len(crawl.pages) == 12
    one = kind == "domain"
    assert len(crawl.service.created) == (1 if one else 4)
    assert len(crawl.coordinator.sessions.all()) == (1 if one else 4)
    crawl.finish()
