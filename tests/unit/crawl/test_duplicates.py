"""Requests that are dropped because a redirect led them all to one gate."""

from __future__ import annotations

from scrapy import Request

from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.addresses import GateAddresses
from scrapy_onecaptcha.crawl.duplicates import (
    MAX_DROPPED,
    MAX_GATES,
    DroppedRedirects,
)
from tests.unit.helpers import SITE


def led(page: int, gate: int = 0) -> Request:
    """Return the request for a page, as a redirect has led it to a gate."""
    asked = Request(f"{SITE}/page/{page}")
    request_meta.stamp(asked, 0)
    meta = asked.meta | {"redirect_urls": [asked.url]}
    return asked.replace(url=f"{SITE}/gate/{gate}", meta=meta)


def urls(requests: list[Request]) -> list[str]:
    return [request.url for request in requests]


def test_what_is_dropped_is_asked_for_once_a_gate_is_known_there() -> None:
    redirects = DroppedRedirects(GateAddresses())
    assert redirects.dropped(led(1)) == []
    assert urls(redirects.met(led(2))) == [f"{SITE}/page/1"]
    assert urls(redirects.dropped(led(3))) == [f"{SITE}/page/3"]
    assert redirects.met(led(4)) == []
    assert redirects.met(Request(f"{SITE}/gate/1")) == []


def test_so_many_gates_are_remembered() -> None:
    """A site may redirect each page to a gate at an address of its own."""
    redirects = DroppedRedirects(GateAddresses())
    redirects.met(led(0, gate=0))
    for gate in range(1, 3 * MAX_GATES):
        redirects.met(led(gate, gate=gate))
        assert redirects.dropped(led(gate, gate=0))  # it is met all the time
    assert len(redirects._gates) == MAX_GATES
    assert redirects.dropped(led(1, gate=1)) == []


def test_so_many_dropped_requests_are_remembered() -> None:
    redirects = DroppedRedirects(GateAddresses())
    for page in range(2 * MAX_DROPPED):
        assert redirects.dropped(led(page)) == []
    assert len(redirects.met(led(0))) == MAX_DROPPED


def drop(redirects: DroppedRedirects, request: Request) -> list[Request]:
    redirects.scheduled(request)
    return redirects.dropped(request)


def test_a_target_of_an_earlier_run_is_looked_at_once() -> None:
    redirects = DroppedRedirects(GateAddresses())
    (followed,) = drop(redirects, led(1))
    assert followed.url == f"{SITE}/gate/0"
    assert followed.dont_filter
    assert drop(redirects, led(2)) == []
    assert urls(redirects.met(followed)) == [f"{SITE}/page/2"]


def test_a_target_of_this_run_is_known() -> None:
    redirects = DroppedRedirects(GateAddresses())
    redirects.scheduled(Request(f"{SITE}/gate/0"))
    assert drop(redirects, led(1)) == []


def test_what_is_not_safe_is_not_asked_for_again() -> None:
    """It was processed when it was answered by a redirect."""
    redirects = DroppedRedirects(GateAddresses())
    asked = Request(f"{SITE}/order", method="POST", body=b"1")
    request_meta.stamp(asked, 0)
    meta = asked.meta | {"redirect_urls": [asked.url]}
    order = Request(f"{SITE}/thanks", meta=meta)
    redirects.met(order)
    (again,) = redirects.dropped(order)
    assert (again.url, again.method) == (f"{SITE}/thanks", "GET")


def test_a_gate_address_may_lead_back_to_the_asked_url() -> None:
    """Which the dupefilter knows, because it was asked for there."""
    addresses = GateAddresses()
    asked, check = f"{SITE}/page/1", f"{SITE}/check?next=%2Fpage%2F1"
    addresses.met(Request(asked), check)
    redirects = DroppedRedirects(addresses)
    request = Request(asked)
    request_meta.stamp(request, 0)
    back = request.replace(meta=request.meta | {"redirect_urls": [asked, check]})
    redirects.scheduled(request)
    (again,) = drop(redirects, back)
    assert (again.url, again.dont_filter) == (asked, True)
    # An ordinary redirect to a page of this run is a duplicate.
    plain = request.replace(meta=request.meta | {"redirect_urls": [f"{SITE}/old"]})
    assert drop(redirects, plain) == []
