"""The checks of a submission, all but that of its token."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy_onecaptcha.sandbox.forms import Fields, parse_form

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.messages import Visit
    from scrapy_onecaptcha.sandbox.sites.gate import Gate
    from scrapy_onecaptcha.sandbox.sites.one_time_fields import Ticket

__all__ = [
    "PROOF_ZEROS",
    "Submission",
    "form_faults",
    "is_local",
    "is_proof",
    "read_submission",
]

PROOF_ZEROS = 2
"""Hexadecimal zeros that a proof of work begins with."""

_TOKEN_FIELDS = ("h-captcha-response", "g-recaptcha-response")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A form as it was sent.

    Attributes:
        media_type: media type of its body; ``""`` for a GET form.
        fields: names and values, as bytes in the encoding of the page.
        malformed: whether the body is not what its type says.
    """

    media_type: str = ""
    fields: Fields = ()
    malformed: bool = False

    def values(self, name: str) -> list[bytes]:
        """Return all values of a field."""
        return [value for key, value in self.fields if key == name.encode()]

    def text(self, name: str) -> str:
        """Return the first value of a field, empty where the form has no such field."""
        return next(iter(self.values(name)), b"").decode("utf-8", "replace")


def read_submission(gate: Gate, visit: Visit) -> Submission | None:
    """Return what was submitted, or ``None`` where the request is no submission."""
    if gate.token_header:
        return _read_header(gate, visit)
    read = _read(visit)
    marks = {
        *_TOKEN_FIELDS,
        *gate.token_fields,
        *([gate.ticket_field] if gate.ticketed else []),
    }
    if any(read.values(mark) for mark in marks):
        return read
    # An unreadable body that names a token field is a broken submission.
    garbled = read.malformed and any(mark.encode() in visit.body for mark in marks)
    return read if garbled else None


def _read_header(gate: Gate, visit: Visit) -> Submission | None:
    token = visit.headers.get(gate.token_header.lower())
    if token is None:
        return None
    fields = tuple((name.encode(), token.encode()) for name in gate.token_fields)
    return Submission(media_type=gate.enctype, fields=fields)


def _read(visit: Visit) -> Submission:
    if visit.method in ("GET", "HEAD"):
        return Submission(fields=visit.query)
    content_type = visit.headers.get("content-type", "")
    try:
        media_type, fields = parse_form(content_type, visit.body)
    except ValueError:
        return Submission(media_type=content_type.partition(";")[0], malformed=True)
    return Submission(media_type=media_type, fields=fields)


def form_faults(
    gate: Gate, visit: Visit, form: Submission, ticket: Ticket | None
) -> list[str]:
    """Return each fault of a submission, apart from its token and one-time field."""
    if visit.method != gate.method:
        return ["method"]
    if form.malformed:
        return ["malformed-form"]
    faults = [
        *_transport_faults(gate, visit, form),
        *_token_field_faults(gate, form),
        *_field_faults(gate, form),
    ]
    if ticket is not None:
        faults += _ticket_faults(gate, visit, form, ticket)
    return faults


def _transport_faults(gate: Gate, visit: Visit, form: Submission) -> list[str]:
    headers = gate.check_headers
    posted = gate.method == "POST"
    wrong = {
        "enctype": posted and form.media_type != gate.enctype,
        "referer": headers and visit.referer_origin != visit.origin,
        "origin": headers and posted and visit.headers.get("origin") != visit.origin,
    }
    return [name for name, is_wrong in wrong.items() if is_wrong]


def _token_field_faults(gate: Gate, form: Submission) -> list[str]:
    sent = {name: form.values(name) for name in gate.token_fields}
    if not any(value for values in sent.values() for value in values):
        return ["missing-input-response"]
    # The widget fills each field once, all with the same value.
    tokens = {tuple(values) for values in sent.values()}
    return [] if len(tokens) == 1 and len(tokens.pop()) == 1 else ["token-fields"]


def _field_faults(gate: Gate, form: Submission) -> list[str]:
    allowed = {name.encode() for name in _allowed(gate)}
    names = [name for name, _ in form.fields]
    state = [value.replace(b"\r\n", b"\n") for value in form.values("state")]
    target = form.values("next")
    wrong = {
        "unknown-field": not allowed.issuperset(names),
        "field-twice": len(names) != len(set(names)),
        "state": bool(gate.state) and state != [gate.state.encode(gate.charset)],
        "constants": any(
            form.values(name) != [value.encode(gate.charset)]
            for name, value in gate.constants
        ),
        "honeypot": gate.honeypot and form.values(gate.honeypot_field) != [b""],
        "proof-of-work": gate.proof_of_work
        and not is_proof(form.text(gate.ticket_field)),
        "next": gate.names_next and not (target and is_local(form.text("next"))),
        "resp-key": gate.needs_resp_key and not form.values("respKey"),
    }
    return [name for name, is_wrong in wrong.items() if is_wrong]


def _allowed(gate: Gate) -> set[str]:
    # respKey is allowed everywhere: the service says to submit it where it returns one.
    optional = {
        gate.ticket_field: gate.ticketed,
        "state": bool(gate.state),
        gate.honeypot_field: gate.honeypot,
        "next": gate.names_next,
    }
    known = {name for name, exists in optional.items() if exists}
    # With a token field of the form's own the widget is outside of it. A browser would
    # not send the widget's fields then; a client that does is let pass.
    widget = _TOKEN_FIELDS if gate.token_field else ()
    constants = {name for name, _ in gate.constants}
    return {*gate.token_fields, *widget, "respKey", *constants, *known}


def _ticket_faults(
    gate: Gate, visit: Visit, form: Submission, ticket: Ticket
) -> list[str]:
    named = form.text("next") or ticket.target
    wrong = {
        "ticket-path": gate.bound and named != ticket.target,
        "ticket-user-agent": gate.bound and visit.user_agent != ticket.user_agent,
    }
    return [name for name, is_wrong in wrong.items() if is_wrong]


def is_proof(text: str) -> bool:
    """Whether the hash of *text* (challenge, ``#``, number) begins with zeros."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return digest.startswith("0" * PROOF_ZEROS)


def is_local(uri: str) -> bool:
    """Whether a URI is a path of the same site, so that a gate may redirect to it."""
    parts = urlsplit(uri)
    # Browsers read a backslash as a slash.
    local = uri.startswith("/") and "\\" not in uri
    return local and not parts.scheme and not parts.netloc
