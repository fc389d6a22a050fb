"""What a store writes down: cookies that it must, and nothing that it must not."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from scrapy_onecaptcha.stores.base import Clearance, Reservation
from scrapy_onecaptcha.stores.naming import name_session
from tests.unit.stores.worlds import (
    SITE,
    SITEKEY,
    FakeRedis,
    Memory,
    Sqlite,
    World,
    in_loop,
    leased,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.stores.worlds import RedisServer

PASSWORD = "proxy-password"
KEPT = "value-of-the-clearance"


def at_rest(world: World, folder: Path, server: RedisServer | None) -> str:
    """Return all that a store has written down."""
    if isinstance(world, Sqlite):
        return "".join(path.read_bytes().decode("latin-1") for path in folder.iterdir())
    assert server is not None
    keys = server.command("KEYS", "*").splitlines()
    kinds = {key: server.command("TYPE", key).strip() for key in keys}
    values = [
        server.command("GET", key)
        if kind == "string"
        else server.command("ZRANGE", key, "0", "-1")
        for key, kind in kinds.items()
    ]
    return "\n".join([*keys, *values])


@in_loop
async def test_what_is_at_rest(
    world: World, tmp_path: Path, redis_server: RedisServer
) -> None:
    if isinstance(world, Memory | FakeRedis):
        return  # neither writes anything down
    store = world.store(max_tasks=9)
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()[:12]
    session = name_session(SITE, "jar", f"proxy.example:8080#{digest}", "host")
    assert session is not None
    lease = leased(await store.take(session, SITEKEY))
    task = Reservation(task="random-of-the-task", site=SITE)
    assert await store.reserve(task) is None
    await store.verdict(task, "accepted")
    cookie = {"name": "clr", "value": KEPT}
    await store.publish(lease, Clearance(cookies=(cookie,), user_agent="UA"), 60)
    await store.tell("account_refused", "hash-of-the-key", "ERROR_ZERO_POINT", 60)
    found = at_rest(world, tmp_path, redis_server)
    assert KEPT in found  # that is what it is for
    assert SITE in found
    assert PASSWORD not in found
    # No path of a page: the site and nothing after it.
    assert f"{SITE}/" not in found
    await world.close()


def test_what_a_clearance_has_room_for() -> None:
    """A token, a key or a URL could only come in by a new attribute."""
    assert set(Clearance.__slots__) == {
        *("cookies", "url_pass", "user_agent"),
        *("egress", "generation", "earned_at"),
    }
