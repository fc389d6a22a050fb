"""The reasons for which a site refuses a submission."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["REASONS"]

REASONS: Mapping[str, str] = {
    # The request
    "method": "sent by another method than the form's",
    "action": "sent to another path than the form's action",
    "enctype": "sent as another type than the form's",
    "malformed-form": "the body does not fit its type",
    "referer": "Referer does not name the site",
    "origin": "Origin of a POST is not the site's",
    # The fields
    "field-twice": "a field was sent more than once",
    "unknown-field": "the form does not have this field",
    "state": "the hidden field was changed",
    "constants": "a hidden field was changed, or is missing",
    "honeypot": "the hidden honeypot field is filled, or missing",
    "next": "the field that names the asked page is missing, or names another site",
    "resp-key": "the field respKey is missing",
    "token-fields": "a token field is missing, or they differ",
    "proof-of-work": "the proof of work is missing or wrong",
    # The one-time fields
    "csrf-cookie": "the one-time field belongs to another cookie",
    "ticket-missing": "the one-time field is missing",
    "ticket-unknown": "the site has never issued this one-time field",
    "ticket-used": "the one-time field was used before",
    "ticket-expired": "the one-time field is too old",
    "ticket-path": "the one-time field was issued for another page",
    "ticket-user-agent": "the one-time field was issued to another User-Agent",
    "page-expired": "the page was shown to this address too long ago, or never",
    # The token; the first five are hCaptcha's own codes
    "missing-input-response": "no token",
    "invalid-input-response": "the token is unknown",
    "expired-input-response": "the token is older than 120 s",
    "already-seen-response": "the token was used before",
    "sitekey-secret-mismatch": "the token was solved for another sitekey",
    "invisible-mismatch": "the token was solved for the other kind of widget",
    "rqdata-mismatch": "the token was solved for other rqdata than the page's",
    "user-agent-mismatch": "not sent with the User-Agent of the solution",
    "resp-key-mismatch": "respKey is not the one that belongs to the token",
    "token-refused": "refused at random (refused_rate), or by the path",
}
