"""HTML and SVG as trees of elements: text in them is escaped by construction."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, tostring

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Element", "document", "tag"]


def tag(
    name: str,
    *content: Element | str | None,
    attributes: Mapping[str, object] | None = None,
    class_: str = "",
) -> Element:
    """Return an element.

    Args:
        name: of the element.
        content: elements and text in their order; ``None`` is nothing.
        attributes: their values become text.
        class_: the attribute of that name.
    """
    element = Element(name)
    if class_:
        element.set("class", class_)
    for key, value in (attributes or {}).items():
        element.set(key, _number(value) if isinstance(value, float) else str(value))
    last: Element | None = None
    for part in content:
        if isinstance(part, str):
            if last is None:
                element.text = (element.text or "") + part
            else:
                last.tail = (last.tail or "") + part
        elif part is not None:
            element.append(part)
            last = part
    return element


def document(root: Element) -> str:
    """Return the page with *root* as its ``<html>``."""
    return f"<!DOCTYPE html>\n{tostring(root, encoding='unicode', method='html')}\n"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
