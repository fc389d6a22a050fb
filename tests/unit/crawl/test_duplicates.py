"""Requests that are dropped because a redirect led them all to one gate."""

from __future__ import annotations

from scrapy import Request

from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.duplicates import MAX_DROPPED, MAX_GATES, Detours
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
    detours = Detours()
    assert detours.dropped(led(1)) == []
    assert urls(detours.met(led(2))) == [f"{SITE}/page/1"]
    assert urls(detours.dropped(led(3))) == [f"{SITE}/page/3"]
    assert detours.met(led(4)) == []
    assert detours.met(Request(f"{SITE}/gate/1")) == []


def test_so_many_gates_are_remembered() -> None:
    """A site may redirect each page to a gate at an address of its own."""
    detours = Detours()
    detours.met(led(0, gate=0))
    for gate in range(1, 3 * MAX_GATES):
        detours.met(led(gate, gate=gate))
        assert detours.dropped(led(gate, gate=0))  # it is met all the time
    assert len(detours._gates) == MAX_GATES
    assert detours.dropped(led(1, gate=1)) == []


def test_so_many_dropped_requests_are_remembered() -> None:
    detours = Detours()
    for page in range(2 * MAX_DROPPED):
        assert detours.dropped(led(page)) == []
    assert len(detours.met(led(0))) == MAX_DROPPED
