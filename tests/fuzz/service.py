"""Replies of a service that may answer anything, and the transport that brings them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import (
    ConnectError,
    ConnectionLost,
    DNSLookupError,
)
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from scrapy_onecaptcha.service.error_codes import RULES

from .fuzzing import odd_text

if TYPE_CHECKING:
    from twisted.internet.protocol import Protocol

KEY = "cc9c18d3e263515c2c072b36a7125eecc078618f"
TOKEN = "P1_eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"

_CODES = [*RULES, "CAPTCHA_NOT_READY", "ERROR_IP_BLOCKED_5MIN", "ERROR_NEW", KEY]
_NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, 1, -1, 0.0, 10**400, float("nan"), float("inf")])
)
_ANY = st.recursive(
    st.none() | st.booleans() | _NUMBERS | odd_text([KEY, "ready", "0"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def _near(*right: Any) -> st.SearchStrategy[Any]:
    """Draw a value that is right mostly."""
    return st.sampled_from([*right, *right, *right]) | _ANY


_SOLUTION = st.fixed_dictionaries(
    {},
    optional={
        "gRecaptchaResponse": _near(TOKEN, TOKEN, "x" * 40_000, ""),
        "userAgent": _near("Mozilla/5.0 (solver)", None, "a\r\nX: y", "A" * 2000),
        "user_agent": _near("Mozilla/5.0 (other)"),
        "respKey": _near("E0_key", 5, 10**300, "x" * 40_000),
    },
)
_DESCRIPTIONS = odd_text(
    [f"the key {KEY} is bad", KEY.upper(), "wait 5 min", "5 \u017f", "x" * 5000, "٣ h"]
)
#: A reply as an object, each of its fields there or not, right or wrong.
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "errorId": _near(0, 0, 1, "0", "1", None),
        "errorCode": _near("", None) | odd_text(_CODES),
        "errorDescription": _DESCRIPTIONS | _ANY,
        "taskId": _near("61138bb6-19fb-11ec-a9c8-0242ac110006", 77, 0, "x" * 300),
        "status": _near("ready", "processing", "idle", " READY ", "new"),
        "solution": _SOLUTION | _near(None),
        "balance": _near(1071810, "5.5", 10**400),
        "extra": _ANY,
        "clientKey": st.just(KEY),
    },
)
#: What is no reply of that shape at all.
_BROKEN = st.sampled_from(
    [
        *(
            b"",
            b"null",
            b"[]",
            b'"ready"',
            b"{",
            b"\xff\xfe{\x00}\x00",
            b"\xef\xbb\xbf{}",
        ),
        *(b"<html>502</html>", b'{"errorId":' + b"1" * 5000 + b"}", b"[" * 30_000),
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b'{"errorId":0,"errorId":1,"errorCode":"A","errorCode":"B"}',
        b'{"errorId":0,"balance":NaN}',
        b'{"errorId":0,"status":"ready","solution":'
        + b'{"a":' * 400
        + b"1"
        + b"}" * 401,
        b'{"taskId":"' + b"\\ud800" * 50 + b'","errorId":0}',
        b"\x00" * 70_000,
    ]
)


def _dumped(value: Any, encoding: str, *, is_ascii: bool) -> bytes:
    return json.dumps(value, ensure_ascii=is_ascii).encode(encoding, "surrogatepass")


#: Bodies of replies.
BODIES = (
    st.builds(
        _dumped,
        OBJECTS,
        st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16", "utf-32", "utf-8-sig"]),
        is_ascii=st.booleans(),
    )
    | _BROKEN
    | st.binary(max_size=50)
)
STATUSES = st.sampled_from([200] * 6 + [0, 100, 204, 301, 307, 400, 401, 408, 429]) | (
    st.integers(-1, 999)
)
#: What a call comes to: a status and a body, or a fault of the network.
REPLIES = (
    st.tuples(STATUSES, BODIES)
    | st.tuples(STATUSES, BODIES)
    | st.tuples(STATUSES, BODIES)
    | st.sampled_from(["refused", "lost", "unknown", "silent", "cut", "short", "odd"])
)

Reply = Any


@dataclass
class Http:
    """A double of treq: gives the *replies* in turn, the last one for ever."""

    replies: list[Reply]
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def post(self, url: str, /, *, data: bytes, **_: Any) -> Deferred[Any]:
        """Answer one call."""
        reply = self.replies[min(len(self.calls), len(self.replies) - 1)]
        self.calls.append((url.rpartition("/")[2], json.loads(data)))
        new_error: Any = ConnectError  # untyped
        faults: dict[str, Exception] = {
            "refused": new_error(string=f"by {KEY}\n"),
            "unknown": DNSLookupError(),
            "lost": ConnectionLost(),
            "odd": ValueError(f"{KEY} \x1b[2J"),
        }
        if reply in faults:
            return fail(faults[reply])
        answered: Deferred[Any] = Deferred()
        if reply != "silent":
            answered.callback(_Answer(reply))
        return answered

    def count(self, method: str) -> int:
        """Return how often *method* was called."""
        return sum(name == method for name, _ in self.calls)


class _Answer:
    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.code = 200 if isinstance(reply, str) else reply[0]

    def deliverBody(self, protocol: Protocol) -> None:  # noqa: N802  (treq's name)
        new: Any = Failure  # none of Twisted's is typed
        transport: Any = StringTransport
        connected: Any = protocol
        connected.makeConnection(transport())
        if isinstance(self._reply, str):
            protocol.dataReceived(b'{"errorId": 0,')
            if self._reply == "cut":
                protocol.connectionLost(new(ConnectionLost()))
            elif self._reply == "short":
                protocol.connectionLost(new(PotentialDataLoss()))
            return
        protocol.dataReceived(self._reply[1])
        protocol.connectionLost(new(ResponseDone()))
