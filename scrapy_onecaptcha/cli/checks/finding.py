"""A finding of ``check``: severity, description, remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["SEVERITIES", "Finding"]

Severity = Literal["error", "risk", "hint"]

#: From the worst to the least: an error does not work, a risk may cost money or pages,
#: a hint is worth knowing.
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem of a project.

    Attributes:
        severity: how bad it is.
        setting: the setting that it is about.
        what: the problem, a sentence.
        why: its consequence, a sentence.
        do: its remedy, a sentence.
    """

    severity: Severity
    setting: str
    what: str
    why: str
    do: str
