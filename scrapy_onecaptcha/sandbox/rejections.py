"""Why a site refuses a submission: the closed set of reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["REASONS"]

REASONS: Mapping[str, str] = {
    # How it came
    "method": "sent by another method than the form's",
    "action": "sent to another path than the form's action",
    "enctype": "sent as another type than the form's",
    "malformed-form": "the body is not what its type says",
    "referer": "Referer does not name the site",
    "origin": "Origin of a POST is not the site's",
    # Its fields
    "field-twice": "a field came more than once",
    "unknown-field": "a field that the form does not have",
    "state": "the hidden field came back altered",
    "constants": "a hidden field came back altered, or not at all",
    "honeypot": "the field that no person sees is filled, or missing",
    "next": "the field that names the page is missing or names another site",
    "resp-key": "the field respKey is missing",
    "token-fields": "a token field is missing, or they differ",
    "proof-of-work": "the proof of work is missing or wrong",
    # Its one-time fields
    "csrf-cookie": "the one-time field belongs to another cookie",
    "ticket-missing": "the one-time field is missing",
    "ticket-unknown": "the one-time field was never given out",
    "ticket-used": "the one-time field came before",
    "ticket-expired": "the one-time field is too old",
    "ticket-path": "the one-time field was given out for another page",
    "ticket-user-agent": "the one-time field was given to another User-Agent",
    "page-expired": "the page was shown to this address too long ago, or never",
    # Its token; the first five are hCaptcha's own codes
    "missing-input-response": "no token",
    "invalid-input-response": "nobody knows this token",
    "expired-input-response": "the token is older than 120 s",
    "already-seen-response": "the token was used before",
    "sitekey-secret-mismatch": "the token was solved for another sitekey",
    "invisible-mismatch": "the token was solved for the other kind of widget",
    "rqdata-mismatch": "the token was solved for other rqdata than the page's",
    "user-agent-mismatch": "sent by another User-Agent than the solution's",
    "resp-key-mismatch": "respKey is not what came with the token",
    "token-refused": "chance has it that this token is no good (refused_rate)",
}
