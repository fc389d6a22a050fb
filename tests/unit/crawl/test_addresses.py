"""What is learnt of gate addresses."""

from __future__ import annotations

from scrapy import Request

from scrapy_onecaptcha.crawl import addresses as module
from scrapy_onecaptcha.crawl.addresses import (
    MAX_ADDRESSES,
    GateAddresses,
    chain_of,
    is_same,
)
from tests.unit.helpers import SITE


def asked(path: str, method: str = "GET") -> Request:
    return Request(f"{SITE}{path}", method=method)


def test_a_gate_at_the_pages_own_url_is_none() -> None:
    addresses = GateAddresses()
    for _ in range(2):
        assert not addresses.met(asked("/captcha/a"), f"{SITE}/captcha/a?x=1")
    assert not addresses.is_known(f"{SITE}/captcha/a")


def test_an_address_that_names_the_page_is_one() -> None:
    addresses = GateAddresses()
    assert addresses.met(asked("/a"), f"{SITE}/check?next=/a")
    assert addresses.is_known(f"{SITE}/check?next=/b")
    assert addresses.met(asked("/c"), f"{SITE}/check")


def test_an_address_that_two_pages_were_led_to_is_one() -> None:
    addresses = GateAddresses()
    assert not addresses.met(asked("/a"), f"{SITE}/door?1")
    assert not addresses.met(asked("/a"), f"{SITE}/door?2")
    assert addresses.met(asked("/b"), f"{SITE}/door?3")


def test_that_alone_does_not_send_an_order_twice() -> None:
    addresses = GateAddresses()
    for number in range(3):
        order = asked(f"/order/{number}", "POST")
        assert not addresses.met(order, f"{SITE}/thanks")
    assert addresses.met(asked("/order/4", "POST"), f"{SITE}/captcha")


def test_what_an_address_shows_is_nobodys_page() -> None:
    addresses = GateAddresses()
    chain = [f"{SITE}/a", f"{SITE}/check?next=/a"]
    assert not addresses.strayed(chain[0], chain)
    addresses.met(asked("/a"), chain[1])
    assert addresses.strayed(chain[0], chain)
    assert addresses.strayed(chain[0], [*chain, f"{SITE}/b"])
    assert not addresses.strayed(chain[0], [*chain, f"{SITE}/a"])
    assert not addresses.strayed(chain[1], chain[1:])


def test_where_another_page_met_a_gate_is_nobodys_page_either() -> None:
    """Held unsent while that one was solved, this one was never gated there."""
    addresses = GateAddresses()
    assert not addresses.met(asked("/a"), f"{SITE}/door")
    chain = [f"{SITE}/b", f"{SITE}/door"]
    assert addresses.strayed(chain[0], chain)
    assert not addresses.strayed(chain[0], chain, "POST"), "it has been processed"
    assert not addresses.strayed(f"{SITE}/a", [f"{SITE}/a", f"{SITE}/door"])


def test_a_guess_is_given_up_where_content_is_shown() -> None:
    addresses = GateAddresses()
    for number in range(2):
        addresses.met(asked(f"/{number}"), f"{SITE}/show?id={number}")
    chain = [f"{SITE}/0", f"{SITE}/show?id=0"]
    assert addresses.strayed(chain[0], chain)
    assert addresses.is_known(f"{SITE}/show?id=7")
    assert addresses.shows_content(chain)
    assert not addresses.strayed(chain[0], chain)
    assert not addresses.is_known(f"{SITE}/show?id=0")
    assert not addresses.is_known(f"{SITE}/show?id=7")


def test_among_pages_a_gate_is_told_by_its_query() -> None:
    addresses = GateAddresses()
    addresses.shows_content([f"{SITE}/0", f"{SITE}/index?id=0"])
    for number in range(1, 3):
        assert not addresses.met(asked(f"/{number}"), f"{SITE}/index?id={number}")
    assert not addresses.is_known(f"{SITE}/index?id=1")
    assert not addresses.met(asked("/3"), f"{SITE}/index?door")
    assert addresses.met(asked("/4"), f"{SITE}/index?door")
    assert addresses.is_known(f"{SITE}/index?door")


def test_a_certain_address_shows_nobodys_page_whatever_it_shows() -> None:
    addresses = GateAddresses()
    chain = [f"{SITE}/a", f"{SITE}/captcha", f"{SITE}/b"]
    addresses.met(asked("/a"), chain[1])
    assert not addresses.shows_content(chain)
    assert addresses.strayed(chain[0], chain)


def test_a_guess_has_no_order_sent_twice() -> None:
    addresses = GateAddresses()
    for number in range(3):
        addresses.met(asked(f"/{number}"), f"{SITE}/thanks")
    assert addresses.is_known(f"{SITE}/thanks")
    assert not addresses.is_certain(f"{SITE}/thanks")
    chain = [f"{SITE}/order", f"{SITE}/thanks"]
    assert not addresses.met(asked("/order", "POST"), chain[1])
    assert not addresses.strayed(chain[0], chain, "POST")


def test_a_way_through_an_address_is_known_wherever_it_ends() -> None:
    addresses = GateAddresses()
    addresses.met(asked("/a"), f"{SITE}/check?next=/a")
    meta = {"redirect_urls": [f"{SITE}/a", f"{SITE}/check?next=/a"]}
    back = Request(f"{SITE}/a", meta=meta)
    assert chain_of(back) == [*meta["redirect_urls"], f"{SITE}/a"]
    assert addresses.led_through(chain_of(back))
    assert not addresses.led_through([f"{SITE}/check"])


def test_so_many_addresses_are_remembered() -> None:
    addresses = GateAddresses()
    for number in range(MAX_ADDRESSES + 10):
        addresses.met(asked(f"/{number}"), f"{SITE}/captcha/{number}")
    assert len(addresses._certain) == module.MAX_ADDRESSES
    assert not addresses.is_known(f"{SITE}/captcha/0")


def test_urls_are_the_same_whatever_their_fragments() -> None:
    assert is_same(f"{SITE}/a?x=1#top", f"{SITE}/a?x=1")
    assert not is_same(f"{SITE}/a?x=1", f"{SITE}/a")
