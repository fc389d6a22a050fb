"""The JSON of a page is walked once, whatever the number of its widgets."""

from __future__ import annotations

import json

from scrapy_onecaptcha.pages.embedded_json import (
    MAX_PIECES,
    MAX_VALUES,
    NO_DATA,
    Data,
    data_steps,
    rqdata_of,
    sitekey_of,
)
from scrapy_onecaptcha.pages.steps import finish

KEYS = [f"338af34c-7bcb-4c7c-900b-acbec73d7d4{number}" for number in range(3)]


def read(code: str, texts: list[str]) -> Data:
    return finish(data_steps(code, texts))


def test_the_values_of_all_places_have_one_limit() -> None:
    texts = [json.dumps(["x"] * 4_000)] * MAX_PIECES
    assert read("", texts[:1]).visited == 4_000
    assert read("", texts).visited == MAX_VALUES


def test_the_rqdata_beside_a_sitekey_is_its_own() -> None:
    said = {
        f"widget{key}": {"sitekey": key, "rqdata": f"data of {key}"} for key in KEYS[:2]
    }
    data = read("", [json.dumps(said)])
    assert rqdata_of(data, KEYS[0]) == f"data of {KEYS[0]}"
    assert rqdata_of(data, KEYS[1]) == f"data of {KEYS[1]}"
    assert rqdata_of(data, KEYS[2]) is None
    assert rqdata_of(data, None) is None


def test_the_only_rqdata_is_taken_for_any_key() -> None:
    data = read("", ['{"a": {"captcha-rqdata": "x"}}'])
    assert rqdata_of(data, KEYS[0]) == rqdata_of(data, None) == "x"
    assert rqdata_of(NO_DATA, KEYS[0]) is None


def test_a_sitekey_is_hcaptchas_by_name() -> None:
    assert sitekey_of(read("", [f'{{"sitekey": "{KEYS[0]}"}}'])) is None
    named = json.dumps({"hCaptcha": {"site_key": KEYS[0].upper()}})
    assert sitekey_of(read("", [named])) == KEYS[0]
    two = json.dumps([{"hcaptchaSitekey": key} for key in KEYS])
    assert sitekey_of(read("", [two])) is None
