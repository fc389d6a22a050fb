"""Which controls of a page are disabled, after the HTML standard.

A disabled fieldset disables what is in it, except in its first legend. So it disables
each of its other children, with what is in them. No control looks up its ancestors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.pages.relatives import JOINS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["disabled_and_enabled"]

# What a fieldset disables.
_CONTROLS = frozenset({"button", "fieldset", "input", "select", "textarea"})
_TAGS = _CONTROLS | {"optgroup", "option"}
_within = JOINS[" "]


def disabled_and_enabled(elements: Iterable[Any]) -> tuple[set[Any], set[Any]]:
    """Return the disabled ones of *elements*, and those that could be but are not."""
    all_of_them = [each for each in elements if each.tag in _TAGS]
    disabled = {each for each in all_of_them if each.get("disabled") is not None}
    groups = {each for each in disabled if each.tag == "optgroup"}
    inside = {child for each in disabled for child in _disabled_children(each)}
    options = (each for each in all_of_them if each.tag == "option")
    controls = [each for each in all_of_them if each.tag in _CONTROLS]
    disabled.update(
        _within(groups, options),
        _within(inside, controls),
        (each for each in controls if each in inside),
    )
    return disabled, set(all_of_them) - disabled


def _disabled_children(element: Any) -> Iterator[Any]:
    """Yield the children of a disabled fieldset that it disables; else nothing."""
    if element.tag == "fieldset":
        legend = element.find("legend")
        yield from (each for each in element.iterchildren("*") if each is not legend)
