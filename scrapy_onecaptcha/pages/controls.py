"""The controls of forms: whose they are, and which ones a visitor is to fill in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scrapy_onecaptcha.models import TOKEN_FIELDS
from scrapy_onecaptcha.pages.form_owners import hides

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_onecaptcha.pages.html import Node, Page

__all__ = [
    "BUTTONS",
    "MAX_CONTROLS",
    "SUBMITS",
    "controls",
    "is_asked",
    "is_disabled",
    "is_search",
    "is_whole",
    "label",
    "owner",
    "type_of",
    "visitor_fields",
]

# No gate has that many controls; it bounds the work on a hostile page.
MAX_CONTROLS = 200
#: The types of buttons that submit their form, and of all buttons.
SUBMITS = frozenset({"submit", "image"})
BUTTONS = SUBMITS | {"reset", "button"}
_SEARCH = frozenset({"q", "s", "query", "search", "keyword", "keywords", "term"})
# Names of a box to tick for later visits: that question need not be answered, nor need
# a menu of languages.
_OPTIONAL = re.compile(
    r"remember|trust|stay[_ -]?(?:signed|logged)|keep[_ -]?me|merken|souvenir|recordar"
    r"|lembrar|ricorda|onthoud|zapamięt|запомн",
    re.IGNORECASE,
)
_CONSENT = re.compile(
    r"terms|agree|accept|consent|confirm|privacy|policy|gdpr|agb|subscri|news|adult|age"
    r"|rgpd|dsgvo|akzept|accepte|acepto|aceit|regul|vilk|villkor",
    re.IGNORECASE,
)
_LANGUAGE = re.compile(
    r"lang|locale|^hl$|sprache|idioma|lingua|taal|język|jezyk|язык|dil$",
    re.IGNORECASE,
)


def visitor_fields(form: Node, page: Page) -> list[Node]:
    """Return the controls of *form* that a visitor is asked to fill in.

    A lone box that need not be ticked, and is no consent, is not asked for: it
    may remember the visitor.
    """
    asked = [e for e in controls(form, page) if is_asked(e, page, within=form)]
    if len(asked) == 1 and type_of(asked[0]) == "checkbox":
        box = asked[0]
        named = f"{box.get('name') or ''} {box.get('id') or ''}"
        if box.get("required") is None and not _CONSENT.search(named):
            return []
    return asked


def controls(form: Node, page: Page) -> Iterator[Node]:
    """Yield the controls of *form* in the order of the page."""
    yield from page.owners.controls.get(form, ())[:MAX_CONTROLS]


def is_whole(form: Node, page: Page) -> bool:
    """Tell whether `controls` yields all that *form* has: else it is too large."""
    return len(page.owners.controls.get(form, ())) <= MAX_CONTROLS


def owner(element: Node, page: Page) -> Node | None:
    """Return the form that *element* belongs to."""
    return page.owners.owner(element)


def is_asked(element: Node, page: Page, *, within: Node | None = None) -> bool:
    """Tell whether a visitor is to fill *element*: it is not hidden, and no honeypot.

    Args:
        element: a control.
        page: which it is part of.
        within: its form; what hides that does not count.
    """
    kind = type_of(element)
    if element.tag == "button" or kind == "hidden" or kind in BUTTONS:
        return False
    name = (element.get("name") or "").lower()
    if name in TOKEN_FIELDS or (element.get("id") or "").startswith("h-captcha-resp"):
        return False
    if element.get("readonly") is not None or is_disabled(element, page):
        return False
    if _is_optional(element, kind, name or (element.get("id") or "")):
        return False
    return not _is_hidden(element, page, within)


def _is_optional(element: Node, kind: str, name: str) -> bool:
    """Tell whether a control may stay as it is, though a visitor may change it."""
    if element.get("required") is not None and element.get("checked") is None:
        return False
    if kind == "checkbox":
        return element.get("checked") is not None or bool(_OPTIONAL.search(name))
    return kind == "select" and bool(_LANGUAGE.search(name))


def is_search(element: Node) -> bool:
    """Tell whether a control is a search box, as any page may have."""
    name = (element.get("name") or "").lower()
    return name in _SEARCH or element.get("type", "").lower() == "search"


def label(element: Node) -> str:
    """Name a control for a sentence."""
    name = element.get("name") or element.get("id") or type_of(element)
    return " ".join(str(name)[:40].split())


def is_disabled(element: Node, page: Page) -> bool:
    """Tell whether the control or a fieldset around it is disabled."""
    if element.get("disabled") is not None:
        return True
    return page.owners.around(element).is_disabled


def type_of(element: Node) -> str:
    """Return the control's type, in lower case, with its default."""
    kind = (element.get("type") or "").strip().lower()
    if element.tag == "button":
        return kind if kind in ("reset", "button") else "submit"
    return str(kind or "text") if element.tag == "input" else str(element.tag)


def _is_hidden(element: Node, page: Page, within: Node | None) -> bool:
    if element.get("tabindex", "").strip() == "-1" or hides(element):
        return True
    around = page.owners.around(element)
    in_form = within is not None and around.form is within
    return around.is_hidden_in_form if in_form else around.is_hidden
