"""What goes wrong with the service, and what has to become of the page.

One row is one crawl against a service of its own, or, for ``getBalance``, one call.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["DELIVERED", "FIRST", "NEVER", "ROWS", "Row"]

DELIVERED = "delivered"
CREATE, RESULT, BALANCE = "createTask", "getTaskResult", "getBalance"
ONCE, EVER = "once", "for ever"
NEVER = 3600.0  # seconds: longer than any crawl here

#: A call that has to time out does so soon; all others have the usual 30 s.
SHORT = {"ONECAPTCHA_API_TIMEOUT": 0.8}
#: Where a fault lasts, the end of patience.
IMPATIENT = {"ONECAPTCHA_SOLVE_TIMEOUT": 0.4}
MANY = {"ONECAPTCHA_MAX_ATTEMPTS": 20, "ONECAPTCHA_MAX_FAILURES": 20}

# The table of the protocol, by what it calls for.
ACCOUNT = """ERROR_KEY_DOES_NOT_EXIST ERROR_ZERO_BALANCE ERROR_ZERO_POINT
    ERROR_SETTLEMENT_FAILED
    ERROR_CLIENTKEY_UNAUTHORIZED ERROR_KEY_BANNED ERROR_KEY_DENIED_ACCESS
    ERROR_WRONG_USER_KEY ERROR_IP_NOT_ALLOWED ERROR_ACCOUNT_SUSPENDED"""
BLOCKED = """ERROR_IP_BANNED ERROR_IP_BLOCKED ERROR_IP_BLOCKED_5MIN
    ERROR_KEY_TEMP_BLOCKED"""
MALFORMED = """ERROR_REQUIRED_FIELDS ERROR_BAD_REQUEST ERROR_PAGE_NOT_FOUND
    ERROR_INVALID_TASK_DATA ERROR_TASK_ABSENT ERROR_NO_SUCH_METHOD
    ERROR_BAD_PARAMETERS ERROR_TOO_BIG_CAPTCHA_FILESIZE
    ERROR_IMAGE_TYPE_NOT_SUPPORTED"""
REFUSED = """ERROR_DOMAIN_NOT_ALLOWED ERROR_RECAPTCHA_INVALID_SITEKEY
    ERROR_RECAPTCHA_INVALID_DOMAIN"""
TYPES = "ERROR_TASK_NOT_SUPPORTED ERROR_TASK_TYPE_DEPRECATED"
PROXY = """ERROR_PROXY_CONNECT_REFUSED ERROR_PROXY_CONNECT_TIMEOUT
    ERROR_PROXY_READ_TIMEOUT ERROR_PROXY_BANNED ERROR_PROXY_NOT_AUTHORISED"""
PASSING = """ERROR_NO_SLOT_AVAILABLE ERROR_NO_SLOT_AVAILABLE_NOW ERROR_THREADS_MAXIMUM
    ERROR_SERVICE_UNAVALIABLE ERROR_SERVICE_UNAVAILABLE ERROR_INTERNAL_SERVER_ERROR
    ERROR_RATE_LIMIT ERROR_TOO_MUCH_REQUESTS ERROR_INVOCATION_SERVICE"""
FAILED = """ERROR_CAPTCHA_UNSOLVABLE ERROR_TASK_TIMEOUT ERROR_TASKID_INVALID
    ERROR_NO_SUCH_CAPCHA_ID WRONG_CAPTCHA_ID ERROR_TOKEN_EXPIRED
    ERROR_FAILED_LOADING_WIDGET ERROR_MAXIMUM_TIME_EXCEED"""
UNKNOWN = "ERROR_NOBODY_KNOWS"

#: What is no answer, and made in place of one: no task is created.
NO_ANSWER = {
    "HTTP 408, 425, 429": ["http:408", "http:425", "http:429"],
    "HTTP 5xx": ["http:500", "http:502", "http:503", "http:504", "http:520"],
    "HTML": ["html"],
    "empty body": ["empty"],
    "truncated JSON": ["garbled"],
    "JSON but no object": ["list", "null"],
}
#: What loses an answer: the task is created.
LOST = {
    "closed": ["drop"],
    "reset": ["reset"],
    "closed in the body": ["truncated"],
    "reset in the body": ["reset-body"],
    "1 GB": ["huge"],
    "3 KB that unpack to 600 MB": ["bomb"],
    "headers without end": ["headers"],
    "stall": ["stall"],
    "stall in the body": ["stall-body"],
    "slow drip": ["drip:60"],
}
SLOW = {"stall", "stall-body", "drip:60"}
REFUSALS = ["http:302", "http:400", "http:401", "http:403", "http:404", "http:422"]
#: Statuses that come with the service's own error.
STATUSES = (302, 400, 401, 413, 429, 500)
#: What is odd, but an answer.
ODD = {
    "drip that ends in time": ["drip:0.2"],
    "wrong charset": ["latin-1", "utf-16"],
    "unknown fields": ['with:news={"a":[1]}'],
    "an extra reply": ["extra"],
}
WRONG: tuple[Any, ...] = (None, True, 5, 1.5, "", "text", [], {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault at one call, and what has to come of it.

    Attributes:
        what: goes wrong, in words; rows that share it are one line of the page's.
        name: of the fault, as the sandbox knows it.
        call: that it befalls.
        times: how often.
        script: faults of the sandbox, for each call.
        down: seconds for which the service is out of reach at the start.
        returns: it is back as soon as the crawl has said that it is out of reach.
        latency: seconds that a task takes.
        settings: of the crawl.
        pages: asked for, one after another.
        jars: whether each has a session, and so a task, of its own.
        at_once: they are asked for at once.
        again: a page that is lost is asked for again until it comes.
        page: what each comes to: `DELIVERED`, or the name of an error.
        after: so many pages, if any, the others come to *then*.
        then: see *after*.
        code: of that error, where there is one.
        created: tasks that the service creates.
        counted: tasks that the crawl counts.
        calls: of createTask and getTaskResult that the service sees; for getBalance
            of that alone.
        most: whether *calls* are the most there may be, because they depend on time.
        least_seconds: before which it cannot be over.
        says: text that has to be in the log.
    """

    what: str
    name: str
    call: str
    times: str = ONCE
    script: Mapping[str, Sequence[str]] = field(default_factory=dict)
    down: float = 0.0
    returns: bool = False
    latency: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    pages: int = 1
    jars: bool = False
    at_once: bool = False
    again: bool = False
    page: str = DELIVERED
    after: int = 0
    then: str = ""
    code: str | None = None
    created: int = 1
    counted: int = 1
    calls: Sequence[int] = (1, 1)
    most: bool = False
    least_seconds: float = 0.0
    says: str = ""

    @property
    def id(self) -> str:
        """A name of its own."""
        return f"{self.call} {self.times}: {self.name}"


def row(call: str, name: str, times: str = ONCE, **values: Any) -> Row:
    """Return a row whose script is the one fault *name*."""
    values.setdefault("what", name)
    script = {call: (name,) if times == ONCE else (name, "*")}
    return Row(call=call, name=name, times=times, script=script, **values)


def creating() -> Iterator[Row]:
    """Yield the faults of createTask."""
    for what, name, works in passing_faults():
        settings = SHORT if name in SLOW else {}
        yield row(
            *(CREATE, name),
            what=what,
            created=1 + works,
            counted=2,
            calls=(2, 1),
            settings=settings,
            says=said_of(name),
        )
        yield row(
            *(CREATE, name, EVER),
            what=what,
            page="Unavailable",
            created=3 * works,
            counted=3,
            calls=(3, 0),
            settings=settings,
            says=said_of(name),
        )
    refused = "ConnectionRefusedError"
    what = "connection refused"
    yield Row(
        what=what, name="refused", call=CREATE, down=NEVER, returns=True, says=refused
    )
    yield Row(
        what=what,
        name="refused",
        call=CREATE,
        times=EVER,
        down=NEVER,
        settings=IMPATIENT,
        says=refused,
        page="Unavailable",
        created=0,
        counted=0,
        calls=(0, 0),
    )
    for name in PASSING.split():
        what = "passing codes"
        yield row(CREATE, name, what=what, calls=(2, 1))
        yield row(
            *(CREATE, name, EVER),
            what=what,
            page="Unavailable",
            code=name,
            created=0,
            counted=0,
            calls=(7, 0),
            most=True,
            settings=IMPATIENT,
        )
    nothing: Any = {"created": 0, "counted": 0, "calls": (1, 0)}
    yield from final(CREATE, nothing)
    for name in TYPES.split():
        what = "codes that refuse the type of task"
        yield row(CREATE, name, what=what, calls=(2, 1))
        refused_by_both = nothing | {"calls": (2, 0), "page": "SiteRefusedError"}
        yield row(
            *(CREATE, name, EVER), what=what, code=name, pages=3, **refused_by_both
        )
    for name in PROXY.split():
        what = "codes of the task's proxy"
        yield row(
            *(CREATE, name, EVER), what=what, page="ProxyFailed", code=name, **nothing
        )
    yield Row(
        what="unknown code, 20 pages",
        name=f"{UNKNOWN} of 20",
        call=CREATE,
        times=EVER,
        script={CREATE: (UNKNOWN, "*")},
        page="ServiceError",
        after=5,
        then="BlockedError",
        code=UNKNOWN,
        pages=20,
        says="5 times in a row",
        **nothing | {"calls": (5, 0)},
    )
    yield from with_status(CREATE, nothing)
    for name in FAILED.split():
        yield row(
            *(CREATE, name, EVER),
            what="codes of a task that failed",
            page="TaskFailed",
            code=name,
            **nothing,
        )
    # Of a proxy in front of the service, which may have billed.
    yield from refusals(CREATE, created=0, calls=(1, 0))
    yield Row(
        what="block of 3 s, the page asked for until it comes",
        name="ERROR_IP_BLOCKED_3S",
        call=CREATE,
        script={CREATE: ("ERROR_IP_BLOCKED_3S",)},
        again=True,
        calls=(2, 1),
        least_seconds=3.0,
    )
    yield from odd(CREATE)
    yield from ignored(CREATE, "errorCode", WRONG)
    yield from ignored(CREATE, "errorDescription", WRONG)
    values = [value for value in WRONG if value not in (5, "text")]
    yield in_a_row(
        *(CREATE, "taskId", values),
        created=len(values) + 2,
        counted=len(values) + 2,
        calls=(len(values) + 2, 1),
    )
    # One more of them in a row would stop the calls for a time.
    yield from refusing(CREATE, "errorId", (True, 5, "text", [], {}), calls=(5, 0))
    yield from ignored(CREATE, "errorId", (None, "", "0", False, 0.0))


def polling() -> Iterator[Row]:
    """Yield the faults of getTaskResult."""
    for what, name, _ in passing_faults():
        settings = SHORT if name in SLOW else {}
        yield row(
            *(RESULT, name),
            what=what,
            calls=(1, 2),
            settings=settings,
            says=said_of(name),
        )
        yield endless(what, name, settings)
    refused = "ConnectionRefusedError"
    what = "connection refused"
    yield Row(
        what=what,
        name="refused",
        call=RESULT,
        script={CREATE: (f"down:{NEVER}",)},
        returns=True,
        says=refused,
    )
    yield Row(
        what=what,
        name="refused",
        call=RESULT,
        times=EVER,
        script={CREATE: (f"down:{NEVER}",)},
        # Not sooner: the next task could be sent on the connection that is closing.
        settings={"ONECAPTCHA_SOLVE_TIMEOUT": 1.5},
        says=refused,
        page="Unavailable",
        calls=(1, 0),
    )
    for name in PASSING.split():
        yield row(RESULT, name, what="passing codes", calls=(1, 2))
        yield endless("passing codes", name, {})
    yield row(RESULT, "CAPTCHA_NOT_READY", what="not ready", calls=(1, 2))
    yield endless("not ready", "CAPTCHA_NOT_READY", {})
    yield Row(
        what="task that never ends",
        name="never ready",
        call=RESULT,
        times=EVER,
        latency=NEVER,
        settings=IMPATIENT,
        says="had no token for task",
        **exhausted(24, most=True),
    )
    for name in FAILED.split():
        what = "codes of a task that failed"
        yield row(RESULT, name, what=what, created=2, counted=2, calls=(2, 2))
        yield row(RESULT, name, EVER, what=what, **exhausted(3))
    for name in PROXY.split():
        what = "codes of the task's proxy"
        yield row(RESULT, name, what=what, created=2, counted=2, calls=(2, 2))
        yield row(RESULT, name, EVER, what=what, **exhausted(3))
    yield from final(RESULT, {"calls": (1, 1)})
    for name in TYPES.split():
        yield row(
            *(RESULT, name, EVER),
            what="codes that refuse the type of task",
            page="SiteRefusedError",
            code=name,
            pages=3,
        )
    yield from with_status(RESULT, {"calls": (1, 1)})
    yield from refusals(RESULT)
    yield Row(
        what="account code while 5 tasks are open",
        name="ERROR_ZERO_BALANCE of 5",
        call=RESULT,
        script={RESULT: ("ERROR_ZERO_BALANCE", "CAPTCHA_NOT_READY", "*")},
        # All five are open before the first result is asked for.
        settings={"ONECAPTCHA_POLL_DELAY": 2, "ONECAPTCHA_SOLVE_TIMEOUT": 6},
        page="AccountError",
        code="ERROR_ZERO_BALANCE",
        pages=5,
        jars=True,
        at_once=True,
        created=5,
        counted=5,
        calls=(5, 10),
        most=True,
    )
    yield from odd(RESULT)
    yield from ignored(RESULT, "errorCode", WRONG)
    yield from ignored(RESULT, "errorDescription", WRONG)
    yield from ignored(RESULT, "errorId", (None, "", "0", False, 0.0))
    yield from ignored(RESULT, "solution.userAgent", (None, True, 5, 1.5, "", [], {}))
    yield from ignored(RESULT, "solution.respKey", (None, True, 1.5, "", [], {}))
    yield from refusing(RESULT, "errorId", (True, 5, 1.5, "text", [], {}), calls=(6, 6))
    yield from refusing(RESULT, "status", (5, "text"), calls=(2, 2))
    values: Sequence[Any] = (None, True, 1.5, "", [], {})
    yield in_a_row(RESULT, "status", values, calls=(1, len(values) + 2))
    no_token: Sequence[Any] = (None, True, 5, 1.5, "", [], {}, ["P1_x"])
    for path, wrong in (
        ("solution", WRONG),
        ("solution.gRecaptchaResponse", no_token),
    ):
        tasks = len(wrong) + 2
        yield in_a_row(
            *(RESULT, path, wrong),
            created=tasks,
            counted=tasks,
            calls=(tasks, tasks),
        )
    for what, name in (
        ("ready without solution", "without:solution"),
        ("token empty", 'with:solution.gRecaptchaResponse=""'),
        ("token no string", "with:solution.gRecaptchaResponse=5"),
        ("token a list", 'with:solution.gRecaptchaResponse=["P1_x"]'),
    ):
        yield row(RESULT, name, what=what, created=2, counted=2, calls=(2, 2))
        yield row(RESULT, name, EVER, what=what, **exhausted(3))


def balance() -> Iterator[Row]:
    """Yield the faults of getBalance; there is no page, and no retry."""
    nothing: Any = {"created": 0, "counted": 0, "calls": (1,)}
    for what, name, _ in passing_faults():
        yield row(
            *(BALANCE, name),
            what=what,
            page="Unavailable",
            settings=SHORT if name in SLOW else {},
            says=said_of(name),
            **nothing,
        )
    yield Row(
        what="connection refused",
        name="refused",
        call=BALANCE,
        down=NEVER,
        page="Unavailable",
        says="ConnectionRefusedError",
        **nothing | {"calls": (0,)},
    )
    for what, page, codes in (
        ("account codes", "AccountError", ACCOUNT),
        ("codes of a block", "BlockedError", BLOCKED),
        ("codes of a malformed call", "BadTaskError", MALFORMED),
        ("codes that refuse the site", "SiteRefusedError", REFUSED),
        ("codes that refuse the type of task", "SiteRefusedError", TYPES),
        ("codes of the task's proxy", "ProxyFailed", PROXY),
        ("passing codes", "Unavailable", PASSING),
        ("codes of a task that failed", "TaskFailed", FAILED),
        ("unknown code", "ServiceError", UNKNOWN),
    ):
        for name in codes.split():
            yield row(BALANCE, name, what=what, page=page, code=name, **nothing)
    for name in REFUSALS:
        yield row(BALANCE, name, what="HTTP 3xx, 4xx", page="ServiceError", **nothing)
    yield from with_status(BALANCE, nothing)
    for what, names in ODD.items():
        for name in names:
            yield row(BALANCE, name, what=what, **nothing)
    odd_values: Mapping[str, Sequence[Any]] = {
        "errorId": (True, 5, 1.5, "text", [], {}),
        "balance": (None, True, "", "text", [], {}),
    }
    for path, wrong in odd_values.items():
        for value in wrong:
            yield row(
                *(BALANCE, f"with:{path}={json.dumps(value)}"),
                what=f"{path} of a wrong type",
                page="ServiceError",
                **nothing,
            )


def with_status(call: str, values: dict[str, Any]) -> Iterator[Row]:
    """Yield an account code with each status of HTTP that it may come with."""
    for status in STATUSES:
        yield row(
            *(call, f"http:{status}:ERROR_ZERO_POINT", ONCE),
            what="account code with HTTP 3xx, 4xx, 5xx",
            page="AccountError",
            code="ERROR_ZERO_POINT",
            **values,
        )


def said_of(name: str) -> str:
    said = {
        "huge": "which were not read",
        "bomb": "an encoding that it was not asked for",
        "headers": "bytes of headers",
    }
    return said.get(name, "")


def passing_faults() -> Iterator[tuple[str, str, bool]]:
    """Yield what, name, and whether the call has done its work."""
    for what, names in NO_ANSWER.items():
        for name in names:
            yield what, name, False
    for what, names in LOST.items():
        for name in names:
            yield what, name, True


def exhausted(polls: int, **values: Any) -> dict[str, Any]:
    """Return the outcome of three tasks without a page."""
    return {
        "page": "AttemptsExhausted",
        "created": 3,
        "counted": 3,
        "calls": (3, polls),
        **values,
    }


def endless(what: str, name: str, settings: Mapping[str, Any]) -> Row:
    """Return a fault that passes, but lasts while three tasks are polled."""
    slow = name in SLOW
    patience = {"ONECAPTCHA_SOLVE_TIMEOUT": 0.9} if slow else IMPATIENT
    return row(
        *(RESULT, name, EVER),
        what=what,
        settings={**settings, **patience},
        **exhausted(6 if slow else 24, most=True),
    )


def final(call: str, values: dict[str, Any]) -> Iterator[Row]:
    """Yield the codes that end a page at once, and those that end others, too."""
    for what, page, codes, pages in (
        ("account codes", "AccountError", ACCOUNT, 3),
        ("codes of a block", "BlockedError", BLOCKED, 3),
        ("codes that refuse the site", "SiteRefusedError", REFUSED, 3),
        ("codes of a malformed call", "BadTaskError", MALFORMED, 1),
        ("unknown code", "ServiceError", UNKNOWN, 1),
    ):
        for name in codes.split():
            yield row(
                *(call, name, EVER),
                what=what,
                page=page,
                code=name,
                pages=pages,
                **values,
            )


def refusals(call: str, **values: Any) -> Iterator[Row]:
    """Yield what HTTP refuses for good."""
    for name in REFUSALS:
        yield row(
            *(call, name, EVER),
            what="HTTP 3xx, 4xx",
            page="ServiceError",
            code=name.upper().replace(":", "_"),
            **values,
        )


def odd(call: str) -> Iterator[Row]:
    """Yield what is odd, but understood."""
    for what, names in ODD.items():
        for name in names:
            yield row(call, name, EVER, what=what)


def values_of(call: str, path: str, values: Sequence[Any]) -> dict[str, Sequence[str]]:
    return {call: [f"with:{path}={json.dumps(value)}" for value in values]}


def named(path: str, values: Sequence[Any]) -> str:
    return f"{path} = {', '.join(map(json.dumps, values))}"


def ignored(call: str, path: str, values: Sequence[Any]) -> Iterator[Row]:
    """Yield a field whose odd values do no harm: each page meets another one."""
    many = len(values)
    yield Row(
        what=f"{path} odd but harmless",
        name=named(path, values),
        call=call,
        script=values_of(call, path, values),
        pages=many,
        jars=True,
        created=many,
        counted=many,
        calls=(many, many),
    )


def refusing(
    call: str, path: str, values: Sequence[Any], calls: tuple[int, int]
) -> Iterator[Row]:
    """Yield a field whose odd values end each page at once, its task counted."""
    many = len(values)
    yield Row(
        what=f"{path} of a wrong type or value",
        name=named(path, values),
        call=call,
        script=values_of(call, path, values),
        pages=many,
        jars=True,
        page="ServiceError",
        created=many,
        counted=many,
        calls=calls,
        settings=MANY,
    )


def in_a_row(call: str, path: str, values: Sequence[Any], **expected: Any) -> Row:
    """Return a field that is of a wrong type time after time, then left out."""
    script = values_of(call, path, values)
    return Row(
        what=f"{path} of a wrong type, {len(values) + 1} times",
        name=f"{named(path, values)}, none",
        call=call,
        script={call: [*script[call], f"without:{path}"]},
        settings=MANY,
        **expected,
    )


ROWS: tuple[Row, ...] = (*creating(), *polling(), *balance())


def _first_of_each(rows: Sequence[Row]) -> Iterator[Row]:
    seen: set[tuple[str, str, str]] = set()
    for row in rows:
        kind = (row.what, row.call, row.times)
        if kind not in seen:
            seen.add(kind)
            yield row


#: For each thing that goes wrong at a call, the first fault that has it happen.
FIRST: tuple[Row, ...] = tuple(_first_of_each(ROWS))
