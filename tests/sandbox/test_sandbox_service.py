"""The service speaks its protocol, and fails as it is told to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sandbox_browser import ORIGIN, UA, World
from twisted.internet.task import Clock

from scrapy_onecaptcha.sandbox import (
    FAULTS,
    Ledger,
    ServiceOptions,
    parse_fault,
    sitekey_of,
)
from scrapy_onecaptcha.sandbox.messages import Visit

KEY = sitekey_of("bookshop")
PROCESSING = {
    "errorId": 0,
    "errorCode": None,
    "errorDescription": None,
    "status": "processing",
}


def code(reply: Any) -> str:
    assert reply["errorId"] == 1
    assert reply["errorDescription"]
    return str(reply["errorCode"])


# Create, poll, solve


def test_a_task_from_its_creation_to_its_token() -> None:
    world = World(service=ServiceOptions(latency=10))
    created = world.create(userAgent=UA, isInvisible=False)
    assert created == {
        "errorId": 0,
        "errorCode": "",
        "errorDescription": "",
        "taskId": created["taskId"],
    }
    world.clock.advance(9.9)
    assert world.call("getTaskResult", taskId=created["taskId"]) == PROCESSING
    world.clock.advance(0.1)
    result = world.call("getTaskResult", taskId=created["taskId"])
    token = result["solution"]["gRecaptchaResponse"]
    assert result == {
        "errorId": 0,
        "errorCode": None,
        "errorDescription": None,
        "status": "ready",
        "solution": {"gRecaptchaResponse": token, "userAgent": UA},
    }
    assert token.startswith("P1_")
    assert len(token) > 1000
    assert world.call("getTaskResult", taskId=created["taskId"]) == result


def test_a_token_is_as_old_as_its_result() -> None:
    world = World(service=ServiceOptions(latency=10))
    task_id = world.create()["taskId"]
    world.clock.advance(130.5)
    token = world.call("getTaskResult", taskId=task_id)["solution"]
    verdict = world.ledger.verify(token["gRecaptchaResponse"])
    assert verdict.reason == "expired-input-response"


def test_latency_is_drawn_from_its_range() -> None:
    world = World(service=ServiceOptions(latency=(2, 4)))
    for _ in range(20):
        world.create()
    times = {task.ready_at - task.created_at for task in world.ledger.tasks.values()}
    assert len(times) == 20
    assert all(2 <= seconds <= 4 for seconds in times)


def test_one_seed_gives_one_sequence() -> None:
    def tasks() -> list[str]:
        world = World(service=ServiceOptions(latency=(2, 4), failure_rate=0.5))
        return [world.create()["taskId"] for _ in range(5)]

    assert tasks() == tasks()


def test_the_service_gives_up_after_300_seconds() -> None:
    world = World(service=ServiceOptions(latency=400))
    task_id = world.create()["taskId"]
    world.clock.advance(299)
    assert world.call("getTaskResult", taskId=task_id) == PROCESSING
    world.clock.advance(1)
    result = world.call("getTaskResult", taskId=task_id)
    assert code(result) == "ERROR_TASK_TIMEOUT"


def test_tasks_fail_at_their_rate() -> None:
    world = World(service=ServiceOptions(latency=0, failure_rate=0.5))
    ids = [world.create()["taskId"] for _ in range(400)]
    results = [world.call("getTaskResult", taskId=task_id) for task_id in ids]
    failed = [result for result in results if result["errorId"]]
    assert 150 < len(failed) < 250
    assert {code(result) for result in failed} == {"ERROR_CAPTCHA_UNSOLVABLE"}


@pytest.mark.parametrize(
    ("options", "sent", "returned"),
    [
        (ServiceOptions(), UA, {"userAgent": UA}),
        (ServiceOptions(), "", {}),
        (ServiceOptions(user_agent=None), UA, {}),
        (ServiceOptions(user_agent="S/1"), UA, {"userAgent": "S/1"}),
        (
            ServiceOptions(user_agent="S/1", user_agent_key="user_agent"),
            UA,
            {"user_agent": "S/1"},
        ),
        (ServiceOptions(resp_key="E0_x", user_agent=None), UA, {"respKey": "E0_x"}),
    ],
)
def test_what_a_solution_holds(
    options: ServiceOptions, sent: str, returned: dict[str, str]
) -> None:
    solution = World(service=options).solve(userAgent=sent)
    del solution["gRecaptchaResponse"]
    assert solution == returned


# What it refuses


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"type": ""}, "ERROR_REQUIRED_FIELDS"),
        ({"websiteURL": ""}, "ERROR_REQUIRED_FIELDS"),
        ({"websiteKey": None}, "ERROR_REQUIRED_FIELDS"),
        ({"type": "ReCaptchaTask"}, "ERROR_TASK_NOT_SUPPORTED"),
        ({"websiteKey": "your_site_key"}, "ERROR_RECAPTCHA_INVALID_SITEKEY"),
        ({"websiteURL": "ftp://x/"}, "ERROR_INVALID_TASK_DATA"),
        ({"isInvisible": "yes"}, "ERROR_INVALID_TASK_DATA"),
        ({"isInvisible": []}, "ERROR_INVALID_TASK_DATA"),
        ({"rqdata": {}}, "ERROR_INVALID_TASK_DATA"),
        ({"userAgent": 1}, "ERROR_INVALID_TASK_DATA"),
    ],
)
def test_a_bad_task(fields: dict[str, object], error: str) -> None:
    world = World()
    assert code(world.create(**fields)) == error
    assert not world.ledger.tasks
    assert world.ledger.balance == world.options.balance
    assert world.ledger.errors == {error: 1}


@pytest.mark.parametrize("call", ["createTask", "getTaskResult", "getBalance"])
@pytest.mark.parametrize("key", ["wrong", "", None])
def test_a_wrong_key(call: str, key: str | None) -> None:
    reply = World().call(call, clientKey=key, task={}, taskId="x")
    assert code(reply) == "ERROR_KEY_DOES_NOT_EXIST"


def test_no_task_and_no_task_id() -> None:
    world = World()
    assert code(world.call("createTask")) == "ERROR_REQUIRED_FIELDS"
    assert code(world.call("getTaskResult")) == "ERROR_REQUIRED_FIELDS"
    unknown = world.call("getTaskResult", taskId="x")
    assert code(unknown) == "ERROR_TASKID_INVALID"


@pytest.mark.parametrize(
    "visit",
    [
        Visit(uri="/createTask"),
        Visit(method="POST", uri="/createTask", body=b"{}"),
        Visit(
            method="POST",
            uri="/createTask",
            headers={"content-type": "application/json"},
            body=b"{",
        ),
        Visit(
            method="POST",
            uri="/createTask",
            headers={"content-type": "application/json"},
            body=b"[]",
        ),
    ],
)
def test_what_is_no_call(visit: Visit) -> None:
    reply = World().service.answer(visit)
    assert code(json.loads(reply.body)) == "ERROR_BAD_REQUEST"


def test_what_the_service_has_not() -> None:
    reply = World().service.answer(Visit(method="POST", uri="/getQueueStats"))
    assert reply.status == 404
    assert json.loads(reply.body)["errorCode"] == "ERROR_NO_SUCH_METHOD"


def test_the_index_tells_nothing() -> None:
    world = World()
    page = world.service.answer(Visit(uri="/"))
    assert page.status == 200
    assert world.options.key.encode() not in page.body


# Balance


def test_the_balance_is_spent_by_tasks() -> None:
    world = World(service=ServiceOptions(balance=15))
    assert world.call("getBalance") == {"errorId": 0, "balance": 15}
    world.create()
    world.create()
    assert world.call("getBalance") == {"errorId": 0, "balance": 1}
    assert code(world.create()) == "ERROR_ZERO_POINT"
    assert len(world.ledger.tasks) == 2


# Types of task, proxies, cost


@pytest.mark.parametrize("name", ["HCaptchaTaskProxyless", "HCaptchaTask"])
def test_both_types_of_task_are_supported_unless_it_is_told_otherwise(
    name: str,
) -> None:
    assert World().create(type=name)["errorId"] == 0
    picky = World(service=ServiceOptions(task_types=("HCaptchaTask",)))
    told = picky.create(type=name)
    assert told["errorId"] == 0 or code(told) == "ERROR_TASK_NOT_SUPPORTED"
    assert (told["errorId"] == 0) is (name == "HCaptchaTask")


PROXY = {"proxyType": "http", "proxyAddress": "p.example", "proxyPort": 8080}


def test_a_task_may_name_a_proxy() -> None:
    world = World()
    world.create(**PROXY, proxyLogin="me", proxyPassword="pw")
    (task,) = world.ledger.tasks.values()
    assert task.fields["proxyPassword"] == "pw"


@pytest.mark.parametrize(
    "wrong",
    [
        {"proxyType": "ftp"},
        *({"proxyPort": port} for port in ("8080", 0, 65536, None)),
        *({"proxyAddress": address} for address in ("", None, 7)),
        {"proxyLogin": 7},
    ],
)
def test_half_a_proxy_is_refused(wrong: dict[str, Any]) -> None:
    assert code(World().create(**{**PROXY, **wrong})) == "ERROR_BAD_PARAMETERS"


@pytest.mark.parametrize("tells", [True, False])
def test_a_result_may_name_its_cost(tells: bool) -> None:
    world = World(service=ServiceOptions(latency=0, cost=4, tells_cost=tells))
    task_id = world.create()["taskId"]
    result = world.call("getTaskResult", taskId=task_id)
    assert result.get("cost") == (4 if tells else None)


# Faults


def faulty(**faults: tuple[str, ...]) -> World:
    return World(service=ServiceOptions(latency=0, faults=faults))


def test_faults_come_one_by_one_and_end() -> None:
    world = faulty(createTask=("ERROR_NO_SLOT_AVAILABLE", "ok", "http:503"))
    assert code(world.create()) == "ERROR_NO_SLOT_AVAILABLE"
    assert world.create()["errorId"] == 0
    assert world.raw_call("createTask").status == 503
    assert world.create()["errorId"] == 0
    assert world.ledger.calls == {"createTask": 4}
    assert len(world.ledger.tasks) == 2


def test_a_star_repeats_the_last() -> None:
    world = faulty(getBalance=("ok", "ERROR_KEY_BANNED", "*"))
    assert world.call("getBalance")["errorId"] == 0
    codes = [code(world.call("getBalance")) for _ in range(3)]
    assert codes == ["ERROR_KEY_BANNED"] * 3


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ("html", 200, b"<html>"),
        ("http:500", 500, b"<html>"),
        ("http:429", 429, b"<html>"),
        ("empty", 200, b""),
        ("garbled", 200, b'{"errorId": 0, "stat'),
        ("list", 200, b"[]"),
        ("null", 200, b"null"),
    ],
)
def test_bodies_that_are_no_answer(fault: str, status: int, body: bytes) -> None:
    world = faulty(createTask=(fault, f"done:{fault}"))
    task = {
        "type": "HCaptchaTaskProxyless",
        "websiteURL": ORIGIN,
        "websiteKey": KEY,
    }
    reply = world.raw_call("createTask", task=task)
    assert reply.status == status
    assert reply.body[:20].startswith(body[:20])
    assert not world.ledger.tasks
    assert world.raw_call("createTask", task=task) == reply
    assert len(world.ledger.tasks) == 1


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        *(("stall", 0), ("stall-body", 0), ("drop", 0), ("truncated", 0)),
        *(
            ("reset", 0),
            ("reset-body", 0),
            ("huge", 0),
            ("drip:2", 2),
            ("down:1.5", 1.5),
        ),
    ],
)
def test_answers_that_are_lost_were_billed(fault: str, seconds: float) -> None:
    world = faulty(getBalance=(fault,))
    reply = world.raw_call("getBalance")
    assert (reply.manner, reply.seconds) == (fault.partition(":")[0], seconds)
    assert json.loads(reply.body)["errorId"] == 0
    assert world.raw_call("getBalance").manner == "whole"


@pytest.mark.parametrize(
    "options",
    [
        {"faults": {"createTasks": ("ok",)}},
        {"faults": {"createTask": ("explode",)}},
        {"faults": {"createTask": ("*",)}},
        {"faults": {"createTask": ("*", "ok")}},
        {"latency": -1},
        {"latency": (3, 1)},
        {"failure_rate": 1.1},
        {"refused_rate": -0.1},
    ],
)
def test_bad_options_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        ServiceOptions(**options)


def test_a_fault_that_does_not_exist_is_explained() -> None:
    with pytest.raises(ValueError, match="'boom'") as caught:
        parse_fault("boom")
    assert all(name in str(caught.value) for name in FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_there(name: str) -> None:
    for shown, meant in (
        ("…", "ERROR_ZERO_BALANCE" if name == "done:…" else "ZERO_BALANCE"),
        ("STATUS", "404"),
        ("SECONDS", "0.5"),
        ("FIELD", "solution.userAgent"),
        ("JSON", "null"),
    ):
        name = name.replace(shown, meant)
    parse_fault(name)
    assert name.split(":")[0].partition("ERROR")[0] in str(parse_fault.__doc__)


@pytest.mark.parametrize(
    "name", ["drip", "down:", "down:x", "with:a", "with:=1", "with:a=[", "without:"]
)
def test_half_a_fault_is_none(name: str) -> None:
    with pytest.raises(ValueError):
        parse_fault(name)


def answered(fault: str) -> Any:
    """Return a getTaskResult that is ready, after *fault*."""
    world = faulty(getTaskResult=(fault,))
    task_id = world.create(userAgent=UA)["taskId"]
    return world.raw_call("getTaskResult", taskId=task_id)


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("with:status=5", {"status": 5}),
        ('with:news={"a": [1]}', {"news": {"a": [1]}}),
        ("with:solution=null", {"solution": None}),
        ("with:status.deeper=1", {}),
    ],
)
def test_an_answer_with_another_value(fault: str, changed: dict[str, Any]) -> None:
    usual, odd = (json.loads(answered(each).body) for each in ("ok", fault))
    assert odd == {**usual, **changed}


def test_an_answer_with_another_value_within() -> None:
    usual, odd = (
        json.loads(answered(each).body)["solution"]
        for each in ("ok", "with:solution.userAgent=[]")
    )
    assert odd == {**usual, "userAgent": []}
    assert usual["userAgent"] == UA


def test_an_answer_that_lacks_a_field() -> None:
    usual, odd, other = (
        json.loads(answered(each).body)
        for each in ("ok", "without:solution", "without:solution.respKey")
    )
    assert odd == {name: value for name, value in usual.items() if name != "solution"}
    assert other == usual


@pytest.mark.parametrize("charset", ["latin-1", "utf-16"])
def test_an_answer_in_an_encoding_that_it_does_not_name(charset: str) -> None:
    reply = answered(charset)
    assert reply.content_type == "application/json; charset=utf-8"
    with pytest.raises(UnicodeDecodeError):
        reply.body.decode()
    told = json.loads(reply.body.decode(charset))
    assert told["status"] == "ready"
    assert "é" in told["errorDescription"]


# The ledger


def test_the_ledger_as_json_tells_all_but_secrets() -> None:
    world = World(service=ServiceOptions(latency=0))
    token = world.solve(rqdata="r", extra=[1])["gRecaptchaResponse"]
    world.create()
    text = world.service.answer(Visit(uri="/_ledger")).body.decode()
    assert world.options.key not in text
    assert token not in text
    ledger = json.loads(text)
    assert ledger["tasks_created"] == 2
    assert ledger["open_tasks"] == 1
    assert ledger["calls"] == {"createTask": 2, "getTaskResult": 1}
    assert ledger["balance"] == world.options.balance - 14
    assert ledger["tokens_issued"] == 1
    first, second = ledger["tasks"]
    assert first["fields"] == {
        "type": "HCaptchaTaskProxyless",
        "websiteURL": f"{ORIGIN}/",
        "websiteKey": KEY,
        "userAgent": UA,
        "isInvisible": False,
        "rqdata": "r",
        "extra": [1],
    }
    assert (first["solved"], first["polls"]) == (True, 1)
    assert (second["solved"], second["polls"]) == (False, 0)


def test_open_tasks_are_counted() -> None:
    world = World(service=ServiceOptions(latency=0))
    ids = [world.create()["taskId"] for _ in range(3)]
    for task_id in ids * 2:
        world.call("getTaskResult", taskId=task_id)
    assert world.ledger.open_tasks == 0
    assert world.ledger.open_tasks_max == 3


def test_totals_are_over_sites_or_of_one() -> None:
    ledger = Ledger(Clock().seconds)
    ledger.hit("a", "/1", "content")
    ledger.hit("a", "/2", "content")
    ledger.hit("b", "/1", "gates")
    ledger.hit("b", "/1", "content")
    assert ledger.total("content") == 3
    assert ledger.total("content", "a") == 2
    assert ledger.total("gates", "c") == 0


def test_secrets_stand_in_no_repr() -> None:
    world = World()
    token = world.solve()["gRecaptchaResponse"]
    shown = repr((world.options, world.ledger.tasks, world.ledger.tokens[token]))
    assert world.options.key not in shown
    assert token not in shown
