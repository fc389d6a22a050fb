"""Values that hide themselves where values are shown, and are themselves elsewhere."""

from __future__ import annotations

import json
import pickle
import pprint
import traceback
from typing import Any

import pytest

from scrapy_onecaptcha._redact import (
    Secret,
    SecretBytes,
    any_spelling,
    without_frames,
    without_user,
)

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


def test_an_error_comes_without_its_frames() -> None:
    def fail() -> None:
        try:
            int(TEXT)
        except ValueError as cause:
            raise KeyError from cause

    with pytest.raises(KeyError) as caught:
        fail()
    error: Any = caught.value
    assert isinstance(error.__cause__, ValueError)
    assert without_frames(error) is error
    kept = [getattr(error, f"__{name}__") for name in ("cause", "context", "traceback")]
    assert kept == [None] * 3


@pytest.mark.parametrize("written", [TEXT, TEXT.upper(), f"%{ord('c'):X}{TEXT[1:]}"])
def test_it_is_found(written: str) -> None:
    assert any_spelling(TEXT).sub("-", f"a {written}.") == "a -."


@pytest.mark.parametrize("other", [TEXT[1:], TEXT[:-1], TEXT.replace("9", "99")])
def test_nothing_else_is(other: str) -> None:
    assert not any_spelling(TEXT).search(other)


@pytest.mark.parametrize(
    ("secret", "written"),
    [
        ("a\\b", "a\\\\b"),
        ("a\\b", r"a\u005cb"),
        ("a&b", "a&amp;amp;b"),
        ("a%41b", "a%252541b"),
        ("%\\41", "%25%5C41"),
        ("&#65;", "&amp;#65;"),
        ("\u00e9a", "\u00e9A"),
        ("ab", "\\" * 40 + "a" + "\\" * 40 + "b"),
        ("\u00e9a", "%C3%A9A"),
        ("\u00e9a", r"\u00e9A"),
        ("\u00e9a", "%26%23233;a"),
        ("a\U0001f600", "a&#128512;"),
        ("ab", "&#x" + "0" * 99 + "61;b"),
        ("ab", "%" + "25" * 99 + "61b"),
    ],
)
def test_it_is_found_in_any_depth_of_encoding(secret: str, written: str) -> None:
    said = any_spelling(secret).sub("-", f"<{written}>")
    assert said.replace("\\", "") == "<->"
    assert any_spelling(secret).search(written)


def test_each_echo_is_replaced_and_the_rest_is_kept() -> None:
    said = any_spelling("abc").sub(
        "-", r"x %41bc y \u0061BC \n &eacute; ABC&#99999999;"
    )
    assert said == r"x - y - \n &eacute; -&#99999999;"


def test_no_secret_is_found_nowhere() -> None:
    assert any_spelling("").sub("-", "text") == "text"
    assert not any_spelling("\\").search("\\")


LONG = 32 * 1024


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("\\" * LONG, "\\" * 2 * LONG + "x"),
        (f"a{chr(92) * LONG}b", f"a{chr(92) * 2 * LONG}c"),
        ("a\\" * LONG + "b", "a\\" * 2 * LONG),
        ("%25" * LONG + "z", "%25" * 2 * LONG),
        ("k" * LONG, f"&#{'0' * 2 * LONG}1234567890"),
        ("&amp;" * LONG + "q", "&amp;" * 2 * LONG),
        ("a" * LONG + "b", "a" * 2 * LONG),
    ],
)
def test_the_work_is_linear_in_the_text(secret: str, text: str) -> None:
    """A search that tries each way to write each character would not end."""
    assert not any_spelling(f"{secret}\x00").search(text)
    assert any_spelling(f"!{secret}").sub("-", f"{text}!{secret}").endswith("-")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to https://u:p@h.test/?a@b: no", "to https://***@h.test/?a@b: no"),
        ("https:\\\\u:p:q@r@h/ //u@i/", "https:\\\\***@h/ //***@i/"),
        ("https:/u:p@h wss:\\u:p@h", "https:/***@h wss:\\***@h"),
        ("(https:u:p@h) HTTP:u:ftp:p@r@h/a@b", "(https:***@h) HTTP:***@h/a@b"),
        ("https:///u@h;http:u@h", "https:///***@h"),
        ("/u:p@h mail:a@b.test a/u@h", "/u:p@h mail:a@b.test a/u@h"),
        ("https://h.test/u:p@x a@b.test", "https://h.test/u:p@x a@b.test"),
    ],
)
def test_the_user_of_an_address_is_not_shown(text: str, shown: str) -> None:
    assert without_user(text) == shown


@pytest.mark.parametrize("piece", ["//a:", "https:", "https:/", "http:u:", "a@b/"])
def test_the_search_for_users_is_linear(piece: str) -> None:
    text = piece * 100_000
    assert without_user(text).startswith(text[:5])
    assert without_user(f"{text} https:u@h").endswith(" https:***@h")
