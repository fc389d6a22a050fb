"""Requests as they leave: the pass in their URLs."""

from __future__ import annotations

from scrapy import Request

from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.departures import take_pass_off

ASKED = "https://shop.example/old"
PAGE = "https://shop.example/page"


def test_a_request_without_a_pass_stays_as_it_is() -> None:
    request = Request(PAGE)
    assert take_pass_off(request) is None
    assert request.url == PAGE


def test_what_is_retried_without_its_pass_still_knows_what_was_asked_for() -> None:
    led_here = Request(PAGE, meta={"redirect_urls": [ASKED]})
    first = {"url": ASKED, "priority": 0, "headers": {}}
    led_here.meta[request_meta.KEY] = {"first": first, "sent": ASKED}
    noted = request_meta.stamp(led_here, 1)
    noted["asked"], noted["sent"] = PAGE, f"{PAGE}?pass=1"
    sent = led_here.replace(url=f"{PAGE}?pass=1")
    assert take_pass_off(sent) == PAGE
    assert sent.url == PAGE
    retried = sent.copy()
    request_meta.stamp(retried, 2)
    assert request_meta.first_of(retried)["url"] == ASKED
