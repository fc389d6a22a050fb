"""The error tree."""

from __future__ import annotations

import copy
import pickle
import re
from typing import TYPE_CHECKING

import pytest
from scrapy.exceptions import IgnoreRequest
from scrapy.http import HtmlResponse

import scrapy_onecaptcha
from scrapy_onecaptcha import exceptions
from scrapy_onecaptcha.exceptions import (
    AccountError,
    BlockedError,
    OneCaptchaError,
    PolicyError,
    ServiceError,
    SolveTimeout,
    UnsolvableGate,
)
from scrapy_onecaptcha.models import Challenge
from scrapy_onecaptcha.request_options import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = [getattr(exceptions, name) for name in exceptions.__all__]
SERVICE = [kind for kind in ALL if issubclass(kind, ServiceError)]
GATE = HtmlResponse("https://shop.example/", body=b"<html>gate</html>", status=403)
CHALLENGE = Challenge(kind="gate", url=GATE.url)

PARENTS = {
    "OneCaptchaError": "IgnoreRequest",
    "UnsolvableGate": "OneCaptchaError",
    "PolicyError": "OneCaptchaError",
    "BudgetExceeded": "PolicyError",
    "CircuitOpen": "PolicyError",
    "AttemptsExhausted": "PolicyError",
    "SubmissionRefused": "PolicyError",
    "StoreUnavailable": "PolicyError",
    "DryRun": "PolicyError",
    "ServiceError": "OneCaptchaError",
    "AccountError": "ServiceError",
    "BlockedError": "ServiceError",
    "BadTaskError": "ServiceError",
    "SiteRefusedError": "ServiceError",
    "TaskFailed": "ServiceError",
    "ProxyFailed": "TaskFailed",
    "Unavailable": "ServiceError",
    "SolveTimeout": "OneCaptchaError",
}


def test_the_tree() -> None:
    assert {kind.__name__: kind.__bases__[0].__name__ for kind in ALL} == PARENTS
    assert all(len(kind.__bases__) == 1 for kind in ALL)


def test_the_tree_is_complete() -> None:
    defined = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type)
        and issubclass(value, BaseException)
        and value.__module__ == exceptions.__name__
    }
    assert defined == set(exceptions.__all__)


def test_the_tree_is_drawn() -> None:
    drawn = re.findall(r"^ {4}([│├└─ ]*)(\w+)", exceptions.__doc__ or "", re.MULTILINE)
    path: list[str] = ["IgnoreRequest"]
    parents = {}
    for branch, name in drawn:
        depth = len(branch) // 4
        path[depth + 1 :] = [name]
        parents[name] = path[depth]
    assert parents == PARENTS


def test_all_are_exported() -> None:
    for kind in ALL:
        assert getattr(scrapy_onecaptcha, kind.__name__) is kind
        assert kind.__name__ in scrapy_onecaptcha.__all__


@pytest.mark.parametrize("kind", ALL)
def test_each_says_what_it_is(kind: type[OneCaptchaError]) -> None:
    assert issubclass(kind, IgnoreRequest)
    assert kind.__doc__
    assert re.fullmatch(r"[a-z_]+", kind.reason)
    assert kind.advice.endswith(".")


def test_no_two_have_the_same_reason() -> None:
    assert len({kind.reason for kind in ALL}) == len(ALL)


def test_an_unsolvable_gate_names_what_can_be_said_of_it() -> None:
    said = set(re.findall(r"\w+", UnsolvableGate.advice)) & set(KEYS)
    assert said == {"sitekey", "field", "submitter"}


def test_each_leaf_has_advice_of_its_own() -> None:
    leaves = [kind for kind in ALL if not kind.__subclasses__()]
    assert len({kind.advice for kind in leaves}) == len(leaves)
    assert OneCaptchaError.advice not in {kind.advice for kind in leaves}


@pytest.mark.parametrize("kind", ALL)
def test_what_is_left_out(kind: type[OneCaptchaError]) -> None:
    error = kind()
    assert str(error) == ""
    assert (error.response, error.challenge, error.code) == (None, None, "")
    if isinstance(error, ServiceError):
        assert (error.description, error.answered) == ("", False)


def test_the_message_is_what_is_shown() -> None:
    error = UnsolvableGate("no sitekey", response=GATE, challenge=CHALLENGE)
    assert str(error) == "no sitekey"
    assert error.response is GATE
    assert error.challenge is CHALLENGE


def test_what_a_page_or_a_reply_says_cannot_forge_a_log_line() -> None:
    assert str(OneCaptchaError("a\r\nb\x1b[2J\u2028c")) == "a  b [2J c"


def pickled(error: OneCaptchaError) -> OneCaptchaError:
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, OneCaptchaError)
    return again


COPIERS = [copy.copy, copy.deepcopy, pickled]


@pytest.mark.parametrize("again", COPIERS)
@pytest.mark.parametrize("kind", ALL)
def test_a_copy_says_the_same(
    kind: type[OneCaptchaError], again: Callable[[OneCaptchaError], OneCaptchaError]
) -> None:
    error = again(kind("why", response=GATE, challenge=CHALLENGE))
    assert type(error) is kind
    assert str(error) == "why"
    assert error.response is not None
    assert (error.response.url, error.response.status) == (GATE.url, 403)
    assert error.response.body == GATE.body
    assert error.challenge == CHALLENGE


@pytest.mark.parametrize("again", COPIERS)
@pytest.mark.parametrize("kind", SERVICE)
def test_a_copy_keeps_what_the_service_said(
    kind: type[ServiceError], again: Callable[[OneCaptchaError], OneCaptchaError]
) -> None:
    said = kind("why", code="ERROR_X", description="Because.", answered=True)
    error = again(said)
    assert isinstance(error, ServiceError)
    assert (error.code, error.description) == ("ERROR_X", "Because.")
    assert error.answered is True


@pytest.mark.parametrize("again", COPIERS)
def test_a_copy_keeps_how_long_a_block_lasts(
    again: Callable[[OneCaptchaError], OneCaptchaError],
) -> None:
    error = BlockedError("blocked")
    assert error.seconds == 600
    error.seconds = 30
    copied = again(error)
    assert isinstance(copied, BlockedError)
    assert copied.seconds == 30
    assert BlockedError("blocked").seconds == 600


def test_a_copy_is_another_error() -> None:
    error = AccountError("why", code="ERROR_ZERO_BALANCE")
    other = copy.copy(error)
    other.response = GATE
    assert error.response is None


@pytest.mark.parametrize("kind", [PolicyError, ServiceError, SolveTimeout])
def test_each_branch_can_be_caught_by_itself(kind: type[OneCaptchaError]) -> None:
    branches = (PolicyError, ServiceError, SolveTimeout, UnsolvableGate)
    assert [branch for branch in branches if issubclass(kind, branch)] == [kind]
