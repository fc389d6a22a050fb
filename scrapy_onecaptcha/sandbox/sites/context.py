"""What a site is given by the sandbox that serves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from scrapy_onecaptcha.sandbox.ledger import Ledger

__all__ = ["SiteContext"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteContext:
    """What a site is given by the sandbox that serves it.

    Attributes:
        name: name of the site.
        ledger: knows the tokens, counts what the site does.
        clock: returns the time in seconds.
        rng: cookies and one-time values are drawn from it.
    """

    name: str
    ledger: Ledger
    clock: Callable[[], float]
    rng: random.Random
