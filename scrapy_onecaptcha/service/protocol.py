"""Reads the service's replies: each becomes a value or a typed error."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from scrapy_onecaptcha._logging import one_line
from scrapy_onecaptcha.exceptions import (
    BlockedError,
    ServiceError,
    TaskFailed,
    Unavailable,
)
from scrapy_onecaptcha.service.error_codes import RULES, rule, stated_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "NOT_READY",
    "TaskResult",
    "read_balance",
    "read_reply",
    "read_result",
    "read_task_id",
]

NOT_READY = "CAPTCHA_NOT_READY"  # an error code that only means "not ready yet"

MAX_TOKEN = 32 * 1024  # characters
MAX_USER_AGENT = 1024  # characters
MAX_DESCRIPTION = 300  # characters of the service's text that reach a log
MAX_CODE = 100  # characters
MAX_TASK_ID = 256  # characters

_PASSING = frozenset({408, 425, 429})  # and every 5xx


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What the service returned for a task.

    Attributes:
        token: goes into the page's form.
        user_agent: the one that the token is bound to, where the service named one that
            fits into a header.
        resp_key: submitted along with the token, where the service returned one.
        cost: points that the task has cost, where the service says so.
        ignored: names of values that no site can be sent; they were left out.
    """

    token: str = field(repr=False)
    user_agent: str | None = None
    resp_key: str | None = field(default=None, repr=False)
    cost: float | None = None
    ignored: tuple[str, ...] = ()


def read_reply(
    method: str, status: int, body: bytes, *, scrub: Callable[[str], str]
) -> dict[str, Any]:
    """Return the reply to *method*, unless it is an error.

    Args:
        method: the name of the call.
        status: of HTTP. An error code in the body goes before it.
        body: as received.
        scrub: removes the key from the service's text, which may repeat it.

    Raises:
        ServiceError: the class of it follows from the code of the service or of HTTP.
    """
    reply = _parse(body)
    if reply is not None and _refuses(reply):
        _raise_refusal(method, status, reply, scrub)
    if 300 <= status < 400:  # noqa: PLR2004
        raise ServiceError(
            f"The service answered {method} with a redirect (HTTP {status}), which is "
            "not followed, because the key would go along; check ONECAPTCHA_API_URL.",
            code=f"HTTP_{status}",
        )
    if not 200 <= status < 300:  # noqa: PLR2004
        _raise_status(method, status)
    if reply is None:
        raise Unavailable(
            f"The service answered {method} with {len(body)} bytes that are no JSON "
            "object; try again later, and check ONECAPTCHA_API_URL if it goes on."
        )
    return reply


def read_task_id(reply: dict[str, Any]) -> str:
    """Return the task id of a reply to ``createTask``, which may be a number.

    Raises:
        Unavailable: there is none.
    """
    task_id = _task_id(reply)
    if task_id is None:
        raise Unavailable(
            "The service answered createTask without a task id; try again later."
        )
    return task_id


def read_result(reply: dict[str, Any]) -> TaskResult | None:
    """Return the result in a reply to ``getTaskResult``; ``None``: not ready yet.

    Raises:
        TaskFailed: ready, but without a usable token.
        ServiceError: the status is unknown.
        Unavailable: there is no status.
    """
    status = _text(reply.get("status")).strip().lower()
    if status == "ready":
        return _result(reply.get("solution"), reply.get("cost"))
    if status in ("processing", "idle"):
        return None
    if status:
        raise ServiceError(
            "The service answered getTaskResult with a status that this client does "
            "not know; the task is given up.",
            code="UNKNOWN_STATUS",
        )
    raise Unavailable(
        "The service answered getTaskResult without a status; try again later."
    )


def read_balance(reply: dict[str, Any]) -> float:
    """Return the points in a reply to ``getBalance``.

    Raises:
        ServiceError: there is no such number.
    """
    number = _number(reply.get("balance"))
    if number is None:
        raise ServiceError(
            "The service answered getBalance without a balance; it may not offer this "
            "call.",
            code="NO_BALANCE",
        )
    return number


def _task_id(reply: dict[str, Any]) -> str | None:
    task_id = _text(reply.get("taskId")).strip()
    return task_id if task_id != "0" and _is_value(task_id, MAX_TASK_ID) else None


def _number(value: Any) -> float | None:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _result(solution: Any, cost: Any) -> TaskResult:
    if not isinstance(solution, dict):
        solution = {}
    token = solution.get("gRecaptchaResponse")
    if not _is_value(token, MAX_TOKEN):
        raise TaskFailed(
            "The service says that the task is ready, but its solution holds no usable "
            "token.",
            code="INVALID_SOLUTION",
        )
    # Other types of task of this service spell it with an underscore.
    user_agent = solution.get("userAgent") or solution.get("user_agent")
    resp_key = solution.get("respKey")
    # An Integer in the service's description, text in its example.
    if isinstance(resp_key, int) and not isinstance(resp_key, bool):
        resp_key = str(resp_key)
    ignored: list[str] = []
    points = _number(cost)
    return TaskResult(
        token=token,
        user_agent=_usable("User-Agent", user_agent, MAX_USER_AGENT, ignored),
        resp_key=_usable("respKey", resp_key, MAX_TOKEN, ignored),
        cost=None if points is None or points < 0 else points,
        ignored=tuple(ignored),
    )


def _usable(name: str, value: Any, limit: int, ignored: list[str]) -> str | None:
    """Return *value* if a site can be sent it; else note its *name* as ignored."""
    if value is None or value == "":
        return None
    if _is_value(value, limit) and value.isascii():
        return str(value)
    ignored.append(name)
    return None


def _is_value(value: Any, limit: int) -> bool:
    """Whether *value* fits into a header or a field: one line, and not empty."""
    return isinstance(value, str) and 0 < len(value) <= limit and value.isprintable()


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        # Bytes in another encoding become characters that are not printable, which no
        # value may hold. So a description in Latin-1 does not lose a paid task.
        text = body.decode(json.detect_encoding(body), "surrogateescape")
        reply = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return reply if isinstance(reply, dict) else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def _refuses(reply: dict[str, Any]) -> bool:
    """Tell whether *reply* is an error: its ``errorId`` is not 0."""
    error_id = reply.get("errorId")
    if isinstance(error_id, str):
        error_id = error_id.strip() or None
    if error_id is None:
        # It was left out. A code then makes it an error, unless the reply holds the
        # value that was asked for.
        asked = reply.keys() & {"taskId", "status", "balance"}
        return bool(_text(reply.get("errorCode"))) and not asked
    return error_id not in (0, "0")


def _raise_refusal(
    method: str, status: int, reply: dict[str, Any], scrub: Callable[[str], str]
) -> NoReturn:
    stated = _text(reply.get("errorDescription"))
    raw = _text(reply.get("errorCode")).strip().upper()
    # Known codes are not scrubbed: a short key may be a part of one.
    code = raw if raw in RULES or raw == NOT_READY else one_line(scrub(raw), MAX_CODE)
    description = one_line(scrub(stated), MAX_DESCRIPTION)
    kind, advice = rule(raw)
    if not raw and _passing(status):  # a code decides, whatever the status
        kind, advice = Unavailable, "try again later"
    says = f' It says: "{description}"' if description else ""
    error = kind(
        f"The service refused {method} with {code or 'no code'}: {advice}.{says}",
        code=code,
        description=description,
        # A reply that names a task has created it, whatever else it says.
        answered=method != "createTask" or _task_id(reply) is None,
    )
    if isinstance(error, BlockedError):
        error.seconds = stated_seconds(stated) or stated_seconds(raw) or error.seconds
    raise error


def _passing(status: int) -> bool:
    return status in _PASSING or status >= 500  # noqa: PLR2004


def _raise_status(method: str, status: int) -> NoReturn:
    code = f"HTTP_{status}"
    if _passing(status):
        raise Unavailable(
            f"The service answered {method} with HTTP {status}; try again later.",
            code=code,
        )
    raise ServiceError(
        f"The service answered {method} with HTTP {status}; check ONECAPTCHA_API_URL "
        "and ONECAPTCHA_API_KEY.",
        code=code,
    )
