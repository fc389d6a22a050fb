"""A gate as a request met it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse
from twisted.internet.task import Clock

from scrapy_onecaptcha.crawl.cookie_headers import sent_cookies
from scrapy_onecaptcha.crawl.gate import Gate, as_planned, task_of, user_agent_of
from scrapy_onecaptcha.crawl.request_meta import Role, mark
from scrapy_onecaptcha.crawl.sessions import Sessions, session_key
from scrapy_onecaptcha.models import Challenge, Form, parse_proxy
from scrapy_onecaptcha.service.client import Task
from tests.unit.helpers import AGENT, OTHER_SITEKEY, SITE, SITEKEY, Sent

URL = f"{SITE}/page"


def met(challenge: Challenge) -> Gate:
    request = Request(URL)
    return Gate(
        request=request,
        response=HtmlResponse(URL),
        challenge=challenge,
        session=Sessions(Clock(), 600, 1, Sent()).open(session_key(request)),
        stamp=0,
        seen_at=0,
        cookies=frozenset(),
    )


@pytest.mark.parametrize(("sitekey", "named"), [(SITEKEY, SITEKEY), (None, "")])
def test_a_gate_names_its_site_and_sitekey(sitekey: str | None, named: str) -> None:
    gate = met(Challenge(kind="gate", url=URL, sitekey=sitekey))
    assert (gate.site, gate.sitekey) == (SITE, named)


def test_a_task_names_the_proxy_of_its_request() -> None:
    challenge = Challenge(kind="gate", url=URL, sitekey=SITEKEY)
    request = Request(URL, meta={"proxy": "http://me:pw@p.example:1"})
    assert task_of(challenge, request).proxy == parse_proxy("http://me:pw@p.example:1")
    assert task_of(challenge, Request(URL)).proxy is None


def test_a_task_asks_for_what_the_page_shows() -> None:
    challenge = Challenge(
        kind="gate", url=f"{URL}/gate", sitekey=SITEKEY, invisible=True, rqdata="rq"
    )
    request = Request(URL, headers={"User-Agent": AGENT})
    assert task_of(challenge, request) == Task(
        url=f"{URL}/gate",
        sitekey=SITEKEY,
        user_agent=AGENT,
        invisible=True,
        rqdata="rq",
    )


def test_a_task_of_a_page_that_shows_nothing() -> None:
    challenge = Challenge(kind="widget", url=URL)
    assert task_of(challenge, Request(URL)) == Task(url=URL, sitekey="")


@pytest.mark.parametrize("agent", ["Mozilla/5.0", "Möz", ""])
def test_the_user_agent_that_was_sent(agent: str) -> None:
    headers = {"User-Agent": agent.encode("latin-1")}
    assert user_agent_of(Request(URL, headers=headers)) == agent


def test_no_user_agent() -> None:
    assert user_agent_of(Request(URL)) is None


def form_at(path: str, *shape: str, method: str = "POST") -> Form:
    return Form(url=f"{SITE}{path}", method=method, token_fields=("t",), shape=shape)


@pytest.mark.parametrize(
    ("planned", "fresh", "sent"),
    [
        (form_at("/a"), form_at("/a?n=2"), form_at("/a?n=2")),
        (form_at("/a?n=1"), form_at("/a?n=2", "POST"), form_at("/a?n=2", "POST")),
        (form_at("/a", "POST"), form_at("/b", "GET"), form_at("/b", "POST")),
        (form_at("/a", "POST"), form_at("/a"), form_at("/a", "POST")),
        (form_at("/a"), form_at("/b", "POST"), form_at("/a")),
        (form_at("/a"), form_at("/a", "PUT", method="PUT"), form_at("/a")),
    ],
)
def test_a_fresh_page_sends_its_token_as_was_planned(
    planned: Form, fresh: Form, sent: Form
) -> None:
    """Its scripts are no plan: they run for the first time after the payment."""
    old, new = (
        met(Challenge(kind="gate", url=URL, sitekey=SITEKEY, form=form))
        for form in (planned, fresh)
    )
    assert as_planned(new, old).challenge.form == sent
    assert as_planned(old, old) == old


@pytest.mark.parametrize(
    ("then", "due", "belongs"),
    [
        ("sid=1; csrf=1", "sid=1; csrf=1", True),
        ("sid=1", "sid=1", True),  # the one that came is for another path
        ("sid=1; csrf=2", "sid=1; csrf=2", False),  # others came before it did
        ("sid=2; csrf=1", "sid=2; csrf=1", False),
        ("sid=1; csrf=1", "sid=1; csrf=2", False),
        ("sid=1; csrf=1", "sid=2; csrf=1", False),
        ("sid=1; csrf=1", "sid=1; csrf=1; other=1", False),
        ("sid=1; csrf=1", "sid=1", False),
        ("sid=1; csrf=1", "csrf=1", False),
        ("sid=1; csrf=1", "", False),
    ],
)
def test_a_form_belongs_to_the_cookies_that_went_and_came_with_it(
    then: str, due: str, belongs: bool
) -> None:
    """Others may have set another one while it was on its way, or deleted it since."""
    any_challenge = Challenge(kind="gate", url=URL, sitekey=SITEKEY)
    gate = replace(
        met(any_challenge),
        request=carrying("sid=1"),
        response=HtmlResponse(URL, headers={"Set-Cookie": "csrf=1; Path=/"}),
        cookies=sent_cookies(carrying(then)),
    )
    assert gate.belongs_to(sent_cookies(carrying(due))) is belongs


@pytest.mark.parametrize(
    ("sent", "came", "role", "belongs"),
    [
        ("", "sid=1", None, False),
        ("csrf=1", "sid=1", None, False),
        ("sid=0", "sid=1", None, True),
        ("sid=1", "", None, True),
        ("", "sid=1", "refetch", True),
        ("", "sid=1", "replay", True),
    ],
)
def test_a_browser_may_hold_another_cookie_than_that_of_a_first_visit(
    sent: str, came: str, role: Role | None, belongs: bool
) -> None:
    request = carrying(sent).replace(meta={"playwright": True})
    if role is not None:
        request = request.replace(meta=mark(request, role))
    due = sent_cookies(carrying(came or sent))
    gate = replace(
        met(Challenge(kind="gate", url=URL, sitekey=SITEKEY)),
        request=request,
        response=HtmlResponse(URL, headers={"Set-Cookie": came} if came else {}),
        cookies=due,
    )
    assert gate.belongs_to(due) is belongs


def carrying(cookies: str) -> Request:
    return Request(URL, headers={"Cookie": cookies})


PLAIN = Challenge(kind="gate", url=URL, sitekey=SITEKEY, form=form_at("/a"))


@pytest.mark.parametrize(
    ("paid", "later", "takes"),
    [
        (PLAIN, PLAIN, True),
        (PLAIN, replace(PLAIN, sitekey=OTHER_SITEKEY), False),
        (replace(PLAIN, rqdata="r"), PLAIN, False),
        (PLAIN, replace(PLAIN, rqdata="r"), False),
        (PLAIN, replace(PLAIN, solvable=False), False),
    ],
)
def test_a_token_goes_by_the_form_of_a_later_gate_of_its_kind(
    paid: Challenge, later: Challenge, takes: bool
) -> None:
    assert met(later).takes_token_of(met(paid)) is takes
