"""What the crawl is after."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Book:
    """One book of the shop."""

    title: str
    author: str
    price: str
    stock: str
    url: str
