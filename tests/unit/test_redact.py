"""Values that hide themselves where values are shown, and are themselves elsewhere."""

from __future__ import annotations

import json
import pickle
import pprint
import traceback
from typing import Any

import pytest

from scrapy_onecaptcha._redact import Secret, SecretBytes, any_spelling, bare

TEXT = "cc9c18d3e263515c"


@pytest.mark.parametrize("secret", [Secret(TEXT), SecretBytes(TEXT.encode())])
def test_it_hides_itself(secret: Secret | SecretBytes) -> None:
    held = {"clientKey": [secret]}
    for shown in (repr(secret), f"{secret!r}", repr(held), pprint.pformat(held)):
        assert TEXT not in shown
        assert "<not shown>" in shown


def test_bytes_have_no_text() -> None:
    assert str(SecretBytes(b"a")) == "<not shown>"


def test_it_hides_in_the_locals_of_a_traceback() -> None:
    def fail(key: str) -> None:
        raise ValueError

    with pytest.raises(ValueError) as caught:
        fail(Secret(TEXT))
    told = traceback.TracebackException.from_exception(
        caught.value, capture_locals=True
    )
    (kept,) = (frame.locals for frame in told.stack if frame.name == "fail")
    assert kept == {"key": "<not shown>"}


def test_it_is_what_it_is() -> None:
    secret = Secret(TEXT)
    assert secret == TEXT
    assert f"{secret} {secret:>3}" == f"{TEXT} {TEXT}"
    assert json.dumps({"clientKey": secret}) == json.dumps({"clientKey": TEXT})
    assert repr(pickle.loads(pickle.dumps(secret))) == repr(secret)
    assert b"".join([SecretBytes(b"a"), b"b"]) == b"ab"


def test_an_error_comes_bare() -> None:
    def fail() -> None:
        try:
            int(TEXT)
        except ValueError as cause:
            raise KeyError from cause

    with pytest.raises(KeyError) as caught:
        fail()
    error: Any = caught.value
    assert isinstance(error.__cause__, ValueError)
    assert bare(error) is error
    kept = [getattr(error, f"__{name}__") for name in ("cause", "context", "traceback")]
    assert kept == [None] * 3


@pytest.mark.parametrize("written", [TEXT, TEXT.upper(), f"%{ord('c'):X}{TEXT[1:]}"])
def test_it_is_found(written: str) -> None:
    assert any_spelling(TEXT).sub("-", f"a {written}.") == "a -."


@pytest.mark.parametrize("other", [TEXT[1:], TEXT[:-1], TEXT.replace("9", "99")])
def test_nothing_else_is(other: str) -> None:
    assert not any_spelling(TEXT).search(other)


@pytest.mark.parametrize(
    ("again", "written"), [("\\", "u007e"), ("25", "7e"), ("0", "126;"), ("0", "7e;")]
)
def test_no_text_takes_long_to_search(again: str, written: str) -> None:
    """What may be repeated may be so a few times, whatever the text is made of."""
    before = {"u007e": "", "7e": "%", "126;": "&#", "7e;": "&#x"}[written]
    least = 1 if again == "\\" else 0
    found = [
        times
        for times in range(50)
        if any_spelling("~").fullmatch(f"{before}{again * times}{written}")
    ]
    assert found == list(range(least, len(found) + least))
    assert 2 < len(found) < 10
