"""What crosses the pipe."""

from __future__ import annotations

import json

import pytest

from scrapy_onecaptcha.scripts.models import Answer, Reading, Sending, Visit, Widget

VISIT = Visit(
    html="<p>", url="https://a.test/", token="secret-token", resp_key="secret-key",
    external=(("https://a.test/x.js", "1"),), cookies=(("a", "b"),),
    answers=(("https://a.test/y", Answer(status=201, body="b", headers=(("c", "d"),))),),
    answer=Answer(body="e"),
)  # fmt: skip
READING = Reading(
    sending=Sending(kind="fetch", method="POST", url="https://a.test/?t=secret-token", fields=(("a", "secret-token"),), token_fields=("a",), shape=("POST",)),
    widgets=(Widget(sitekey="k", rqdata="r"),),
    needs=("https://a.test/y?t=secret-token",), cookies=("c=secret-token",), errors=("e",),
    moves_to="https://a.test/?t=secret-token",
)  # fmt: skip


def test_both_survive_the_journey() -> None:
    assert Visit.from_dict(json.loads(json.dumps(VISIT.as_dict()))) == VISIT
    assert Reading.from_dict(json.loads(json.dumps(READING.as_dict()))) == READING
    empty = Reading()
    assert Reading.from_dict(json.loads(json.dumps(empty.as_dict()))) == empty


def test_no_repr_shows_a_token() -> None:
    assert "secret" not in repr(VISIT)
    assert "secret" not in repr(READING)


@pytest.mark.parametrize(
    "given", [{}, {"sending": 1}, {**Reading().as_dict(), "needs": 1}]
)
def test_what_is_no_reading(given: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Reading.from_dict(given)
