"""What a site grants for a token, and to whom it opens for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from scrapy_onecaptcha.sandbox.messages import Visit
    from scrapy_onecaptcha.sandbox.sites.gate import Gate

__all__ = ["Clearances", "without_pass"]

_PASS = "pass"  # noqa: S105 - the name of a query parameter


@dataclass(slots=True, kw_only=True)
class _Grant:
    user_agent: str = ""
    target: str = ""
    issued_at: float = 0.0
    pages: int | None = None


class Clearances:
    """The clearances of one site.

    Args:
        site: its name; part of the cookie's, as cookies do not know of ports.
        gate: tells what is granted.
        clock: returns the time in seconds.
        rng: what cookies and passes are drawn from.
    """

    def __init__(
        self, site: str, gate: Gate, *, clock: Callable[[], float], rng: random.Random
    ) -> None:
        self.cookie_name = f"clearance_{site}"
        self._gate = gate
        self._clock = clock
        self._rng = rng
        self._grants: dict[str, _Grant] = {}

    def admits(self, visit: Visit) -> tuple[bool, str]:
        """Return whether the page is open to *visit*, and why what it shows fails."""
        key = self._key(visit)
        if not key:
            return False, ""
        grant = self._grants.get(key)
        if grant is None:
            return False, "" if self._gate.grants == "ip" else "unknown"
        refusal = self._refusal(grant, visit)
        if not refusal and grant.pages is not None:
            grant.pages -= 1
        return not refusal, refusal

    def _key(self, visit: Visit) -> str:
        if self._gate.grants == "ip":
            return visit.address
        if self._gate.grants == "cookie":
            return visit.cookies.get(self.cookie_name, "")
        return dict(_query(visit.uri)).get(_PASS, "")

    def _refusal(self, grant: _Grant, visit: Visit) -> str:
        seconds = self._gate.clearance_seconds
        wrong = {
            "expired": seconds is not None
            and self._clock() - grant.issued_at > seconds,
            "spent": grant.pages is not None and grant.pages <= 0,
            "user-agent": bool(grant.user_agent)
            and visit.user_agent != grant.user_agent,
            "path": bool(grant.target) and without_pass(visit.uri) != grant.target,
        }
        return next((name for name, is_wrong in wrong.items() if is_wrong), "")

    def grant(self, visit: Visit, user_agent: str, target: str) -> tuple[str, str]:
        """Grant what the gate grants; return the cookie to set and the URI to go on to.

        Args:
            visit: the submission.
            user_agent: that the token was solved for; ``""`` for none.
            target: path and query of the page that was asked for.
        """
        seconds, pages = self._clock(), self._gate.clearance_pages
        if self._gate.grants == "ip":
            self._grants[visit.address] = _Grant(issued_at=seconds, pages=pages)
            return "", target
        key = f"{self._rng.getrandbits(128):032x}"
        grant = _Grant(user_agent=user_agent, issued_at=seconds, pages=pages)
        self._grants[key] = grant
        if self._gate.grants == "cookie":
            return f"{self.cookie_name}={key}; Path=/; HttpOnly; SameSite=Lax", target
        grant.target, grant.pages = target, 1
        return "", _with_pass(target, key)


def _query(uri: str) -> list[tuple[str, str]]:
    return parse_qsl(uri.partition("?")[2], keep_blank_values=True)


def _with_pass(uri: str, key: str) -> str:
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode({_PASS: key})}"


def without_pass(uri: str) -> str:
    """Return a URI without the pass in its query; the rest of it unchanged."""
    path, _, query = uri.partition("?")
    kept = [pair for pair in query.split("&") if not pair.startswith(f"{_PASS}=")]
    rest = "&".join(kept)
    return f"{path}?{rest}" if rest else path
