"""A response is read once, however many ask."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING

from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_onecaptcha.pages import readings
from scrapy_onecaptcha.pages.readings import reading_steps
from scrapy_onecaptcha.pages.steps import finish
from scrapy_onecaptcha.request_options import UNSET, RequestOptions

if TYPE_CHECKING:
    import pytest
    from scrapy.http import Response

    from scrapy_onecaptcha import Challenge

URL = "https://shop.example/0"
KEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
GATE = (
    "<title>Security check</title><form method=post>"
    f"<div class=h-captcha data-sitekey={KEY}></div><button>Continue</button></form>"
    '<script src="https://js.hcaptcha.com/1/api.js"></script>'
).encode()


def detect_once(
    response: Response, options: RequestOptions = UNSET
) -> Challenge | None:
    steps = reading_steps(response, options)
    return None if steps is None else finish(steps)


class Asked:
    """Counts the readings: the user's function is asked in each of them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, page: Response, challenge: Challenge) -> bool:
        self.count += 1
        return challenge.kind == "gate"


def page(request: Request | None, body: bytes = GATE, status: int = 200) -> Response:
    return HtmlResponse(URL, status=status, body=body, request=request)


def test_a_copy_of_a_response_is_not_read_again() -> None:
    asked, request = Asked(), Request(URL)
    options = RequestOptions(decide=asked)
    first = detect_once(page(request), options)
    assert first is not None
    assert detect_once(page(request), options) is first
    assert asked.count == 1


def test_what_differs_is_read_again() -> None:
    asked, request = Asked(), Request(URL)
    options = RequestOptions(decide=asked)
    detect_once(page(request), options)
    detect_once(page(request, status=403), options)
    detect_once(page(request, body=GATE + b" "), options)
    detect_once(page(request).replace(url=URL + "1"), options)
    detect_once(page(request), replace(options, field="token"))
    detect_once(page(Request(URL)), options)
    assert asked.count == 6


def test_without_a_request_nothing_is_kept() -> None:
    asked = Asked()
    options = RequestOptions(decide=asked)
    for _ in range(2):
        assert detect_once(page(None), options) is not None
    assert asked.count == 2


def test_a_page_that_was_parsed_for_nothing_is_kept_too() -> None:
    request = Request(URL)
    assert detect_once(page(request, body=b"<p>hcaptcha")) is None
    assert readings._READINGS[request][1] is None


def test_of_what_is_refused_at_once_nothing_is_kept_or_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = Request(URL)
    monkeypatch.setattr(readings, "_identify", None)  # reads the whole body once more
    assert detect_once(page(request, body=b"<p>x")) is None
    assert request not in readings._READINGS


def test_a_reading_goes_with_its_request() -> None:
    request = Request(URL)
    detect_once(page(request))
    before = len(readings._READINGS)
    del request
    gc.collect()
    assert len(readings._READINGS) < before
