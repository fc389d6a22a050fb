"""Replies of an API: which demand an hCaptcha, and how the token goes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, JsonResponse, Response, TextResponse

from scrapy_onecaptcha.models import Challenge, Form
from scrapy_onecaptcha.pages.detection import detect
from scrapy_onecaptcha.request_options import RequestOptions

KEY = "1b2c3d4e-0a0b-4c0d-8e0f-a1b2c3d4e5f6"
URL = "https://api.test/v1/items"
DEMAND = {
    "captcha_key": ["captcha-required"],
    "captcha_sitekey": KEY,
    "captcha_service": "hcaptcha",
    "captcha_rqdata": "ab+c/d==",
    "captcha_rqtoken": "ticket",
}
DATA = {f"item{n}": {"name": f"tea {n}", "price": n} for n in range(20)}
FORM = "application/x-www-form-urlencoded"


def reply(said: Any, status: int = 400, **request: Any) -> JsonResponse:
    asked = Request(request.pop("url", URL), **request)
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return JsonResponse(asked.url, status=status, body=body, request=asked)


def read(
    said: Any, status: int = 400, hints: RequestOptions | None = None
) -> Challenge:
    asked = {"method": "POST", "body": b'{"a": 1}'}
    challenge = detect(reply(said, status, **asked), hints or RequestOptions())
    assert challenge is not None
    return challenge


def form(said: Any, field: str | None = None, **request: Any) -> Form | None:
    challenge = detect(reply(said, **request), RequestOptions(field=field))
    assert challenge is not None
    assert challenge.solvable is (challenge.form is not None)
    return challenge.form


@pytest.mark.parametrize("status", [400, 401, 403, 422, 429, 503, 200])
def test_a_demand(status: int) -> None:
    challenge = read(DEMAND, status)
    assert (challenge.kind, challenge.solvable) == ("gate", True)
    assert (challenge.sitekey, challenge.rqdata) == (KEY, "ab+c/d==")
    assert challenge.form == Form(
        kind="repeat",
        url=URL,
        enctype="application/json",
        fields=(("captcha_rqtoken", '"ticket"'),),
        token_fields=("captcha_key",),
    )


@pytest.mark.parametrize(
    "said",
    [
        {"error": {"code": "captcha_required", "sitekey": KEY.upper()}},
        {"errors": [{"detail": "hCaptcha needed", "meta": {"siteKey": KEY}}]},
        {"hcaptcha_sitekey": KEY, "success": False},
        {"captcha": {"provider": "hcaptcha", "site-key": KEY}},
        {"message": "Please solve the captcha", "hCaptchaSiteKey": KEY, "ray": "7f"},
    ],
)
def test_shapes_of_a_demand(said: dict[str, Any]) -> None:
    challenge = read(said, 403, RequestOptions(field="token"))
    assert (challenge.kind, challenge.sitekey) == ("gate", KEY)
    assert challenge.solvable


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"hcaptchaSiteKey": KEY, **DATA}, 200),
        ({"config": {"hcaptchaSiteKey": KEY}, "error": "Log in first"}, 401),
        ({"settings": {"captcha": {"sitekey": KEY}}, "items": [1, 2]}, 200),
        ({"hcaptchaSiteKey": KEY, **DATA}, 403),
        ({"hcaptchaSiteKey": KEY, "user": None, "theme": "dark"}, 404),
    ],
)
def test_what_merely_configures_is_no_gate(said: dict[str, Any], status: int) -> None:
    challenge = detect(reply(said, status))
    assert challenge is None or challenge.kind == "widget"


def test_settings_are_not_worth_a_word() -> None:
    said = {"title": "Forum", "captcha_sitekey": KEY, "captcha_service": "hcaptcha"}
    assert detect(reply(said | {"tags": [1, 2]}, 200)) is None


def test_what_was_asked_for_is_no_gate() -> None:
    said = {"provider": "hcaptcha", "sitekey": KEY}
    asked = reply(said, 200, url="https://api.test/captcha-config")
    challenge = detect(asked)
    assert challenge is None or challenge.kind == "widget"


@pytest.mark.parametrize(
    "said",
    [
        {"captcha_sitekey": "6LeIxAcTAAAAAJcZVRqyHh71UM", "captcha_key": ["required"]},
        {"captcha_sitekey": KEY, "captcha_service": "recaptcha"},
        {"error": "captcha required"},
        {"errors": [{"message": "hCaptcha verification failed"}]},
        {"error": "Not allowed", "captcha": None},
        ["captcha"],
        "captcha",
        b"captcha",
        b"{" * 100_000 + b"captcha",
        b'{"captcha":' * 200_000,
        b"[" * 900_000 + b'"captcha"',
        b'{"captcha_sitekey": "%s"}' % KEY.encode() + b" " * 1_000_000,
    ],
)
def test_no_hcaptcha(said: Any) -> None:
    assert detect(reply(said, 403)) is None


@pytest.mark.parametrize(
    ("sitekey", "reason"), [(None, "no_sitekey"), ("your_key", "bad_sitekey")]
)
def test_a_demand_without_a_key(sitekey: str | None, reason: str) -> None:
    said = {"error": "hcaptcha required", "sitekey": sitekey}
    challenge = read({k: v for k, v in said.items() if v}, 403)
    assert (challenge.kind, challenge.reason) == ("gate", reason)


def test_the_user_knows_the_key() -> None:
    hints = RequestOptions(sitekey=KEY, field="captcha")
    challenge = read({"error": "captcha required"}, 403, hints)
    assert (challenge.kind, challenge.sitekey, challenge.solvable) == (
        "gate",
        KEY,
        True,
    )
    assert detect(reply({"items": ["captcha"]}, 200), hints) is None


def test_the_user_decides() -> None:
    assert read(DEMAND, hints=RequestOptions(gate=False)).kind == "widget"
    said = {"hcaptchaSiteKey": KEY, **DATA}
    assert read(said, 200, RequestOptions(gate=True)).kind == "gate"
    assert read(DEMAND, hints=RequestOptions(decide=lambda *_: False)).kind == "widget"


def test_expect_is_not_sought_in_json() -> None:
    assert read(DEMAND, hints=RequestOptions(expect=".price")).kind == "gate"


@pytest.mark.parametrize(
    "kind", [b"text/html", b"text/plain", b"application/problem+json", None]
)
def test_json_under_another_name(kind: bytes | None) -> None:
    body = b"\n" + json.dumps(DEMAND).encode()
    headers = {"Content-Type": kind} if kind else {}
    cls: type[Response] = HtmlResponse if kind == b"text/html" else TextResponse
    challenge = detect(cls(URL, status=403, body=body, headers=headers))
    assert challenge is not None
    assert (challenge.kind, challenge.sitekey) == ("gate", KEY)


def test_a_page_that_begins_like_json_is_a_page() -> None:
    html = f"{{{{ x }}}}<form><div class=h-captcha data-sitekey={KEY}></div></form>"
    challenge = detect(HtmlResponse(URL, status=403, body=html.encode()))
    assert challenge is not None
    assert challenge.form is not None
    assert challenge.form.kind == "form"


# How the token goes back

BARE = {"captcha_sitekey": KEY, "captcha_service": "hcaptcha", "error": "captcha"}
JSON_POST: dict[str, Any] = {"method": "POST", "body": b'{"a": [1], "b": {"c": 1}}'}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"captcha_key": ["captcha-required"]}, "captcha_key"),
        ({"h-captcha-response": ["This field is required."]}, "h-captcha-response"),
        ({"errors": {"captcha_token": ["missing"]}}, "captcha_token"),
        ({"captcha_token": "invalid"}, "captcha_token"),
        ({"captcha": {"field": "answer"}}, "answer"),
        ({"captcha_message": ["captcha is required"]}, None),
        ({"captcha_service": ["required"]}, None),
        ({}, None),
    ],
)
def test_the_reply_names_the_field(said: dict[str, Any], field: str | None) -> None:
    plan = form(BARE | said, **JSON_POST)
    assert (plan.token_fields if plan else None) == ((field,) if field else None)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"method": "POST", "body": b'{"captcha": null}'}, "captcha"),
        ({"method": "PUT", "body": b'{"a": {"captchaToken": ""}}'}, "a.captchaToken"),
        (
            {"method": "POST", "body": b"x=1&h-captcha-response="},
            "h-captcha-response",
        ),
        ({"url": f"{URL}?captcha_key=&a=1"}, "captcha_key"),
    ],
)
def test_the_request_has_a_place_for_it(request_: dict[str, Any], field: str) -> None:
    plan = form(BARE, headers={"Content-Type": FORM}, **request_)
    assert plan is not None
    assert plan.token_fields == (field,)
    assert plan.method == request_.get("method", "GET")


def test_the_users_field_goes_first() -> None:
    plan = form(DEMAND, "mine", method="POST", body=b'{"captcha_key": null}')
    assert plan is not None
    assert plan.token_fields == ("mine",)


def test_a_header() -> None:
    plan = form(DEMAND, "header:x-captcha", method="POST", body=b"\x00\xff")
    assert plan is not None
    assert (plan.header, plan.token_fields, plan.fields) == ("x-captcha", (), ())


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"method": "POST", "body": b"\x00\xff"}, "captcha"),
        ({"method": "POST", "body": b"[1]"}, "captcha"),
        ({"method": "POST", "body": b'{"a": 1}'}, "a.b"),
        ({"method": "POST", "body": b" " * 1_000_001}, "captcha"),
        ({"method": "POST", "body": b"{}"}, "header:Cookie"),
    ],
)
def test_nowhere_to_put_it(request_: dict[str, Any], field: str) -> None:
    assert form(BARE, field, **request_) is None


def test_a_page_whose_request_is_repeated_with_a_header() -> None:
    html = f"<form><div class=h-captcha data-sitekey={KEY}></div></form>"
    request = Request(URL, method="POST", body=b"{}")
    response = HtmlResponse(URL, status=403, body=html.encode(), request=request)
    challenge = detect(response, RequestOptions(field="header:X-Token"))
    assert challenge is not None
    assert challenge.form is not None
    assert (challenge.form.kind, challenge.form.header) == ("repeat", "X-Token")


MEDIAWIKI = {
    "edit": {
        "captcha": {"type": "hcaptcha", "mime": "application/javascript", "key": KEY},
        "result": "Failure",
    }
}
PAIRS = {"Content-Type": FORM}


@pytest.mark.parametrize("options", [None, RequestOptions(sitekey=KEY, gate=True)])
def test_mediawiki_s_demand(options: RequestOptions | None) -> None:
    asked = reply(
        MEDIAWIKI, 200, method="POST", body=b"action=edit&title=a", headers=PAIRS
    )
    challenge = detect(asked, options or RequestOptions())
    assert challenge is not None
    assert (challenge.kind, challenge.sitekey) == ("gate", KEY)
    assert challenge.solvable
    assert challenge.form is not None
    assert challenge.form.token_fields == ("captchaword",)
    assert challenge.form.enctype == "application/x-www-form-urlencoded"


def test_a_mediawiki_that_has_saved_demands_nothing() -> None:
    said = {"edit": {"result": "Success", "pageid": 12, "title": "captcha"}}
    options = RequestOptions(sitekey=KEY, field="captchaword")
    assert detect(reply(said, 200, method="POST", body=b"a=b"), options) is None
    other = {"edit": {"captcha": {"type": "simple", "key": KEY}, "result": "Failure"}}
    assert detect(reply(other, 200, method="POST", body=b"a=b")) is None


def test_what_the_user_says_is_heeded_where_a_reply_says_little() -> None:
    said = {"state": "captcha"}
    known = RequestOptions(sitekey=KEY, field="token", gate=True)
    challenge = read(said, 200, known)
    assert (challenge.kind, challenge.sitekey) == ("gate", KEY)
    assert challenge.solvable
    # The content that follows is read with the same options.
    assert detect(reply({"items": [1, 2]}, 200), known) is None
    assert detect(reply(said, 200), RequestOptions(gate=True)) is None


BETTER_AUTH = {"code": "MISSING_RESPONSE", "message": "Missing CAPTCHA response"}


def test_a_sitekey_that_is_missing_is_asked_for() -> None:
    field = "header:x-captcha-response"
    challenge = read(BETTER_AUTH, 400, RequestOptions(field=field))
    assert (challenge.kind, challenge.reason) == ("widget", "no_sitekey")
    assert '"sitekey"' in challenge.advice
    told = read(BETTER_AUTH, 400, RequestOptions(field=field, sitekey=KEY))
    assert (told.kind, told.advice) == ("gate", "")
    assert told.form is not None
    assert told.form.header == "x-captcha-response"
    assert detect(reply(BETTER_AUTH, 400)) is None
    quiet = RequestOptions(field=field)
    assert detect(reply({"captcha": "a word"}, 200), quiet) is None


def test_a_validator_s_complaint_is_handed_on() -> None:
    text = "The h-captcha-response field is required."
    said = {"message": text, "errors": {"h-captcha-response": [text]}}
    challenge = detect(reply(said, 422))
    assert challenge is None or challenge.kind == "widget"
    known = read(said, 422, RequestOptions(sitekey=KEY))
    assert known.kind == "gate"
    assert known.form is not None
    assert known.form.token_fields == ("h-captcha-response",)


RQTOKEN = {
    "captcha_key": ["captcha-required"],
    "captcha_sitekey": KEY,
    "captcha_service": "hcaptcha",
    "captcha_rqdata": "data",
    "captcha_rqtoken": "ticket",
}


@pytest.mark.parametrize(
    ("field", "header", "fields", "headers", "sent"),
    [
        pytest.param(
            "captcha_key",
            None,
            ("captcha_key",),
            (),
            (("captcha_rqtoken", '"ticket"'),),
            id="body",
        ),
        pytest.param(
            "header:X-Captcha-Key",
            "X-Captcha-Key",
            (),
            (("X-Captcha-rqtoken", "ticket"),),
            (),
            id="header, the second beside it",
        ),
        pytest.param(
            ("header:X-Captcha-Key", "header:X-Ticket-Rqtoken"),
            "X-Captcha-Key",
            (),
            (("X-Ticket-Rqtoken", "ticket"),),
            (),
            id="two headers",
        ),
        pytest.param(
            ("header:X-Captcha-Key", "header:X-Other", "header:X-Ticket-Rqtoken"),
            "X-Captcha-Key",
            (),
            (("X-Ticket-Rqtoken", "ticket"),),
            (),
            id="the header of its name, of two",
        ),
        pytest.param(
            ("captcha_key", "other", "rqtoken"),
            None,
            ("captcha_key",),
            (),
            (("rqtoken", '"ticket"'),),
            id="the field of its name, of two",
        ),
        pytest.param(
            ("captcha_key", "header:X-Second"),
            None,
            ("captcha_key",),
            (("X-Second", "ticket"),),
            (),
            id="a field and a header of any name",
        ),
        pytest.param(
            ("header:X-Captcha-Key", "second"),
            "X-Captcha-Key",
            (),
            (),
            (("second", '"ticket"'),),
            id="a header and a field",
        ),
    ],
)
def test_a_second_value_goes_back_with_the_token(
    field: Any, header: str | None, fields: Any, headers: Any, sent: Any
) -> None:
    asked = RequestOptions(field=field)
    form = read(RQTOKEN, 400, asked).form
    assert form is not None
    assert form.header == header
    assert form.token_fields == fields
    assert form.headers == headers
    assert form.fields == sent


def test_a_second_value_that_no_header_may_hold_is_left_out() -> None:
    said = RQTOKEN | {"captcha_rqtoken": "tick\u00e9t"}
    form = read(said, 400, RequestOptions(field="header:X-Captcha-Key")).form
    assert form is not None
    assert form.headers == ()


def test_what_is_empty_is_no_other_data() -> None:
    plain = read(RQTOKEN, 400)
    more = read(RQTOKEN | {"data": {}, "items": [], "page": {"next": []}}, 400)
    assert more.kind == plain.kind == "gate"
    assert more.evidence == plain.evidence


def test_confidence_says_how_plain_a_demand_is() -> None:
    plain = read(DEMAND)
    without_status = read(DEMAND, 200)
    little_else = read({"hcaptcha_sitekey": KEY, "a": 1, "b": 2}, 403)
    for challenge in (plain, without_status, little_else):
        assert challenge.kind == "gate"
    assert 0.99 < plain.confidence < 1
    assert 0.8 < without_status.confidence < plain.confidence
    assert 0.5 < little_else.confidence < without_status.confidence
    beside_data = read({"captcha_required": True, "sitekey": KEY, "items": [1]}, 200)
    assert beside_data.kind == "widget"
    assert 0.5 < beside_data.confidence < 1


def test_what_is_said_outright_has_full_confidence() -> None:
    doubtful = {"hcaptcha_sitekey": KEY, "a": 1, "b": 2}
    for hints, kind in (
        (RequestOptions(gate=True), "gate"),
        (RequestOptions(gate=False), "widget"),
        (RequestOptions(decide=lambda *_: True), "gate"),
        (RequestOptions(decide=lambda *_: False), "widget"),
    ):
        challenge = read(doubtful, 403, hints)
        assert (challenge.kind, challenge.confidence) == (kind, 1.0)
    said = "The h-captcha-response field is required."
    complaint = read({"errors": {"h-captcha-response": [said]}}, 422)
    assert (complaint.kind, complaint.confidence) == ("widget", 1.0)
    assert complaint.evidence[-1] == "It is about a field of the form that was sent."
