"""How a session is named in a store: JSON that any process would write alike."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["name_session", "parts_of", "site_of"]

#: A longer name is not shared: a site cannot fill a store with its host names.
MAX_NAME_LENGTH = 1024


def name_session(site: str, cookiejar: Hashable, proxy: str, egress: str) -> str | None:
    """Return the name that every process gives to a session.

    Args:
        site: scheme and netloc.
        cookiejar: the request's ``meta["cookiejar"]``.
        proxy: host of the proxy and a hash of its credentials; ``""`` for none.
        egress: names the address of this machine, which counts without a proxy.

    Returns:
        It, or ``None`` for a session that stays in its process: only a cookiejar that
        is named by text or a number means the same elsewhere.
    """
    if cookiejar is not None and not _is_shared(cookiejar):
        return None
    name = json.dumps([site, cookiejar, proxy or egress], separators=(",", ":"))
    return name if len(name) <= MAX_NAME_LENGTH else None


def _is_shared(cookiejar: Hashable) -> bool:
    if isinstance(cookiejar, float):
        return math.isfinite(cookiejar)
    return isinstance(cookiejar, str | int) and not isinstance(cookiejar, bool)


def parts_of(session: str) -> tuple[str, str | float | None, str]:
    """Return site, cookiejar and egress of a session's name; empty for no such name."""
    try:
        site, cookiejar, egress = json.loads(session)
    except (ValueError, TypeError):
        return "", None, ""
    return str(site), cookiejar, str(egress)


def site_of(session: str) -> str:
    """Return the site that a session's name begins with; ``""`` for no such name."""
    return parts_of(session)[0]
