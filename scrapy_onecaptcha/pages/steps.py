"""Work that is done in steps, so that a crawl can go on between them.

A page that is made to be slow takes up to a second in all. A caller that must not wait
that long takes the steps one by one; each takes a tenth of a second at most.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

__all__ = ["Done", "Steps", "finish", "step"]

_T = TypeVar("_T")

#: A generator that yields after each step and returns the result.
Steps: TypeAlias = Generator[None, None, _T]


@dataclass(frozen=True, slots=True)
class Done(Generic[_T]):
    """There is no step left.

    Attributes:
        result: of them all.
    """

    result: _T


def step(steps: Steps[_T]) -> Done[_T] | None:
    """Take the next step; ``None``: there are more."""
    try:
        next(steps)
    except StopIteration as end:
        return Done(end.value)
    return None


def finish(steps: Steps[_T]) -> _T:
    """Take all steps that are left, at once, and return the result."""
    while True:
        if (done := step(steps)) is not None:
            return done.result
