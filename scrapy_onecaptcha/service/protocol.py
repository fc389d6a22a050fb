"""Reading the service's replies, which may be anything: a value or a typed error."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

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
    "one_line",
    "read_balance",
    "read_reply",
    "read_result",
    "read_task_id",
]

logger = logging.getLogger(__name__)

NOT_READY = "CAPTCHA_NOT_READY"  # an error of the protocol family that is none

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
            can stand in a header.
        resp_key: submitted along with the token, where the service returned one.
    """

    token: str = field(repr=False)
    user_agent: str | None = None
    resp_key: str | None = field(default=None, repr=False)


def read_reply(
    method: str, status: int, body: bytes, *, scrub: Callable[[str], str]
) -> dict[str, Any]:
    """Return the reply to *method* where it is no error.

    Args:
        method: the name of the call.
        status: HTTP's.
        body: as received.
        scrub: takes the key out of the service's text, which may repeat it.

    Raises:
        ServiceError: the one that the code of the service or of HTTP stands for.
    """
    reply = _parse(body)
    if 300 <= status < 400:  # noqa: PLR2004
        raise ServiceError(
            f"The service answered {method} with a redirect (HTTP {status}), which is "
            "not followed, for the key would go along; check ONECAPTCHA_API_URL.",
            code=f"HTTP_{status}",
        )
    if reply is not None and _refuses(reply):
        _raise_refusal(method, status, reply, scrub)
    if not 200 <= status < 300:  # noqa: PLR2004
        _raise_status(method, status)
    if reply is None:
        raise Unavailable(
            f"The service answered {method} with {len(body)} bytes that are no JSON "
            "object; try again later, and if it goes on check ONECAPTCHA_API_URL."
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
        ServiceError: the status is one that nobody has described.
        Unavailable: there is no status.
    """
    status = _text(reply.get("status")).strip().lower()
    if status == "ready":
        return _solution(reply.get("solution"))
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
    value = reply.get("balance")
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ServiceError(
            "The service answered getBalance without a balance; it may not offer this "
            "call.",
            code="NO_BALANCE",
        )
    return number


def _task_id(reply: dict[str, Any]) -> str | None:
    task_id = _text(reply.get("taskId")).strip()
    return task_id if task_id != "0" and _is_value(task_id, MAX_TASK_ID) else None


def _solution(solution: Any) -> TaskResult:
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
    return TaskResult(
        token=token,
        user_agent=_usable("User-Agent", user_agent, MAX_USER_AGENT),
        resp_key=_usable("respKey", resp_key, MAX_TOKEN),
    )


def _usable(name: str, value: Any, limit: int) -> str | None:
    if value is None or value == "":
        return None
    if _is_value(value, limit) and value.isascii():
        return str(value)
    logger.warning(
        "The service returned a %s that cannot be sent to a site; it is ignored, and "
        "the site may refuse the token for it.",
        name,
    )
    return None


def _is_value(value: Any, limit: int) -> bool:
    """Whether *value* may stand in a header or a field: one line, and not empty."""
    return isinstance(value, str) and 0 < len(value) <= limit and value.isprintable()


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def one_line(text: str, limit: int = MAX_DESCRIPTION) -> str:
    """Return *text* without what could forge a line of a log, and not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        # What is in another encoding than it says becomes text that is not printable,
        # and so no value: a task that is paid for is not lost for a description.
        text = body.decode(json.detect_encoding(body), "surrogateescape")
        reply = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return reply if isinstance(reply, dict) else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def _refuses(reply: dict[str, Any]) -> bool:
    """Whether *reply* is an error: ``errorId`` is not 0 (the service's description)."""
    error_id = reply.get("errorId")
    if isinstance(error_id, str):
        error_id = error_id.strip() or None
    if error_id is None:
        # Left out: then a code makes an error, unless the reply holds what was asked.
        asked = reply.keys() & {"taskId", "status", "balance"}
        return bool(_text(reply.get("errorCode"))) and not asked
    return error_id not in (0, "0")


def _raise_refusal(
    method: str, status: int, reply: dict[str, Any], scrub: Callable[[str], str]
) -> NoReturn:
    stated = _text(reply.get("errorDescription"))
    raw = _text(reply.get("errorCode")).strip().upper()
    # Told by the code as it came: a key may be short enough to be a part of one.
    code = raw if raw in RULES or raw == NOT_READY else one_line(scrub(raw), MAX_CODE)
    description = one_line(scrub(stated))
    kind, advice = rule(raw)
    if kind is ServiceError and _passing(status):
        kind, advice = Unavailable, "try again later"
    says = f' It says: "{description}"' if description else ""
    error = kind(
        f"The service refused {method} with {code or 'no code'}: {advice}.{says}",
        code=code,
        description=description,
        # One that names a task has created it, whatever else it says.
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
