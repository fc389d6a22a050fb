"""Work that is done in steps, so that a crawl can go on between them.

A page that is made to be slow takes up to a second in all. A caller that must not wait
that long takes the steps one by one; each takes a tenth of a second at most.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

__all__ = ["Steps", "finish"]

_T = TypeVar("_T")

#: A generator that yields after each step and returns the result.
Steps: TypeAlias = Generator[None, None, _T]


def finish(steps: Steps[_T]) -> _T:
    """Take all steps that are left, at once, and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result
