"""The work on a page does not grow faster than the page.

Calls are counted, not seconds: the count is the same on any machine. What a call into
C does inside is bounded by the size of what it is given, which the limits of
`markup` and `embedded_json` bound in turn.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, JsonResponse, TextResponse, XmlResponse

from scrapy_onecaptcha.pages import detection
from scrapy_onecaptcha.pages.detection import detect, detection_steps
from scrapy_onecaptcha.request_options import UNSET, RequestOptions
from tests.corpus.slow_pages import (
    CONTENT,
    KEY,
    SELECTORS,
    SLOW,
    WIDGET,
    page,
    siblings,
)
from tests.fuzz.fuzzing import ends

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Calls for one page of the full size. A page that multiplies its parts takes millions.
MOST = 400_000
#: Calls for one step, between which a crawl goes on.
MOST_IN_STEP = 110_000
#: Calls for content that is no possible gate.
FEW = 300


def steps(response: TextResponse, options: RequestOptions = UNSET) -> Iterator[int]:
    """Yield the calls that each step of a detection makes, of Python and of C."""
    response.text  # noqa: B018  (decoded once, and not counted)
    left = detection_steps(response, options)
    count, is_done = 0, False

    def tally(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    while not is_done:
        count = 0
        sys.setprofile(tally)
        try:
            is_done = next(left, left) is left
        finally:
            sys.setprofile(None)
        yield count


def calls(response: TextResponse) -> int:
    """Count the calls of all steps."""
    return sum(steps(response))


@pytest.mark.parametrize("name", SLOW)
def test_a_page_made_to_be_slow_takes_little_work(name: str) -> None:
    each = list(steps(page(SLOW[name]())))
    assert sum(each) < MOST
    assert max(each) < MOST_IN_STEP


@pytest.mark.parametrize("name", SLOW)
def test_a_page_made_to_be_slow_keeps_no_call_busy(name: str) -> None:
    response = page(SLOW[name]())
    with ends(5.0):  # of CPU, which nothing takes but a page that grows by its square
        detect(response)


@pytest.mark.parametrize("name", SELECTORS)
def test_a_selector_that_looks_at_many_elements_takes_little_work(name: str) -> None:
    make, css = SELECTORS[name]
    each = list(steps(page(make()), RequestOptions(expect=css)))
    assert sum(each) < MOST
    assert max(each) < MOST_IN_STEP


@pytest.mark.parametrize("name", CONTENT)
def test_content_with_scripts_takes_next_to_none(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection, "parse_steps", None)  # it is not even parsed
    assert calls(page(CONTENT[name]())) < FEW


class SearchedBytes(bytes):
    """Counts how often it is searched for more than its beginning."""

    searches = 0

    def __contains__(self, word: Any) -> bool:
        self.searches += 1
        return super().__contains__(word)

    def find(self, *arguments: Any) -> int:
        self.searches += 1
        return super().find(*arguments)

    def rfind(self, *arguments: Any) -> int:
        self.searches += 1
        return super().rfind(*arguments)


@pytest.mark.parametrize(
    ("of_type", "searches"), [(HtmlResponse, 2), (XmlResponse, 0), (TextResponse, 0)]
)
def test_a_page_that_names_no_captcha_is_searched_twice(
    of_type: type[TextResponse], searches: int
) -> None:
    body = SearchedBytes(b"<p>An ordinary line.</p>" * 4_000)
    headers = {"Content-Type": "text/css"} if of_type is TextResponse else {}
    response = of_type("https://shop.example/", body=body, headers=headers)
    assert response.body is body
    assert detection.detect(response) is None
    assert body.searches == searches


@pytest.mark.parametrize(
    "values",
    [
        ["{}"] * 40_000,
        ["1"] * 60_000,
        ['{"type":"hcaptcha","result":"Failure"}'] * 3_000,
    ],
)
def test_a_reply_in_json_takes_little_work(values: list[str]) -> None:
    body = f'{{"captcha_sitekey":"{KEY}","captcha":[{",".join(values)}]}}'.encode()
    request = Request("https://shop.example/api", method="POST")
    reply = JsonResponse(request.url, status=400, body=body, request=request)
    assert calls(reply) < MOST_IN_STEP
    # A longer one is not parsed.
    longer = reply.replace(body=body + b" " * 200_000)
    assert calls(longer) < FEW


def test_attributes_are_looked_at_in_more_than_one_step() -> None:
    few, many = page(siblings()), page(SLOW["few attributes by many tags"]())
    assert len(list(steps(many))) >= len(list(steps(few))) + 5


def test_work_grows_with_the_page_and_not_with_its_square() -> None:
    def nested(count: int) -> HtmlResponse:
        return page(f"<form>{WIDGET}" + "<div><input name=a>" * count)

    small, large = calls(nested(1_000)), calls(nested(4_000))
    assert large < 5 * small
