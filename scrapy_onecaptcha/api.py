"""The service over treq: create a task, ask for its result, read the balance.

Nothing here knows of Scrapy's engine, so the command line and tests use it as it is.
The coroutines await Deferreds directly: start them by ``Deferred.fromCoroutine``.

Two sources are named below: *the service's description* of its hCaptcha task, and *the
protocol family*, the conventions of the services that speak this protocol.
"""

from __future__ import annotations

import json
import logging
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from twisted.internet.error import TimeoutError as DeadlinePassed

from scrapy_onecaptcha.errorcodes import rule, stated_seconds
from scrapy_onecaptcha.exceptions import (
    BlockedError,
    ServiceError,
    TaskFailed,
    Unavailable,
)
from scrapy_onecaptcha.exchange import NoReply, post

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

    from scrapy_onecaptcha.exchange import Http, Reply

__all__ = ["Client", "Task", "TaskResult"]

logger = logging.getLogger(__name__)

MAX_TOKEN = 32 * 1024  # characters
MAX_USER_AGENT = 1024  # characters
MAX_DESCRIPTION = 300  # characters of the service's text that reach a log
MAX_TASK_ID = 256  # characters
IDLE_SECONDS = 20  # before the usual 60 s of a server, so a POST meets no dead socket
CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 1.0
CONNECTIONS = 32  # idle ones kept open

_NOT_READY = "CAPTCHA_NOT_READY"
_PASSING = frozenset({408, 425, 429})  # and every 5xx


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the service is asked to solve.

    Attributes:
        url: of the page; sent without its user-info and fragment.
        sitekey: of the widget, a UUID.
        user_agent: the one that the page was fetched with; sent where there is one.
        invisible: whether the widget is the invisible one; sent where it is.
        rqdata: what the site hands to the widget (Enterprise); sent if there is some.
    """

    url: str
    sitekey: str
    user_agent: str | None = None
    invisible: bool = False
    rqdata: str | None = field(default=None, repr=False)

    def payload(self) -> dict[str, Any]:
        """Return the ``task`` object of the service's description."""
        payload: dict[str, Any] = {
            "type": "HCaptchaTaskProxyless",
            "websiteURL": _public_url(self.url),
            "websiteKey": self.sitekey,
        }
        if self.user_agent:
            payload["userAgent"] = self.user_agent
        if self.invisible:
            payload["isInvisible"] = True
        if self.rqdata:
            payload["rqdata"] = self.rqdata
        return payload


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


class Client:
    """A client of the service.

    Args:
        key: the account's; goes into the body of each call and nowhere else.
        url: of the service, to which the name of the call is appended.
        http: a ``treq.client.HTTPClient``, or what behaves as one.
        clock: measures *timeout*.
        timeout: seconds for one call, from its start to the last byte of its reply.
        pool: whose idle connections `close` closes.

    Every call raises `ServiceError` or one of its subclasses, and nothing else, except
    for the ``CancelledError`` of a call that its caller cancelled; that one aborts the
    connection.
    """

    def __init__(
        self,
        key: str,
        url: str,
        *,
        http: Http,
        clock: IReactorTime,
        timeout: float = 30.0,
        pool: Any = None,
    ) -> None:
        self._key = key
        self._url = url.rstrip("/")
        self._http = http
        self._clock = clock
        self._timeout = timeout
        self._pool = pool

    def __repr__(self) -> str:
        return f"<Client of {self._url}>"

    @classmethod
    def over_network(
        cls, key: str, url: str, *, reactor: Any, timeout: float = 30.0
    ) -> Client:
        """Return a client with a pool of persistent connections of its own.

        Args:
            key: the account's.
            url: of the service.
            reactor: the running one.
            timeout: seconds for one call.
        """
        # treq is of no use without a reactor, and is not asked for before there is one.
        from treq.client import HTTPClient  # noqa: PLC0415
        from twisted.web.client import Agent, HTTPConnectionPool  # noqa: PLC0415

        pool: Any = HTTPConnectionPool(reactor, persistent=True)  # type: ignore[no-untyped-call]
        pool.maxPersistentPerHost = CONNECTIONS
        pool.cachedConnectionTimeout = IDLE_SECONDS
        pool.retryAutomatically = False  # a task created twice is paid twice
        connect = min(timeout, CONNECT_SECONDS)
        agent: Any = Agent(reactor, connectTimeout=connect, pool=pool)  # type: ignore[no-untyped-call]
        http = HTTPClient(agent)
        return cls(key, url, http=http, clock=reactor, timeout=timeout, pool=pool)

    async def create_task(self, task: Task) -> str:
        """Have *task* solved, and return the service's name for it.

        Raises:
            ServiceError: the task was not created. Unless ``answered`` is set, it may
                have been all the same, and billed.
        """
        reply = await self._call("createTask", task=task.payload())
        task_id = _task_id(reply.get("taskId"))
        if task_id is None:
            raise Unavailable("The service answered createTask without a task id.")
        return task_id

    async def get_task_result(self, task_id: str) -> TaskResult | None:
        """Return the result of a task, or ``None`` while there is none yet.

        The service's description: ask again in 3 s. The protocol family: at most 120
        times for one task.

        Raises:
            TaskFailed: there will be no result.
            Unavailable: the question may be repeated; the task goes on.
            ServiceError: the service refuses to say.
        """
        try:
            reply = await self._call("getTaskResult", taskId=task_id)
        except ServiceError as error:
            if error.answered and error.code == _NOT_READY:
                return None
            raise
        status = reply.get("status")
        if status == "ready":
            return self._result(reply.get("solution"))
        if status in ("processing", "idle"):
            return None
        if isinstance(status, str) and status:
            raise ServiceError(
                f'The service answered getTaskResult with "{self._clean(status, 40)}", '
                "a status that this client does not know.",
                code="UNKNOWN_STATUS",
            )
        raise Unavailable("The service answered getTaskResult without a status.")

    async def get_balance(self) -> float:
        """Return what the account has left, in points.

        The protocol family's; the service's description does not have it. At most one
        call in 30 s.

        Raises:
            ServiceError: the balance is not to be had.
        """
        balance = (await self._call("getBalance")).get("balance")
        if isinstance(balance, str):
            try:
                balance = float(balance)
            except ValueError:
                balance = None
        if (
            isinstance(balance, bool)
            or not isinstance(balance, int | float)
            or not math.isfinite(balance)
        ):
            raise ServiceError(
                "The service answered getBalance without a balance; it may not offer "
                "this call.",
                code="NO_BALANCE",
            )
        return balance

    async def close(self) -> None:
        """Close the idle connections; returns within a second."""
        if self._pool is None:
            return
        closed: Deferred[None] = self._pool.closeCachedConnections()
        closed.addTimeout(CLOSE_SECONDS, self._clock)
        try:
            await closed
        except DeadlinePassed:
            # Over TLS a connection counts as closed when the peer has agreed to it.
            logger.debug("The service did not confirm in time that it hung up.")

    async def _call(self, method: str, **fields: Any) -> dict[str, Any]:
        status, body = await self._post(method, {"clientKey": self._key, **fields})
        reply = _parse(body)
        if 300 <= status < 400:  # noqa: PLR2004
            raise ServiceError(
                f"The service answered {method} with a redirect (HTTP {status}), which "
                "is not followed, for the key would go along; check "
                "ONECAPTCHA_API_URL.",
                code=f"HTTP_{status}",
            )
        if reply is not None and _refuses(reply):
            self._raise_refusal(method, status, reply)
        if not 200 <= status < 300:  # noqa: PLR2004
            _raise_status(method, status)
        if reply is None:
            raise Unavailable(
                f"The service answered {method} with {len(body)} bytes that are "
                "no JSON object; try again later, and if it goes on check "
                "ONECAPTCHA_API_URL."
            )
        return reply

    async def _post(self, method: str, payload: dict[str, Any]) -> Reply:
        try:
            return await post(
                self._http,
                f"{self._url}/{method}",
                json.dumps(payload).encode("ascii"),
                clock=self._clock,
                timeout=self._timeout,
            )
        except NoReply as error:
            fault = self._clean(str(error))
        raise Unavailable(f"{method}: the service {fault}; try again later.")

    def _raise_refusal(
        self, method: str, status: int, reply: dict[str, Any]
    ) -> NoReturn:
        code = self._clean(_text(reply.get("errorCode")), 100).upper()
        description = self._clean(_text(reply.get("errorDescription")))
        kind, advice = rule(code)
        if kind is ServiceError and _passing(status):
            kind, advice = Unavailable, "try again later"
        says = f' It says: "{description}"' if description else ""
        error = kind(
            f"The service refused {method} with {code or 'no code'}: {advice}.{says}",
            code=code,
            description=description,
            answered=True,
        )
        if isinstance(error, BlockedError):
            error.seconds = stated_seconds(description) or stated_seconds(code) or 600.0
        raise error

    def _result(self, solution: Any) -> TaskResult:
        if not isinstance(solution, dict):
            solution = {}
        token = solution.get("gRecaptchaResponse")
        if not _is_value(token, MAX_TOKEN):
            raise TaskFailed(
                "The service says that the task is ready, but its solution holds no "
                "usable token.",
                code="INVALID_SOLUTION",
            )
        user_agent = solution.get("userAgent") or solution.get("user_agent") or None
        resp_key = solution.get("respKey")
        if isinstance(resp_key, int) and not isinstance(resp_key, bool):
            resp_key = str(
                resp_key
            )  # an Integer in the description, text in its example
        return TaskResult(
            token=token,
            user_agent=_usable(
                "User-Agent", user_agent, MAX_USER_AGENT, ascii_only=True
            ),
            resp_key=_usable("respKey", resp_key or None, MAX_TOKEN),
        )

    def _clean(self, text: str, limit: int = MAX_DESCRIPTION) -> str:
        """Return *text* fit for a log: one line, not too long, without the key."""
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if self._key:
            line = re.sub(re.escape(self._key), "***", line, flags=re.IGNORECASE)
        return line if len(line) <= limit else line[: limit - 1] + "…"


def _public_url(url: str) -> str:
    return re.sub(r"^([a-zA-Z][\w+.-]*://)[^/?#]*@", r"\1", url).partition("#")[0]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        reply = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return reply if isinstance(reply, dict) else None


def _refuses(reply: dict[str, Any]) -> bool:
    """Whether *reply* is an error: ``errorId`` is not 0 (the service's description)."""
    error_id = reply.get("errorId")
    if error_id is None or error_id == "":
        # Left out. Only then the code decides, and what a success must hold.
        return bool(_text(reply.get("errorCode"))) and not (
            reply.keys() & {"taskId", "status", "balance"}
        )
    if isinstance(error_id, str):
        return error_id.strip() != "0"
    return bool(error_id != 0)


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


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _task_id(value: Any) -> str | None:
    text = _text(value).strip()
    return text if text != "0" and _is_value(text, MAX_TASK_ID) else None


def _is_value(value: Any, limit: int) -> bool:
    """Whether *value* may stand in a header or a field: one line, neither empty."""
    return isinstance(value, str) and 0 < len(value) <= limit and value.isprintable()


def _usable(
    name: str, value: Any, limit: int, *, ascii_only: bool = False
) -> str | None:
    if value is None:
        return None
    if _is_value(value, limit) and (value.isascii() or not ascii_only):
        return str(value)
    logger.warning(
        "The service returned a %s that cannot be sent to a site; it is ignored, and "
        "the site may refuse the token for it.",
        name,
    )
    return None
