"""The pages of the hostile sites: what each shows in place of its content."""

from __future__ import annotations

import gzip
import random
import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.messages import (
    Reply,
    html_reply,
    json_reply,
    redirect_reply,
)
from scrapy_onecaptcha.sandbox.sitekeys import sitekey_of
from scrapy_onecaptcha.sandbox.sites.gate_html import escape, layout
from scrapy_onecaptcha.sandbox.sites.hostile_site import TOKEN

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.sites.hostile_site import HostileVisit

_API = '<script src="https://js.hcaptcha.com/1/api.js" async defer></script>'
_WANDERING = re.compile(r"/gate/[0-9]{1,9}")
_OPEN_RATE = 0.5
_MULTIPART = 'enctype="multipart/form-data"'

ODD_FIELDS = (
    ('x"\r\nContent-Type: text/html\r\n\r\n<p>', "a name with a header in it"),
    ("a\r\n--boundary", "\r\n--boundary--\r\n"),
    ("__proto__", "{}"),
    ("constructor[prototype]", "1"),
    ("\N{SNOWMAN}&=;", "%00%0d%0a"),
)
"""Hidden fields that come back unchanged from a client that writes forms right."""


def gate(
    inside: str = "",
    *,
    form: str = 'method="post"',
    head: str = "",
    sitekey: str = sitekey_of("hostile"),
    callback: str = "onSolved",
    button: str = "<button>Continue</button>",
) -> Reply:
    """Return a gate. *sitekey* and *callback* are text, all others are HTML."""
    body = (
        "<h1>Security check</h1>\n<p>Please show that you are human.</p>\n"
        f'<form {form}>\n<div class="h-captcha" data-sitekey="{escape(sitekey)}"'
        f' data-callback="{escape(callback)}"></div>\n{inside}\n{button}\n</form>'
    )
    return html_reply(layout("Security check", body, head=f"{_API}{head}"), status=403)


def endless(visit: HostileVisit) -> Reply:
    """Show a gate, and behind it the next one."""
    del visit
    return gate()


def new_key(visit: HostileVisit) -> Reply:
    """Show a gate with another sitekey each time."""
    return gate(sitekey=str(uuid.uuid5(uuid.NAMESPACE_DNS, str(visit.number))))


def bad_key(visit: HostileVisit) -> Reply:
    """Show a gate with the sitekey that the query names."""
    return gate(sitekey=visit.said("key"))


def astray(visit: HostileVisit) -> Reply:
    """Show a gate whose form sends the token to the address in the query."""
    to, how = escape(visit.said("to")), visit.said("how", "action")
    if how == "base":
        return gate(form='method="post" action="take"', head=f'<base href="{to}">')
    if how == "button":
        return gate(button=f'<button formaction="{to}">Continue</button>')
    if how == "script":
        script = f'function go(t) {{ fetch("{to}?{TOKEN}=" + t); }}'
        widget = f'data-sitekey="{sitekey_of("hostile")}" data-callback="go"'
        body = f'<h1>Security check</h1><div class="h-captcha" {widget}></div>'
        head = f"{_API}<script>{script}</script>"
        return html_reply(layout("Security check", body, head=head), status=403)
    return gate(form=f'method="post" action="{to}"')


def refreshing(visit: HostileVisit) -> Reply:
    """Show a gate that refreshes to the address in the query."""
    to = visit.said("to")
    reply = gate(head=f'<meta http-equiv="refresh" content="0;url={escape(to)}">')
    return replace(reply, headers=(("Refresh", f"0;url={to}"),))


def heavy(visit: HostileVisit) -> Reply:
    """Show a gate or an ordinary page of many megabytes."""
    field = '<input type="hidden" name="a" value="a field of which there are many">\n'
    if visit.said("after"):
        reply = gate()
        return replace(reply, body=reply.body + b"<!--" + b" " * visit.size)
    if visit.said("plain"):
        field = field.replace('"hidden"', '"text"')
        text = field * (visit.size // len(field))
        reply = html_reply(layout("A long page", text), status=403)
    else:
        reply = gate(field * (visit.size // len(field)))
    if not visit.said("gzip"):
        return reply
    return replace(
        reply,
        body=gzip.compress(reply.body, compresslevel=1),
        headers=(("Content-Encoding", "gzip"),),
    )


def widgets(visit: HostileVisit) -> Reply:
    """Show a gate with thousands of widgets."""
    del visit
    key = sitekey_of("hostile")
    return gate(f'<div class="h-captcha" data-sitekey="{key}"></div>\n' * 10_000)


def calls(visit: HostileVisit) -> Reply:
    """Show a gate whose script has thousands of nested calls."""
    del visit
    within = "f(" * 15_000
    return gate(head=f"<script>function onSolved(token) {{ {within} }}</script>")


def rqdata(visit: HostileVisit) -> Reply:
    """Show a gate with an rqdata of a megabyte."""
    rqdata = "x" * visit.size
    if visit.said("json"):
        demand = {"captcha_sitekey": sitekey_of("hostile"), "captcha_rqdata": rqdata}
        return json_reply({"captcha_service": "hcaptcha", **demand}, status=400)
    script = f'function go() {{ hcaptcha.setData(0, {{rqdata: "{rqdata}"}}); }}'
    return gate(head=f"<script>{script}</script>")


def nested(visit: HostileVisit) -> Reply:
    """Answer with deeply nested JSON."""
    depth = int(visit.said("depth", "100000"))
    body = b'{"hcaptcha": ' * depth + b"0" + b"}" * depth
    return Reply(status=403, body=body, content_type="application/json")


def cookies(visit: HostileVisit) -> Reply:
    """Show a gate with 200 KB of cookies."""
    value = "x" * 4000
    cookies = (("Set-Cookie", f"c{visit.number}_{n}={value}") for n in range(50))
    return replace(gate(), headers=tuple(cookies))


def odd(visit: HostileVisit) -> Reply:
    """Show a gate whose fields have odd names."""
    del visit
    fields = "".join(
        f'<input type="hidden" name="{_attribute(name)}" value="{_attribute(value)}">'
        for name, value in ODD_FIELDS
    )
    again = f'<textarea name="{TOKEN}" hidden></textarea>' * 3
    charsets = 'accept-charset="base64 utf-7 x-none"'
    return gate(fields + again, form=f'method="post" {_MULTIPART} {charsets}')


def _attribute(text: str) -> str:
    return escape(text).replace("\r", "&#13;").replace("\n", "&#10;")


def named(visit: HostileVisit) -> Reply:
    """Show a gate whose callback has the name in the query."""
    return gate(callback=visit.said("callback"))


def posing(visit: HostileVisit) -> Reply:
    """Answer with an error of the service."""
    del visit
    code = "ERROR_KEY_DOES_NOT_EXIST"
    said = {"errorId": 1, "errorCode": code, "errorDescription": "hCaptcha: bad key"}
    return json_reply({**said, "taskId": "1"}, status=403)


def rotating(visit: HostileVisit) -> Reply:
    """Show a gate with a new cookie each time."""
    return replace(gate(), headers=(session_cookie(visit),))


def session_cookie(visit: HostileVisit) -> tuple[str, str]:
    """Return a cookie with a value of its own for each request."""
    return ("Set-Cookie", f"session_rotating=s{visit.number}; Path=/")


def revoking(visit: HostileVisit) -> Reply:
    """Once it has got a token, show the page or the gate at random."""
    rng = random.Random(visit.number)  # noqa: S311 - guards nothing
    opened = visit.tokens > 0 and rng.random() < _OPEN_RATE
    return visit.content(visit.request) if opened else gate()


def wandering(visit: HostileVisit) -> Reply:
    """Redirect each request to another gate address."""
    if _WANDERING.fullmatch(visit.request.path):
        return gate()
    return redirect_reply(f"/gate/{visit.number}")
