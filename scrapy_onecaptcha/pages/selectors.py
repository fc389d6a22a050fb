"""CSS selectors whose combinators and places take time that grows with the page only.

libxml2 takes cubic time for ``div div`` on nested elements: 2,000 of them took seconds.
Here the parts of a selector are looked up one by one, and joined in Python; siblings
are counted once for ``:first-child`` and the like. What looks into elements, ``:has()``
and ``:contains()``, still takes time that grows with what they hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cssselect import parse
from cssselect.parser import CombinedSelector
from lxml import etree  # type: ignore[import-untyped,unused-ignore]
from parsel.csstranslator import HTMLTranslator, XPathExpr

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["matches"]

_TRANSLATOR = HTMLTranslator()
# How the translator writes a place among siblings: for each of them libxml2 would go
# over all the others. In a literal it means nothing.
_COUNT = re.compile(
    r"""'[^']*'|"[^"]*"|"""
    r"count\((?P<side>preceding|following)-sibling::(?P<name>\*|[\w-]+)\)"
)
_PLACE = "place"


def matches(root: Any, css: str) -> bool:
    """Tell whether *root* or anything in it matches *css*, ``::text`` included.

    Raises:
        cssselect.SelectorError: for what is no selector.
        ValueError: for one that cannot be evaluated.
    """
    for selector in parse(css):
        found = _select(root, selector.parsed_tree)
        if selector.pseudo_element is None:
            if found:
                return True
            continue
        # With a condition: without one, "self::*" would become "self::text()".
        any_element = XPathExpr(condition="true()")
        part = _TRANSLATOR.xpath_pseudo_element(any_element, selector.pseudo_element)
        if any(_evaluate(element, f"self::{part}") for element in found):
            return True
    return False


def _select(root: Any, tree: Any) -> list[Any]:
    """Return the elements that match *tree*, in the order of the page."""
    if not isinstance(tree, CombinedSelector):
        return _evaluate(root, f"descendant-or-self::{_TRANSLATOR.xpath(tree)}")
    left = _select(root, tree.selector)
    right = _select(root, tree.subselector) if left else []
    join = {" ": _within, ">": _children, "+": _next, "~": _after}[tree.combinator]
    return join(left, right)


def _evaluate(element: Any, path: str) -> list[Any]:
    places = {(None, _PLACE): _Places().count}
    try:
        return list(element.xpath(_COUNT.sub(_as_place, path), extensions=places))
    except etree.XPathError as error:
        raise ValueError(f"{error} in {path}") from error


def _as_place(found: re.Match[str]) -> str:
    """Return the XPath for what was *found* by `_COUNT`; literals stay as they are."""
    if found["side"] is None:
        return found[0]
    return f"{_PLACE}('{found['side']}', '{found['name']}')"


class _Places:
    """Counts an element's siblings, those of each parent once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[Any, int]] = {}

    def count(self, context: Any, side: str, name: str) -> int:
        """Return how many siblings of that *name* the element has on that *side*.

        Args:
            context: of XPath, which has the element.
            side: ``preceding`` or ``following``.
            name: of the siblings; ``*`` for any.
        """
        element = context.context_node
        known = self._known.setdefault((side, name), {})
        if element not in known:
            parent = element.getparent()
            family = [element] if parent is None else parent.iterchildren("*")
            in_order = list(family) if side == "preceding" else list(family)[::-1]
            so_far = 0
            for each in in_order:
                known[each] = so_far
                so_far += name in ("*", each.tag)
        return known[element]


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
