"""Cookies in the headers of requests and responses.

As text they are read as Scrapy's jars read them, so that both can be compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

__all__ = ["pair_of", "sent_cookies", "set_by", "set_cookies_of"]


def sent_cookies(request: Request) -> frozenset[tuple[str, str]]:
    """Return names and values of the cookies that *request* was sent with."""
    header = request.headers.get("Cookie") or b""
    pairs = (part.partition("=") for part in _text(header).split("; "))
    return frozenset((name, value) for name, _, value in pairs if name)


def set_cookies_of(response: Response) -> frozenset[tuple[str, str]]:
    """Return names and values of the cookies that *response* sets or deletes."""
    return frozenset(map(pair_of, map(_text, response.headers.getlist("Set-Cookie"))))


def set_by(request: Request, response: Response) -> frozenset[str]:
    """Return the names of cookies that *response* set and *request* did not have."""
    sent = {name for name, _ in sent_cookies(request)}
    return frozenset(name for name, _ in set_cookies_of(response)) - sent


def pair_of(line: str) -> tuple[str, str]:
    """Return name and value of a cookie, from a *line* as ``Set-Cookie`` has it."""
    name, _, value = line.partition(";")[0].partition("=")
    return name.strip(), value.strip()


def _text(header: bytes) -> str:
    return header.decode("utf-8", "replace")
