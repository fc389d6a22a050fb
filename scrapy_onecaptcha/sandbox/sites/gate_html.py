"""The HTML and JavaScript of the gates, as real products write them."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.sites.gate import SCRIPT_PATH
from scrapy_onecaptcha.sandbox.sites.submission_checks import PROOF_ZEROS

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.sites.gate import Gate
    from scrapy_onecaptcha.sandbox.sites.one_time_fields import Ticket

__all__ = ["escape", "gate_page", "gate_script", "layout"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: #f4f5f7;
  color: #1c2430 }
main { max-width: 42rem; margin: 3rem auto; padding: 2rem; background: #fff;
  border-radius: 8px; box-shadow: 0 1px 4px rgba(0, 0, 0, .15) }
button { font: inherit; padding: .5rem 1.25rem; margin-top: 1rem }
pre { white-space: pre-wrap; background: #f4f5f7; padding: 1rem }
.h-captcha:not(button), #captcha { min-height: 78px }
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="{charset}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
{head}</head>
<body{attributes}>
<main>
{body}
</main>
</body>
</html>
"""
_GATE = """<h1>{heading}</h1>
<p>Please complete the check below to go on to {site}.</p>
{before}<form id="gate" action="{action}" method="{method}"{enctype}>
{inside}
{button}
</form>
<p><small>This takes a moment and is asked for once in a while.</small></p>"""
_MENU = "\n".join(
    f'<li><a href="/{name.lower().replace(" ", "-")}">{name}</a></li>'
    for name in (
        "Home",
        "This month",
        "Voyages",
        "Ships",
        "People",
        "Charts",
        "Weather",
        "Letters",
        "Subscriptions",
        "About us",
        "Write to us",
        "Imprint",
    )
)
_DRESSED = """<nav><ul>
{menu}
</ul></nav>
<h1>{heading}</h1>
<p>Every number since the first one is kept here, as it was printed, with its
charts and its letters to the editor. Readers use the room from all over the world, at
all hours, and most of them stay for longer than they meant to.</p>
{before}<form id="gate" action="{action}" method="{method}"{enctype}>
{inside}
{button}
</form>
<footer>
<p>The magazine appears on the first of each month. It is written by those who sail,
build and repair, and by those who wait for them ashore. What is printed in it has been
read by two people who were there.</p>
<p>Subscribers get it by post, wrapped in paper that has been used before. Single
numbers are sold at the harbour office, at the chandler's on the quay and on the ferry,
as long as there are any.</p>
<p>We thank the pilots, who lend us their logs, and the school, whose pupils draw the
maps of the winter numbers. Letters are welcome, and are printed as they come.</p>
</footer>"""
_CALLING = """<h1>{heading}</h1>
<p>Please complete the check below to go on to {site}.</p>
{widget}"""
_PROVING = """<h1>{heading}</h1>
<p>Please complete the check below while your browser works.</p>
<div id="captcha">{widget}</div>
<noscript>
<p>Without JavaScript: run this, and put in what it prints.</p>
<form method="post">
<textarea name="{field}" required></textarea>
<input type="submit" value="Send">
</form>
</noscript>
<div class="powstatus"></div>"""


def escape(text: str) -> str:
    """Escape for text and attributes, with the entities that servers use."""
    return html.escape(text).replace("&#x27;", "&#39;")


def layout(
    title: str,
    body: str,
    *,
    head: str = "",
    charset: str = "utf-8",
    attributes: str = "",
) -> str:
    """Return a whole page around *body*, which is HTML; *title* is text."""
    return _PAGE.format(
        title=escape(title),
        body=body,
        head=head,
        charset=charset,
        style=_STYLE,
        attributes=attributes,
    )


def gate_page(gate: Gate, site: str, ticket: Ticket, target: str) -> str:
    """Return the page of a gate.

    Args:
        gate: describes the gate.
        site: name of the site, as the page shows it.
        ticket: the one-time values of this page.
        target: path and query of the page that was asked for.
    """
    if gate.proof_of_work:
        return _proving_page(gate, ticket)
    widget = _widget(gate)
    if gate.sender == "xhr":
        text = _CALLING.format(
            heading=escape(gate.heading), site=escape(site), widget=widget
        )
        return _page_of(gate, ticket, text)
    # Products whose widget is outside of the form have a callback that fills a field.
    outside = bool(gate.token_field)
    multipart = gate.enctype == "multipart/form-data"
    fields = "\n".join(_fields(gate, ticket, target))
    body = (_DRESSED if gate.dressed else _GATE).format(
        heading=escape(gate.heading),
        site=escape(site),
        before=f"{widget}\n" if outside else "",
        action=_action(gate, target),
        method=gate.method.lower(),
        enctype=f' enctype="{gate.enctype}"' if multipart else "",
        inside=fields if outside else f"{fields}\n{widget}",
        button=_button(gate),
        menu=_MENU,
    )
    return _page_of(gate, ticket, body)


def _page_of(gate: Gate, ticket: Ticket, body: str) -> str:
    script = "" if gate.widget == "element" else f"{_script(gate, ticket)}\n"
    if gate.bundled:
        script = f'<script src="{SCRIPT_PATH}"></script>\n'
    return layout(
        gate.heading if gate.dressed else "Just a moment",
        body,
        head=f"{script}{_api_script(gate)}\n",
        charset=gate.charset,
    )


def gate_script(gate: Gate) -> str:
    """Return the callback of a *bundled* gate."""
    return "\n".join(["function onSolved(token) {", *_calling(gate), "}", ""])


def _proving_page(gate: Gate, ticket: Ticket) -> str:
    text = _PROVING.format(
        heading=escape(gate.heading), widget=_widget(gate), field=gate.ticket_field
    )
    work = f'data-pow="{escape(ticket.value)}" data-diff="{PROOF_ZEROS}"'
    return layout(
        "Just a moment",
        text,
        head=f'<script src="/pow/challenge.min.js"></script>\n{_api_script(gate)}\n',
        charset=gate.charset,
        attributes=f' {work} data-mode="sha256"',
    )


def _action(gate: Gate, target: str) -> str:
    if not gate.spelled_action:
        return escape(gate.action)
    # As WordPress escapes URLs.
    return escape(gate.action or target).replace("&amp;", "&#038;")


def _fields(gate: Gate, ticket: Ticket, target: str) -> list[str]:
    hidden = {
        gate.ticket_field: ticket.value if gate.ticketed else None,
        "next": target if gate.names_next else None,
        "state": gate.state or None,
        "respKey": "" if gate.needs_resp_key else None,
        gate.token_field or "token": "" if gate.token_field else None,
        **dict(gate.constants),
    }
    fields = [
        f'<input type="hidden" name="{name}" id="{name}" value="{escape(value)}">'
        for name, value in hidden.items()
        if value is not None
    ]
    if gate.honeypot:
        fields.append(
            f'<input type="text" name="{gate.honeypot_field}" value=""'
            ' style="display:none" tabindex="-1" autocomplete="off">'
        )
    return fields


def _widget(gate: Gate) -> str:
    sitekey = escape(gate.sitekey)
    return {
        "container": f'<div class="h-captcha" data-sitekey="{sitekey}"'
        ' data-callback="onSolved"></div>',
        "element": f'<h-captcha class="h-captcha" data-sitekey="{sitekey}"'
        ' data-theme="auto" data-size="normal" data-auto="false"></h-captcha>',
        "explicit": '<div id="captcha"></div>',
        "invisible": f'<div class="h-captcha" data-sitekey="{sitekey}"'
        ' data-size="invisible" data-callback="onSolved"></div>',
        "button": "",
    }[gate.widget]


def _button(gate: Gate) -> str:
    if gate.widget == "button":
        return (
            f'<button class="h-captcha" data-sitekey="{escape(gate.sitekey)}"'
            ' data-callback="onSolved">Continue</button>'
        )
    if gate.widget == "invisible":
        return '<button type="button" onclick="check()">Continue</button>'
    said = "Open" if gate.dressed else "Continue"
    return f'<button type="submit">{said}</button>'


def _script(gate: Gate, ticket: Ticket) -> str:
    lines = ["function onSolved(token) {"]
    if gate.token_field:
        name = _quoted(gate.token_field)
        lines.append(f"  document.getElementById({name}).value = token;")
    if gate.sender == "xhr":
        lines += _calling(gate)
    else:
        lines.append('  document.getElementById("gate").submit();')
    lines.append("}")
    if gate.widget == "explicit":
        lines += _rendering(gate, ticket)
    elif gate.rqdata and gate.widget == "container":
        data = _quoted(ticket.rqdata)
        lines += [
            "function onCaptchaLoad() {",
            f"  hcaptcha.setData(0, {{rqdata: {data}}});",
            "}",
        ]
    if gate.widget == "invisible":
        data = f", {{rqdata: {_quoted(ticket.rqdata)}}}" if gate.rqdata else ""
        lines.append(f"function check() {{ hcaptcha.execute(0{data}); }}")
    elif gate.rqdata and gate.widget == "button":
        data = _quoted(ticket.rqdata)
        lines.append(f"window.onload = () => hcaptcha.setData(0, {{rqdata: {data}}});")
    return "\n".join(["<script>", *lines, "</script>"])


def _calling(gate: Gate) -> list[str]:
    if gate.token_header:
        return _calling_by_header(gate)
    # The products do not encode the token.
    name = _quoted(f"{gate.token_fields[0]}=")
    return [
        "  var call = new XMLHttpRequest();",
        f'  call.open("POST", {_quoted(gate.action)});',
        '  call.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");',
        "  call.onreadystatechange = function () {",
        '    if (call.readyState === 4 && call.responseText === "good") {',
        "      window.location.reload();",
        "    }",
        "  };",
        f"  call.send({name} + token);",
    ]


def _calling_by_header(gate: Gate) -> list[str]:
    return [
        "  var call = new XMLHttpRequest();",
        f'  call.open("POST", {_quoted(gate.action)});',
        f"  call.setRequestHeader({_quoted(gate.token_header)}, token);",
        "  call.onload = function () { window.location.reload(); };",
        "  call.send();",
    ]


def _rendering(gate: Gate, ticket: Ticket) -> list[str]:
    options = f'sitekey: {_quoted(gate.sitekey)}, theme: "light", callback: onSolved'
    lines = [
        "function onCaptchaLoad() {",
        f'  var id = hcaptcha.render("captcha", {{{options}}});',
    ]
    if gate.rqdata:
        lines.append(f"  hcaptcha.setData(id, {{rqdata: {_quoted(ticket.rqdata)}}});")
    return [*lines, "}"]


def _api_script(gate: Gate) -> str:
    query = {
        "onload=onCaptchaLoad": gate.widget == "explicit"
        or (gate.rqdata and gate.widget == "container"),
        "render=explicit": gate.widget == "explicit",
        "recaptchacompat=off": not gate.compat,
    }
    parameters = "&".join(pair for pair, wanted in query.items() if wanted)
    url = f"https://js.hcaptcha.com/1/api.js{'?' if parameters else ''}{parameters}"
    return f'<script src="{escape(url)}" async defer></script>'


def _quoted(text: str) -> str:
    # "<" could end the script element.
    return json.dumps(text).replace("<", "\\u003c")
