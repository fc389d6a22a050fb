"""Which elements are within, beside, around or before others: each is looked at once.

By the combinators of CSS. The first four functions filter elements by what is to their
left in a selector; the last four return what has given elements to its right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["HOLDERS", "JOINS"]


def _within(left: Iterable[Any], right: Iterable[Any]) -> list[Any]:
    """Return those of *right* that are in any of *left*."""
    is_within: dict[Any, bool] = {}
    outer = set(left)
    return [element for element in right if _is_within(element, outer, is_within)]


def _is_within(element: Any, outer: set[Any], known: dict[Any, bool]) -> bool:
    """Tell whether *element* is in any of *outer*; what was found is *known*."""
    path = []
    above = element
    while above is not None and above not in known:
        path.append(above)
        above = above.getparent()
    for each in reversed(path):
        known[each] = above is not None and (known[above] or above in outer)
        above = each
    return known[element]


def _children(left: Iterable[Any], right: Iterable[Any]) -> list[Any]:
    parents = set(left)
    return [element for element in right if element.getparent() in parents]


def _next(left: Iterable[Any], right: Iterable[Any]) -> list[Any]:
    before = set(left)
    return [element for element in right if element.getprevious() in before]


def _after(left: Iterable[Any], right: Iterable[Any]) -> list[Any]:
    """Return those of *right* that come after a sibling of *left*."""
    before, wanted = set(left), list(right)
    found = set()
    for parent in {element.getparent() for element in before} - {None}:
        is_after = False
        for element in parent:
            if is_after:
                found.add(element)
            is_after = is_after or element in before
    return [element for element in wanted if element in found]


def _around(inner: Iterable[Any]) -> set[Any]:
    """Return all elements around those of *inner*."""
    found: set[Any] = set()
    for element in inner:
        above = element.getparent()
        while above is not None and above not in found:
            found.add(above)
            above = above.getparent()
    return found


def _parents(children: Iterable[Any]) -> set[Any]:
    return {element.getparent() for element in children} - {None}


def _previous(following: Iterable[Any]) -> set[Any]:
    return {element.getprevious() for element in following} - {None}


def _before(following: Iterable[Any]) -> set[Any]:
    """Return all siblings before those of *following*."""
    after = set(following)
    found = set()
    for parent in _parents(after):
        is_before = False
        for element in parent.iterchildren(reversed=True):
            if is_before:
                found.add(element)
            is_before = is_before or element in after
    return found


#: By combinator: of the matches of its two sides, those of the right that are joined.
JOINS: Mapping[str, Callable[[Iterable[Any], Iterable[Any]], list[Any]]]
JOINS = {" ": _within, ">": _children, "+": _next, "~": _after}
#: By combinator: what has the elements that are given to its right.
HOLDERS: Mapping[str, Callable[[Iterable[Any]], set[Any]]]
HOLDERS = {" ": _around, ">": _parents, "+": _previous, "~": _before}
