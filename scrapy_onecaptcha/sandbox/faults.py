"""Scripted faults: what a service in trouble answers, call after call."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .messages import Manner, Reply, html_reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CALLS", "Fault", "FaultScript", "error_reply", "parse_fault"]

CALLS = ("createTask", "getTaskResult", "getBalance")

_CODE = re.compile(r"[A-Z][A-Z0-9_]{4,}")
_STATUS = re.compile(r"http:([1-5][0-9]{2})")
# A proxy or a load balancer in front of the service speaks HTML, not JSON.
_HTML = "<html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>"
# The call is done, and billed, before these take effect: the answer is what is lost.
_MANNERS: Mapping[str, Manner] = {
    "stall": "stall",
    "stall-body": "stall-body",
    "drop": "drop",
    "truncated": "truncated",
}
_BODIES: Mapping[str, Reply] = {
    "html": html_reply(_HTML),
    "empty": Reply(content_type="application/json"),
    "garbled": Reply(body=b'{"errorId": 0, "stat', content_type="application/json"),
    "list": json_reply([]),
    "null": json_reply(None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of one call.

    Attributes:
        works: whether the call does its work first (a task is created and billed).
        reply: what is answered instead of the real answer, if anything.
        manner: how the answer reaches the client.
    """

    works: bool = True
    reply: Reply | None = None
    manner: Manner = "whole"

    def applied(self, real: Reply | None) -> Reply:
        """Return what the client gets, given the *real* answer of a call that works."""
        return replace(self.reply or real or Reply(), manner=self.manner)


def error_reply(code: str, description: str = "") -> Reply:
    """Return an error as the service words it: HTTP 200, ``errorId`` 1."""
    text = description or code.removeprefix("ERROR_").replace("_", " ").capitalize()
    return json_reply({"errorId": 1, "errorCode": code, "errorDescription": text})


def parse_fault(name: str) -> Fault:
    """Return the fault of that name.

    ``ok`` (none); an error code of the service (``ERROR_NO_SLOT_AVAILABLE``);
    ``http:500`` (an HTML error page with that status); ``html``, ``empty``,
    ``garbled``, ``list``, ``null`` (with status 200); ``stall``, ``stall-body``,
    ``drop``, ``truncated`` (see `Reply`: the call is done, its answer is lost).
    ``done:`` before any of them: the call is done, and billed, all the same.

    Raises:
        ValueError: there is no such fault.
    """
    if name == "ok":
        return Fault()
    if name in _MANNERS:
        return Fault(manner=_MANNERS[name])
    bare = name.removeprefix("done:")
    works = bare != name
    if found := _STATUS.fullmatch(bare):
        return Fault(works=works, reply=html_reply(_HTML, status=int(found[1])))
    if bare in _BODIES:
        return Fault(works=works, reply=_BODIES[bare])
    if _CODE.fullmatch(bare):
        return Fault(works=works, reply=error_reply(bare))
    known = ", ".join(["ok", *_MANNERS, *_BODIES])
    raise ValueError(
        f"no fault is called {name!r}; there are {known}, http:STATUS, error codes"
        f" in capitals, each also with done: before it, and a last * to repeat"
    )


class FaultScript:
    """Applies faults one by one to successive calls.

    Args:
        faults: for each call, its faults in order. A last ``*`` repeats the one before
            it for ever; without it the calls that follow are ``ok``.
    """

    def __init__(self, faults: Mapping[str, tuple[str, ...]]) -> None:
        for call in faults:
            if call not in CALLS:
                raise ValueError(f"no call is named {call!r}; there are {CALLS}")
        self._names = dict(faults)
        self._faults = {
            call: [parse_fault(name) for name in names if name != "*"]
            for call, names in faults.items()
        }
        for call, names in faults.items():
            if "*" in names[:-1] or names == ("*",):
                raise ValueError(f"* stands last, after a fault: {call}={names}")
        self._done: Counter[str] = Counter()

    def next(self, call: str) -> Fault:
        """Return the fault of the next *call*."""
        faults = self._faults.get(call, [])
        index = self._done[call]
        self._done[call] += 1
        if index < len(faults):
            return faults[index]
        repeats = bool(faults) and self._names[call][-1] == "*"
        return faults[-1] if repeats else Fault()
