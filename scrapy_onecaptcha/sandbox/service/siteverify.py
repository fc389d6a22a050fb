"""A stand-in for hCaptcha's siteverify, which a site's server asks about a token."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy_onecaptcha.sandbox.forms import Fields, parse_form
from scrapy_onecaptcha.sandbox.messages import Reply, Visit, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy_onecaptcha.sandbox.ledger import Ledger, Token

__all__ = ["TEST_SECRET", "SiteVerify"]

TEST_SECRET = "0x" + "0" * 40
"""The secret that hCaptcha publishes for tests."""


class SiteVerify:
    """siteverify, as a function from request to response.

    Args:
        ledger: knows the tokens.
        secrets: the secrets that are accepted, each with the sitekey that it belongs
            to, or ``None`` for any. By default hCaptcha's test secret, for any sitekey.
    """

    def __init__(
        self, ledger: Ledger, secrets: Mapping[str, str | None] | None = None
    ) -> None:
        self._ledger = ledger
        self._secrets = {TEST_SECRET: None} if secrets is None else dict(secrets)

    def answer(self, visit: Visit) -> Reply:
        """Answer one request; by GET too, since some packages ask that way."""
        self._ledger.calls["siteverify"] += 1
        try:
            fields = _fields(visit)
        except ValueError:
            return _failure("bad-request")
        secret, token = fields.get("secret", ""), fields.get("response", "")
        missing = {"missing-input-secret": secret, "missing-input-response": token}
        if codes := [code for code, value in missing.items() if not value]:
            return _failure(*codes)
        if secret not in self._secrets:
            return _failure("invalid-input-secret")
        return self._judged(token, self._secrets[secret], fields.get("sitekey"))

    def _judged(self, token: str, owned: str | None, named: str | None) -> Reply:
        if named and owned and named != owned:
            return _failure("sitekey-secret-mismatch")
        verdict = self._ledger.verify(token, sitekey=owned or named or None)
        if verdict.token is None or not verdict.success:
            return _failure(*verdict.codes)
        return json_reply(_success(verdict.token))


def _fields(visit: Visit) -> dict[str, str]:
    pairs: Fields = visit.query
    if visit.method == "POST":
        _, pairs = parse_form(visit.headers.get("content-type", ""), visit.body)
    return {name.decode(): value.decode() for name, value in pairs}


def _success(token: Token) -> dict[str, object]:
    issued = datetime.fromtimestamp(token.issued_at, tz=timezone.utc)
    return {
        "success": True,
        "challenge_ts": issued.isoformat(timespec="milliseconds"),
        "hostname": urlsplit(token.url).hostname or "",
        "credit": False,
    }


def _failure(*codes: str) -> Reply:
    return json_reply({"success": False, "error-codes": list(codes)})
