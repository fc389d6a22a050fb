"""The clearances that a site has granted, and the requests that they admit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from scrapy_onecaptcha.sandbox.messages import Visit
    from scrapy_onecaptcha.sandbox.sites.gate import Gate

__all__ = ["Clearances", "section_of", "without_pass"]

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
        site: name of the site; part of the cookie's name, because cookies of one host
            are sent to all of its ports.
        gate: says what is granted.
        clock: returns the time in seconds.
        rng: cookies and passes are drawn from it.
    """

    def __init__(
        self, site: str, gate: Gate, *, clock: Callable[[], float], rng: random.Random
    ) -> None:
        self.cookie_name = f"clearance_{site}"
        self._gate = gate
        self._clock = clock
        self._rng = rng
        # By key, and by section where a clearance is good for one section only.
        self._grants: dict[tuple[str, str], _Grant] = {}
        self._keys: set[str] = set()

    def admits(self, visit: Visit) -> tuple[bool, str]:
        """Return whether the page is open and, if it is not, what is wrong.

        Nothing is wrong (``""``) where the request came without a clearance.
        """
        key = self._key(visit)
        if not key:
            return False, ""
        grant = self._grants.get((key, self._section(visit.uri)))
        if grant is None:
            return False, self._unknown(key)
        refusal = self._refusal(grant, visit)
        if not refusal and grant.pages is not None:
            grant.pages -= 1
        return not refusal, refusal

    def _unknown(self, key: str) -> str:
        if self._gate.grants == "ip":
            return ""
        return "section" if key in self._keys else "unknown"

    def _key(self, visit: Visit) -> str:
        if self._gate.grants == "ip":
            return visit.address
        if self._gate.grants == "cookie":
            return visit.cookies.get(self.cookie_name, "")
        return dict(_query(visit.uri)).get(_PASS, "")

    def _section(self, uri: str) -> str:
        by_section = self._gate.clearance_scope in ("path", "section")
        return section_of(uri) if by_section else ""

    def _refusal(self, grant: _Grant, visit: Visit) -> str:
        seconds, age = self._gate.clearance_seconds, self._clock() - grant.issued_at
        wrong = {
            "too-early": age < self._gate.clearance_delay,
            "expired": seconds is not None and age > seconds,
            "spent": grant.pages is not None and grant.pages <= 0,
            "user-agent": bool(grant.user_agent)
            and visit.user_agent != grant.user_agent,
            "path": bool(grant.target) and without_pass(visit.uri) != grant.target,
        }
        return next((name for name, is_wrong in wrong.items() if is_wrong), "")

    def grant(self, visit: Visit, user_agent: str, target: str) -> tuple[str, str]:
        """Grant a clearance; return the cookie to set and the URI to go on to.

        Args:
            visit: the submission.
            user_agent: User-Agent that the token was solved for; ``""`` for none.
            target: path and query of the page that was asked for.
        """
        seconds, pages = self._clock(), self._gate.clearance_pages
        grant = _Grant(user_agent=user_agent, issued_at=seconds, pages=pages)
        if self._gate.grants == "ip":
            grant.user_agent = ""
            self._grants[visit.address, ""] = grant
            return "", target
        key = self._new_key(visit)
        self._grants[key, self._section(target)] = grant
        if self._gate.grants == "cookie":
            return (
                f"{self.cookie_name}={key}; {self._attributes(visit, target)}",
                target,
            )
        grant.user_agent = ""
        if self._gate.grants == "nothing":
            grant.target, grant.pages = target, 1
        return "", _with_pass(target, key)

    def _new_key(self, visit: Visit) -> str:
        # A server that keeps sections beside the client's cookie goes on with it.
        known = self._key(visit) if self._gate.clearance_scope == "section" else ""
        key = known if known in self._keys else f"{self._rng.getrandbits(128):032x}"
        self._keys.add(key)
        return key

    def _attributes(self, visit: Visit, target: str) -> str:
        path = "/"
        if self._gate.clearance_scope == "path":
            path = f"/{section_of(target)}"
        domain = ""
        if self._gate.clearance_scope == "domain":
            domain = f"; Domain={visit.host.partition('.')[2] or visit.host}"
        return f"Path={path}{domain}; HttpOnly; SameSite=Lax"


def section_of(uri: str) -> str:
    """Return the section of a URI: ``music`` of ``/music/page/1``.

    Paths of fewer than three parts have none: ``""``.
    """
    parts = uri.partition("?")[0].split("/")
    return parts[1] if len(parts) > 3 else ""  # noqa: PLR2004 - "/music/page/1"


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
