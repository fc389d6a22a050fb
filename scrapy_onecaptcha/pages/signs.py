"""The signs of a page: what speaks for a gate or for a widget, not yet weighed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy_onecaptcha.pages import purpose
from scrapy_onecaptcha.pages.controls import (
    BUTTONS,
    controls,
    is_asked,
    is_search,
    label,
    owner,
    type_of,
    visitor_fields,
)
from scrapy_onecaptcha.pages.html import join, text_of
from scrapy_onecaptcha.pages.phrases import (
    CHECK_PATHS,
    CHECKS_AND_WAITS,
    EMAIL_WORDS,
    FOOTER_NOTICES,
    GATE_HEADINGS,
    HUMAN_CHECKS,
    PURPOSE_BUTTONS,
    PURPOSE_PATHS,
    WAIT_NOTICES,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.http import Response

    from scrapy_onecaptcha.pages.html import Node, Page
    from scrapy_onecaptcha.pages.plan import Plan
    from scrapy_onecaptcha.pages.steps import Steps
    from scrapy_onecaptcha.pages.widgets import Captcha

__all__ = [
    "FEW_LINKS",
    "GATE_STATUSES",
    "GONE",
    "LITTLE_TEXT",
    "MANY_LINKS",
    "MUCH_TEXT",
    "SOME_LINKS",
    "SOME_TEXT",
    "Signs",
    "gather",
    "is_shown",
    "survey_steps",
]

# Sizes of a page. Gates of bouncers have 50 to 800 characters and up to 5 links.
LITTLE_TEXT, SOME_TEXT, MUCH_TEXT = 800, 2000, 4000
FEW_LINKS, SOME_LINKS, MANY_LINKS = 5, 20, 50

# Forms around widgets that are looked at.
MAX_FORMS = 32
# Fields outside the form that are looked at.
MAX_FIELDS = 50
# Elements in one link whose text is counted.
MAX_PIECES = 20

GONE = frozenset({404, 410})
GATE_STATUSES = frozenset({401, 403, 405, 429, 503})
# Dialogs that are closed until a visitor opens them; Bootstrap has classes for it.
_CLOSED = (
    "boolean(ancestor-or-self::*[self::dialog[not(@open)] or @role='dialog'"
    " and (@hidden or @aria-hidden='true')"
    " or contains(concat(' ', normalize-space(@class), ' '), ' modal ')"
    " and not(contains(concat(' ', normalize-space(@class), ' '), ' show '))"
    " and (contains(concat(' ', normalize-space(@class), ' '), ' fade ')"
    " or @aria-hidden='true')])"
)
_FIELDS = ("input", "textarea")
_FIRST_HEADINGS = ("title", "h1")
_HEADINGS = ("title", "h1", "h2", "h3")
# The first bytes in UTF-8 of Chinese, Japanese and Korean characters: a count of bytes
# takes a tenth of the time that a search for the characters takes.
_WIDE = bytes(range(0xE3, 0xEE))
_THINGS = ("figure", "dl", "video", "audio", "iframe")
# Elements whose text is not shown as part of the page's.
_NOT_SHOWN = frozenset({"script", "style", "option", "textarea"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What speaks for a gate or for a widget.

    Attributes:
        asked: the visitor's fields in the widget's form.
        has_form: whether there is such a form.
        others: the visitor's fields elsewhere, search boxes aside.
        text: the page's visible text, in characters.
        links: how many links it has.
        led_from: the URL that was asked for, where the request was led elsewhere.
        status: the HTTP status.
        words: what its title or headings say that a gate would.
        lacks: the selector of the content, where the user gave one.
        called: whether a script sends the token off by itself.
        prose: its visible text without that of its links, in characters.
        button: what the button of the widget's form says.
        closed: whether the widget is in a dialog that is closed.
        asks: whether it speaks of a captcha, or asks for a person.
        acts: what says that the form is for something else than going on.
        things: whether it has figures, films or lists of facts, or frames of others.
        says: what its title or headings say that plainly asks for a person.
        waits: what its title or headings say that puts off, as a gate or a shop may.
        heading: its first heading.
        price: an amount of money in its text.
        chosen: a hidden field that names what the visitor has chosen.
        drawn: whether a script makes fields for the visitor.
        rules: a link to terms or rules.
        elsewhere: the path that the form is sent to, where that is neither the page's
            nor that of a check.
        in_frame: whether the page hands its token to the page or app around it.
        is_deep: whether more of the page is too deep to be read.
    """

    asked: tuple[str, ...]
    has_form: bool
    others: tuple[str, ...]
    text: int
    links: int
    led_from: str | None
    status: int
    words: str | None
    lacks: str | None
    called: bool = False
    prose: int = 0
    button: str = ""
    closed: bool = False
    asks: bool = False
    acts: str = ""
    things: bool = False
    says: str = ""
    waits: str = ""
    heading: str = ""
    price: str = ""
    chosen: str = ""
    drawn: bool = False
    rules: str = ""
    elsewhere: str = ""
    in_frame: bool = False
    is_deep: bool = False

    @property
    def is_article(self) -> bool:
        """Whether it may be about the words of its headings, rather than mean them."""
        told = self.status in GATE_STATUSES or self.led_from
        return not told and self.prose > LITTLE_TEXT and self.links > FEW_LINKS

    @property
    def refused(self) -> bool:
        """Whether the page itself says that it is no ordinary one."""
        return self.words is not None or self.status in GATE_STATUSES


def survey_steps(response: Response, page: Page, expect: str | None) -> Steps[Signs]:
    """Gather the signs that depend neither on the captcha nor on its form, in steps.

    Args:
        response: the page as it came.
        page: the page as a tree.
        expect: the selector of the content, where the user gave one.
    """
    text = " ".join(" ".join(_texts(page.root)).split())
    yield
    linked = " ".join(" ".join(_linked(page.root)).split())
    yield
    length = _length(text)
    headings = _headings(page, _HEADINGS)
    words = GATE_HEADINGS.search(headings)
    # What is to be verified may be an address, rather than the visitor.
    is_address = EMAIL_WORDS.search(_headings(page, _FIRST_HEADINGS))
    said = None if is_address else HUMAN_CHECKS.search(headings)
    waits = WAIT_NOTICES.search(headings)
    brief = FOOTER_NOTICES.sub("", text) if len(text) <= LITTLE_TEXT else ""
    asks = "captcha" in brief.lower() or CHECKS_AND_WAITS.search(f"{headings} {brief}")
    return Signs(
        asked=(),
        has_form=False,
        others=(),
        text=length,
        links=int(page.root.xpath("count(//a[@href])")),
        led_from=_led_from(response),
        status=response.status,
        words=words[0] if words else None,
        # The content may come after the part that is read.
        lacks=None if page.is_cut else expect,
        prose=length - _length(linked),
        asks=bool(asks),
        says=said[0] if said else "",
        waits=waits[0] if waits else "",
        heading=_first_heading(page),
        price=purpose.price(text),
        rules=purpose.rules(page),
        in_frame=purpose.frame_of(page),
        is_deep=page.is_deep,
        things=any(map(_is_thing, page.root.iter(*_THINGS))),
    )


def gather(signs: Signs, page: Page, captcha: Captcha, plan: Plan) -> Signs:
    """Add the signs that the captcha and its form give.

    Args:
        signs: those of the page.
        page: the page as a tree.
        captcha: what it shows of hCaptcha.
        plan: how it takes its token.
    """
    elements = [w.element for w in captcha.widgets if w.element is not None]
    around = [owner(element, page) for element in elements]
    forms = [
        element
        for element in dict.fromkeys((*around, plan.element))
        if element is not None
    ][:MAX_FORMS]
    asked = [e for element in forms for e in visitor_fields(element, page)]
    others = _fields_outside(page, forms)
    if not any(element is not None for element in around):
        # A widget in no form belongs to what is in none either.
        asked += [e for e in others if owner(e, page) is None]
    button = next((said for each in forms if (said := _button(each, page))), "")
    form = forms[0] if forms else None
    return replace(
        signs,
        asked=tuple(label(element) for element in asked[:5]),
        has_form=bool(forms),
        others=tuple(label(element) for element in others[:5]),
        called=plan.called,
        button=button,
        acts=_acts(button, form, page),
        chosen=purpose.chosen(form, page),
        drawn=purpose.drawn(page),
        elsewhere=_elsewhere(form, page),
        closed=any(element.xpath(_CLOSED) for element in elements[:1]),
    )


def is_shown(captcha: Captcha, signs: Signs) -> bool:
    """Tell whether the page itself shows a captcha, or that it wants one.

    The script, a key among the data and an element of that name are part of the layout
    of many a site, and so of the pages on which it is down or puts its visitors off.
    """
    if captcha.certain:
        return True
    if captcha.widgets and not captcha.named:
        return signs.refused
    shown = captcha.place or captcha.box or signs.asks
    if captcha.named:
        return shown or signs.led_from is not None
    return shown and signs.refused


def _texts(root: Node) -> Iterator[str]:
    """Yield the pieces of the text that the page shows."""
    body = next(root.iter("body"), None)
    for element in body.iter() if body is not None else ():
        if element.text and element.tag not in _NOT_SHOWN:
            yield element.text
        if element.tail:
            yield element.tail


def _linked(root: Node) -> Iterator[str]:
    """Yield the pieces of the text that links have, each piece once."""
    counted = set()
    for link in root.iter("a"):
        if link in counted:
            continue
        for element in islice(link.iter(), MAX_PIECES):
            if element.tag == "a":
                counted.add(element)
            if element.text:
                yield element.text
            if element.tail and element is not link:
                yield element.tail


def _is_thing(element: Node) -> bool:
    """Tell whether *element* is something to look at, other than the captcha."""
    if element.tag != "iframe":
        return True
    source = element.get("src", "")
    return source.startswith("http") and "hcaptcha.com" not in source


def _length(text: str) -> int:
    """Count characters; a Chinese or Japanese one says as much as two or three."""
    encoded = text.encode("utf-8", "replace")
    return len(text) + len(encoded) - len(encoded.translate(None, _WIDE))


def _button(form: Node, page: Page) -> str:
    """Return what the button says that sends *form*, or what its first one says."""
    buttons = [e for e in controls(form, page) if type_of(e) in BUTTONS - {"reset"}]
    for element in sorted(buttons, key=lambda e: type_of(e) == "button"):
        said = element.get("value") if element.tag == "input" else None
        said = said or text_of(element, 60) or element.get("aria-label")
        return " ".join((said or "").split())[:60]
    return ""


def _acts(button: str, form: Node | None, page: Page) -> str:
    """Return what says that *form* does something with what the page holds."""
    if PURPOSE_BUTTONS.search(button):
        return button
    if address := EMAIL_WORDS.search(_headings(page, _FIRST_HEADINGS)):
        return address[0]
    action = join(page.base, form.get("action") or "") if form is not None else None
    path = _place(action or "")[1][:2000]
    # What was asked for may have any name, and its gate may have the same address.
    if path == _place(page.url)[1] or CHECK_PATHS.search(path):
        return ""
    return path[:60] if PURPOSE_PATHS.search(path) else ""


def _elsewhere(form: Node | None, page: Page) -> str:
    """Return the path that *form* is sent to, if it is a place of its own."""
    action = join(page.base, form.get("action") or "") if form is not None else None
    path = _place(action or page.url)[1][:2000]
    if path == _place(page.url)[1] or CHECK_PATHS.search(path):
        return ""
    return path[:60]


def _first_heading(page: Page) -> str:
    """Return what the page is headed by, for a person."""
    for element in islice(page.root.iter("h1", "h2", "h3"), 3):
        if said := text_of(element, 60):
            return said
    return ""


def _headings(page: Page, tags: tuple[str, ...]) -> str:
    """Return what the title and headings of these *tags* say."""
    found = islice(page.root.iter(*tags), 20)
    return "\n".join(text_of(element, 200) for element in found)[:1000]


def _fields_outside(page: Page, forms: list[Node]) -> list[Node]:
    """Return the fields for a visitor that belong to none of *forms*."""
    known = set(forms)
    return [
        element
        for element in islice(_fields(page), MAX_FIELDS)
        # A lone box or switch is no form; it may be for the page's colours.
        if type_of(element) not in ("checkbox", "radio", "range", "color")
        and not is_search(element)
        and is_asked(element, page)
        and owner(element, page) not in known
    ]


def _fields(page: Page) -> Iterator[Node]:
    for element in page.root.iter(*_FIELDS):
        if element.tag != "input" or element.get("type") != "hidden":
            yield element


def _led_from(response: Response) -> str | None:
    """Return the URL that was asked for, if a redirect led to another page."""
    request = response.request
    chain = request.meta.get("redirect_urls") if request is not None else None
    if not chain:
        return None
    asked, got = _place(chain[0]), _place(response.url)
    return str(chain[0])[:200] if asked != got else None


def _place(url: str) -> tuple[str, str]:
    """Return host and path of a page, without ``www.`` and the last slash."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", url
    return parts.netloc.lower().removeprefix("www."), parts.path.rstrip("/")
