"""The frozen data, and what it does not show."""

from __future__ import annotations

import dataclasses
import pickle
import re
from typing import Any, get_args

import pytest

from scrapy_onecaptcha import models as challenge
from scrapy_onecaptcha.models import REASONS, Challenge, Form, Solution, mask
from tests.unit.helpers import SITEKEY, TOKEN

CHALLENGE = Challenge(
    kind="gate",
    url="https://shop.example/",
    sitekey=SITEKEY,
    rqdata="secret-rqdata",
    form=Form(url="https://shop.example/verify", fields=(("csrf", "secret-field"),)),
    evidence=("an element .h-captcha",),
)
SOLUTION = Solution(
    token=TOKEN, user_agent="agent", resp_key="secret-key", task_id="7", seconds=12.5
)


@pytest.mark.parametrize("data", [CHALLENGE, SOLUTION, CHALLENGE.form])
def test_it_is_frozen(data: Any) -> None:
    for field in dataclasses.fields(data):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(data, field.name, None)
    assert not hasattr(data, "__dict__")
    assert pickle.loads(pickle.dumps(data)) == data
    assert hash(data) == hash(dataclasses.replace(data))


def test_it_does_not_show_its_secrets() -> None:
    for show in (repr, str, "{}".format):
        shown = show((CHALLENGE, SOLUTION)) + show(CHALLENGE) + show(SOLUTION)
        assert TOKEN not in shown
        assert TOKEN[4:12] not in shown
        assert "secret" not in shown
        assert SITEKEY in shown


def test_a_solution_tells_its_task() -> None:
    assert str(SOLUTION) == f"token <P1_e… {len(TOKEN)} characters> of task 7"


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        (None, "None"),
        ("", "''"),
        ("x", "<… 1 characters>"),
        ("abcdefghijklmno", "<… 15 characters>"),
        ("abcdefghijklmnop", "<abcd… 16 characters>"),
    ],
)
def test_mask(secret: str | None, shown: str) -> None:
    assert mask(secret) == shown


def test_the_reasons_are_a_closed_set() -> None:
    assert get_args(challenge.Reason) == REASONS
    assert len(set(REASONS)) == len(REASONS)
    assert all(re.fullmatch("[a-z_]+", reason) for reason in REASONS)


def test_what_is_left_out() -> None:
    bare = Challenge(kind="widget", url="https://shop.example/")
    assert bare.solvable
    assert (bare.sitekey, bare.rqdata, bare.form, bare.reason) == (None,) * 4
    assert bare.evidence == ()
    form = Form(url="https://shop.example/")
    assert form.method == "POST"
    assert form.enctype == "application/x-www-form-urlencoded"
    assert form.token_fields == ("h-captcha-response", "g-recaptcha-response")
    assert form.resp_key_field == "respKey"
