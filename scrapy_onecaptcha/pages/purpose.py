"""What a form is for, told by its shape, without words of the visitor's language.

A checkout shows prices; a vote or an order names in hidden fields what is chosen; a
prize draw has its fields drawn by a script. A gate has none of these.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from scrapy_onecaptcha.models import valid_sitekey
from scrapy_onecaptcha.pages.controls import controls, type_of
from scrapy_onecaptcha.pages.html import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_onecaptcha.pages.html import Node, Page

__all__ = ["chosen", "drawn", "frame_of", "key_in_query", "price", "rules"]

# How much of a page's text and scripts is searched, in characters.
MAX_TEXT = 8_000
MAX_SCRIPTS = 64 * 1024
# Links that are looked at.
MAX_LINKS = 50

_AMOUNT = r"(?<![\d.,])\d{1,3}(?:[., ']?\d{3}){0,4}(?:[.,]\d{1,2})?(?!\d)"
_PRICE = re.compile(
    rf"[$€£¥₩₽₹₺฿₫₴₪]\s?{_AMOUNT}"
    rf"|{_AMOUNT}\s?(?:[$€£¥₩₽₹₺฿₫₴₪円元원]|(?:kr|zł|Kč|Ft|lei|TL|din|USD|EUR|GBP|CHF"
    r"|SEK|NOK|DKK|PLN|ر\.س|د\.إ|ج\.م|บาท|грн|руб|лв)(?!\w))"  # noqa: RUF001
    rf"|\b(?:Rp|R\$|CHF|USD|EUR|Kč|RM)\s?{_AMOUNT}"
)
# Names of fields that say what the visitor has chosen, without the captcha's own.
_CHOICE = re.compile(
    r"(?:^|[-_.\[])(?:cart|basket|product|item|sku|qty|quantity|amount|price|total|order"
    r"|plan|coupon|vote|poll|choice|option|candidate|contest|entry|event|seats?|ticket"
    r"|booking|slot|photo|article|topic|thread|post|comment)s?(?:[-_.\]]?id)?(?:[\]]|$)",
    re.IGNORECASE,
)
_DRAWN = re.compile(
    r"createElement\(\s*[\"'`](?:input|select|textarea)[\"'`]\s*\)"
    r"|<(?:input|select|textarea)\b"
)
_DRAWING = ("createElement", "<input", "<select", "<textarea")
# A field that a script makes for the token, not for a visitor.
_FOR_TOKEN = re.compile(r"type[\"'`]?\s*[=:,]\s*[\"'`\\]*hidden|captcha", re.IGNORECASE)
# Characters behind such a place in which its type is looked for.
MAX_REACH = 200
_RULES = re.compile(
    r"terms|conditions|privacy|rules|legal|policy|agb\b|datenschutz|impressum|cgv"
    r"|voorwaarden|privac|condici|termin|regul|regol|villkor|vilk[aå]r|betingelse"
    r"|integrit|ehdot|tietosuoja|aszf|podm[ií]nk|yasal|sozlesme|takanon|noteikum",
    re.IGNORECASE,
)
_TO_PARENT = re.compile(
    r"(?:parent|top|opener|ReactNativeWebView|webkit\.messageHandlers\.\w+)"
    r"\s*\??\.\s*postMessage\s*\("
)


def price(text: str) -> str:
    """Return the first amount of money that *text* names."""
    found = _PRICE.search(text[:MAX_TEXT])
    return " ".join(found[0].split()) if found else ""


def chosen(form: Node | None, page: Page) -> str:
    """Return the hidden field of *form* that names what the visitor has chosen."""
    for element in controls(form, page) if form is not None else ():
        name = element.get("name") or ""
        if type_of(element) == "hidden" and _CHOICE.search(name[:100]):
            return name[:40]
    return ""


def drawn(page: Page) -> bool:
    """Tell whether a script makes fields for a visitor."""
    for text in _scripts(page):
        if not any(word in text for word in _DRAWING):
            continue  # a search for words takes a hundredth of the pattern's time
        for found in _DRAWN.finditer(text):
            if not _FOR_TOKEN.search(text, found.start(), found.end() + MAX_REACH):
                return True
    return False


def rules(page: Page) -> str:
    """Return what a link is called that leads to terms or rules of this site."""
    for number, link in enumerate(page.root.iter("a")):
        if number == MAX_LINKS:
            break
        href = link.get("href") or ""
        if "hcaptcha.com" in href or not _RULES.search(_path(href)):
            continue
        return text_of(link, 40) or href[:40]
    return ""


def frame_of(page: Page) -> bool:
    """Tell whether the page hands its token to the page or app around it."""
    return any(
        "postMessage" in text and _TO_PARENT.search(text) for text in _scripts(page)
    )


def key_in_query(page: Page) -> str | None:
    """Return the one sitekey that the page's scripts may read from its address."""
    if not any("location.search" in text for text in _scripts(page)):
        return None
    try:
        values = [value for _, value in parse_qsl(urlsplit(page.url).query)]
    except ValueError:
        return None
    keys = {key for key in map(valid_sitekey, values) if key}
    return keys.pop() if len(keys) == 1 else None


def _path(href: str) -> str:
    try:
        return urlsplit(href[:500]).path
    except ValueError:
        return ""


def _scripts(page: Page) -> Iterator[str]:
    left = MAX_SCRIPTS
    for element in page.root.iter("script"):
        if left <= 0:
            return
        if element.text and not element.get("src"):
            yield element.text[:left]
            left -= len(element.text)
