"""A site that tries to cost its client more than it may: one trick each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.forms import Fields, parse_form
from scrapy_onecaptcha.sandbox.sites.content import ROBOTS, NumberedPages

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.sandbox.ledger import Ledger
    from scrapy_onecaptcha.sandbox.messages import Reply, Visit

__all__ = ["TOKEN", "Hostile", "HostileSite", "HostileVisit", "fields_of"]

TOKEN = "h-captcha-response"  # noqa: S105 - the name of a field
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileVisit:
    """One request, and what a trick needs to know besides.

    Attributes:
        request: the request.
        number: number of requests to the site so far, this one included.
        tokens: number of tokens that the site has got so far, likewise.
        content: answers with the page behind the gate.
    """

    request: Visit
    number: int
    tokens: int
    content: Callable[[Visit], Reply]

    def said(self, name: str, default: str = "") -> str:
        """Return a parameter of the page's query."""
        value = dict(self.request.query).get(name.encode())
        return default if value is None else value.decode("utf-8", "replace")

    @property
    def size(self) -> int:
        """The size of the page, in bytes, that the query asks for."""
        return int(self.said("mb", "1")) * _MEGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """The trick of one site.

    Attributes:
        tries: the trick in a few words.
        page: makes the answer to each request without a token.
        answer: makes the answer to a token; ``None``: *page* does.
    """

    tries: str
    page: Callable[[HostileVisit], Reply]
    answer: Callable[[HostileVisit], Reply] | None = None


class HostileSite:
    """A site with one trick.

    Args:
        name: name of the site.
        hostile: its trick.
        ledger: knows the tokens, counts what the site does.
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
        self._ledger.see(self.name, visit)
        token = dict(fields_of(visit)).get(TOKEN.encode())
        hostile_visit = HostileVisit(
            request=visit,
            number=self._number,
            tokens=self._tokens + (token is not None),
            content=self._content.answer,
        )
        if token is None:
            self._ledger.hit(self.name, visit.path, "gates")
            return self._hostile.page(hostile_visit)
        self._tokens += 1
        self._ledger.verify(token.decode("latin-1"))
        self._ledger.hit(self.name, visit.path, "accepted")
        return (self._hostile.answer or self._hostile.page)(hostile_visit)


def fields_of(visit: Visit) -> Fields:
    """Return the fields of a submitted form; none where it cannot be read."""
    if visit.method == "GET":
        return visit.query
    try:
        return parse_form(visit.headers.get("content-type", ""), visit.body)[1]
    except ValueError:
        return ()
