"""Clearances as text, and text that is none."""

from __future__ import annotations

import pytest

from scrapy_onecaptcha.stores.base import Clearance, StoreFault
from scrapy_onecaptcha.stores.payload import MAX_PAYLOAD_LENGTH, dump, load

CLEARANCE = Clearance(
    cookies=({"name": "clr", "value": "secret"}, {"name": "b", "expires": 7}),
    url_pass=(("pass", "secret-pass"), ("of", "")),
    user_agent="Mozilla/5.0 ü",
    egress="host",
    generation=3,
    earned_at=17.5,
)


def test_there_and_back() -> None:
    text = dump(CLEARANCE)
    assert text is not None
    assert load(text, 3, 17.5) == CLEARANCE


def test_what_opens_a_site_is_not_shown() -> None:
    assert "secret" not in repr(CLEARANCE)


def test_too_large() -> None:
    big = Clearance(cookies=({"value": "x" * MAX_PAYLOAD_LENGTH},))
    assert dump(big) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"cookies": [], "user_agent": null, "egress": ""}',
        '{"cookies": 1, "url_pass": [], "user_agent": null, "egress": ""}',
        '{"cookies": ["secret"], "url_pass": [], "user_agent": null, "egress": ""}',
        '{"cookies": [], "url_pass": [], "user_agent": 7, "egress": ""}',
        '{"cookies": [], "url_pass": [], "user_agent": null, "egress": null}',
        '{"cookies": [], "url_pass": 1, "user_agent": null, "egress": ""}',
        '{"cookies": [], "url_pass": ["ab"], "user_agent": null, "egress": ""}',
        '{"cookies": [], "url_pass": [["secret"]], "user_agent": null, "egress": ""}',
        '{"cookies": [], "url_pass": [["a", 1]], "user_agent": null, "egress": ""}',
        "[" * 100_000,
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(StoreFault) as caught:
        load(text, 1, 1.0)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__
