"""What every store does: the same cases against memory, SQLite and Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from scrapy_onecaptcha.stores.base import (
    LEASE_SECONDS,
    Busy,
    Clearance,
    Entry,
    Lease,
    Refusal,
    Reservation,
)
from tests.unit.stores.worlds import (
    OTHER,
    SESSION,
    SITE,
    SITEKEY,
    FakeRedis,
    World,
    in_loop,
    leased,
)

if TYPE_CHECKING:
    from scrapy_onecaptcha.stores.base import Store

OTHER_SITEKEY = "a5f74b19-9e45-40e0-b45d-47ff91b7a6c2"
COOKIE = {"name": "clr", "value": "ü1", "domain": "shop.example", "expires": None}
EARNED = Clearance(cookies=(COOKIE,), user_agent="Mozilla/5.0", egress="host")
HOUR = 3600.0
DAY = 24 * HOUR


async def earn(store: Store, known: int = 0, seconds: float = HOUR) -> Clearance:
    lease = leased(await store.take(SESSION, SITEKEY, known))
    earned = await store.publish(lease, EARNED, seconds)
    assert earned is not None
    return earned


# Clearances


@in_loop
async def test_a_clearance_is_for_all_processes(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    before = world.now()
    earned = await earn(one)
    assert (earned.cookies, earned.user_agent, earned.egress) == (
        EARNED.cookies,
        EARNED.user_agent,
        EARNED.egress,
    )
    assert before - 1 <= earned.earned_at <= world.now() + 1
    taken = await two.take(SESSION, SITEKEY)
    assert isinstance(taken, Clearance)
    assert taken.earned_at == pytest.approx(earned.earned_at, abs=0.01)
    assert (taken.cookies, taken.generation) == (earned.cookies, earned.generation)
    # Whatever sitekey earned it: it belongs to the session.
    assert isinstance(await two.take(SESSION, OTHER_SITEKEY), Clearance)
    assert isinstance(await two.take(OTHER, SITEKEY), Lease)
    await world.close()


@in_loop
async def test_a_clearance_without_cookies(world: World) -> None:
    store = world.store()
    lease = leased(await store.take(SESSION, SITEKEY))
    assert await store.publish(lease, Clearance(), HOUR)
    taken = await world.store("two").take(SESSION, SITEKEY)
    assert isinstance(taken, Clearance)
    assert (taken.cookies, taken.user_agent, taken.egress) == ((), None, "")
    await world.close()


@in_loop
async def test_a_clearance_that_is_known_is_not_returned(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    earned = await earn(one)
    assert isinstance(await two.take(SESSION, SITEKEY, earned.generation), Lease)
    # It stays for others: where it failed may not be where it was earned.
    assert isinstance(await one.take(SESSION, OTHER_SITEKEY), Clearance)
    await world.close()


@in_loop
async def test_a_clearance_that_ended_is_dropped(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    generation = (await earn(one)).generation
    assert isinstance(await one.take(SESSION, SITEKEY, generation, ended=True), Lease)
    assert isinstance(await two.take(SESSION, SITEKEY), Busy)
    await world.close()


@in_loop
async def test_a_newer_clearance_is_not_dropped_for_an_old_one(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    old = await earn(one)
    new = await earn(two, known=old.generation)
    assert new.generation > old.generation
    taken = await one.take(SESSION, SITEKEY, old.generation, ended=True)
    assert isinstance(taken, Clearance)
    assert taken.generation == new.generation
    await world.close()


@in_loop
async def test_a_clearance_ends_by_its_time(world: World) -> None:
    store = world.store()
    await earn(store, seconds=HOUR)
    world.advance(HOUR - 60)
    assert isinstance(await store.take(SESSION, SITEKEY), Clearance)
    world.advance(61)
    assert isinstance(await store.take(SESSION, SITEKEY), Lease)
    await world.close()


@in_loop
async def test_generations_only_grow(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    generations = []
    known = 0
    for store in (one, two, one, two):
        known = (await earn(store, known)).generation
        generations.append(known)
    assert generations == sorted(set(generations))
    # A store that lost its data does not begin anew below what a process knows.
    await one.clear()
    assert (await earn(two, known)).generation > known
    await world.close()


@in_loop
async def test_a_clearance_that_is_too_large_stays_local(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    lease = leased(await one.take(SESSION, SITEKEY))
    large = Clearance(cookies=({"name": "x", "value": "y" * 70_000},))
    assert await one.publish(lease, large, HOUR) is None
    assert isinstance(await two.take(SESSION, SITEKEY), Lease)
    await world.close()


@in_loop
async def test_a_clearance_that_is_over_already_is_not_stored(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    lease = leased(await one.take(SESSION, SITEKEY))
    assert await one.publish(lease, EARNED, 0) is None
    assert isinstance(await two.take(SESSION, SITEKEY), Lease)
    await world.close()


# Leases


@in_loop
async def test_one_solve_at_a_time(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    lease = leased(await one.take(SESSION, SITEKEY))
    busy = await two.take(SESSION, SITEKEY)
    assert isinstance(busy, Busy)
    assert 0 < busy.seconds <= LEASE_SECONDS
    assert isinstance(await two.take(SESSION, OTHER_SITEKEY), Lease)
    assert isinstance(await two.take(OTHER, SITEKEY), Lease)
    # Its own, whose reply may have been lost.
    assert await one.take(SESSION, SITEKEY) == lease
    await world.close()


@in_loop
async def test_a_lease_that_is_given_up_is_free(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    lease = leased(await one.take(SESSION, SITEKEY))
    await one.give_up(lease)
    assert leased(await two.take(SESSION, SITEKEY)).number > lease.number
    await one.give_up(lease)  # once more: it is not its own any longer
    assert isinstance(await one.take(SESSION, SITEKEY), Busy)
    await world.close()


@in_loop
async def test_a_killed_owner_frees_it(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    await one.take(SESSION, SITEKEY)
    world.advance(LEASE_SECONDS / 3)
    assert isinstance(await two.take(SESSION, SITEKEY), Busy)
    world.advance(LEASE_SECONDS)
    assert isinstance(await two.take(SESSION, SITEKEY), Lease)
    await world.close()


@in_loop
async def test_a_lease_that_is_renewed_stays(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    lease = leased(await one.take(SESSION, SITEKEY))
    for _ in range(5):
        world.advance(LEASE_SECONDS / 2)
        assert await one.renew(lease)
        assert isinstance(await two.take(SESSION, SITEKEY), Busy)
    assert await one.publish(lease, EARNED, HOUR)
    await world.close()


@in_loop
async def test_a_late_owner_publishes_nothing(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    lease = leased(await one.take(SESSION, SITEKEY))
    world.advance(2 * LEASE_SECONDS)
    # Nobody else came, and yet what it earned may be hours old.
    assert not await one.renew(lease)
    assert await one.publish(lease, EARNED, HOUR) is None
    newer = await earn(two)
    assert await one.publish(lease, EARNED, HOUR) is None
    assert not await one.renew(lease)
    await one.give_up(lease)
    taken = await one.take(SESSION, SITEKEY)
    assert isinstance(taken, Clearance)
    assert taken.generation == newer.generation
    await world.close()


@in_loop
async def test_a_late_owner_does_not_free_the_lease_of_another(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    late = leased(await one.take(SESSION, SITEKEY))
    world.advance(2 * LEASE_SECONDS)
    lease = leased(await two.take(SESSION, SITEKEY))
    assert await one.publish(late, EARNED, HOUR) is None
    await one.give_up(late)
    assert await two.renew(lease)
    await world.close()


@in_loop
async def test_an_old_lease_of_the_same_owner_is_worth_nothing(world: World) -> None:
    store = world.store()
    old = leased(await store.take(SESSION, SITEKEY))
    world.advance(2 * LEASE_SECONDS)
    new = leased(await store.take(SESSION, SITEKEY))
    assert new.number > old.number
    assert await store.publish(old, EARNED, HOUR) is None
    assert await store.publish(new, EARNED, HOUR)
    assert await store.publish(old, EARNED, HOUR) is None
    await world.close()


@in_loop
async def test_publishing_frees_the_lease_and_may_be_repeated(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    lease = leased(await one.take(SESSION, SITEKEY))
    earned = await one.publish(lease, EARNED, HOUR)
    assert earned is not None
    again = await one.publish(lease, EARNED, HOUR)  # the reply was lost
    assert again is not None
    assert again.generation == earned.generation
    assert isinstance(await two.take(SESSION, SITEKEY, earned.generation), Lease)
    await world.close()


# Money


def task(number: int, site: str = SITE) -> Reservation:
    return Reservation(task=f"task-{number}", site=site)


async def spend(store: Store, number: int, verdict: Any = "void") -> Refusal | None:
    refusal = await store.reserve(task(number))
    if refusal is None:
        await store.verdict(task(number), verdict)
    return refusal


@in_loop
async def test_no_limit(world: World) -> None:
    store = world.store(max_tasks=0)
    assert [await spend(store, n) for n in range(40)] == [None] * 40
    await world.close()


@in_loop
async def test_a_budget_of_all_processes(world: World) -> None:
    one, two = (world.store(name, max_tasks=3) for name in ("one", "two"))
    assert await spend(one, 1) is None
    assert await spend(two, 2) is None
    assert await spend(one, 3) is None
    spent = Refusal(reason="budget", count=3)
    assert await spend(one, 4) == spent
    assert await spend(two, 5) == spent
    assert await two.reserve(task(6, "https://other.example")) == spent
    await world.close()


@in_loop
async def test_a_task_counts_once_however_often_it_is_asked_for(world: World) -> None:
    store = world.store(max_tasks=2)
    for _ in range(3):
        assert await store.reserve(task(1)) is None
    assert await store.reserve(task(2)) is None
    assert await store.reserve(task(3)) is not None
    assert await store.reserve(task(2)) is None  # is counted, and may be created
    await world.close()


@in_loop
async def test_a_process_that_dies_before_its_call_has_spent(world: World) -> None:
    dying, other = world.store("one", max_tasks=1), world.store("two", max_tasks=1)
    await dying.reserve(task(1))
    for days in (0, 1, 40, 400):
        world.advance(days * DAY)
        assert await other.reserve(task(2)) is not None
    await world.close()


@in_loop
async def test_a_task_is_given_back_once(world: World) -> None:
    store = world.store(max_tasks=2)
    await store.reserve(task(1))
    await store.reserve(task(2))
    for _ in range(3):
        await store.refund(task(1))
    await store.refund(task(9))  # was never counted
    assert await store.reserve(task(3)) is None
    assert await store.reserve(task(4)) is not None
    await world.close()


@in_loop
async def test_a_refund_that_comes_too_late_counts_for_nothing(world: World) -> None:
    store = world.store(max_tasks=1, pending_seconds=60)
    await store.reserve(task(1))
    world.advance(HOUR)
    await store.refund(task(1))
    assert await store.reserve(task(2)) is not None
    await world.close()


PERIODS = [("day", DAY), ("month", 32 * DAY)]


@pytest.mark.parametrize(("period", "seconds"), PERIODS)
@in_loop
async def test_a_budget_begins_again(world: World, period: str, seconds: float) -> None:
    store = world.store(max_tasks=1, period=period)
    await store.reserve(task(1))
    assert await store.reserve(task(2)) is not None
    world.advance(seconds)
    assert await store.reserve(task(3)) is None
    assert await store.reserve(task(4)) is not None
    # A clock that goes back brings no second budget of the old period.
    world.advance(-seconds)
    assert await store.reserve(task(5)) is not None
    await store.refund(task(1))  # of another period
    assert await store.reserve(task(6)) is not None
    await world.close()


@in_loop
async def test_months_are_those_of_the_calendar(world: World) -> None:
    from datetime import datetime, timezone

    store = world.store(max_tasks=1, period="month")
    instants = [
        (2027, 1, 1, 0, 1, None),
        (2027, 1, 31, 23, 58, "budget"),
        (2027, 2, 1, 0, 1, None),
        (2028, 2, 28, 23, 58, None),
        (2028, 2, 29, 0, 2, "budget"),
        (2028, 2, 29, 23, 58, "budget"),
        (2028, 3, 1, 0, 1, None),
        (2028, 12, 31, 23, 58, None),
        (2029, 1, 1, 0, 1, None),
    ]
    for number, (*moment, refused) in enumerate(instants):
        then = datetime(*moment, tzinfo=timezone.utc).timestamp()  # type: ignore[misc,arg-type]
        world.advance(then - world.now())
        refusal = await spend(store, number)
        assert (refusal and refusal.reason) == refused, moment
    await world.close()


@in_loop
async def test_a_store_that_lost_its_data_is_told_what_was_spent(world: World) -> None:
    store = world.store(max_tasks=3)
    for number in (1, 2):
        await spend(store, number)
    await store.clear()
    assert await spend(store, 3) is None
    assert await spend(store, 4) == Refusal(reason="budget", count=3)
    await world.close()


# The breaker


@in_loop
async def test_failures_of_all_processes_open_the_breaker(world: World) -> None:
    one, two = (world.store(name, max_failures=3) for name in ("one", "two"))
    assert await spend(one, 1, "failed") is None
    assert await spend(two, 2, "failed") is None
    assert await spend(one, 3, "failed") is None
    for store in (one, two):
        refusal = await spend(store, 4)
        assert refusal is not None
        assert (refusal.reason, refusal.count) == ("breaker", 3)
        assert refusal.seconds == pytest.approx(600, abs=10)
    assert await one.reserve(task(5, "https://other.example")) is None
    await world.close()


@in_loop
async def test_after_the_cool_down_one_task_is_let_through(world: World) -> None:
    store = world.store(max_failures=1, cooldown=600)
    await spend(store, 1, "failed")
    world.advance(601)
    assert await store.reserve(task(2)) is None
    assert await store.reserve(task(3)) == Refusal(reason="pending", count=1)
    await store.verdict(task(2), "failed")
    refusal = await store.reserve(task(4))
    assert refusal is not None
    assert refusal.reason == "breaker"
    world.advance(601)
    assert await store.reserve(task(5)) is None
    await store.verdict(task(5), "accepted")
    assert [await spend(store, n) for n in range(6, 9)] == [None] * 3
    await world.close()


@in_loop
async def test_tasks_under_way_could_still_open_the_breaker(world: World) -> None:
    store = world.store(max_failures=2, pending_seconds=900)
    assert await store.reserve(task(1)) is None
    assert await store.reserve(task(2)) is None
    assert await store.reserve(task(3)) == Refusal(reason="pending", count=2)
    await store.verdict(task(1), "void")
    assert await store.reserve(task(3)) is None
    # The verdicts of a process that died are not waited for.
    world.advance(901)
    assert await store.reserve(task(4)) is None
    await world.close()


@in_loop
async def test_a_site_that_accepted_a_token_may_fail_more_often(world: World) -> None:
    store = world.store(max_failures=2, trusted_factor=4)
    await spend(store, 1, "accepted")
    assert [await spend(store, n, "failed") for n in range(2, 10)] == [None] * 8
    assert await spend(store, 10) is not None
    await world.close()


@in_loop
async def test_a_verdict_counts_once(world: World) -> None:
    store = world.store(max_failures=2)
    await store.reserve(task(1))
    for _ in range(3):
        await store.verdict(task(1), "failed")
    await store.verdict(task(9), "failed")  # of no reservation
    assert await store.reserve(task(2)) is None
    await world.close()


# Facts


@in_loop
async def test_a_fact_is_for_all_processes(world: World) -> None:
    one, two = world.store("one"), world.store("two")
    assert await two.ask("blocked", "account") is None
    await one.tell("blocked", "account", "IP blocked: ü", 600)
    world.advance(100)
    fact = await two.ask("blocked", "account")
    assert fact is not None
    assert (fact.name, fact.subject) == ("blocked", "account")
    assert fact.text == "IP blocked: ü"
    assert fact.age == pytest.approx(100, abs=10)
    assert fact.seconds == pytest.approx(500, abs=10)
    assert await two.ask("account_refused", "account") is None
    assert await two.ask("blocked", "another") is None
    world.advance(501)
    assert await two.ask("blocked", "account") is None
    await one.tell("blocked", "account", "", 0)
    assert await two.ask("blocked", "account") is None
    await world.close()


# Tools


@in_loop
async def test_what_is_shown(world: World) -> None:
    store = world.store()
    assert await store.show() == ()
    earned = await earn(store)
    await store.tell("token_per_page", OTHER, "", HOUR)
    await store.tell("blocked", "account", "", HOUR)
    news, shop = await store.show()
    assert news == Entry(session=OTHER, clearance=None, token_per_page=True)
    assert shop.session == SESSION
    assert shop.clearance is not None
    assert shop.clearance.generation == earned.generation
    assert shop.seconds == pytest.approx(HOUR, abs=10)
    assert not shop.token_per_page
    world.advance(HOUR + 1)
    assert await store.show() == ()
    await world.close()


@in_loop
async def test_a_site_is_forgotten(world: World) -> None:
    store = world.store(max_failures=1)
    await spend(store, 1, "failed")
    jar = '["https://shop.example","jar","host"]'
    await earn(store)
    await store.tell("token_per_page", jar, "", HOUR)
    await store.tell("token_per_page", OTHER, "", HOUR)
    assert await store.forget(SITE) == 2
    assert [entry.session for entry in await store.show()] == [OTHER]
    assert await store.ask("token_per_page", jar) is None
    assert await spend(store, 2) is None  # nor does its breaker know
    assert await store.forget(SITE) == 0
    await world.close()


@in_loop
async def test_all_is_dropped(world: World) -> None:
    one = world.store(max_tasks=1)
    await spend(one, 1)
    await earn(one)
    await one.tell("blocked", "account", "", HOUR)
    await one.clear()
    other = world.store("two", max_tasks=1)
    assert await other.show() == ()
    assert await other.ask("blocked", "account") is None
    assert isinstance(await other.take(SESSION, SITEKEY), Lease)
    assert await spend(other, 2) is None
    await world.close()


@in_loop
async def test_it_can_be_checked_before_it_is_used(world: World) -> None:
    store = world.store()
    if not isinstance(world, FakeRedis):  # there is no server to connect to
        store.check()
    assert await store.show() == ()
    await world.close()


@in_loop
async def test_opened_and_closed(world: World) -> None:
    store = world.store()
    await store.open()
    await store.close()
    await store.open()  # a store that was closed can be opened again
    await earn(store)
    await world.close()
