"""Each single thing that is wrong with a submission is refused, by its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sandbox_browser import (
    ORIGIN,
    UA,
    Browser,
    Filled,
    World,
    gate_of,
    is_gate,
    is_page,
    rqdata_of,
)

from scrapy_onecaptcha.sandbox.rejections import REASONS
from scrapy_onecaptcha.sandbox.service.api import ServiceOptions
from scrapy_onecaptcha.sandbox.sites.registry import sitekey_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.sandbox.messages import Reply
    from scrapy_onecaptcha.sandbox.sites.gate import Gate


class Attempt:
    """A browser before a gate, with a right solution in its hands."""

    def __init__(self, site: str | Gate, options: ServiceOptions | None = None) -> None:
        self.world = World(site, options or ServiceOptions(resp_key="E0_key"))
        self.browser = Browser(self.world)
        self.page = self.browser.get("/page/3?a=1")
        self.solution = self.world.solve(rqdata=rqdata_of(self.page))
        self.form = self.filled()

    def filled(self) -> Filled:
        token = self.solution["gRecaptchaResponse"]
        return self.browser.fill(self.page, token, self.solution.get("respKey", ""))

    def submit(self) -> Reply:
        return self.browser.submit(self.form)

    def refused(self) -> list[str]:
        """Submit; return why the gate did not open."""
        reply = self.submit()
        assert is_gate(reply)
        assert reply.status == (self.world.gate.status if self.world.gate else 0)
        assert self.world.ledger.total("rejected") == 1
        assert self.world.ledger.site_rejections[self.world.name] == (
            self.world.ledger.rejections
        )
        return list(self.world.ledger.rejections)


def drop(name: str) -> Callable[[Filled], None]:
    return lambda form: form.drop(name)


def put(name: str, value: str) -> Callable[[Filled], None]:
    return lambda form: form.set(name, value)


def header(name: str, value: str) -> Callable[[Filled], None]:
    return lambda form: form.headers.update({name: value})


def no_token(form: Filled) -> None:
    form.set("h-captcha-response", "")
    form.set("g-recaptcha-response", "")


def unknown_token(form: Filled) -> None:
    form.set("h-captcha-response", "P1_unknown")
    form.set("g-recaptcha-response", "P1_unknown")


def twice(form: Filled) -> None:
    form.fields.append(form.fields[0])


def enctype(value: str) -> Callable[[Filled], None]:
    def change(form: Filled) -> None:
        form.enctype = value

    return change


def by(method: str, path: str) -> Callable[[Filled], None]:
    def change(form: Filled) -> None:
        form.method, form.url = method, f"{ORIGIN}{path}"

    return change


def altered(name: str, change: Callable[[str], str]) -> Callable[[Filled], None]:
    def changed(form: Filled) -> None:
        form.set(name, change(dict(form.fields)[name]))

    return changed


MISTAKES: list[tuple[str, str, Callable[[Filled], None]]] = [
    ("bookshop", "missing-input-response", no_token),
    ("bookshop", "invalid-input-response", unknown_token),
    ("bookshop", "token-fields", drop("g-recaptcha-response")),
    ("bookshop", "token-fields", drop("h-captcha-response")),
    ("bookshop", "token-fields", put("g-recaptcha-response", "other")),
    ("bookshop", "ticket-missing", drop("ticket")),
    ("bookshop", "ticket-unknown", put("ticket", "made-up")),
    ("bookshop", "csrf-cookie", header("cookie", "csrf_bookshop=other")),
    ("bookshop", "csrf-cookie", header("cookie", "")),
    ("bookshop", "state", drop("state")),
    ("bookshop", "state", altered("state", str.strip)),
    ("bookshop", "state", altered("state", lambda v: v.replace("&amp;", "&"))),
    ("bookshop", "state", altered("state", lambda v: v.replace('"', "&quot;"))),
    ("wordpress", "constants", drop("hcaptcha-widget-id")),
    ("wordpress", "constants", put("hcap_hp_sig", "x")),
    ("wordpress", "honeypot", put("hcap_hp_4a7d1e", "me")),
    ("wordpress", "honeypot", drop("hcap_hp_4a7d1e")),
    ("wordpress", "ticket-missing", drop("hcaptcha_protect_content_nonce")),
    ("wordpress", "unknown-field", put("website_url", "")),
    ("bookshop", "referer", header("referer", "")),
    ("bookshop", "referer", header("referer", "http://127.0.0.1:9/page/3")),
    ("bookshop", "origin", header("origin", "")),
    ("bookshop", "origin", header("origin", "null")),
    ("bookshop", "unknown-field", put("captcha", "x")),
    ("bookshop", "field-twice", twice),
    ("bookshop", "enctype", enctype("multipart/form-data")),
    ("button", "enctype", enctype("application/x-www-form-urlencoded")),
    ("bookshop", "malformed-form", enctype("application/json")),
    ("button", "malformed-form", header("content-type", "multipart/form-data")),
    (
        "button",
        "malformed-form",
        header("content-type", "multipart/form-data; boundary=x"),
    ),
    ("button", "honeypot", put("website_url", "http://example.com")),
    ("button", "honeypot", drop("website_url")),
    ("button", "state", altered("state", str.lstrip)),
    ("gbk", "state", lambda form: setattr(form, "charset", "utf-8")),
    ("bookshop", "method", by("GET", "/page/3")),
    ("wall", "method", by("POST", "/page/3")),
    ("antibot", "action", by("POST", "/page/3")),
    ("asker", "action", by("POST", "/page/3?a=1")),
    ("wall", "next", drop("next")),
    ("wall", "ticket-path", put("next", "/page/4")),
    ("wall", "ticket-missing", drop("ticket")),
    ("wall", "referer", header("referer", "")),
    ("antibot", "next", put("next", "http://evil.invalid/")),
    ("enterprise", "ticket-unknown", put("ticket", "x")),
    ("thanks", "resp-key", drop("respKey")),
    ("thanks", "resp-key-mismatch", put("respKey", "")),
    ("thanks", "resp-key-mismatch", put("respKey", "E0_other")),
    ("bouncer", "resp-key-mismatch", put("respKey", "E0_other")),
    ("hidden", "missing-input-response", put("token", "")),
    ("hidden", "invalid-input-response", put("token", "P1_unknown")),
]


@pytest.mark.parametrize(("site", "reason", "mistake"), MISTAKES)
def test_one_wrong_thing(
    site: str, reason: str, mistake: Callable[[Filled], None]
) -> None:
    attempt = Attempt(site)
    mistake(attempt.form)
    assert attempt.refused() == [reason]


def test_every_reason_is_known_and_tried() -> None:
    tried = {reason for _, reason, _ in MISTAKES} | {
        # in the tests below
        "expired-input-response",
        "already-seen-response",
        "sitekey-secret-mismatch",
        "invisible-mismatch",
        "rqdata-mismatch",
        "user-agent-mismatch",
        "token-refused",
        "ticket-used",
        "ticket-expired",
        "ticket-user-agent",
        # in test_sandbox_products
        "page-expired",
        "proof-of-work",
    }
    assert tried == set(REASONS)
    with pytest.raises(ValueError, match="'other'"):
        World().ledger.reject("bookshop", "other")


def test_resp_key_may_come_uncalled_for() -> None:
    attempt = Attempt("bookshop")
    attempt.form.set("respKey", "E0_key")
    assert is_page(attempt.submit(), 3, "bookshop")


def test_line_breaks_may_come_as_they_stand_in_the_page() -> None:
    attempt = Attempt("bookshop")
    altered("state", lambda value: value.replace("\r\n", "\n"))(attempt.form)
    assert is_page(attempt.submit(), 3, "bookshop")


def test_the_widgets_fields_may_come_with_a_field_of_its_own() -> None:
    attempt = Attempt("hidden")
    attempt.form.set("h-captcha-response", attempt.solution["gRecaptchaResponse"])
    assert is_page(attempt.submit(), 3, "hidden")


def test_without_compat_the_second_field_is_unknown() -> None:
    gate = gate_of("bouncer", compat=False)
    attempt = Attempt(gate)
    assert b"recaptchacompat=off" in attempt.page.body
    attempt.form.set("g-recaptcha-response", attempt.solution["gRecaptchaResponse"])
    assert attempt.refused() == ["unknown-field"]
    attempt = Attempt(gate)
    assert is_page(attempt.submit(), 3, "custom")


def test_headers_are_not_looked_at_where_the_gate_does_not() -> None:
    attempt = Attempt(gate_of(check_headers=False))
    attempt.form.headers.update({"referer": "", "origin": ""})
    assert is_page(attempt.submit(), 3, "custom")


# Time


def test_a_token_dies_after_120_seconds() -> None:
    attempt = Attempt("bouncer")
    attempt.world.clock.advance(120)
    assert is_page(attempt.submit(), 3, "bouncer")
    late = Attempt("bouncer")
    late.world.clock.advance(120.5)
    assert late.refused() == ["expired-input-response"]


def test_a_page_dies_too() -> None:
    attempt = Attempt(gate_of(page_seconds=30), ServiceOptions(latency=30))
    assert is_page(attempt.submit(), 3, "custom")
    late = Attempt(gate_of(page_seconds=30), ServiceOptions(latency=31))
    assert late.refused() == ["ticket-expired"]


def test_a_fresh_page_takes_the_token_in_hand() -> None:
    attempt = Attempt("bookshop", ServiceOptions(latency=121))
    attempt.page = attempt.browser.get("/page/3?a=1")
    attempt.form = attempt.filled()
    assert is_page(attempt.submit(), 3, "bookshop")


# Once


def test_a_token_is_used_once() -> None:
    attempt = Attempt("direct")
    assert is_page(attempt.submit(), 3, "direct")
    assert is_gate(attempt.submit())
    assert attempt.world.ledger.rejections == {"already-seen-response": 1}
    assert attempt.world.ledger.tokens_used == 1


def test_a_ticket_is_used_once() -> None:
    attempt = Attempt("bookshop")
    attempt.submit()
    token = attempt.world.solve()["gRecaptchaResponse"]
    attempt.form.set("h-captcha-response", token)
    attempt.form.set("g-recaptcha-response", token)
    attempt.submit()
    assert attempt.world.ledger.rejections == {"ticket-used": 1}


def test_a_token_that_was_not_looked_at_is_not_used() -> None:
    attempt = Attempt("bookshop")
    attempt.form.headers["origin"] = "null"
    assert attempt.refused() == ["origin"]
    assert attempt.world.ledger.tokens_used == 0
    attempt.page = attempt.browser.get("/page/3?a=1")
    attempt.form = attempt.filled()
    assert is_page(attempt.submit(), 3, "bookshop")


# What the token was solved for


@pytest.mark.parametrize(
    ("site", "fields", "reason"),
    [
        ("bouncer", {"websiteKey": sitekey_of("wall")}, "sitekey-secret-mismatch"),
        ("bouncer", {"isInvisible": True}, "invisible-mismatch"),
        ("button", {"isInvisible": False}, "invisible-mismatch"),
        ("enterprise", {"isInvisible": False}, "invisible-mismatch"),
        ("enterprise", {"rqdata": ""}, "rqdata-mismatch"),
        ("enterprise", {"rqdata": "other"}, "rqdata-mismatch"),
        ("bouncer", {"rqdata": "uncalled for"}, "rqdata-mismatch"),
        ("bouncer", {"userAgent": "Other/1"}, "user-agent-mismatch"),
    ],
)
def test_a_task_of_another_kind(
    site: str, fields: dict[str, object], reason: str
) -> None:
    attempt = Attempt(site)
    rqdata = rqdata_of(attempt.page)
    attempt.solution = attempt.world.solve(**{"rqdata": rqdata, **fields})
    attempt.form = attempt.filled()
    assert attempt.refused() == [reason]


def test_rqdata_is_that_of_the_page_itself() -> None:
    attempt = Attempt("enterprise")
    attempt.page = attempt.browser.get("/page/3?a=1")
    attempt.form = attempt.filled()
    assert attempt.refused() == ["rqdata-mismatch"]


@pytest.mark.parametrize("key", ["userAgent", "user_agent"])
def test_the_solutions_user_agent_must_submit(key: str) -> None:
    options = ServiceOptions(user_agent="Solver/1", user_agent_key=key)  # type: ignore[arg-type]
    attempt = Attempt("bouncer", options)
    assert attempt.solution[key] == "Solver/1"
    assert attempt.refused() == ["user-agent-mismatch"]
    attempt = Attempt("bouncer", options)
    attempt.browser.user_agent = "Solver/1"
    assert is_page(attempt.submit(), 3, "bouncer")


def test_a_task_without_user_agent_binds_nobody() -> None:
    attempt = Attempt("bouncer", ServiceOptions(user_agent=None))
    attempt.solution = attempt.world.solve(userAgent="")
    assert "userAgent" not in attempt.solution
    attempt.form = attempt.filled()
    assert is_page(attempt.submit(), 3, "bouncer")


def test_a_bound_ticket_wants_the_user_agent_of_its_page() -> None:
    options = ServiceOptions(user_agent="Solver/1")
    attempt = Attempt("wall", options)
    attempt.browser.user_agent = "Solver/1"
    assert attempt.refused() == ["ticket-user-agent"]
    again = Attempt("wall", options)
    again.browser.user_agent = "Solver/1"
    again.page = again.browser.get("/page/3?a=1")
    again.form = again.filled()
    assert is_page(again.submit(), 3, "wall")


def test_a_token_the_service_got_wrong() -> None:
    attempt = Attempt("bouncer", ServiceOptions(refused_rate=1))
    assert attempt.refused() == ["token-refused"]


def test_a_second_visitors_cookie_does_not_disturb_the_first() -> None:
    # As in Django: the cookie is set where the request brought none.
    attempt = Attempt("bookshop")
    before = dict(attempt.browser.cookies)
    attempt.browser.get("/page/9")
    assert attempt.browser.cookies == before
    assert is_page(attempt.submit(), 3, "bookshop")


def test_the_page_after_a_refusal_is_fresh() -> None:
    attempt = Attempt("bookshop")
    attempt.form.headers["origin"] = "null"
    page = attempt.submit()
    assert is_gate(page)
    attempt.page = page
    attempt.form = attempt.filled()
    assert is_page(attempt.submit(), 3, "bookshop")


def test_an_ordinary_post_is_no_submission() -> None:
    world = World("bouncer")
    form = Filled(
        url=f"{ORIGIN}/page/3",
        method="POST",
        enctype="application/x-www-form-urlencoded",
        fields=[("q", "1")],
    )
    assert is_gate(world.site.answer(form.visit({"user-agent": UA})))
    assert not world.ledger.rejections
