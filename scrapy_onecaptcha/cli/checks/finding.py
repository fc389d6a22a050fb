"""What ``check`` finds: how bad it is, what it is, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["SEVERITIES", "Finding"]

Severity = Literal["error", "risk", "hint"]

#: From the worst to the least: it does not work; it may cost money or pages; it is
#: worth knowing.
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: how bad it is.
        setting: the one that it is about.
        what: how it is, a sentence.
        why: what comes of it, a sentence.
        do: what to set, a sentence.
    """

    severity: Severity
    setting: str
    what: str
    why: str
    do: str
