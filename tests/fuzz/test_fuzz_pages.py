"""Pages are made by others: what is read of them, and what would be sent for them."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_onecaptcha import detect
from scrapy_onecaptcha.cli.detect import show, tell
from scrapy_onecaptcha.cli.page_fetch import Look
from scrapy_onecaptcha.crawl.gate import task_of
from scrapy_onecaptcha.crawl.requests import hop
from scrapy_onecaptcha.crawl.scope import Scope
from scrapy_onecaptcha.crawl.submission import submit
from scrapy_onecaptcha.exceptions import SubmissionRefused
from scrapy_onecaptcha.models import REASONS, Challenge, Solution, valid_sitekey
from scrapy_onecaptcha.pages.detection import detect as detect_with
from scrapy_onecaptcha.request_options import UNSET, RequestOptions

from .fuzzing import ends, fuzzed
from .mutation import JSON_PAGES, LABELLED, mutated, response_of, scripted

if TYPE_CHECKING:
    from scrapy.http import TextResponse

TOKEN = "P1_eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"
SOLUTION = Solution(token=TOKEN, user_agent="solver/1.0", resp_key="E0_key")
ANYWHERE = Scope(lambda: ("example", "test", "invalid", "com", "net", "org"))
HINTS = st.sampled_from([UNSET] * 4) | st.builds(
    RequestOptions,
    gate=st.sampled_from([None, True, False]),
    expect=st.sampled_from([None, "#content", "h1 > *", ":contains('a')"]),
    sitekey=st.sampled_from([None, "338af34c-7bcb-4c7c-900b-acbec73d7d43", "abc"]),
    rqdata=st.sampled_from([None, "data", "x" * 9000]),
    invisible=st.sampled_from([None, True]),
    field=st.sampled_from([None, "token", "a.b", "header:x-captcha", "header:host"]),
    decide=st.sampled_from([None, lambda _r, _c: True]),
)


def check_page(
    response: TextResponse, hints: RequestOptions = UNSET
) -> Challenge | None:
    """Do all that a crawl and the command do with a page; return what was seen."""
    with ends():
        challenge = detect_with(response, hints)
        if challenge is not None:
            check_challenge(challenge)
            check_submission(response, challenge)
        look = Look("target", response, challenge)
        told = tell(look)
        assert show(told, as_json=True).isascii()
        shown = show(told, as_json=False)
        assert all(line.isprintable() for line in shown.split("\n")), shown
    return challenge


def check_challenge(challenge: Challenge) -> None:
    assert challenge.kind in ("gate", "widget")
    assert challenge.reason in (None, *REASONS)
    assert challenge.solvable is (challenge.reason is None)
    assert challenge.sitekey == valid_sitekey(challenge.sitekey)
    assert challenge.evidence
    assert len(repr(challenge)) < 20_000 + 2 * len(repr(challenge.form))


def check_submission(response: TextResponse, challenge: Challenge) -> None:
    """Build what a paid token would go away with, and see that it is in there."""
    request, form = response.request, challenge.form
    if form is None or request is None or not challenge.solvable:
        return
    json.dumps(task_of(challenge, request).payload())
    if response.url == "http://[":
        return  # no page of a crawl
    try:
        ANYWHERE.check_submission(response.url, form.url)
    except SubmissionRefused:
        return
    request.replace(url=form.url, method=form.method)
    made = submit(request, response, form, SOLUTION)
    sent = f"{made.url} {made.body.decode('latin-1')} {made.headers.to_unicode_dict()}"
    assert TOKEN in sent, "paid for, but not sent"
    after = hop(made, made.url, TOKEN)
    assert TOKEN not in str(after.headers.to_unicode_dict())


@fuzzed(500)
@given(label=st.sampled_from(LABELLED), seed=st.integers(0, 2**32), hints=HINTS)
def test_any_page_is_read(label: object, seed: int, hints: RequestOptions) -> None:
    dice = random.Random(seed)
    body = mutated(dice, label)  # type: ignore[arg-type]
    check_page(response_of(dice, label, body), hints)  # type: ignore[arg-type]


@fuzzed(300)
@given(label=st.sampled_from(JSON_PAGES), seed=st.integers(0, 2**32), hints=HINTS)
def test_any_reply_of_an_api_is_read(
    label: object, seed: int, hints: RequestOptions
) -> None:
    dice = random.Random(seed)
    body = mutated(dice, label)  # type: ignore[arg-type]
    check_page(response_of(dice, label, body), hints)  # type: ignore[arg-type]


@fuzzed(500)
@given(seed=st.integers(0, 2**32), hints=HINTS)
def test_any_script_is_read(seed: int, hints: RequestOptions) -> None:
    dice = random.Random(seed)
    url = "https://shop.example/page?a=b"
    check_page(
        HtmlResponse(url, body=scripted(dice), encoding="utf-8", request=Request(url)),
        hints,
    )


def test_most_pages_that_are_broken_are_still_seen_as_something() -> None:
    """Else the tests above would break pages beyond anything that is read."""
    dice = random.Random(0)
    seen = 0
    for number in range(200):
        label = LABELLED[number % len(LABELLED)]
        response = response_of(dice, label, mutated(dice, label))
        try:
            seen += detect(response) is not None
        except Exception:  # noqa: BLE001
            continue
    assert seen > 60
