"""A token leaves once, in time, and goes nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import (
    MIDDLEWARE,
    REACTORS,
    Servers,
    ask,
    assert_each_its_own,
    crawl,
    pages,
    sandbox,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

SITES = ("hangup", "apihangup", "tokenheader", "button", "bookshop")
HEADER = {"onecaptcha": {"submitter": "crawl_submitters.by_header"}}


@pytest.fixture
def servers() -> Iterator[Servers]:
    sites = {name: {"gate": name} for name in SITES}
    options = {"sites": sites, "service": {"latency": 0.1}}
    with sandbox(options=options) as running:
        yield running


@pytest.mark.parametrize("reactor", [name for name in REACTORS if name != "poll"])
def test_a_site_hangs_up_after_it_has_read_a_token(
    servers: Servers, reactor: str
) -> None:
    """An HTTP client sends a GET again by itself when a kept connection closes."""
    plan = pages(servers["hangup"], range(3))
    plan.append(ask(f"{servers['apihangup']}/api/items/1"))
    settings: dict[str, Any] = {**REACTORS[reactor][0], "ONECAPTCHA_MAX_ATTEMPTS": 2}
    result = crawl(servers, plan, settings)
    result.assert_clean(allowed=("Gave up retrying",))
    assert_each_its_own(result, but=[3])
    assert result.errors[3]["error"]
    ledger = servers.ledger()
    assert ledger["tokens_repeated"] == 0
    assert ledger["tokens_used"] == ledger["tokens_issued"]
    assert servers.tasks_of("hangup") == 1


def test_a_token_in_a_header_stays_with_its_request(servers: Servers) -> None:
    """The site answers by a redirect, to which the header must not go along."""
    plan = pages(servers["tokenheader"], range(5), meta=HEADER)
    result = crawl(servers, plan)
    result.assert_clean()
    assert_each_its_own(result)
    ledger = servers.ledger()
    assert ledger["tokens_repeated"] == 0
    assert ledger["rejections"] == {}
    assert servers.tasks_of("tokenheader") == 1


def test_a_form_has_its_cookie_when_the_token_leaves(servers: Servers) -> None:
    """Two gates at once: the second sets the cookie of the first one's form anew."""
    plan = [ask(f"{servers['bookshop']}/{query}") for query in ("", "?page=2")]
    result = crawl(servers, plan)
    result.assert_clean()
    assert dict(result.ended) == {0: 1, 1: 1}
    assert result.errors == {}
    assert servers.ledger()["rejections"] == {}
    assert servers.tasks_of("bookshop") == 1


@pytest.mark.parametrize("order", [400, 600])
def test_a_token_that_another_middleware_made_late(
    servers: Servers, order: int
) -> None:
    """It is refused at the moment at which it would leave."""
    settings = {"ONECAPTCHA_TOKEN_MAX_AGE": 1, "ONECAPTCHA_MAX_ATTEMPTS": 1}
    result = crawl(
        servers,
        pages(servers["button"], [1]),
        settings,
        middlewares={**MIDDLEWARE, "crawl_submitters.Holder": order},
    )
    result.assert_clean()
    assert dict(result.ended) == {0: 1}
    assert sorted(result.errors) == [0]
    ledger = servers.ledger()
    assert (ledger["tokens_issued"], ledger["tokens_used"]) == (1, 0)
    assert result.stat("tokens/expired") == 1
