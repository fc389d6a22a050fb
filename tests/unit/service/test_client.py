"""The client of the service, in virtual time and without a socket."""

from __future__ import annotations

import gzip
import html
import json
import subprocess
import sys
import traceback
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from OpenSSL.SSL import Error as OpenSSLError
from service_identity import VerificationError
from treq.client import HTTPClient
from treq.testing import StringStubbingResource, StubTreq
from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IReactorPluggableNameResolver
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss
from zope.interface import implementer  # type: ignore[import-untyped]

import scrapy_onecaptcha
from scrapy_onecaptcha._redact import Secret
from scrapy_onecaptcha.exceptions import (
    AccountError,
    BadTaskError,
    BlockedError,
    ProxyFailed,
    ServiceError,
    SiteRefusedError,
    TaskFailed,
    Unavailable,
)
from scrapy_onecaptcha.models import Proxy
from scrapy_onecaptcha.service import client as client_module
from scrapy_onecaptcha.service.client import Client, Task, TaskResult
from scrapy_onecaptcha.service.error_codes import PREFIXES, RULES, rule, stated_seconds
from scrapy_onecaptcha.service.http import (
    CONNECTIONS,
    MAX_HEAD,
    MAX_HEAD_LINES,
    MAX_REPLY,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import FrameType

HOME = Path(scrapy_onecaptcha.__file__).parent
KEY = "cc9c18d3e263515c2c072b36a7125eecc078618f"
URL = "https://service.example"
SITEKEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
TASK = Task(url="https://shop.example/page", sitekey=SITEKEY)
TOKEN = "P1_eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"
PASS = "pä ss%&word"

#: With all that URLs, JSON and HTML write in other ways.
ODD_KEY = "k9+/=&<>\"'%\\~"
SPELLINGS = [
    ODD_KEY,
    ODD_KEY.upper(),
    ODD_KEY.swapcase(),
    quote(ODD_KEY),
    quote(ODD_KEY, safe="").lower(),
    quote(quote_plus(ODD_KEY)),
    "".join(f"%{ord(char):02X}" for char in ODD_KEY),
    json.dumps(ODD_KEY)[1:-1],
    json.dumps(json.dumps(ODD_KEY))[3:-3],
    "".join(f"\\u{ord(char):04X}" for char in ODD_KEY),
    ODD_KEY.replace("\\", "\\\\").replace("/", "\\/"),
    repr(f"{ODD_KEY}")[1:-1],
    html.escape(ODD_KEY),
    html.escape(ODD_KEY, quote=False),
    "".join(f"&#{ord(char)};" for char in ODD_KEY),
    quote(html.escape(ODD_KEY)[:2]) + json.dumps(ODD_KEY)[3:-1],
]

NO_TOKENS: list[Any] = [
    *(None, "", 5, True, [TOKEN], {}),
    *("a\nb", "\ud800", "x" * 32769),
]

# The table of the protocol, written out anew: a row lost or moved in the code shows.
CODES: dict[type[ServiceError], str] = {
    AccountError: """ERROR_KEY_DOES_NOT_EXIST ERROR_ZERO_BALANCE ERROR_SETTLEMENT_FAILED
        ERROR_ZERO_POINT
        ERROR_CLIENTKEY_UNAUTHORIZED ERROR_KEY_BANNED ERROR_KEY_DENIED_ACCESS
        ERROR_WRONG_USER_KEY ERROR_IP_NOT_ALLOWED ERROR_ACCOUNT_SUSPENDED""",
    BlockedError: """ERROR_IP_BANNED ERROR_IP_BLOCKED ERROR_IP_BLOCKED_5MIN
        ERROR_KEY_TEMP_BLOCKED""",
    BadTaskError: """ERROR_REQUIRED_FIELDS ERROR_BAD_REQUEST ERROR_PAGE_NOT_FOUND
        ERROR_INVALID_TASK_DATA ERROR_TASK_ABSENT ERROR_NO_SUCH_METHOD
        ERROR_BAD_PARAMETERS ERROR_TOO_BIG_CAPTCHA_FILESIZE
        ERROR_IMAGE_TYPE_NOT_SUPPORTED""",
    SiteRefusedError: """ERROR_TASK_NOT_SUPPORTED ERROR_TASK_TYPE_DEPRECATED
        ERROR_DOMAIN_NOT_ALLOWED ERROR_RECAPTCHA_INVALID_SITEKEY
        ERROR_RECAPTCHA_INVALID_DOMAIN""",
    Unavailable: """ERROR_NO_SLOT_AVAILABLE ERROR_NO_SLOT_AVAILABLE_NOW
        ERROR_THREADS_MAXIMUM ERROR_SERVICE_UNAVALIABLE ERROR_SERVICE_UNAVAILABLE
        ERROR_INTERNAL_SERVER_ERROR ERROR_RATE_LIMIT ERROR_TOO_MUCH_REQUESTS
        ERROR_INVOCATION_SERVICE""",
    TaskFailed: """ERROR_CAPTCHA_UNSOLVABLE ERROR_TASK_TIMEOUT ERROR_TASKID_INVALID
        ERROR_NO_SUCH_CAPCHA_ID WRONG_CAPTCHA_ID ERROR_TOKEN_EXPIRED
        ERROR_FAILED_LOADING_WIDGET ERROR_MAXIMUM_TIME_EXCEED""",
    ProxyFailed: """ERROR_PROXY_CONNECT_REFUSED ERROR_PROXY_CONNECT_TIMEOUT
        ERROR_PROXY_BANNED ERROR_PROXY_NOT_AUTHORISED""",
    ServiceError: "ERROR_NOBODY_KNOWS ERROR_IP_BLOCKE IP_BLOCKED",
}
EVERY_CODE = [(code, kind) for kind, row in CODES.items() for code in row.split()]


def new(kind: Callable[..., Any], *args: Any) -> Any:
    """Make what has no annotations, or not those of the interface that it provides."""
    return kind(*args)


class Service:
    """Answers every call alike and remembers what it was sent."""

    def __init__(self, body: Any = None, status: int = 200, key: str = KEY) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status
        self.headers: dict[str, str] = {}
        self.calls: list[tuple[bytes, str, dict[bytes, list[bytes]], Any]] = []
        http = new(StubTreq, new(StringStubbingResource, self._answer))
        self.client = Client(key, f"{URL}/", http=http, clock=new(Clock))

    def _answer(
        self, method: bytes, url: str, params: Any, headers: Any, data: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        self.calls.append((method, url, headers, json.loads(data)))
        return self.status, self.headers, self.body


def outcome_of(work: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run *work*; the list gets its result or its exception."""
    outcome: list[Any] = []
    Deferred.fromCoroutine(work).addCallbacks(
        outcome.append, lambda failure: outcome.append(failure.value)
    )
    return outcome


def now(work: Coroutine[Any, Any, Any]) -> Any:
    """Run *work*, which has to be done at once."""
    (outcome,) = outcome_of(work)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def create(body: Any, status: int = 200, task: Task = TASK) -> Any:
    return now(Service(body, status).client.create_task(task))


def poll(body: Any, status: int = 200) -> TaskResult | None:
    result = now(Service(body, status).client.get_task_result("t-1"))
    assert result is None or isinstance(result, TaskResult)
    return result


def ready(**solution: Any) -> dict[str, Any]:
    return {"errorId": 0, "status": "ready", "solution": solution}


def refused(code: Any, description: Any = "", error_id: Any = 1) -> dict[str, Any]:
    return {
        "errorId": error_id,
        "errorCode": code,
        "errorDescription": description,
    }


# What is sent


def test_create_task_sends_only_what_says_something() -> None:
    service = Service({"errorId": 0, "taskId": "t"})
    now(service.client.create_task(TASK))
    ((method, url, headers, sent),) = service.calls
    assert (method, url) == (b"POST", f"{URL}/createTask")
    assert headers[b"Content-Type"] == [b"application/json"]
    assert headers[b"User-Agent"][0].startswith(b"scrapy-onecaptcha/")
    assert sent == {
        "clientKey": KEY,
        "task": {
            "type": "HCaptchaTaskProxyless",
            "websiteURL": TASK.url,
            "websiteKey": SITEKEY,
        },
    }


def test_create_task_sends_what_the_page_says() -> None:
    service = Service({"errorId": 0, "taskId": "t"})
    task = Task(
        url=TASK.url, sitekey=SITEKEY, user_agent="UA", invisible=True, rqdata="rq"
    )
    now(service.client.create_task(task))
    sent = service.calls[0][3]["task"]
    assert sent["userAgent"] == "UA"
    assert sent["isInvisible"] is True
    assert sent["rqdata"] == "rq"


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://me:pw@shop.example/a?q=1#part", "https://shop.example/a?q=1"),
        ("https://me@shop.example:8443/", "https://shop.example:8443/"),
        ("http://a:b@c@shop.example?x=y@z", "http://shop.example?x=y@z"),
        ("https://shop.example/@me/", "https://shop.example/@me/"),
        ("https://shop.example/?mail=a@b#c@d", "https://shop.example/?mail=a@b"),
        ("http://u:p@[::1", "http://[::1"),
    ],
)
def test_url_is_sent_without_user_info_and_fragment(url: str, sent: str) -> None:
    assert Task(url=url, sitekey=SITEKEY).payload()["websiteURL"] == sent


def test_the_other_calls() -> None:
    service = Service({"errorId": 0, "status": "processing", "balance": 3})
    now(service.client.get_task_result("t-1"))
    now(service.client.get_balance())
    assert [(url, sent) for _, url, _, sent in service.calls] == [
        (f"{URL}/getTaskResult", {"clientKey": KEY, "taskId": "t-1"}),
        (f"{URL}/getBalance", {"clientKey": KEY}),
    ]


# What comes back


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        ({"errorId": 0, "errorCode": "", "taskId": "a-b"}, "a-b"),
        ({"errorId": 0, "errorCode": None, "taskId": " a "}, "a"),
        ({"errorId": "0", "taskId": 7654321}, "7654321"),
        ({"errorId": 0, "errorCode": "NOT_AN_ERROR", "taskId": "a", "new": []}, "a"),
        ({"errorId": False, "taskId": "a"}, "a"),
        ({"taskId": "a"}, "a"),
        ({"errorId": None, "errorCode": "SUCCESS", "taskId": "a"}, "a"),
        (b'\xef\xbb\xbf{"taskId": "a"}', "a"),
        ('{"taskId": "a"}'.encode("utf-16"), "a"),
        ('{"taskId": "a", "errorDescription": "créé"}'.encode("latin-1"), "a"),
    ],
)
def test_a_task_is_created(body: Any, task_id: str) -> None:
    assert create(body) == task_id


@pytest.mark.parametrize(
    "task_id",
    [None, "", "  ", 0, "0", True, 1.5, [], {}, "a\nb", "a\x00b", "x" * 257],
)
def test_no_task_id_may_have_been_billed(task_id: Any) -> None:
    with pytest.raises(Unavailable, match="without a task id") as caught:
        create({"errorId": 0, "taskId": task_id})
    assert not caught.value.answered
    with pytest.raises(AccountError) as refusal:
        create({**refused("ERROR_ZERO_BALANCE"), "taskId": task_id})
    assert refusal.value.answered


def test_a_task_id_with_the_key_in_it_is_not_used() -> None:
    with pytest.raises(ServiceError, match="has the account's key in it") as caught:
        create({"errorId": 0, "taskId": f"t-{KEY.upper()}"})
    assert not isinstance(caught.value, Unavailable)  # that may be tried again
    assert not caught.value.answered
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert "_read_task_id" not in {frame.f_code.co_name for frame in frames}


@pytest.mark.parametrize("error_id", [1, [], "x"])
def test_a_refusal_that_names_a_task_may_have_been_billed(error_id: Any) -> None:
    with pytest.raises(ServiceError) as caught:
        create({"errorId": error_id, "taskId": "a"})
    assert not caught.value.answered


def test_a_task_that_is_asked_for_may_be_named() -> None:
    assert poll({**refused("CAPTCHA_NOT_READY"), "taskId": "t-1"}) is None


@pytest.mark.parametrize(
    ("body", "call"),
    [
        ('{"errorId": 0, "taskId": "tâche"}', create),
        ('{"status": "ready", "solution": {"gRecaptchaResponse": "jeton é"}}', poll),
    ],
)
def test_what_cannot_be_decoded_is_no_value(body: str, call: Any) -> None:
    with pytest.raises((Unavailable, TaskFailed)):
        call(body.encode("latin-1"))


def test_a_description_in_another_encoding_can_be_logged() -> None:
    error = json.dumps(refused("ERROR_NEW", "refusé, désolé"), ensure_ascii=False)
    with pytest.raises(ServiceError) as caught:
        create(error.encode("latin-1"))
    assert caught.value.code == "ERROR_NEW"
    assert caught.value.description == "refus , d sol"
    assert str(caught.value).encode("utf-8")


@pytest.mark.parametrize(
    "body",
    [
        {"errorId": 0, "errorCode": None, "status": "processing"},
        {"errorId": 0, "status": "idle"},
        {"errorId": 0, "status": "Processing "},
        {"status": "processing"},
        refused("CAPTCHA_NOT_READY"),
    ],
)
def test_not_ready(body: Any) -> None:
    assert poll(body) is None


def test_not_ready_is_no_word_for_create_task() -> None:
    with pytest.raises(ServiceError, match="CAPTCHA_NOT_READY"):
        create(refused("CAPTCHA_NOT_READY"))


@pytest.mark.parametrize(
    ("solution", "user_agent", "resp_key"),
    [
        ({}, None, None),
        ({"userAgent": "UA", "respKey": "E0_x"}, "UA", "E0_x"),
        ({"user_agent": "UA"}, "UA", None),
        ({"userAgent": None, "user_agent": "UA", "respKey": None}, "UA", None),
        ({"userAgent": "", "respKey": ""}, None, None),
        ({"respKey": 0}, None, "0"),
        ({"respKey": 42, "more": {"a": 1}}, None, "42"),
    ],
)
def test_ready(
    solution: dict[str, Any],
    user_agent: str | None,
    resp_key: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = poll(ready(gRecaptchaResponse=TOKEN, **solution))
    assert result == TaskResult(token=TOKEN, user_agent=user_agent, resp_key=resp_key)
    assert not caplog.records


@pytest.mark.parametrize("name", ["userAgent", "respKey"])
@pytest.mark.parametrize(
    "value",
    ["a\r\nX-Evil: 1", "a\x00", "ü", "x" * 40_000, 1.5, True, ["a"], {"a": 1}],
)
def test_what_cannot_be_sent_is_left_out(name: str, value: Any) -> None:
    result = poll(ready(gRecaptchaResponse=TOKEN, **{name: value}))
    called = {"userAgent": "User-Agent"}.get(name, name)
    assert result == TaskResult(token=TOKEN, ignored=(called,))


@pytest.mark.parametrize(
    ("cost", "points"),
    [
        *((7, 7), (0, 0), ("3.5", 3.5), (None, None), (-1, None), ("free", None)),
        *((True, None), ([], None), ({}, None), ("nan", None), (10**400, None)),
    ],
)
def test_the_cost_of_a_result(cost: Any, points: float | None) -> None:
    result = poll({**ready(gRecaptchaResponse=TOKEN), "cost": cost})
    assert result == TaskResult(token=TOKEN, cost=points)


@pytest.mark.parametrize(
    "solution",
    [
        None,
        [],
        "P1_x",
        {},
        {"token": TOKEN},
        *({"gRecaptchaResponse": token} for token in NO_TOKENS),
    ],
)
def test_ready_without_a_token_is_a_failed_task(solution: Any) -> None:
    with pytest.raises(TaskFailed) as caught:
        poll({"errorId": 0, "status": "ready", "solution": solution})
    assert caught.value.code == "INVALID_SOLUTION"
    assert not caught.value.answered


def test_unknown_status_is_not_repeated() -> None:
    with pytest.raises(ServiceError) as caught:
        poll({"errorId": 0, "status": "exploded"})
    assert type(caught.value) is ServiceError
    assert caught.value.code == "UNKNOWN_STATUS"


@pytest.mark.parametrize("status", [None, "", [], {}, True])
def test_no_status_is_asked_for_again(status: Any) -> None:
    with pytest.raises(Unavailable):
        poll({"errorId": 0, "status": status})


@pytest.mark.parametrize(
    ("balance", "points"), [(1071810, 1071810), (0, 0), (1.5, 1.5), ("12.5", 12.5)]
)
def test_balance(balance: Any, points: float) -> None:
    service = Service({"errorId": 0, "balance": balance})
    assert now(service.client.get_balance()) == points


@pytest.mark.parametrize(
    "balance", [None, "", "much", True, False, [], {}, [1], "nan", "inf", 10**400]
)
def test_no_balance_is_said(balance: Any) -> None:
    service = Service({"errorId": 0, "balance": balance})
    with pytest.raises(ServiceError, match="without a balance") as caught:
        now(service.client.get_balance())
    assert not isinstance(caught.value, Unavailable)


# Errors


@pytest.mark.parametrize(("code", "kind"), EVERY_CODE)
@pytest.mark.parametrize("call", [create, poll])
def test_every_code(
    code: str, kind: type[ServiceError], call: Callable[[Any], Any]
) -> None:
    with pytest.raises(ServiceError) as caught:
        call(refused(code, "so it is"))
    found = caught.value
    assert type(found) is kind
    assert (found.code, found.description) == (code, "so it is")
    assert found.answered
    method = "createTask" if call is create else "getTaskResult"
    assert str(found).startswith(f"The service refused {method} with {code}: ")
    assert str(found).endswith('. It says: "so it is"')


def test_the_tables_hold_the_same_codes() -> None:
    known = {code for code, kind in EVERY_CODE if kind is not ServiceError}
    assert set(RULES) <= known
    assert all(any(c.startswith(p) for p in PREFIXES) for c in known - set(RULES))
    with pytest.raises(TypeError):
        RULES["X"] = rule("")  # type: ignore[index]


@pytest.mark.parametrize("error_id", [1, "1", 12, True, -1, 1.0, [], {}, "x"])
def test_any_error_id_but_0_is_an_error(error_id: Any) -> None:
    body = {**refused("ERROR_ZERO_BALANCE", error_id=error_id), "taskId": "t"}
    with pytest.raises(AccountError, match="top it up"):
        create(body)


@pytest.mark.parametrize("code", [None, "", [], {}, True, 1.5])
def test_an_error_without_a_code(code: Any) -> None:
    with pytest.raises(ServiceError, match="with no code") as caught:
        create(refused(code, description=["no", "text"]))
    assert type(caught.value) is ServiceError
    assert (caught.value.code, caught.value.description) == ("", "")
    assert caught.value.answered


def test_a_code_counts_where_the_error_id_is_left_out() -> None:
    with pytest.raises(AccountError):
        create({"errorCode": "error_zero_balance"})


@pytest.mark.parametrize("status", [302, 400, 401, 404, 413, 429, 500, 503])
def test_the_code_goes_before_the_status_of_http(status: int) -> None:
    with pytest.raises(AccountError) as caught:
        create(refused("ERROR_ZERO_BALANCE"), status)
    assert caught.value.answered


@pytest.mark.parametrize("status", [302, 400, 401, 413, 500, 503])
def test_an_unknown_code_is_unknown_whatever_the_status(status: int) -> None:
    with pytest.raises(ServiceError) as caught:
        create(refused("ERROR_NOBODY_KNOWS"), status)
    assert type(caught.value) is ServiceError
    assert (caught.value.code, caught.value.answered) == ("ERROR_NOBODY_KNOWS", True)


def test_an_error_without_a_code_and_with_a_passing_status_passes() -> None:
    with pytest.raises(Unavailable):
        create(refused(""), 503)


@pytest.mark.parametrize("body", [b"", b"<html>", {"taskId": "t"}, {"errorId": 0}])
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520])
def test_passing_http_errors(status: int, body: Any) -> None:
    with pytest.raises(Unavailable) as caught:
        create(body, status)
    assert (caught.value.code, caught.value.answered) == (f"HTTP_{status}", False)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422])
def test_other_http_errors_are_not_repeated(status: int) -> None:
    with pytest.raises(ServiceError) as caught:
        create(b"no", status)
    assert type(caught.value) is ServiceError
    assert (caught.value.code, caught.value.answered) == (f"HTTP_{status}", False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    service = Service({"errorId": 0, "taskId": "t"}, status)
    service.headers["Location"] = "https://elsewhere.example/createTask"
    with pytest.raises(ServiceError, match="redirect") as caught:
        now(service.client.create_task(TASK))
    assert type(caught.value) is ServiceError
    assert [url for _, url, _, _ in service.calls] == [f"{URL}/createTask"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b'{"errorId": 0, "task',
        b"[]",
        b"null",
        b'"text"',
        b"7",
        b"\xff\xfe\xfd",
        b'{"errorId": NaN, "taskId": "t"}',
        b"[" * 60_000,
        b'{"errorId": ' + b"1" * 5_000 + b"}",
    ],
)
@pytest.mark.parametrize("call", [create, poll])
def test_what_is_no_json_object_passes(body: bytes, call: Callable[[Any], Any]) -> None:
    with pytest.raises(Unavailable) as caught:
        call(body)
    assert not caught.value.answered


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("too many errors", None),
        ("try again in 300 seconds", 300),
        ("blocked for 5 minutes.", 300),
        ("wait 1 minute 30 seconds", 90),
        ("wait 2h", 3600),
        ("wait 0.5 s", None),
        ("0 seconds", 1),
        ("wait 999999 hours", 3600),
        ("error 1002 shown", None),
        ("请30秒后重试", 30),
        ("封禁5分钟", 300),
    ],
)
def test_stated_seconds(text: str, seconds: float | None) -> None:
    assert stated_seconds(text) == seconds


@pytest.mark.parametrize(
    ("code", "description", "seconds"),
    [
        ("ERROR_IP_BANNED", "", 600),
        ("ERROR_KEY_TEMP_BLOCKED", "again in 20 sec", 20),
        ("ERROR_IP_BLOCKED_5MIN", "", 300),
        ("ERROR_IP_BLOCKED_5MIN", "7 s", 7),
    ],
)
def test_how_long_the_block_is(code: str, description: str, seconds: float) -> None:
    with pytest.raises(BlockedError) as caught:
        create(refused(code, description))
    assert caught.value.seconds == seconds


# Secrets and logs


def everything_said(found: BaseException | None) -> str:
    """Return what a reporter of crashes has of an error: our frames' locals, too."""
    said = []
    while found is not None:
        said += [str(found), repr(found), repr(vars(found))]
        said += traceback.format_exception(found)
        said += [repr(frame.f_locals) for frame in our_frames(found)]
        found = found.__cause__ or found.__context__
    return "\n".join(said)


def our_frames(found: BaseException) -> list[FrameType]:
    """Return the frames of the package that an error came through."""
    frames = [frame for frame, _ in traceback.walk_tb(found.__traceback__)]
    return [frame for frame in frames if HOME in Path(frame.f_code.co_filename).parents]


def frames_are_kept() -> bool:
    """Tell whether a Deferred leaves its error the frames; old Twisted's does not."""

    async def fails() -> None:
        raise ValueError

    caught: list[Any] = []
    failing = Deferred.fromCoroutine(fails())
    failing.addErrback(lambda failure: caught.append(failure.value))
    return caught[0].__traceback__ is not None


FRAMES = frames_are_kept()


@pytest.mark.parametrize("written", SPELLINGS)
def test_a_key_that_is_sent_back_is_scrubbed(written: str) -> None:
    body = refused(f"ERROR_{written}", f"clientKey {written} is bad")
    with pytest.raises(ServiceError) as caught:
        now(Service(body, key=ODD_KEY).client.create_task(TASK))
    assert caught.value.code == "ERROR_***"
    assert caught.value.description == "clientKey *** is bad"
    said = everything_said(caught.value).lower()
    assert written.lower() not in said
    assert ODD_KEY.lower() not in said


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (refused("ERROR_X", KEY), 200),
        ({"errorId": 0, "clientKey": KEY}, 200),
        ({"errorId": 0, "status": KEY, "clientKey": KEY}, 200),
        (ready(gRecaptchaResponse=f"{TOKEN}\n", respKey=KEY), 200),
        (f"<p>{KEY}</p>".encode(), 200),
        ({"clientKey": KEY}, 302),
        ({"clientKey": KEY}, 403),
        ({"clientKey": KEY}, 500),
    ],
)
@pytest.mark.parametrize("call", ["create_task", "get_task_result", "get_balance"])
def test_no_frame_of_an_error_keeps_what_was_said(
    body: Any, status: int, call: str
) -> None:
    service = Service(body, status)
    arguments: dict[str, list[Any]] = {
        "create_task": [TASK],
        "get_task_result": ["t"],
        "get_balance": [],
    }
    with pytest.raises(ServiceError) as caught:
        now(getattr(service.client, call)(*arguments[call]))
    said = everything_said(caught.value)
    if FRAMES:  # there are some to look at
        assert "self" in our_frames(caught.value)[0].f_locals
    assert KEY not in said
    assert TOKEN not in said


def test_no_frame_of_a_cancelled_call_keeps_the_key() -> None:
    outcome: list[Any] = []
    call = Deferred.fromCoroutine(Wire().create())
    call.addErrback(lambda failure: outcome.append(failure.value))
    call.cancel()
    assert isinstance(outcome[0], CancelledError)
    assert our_frames(outcome[0]) or not FRAMES
    assert KEY not in everything_said(outcome[0])


@pytest.mark.skipif(not FRAMES, reason="this Twisted takes the frames from errors")
def test_no_frame_of_a_bug_keeps_the_key() -> None:
    """One below the client, from which nothing is taken away."""
    wire = Wire()
    wire.client._timeout = None  # type: ignore[assignment]
    with pytest.raises(TypeError) as caught:
        now(wire.create())
    assert any("body" in frame.f_locals for frame in our_frames(caught.value))
    assert any("payload" in frame.f_locals for frame in our_frames(caught.value))
    assert KEY not in everything_said(caught.value)


def test_a_key_across_the_cut_is_scrubbed() -> None:
    with pytest.raises(ServiceError) as caught:
        create(refused("ERROR_X", "x" * 280 + KEY + "y" * 100))
    assert KEY[:8] not in everything_said(caught.value)
    assert len(caught.value.description) == 300


@pytest.mark.parametrize("written", ["pä ss%&word", "p%C3%A4 ss%25&amp;word"])
def test_the_credentials_of_a_proxy_are_scrubbed_as_the_key_is(written: str) -> None:
    proxy = Proxy(
        scheme="http", host="p", port=1, login=Secret("me-too"), password=Secret(PASS)
    )
    body = refused("ERROR_PROXY_BANNED", f"ME-TOO:{written}@p {KEY} is bad")
    with pytest.raises(ProxyFailed) as caught:
        create(body, task=replace(TASK, proxy=proxy))
    said = everything_said(caught.value)
    assert "me-too" not in said.lower()
    assert KEY not in said
    if written == PASS:
        assert caught.value.description == "***:***@p *** is bad"
    assert "%&word" not in said
    assert "%25&amp;word" not in said


def test_the_credentials_of_a_proxy_are_scrubbed_while_its_task_is_polled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "MAX_KNOWN", 2)
    service = Service()
    for name in ("first", "second", "third"):
        proxy = Proxy(
            scheme="http", host="p", port=1, login=Secret(name), password=Secret(PASS)
        )
        service.body = json.dumps({"errorId": 0, "taskId": f"t-{name}"}).encode()
        now(service.client.create_task(replace(TASK, proxy=proxy)))
    body = refused("ERROR_PROXY_BANNED", f"SECOND:{PASS}@p is bad")
    service.body = json.dumps(body).encode()
    with pytest.raises(ProxyFailed) as caught:
        now(service.client.get_task_result("t-second"))
    assert caught.value.description == "***:***@p is bad"
    assert "%&word" not in everything_said(caught.value)
    assert len(service.client._secrets) == 2  # they are bounded


def test_a_login_of_two_letters_is_no_reason_to_spoil_a_sentence() -> None:
    proxy = Proxy(scheme="http", host="p", port=1, login="is", password="bad")
    with pytest.raises(ProxyFailed) as caught:
        create(refused("ERROR_PROXY_X", "it is bad"), task=replace(TASK, proxy=proxy))
    assert caught.value.description == "it is ***"


def test_a_short_key_leaves_the_codes_alone() -> None:
    service = Service(refused("ERROR_KEY_DOES_NOT_EXIST"), key="KEY")
    with pytest.raises(AccountError) as caught:
        now(service.client.create_task(TASK))
    assert caught.value.code == "ERROR_KEY_DOES_NOT_EXIST"


def test_a_fault_of_the_transport_does_not_carry_the_key() -> None:
    with pytest.raises(Unavailable) as caught:
        now(
            Wire(
                post=lambda: fail(OSError(f"cannot send {KEY}\n" + "x" * 999))
            ).create()
        )
    assert "OSError: cannot send ***" in str(caught.value)
    assert str(caught.value).startswith("Asked for createTask, the service could not")
    assert KEY not in everything_said(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_log_cannot_be_forged() -> None:
    with pytest.raises(ServiceError) as caught:
        create(refused("ERROR_X\x1b[2J", "one\r\n2026 [root] INFO:\u2028 two\x00"))
    assert caught.value.description == "one 2026 [root] INFO: two"
    assert str(caught.value).isprintable()


def test_reprs_hide_secrets() -> None:
    assert KEY not in repr(Service().client)
    assert TOKEN not in repr(TaskResult(token=TOKEN, resp_key=TOKEN))
    assert "secret" not in repr(Task(url="u", sitekey="s", rqdata="secret"))


def test_import_leaves_the_choice_of_a_reactor() -> None:
    code = (
        "import sys, scrapy_onecaptcha.service.client, scrapy_onecaptcha.settings; "
        "sys.exit('twisted.internet.reactor' in sys.modules or 'treq' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The exchange: time, size, cancelling


class Transport:
    """As Twisted's: a proxy that cannot abort, over a connection that can."""

    def __init__(self) -> None:
        self._producer = self
        self.aborted = 0

    def abortConnection(self) -> None:  # noqa: N802
        self.aborted += 1


class Wire:
    """An ``Http`` and its response, driven by hand."""

    code = 200

    def __init__(self, post: Callable[[], Deferred[Any]] | None = None) -> None:
        self.clock = new(Clock)
        self.client = Client(KEY, URL, http=self, clock=self.clock, timeout=30)
        self.transport = Transport()
        self.collector: Any = None
        self._post = post or (lambda: succeed(self))
        self.options: dict[str, Any] = {}

    def post(self, url: str, /, **options: Any) -> Deferred[Any]:
        self.options = options
        return self._post()

    def deliverBody(self, collector: Any) -> None:  # noqa: N802
        self.collector = collector
        collector.makeConnection(self.transport)

    def create(self) -> Coroutine[Any, Any, str]:
        return self.client.create_task(TASK)

    def finish(self, reason: BaseException) -> None:
        self.collector.connectionLost(new(Failure, reason))


def test_treq_is_not_asked_for_its_own_reactor() -> None:
    wire = Wire()
    outcome_of(wire.create())
    assert wire.options["reactor"] is wire.clock
    assert wire.options["unbuffered"] is True
    assert wire.options["allow_redirects"] is False


def test_no_answer_in_time() -> None:
    cancelled: list[Any] = []
    wire = Wire(post=lambda: Deferred(cancelled.append))
    outcome = outcome_of(wire.create())
    wire.clock.advance(29.9)
    assert not outcome
    wire.clock.advance(0.2)
    assert isinstance(outcome[0], Unavailable)
    assert "within 30 s" in str(outcome[0])
    assert cancelled


def test_a_body_that_stalls_is_cut_at_the_deadline() -> None:
    wire = Wire()
    outcome = outcome_of(wire.create())
    for _ in range(6):  # a drop now and then does not start the time anew
        wire.collector.dataReceived(b" ")
        assert not outcome
        wire.clock.advance(5)
    assert isinstance(outcome[0], Unavailable)
    assert wire.transport.aborted == 1
    wire.finish(error.ConnectionAborted())  # as the reactor says afterwards
    assert len(outcome) == 1


def test_an_answer_in_time_leaves_no_timer() -> None:
    wire = Wire()
    outcome = outcome_of(wire.create())
    wire.collector.dataReceived(b'{"taskId"')
    wire.collector.dataReceived(b': "t"}')
    wire.finish(ResponseDone())
    assert outcome == ["t"]
    assert not wire.clock.getDelayedCalls()
    assert not wire.transport.aborted


def test_a_body_ended_by_the_connection() -> None:
    wire = Wire()
    outcome = outcome_of(wire.create())
    wire.collector.dataReceived(b'{"taskId": "t"}')
    wire.finish(PotentialDataLoss())
    assert outcome == ["t"]


def test_a_body_that_breaks_off() -> None:
    wire = Wire()
    outcome = outcome_of(wire.create())
    wire.collector.dataReceived(b'{"taskId": "t"}')
    wire.finish(error.ConnectionLost())
    assert isinstance(outcome[0], Unavailable)
    assert "ConnectionLost" in str(outcome[0])
    assert not outcome[0].answered


def test_a_body_at_the_limit() -> None:
    wire = Wire()
    outcome = outcome_of(wire.create())
    wire.collector.dataReceived(b'{"taskId": "t"}'.ljust(MAX_REPLY))
    wire.finish(ResponseDone())
    assert outcome == ["t"]


def test_a_body_beyond_the_limit_is_cut() -> None:
    wire = Wire()
    outcome = outcome_of(wire.create())
    wire.collector.dataReceived(b'{"taskId": "t"}'.ljust(MAX_REPLY))
    wire.collector.dataReceived(b" ")
    assert isinstance(outcome[0], Unavailable)
    assert "65536 bytes" in str(outcome[0])
    assert wire.transport.aborted == 1
    wire.collector.dataReceived(b" " * MAX_REPLY)
    wire.finish(error.ConnectionAborted())
    assert wire.transport.aborted == 1
    assert len(outcome) == 1


def test_a_cancelled_call_aborts_and_stays_cancelled() -> None:
    wire = Wire()
    # What a reactor may do: tell of the loss within the abort.
    wire.transport.abortConnection = (  # type: ignore[method-assign]
        lambda: wire.finish(error.ConnectionAborted())
    )
    outcome: list[Any] = []
    call = Deferred.fromCoroutine(wire.create())
    call.addErrback(lambda failure: outcome.append(failure.value))
    call.cancel()
    assert isinstance(outcome[0], CancelledError)
    assert wire.collector.finished.called
    assert not wire.clock.getDelayedCalls()


def test_a_call_cancelled_before_its_headers_stays_cancelled() -> None:
    def lose(waiting: Deferred[Any]) -> None:
        waiting.errback(error.ConnectionLost())

    wire = Wire(post=lambda: Deferred(lose))
    outcome: list[Any] = []
    call = Deferred.fromCoroutine(wire.create())
    call.addErrback(lambda failure: outcome.append(failure.value))
    call.cancel()
    assert isinstance(outcome[0], CancelledError)


@pytest.mark.parametrize(
    "fault",
    [
        error.DNSLookupError("no such host"),
        new(error.ConnectionRefusedError),
        new(error.TimeoutError),
        ValueError("bad"),
    ],
)
def test_faults_of_the_network_pass(fault: Exception) -> None:
    with pytest.raises(Unavailable) as caught:
        now(Wire(post=lambda: fail(fault)).create())
    assert (caught.value.code, caught.value.answered) == ("", False)


@pytest.mark.parametrize(
    "fault",
    [
        new(OpenSSLError, [("SSL routines", "", "certificate verify failed")]),
        VerificationError(errors=["DNSMismatch"]),  # type: ignore[list-item]
        new(error.ConnectError, None, "[SSL: …] certificate verify failed: expired"),
    ],
)
def test_a_certificate_that_is_not_trusted_costs_nothing(fault: Exception) -> None:
    lost = new(ResponseNeverReceived, [new(Failure, fault)])
    for failure in (fault, lost):
        with pytest.raises(Unavailable, match="certificate that is not trusted") as got:
            now(Wire(post=partial(fail, failure)).create())
        assert (got.value.answered, got.value.sent) == (False, False)
        assert type(fault).__name__ in str(got.value)
        for name in ("ONECAPTCHA_API_URL", "clock", "SSL_CERT_FILE"):
            assert name in str(got.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            f"400, message='Data after close:\\n\\n b\\'{TOKEN}",
            "message='Data after close",
        ),
        (f"bad line\n{TOKEN}", "bad line"),
        (f"('wrong number of parts', b'{TOKEN}')", "wrong number of parts"),
        ("plain words", "plain words"),
    ],
)
def test_a_fault_does_not_quote_the_reply(text: str, told: str) -> None:
    with pytest.raises(Unavailable) as caught:
        now(Wire(post=lambda: fail(ValueError(text))).create())
    assert told in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_another_fault_of_tls_may_come_after_the_call() -> None:
    fault = new(OpenSSLError, [("SSL routines", "", "decryption failed or bad record")])
    lost = new(ResponseNeverReceived, [new(Failure, fault)])
    with pytest.raises(Unavailable, match="bad record") as caught:
        now(Wire(post=lambda: fail(lost)).create())
    assert caught.value.sent


# Over the network, with a reactor in memory


class Resolver:
    """Knows addresses as they are."""

    def resolveHostName(  # noqa: N802
        self,
        receiver: Any,
        name: str,
        portNumber: int = 0,  # noqa: N803
        *_: Any,
        **__: Any,
    ) -> None:
        receiver.resolutionBegan(None)
        kind = IPv6Address if ":" in name else IPv4Address
        receiver.addressResolved(kind("TCP", name, portNumber))
        receiver.resolutionComplete()


@implementer(IReactorPluggableNameResolver)
class Reactor(MemoryReactorClock):
    """Has a resolver: in the oldest Twisted, one in memory has none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.nameResolver: Any = Resolver()


def connected() -> tuple[Any, Client]:
    reactor = Reactor()
    client = Client.over_network(
        KEY, "http://127.0.0.1:8080", reactor=reactor, timeout=30
    )
    return reactor, client


class Connection:
    """The service's end of a connection that the client opened."""

    def __init__(self, reactor: Any, client: int = -1) -> None:
        class Socket(StringTransport):
            aborted = False

            def abortConnection(self) -> None:  # noqa: N802
                self.aborted = True

        self.socket = new(Socket)
        factory = reactor.tcpClients[client][2]
        self.protocol = factory.buildProtocol(None)
        self.protocol.makeConnection(self.socket)

    def answer(self, body: bytes, *, length: int | None = None, more: str = "") -> None:
        length = length or len(body)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{more}\r\n"
        self.receive(head.encode() + body)

    def receive(self, data: bytes) -> None:
        """Hand *data* to the client, as much at once as a socket does."""
        for begin in range(0, len(data), 65536):
            if not self.socket.aborted:
                self.protocol.dataReceived(data[begin : begin + 65536])

    def lose(self, reason: Any = None) -> None:
        reason = new(error.ConnectionDone) if reason is None else reason
        self.protocol.connectionLost(new(Failure, reason))


PROCESSING = b'{"errorId": 0, "status": "processing"}'


def test_over_network_reuses_its_connection_and_closes_it() -> None:
    reactor, client = connected()
    outcome = outcome_of(client.get_task_result("t"))
    connection = Connection(reactor)
    assert connection.socket.value().startswith(b"POST /getTaskResult HTTP/1.1")
    connection.answer(PROCESSING)
    assert outcome == [None]

    again = outcome_of(client.get_task_result("t"))
    connection.answer(PROCESSING)
    assert again == [None]
    assert len(reactor.tcpClients) == 1
    assert not connection.socket.aborted

    closed = outcome_of(client.close())
    assert connection.socket.disconnecting
    connection.lose()
    assert closed == [None]
    assert not reactor.getDelayedCalls()


def test_close_does_not_wait_for_a_peer_that_stalls() -> None:
    reactor, client = connected()
    outcome_of(client.get_task_result("t"))
    connection = Connection(reactor)
    connection.answer(PROCESSING)
    closed = outcome_of(client.close())
    assert not closed
    reactor.advance(1)
    assert closed == [None]
    connection.lose()


def test_close_without_a_pool() -> None:
    assert now(Service().client.close()) is None


def test_over_network_aborts_a_body_that_stalls() -> None:
    reactor, client = connected()
    outcome = outcome_of(client.create_task(TASK))
    connection = Connection(reactor)
    connection.answer(b"{", length=100)
    reactor.advance(31)
    assert isinstance(outcome[0], Unavailable)
    assert connection.socket.aborted


def test_over_network_a_task_has_a_connection_of_its_own() -> None:
    reactor, client = connected()
    outcome_of(client.get_task_result("t"))
    Connection(reactor).answer(PROCESSING)
    outcomes = []
    for number in range(2):
        outcomes.append(outcome_of(client.create_task(TASK)))
        connection = Connection(reactor)
        sent = connection.socket.value()
        assert sent.startswith(b"POST /createTask HTTP/1.1\r\nConnection: close\r\n")
        assert sent.lower().count(b"connection:") == 1
        # A server that would keep it is not asked.
        connection.answer(f'{{"taskId": "t{number}"}}'.encode())
        assert connection.socket.disconnecting
    assert outcomes == [["t0"], ["t1"]]
    assert len(reactor.tcpClients) == 3


def test_over_network_never_sends_a_task_twice() -> None:
    reactor, client = connected()
    outcome = outcome_of(client.create_task(TASK))
    Connection(reactor).lose()
    assert isinstance(outcome[0], Unavailable)
    assert not outcome[0].answered
    assert len(reactor.tcpClients) == 1


def test_over_network_never_repeats_a_call_on_a_kept_connection() -> None:
    reactor, client = connected()
    outcome_of(client.get_task_result("t"))
    connection = Connection(reactor)
    connection.answer(PROCESSING)
    outcome = outcome_of(client.get_task_result("t"))
    connection.lose()
    assert isinstance(outcome[0], Unavailable)
    assert len(reactor.tcpClients) == 1


def test_over_network_keeps_no_cookie() -> None:
    reactor, client = connected()
    outcome_of(client.get_task_result("t"))
    connection = Connection(reactor)
    connection.answer(PROCESSING, more="Set-Cookie: id=7; Path=/; Max-Age=99\r\n")
    connection.socket.clear()
    outcome_of(client.get_task_result("t"))
    sent = connection.socket.value().lower()
    assert sent.startswith(b"post /gettaskresult")
    assert b"cookie" not in sent


def test_over_network_uses_treq() -> None:
    http: Any = connected()[1]._http
    assert isinstance(http._http, HTTPClient)


def test_over_network_a_url_is_sent_in_its_normal_form_each_time() -> None:
    reactor = Reactor()
    client = Client.over_network(
        KEY, "HTTP://127.0.0.1:8080/v1/\xe4", reactor=reactor, timeout=30
    )
    outcome_of(client.get_task_result("t"))
    connection = Connection(reactor)
    for _ in range(2):
        sent = connection.socket.value()
        assert sent.startswith(b"POST /v1/%C3%A4/getTaskResult HTTP/1.1\r\n")
        assert b"\r\nHost: 127.0.0.1:8080\r\n" in sent
        connection.socket.clear()
        connection.answer(b'{"errorId": 0, "status": "processing"}')
        outcome_of(client.get_task_result("t"))
    assert len(reactor.tcpClients) == 1


# Bounds on the wire

BOMB = gzip.compress(gzip.compress(bytes(10_000_000)))


def test_over_network_only_plain_replies_are_asked_for() -> None:
    reactor, client = connected()
    outcome_of(client.get_task_result("t"))
    sent = Connection(reactor).socket.value().lower()
    assert sent.count(b"accept-encoding:") == 1
    assert b"\r\naccept-encoding: identity\r\n" in sent


@pytest.mark.parametrize(
    "encoding", ["gzip", "gzip, gzip", "br", "x", "identity, gzip"]
)
@pytest.mark.parametrize("call", ["create_task", "get_task_result"])
def test_over_network_nothing_is_unpacked(
    call: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twisted.web.client.GzipDecoder", None)  # to be called
    reactor, client = connected()
    outcome = outcome_of(
        client.create_task(TASK)
        if call == "create_task"
        else client.get_task_result("")
    )
    connection = Connection(reactor)
    connection.answer(BOMB, more=f"Content-Encoding: {encoding}\r\n")
    assert isinstance(outcome[0], Unavailable)
    assert f"an encoding that it was not asked for ({encoding})" in str(outcome[0])
    assert connection.socket.aborted


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_over_network_identity_is_no_encoding(encoding: str) -> None:
    reactor, client = connected()
    outcome = outcome_of(client.get_task_result("t"))
    Connection(reactor).answer(PROCESSING, more=f"Content-Encoding: {encoding}\r\n")
    assert outcome == [None]


def headers_of(size: int) -> bytes:
    """Return a status line and headers of *size* bytes, without the end."""
    lines = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(PROCESSING)
    while len(lines) < size:
        lines += b"X: %s\r\n" % (b"y" * min(1000, size - len(lines) - 5))
    return lines


def test_over_network_headers_at_the_limit() -> None:
    reactor, client = connected()
    outcome = outcome_of(client.get_task_result("t"))
    head = headers_of(MAX_HEAD - 2)
    assert len(head) == MAX_HEAD - 2
    Connection(reactor).receive(head + b"\r\n" + PROCESSING)
    assert outcome == [None]


@pytest.mark.parametrize("end", [b"\r\n" + PROCESSING, b"X: y\r\n" * 100_000])
def test_over_network_headers_beyond_the_limit_end_the_connection(end: bytes) -> None:
    reactor, client = connected()
    outcome = outcome_of(client.create_task(TASK))
    connection = Connection(reactor)
    connection.receive(headers_of(MAX_HEAD - 1) + end)
    assert isinstance(outcome[0], Unavailable)
    assert f"more than {MAX_HEAD} bytes of headers" in str(outcome[0])
    assert outcome[0].sent
    assert connection.socket.aborted
    connection.lose(error.ConnectionAborted())  # as the reactor says afterwards


def test_over_network_interim_replies_without_end_are_headers() -> None:
    reactor, client = connected()
    outcome = outcome_of(client.get_task_result("t"))
    connection = Connection(reactor)
    connection.receive(b"HTTP/1.1 102 Processing\r\n\r\n" * 10_000)
    assert "of headers" in str(outcome[0])
    assert connection.socket.aborted


def test_over_network_lines_of_headers_are_bounded() -> None:
    """Twisted 21 takes minutes for as many short ones as the bytes allow."""
    length = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(PROCESSING)
    few = length + b"a:b\r\n" * (MAX_HEAD_LINES - 3)
    assert len(few) + 5 < MAX_HEAD
    reactor, client = connected()
    outcome = outcome_of(client.get_task_result("t"))
    connection = Connection(reactor)
    for _ in range(2):  # each call has the whole limit
        connection.receive(few + b"\r\n" + PROCESSING)
        assert outcome == [None]
        outcome = outcome_of(client.get_task_result("t"))
    connection.receive(few + b"a:b\r\n" + b"\r\n" + PROCESSING)
    assert f"more than {MAX_HEAD_LINES} lines of headers" in str(outcome[0])
    assert connection.socket.aborted


def test_over_network_the_lines_of_a_body_are_not_those_of_headers() -> None:
    reactor, client = connected()
    outcome = outcome_of(client.get_task_result("t"))
    body = b"\n" * (MAX_REPLY - len(PROCESSING)) + PROCESSING
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body)
    fill = b"X: " + b"y" * 4000 + b"\r\n"
    Connection(reactor).receive(head + fill + b"\r\n" + body)
    assert outcome == [None]


def test_over_network_each_call_has_the_whole_limit() -> None:
    reactor, client = connected()
    outcome_of(client.get_task_result("t"))
    connection = Connection(reactor)
    for _ in range(3):
        connection.receive(headers_of(MAX_HEAD - 2) + b"\r\n" + PROCESSING)
        assert not connection.socket.aborted
        outcome = outcome_of(client.get_task_result("t"))
    assert not outcome
    assert len(reactor.tcpClients) == 1


def test_over_network_a_body_beyond_the_limit_ends_the_connection() -> None:
    reactor, client = connected()
    outcome = outcome_of(client.get_task_result("t"))
    connection = Connection(reactor)
    connection.answer(bytes(MAX_REPLY + 1))
    assert f"more than {MAX_REPLY} bytes" in str(outcome[0])
    assert connection.socket.aborted


@pytest.mark.parametrize("chunk", [b"1;" + b"x" * 900 + b"\r\n \r\n", b"1\r\n \r\n"])
def test_over_network_chunks_are_bounded_as_they_come(chunk: bytes) -> None:
    reactor, client = connected()
    outcome = outcome_of(client.get_task_result("t"))
    connection = Connection(reactor)
    connection.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.receive(chunk * (1_000_000 // len(chunk)))
    assert f"more than {MAX_REPLY} bytes" in str(outcome[0])
    assert connection.socket.aborted


STRAY = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + b'{"taskId": "x"}'


@pytest.mark.parametrize("stray", [b"\n", b"x", STRAY])
@pytest.mark.parametrize("together", [True, False])
def test_over_network_a_byte_too_many_ends_the_connection(
    stray: bytes, together: bool
) -> None:
    """It would be taken for the beginning of the next call's answer."""
    reactor, client = connected()
    outcome = outcome_of(client.get_task_result("t"))
    connection = Connection(reactor)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
    answer %= (len(PROCESSING), PROCESSING)
    if together:
        connection.receive(answer + stray)
    else:
        connection.receive(answer)
        assert not connection.socket.aborted
        connection.receive(stray)
    assert outcome == [None]
    assert connection.socket.aborted
    outcome_of(client.get_task_result("t"))
    assert len(reactor.tcpClients) == 2  # another connection
    connection.lose(error.ConnectionAborted())


def test_over_network_a_call_that_was_waiting_gets_no_stray_reply() -> None:
    """It begins on the connection while the rest of what came is still to be read."""
    reactor, client = connected()
    outcomes = [outcome_of(client.get_task_result("t")) for _ in range(CONNECTIONS + 1)]
    connections = [Connection(reactor, number) for number in range(CONNECTIONS)]
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
    answer %= (len(PROCESSING), PROCESSING)
    ready = b'{"status": "ready", "solution": {"gRecaptchaResponse": "stray"}}'
    stray = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ready), ready)
    connections[0].receive(answer + stray)
    assert outcomes[0] == [None]
    assert connections[0].socket.aborted
    assert isinstance(outcomes[-1][0], Unavailable)


@pytest.mark.parametrize("port", [":8080", ""])
def test_over_network_an_ipv6_address_is_an_address(port: str) -> None:
    reactor = Reactor()
    client = Client.over_network(
        KEY, f"http://[::1]{port}/v\xe4", reactor=reactor, timeout=30
    )
    outcome = outcome_of(client.get_task_result("t"))
    assert reactor.tcpClients[0][:2] == ("::1", 8080 if port else 80)
    connection = Connection(reactor)
    sent = connection.socket.value()
    assert sent.startswith(b"POST /v%C3%A4/getTaskResult HTTP/1.1\r\n")
    assert f"\r\nHost: [::1]{port}\r\n".encode() in sent
    connection.answer(PROCESSING)
    assert outcome == [None]


# How many calls at once


class Silent:
    """Takes every call and answers none."""

    def __init__(self) -> None:
        self.calls: list[Deferred[Any]] = []

    def post(self, _url: str, /, **_: Any) -> Deferred[Any]:
        self.calls.append(Deferred())
        return self.calls[-1]


def test_no_more_calls_at_once_than_connections_are_kept() -> None:
    http, clock = Silent(), new(Clock)
    client = Client(KEY, URL, http=http, clock=clock)
    outcomes = [outcome_of(client.get_balance()) for _ in range(CONNECTIONS + 5)]
    assert len(http.calls) == CONNECTIONS
    clock.advance(30)  # the first give up, and let the others go
    assert len(http.calls) == CONNECTIONS + 5
    assert [len(outcome) for outcome in outcomes] == [1] * CONNECTIONS + [0] * 5
    clock.advance(30)
    assert all(isinstance(outcome[0], Unavailable) for outcome in outcomes)
