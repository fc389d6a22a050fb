"""What a gate answers to a right submission, where that is not the page itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.messages import (
    Reply,
    html_reply,
    json_reply,
    redirect_reply,
    text_reply,
)
from scrapy_onecaptcha.sandbox.sites.gate_html import escape, layout

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.sites.gate import Gate

__all__ = ["answer_of", "refreshed"]


def answer_of(gate: Gate, onward: str) -> Reply:
    """Return the answer of *gate*; *onward* is the URI of the page that comes next."""
    if gate.answer == "redirect":
        return redirect_reply(onward, status=gate.redirect_status)
    if gate.answer == "json":
        return json_reply({"ok": True})
    if gate.answer == "word":
        return text_reply("good")
    if gate.answer == "204":
        return Reply(status=204)
    if gate.answer == "empty":
        return Reply()
    return _interstitial(gate, onward)


def _interstitial(gate: Gate, onward: str) -> Reply:
    link = escape(onward)
    if gate.answer == "meta-refresh":
        tag = f'<meta http-equiv="refresh" content="0;url={link}">\n'
        return _one_moment(head=tag)
    if gate.answer == "refresh-header":
        return refreshed(_one_moment(), onward)
    if gate.answer == "location-replace":
        # "<" could end the script element.
        target = json.dumps(onward).replace("<", "\\u003c")
        return _one_moment(head=f"<script>location.replace({target});</script>\n")
    text = f'<p>You have passed the check. <a href="{link}">Go on</a></p>'
    return html_reply(layout("Thank you", f"<h1>Thank you</h1>\n{text}"))


def _one_moment(head: str = "") -> Reply:
    body = "<h1>Thank you</h1>\n<p>One moment, please.</p>"
    return html_reply(layout("Thank you", body, head=head))


def refreshed(reply: Reply, onward: str = "") -> Reply:
    """Return *reply* with a header that has a browser load *onward* at once.

    Without *onward* it loads the same URL again.
    """
    value = f"0; url={onward}" if onward else "0"
    return replace(reply, headers=(*reply.headers, ("Refresh", value)))
