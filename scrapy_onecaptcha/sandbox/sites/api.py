"""A JSON API that demands a captcha for each call."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.sandbox.forms import parse_urlencoded
from scrapy_onecaptcha.sandbox.messages import Reply, Visit, json_reply
from scrapy_onecaptcha.sandbox.sites.content import ROBOTS
from scrapy_onecaptcha.sandbox.sites.one_time_fields import Tickets

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.sites.context import SiteContext
    from scrapy_onecaptcha.sandbox.sites.one_time_fields import Ticket

__all__ = ["Api", "ApiSite"]

_ITEM = re.compile(r"/api/items/([0-9]{1,9})")
_ITEMS = "/api/items"
_KEY, _TICKET = "captcha_key", "captcha_rqtoken"
_TYPES: dict[str, type] = {"name": str, "quantity": int, "tags": list}
_CREATED = 201
_REFUSED = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The demand of one API: a captcha for each call, with status 400.

    Attributes:
        sitekey: a UUID.
        rqdata: whether each demand has a one-time value for the widget, and a ticket
            (``captcha_rqtoken``) that goes back with the token.
        header: request header that carries the token; its demand does not name it.
            ``""``: the token is ``captcha_key`` in the JSON of a POST or the query of
            a GET, and the demand complains about that field.
        ticket_header: request header that carries the ticket, if *header* is set.
        page_seconds: lifetime of a ticket.
        hangs_up: whether the API closes the connection after it has read and used a
            token, without an answer.
    """

    sitekey: str
    rqdata: bool = False
    header: str = ""
    ticket_header: str = ""
    page_seconds: float = 120.0
    hangs_up: bool = False

    def __post_init__(self) -> None:
        in_header = bool(self.header and self.ticket_header)
        if in_header != bool(self.ticket_header) or (
            self.rqdata and bool(self.header) != in_header
        ):
            raise ValueError("token and ticket go back in the same way")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A call, its token apart from its other fields."""

    token: str | None = None
    ticket: str = ""
    fields: tuple[tuple[str, Any], ...] = ()
    faults: tuple[str, ...] = ()


class ApiSite:
    """``GET /api/items/N`` and ``POST /api/items``, a JSON object each.

    Args:
        context: given by the sandbox.
        api: describes its demand.
    """

    def __init__(self, context: SiteContext, api: Api) -> None:
        self.name = context.name
        self._api = api
        self._ledger = context.ledger
        self._tickets = Tickets(api, clock=context.clock, rng=context.rng)

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        if visit.path == "/robots.txt":
            return ROBOTS
        wanted = "POST" if visit.path == _ITEMS else "GET"
        if visit.path != _ITEMS and not _ITEM.fullmatch(visit.path):
            return json_reply({"message": "Not found"}, status=404)
        if visit.method != wanted:
            return json_reply({"message": "Method not allowed"}, status=405)
        self._ledger.see(self.name, visit)
        call = self._read(visit)
        reply = self._answered(visit, call)
        hangs_up = self._api.hangs_up and call.token is not None
        return Reply(manner="drop") if hangs_up else reply

    def _answered(self, visit: Visit, call: _Call) -> Reply:
        if call.token is None and not call.faults:
            return self._demand(visit, "captcha-required")
        reasons = self._faults(visit, call)
        if reasons:
            return self._rejected(visit, reasons)
        self._ledger.hit(self.name, visit.path, "accepted")
        self._ledger.hit(self.name, visit.path, "content")
        return self._item(visit, call)

    # The call

    def _read(self, visit: Visit) -> _Call:
        if visit.method == "GET":
            read = _fields_call(_texts(visit.query))
        else:
            read = self._posted(visit)
        if not self._api.header:
            return read
        token = visit.headers.get(self._api.header.lower())
        stray = ("unknown-field",) if read.token is not None or read.ticket else ()
        return _Call(
            token=token,
            ticket=visit.headers.get(self._api.ticket_header.lower(), ""),
            fields=read.fields,
            faults=(*read.faults, *stray),
        )

    def _posted(self, visit: Visit) -> _Call:
        content_type = visit.headers.get("content-type", "").partition(";")[0].strip()
        if content_type == "application/x-www-form-urlencoded" and self._api.header:
            return _fields_call(_texts(parse_urlencoded(visit.body)))
        if content_type != "application/json":
            return _Call(faults=("enctype",))
        try:
            told = json.loads(visit.body, object_pairs_hook=_object)
        except _Twice:
            return _Call(faults=("field-twice",))
        except ValueError:
            return _Call(faults=("malformed-form",))
        if not isinstance(told, dict):
            return _Call(faults=("malformed-form",))
        call = _fields_call(tuple(told.items()))
        wrong = any(not isinstance(v, _TYPES.get(n, tuple)) for n, v in call.fields)
        return _with_fault(call, "unknown-field") if wrong else call

    def _faults(self, visit: Visit, call: _Call) -> list[str]:
        ticket, faults = None, list(call.faults)
        if self._api.rqdata and not faults:
            ticket, fault = self._tickets.take(call.ticket)
            faults += [fault] if fault else []
            if ticket is not None and ticket.target != _operation(visit):
                faults.append("ticket-path")
        return faults or self._token_faults(visit, call, ticket)

    def _token_faults(
        self, visit: Visit, call: _Call, ticket: Ticket | None
    ) -> list[str]:
        verdict = self._ledger.verify(
            call.token or "",
            sitekey=self._api.sitekey,
            invisible=False,
            rqdata=ticket.rqdata if ticket is not None else "",
            user_agent=visit.user_agent,
        )
        return [] if verdict.success else [verdict.reason]

    # The answer

    def _demand(self, visit: Visit, code: str) -> Reply:
        self._ledger.hit(self.name, visit.path, "gates")
        if self._api.header and not self._api.rqdata:
            said = {"success": False, "error": code, "sitekey": self._api.sitekey}
            return json_reply(said, status=_REFUSED)
        demand: dict[str, object] = {
            _KEY: [code],
            "captcha_sitekey": self._api.sitekey,
            "captcha_service": "hcaptcha",
        }
        if self._api.rqdata:
            ticket = self._tickets.issue(
                _operation(visit), user_agent=visit.user_agent, cookie=""
            )
            demand |= {"captcha_rqdata": ticket.rqdata, _TICKET: ticket.value}
        return json_reply(demand, status=_REFUSED)

    def _rejected(self, visit: Visit, reasons: list[str]) -> Reply:
        for reason in reasons:
            self._ledger.reject(self.name, reason)
        self._ledger.hit(self.name, visit.path, "rejected")
        # A complaint about its field, or hCaptcha's own code.
        code = "invalid-input-response" if self._api.header else "invalid-response"
        return self._demand(visit, code)

    def _item(self, visit: Visit, call: _Call) -> Reply:
        found = _ITEM.fullmatch(visit.path)
        number = int(found[1]) if found else 1
        item = {
            "id": number,
            "title": f"Item {number} of {self.name}",
            "request": {
                "method": visit.method,
                "path": visit.path,
                "fields": [list(pair) for pair in call.fields],
                "content_type": visit.headers.get("content-type", ""),
                "user_agent": visit.user_agent,
            },
        }
        return json_reply(item, status=200 if found else _CREATED)


class _Twice(Exception):
    """An object has two members of one name."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice
    return found


def _texts(pairs: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode("utf-8", "replace"), value.decode("utf-8", "replace"))
        for name, value in pairs
    )


def _fields_call(pairs: tuple[tuple[str, Any], ...]) -> _Call:
    """Take the token and its ticket out of the fields of a call."""
    own = {name: value for name, value in pairs if name in (_KEY, _TICKET)}
    token, ticket = own.get(_KEY), own.get(_TICKET, "")
    call = _Call(
        token=token if isinstance(token, str) else None,
        ticket=ticket if isinstance(ticket, str) else "",
        fields=tuple(pair for pair in pairs if pair[0] not in own),
    )
    if sum(name in own for name, _ in pairs) > len(own):
        return _with_fault(call, "field-twice")
    odd = any(not isinstance(value, str) for value in own.values())
    return _with_fault(call, "malformed-form") if odd else call


def _with_fault(call: _Call, fault: str) -> _Call:
    return _Call(
        token=call.token,
        ticket=call.ticket,
        fields=call.fields,
        faults=(*call.faults, fault),
    )


def _operation(visit: Visit) -> str:
    return f"{visit.method} {visit.path}"
