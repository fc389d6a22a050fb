"""Sites that try: what each of them does, without a socket."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from scrapy_onecaptcha.sandbox import HOSTILE, Sandbox
from scrapy_onecaptcha.sandbox.messages import Reply, Visit
from scrapy_onecaptcha.sandbox.sites.hostile_pages import ODD_FIELDS

FORM = {"content-type": "application/x-www-form-urlencoded"}


class Guest:
    """Asks one hostile site."""

    def __init__(self, name: str) -> None:
        self.sandbox = Sandbox(sites=[name], clock=lambda: 0.0)
        self.site = self.sandbox.sites[name]

    def get(self, path: str = "/page/1", **query: Any) -> Reply:
        return self.site.answer(Visit(uri=f"{path}?{urlencode(query)}"))

    def send(self, **query: Any) -> Reply:
        body = urlencode({"h-captcha-response": "P1_token"}).encode()
        uri = f"/page/1?{urlencode(query)}"
        return self.site.answer(Visit(method="POST", uri=uri, headers=FORM, body=body))


def is_gate(reply: Reply) -> bool:
    return b'class="h-captcha"' in reply.body


@pytest.mark.parametrize("name", HOSTILE)
def test_each_answers_and_is_counted(name: str) -> None:
    guest = Guest(name)
    first = guest.get(to="http://x.invalid/", key="x", callback="f")
    assert first.body or first.headers == (("Location", "/gate/1"),)
    assert guest.send(to="http://x.invalid/").status
    ledger = guest.sandbox.ledger
    assert (ledger.total("gates", name), ledger.total("accepted", name)) == (1, 1)
    robots = guest.site.answer(Visit(uri="/robots.txt"))
    assert robots.body.startswith(b"User-agent")


def leads_to(reply: Reply) -> str:
    return dict(reply.headers)["Location"]


def test_another_cookie_with_each_answer() -> None:
    guest = Guest("rotating")
    replies = [guest.get(), guest.send(), guest.get()]
    cookies = [dict(reply.headers)["Set-Cookie"] for reply in replies]
    assert len(set(cookies)) == 3
    assert leads_to(replies[1]) == "/page/1?"
    assert is_gate(replies[2])


def test_a_clearance_comes_and_goes() -> None:
    guest = Guest("revoking")
    assert all(is_gate(guest.get()) for _ in range(20))
    guest.send()
    assert {is_gate(guest.get()) for _ in range(20)} == {True, False}


def test_another_gate_address_at_each_look() -> None:
    guest = Guest("wandering")
    places = {leads_to(guest.get(f"/page/{number}")) for number in range(5)}
    assert len(places) == 5
    assert all(is_gate(guest.get(place)) for place in places)
    assert leads_to(guest.send()) == "/"


def test_a_query_grows_with_each_token() -> None:
    guest = Guest("growing")
    assert is_gate(guest.get())
    first = leads_to(guest.send(a=1))
    assert first == "/page/1?a=1&step2=1"
    assert is_gate(guest.site.answer(Visit(uri=first)))


@pytest.mark.parametrize("name", ["endless", "newkey", "stalls", "cookies"])
def test_a_token_leads_to_the_next_gate(name: str) -> None:
    assert is_gate(Guest(name).send())


@pytest.mark.parametrize("name", ["widgets", "calls", "named", "refreshing"])
def test_a_token_leads_to_the_page_which_does_not_show_it(name: str) -> None:
    page = Guest(name).send()
    assert f"Page 1 of {name}".encode() in page.body
    assert b"P1_token" not in page.body


def test_each_second_token_is_accepted() -> None:
    guest = Guest("fickle")
    assert [is_gate(guest.send()) for _ in range(4)] == [True, False] * 2


def test_where_a_token_is_to_go() -> None:
    guest, to = Guest("astray"), "http://x.invalid/take"
    assert f'action="{to}"'.encode() in guest.get(to=to).body
    assert f'<base href="{to}">'.encode() in guest.get(to=to, how="base").body
    assert f'formaction="{to}"'.encode() in guest.get(to=to, how="button").body
    assert f'fetch("{to}?'.encode() in guest.get(to=to, how="script").body


def test_where_an_answer_leads() -> None:
    guest, to = Guest("led"), "http://x.invalid/"
    reply = guest.send(to=to, how=307)
    assert (reply.status, reply.headers) == (307, (("Location", to),))
    assert ("Refresh", f"0;url={to}") in guest.send(to=to, how="refresh").headers
    assert b'http-equiv="refresh"' in guest.send(to=to, how="meta").body


def test_redirects_go_on_and_on() -> None:
    guest = Guest("chain")
    assert is_gate(guest.get())
    assert guest.send().headers == (("Location", "/hop/0"),)
    assert guest.get("/hop/999").headers == (("Location", "/hop/1000"),)


def test_how_large_a_page_is() -> None:
    guest = Guest("heavy")
    assert len(guest.get(mb=3).body) > 2_900_000
    assert not is_gate(guest.get(plain=1))
    packed = guest.get(mb=3, gzip=1)
    assert len(packed.body) < 300_000
    assert len(gzip.decompress(packed.body)) > 2_900_000
    assert is_gate(guest.get(after=1))
    assert len(Guest("rqdata").get(mb=2, json=1).body) > 2_000_000
    with pytest.raises(RecursionError):
        json.loads(Guest("nested").get().body)


def test_the_odd_fields_must_come_back_as_they_are() -> None:
    guest = Guest("odd")

    def send(fields: Any) -> bool:
        parts = b"".join(
            b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
            % (name.encode(), value.encode())
            for name, value in [*fields, ("h-captcha-response", "P1_token")]
        )
        headers = {"content-type": "multipart/form-data; boundary=b"}
        visit = Visit(
            method="POST", uri="/page/1", headers=headers, body=parts + b"--b--\r\n"
        )
        return not is_gate(guest.site.answer(visit))

    escaped = [
        (n.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A"), v)
        for n, v in ODD_FIELDS
    ]
    # What is in a value is no delimiter only where the boundary is another.
    rightly = [pair for pair in escaped if "--b" not in pair[1]]
    assert not send(rightly)
    assert not send(ODD_FIELDS)
