"""Whatever is in a setting or in ``meta``: it is taken, or refused by its name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scrapy.exceptions import NotConfigured
from scrapy.settings import Settings

from scrapy_onecaptcha.request_options import KEYS, RequestOptions
from scrapy_onecaptcha.settings import SETTINGS, Config
from tests.unit.helpers import configure

from .fuzzing import ends, fuzzed, is_one_line, odd_text

SECRET = "cc9c18d3e263515c2c072b36a7125eecc078618f"
CONFIG = configure()


class Unshowable:
    """Has no ``repr``."""

    def __repr__(self) -> str:
        raise RuntimeError


#: What has no ``repr``, so that hypothesis cannot draw it.
UNSHOWABLE = [Unshowable(), 10**5000, -(10**5000), [Unshowable()]]
DEEP = [
    *("[" * 50_000, ":not(" * 500 + "a", "a " * 5000, ":is(" * 400 + "a" + ")" * 400),
    *('{"a":' * 50_000, "a>" * 3000 + "a"),
]
TEXTS = odd_text(
    [
        *(
            "1",
            "0",
            "-1",
            "1e9",
            "nan",
            "inf",
            "True",
            "error",
            "#content",
            "a[b=",
            "::",
        ),
        *(
            "example.com",
            "https://a:b@example.com:99999/?q#f",
            "http://[",
            "http://[::1]",
        ),
        *("https://127.0.0.1:0", "http://localhost", "b\xfccher.example", "*.example"),
        *(
            "json.loads",
            "json.nothing",
            "no.such",
            "os",
            "..",
            "header:x",
            "header:host",
        ),
        *(
            '{"a.example": "json.loads"}',
            '{"": 1}',
            "[]",
            SECRET,
            "٣",
            "1_0",
            "x" * 5000,
        ),
        *("338AF34C-7bcb-4c7c-900b-acbec73d7d43", "x|y", "@a:b(", ":contains('"),
    ]
)
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXTS
    | st.binary(max_size=5)
    | st.sampled_from([*DEEP, 10**400, "9" * 5000, json.loads, dict])
)
VALUES = ATOMS | st.lists(ATOMS, max_size=3) | st.dictionaries(TEXTS, ATOMS, max_size=2)


def check_refusal(error: ValueError, names: str) -> None:
    assert type(error) is ValueError
    message = str(error)
    assert any(name in message for name in names.split())
    assert "allowed" in message or "no result could be asked for" in message
    assert is_one_line(message), message
    if "API_KEY" in names:
        assert SECRET not in message


@fuzzed(400)
@example("ONECAPTCHA_SUBMITTERS", "[" * 50_000)
@example("ONECAPTCHA_EXPECT", ":is(" * 400 + "a" + ")" * 400)
@given(name=st.sampled_from(sorted(SETTINGS)), value=VALUES)
def test_a_setting_is_taken_or_refused_by_name(name: str, value: Any) -> None:
    check_setting(name, value)


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_setting_that_cannot_be_shown(name: str) -> None:
    for value in UNSHOWABLE:
        check_setting(name, value)


def check_setting(name: str, value: Any) -> None:
    settings = Settings({"ONECAPTCHA_API_KEY": SECRET, name: value})
    with ends():
        try:
            config = Config.from_settings(settings, {})
        except NotConfigured:
            assert name in ("ONECAPTCHA_ENABLED", "ONECAPTCHA_API_KEY")
        except ValueError as error:
            check_refusal(error, f"{name} ONECAPTCHA_SOLVE_TIMEOUT")
        else:
            assert SECRET not in repr(config) or name != "ONECAPTCHA_API_KEY"


@fuzzed(300)
@example(value={"expect": ":not(" * 500 + "a"})
@given(
    value=st.dictionaries(st.sampled_from(sorted(KEYS)), VALUES, max_size=3)
    | st.dictionaries(ATOMS.filter(lambda atom: atom.__hash__ is not None), ATOMS)
    | VALUES
)
def test_meta_is_taken_or_refused_by_name(value: Any) -> None:
    check_meta(value)


@pytest.mark.parametrize("value", range(len(UNSHOWABLE)))
def test_meta_that_cannot_be_shown(value: int) -> None:
    odd = UNSHOWABLE[value]
    check_meta(odd)
    for key in KEYS:
        check_meta({key: odd})
    if not isinstance(odd, list):
        check_meta({odd: 1})


def check_meta(value: Any) -> None:
    with ends():
        try:
            options = RequestOptions.from_meta(value, CONFIG.options)
        except ValueError as error:
            check_refusal(error, 'meta["onecaptcha"]')
        else:
            assert isinstance(options.max_attempts, int)


def test_what_cannot_be_shown_is_refused_all_the_same() -> None:
    with pytest.raises(ValueError, match="ONECAPTCHA_MAX_TASKS is a int that cannot"):
        configure(max_tasks=-(10**5000))
