"""Points, the service's currency, as a person reads them."""

from __future__ import annotations

__all__ = ["POINTS_PER_CNY", "price"]

#: The service's price list: 1,000 points are 1 CNY.
POINTS_PER_CNY = 1000


def price(points: float) -> str:
    """Return *points* and what they are worth, for a person."""
    return f"{points:,g} points ({points / POINTS_PER_CNY:,.3f} CNY)"
