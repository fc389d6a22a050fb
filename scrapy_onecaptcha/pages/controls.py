"""The controls of forms: whose they are, and which ones a visitor is to fill in."""

from __future__ import annotations

import re
from itertools import chain, islice, takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_onecaptcha.pages.html import Node, Page

__all__ = [
    "BUTTONS",
    "MAX_CONTROLS",
    "TOKEN_FIELDS",
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

# What api.js adds to its form; the second only without ``recaptchacompat=off``.
TOKEN_FIELDS = ("h-captcha-response", "g-recaptcha-response")

# No gate has that many controls; it bounds the work on a hostile page.
MAX_CONTROLS = 200
# How far around a control its hiding is looked for.
MAX_LEVELS = 32
_CONTROLS = ("input", "select", "textarea", "button")
BUTTONS = frozenset({"submit", "image", "reset", "button"})
_SEARCH = frozenset({"q", "s", "query", "search", "keyword", "keywords", "term"})
# Of a box to tick for later visits, and of a menu of languages: neither is a question
# that has to be answered.
_OPTIONAL = re.compile(
    r"remember|trust|stay[_ -]?(?:signed|logged)|keep[_ -]?me|merken|souvenir|recordar"
    r"|lembrar|ricorda|onthoud|zapamięt|запомн",
    re.IGNORECASE,
)
_LANGUAGE = re.compile(
    r"lang|locale|^hl$|sprache|idioma|lingua|taal|język|jezyk|язык|dil$",
    re.IGNORECASE,
)
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\.0*)?(?:[;!\s]|$)"
    r"|(?<![\w-])(?:left|top|right|text-indent|margin-left)\s*:\s*-\d{3,}"
    r"|(?<![\w-])(?:width|height)\s*:\s*0(?![\d.])|clip\s*:\s*rect\(\s*0",
    re.IGNORECASE,
)


def visitor_fields(form: Node, page: Page) -> list[Node]:
    """Return the controls of *form* that a visitor is asked to fill in."""
    return [e for e in controls(form, page) if is_asked(e, within=form)]


def controls(form: Node, page: Page) -> Iterator[Node]:
    """Yield the controls of *form* in the order of the page."""
    name = form.get("id")
    inside = list(islice(form.iter(*_CONTROLS), MAX_CONTROLS))
    beside = page.beside.get(form, [])
    if not beside:
        yield from (e for e in inside if e.get("form") in (None, name))
        return
    wanted = {*inside, *beside[:MAX_CONTROLS]}
    for element in page.root.iter(*_CONTROLS):
        if not wanted:
            return  # a page may have any number of others
        if element in wanted:
            wanted.remove(element)
            if element.get("form") in (None, name):
                yield element


def is_whole(form: Node, page: Page) -> bool:
    """Tell whether `controls` yields all that *form* has: else it is too large."""
    inside = sum(1 for _ in islice(form.iter(*_CONTROLS), MAX_CONTROLS + 1))
    return inside <= MAX_CONTROLS and len(page.beside.get(form, ())) <= MAX_CONTROLS


def owner(element: Node, page: Page) -> Node | None:
    """Return the form that *element* belongs to."""
    name = element.get("form")
    if name:
        return page.forms.get(name)
    if element.tag == "form":
        return element
    if element in page.strays:
        return page.strays[element]
    return next(element.iterancestors("form"), None)


def is_asked(element: Node, *, within: Node | None = None) -> bool:
    """Say whether a visitor is to fill *element*: neither hidden nor a honeypot.

    What a stylesheet hides cannot be known; inline styles and attributes can.
    """
    kind = type_of(element)
    if element.tag == "button" or kind == "hidden" or kind in BUTTONS:
        return False
    name = (element.get("name") or "").lower()
    if name in TOKEN_FIELDS or (element.get("id") or "").startswith("h-captcha-resp"):
        return False
    if element.get("readonly") is not None or is_disabled(element):
        return False
    if _is_optional(element, kind, name or (element.get("id") or "")):
        return False
    return not _is_hidden(element, within)


def _is_optional(element: Node, kind: str, name: str) -> bool:
    """Say whether a control is fine as it stands, though a visitor may change it."""
    if element.get("required") is not None and element.get("checked") is None:
        return False
    if kind == "checkbox":
        return element.get("checked") is not None or bool(_OPTIONAL.search(name))
    return kind == "select" and bool(_LANGUAGE.search(name))


def is_search(element: Node) -> bool:
    """Say whether a control is a search box, as it stands on any page."""
    name = (element.get("name") or "").lower()
    return name in _SEARCH or element.get("type", "").lower() == "search"


def label(element: Node) -> str:
    """Name a control for a sentence."""
    name = element.get("name") or element.get("id") or type_of(element)
    return " ".join(str(name)[:40].split())


def is_disabled(element: Node) -> bool:
    """Say whether the control or a fieldset around it is disabled."""
    if element.get("disabled") is not None:
        return True
    if not element.xpath("boolean(ancestor::fieldset[@disabled])"):
        return False
    below = element
    for fieldset in element.iterancestors():
        if (
            fieldset.tag == "fieldset"
            and fieldset.get("disabled") is not None
            and not (below.tag == "legend" and below is fieldset.find("legend"))
        ):
            return True
        below = fieldset
    return False


def type_of(element: Node) -> str:
    """Return the control's type, in lower case, with its default."""
    kind = (element.get("type") or "").strip().lower()
    if element.tag == "button":
        return kind if kind in ("reset", "button") else "submit"
    return str(kind or "text") if element.tag == "input" else str(element.tag)


def _is_hidden(element: Node, within: Node | None) -> bool:
    if element.get("tabindex", "").strip() == "-1":
        return True
    around = islice(element.iterancestors(), MAX_LEVELS)
    inside = takewhile(lambda outer: outer is not within, around)
    return any(
        each.get("hidden") is not None
        or each.get("aria-hidden", "").lower() == "true"
        or _HIDDEN_STYLE.search(each.get("style", "")[:2000])
        for each in chain([element], inside)
    )
