"""A clearance as JSON text, and back; text from a store is read with suspicion."""

from __future__ import annotations

import json
from typing import Any

from scrapy_onecaptcha.stores.base import Clearance, StoreFault

__all__ = ["dump", "load"]

#: A site that sets more cookies than this keeps its clearance in this process.
MAX_PAYLOAD_LENGTH = 64 * 1024


def dump(clearance: Clearance) -> str | None:
    """Return *clearance* as text, or ``None`` where it is too large to share."""
    text = json.dumps(
        {
            "cookies": [dict(cookie) for cookie in clearance.cookies],
            "url_pass": clearance.url_pass,
            "user_agent": clearance.user_agent,
            "egress": clearance.egress,
        },
        separators=(",", ":"),
    )
    return text if len(text) <= MAX_PAYLOAD_LENGTH else None


def load(text: str, generation: int, earned_at: float) -> Clearance:
    """Return the clearance that `dump` wrote.

    Raises:
        StoreFault: it did not.
    """
    try:
        data = json.loads(text)
        return Clearance(
            cookies=tuple(_checked(cookie, dict) for cookie in data["cookies"]),
            url_pass=tuple(_pair(pair) for pair in data["url_pass"]),
            user_agent=_checked(data["user_agent"], str, type(None)),
            egress=_checked(data["egress"], str),
            generation=int(generation),
            earned_at=float(earned_at),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        # Not chained: the error's text may show a cookie.
        raise StoreFault("the store holds a clearance that cannot be read") from None


def _pair(value: Any) -> tuple[str, str]:
    name, text = _checked(value, list)
    return _checked(name, str), _checked(text, str)


def _checked(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds):
        raise TypeError
    return value
