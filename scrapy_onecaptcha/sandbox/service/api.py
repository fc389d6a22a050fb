"""A stand-in for the 1captcha service, for demos and tests.

createTask and getTaskResult follow the documentation of the service; getBalance and the
error codes follow the services that share its protocol.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from scrapy_onecaptcha.sandbox.ledger import Ledger, Task, Token
from scrapy_onecaptcha.sandbox.messages import Reply, Visit, html_reply, json_reply
from scrapy_onecaptcha.sandbox.service.faults import FaultScript, error_reply

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

__all__ = ["TASK_SECONDS", "TASK_TYPES", "Service", "ServiceOptions"]

TASK_TYPES = ("HCaptchaTaskProxyless", "HCaptchaTask")
_PROXY_TYPES = ("http", "https", "socks4", "socks5")
_MAX_PORT = 65535
TASK_SECONDS = 300.0
"""When the service gives up on a task (its documentation)."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_INDEX = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Service</title>
<h1>A stand-in for the service</h1><p>POST /createTask, /getTaskResult, /getBalance</p>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """How the service behaves.

    Attributes:
        key: the client key that it accepts.
        latency: seconds until a task is ready, or the least and the most.
        failure_rate: share of tasks that end in ``ERROR_CAPTCHA_UNSOLVABLE``.
        refused_rate: share of valid-looking tokens that sites refuse.
        user_agent: User-Agent that a solution names. ``None``: none; ``"same"``: the
            one that was sent; any other text: that one, with the number of the task in
            place of ``{number}``.
        user_agent_key: name of that field (other task types of the service spell it
            ``user_agent``).
        resp_key: ``respKey`` of the solutions, if any.
        balance: points of the account at the start.
        cost: points for a task, taken when it is created.
        tells_cost: whether a result names its cost.
        task_types: types of task that it supports.
        faults: for each call, the names of its faults; see `parse_fault`.
    """

    key: str = field(default="sandbox-key", repr=False)
    latency: float | tuple[float, float] = 0.2
    failure_rate: float = 0.0
    refused_rate: float = 0.0
    user_agent: str | None = "same"
    user_agent_key: Literal["userAgent", "user_agent"] = "userAgent"
    resp_key: str | None = None
    balance: int = 1_000_000
    cost: int = 7
    tells_cost: bool = False
    task_types: tuple[str, ...] = TASK_TYPES
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        low, high = self.latency_range
        if not 0 <= low <= high:
            raise ValueError(f"latency is seconds, or (least, most): {self.latency!r}")
        for name in ("failure_rate", "refused_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is from 0 to 1: {getattr(self, name)!r}")
        FaultScript(self.faults)

    @property
    def latency_range(self) -> tuple[float, float]:
        """The least and the most seconds until a task is ready."""
        if isinstance(self.latency, tuple):
            return self.latency
        return self.latency, self.latency


class _Refusal(Exception):
    """Ends a call with an error of the service."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description


class Service:
    """The service, as a function from request to response.

    Args:
        options: how it behaves.
        ledger: records tasks and tokens.
        clock: returns the time in seconds.
        rng: the source of randomness.
    """

    def __init__(
        self,
        options: ServiceOptions,
        ledger: Ledger,
        *,
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._options = options
        self._ledger = ledger
        self._clock = clock
        self._rng = rng
        self._faults = FaultScript(options.faults)
        self._calls: dict[str, Callable[[dict[str, Any]], Reply]] = {
            "createTask": self._create_task,
            "getTaskResult": self._get_task_result,
            "getBalance": self._get_balance,
        }

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        call = visit.path.removeprefix("/")
        if call in self._calls:
            return self._call(call, visit)
        if visit.path == "/":
            return html_reply(_INDEX)
        if visit.path == "/_ledger":
            return json_reply(self._ledger.as_dict())
        return json_reply(
            {"errorId": 1, "errorCode": "ERROR_NO_SUCH_METHOD"}, status=404
        )

    def _call(self, call: str, visit: Visit) -> Reply:
        self._ledger.calls[call] += 1
        fault = self._faults.next(call)
        real = self._outcome(call, visit) if fault.works else None
        return fault.applied(real)

    def _outcome(self, call: str, visit: Visit) -> Reply:
        try:
            return self._calls[call](self._payload(visit))
        except _Refusal as refusal:
            self._ledger.errors[refusal.code] += 1
            return error_reply(refusal.code, refusal.description)

    def _payload(self, visit: Visit) -> dict[str, Any]:
        media_type = visit.headers.get("content-type", "").partition(";")[0].strip()
        if visit.method != "POST" or media_type != "application/json":
            raise _Refusal("ERROR_BAD_REQUEST", "POST application/json, please")
        try:
            payload = json.loads(visit.body)
        except ValueError:
            raise _Refusal("ERROR_BAD_REQUEST", "the body is no JSON") from None
        if not isinstance(payload, dict):
            raise _Refusal("ERROR_BAD_REQUEST", "the body is no JSON object")
        if payload.get("clientKey") != self._options.key:
            raise _Refusal(
                "ERROR_KEY_DOES_NOT_EXIST", "Account authorization key error"
            )
        return payload

    def _get_balance(self, _payload: dict[str, Any]) -> Reply:
        return json_reply({"errorId": 0, "balance": self._ledger.balance})

    def _create_task(self, payload: dict[str, Any]) -> Reply:
        fields = _checked_task(payload.get("task"), self._options.task_types)
        if self._ledger.balance < self._options.cost:
            raise _Refusal("ERROR_ZERO_POINT", "Account balance is insufficient")
        self._ledger.balance -= self._options.cost
        task = self._new_task(fields)
        self._ledger.add_task(task)
        # In the service's own examples a success of createTask has empty texts, and one
        # of getTaskResult has nulls.
        return json_reply({**_no_error(""), "taskId": task.task_id})

    def _new_task(self, fields: dict[str, object]) -> Task:
        now = self._clock()
        # The order is fixed, so that a seed gives the same results with any options.
        latency = self._rng.uniform(*self._options.latency_range)
        fails = self._rng.random() < self._options.failure_rate
        refused = self._rng.random() < self._options.refused_rate
        return Task(
            task_id=str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
            fields=fields,
            created_at=now,
            ready_at=now + latency,
            fails=fails,
            refused=refused,
        )

    def _get_task_result(self, payload: dict[str, Any]) -> Reply:
        if "taskId" not in payload:
            raise _Refusal("ERROR_REQUIRED_FIELDS", "taskId is required")
        task = self._ledger.tasks.get(str(payload["taskId"]))
        if task is None:
            raise _Refusal(
                "ERROR_TASKID_INVALID", "Task ID does not exist or is invalid"
            )
        task.polls += 1
        now = self._clock()
        if now < min(task.ready_at, task.created_at + TASK_SECONDS):
            return json_reply({**_no_error(None), "status": "processing"})
        self._ledger.close_task(task)
        if task.ready_at > task.created_at + TASK_SECONDS:
            raise _Refusal("ERROR_TASK_TIMEOUT", "The task was given up after 300 s")
        if task.fails:
            raise _Refusal("ERROR_CAPTCHA_UNSOLVABLE", "Could not be solved, try again")
        ready = {"solution": self._solution(task), "status": "ready"}
        cost = {"cost": self._options.cost} if self._options.tells_cost else {}
        return json_reply({**_no_error(None), **ready, **cost})

    def _solution(self, task: Task) -> dict[str, str]:
        if task.token is None:
            token = self._new_token(task)
            task.token = token.value
            self._ledger.add_token(token)
        solution = {"gRecaptchaResponse": task.token}
        if user_agent := self._user_agent(task):
            solution[self._options.user_agent_key] = user_agent
        if self._options.resp_key is not None:
            solution["respKey"] = self._options.resp_key
        return solution

    def _user_agent(self, task: Task) -> str | None:
        if self._options.user_agent == "same":
            return task.text("userAgent")
        if self._options.user_agent is None:
            return None
        number = list(self._ledger.tasks).index(task.task_id) + 1
        return self._options.user_agent.replace("{number}", str(number))

    def _new_token(self, task: Task) -> Token:
        # Real ones are of this length and alphabet.
        noise = base64.urlsafe_b64encode(self._rng.randbytes(900)).decode()
        return Token(
            value=f"P1_eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.{noise}",
            sitekey=task.text("websiteKey"),
            url=task.text("websiteURL"),
            invisible=task.invisible,
            rqdata=task.text("rqdata"),
            user_agent=self._user_agent(task) or task.text("userAgent"),
            resp_key=self._options.resp_key,
            issued_at=task.ready_at,
            refused=task.refused,
        )


def _no_error(empty: str | None) -> dict[str, object]:
    return {"errorId": 0, "errorCode": empty, "errorDescription": empty}


def _checked_task(fields: object, types: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(fields, dict):
        raise _Refusal("ERROR_REQUIRED_FIELDS", "task is required")
    for name in ("type", "websiteURL", "websiteKey"):
        if not fields.get(name):
            raise _Refusal("ERROR_REQUIRED_FIELDS", f"task.{name} is required")
    if fields["type"] not in types:
        raise _Refusal("ERROR_TASK_NOT_SUPPORTED", "This type is not supported")
    if not _UUID.fullmatch(str(fields["websiteKey"])):
        raise _Refusal("ERROR_RECAPTCHA_INVALID_SITEKEY", "websiteKey is not a UUID")
    if not re.match(r"https?://[^/]", str(fields["websiteURL"])):
        raise _Refusal("ERROR_INVALID_TASK_DATA", "websiteURL is not a URL")
    for name in ("userAgent", "rqdata"):
        if not isinstance(fields.get(name, ""), str):
            raise _Refusal("ERROR_INVALID_TASK_DATA", f"task.{name} is not a string")
    if fields.get("isInvisible", False) not in (True, False, "true", "false"):
        raise _Refusal("ERROR_INVALID_TASK_DATA", "task.isInvisible is not a boolean")
    _check_proxy(fields)
    return fields


def _check_proxy(fields: dict[str, Any]) -> None:
    """Refuse a proxy whose fields are incomplete or invalid."""
    named = [name for name in fields if name.startswith("proxy")]
    if not named:
        return
    port = fields.get("proxyPort")
    is_port = isinstance(port, int) and 0 < port <= _MAX_PORT
    texts = [
        fields.get(f"proxy{name}", "") for name in ("Address", "Login", "Password")
    ]
    if (
        fields.get("proxyType") not in _PROXY_TYPES
        or not is_port
        or not texts[0]
        or not all(isinstance(text, str) for text in texts)
    ):
        raise _Refusal("ERROR_BAD_PARAMETERS", "a field of the proxy is missing or bad")
