"""Several crawls, or one after another, on one store: in virtual time."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.exceptions import IgnoreRequest

from scrapy_onecaptcha._twisted import sleep
from scrapy_onecaptcha.crawl.store import CrawlStore
from scrapy_onecaptcha.exceptions import (
    BudgetExceeded,
    CircuitOpen,
    StoreUnavailable,
    TaskFailed,
)
from scrapy_onecaptcha.stores.base import LEASE_SECONDS, Limits, StoreFault
from scrapy_onecaptcha.stores.guard import REST_SECONDS, GuardedStore
from scrapy_onecaptcha.stores.memory import MemoryRows, MemoryStore

from .models import HOST, Model
from .virtual import Crawl

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.stores.rules import Rules

DAY = 86_400.0


class Shaky(MemoryStore):
    """A store that can be down."""

    is_down = False

    def __init__(self, owner: str, limits: Limits, rows: MemoryRows) -> None:
        super().__init__(owner, limits, rows)
        self.asked: list[float] = []

    async def _run(self, call: Callable[[Rules], Any]) -> Any:
        self.asked.append(self._rows.now())
        if self.is_down:
            raise StoreFault("connection refused")
        return await super()._run(call)


class World:
    """Crawls in the same time, on the same sites, with one store.

    Args:
        site: of the model.
    """

    def __init__(self, **site: Any) -> None:
        self.crawls: list[Crawl] = []
        self.stores: list[Shaky] = []
        self.rows = MemoryRows(lambda: 0.0)
        self._site = site
        self.model: Any = None

    def crawl(
        self,
        *,
        limits: Limits | None = None,
        egress: str = "host",
        account: str = "account",
        on_fault: Any = "fail",
        **options: Any,
    ) -> Crawl:
        """Return one more process."""
        beside = self.crawls[0] if self.crawls else None
        number = len(self.crawls)
        store = Shaky(f"owner-{number}", limits or Limits(), self.rows)
        clock = _Late(beside)
        guarded = GuardedStore(
            store, clock, 60, on_fault, MemoryStore("local", limits), lambda: 0.5
        )
        shared = CrawlStore(
            store=guarded,
            run=f"run-{number}",
            egress=egress,
            account=account,
            max_tasks=limits.max_tasks if limits else 0,
            wall=lambda: clock.seconds() + 1e9,
        )
        crawl = Crawl(beside=beside, store=shared, seed=number, **options)
        clock.crawl = crawl
        self.rows.now = lambda: crawl.clock.seconds() + 1e9
        if self.model is None:
            self.model = Model(crawl.clock, crawl.service, **self._site)
        for name in self.model.names:
            crawl.sites[name] = self.model
        self.crawls.append(crawl)
        self.stores.append(store)
        return crawl

    def run(self, seconds: float = 7200.0) -> None:
        until = self.crawls[0].clock.seconds() + seconds
        while not all(crawl.is_idle for crawl in self.crawls):
            self.crawls[0].clock.advance(0.25)
            assert self.crawls[0].clock.seconds() < until, "stuck"

    def advance(self, seconds: float) -> None:
        """Let virtual time pass."""
        for _ in range(int(seconds * 20)):
            self.crawls[0].clock.advance(0.05)

    def ask(self, crawl: Crawl, numbers: range) -> None:
        crawl.ask(*[self.model.url(number) for number in numbers])

    def finish(self) -> None:
        self.run()
        for crawl in self.crawls:
            done: list[Any] = []
            from twisted.internet.defer import Deferred

            closing = Deferred.fromCoroutine(crawl.middleware.spider_closed())
            closing.addBoth(done.append)
            if not done:  # what was earned waits for a store that may come back
                self.advance(LEASE_SECONDS)
            assert done == [None]
        calls: list[Any] = list(self.crawls[0].clock.getDelayedCalls())
        left = [call for call in calls if call.active()]
        assert not left, left

    @property
    def tasks(self) -> int:
        return len(self.crawls[0].service.created)

    @property
    def agents(self) -> set[str]:
        return {
            (request.headers.get("User-Agent") or b"").decode()
            for crawl in self.crawls
            for request in crawl.sent[-1:]
        }


class _Late:
    """The clock of a crawl that is not made yet."""

    def __init__(self, beside: Crawl | None) -> None:
        self.crawl = beside

    def seconds(self) -> float:
        return self.crawl.clock.seconds() if self.crawl else 0.0

    def callLater(self, delay: float, call: Any, *args: Any) -> Any:  # noqa: N802
        assert self.crawl is not None
        return self.crawl.clock.callLater(delay, call, *args)


def delivered(crawl: Crawl) -> int:
    assert crawl.errors == []
    return len(crawl.pages)


# Clearances


def test_processes_pay_once() -> None:
    world = World()
    for _ in range(4):
        crawl = world.crawl()
        world.ask(crawl, range(50))
    world.finish()
    assert [delivered(crawl) for crawl in world.crawls] == [50] * 4
    assert world.tasks == 1


def test_the_next_run_pays_nothing() -> None:
    world = World()
    for number in range(3):
        crawl = world.crawl()
        world.ask(crawl, range(10))
        world.run()
        assert world.tasks == 1, number
        assert crawl.stat("clearances/imported") == min(number, 1)
    assert all(delivered(crawl) == 10 for crawl in world.crawls)
    world.finish()


def test_that_a_run_starts_from_a_stored_clearance_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "scrapy_onecaptcha")
    world = World()
    for run in range(2):
        crawl = world.crawl()
        for jar in "ab":
            crawl.ask(world.model.url(1), meta={"cookiejar": jar})
        world.run()
        said = [m for m in caplog.messages if "a clearance from the store is" in m]
        assert (len(said), crawl.stat("clearances/imported")) == (run, 2 * run)
    world.finish()
    assert world.tasks == 2


def test_the_end_of_a_clearance_is_told_when_a_stored_one_follows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "scrapy_onecaptcha")
    world = World()
    one = world.crawl()
    world.ask(one, range(5))
    world.run()
    for grant in world.model.grants.values():
        grant.revoked = True
    two = world.crawl()
    world.ask(two, range(5))
    world.run()
    assert not [text for text in caplog.messages if "opened 5 pages" in text]
    world.ask(one, range(5, 10))
    world.run()
    assert [text for text in caplog.messages if "opened 5 pages" in text]
    assert one.stat("clearances/imported") == 1
    world.finish()
    assert world.tasks == 2


def test_a_page_that_was_paid_for_uselessly_is_not_one_that_was_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    crawls = [world.crawl() for _ in range(2)]
    leases, calls = crawls[0].coordinator._leases, itertools.count()
    take = leases.take

    async def give_way(gate: Any) -> Any:
        await sleep(crawls[0].clock, 10.0 * next(calls))
        return await take(gate)

    monkeypatch.setattr(leases, "take", give_way)
    crawls[0].service.outcome = lambda number: TaskFailed("no") if number == 1 else None
    for crawl in crawls:
        world.ask(crawl, range(1))
        world.advance(2)
    world.run()
    assert [delivered(crawl) for crawl in crawls] == [1, 1]
    assert world.tasks == 2
    assert [crawl.stat("clearances/imported") for crawl in crawls] == [1, 0]
    assert [crawl.stat("shared") for crawl in crawls] == [0, 0]
    world.finish()


def test_a_user_agent_goes_along() -> None:
    world = World(kind="agent")
    one = world.crawl()
    one.service.user_agent = "Mozilla/5.0 (the token's)"
    world.ask(one, range(5))
    world.run()
    two = world.crawl()
    world.ask(two, range(5))
    world.finish()
    assert (delivered(one), delivered(two), world.tasks) == (5, 5, 1)
    assert world.agents == {"Mozilla/5.0 (the token's)"}


class Passing(Model):
    """Grants a pass in the URL, and sets no cookie."""

    def _submitted(self, request: Any, token: str) -> Any:
        answer = super()._submitted(request, token)
        if answer.status == 302:
            cookie = answer.headers.pop("Set-Cookie")[0].decode()
            name = cookie.partition("=")[2].partition(";")[0]
            path = (answer.headers["Location"] or b"").decode()
            answer.headers["Location"] = f"{path}?pass={name}"
        return answer

    def _held(self, request: Any) -> Any:
        return self.grants.get(request.url.partition("?pass=")[2])


def test_a_pass_in_the_url() -> None:
    world = World()
    one = world.crawl()
    world.model = Passing(one.clock, one.service)
    for number in range(3):
        crawl = one if number == 0 else world.crawl()
        crawl.sites[HOST] = world.model
        world.ask(crawl, range(5))
        world.run()
        assert delivered(crawl) == 5
    world.finish()
    assert world.tasks == 1


@pytest.mark.parametrize("gate", ["place", "next", "one"])
def test_gates_at_an_address(gate: str) -> None:
    world = World(gate=gate)
    for _ in range(2):
        world.ask(world.crawl(), range(10))
        world.run()
    world.finish()
    assert [delivered(crawl) for crawl in world.crawls] == [10, 10]
    assert world.tasks == 1


class Server(Model):
    """Remembers in its own memory which sessions are cleared, as PHP does."""

    def _new(self, request: Any) -> str:
        held = super()._new(request)
        name = held.partition("=")[2].partition(";")[0]
        self.cleared[self._cookie(request, "sid") or ""] = self.grants[name]
        return "other=1; Path=/"

    def _held(self, request: Any) -> Any:
        return self.cleared.get(self._cookie(request, "sid") or "")

    cleared: dict[str, Any]


@pytest.mark.parametrize("gate", ["next", "one"])
def test_a_session_that_the_site_itself_remembers(gate: str) -> None:
    """The cookie comes with the redirect to the gate, and the token changes none."""
    world = World()
    one = world.crawl()
    world.model = Server(one.clock, one.service, gate=gate)
    world.model.cleared = {}
    for number in range(3):
        crawl = one if number == 0 else world.crawl()
        crawl.sites[HOST] = world.model
        world.ask(crawl, range(5))
        world.run()
    world.finish()
    assert [delivered(crawl) for crawl in world.crawls] == [5] * 3
    assert world.tasks == 1


def _set_cart(crawl: Crawl, value: str, name: str = "cart") -> None:
    from scrapy.http import Response

    jar = crawl.virtual.cookies_middleware.jars[None]
    url = f"https://{HOST}/"
    headers = {"Set-Cookie": f"{name}={value}"}
    jar.extract_cookies(Response(url, headers=headers), Request(url))


def _cart(crawl: Crawl) -> list[str | None]:
    jar = crawl.virtual.cookies_middleware.jars[None].jar
    return [cookie.value for cookie in jar if cookie.name == "cart"]


@pytest.mark.parametrize("gate", ["place", "next", "one"])
def test_a_cart_is_neither_stored_nor_overwritten(gate: str) -> None:
    world = World(gate=gate, pages=4)
    one, two = world.crawl(), world.crawl()
    _set_cart(one, "of-one")
    world.ask(one, range(6))
    world.run()
    _set_cart(two, "of-two")
    world.ask(two, range(6))
    world.finish()
    assert (delivered(one), delivered(two)) == (6, 6)
    assert (_cart(one), _cart(two)) == (["of-one"], ["of-two"])
    (entry,) = _show(world)
    assert entry.clearance is not None
    assert "cart" not in {cookie["name"] for cookie in entry.clearance.cookies}


def test_a_login_of_the_same_name_is_not_overwritten() -> None:
    """What one process was granted anew, another one may have since its login."""
    world = World()
    one, two = world.crawl(), world.crawl()
    world.ask(one, range(3))
    world.run()
    _set_cart(two, "of-a-login", "ok")
    world.ask(two, range(3))
    world.run(300)
    first = next(n for n, sent in enumerate(two.sent) if sent.method == "POST")
    cookies = {sent.headers.get("Cookie") for sent in two.sent[:first]}
    assert cookies == {b"ok=of-a-login"}
    world.finish()
    assert (delivered(two), world.tasks) == (3, 2)


@pytest.mark.parametrize("pages", [10, 25])
def test_a_clearance_that_ends_is_dropped(pages: int) -> None:
    world = World(pages=pages)
    for _ in range(4):
        world.ask(world.crawl(), range(50))
    world.finish()
    assert [delivered(crawl) for crawl in world.crawls] == [50] * 4
    least = 200 // pages
    assert world.tasks <= 2 * least
    # What is left in the store is what still opens pages, if anything.
    tasks = world.tasks
    world.ask(world.crawl(), range(2))
    world.finish()
    assert world.tasks <= tasks + 1


def test_a_clearance_of_another_address_is_not_tried() -> None:
    world = World()
    world.ask(world.crawl(egress="one"), range(5))
    world.run()
    two = world.crawl(egress="two")
    world.ask(two, range(5))
    world.finish()
    assert (delivered(two), world.tasks) == (5, 2)


def test_a_clearance_that_fails_elsewhere_is_not_deleted() -> None:
    """It is good for one machine, and not for another that says it is the same."""
    world = World(kind="forever")
    one = world.crawl()
    world.ask(one, range(5))
    world.run()
    held = world.model._held
    grants = dict(world.model.grants)
    two = world.crawl()

    def only_ones(request: Any) -> Any:
        return None if request in two.sent else held(request)

    world.model._held = only_ones
    world.model.grants.clear()
    world.model.grants.update(grants)
    world.ask(two, range(1))
    world.run(200)
    (entry,) = _show(world)
    assert entry.clearance is not None
    assert two.service.created


def _show(world: World) -> Any:
    from tests.unit.helpers import Run

    return Run(MemoryStore("tool", Limits(), world.rows).show()).value


def test_a_site_that_wants_a_token_for_each_page() -> None:
    world = World(kind="answer")
    for _ in range(3):
        world.ask(world.crawl(), range(12))
    world.finish()
    assert [delivered(crawl) for crawl in world.crawls] == [12] * 3
    assert world.tasks == 36
    (entry,) = _show(world)
    assert entry.token_per_page


def test_a_cookiejar_that_is_an_object_stays_local() -> None:
    world = World()
    for _ in range(2):
        crawl = world.crawl()
        crawl.ask(world.model.url(1), meta={"cookiejar": ("a", 1)})
        world.run()
    world.finish()
    assert world.tasks == 2


def test_nothing_is_shared_where_it_is_switched_off() -> None:
    world = World()
    for _ in range(2):
        world.ask(world.crawl(share_clearance=False), range(1))
        world.run()
    world.finish()
    assert world.tasks == 2
    assert _show(world) == ()


# Leases


def test_a_process_that_is_killed_frees_its_lease() -> None:
    world = World()
    one, two = world.crawl(), world.crawl()
    world.ask(one, range(5))
    world.advance(2)
    assert world.tasks == 1
    world.ask(two, range(5))
    world.advance(1)
    # Killed: it neither renews nor publishes any more.
    world.stores[0].is_down = True
    world.advance(50)
    assert delivered(two) == 5
    assert world.tasks == 2


def test_a_long_solve_keeps_its_lease() -> None:
    """Three times as long as a lease lasts by itself: it is renewed meanwhile."""
    world = World()
    one, two = world.crawl(), world.crawl()
    one.service.latency = 3 * LEASE_SECONDS
    world.ask(one, range(2))
    world.advance(2)
    world.ask(two, range(2))
    world.finish()
    assert (delivered(one), delivered(two), world.tasks) == (2, 2, 1)


def test_a_process_that_waits_asks_twice_a_second_at_most() -> None:
    world = World()
    one, two, three = world.crawl(), world.crawl(), world.crawl()
    one.service.latency = 20.0
    world.ask(one, range(1))
    world.advance(1)
    world.ask(two, range(9))
    world.ask(three, range(9))
    world.advance(2)
    for store in world.stores:
        store.asked.clear()
    world.advance(15)
    gaps = [
        [later - before for before, later in itertools.pairwise(store.asked)]
        for store in world.stores[1:]
    ]
    for each in gaps:
        assert 0.5 <= min(each) < max(each) <= 1.1, each
    assert gaps[0] != gaps[1]  # or they would all ask at the same moment
    world.finish()
    assert world.tasks == 1


def test_a_process_that_stops_frees_its_lease_at_once() -> None:
    world = World()
    one, two = world.crawl(), world.crawl()
    one.service.latency = 100.0
    world.ask(one, range(1))
    world.advance(2)
    assert world.tasks == 1
    one.stop()
    world.advance(1)
    world.ask(two, range(1))
    world.advance(4)
    assert world.tasks == 2  # long before the lease would have ended


# Money


def test_a_budget_of_all_processes() -> None:
    world = World(kind="answer")
    limits = Limits(max_tasks=10)
    for _ in range(4):
        world.ask(world.crawl(limits=limits), range(12))
    world.run()
    assert world.tasks == 10
    errors = [error for crawl in world.crawls for error in crawl.errors]
    assert {type(error) for error in errors} == {BudgetExceeded}
    assert sum(len(crawl.pages) for crawl in world.crawls) == 10
    assert "ONECAPTCHA_SHARED_MAX_TASKS: 10 tasks" in str(errors[0])
    world.finish()


def test_a_task_that_the_service_refuses_is_given_back() -> None:
    from scrapy_onecaptcha.exceptions import Unavailable

    world = World()
    crawl = world.crawl(limits=Limits(max_tasks=1))

    def busy(number: int) -> Exception | None:
        return Unavailable("no slot", answered=True) if number < 4 else None

    crawl.service.creating = busy
    world.ask(crawl, range(3))
    world.finish()
    assert (delivered(crawl), world.tasks) == (3, 1)


def test_a_breaker_of_all_processes() -> None:
    world = World(refusal=1.0)
    limits = Limits(max_failures=5)
    for _ in range(4):
        world.ask(world.crawl(limits=limits, max_attempts=9), range(4))
    world.run()
    assert world.tasks == 5
    errors = [error for crawl in world.crawls for error in crawl.errors]
    assert len(errors) == 16
    assert {type(error) for error in errors} == {CircuitOpen}
    world.finish()


def test_a_task_that_fails_frees_its_lease() -> None:
    world = World()
    one, two = world.crawl(), world.crawl()
    failing: Any = lambda number: TaskFailed("no") if number == 1 else None  # noqa: E731
    one.service.outcome = failing
    world.ask(one, range(3))
    world.ask(two, range(3))
    world.finish()
    assert [delivered(crawl) for crawl in world.crawls] == [3, 3]
    assert world.tasks == 2


def test_an_account_that_is_refused_silences_all() -> None:
    from scrapy_onecaptcha.exceptions import AccountError

    world = World()
    crawls = [world.crawl() for _ in range(3)]
    crawls[0].service.creating = lambda _: AccountError("empty", answered=True)
    for crawl in crawls:
        world.ask(crawl, range(2))
        world.run()
    assert crawls[0].service.create_calls == 1
    errors = [error for crawl in crawls for error in crawl.errors]
    assert len(errors) == 6
    assert {type(error) for error in errors} == {AccountError}
    assert "Another process was told: empty" in str(crawls[1].errors[0])
    # Who begins later asks by itself: the account may be filled by now.
    crawls[0].service.creating = lambda _: None
    world.advance(5)
    later = world.crawl()
    world.ask(later, range(2))
    world.finish()
    assert (delivered(later), world.tasks) == (2, 1)


def test_an_account_of_another_key_is_none_of_ours() -> None:
    from scrapy_onecaptcha.exceptions import AccountError

    world = World()
    one, two = world.crawl(account="one"), world.crawl(account="two")
    one.service.creating = lambda n: (
        AccountError("no", answered=True) if n < 2 else None
    )
    world.ask(one, range(1))
    world.run()
    world.ask(two, range(1))
    world.finish()
    assert (len(one.errors), delivered(two)) == (1, 1)


def test_a_block_silences_all_until_it_is_over() -> None:
    from scrapy_onecaptcha.exceptions import BlockedError

    world = World()
    one, two = world.crawl(), world.crawl()

    def blocked(number: int) -> Exception | None:
        error = BlockedError("blocked", answered=True)
        error.seconds = 100
        return error if number == 1 else None

    one.service.creating = blocked
    world.ask(one, range(1))
    world.run()
    world.ask(two, range(1))
    world.run()
    assert one.service.create_calls == 1
    assert [type(error) for error in two.errors] == [BlockedError]
    world.advance(101)
    later = world.crawl()
    world.ask(later, range(1))
    world.run()
    assert delivered(later) == 1


# The snapshot


def test_the_store_in_the_snapshot() -> None:
    world = World(pages=5)
    limits = Limits(max_tasks=3)
    one = world.crawl(limits=limits)
    empty = one.middleware.snapshot()["store"]
    nothing = {"silent_seconds": 0.0, "imported": 0, "tasks": None}
    assert empty == {**nothing, "budget_left": None}
    world.ask(one, range(3))
    world.run()
    paid = one.middleware.snapshot()["store"]
    assert paid == {**nothing, "tasks": 1, "budget_left": 2}
    two = world.crawl(limits=limits)
    world.ask(two, range(2))
    world.run()
    imported = two.middleware.snapshot()["store"]
    assert imported == {**nothing, "imported": 1, "budget_left": None}
    world.ask(two, range(2, 30))
    world.run()
    assert world.tasks == 3
    spent = two.middleware.snapshot()["store"]
    assert spent is not None
    assert (spent["tasks"], spent["budget_left"]) == (3, 0)
    world.stores[0].is_down = True
    world.ask(one, range(5, 25))
    world.advance(20)
    silent = one.middleware.snapshot()["store"]
    assert silent is not None
    assert silent["silent_seconds"] > 0
    world.finish()


# Faults


def test_without_the_store_nothing_is_paid() -> None:
    world = World()
    crawl = world.crawl()
    world.stores[0].is_down = True
    world.ask(crawl, range(5))
    world.run(300)
    assert world.tasks == 0
    assert {type(error) for error in crawl.errors} == {StoreUnavailable}
    assert all(isinstance(error, IgnoreRequest) for error in crawl.errors)
    assert crawl.stat("failed/store_unavailable") == 5
    world.finish()


def test_a_store_that_comes_back_is_waited_for() -> None:
    world = World()
    crawl = world.crawl()
    world.stores[0].is_down = True
    world.ask(crawl, range(5))
    world.advance(20)
    world.stores[0].is_down = False
    world.finish()
    assert (delivered(crawl), world.tasks) == (5, 1)


def test_sessions_that_are_cleared_go_on_without_it() -> None:
    world = World()
    crawl = world.crawl()
    world.ask(crawl, range(5))
    world.run()
    world.stores[0].is_down = True
    world.ask(crawl, range(5, 50))
    world.finish()
    assert (delivered(crawl), world.tasks) == (50, 1)


def test_a_store_that_fails_during_a_solve_loses_no_page() -> None:
    world = World()
    crawl = world.crawl()
    world.ask(crawl, range(5))
    world.advance(2)
    assert world.tasks == 1
    world.stores[0].is_down = True
    world.finish()
    assert (delivered(crawl), world.tasks) == (5, 1)


def test_what_was_earned_without_the_store_is_for_all_when_it_is_back() -> None:
    world = World()
    one, two = world.crawl(), world.crawl()
    world.ask(one, range(5))
    world.advance(2)
    assert world.tasks == 1
    world.stores[0].is_down = True
    world.run()
    assert delivered(one) == 5
    world.advance(5)
    world.stores[0].is_down = False
    world.advance(3)
    world.ask(two, range(5))
    world.finish()
    assert (delivered(two), world.tasks) == (5, 1)


@pytest.mark.parametrize("on_fault", ["fail", "local"])
def test_a_clearance_that_ended_before_it_could_be_stored(on_fault: str) -> None:
    """Its publication comes first, and does not take the place of what follows."""
    world = World(pages=3)
    one, two = world.crawl(on_fault=on_fault), world.crawl()
    world.ask(one, range(3))
    world.advance(2)
    world.stores[0].is_down = True
    world.run()
    assert (delivered(one), world.tasks) == (3, 1)
    # The store is back right after an attempt to publish, long before the next one.
    world.advance(REST_SECONDS)
    calls = len(world.stores[0].asked)
    while len(world.stores[0].asked) == calls:
        world.advance(0.05)
    world.stores[0].is_down = False
    world.advance(0.05)
    world.ask(one, range(3, 5))
    world.advance(8)
    assert world.tasks == 2
    world.ask(two, range(1))
    world.finish()
    assert (delivered(one), delivered(two), world.tasks) == (5, 1, 2)


def test_a_crawl_that_stops_while_a_clearance_waits_to_be_stored() -> None:
    world = World(pages=3)
    crawl = world.crawl()
    world.ask(crawl, range(3))
    world.advance(2)
    world.stores[0].is_down = True
    world.run()
    world.ask(crawl, range(3, 5))
    world.advance(3)  # they meet a gate, and wait
    assert (delivered(crawl), world.tasks) == (3, 1)
    crawl.stop()
    world.advance(1)
    assert crawl.is_idle
    world.stores[0].is_down = False
    world.finish()
    (entry,) = _show(world)
    assert entry.clearance is not None
    assert (delivered(crawl), world.tasks) == (3, 1)


@pytest.mark.parametrize("down", [True, False])
def test_that_the_end_waits_for_the_store_is_said_once(
    caplog: pytest.LogCaptureFixture, *, down: bool
) -> None:
    caplog.set_level(logging.INFO, "scrapy_onecaptcha")
    world = World()
    crawl = world.crawl()
    for jar in "ab":
        crawl.ask(world.model.url(1), meta={"cookiejar": jar})
    world.advance(2)
    world.stores[0].is_down = down
    world.run()
    world.finish()
    told = [said for said in caplog.messages if "The crawl ends when" in said]
    assert told == down * [
        "The crawl ends when ONECAPTCHA_STORE has got what was earned, in 30 s at most."
    ]


def test_a_store_that_loses_its_data_costs_no_page() -> None:
    world = World(pages=10)
    one, two = world.crawl(), world.crawl()
    for crawl in (one, two):
        world.ask(crawl, range(10))
    for _ in range(3):
        world.advance(17)
        world.rows.clear()
    world.finish()
    assert [delivered(one), delivered(two)] == [10, 10]
    assert world.tasks <= 6


def test_on_its_own_a_process_goes_on() -> None:
    world = World()
    crawl = world.crawl(on_fault="local")
    world.stores[0].is_down = True
    world.ask(crawl, range(5))
    world.finish()
    assert (delivered(crawl), world.tasks) == (5, 1)
