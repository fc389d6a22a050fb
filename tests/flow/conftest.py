"""Fixtures of the tests that crawl in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .virtual import Crawl

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def crawling() -> Callable[..., Crawl]:
    """Return what makes a crawl in virtual time."""

    def make(**options: Any) -> Crawl:
        return Crawl(**options)

    return make
