"""The sitekeys of the sandbox's sites."""

from __future__ import annotations

import uuid

__all__ = ["sitekey_of"]


def sitekey_of(name: str) -> str:
    """Return the sitekey of the site *name*: always the same UUID."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.sandbox.invalid"))
