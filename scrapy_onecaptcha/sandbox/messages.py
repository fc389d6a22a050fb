"""Requests and responses as plain data: no socket, no reactor."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from scrapy_onecaptcha.sandbox.forms import Fields, parse_urlencoded

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Manner",
    "Reply",
    "Visit",
    "html_reply",
    "json_reply",
    "redirect_reply",
    "text_reply",
]

Manner = Literal[
    "whole",
    "stall",
    "stall-body",
    "drop",
    "reset",
    "truncated",
    "reset-body",
    "drip",
    "huge",
    "down",
    "endless",
    "bomb",
    "headers",
    "extra",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One HTTP request.

    Attributes:
        method: in upper case.
        uri: path and query, as sent.
        headers: values by lower-case name.
        body: as sent.
        address: IP address of the client.
    """

    method: str = "GET"
    uri: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    address: str = "127.0.0.1"

    @property
    def path(self) -> str:
        """The URI without its query."""
        return self.uri.partition("?")[0]

    @property
    def query(self) -> Fields:
        """Names and values of the query, percent-decoded."""
        return parse_urlencoded(self.uri.partition("?")[2].encode("latin-1", "replace"))

    @property
    def user_agent(self) -> str:
        """The ``User-Agent`` header, empty where there is none."""
        return self.headers.get("user-agent", "")

    @property
    def host(self) -> str:
        """The host of the ``Host`` header, without its port."""
        return self.headers.get("host", "").partition(":")[0]

    @property
    def origin(self) -> str:
        """The origin of the site as this client addresses it."""
        return f"http://{self.headers.get('host', '')}"

    @property
    def referer_origin(self) -> str:
        """The origin of the ``Referer``, empty where there is none."""
        parts = urlsplit(self.headers.get("referer", ""))
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""

    @property
    def cookies(self) -> dict[str, str]:
        """Values of the ``Cookie`` header by name."""
        pairs = (pair.partition("=") for pair in self._cookie_header.split(";"))
        return {name.strip(): value.strip() for name, _, value in pairs}

    @property
    def _cookie_header(self) -> str:
        return self.headers.get("cookie", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP response.

    Attributes:
        status: HTTP status.
        body: the body, encoded.
        content_type: value of the header; empty for none.
        headers: further headers, in order.
        manner: how it reaches the client. ``whole``; ``stall``: never; ``stall-body``:
            half of it, then nothing, on an open connection; ``drop``: the connection is
            closed without an answer; ``reset``: the same by a reset; ``truncated``:
            half of it, then the connection is closed; ``reset-body``: the same by a
            reset; ``drip``: byte by byte, within *seconds*; ``huge``: after 1 GB of
            blanks, written as fast as they are read; ``down``: whole, and then the port
            refuses connections for *seconds*; ``endless``: its body again and again;
            ``bomb``: a few kilobytes that unpack to 600 MB; ``headers``: header lines
            without end; ``extra``: whole, then the same once more, unasked.
        seconds: duration of ``drip`` and ``down``.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    manner: Manner = "whole"
    seconds: float = 0.0


def html_reply(text: str, *, status: int = 200, charset: str = "utf-8") -> Reply:
    """Return a page; a character that *charset* lacks becomes a reference."""
    body = text.encode(charset, "xmlcharrefreplace")
    return Reply(status=status, body=body, content_type=f"text/html; charset={charset}")


def text_reply(text: str, *, status: int = 200) -> Reply:
    """Return *text* as a plain text."""
    content_type = "text/plain; charset=utf-8"
    return Reply(status=status, body=text.encode(), content_type=content_type)


def json_reply(value: object, *, status: int = 200) -> Reply:
    """Return *value* as JSON."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return Reply(status=status, body=body, content_type="application/json")


def redirect_reply(location: str, *, status: int = 302) -> Reply:
    """Return a redirect to *location*."""
    return Reply(status=status, headers=(("Location", location),))
