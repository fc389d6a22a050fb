"""Sites that try to cost their visitor more than they may; opened by name.

Each has one trick. A page says by its query what it is to do: ``to`` is where its token
is to go, ``mb`` how large it is. A client does well that pays little, sends its token
nowhere else, ends, and says what it has met.
"""

from __future__ import annotations

import gzip
import re
import uuid
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.forms import Fields, parse_form
from scrapy_onecaptcha.sandbox.messages import (
    Reply,
    html_reply,
    json_reply,
    redirect_reply,
)
from scrapy_onecaptcha.sandbox.sitekeys import sitekey_of
from scrapy_onecaptcha.sandbox.sites.content import ROBOTS, NumberedPages
from scrapy_onecaptcha.sandbox.sites.gate_html import escape, layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scrapy_onecaptcha.sandbox.ledger import Ledger
    from scrapy_onecaptcha.sandbox.messages import Visit

__all__ = ["HOSTILE", "ODD_FIELDS", "Hostile", "HostileSite"]

TOKEN = "h-captcha-response"  # noqa: S105 - the name of a field
MEGABYTE = 1_000_000
_API = '<script src="https://js.hcaptcha.com/1/api.js" async defer></script>'
_HOP = re.compile(r"/hop/([0-9]{1,9})")
_MULTIPART = 'enctype="multipart/form-data"'

ODD_FIELDS = (
    ('x"\r\nContent-Type: text/html\r\n\r\n<p>', "a name with a header in it"),
    ("a\r\n--boundary", "\r\n--boundary--\r\n"),
    ("__proto__", "{}"),
    ("constructor[prototype]", "1"),
    ("\N{SNOWMAN}&=;", "%00%0d%0a"),
)
"""Hidden fields that come back as they are from whoever writes a form rightly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One request, as a trick sees it.

    Attributes:
        visit: the request.
        number: how many the site has had, this one included.
        tokens: how many tokens it has had, likewise.
        content: what stands behind the gate.
    """

    visit: Visit
    number: int
    tokens: int
    content: Callable[[Visit], Reply]

    def said(self, name: str, default: str = "") -> str:
        """Return a parameter of the page's query."""
        value = dict(self.visit.query).get(name.encode())
        return default if value is None else value.decode("utf-8", "replace")

    @property
    def size(self) -> int:
        """How large the page is to be, in bytes."""
        return int(self.said("mb", "1")) * MEGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """What one site tries.

    Attributes:
        tries: a sentence of it.
        page: what is shown in place of each page.
        answer: what a token gets; ``None``: that page again.
    """

    tries: str
    page: Callable[[Guest], Reply]
    answer: Callable[[Guest], Reply] | None = None


class HostileSite:
    """A site with one trick.

    Args:
        name: of the site.
        hostile: its trick.
        ledger: knows the tokens, counts what it does.
    """

    def __init__(self, name: str, hostile: Hostile, *, ledger: Ledger) -> None:
        self.name = name
        self._hostile = hostile
        self._ledger = ledger
        self._content = NumberedPages(name)
        self._number = self._tokens = 0

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        if visit.path == "/robots.txt":
            return ROBOTS
        self._number += 1
        token = dict(_fields(visit)).get(TOKEN.encode())
        guest = Guest(
            visit=visit,
            number=self._number,
            tokens=self._tokens + (token is not None),
            content=self._content.answer,
        )
        if token is None:
            self._ledger.hit(self.name, visit.path, "gates")
            return self._hostile.page(guest)
        self._tokens += 1
        self._ledger.verify(token.decode("latin-1"))
        self._ledger.hit(self.name, visit.path, "accepted")
        return (self._hostile.answer or self._hostile.page)(guest)


def _fields(visit: Visit) -> Fields:
    if visit.method == "GET":
        return visit.query
    try:
        return parse_form(visit.headers.get("content-type", ""), visit.body)[1]
    except ValueError:
        return ()


# Pages


def _gate(
    inside: str = "",
    *,
    form: str = 'method="post"',
    head: str = "",
    sitekey: str = sitekey_of("hostile"),
    callback: str = "onSolved",
    button: str = "<button>Continue</button>",
) -> Reply:
    """Return a gate; but for *sitekey* and *callback* all is HTML."""
    body = (
        "<h1>Security check</h1>\n<p>Please show that you are human.</p>\n"
        f'<form {form}>\n<div class="h-captcha" data-sitekey="{escape(sitekey)}"'
        f' data-callback="{escape(callback)}"></div>\n{inside}\n{button}\n</form>'
    )
    return html_reply(layout("Security check", body, head=f"{_API}{head}"), status=403)


def _endless(guest: Guest) -> Reply:
    del guest
    return _gate()


def _new_key(guest: Guest) -> Reply:
    return _gate(sitekey=str(uuid.uuid5(uuid.NAMESPACE_DNS, str(guest.number))))


def _bad_key(guest: Guest) -> Reply:
    return _gate(sitekey=guest.said("key"))


def _astray(guest: Guest) -> Reply:
    to, how = escape(guest.said("to")), guest.said("how", "action")
    if how == "base":
        return _gate(form='method="post" action="take"', head=f'<base href="{to}">')
    if how == "button":
        return _gate(button=f'<button formaction="{to}">Continue</button>')
    if how == "script":
        script = f'function go(t) {{ fetch("{to}?{TOKEN}=" + t); }}'
        widget = f'data-sitekey="{sitekey_of("hostile")}" data-callback="go"'
        body = f'<h1>Security check</h1><div class="h-captcha" {widget}></div>'
        head = f"{_API}<script>{script}</script>"
        return html_reply(layout("Security check", body, head=head), status=403)
    return _gate(form=f'method="post" action="{to}"')


def _refreshing(guest: Guest) -> Reply:
    to = guest.said("to")
    gate = _gate(head=f'<meta http-equiv="refresh" content="0;url={escape(to)}">')
    return replace(gate, headers=(("Refresh", f"0;url={to}"),))


def _heavy(guest: Guest) -> Reply:
    field = '<input type="hidden" name="a" value="a field of which there are many">\n'
    if guest.said("after"):
        gate = _gate()
        return replace(gate, body=gate.body + b"<!--" + b" " * guest.size)
    if guest.said("plain"):
        field = field.replace('"hidden"', '"text"')
        text = field * (guest.size // len(field))
        reply = html_reply(layout("A long page", text), status=403)
    else:
        reply = _gate(field * (guest.size // len(field)))
    if not guest.said("gzip"):
        return reply
    return replace(
        reply,
        body=gzip.compress(reply.body, compresslevel=1),
        headers=(("Content-Encoding", "gzip"),),
    )


def _widgets(guest: Guest) -> Reply:
    del guest
    key = sitekey_of("hostile")
    return _gate(f'<div class="h-captcha" data-sitekey="{key}"></div>\n' * 10_000)


def _calls(guest: Guest) -> Reply:
    del guest
    within = "f(" * 15_000
    return _gate(head=f"<script>function onSolved(token) {{ {within} }}</script>")


def _rqdata(guest: Guest) -> Reply:
    rqdata = "x" * guest.size
    if guest.said("json"):
        demand = {"captcha_sitekey": sitekey_of("hostile"), "captcha_rqdata": rqdata}
        return json_reply({"captcha_service": "hcaptcha", **demand}, status=400)
    script = f'function go() {{ hcaptcha.setData(0, {{rqdata: "{rqdata}"}}); }}'
    return _gate(head=f"<script>{script}</script>")


def _nested(guest: Guest) -> Reply:
    depth = int(guest.said("depth", "100000"))
    body = b'{"hcaptcha": ' * depth + b"0" + b"}" * depth
    return Reply(status=403, body=body, content_type="application/json")


def _cookies(guest: Guest) -> Reply:
    value = "x" * 4000
    cookies = (("Set-Cookie", f"c{guest.number}_{n}={value}") for n in range(50))
    return replace(_gate(), headers=tuple(cookies))


def _odd(guest: Guest) -> Reply:
    del guest
    fields = "".join(
        f'<input type="hidden" name="{_attribute(name)}" value="{_attribute(value)}">'
        for name, value in ODD_FIELDS
    )
    again = f'<textarea name="{TOKEN}" hidden></textarea>' * 3
    charsets = 'accept-charset="base64 utf-7 x-none"'
    return _gate(fields + again, form=f'method="post" {_MULTIPART} {charsets}')


def _attribute(text: str) -> str:
    return escape(text).replace("\r", "&#13;").replace("\n", "&#10;")


def _named(guest: Guest) -> Reply:
    return _gate(callback=guest.said("callback"))


def _posing(guest: Guest) -> Reply:
    del guest
    code = "ERROR_KEY_DOES_NOT_EXIST"
    said = {"errorId": 1, "errorCode": code, "errorDescription": "hCaptcha: bad key"}
    return json_reply({**said, "taskId": "1"}, status=403)


# Answers to a token


def _content(guest: Guest) -> Reply:
    # As if it had been asked for: it would show the token.
    return guest.content(replace(guest.visit, method="GET", body=b""))


def _checked(guest: Guest) -> Reply:
    """Show the content to whoever has sent the odd fields as they were."""
    sent = [pair for pair in _fields(guest.visit) if pair[0] != TOKEN.encode()]
    wanted = [(_quoted(name), value.encode()) for name, value in ODD_FIELDS]
    named = [pair for pair in sent if pair[0] != b"g-recaptcha-response"]
    return _content(guest) if named == wanted else _odd(guest)


def _quoted(name: str) -> bytes:
    """Write a name as browsers do within a part's header."""
    name = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return name.encode()


def _verdict(guest: Guest) -> Reply:
    del guest
    return json_reply({"ok": True})


def _now_and_then(guest: Guest) -> Reply:
    return _content(guest) if guest.tokens % 2 == 0 else _gate()


def _led(guest: Guest) -> Reply:
    to, how = guest.said("to"), guest.said("how", "302")
    if how == "refresh":
        return replace(_content(guest), headers=(("Refresh", f"0;url={to}"),))
    if how == "meta":
        tag = f'<meta http-equiv="refresh" content="0;url={escape(to)}">'
        return html_reply(layout("Go on", "<h1>Go on</h1>", head=tag))
    return redirect_reply(to, status=int(how))


def _hop(guest: Guest) -> Reply:
    """Lead on and on."""
    found = _HOP.fullmatch(guest.visit.path)
    return redirect_reply(f"/hop/{int(found[1]) + 1 if found else 0}")


def _chain(guest: Guest) -> Reply:
    return _hop(guest) if _HOP.fullmatch(guest.visit.path) else _gate()


def _stalled(guest: Guest) -> Reply:
    return replace(_gate(), manner="stall" if guest.number % 2 else "stall-body")


def _flooding(guest: Guest) -> Reply:
    return replace(_content(guest), manner="endless")


HOSTILE: Mapping[str, Hostile] = MappingProxyType(
    {
        "endless": Hostile(tries="a gate behind each gate", page=_endless),
        "newkey": Hostile(tries="another sitekey in each gate", page=_new_key),
        "badkey": Hostile(tries="a sitekey that is none", page=_bad_key),
        "forgets": Hostile(
            tries="a token accepted, and the gate again for ever",
            page=_endless,
            answer=_verdict,
        ),
        "fickle": Hostile(
            tries="each second token accepted", page=_endless, answer=_now_and_then
        ),
        "astray": Hostile(tries="a token sent to another place", page=_astray),
        "led": Hostile(
            tries="a redirect to another place after the token",
            page=_endless,
            answer=_led,
        ),
        "refreshing": Hostile(
            tries="a gate that refreshes to another place",
            page=_refreshing,
            answer=_content,
        ),
        "chain": Hostile(
            tries="redirects without end after the token", page=_chain, answer=_hop
        ),
        "stalls": Hostile(
            tries="no answer to the token", page=_endless, answer=_stalled
        ),
        "floods": Hostile(
            tries="an answer to the token without end",
            page=_endless,
            answer=_flooding,
        ),
        "heavy": Hostile(
            tries="megabytes of hidden fields, or of nothing behind the gate",
            page=_heavy,
            answer=_endless,
        ),
        "widgets": Hostile(
            tries="widgets by the thousand", page=_widgets, answer=_content
        ),
        "calls": Hostile(
            tries="calls within calls in a script", page=_calls, answer=_content
        ),
        "rqdata": Hostile(tries="an rqdata of a megabyte", page=_rqdata),
        "nested": Hostile(tries="JSON in JSON in JSON", page=_nested),
        "cookies": Hostile(tries="cookies that fill each request", page=_cookies),
        "odd": Hostile(
            tries="fields with line breaks, charsets that are none",
            page=_odd,
            answer=_checked,
        ),
        "named": Hostile(
            tries="a callback that is called as something else",
            page=_named,
            answer=_content,
        ),
        "posing": Hostile(tries="the words of the service", page=_posing),
    }
)
"""What each site tries."""
