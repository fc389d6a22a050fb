"""Scripted faults: the answers of a failing or harmful service."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.sandbox.messages import Manner, Reply, html_reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CALLS", "FAULTS", "Fault", "FaultScript", "error_reply", "parse_fault"]

CALLS = ("createTask", "getTaskResult", "getBalance")

FAULTS: Mapping[str, str] = {
    "ok": "none",
    "ERROR_…": "an error of the service, by its code; nothing is done or billed",
    "http:STATUS": "a page of HTML with that status, 100 to 599",
    "http:STATUS:ERROR_…": "an error of the service, with that status",
    "html": "the same with status 200",
    "empty": "nothing, with status 200",
    "garbled": "JSON that breaks off",
    "list": "JSON that is a list",
    "null": "JSON that is null",
    "done:…": "any of those but ok, after the call was done, and billed",
    "stall": "the call is done, and never answered",
    "stall-body": "half of the answer, then nothing, on an open connection",
    "drop": "the connection is closed in place of an answer",
    "reset": "the same by a reset",
    "truncated": "half of the answer, then the connection is closed",
    "reset-body": "the same by a reset",
    "drip:SECONDS": "the answer byte by byte, in that time",
    "huge": "1 GB of blanks, then the answer; made as fast as it is read",
    "bomb": "3 KB that unpack to 600 MB",
    "headers": "header lines without end",
    "extra": "the answer, then the same once more, unasked",
    "down:SECONDS": "the answer, then for that time every connection is refused",
    "latin-1": "the answer with an accent in it, in Latin-1, called UTF-8",
    "utf-16": "the same in UTF-16",
    "with:FIELD=JSON": "the answer with another value: with:solution.userAgent=[]",
    "without:FIELD": "the answer without that field",
}
"""Every fault by name, with the answer that the client gets."""

_CODE = re.compile(r"[A-Z][A-Z0-9_]{4,}")
_STATUS = re.compile(r"http:([1-5][0-9]{2})(?::([A-Z][A-Z0-9_]{4,}))?")
_TIMED = re.compile(r"(drip|down):([0-9]+(?:\.[0-9]+)?)")
_PATH = r"([A-Za-z_]+(?:\.[A-Za-z_]+)*)"
_WITH = re.compile(f"with:{_PATH}=(.+)", re.DOTALL)
_WITHOUT = re.compile(f"without:{_PATH}")
# A proxy or a load balancer in front of the service answers in HTML, not in JSON.
_HTML = "<html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>"
# The call is done, and billed, before these take effect: only the answer is lost.
_MANNERS: Mapping[str, Manner] = {
    "stall": "stall",
    "stall-body": "stall-body",
    "drop": "drop",
    "reset": "reset",
    "truncated": "truncated",
    "reset-body": "reset-body",
    "huge": "huge",
    "bomb": "bomb",
    "headers": "headers",
    "extra": "extra",
}
_TIMED_MANNERS: Mapping[str, Manner] = {"drip": "drip", "down": "down"}
_BODIES: Mapping[str, Reply] = {
    "html": html_reply(_HTML),
    "empty": Reply(content_type="application/json"),
    "garbled": Reply(body=b'{"errorId": 0, "stat', content_type="application/json"),
    "list": json_reply([]),
    "null": json_reply(None),
}
_CHARSETS = ("latin-1", "utf-16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How one call fails.

    Attributes:
        works: whether the call does its work first (a task is created and billed).
        reply: what is answered instead of the real answer, if anything.
        edit: changes the real answer, if set.
        manner: how the answer reaches the client.
        seconds: duration of the manner, for those that take time; see `Reply`.
    """

    works: bool = True
    reply: Reply | None = None
    edit: Callable[[Reply], Reply] | None = None
    manner: Manner = "whole"
    seconds: float = 0.0

    def applied(self, real: Reply | None) -> Reply:
        """Return what the client gets, given the *real* answer of a call that works."""
        reply = self.reply or real or Reply()
        if self.edit is not None:
            reply = self.edit(reply)
        return replace(reply, manner=self.manner, seconds=self.seconds)


def error_reply(code: str, description: str = "", *, status: int = 200) -> Reply:
    """Return an error as the service words it, with ``errorId`` 1."""
    text = description or code.removeprefix("ERROR_").replace("_", " ").capitalize()
    body = {"errorId": 1, "errorCode": code, "errorDescription": text}
    return json_reply(body, status=status)


def parse_fault(name: str) -> Fault:
    """Return the fault of that name.

    ``ok`` (none); an error code of the service (``ERROR_NO_SLOT_AVAILABLE``);
    ``http:500`` (an HTML error page with that status), ``http:400:ERROR_ZERO_POINT``
    (an error code with that status); ``html``, ``empty``,
    ``garbled``, ``list``, ``null`` (with status 200). ``done:`` before any of them: the
    call is done, and billed, all the same.

    The call is done, its answer is lost or takes its time: ``stall``, ``stall-body``,
    ``drop``, ``reset``, ``truncated``, ``reset-body``, ``huge``, ``drip:2.5``, or would
    do harm: ``bomb``, ``headers``, ``extra`` (see `Reply`). It is answered, but the
    service is gone afterwards: ``down:2.5``.

    The call is done, its answer is odd: ``latin-1``, ``utf-16`` (called UTF-8),
    ``with:solution.userAgent=[]`` (another value, as JSON), ``with:news={"a":1}`` (an
    unknown field), ``without:solution``. An answer that has no such object within is
    left as it is.

    `FAULTS` says the same in short.

    Raises:
        ValueError: there is no such fault.
    """
    fault = _of_the_answer(name) or _in_place_of_it(name)
    if fault is None:
        raise ValueError(
            f"no fault is called {name!r}; there are {', '.join(FAULTS)}, and a last *"
            " to repeat the one before"
        )
    return fault


def _of_the_answer(name: str) -> Fault | None:
    """Return a fault of the answer, for a call that does its work."""
    if name == "ok":
        return Fault()
    if name in _MANNERS:
        return Fault(manner=_MANNERS[name])
    if found := _TIMED.fullmatch(name):
        return Fault(manner=_TIMED_MANNERS[found[1]], seconds=float(found[2]))
    edit = _edit(name)
    return None if edit is None else Fault(edit=edit)


def _edit(name: str) -> Callable[[Reply], Reply] | None:
    """Return the function by which the named fault changes an answer."""
    if name in _CHARSETS:
        return partial(_recoded, charset=name)
    if found := _WITHOUT.fullmatch(name):
        return partial(_changed, path=found[1].split("."), values=())
    if found := _WITH.fullmatch(name):
        value = json.loads(found[2])  # a ValueError, where it is no JSON
        return partial(_changed, path=found[1].split("."), values=(value,))
    return None


def _in_place_of_it(name: str) -> Fault | None:
    """Return a fault with an answer of its own, in place of the real one."""
    plain = name.removeprefix("done:")
    works = plain != name
    if (found := _STATUS.fullmatch(plain)) and found[2]:
        return Fault(works=works, reply=error_reply(found[2], status=int(found[1])))
    if found:
        return Fault(works=works, reply=html_reply(_HTML, status=int(found[1])))
    if plain in _BODIES:
        return Fault(works=works, reply=_BODIES[plain])
    if _CODE.fullmatch(plain):
        return Fault(works=works, reply=error_reply(plain))
    return None


def _changed(real: Reply, *, path: list[str], values: tuple[Any, ...]) -> Reply:
    """Return *real* with the one value of *values* at *path*; of none, without it."""
    answer = json.loads(real.body)
    *parents, name = path
    place = answer
    for parent in parents:
        place = place.get(parent) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        return real
    place.pop(name, None)
    if values:
        (place[name],) = values
    return json_reply(answer, status=real.status)


def _recoded(real: Reply, *, charset: str) -> Reply:
    answer = json.loads(real.body)
    answer["errorDescription"] = f"{answer.get('errorDescription') or ''} (traité)"
    body = json.dumps(answer, ensure_ascii=False).encode(charset)
    return replace(real, body=body, content_type="application/json; charset=utf-8")


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
                raise ValueError(f"* comes last, after a fault: {call}={names}")
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
