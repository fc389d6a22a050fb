"""Forms: what a browser would send, and what a visitor is asked for.

After the HTML standard, "Form submission" and "Constructing the entry list".
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Literal

from w3lib.encoding import resolve_encoding

from scrapy_onecaptcha.challenge import Form
from scrapy_onecaptcha.page import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_onecaptcha.page import Node, Page

__all__ = ["TOKEN_FIELDS", "controls", "owner", "read_form", "visitor_fields"]

# What api.js adds to its form; the second only without ``recaptchacompat=off``.
TOKEN_FIELDS = ("h-captcha-response", "g-recaptcha-response")

# No gate has that many controls; it bounds the work on a hostile page.
MAX_CONTROLS = 1000
_CONTROLS = ("input", "select", "textarea", "button")
_ENCTYPES = ("multipart/form-data", "text/plain", "application/x-www-form-urlencoded")
_BUTTONS = frozenset({"submit", "image", "reset", "button"})
_ONE_LINE = frozenset({"text", "search", "tel", "url", "email", "password"})
_RESP_KEY = re.compile(r"(?:h-?captcha[-_]?)?resp[-_]?key", re.IGNORECASE)
_LONE_NEWLINE = re.compile(r"\r(?!\n)|(?<!\r)\n")
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\.0*)?(?:[;!\s]|$)"
    r"|(?<![\w-])(?:left|top|right|text-indent|margin-left)\s*:\s*-\d{3,}"
    r"|(?<![\w-])(?:width|height)\s*:\s*0(?![\d.])|clip\s*:\s*rect\(\s*0",
    re.IGNORECASE,
)


def read_form(
    form: Node,
    page: Page,
    *,
    by_script: bool = False,
    container: Node | None = None,
    token_fields: tuple[str, ...] = TOKEN_FIELDS,
) -> Form | None:
    """Read what a browser would send for *form*.

    Newlines in names and values become CRLF, as in every submission of a browser,
    whatever its method and enctype.

    Args:
        form: the form's element.
        page: the page that it stands in.
        by_script: whether a script submits it, which sends no button; else its first
            submit button is pressed.
        container: the widget's element, which is no button to press.
        token_fields: the fields that take the token. Those of the widget that the
            form already has are added, unless *token_fields* names others only.

    Returns:
        The form, or ``None`` where its action is no HTTP URL.
    """
    button = None if by_script else _default_button(form, page, container)
    encoding = _encoding(form, page)
    pairs = [
        (_crlf(name), _crlf(encoding if name == "_charset_" else value))
        for element in controls(form, page)
        if not _is_disabled(element) or element is button
        for name, value in _entries(element, pressed=element is button)
    ]
    url = _url(form, page, button)
    if url is None:
        return None
    names = [name for name, _ in pairs]
    tokens = _token_fields(token_fields, names)
    keys = [name for name in names if _RESP_KEY.fullmatch(name)]
    return Form(
        url=url,
        method=_method(form, button),
        enctype=_enctype(form, button),
        fields=tuple(
            (name, value)
            for name, value in pairs
            if name not in tokens and name not in keys
        ),
        token_fields=tokens,
        resp_key_field=keys[0] if keys else "respKey",
        encoding=encoding,
    )


def visitor_fields(form: Node, page: Page) -> tuple[str, ...]:
    """Name the controls of *form* that a visitor is asked to fill in."""
    return tuple(
        label(element)
        for element in controls(form, page)
        if is_asked(element, within=form)
    )


def controls(form: Node, page: Page) -> Iterator[Node]:
    """Yield the controls of *form* in the order of the page."""
    name = form.get("id")
    inside = list(islice(form.iter(*_CONTROLS), MAX_CONTROLS))
    beside = page.root.xpath("//*[@form=$name]", name=name) if name else []
    if not beside:
        yield from (e for e in inside if e.get("form") in (None, name))
        return
    wanted = {*inside, *beside[:MAX_CONTROLS]}
    for element in page.root.iter(*_CONTROLS):
        if element in wanted and element.get("form") in (None, name):
            yield element


def owner(element: Node, page: Page) -> Node | None:
    """Return the form that *element* belongs to."""
    name = element.get("form")
    if name:
        found = page.root.xpath("//form[@id=$name]", name=name)
        return found[0] if found else None
    if element.tag == "form":
        return element
    return next(element.iterancestors("form"), None)


def is_asked(element: Node, *, within: Node | None = None) -> bool:
    """Say whether a visitor is to fill *element*: neither hidden nor a honeypot.

    What a stylesheet hides cannot be known; inline styles and attributes can.
    """
    kind = _type(element)
    if element.tag == "button" or kind == "hidden" or kind in _BUTTONS:
        return False
    name = (element.get("name") or "").lower()
    if name in TOKEN_FIELDS or (element.get("id") or "").startswith("h-captcha-resp"):
        return False
    if element.get("readonly") is not None or _is_disabled(element):
        return False
    return not _is_hidden(element, within)


def label(element: Node) -> str:
    """Name a control for a sentence."""
    return str(element.get("name") or element.get("id") or _type(element))[:40]


def _is_hidden(element: Node, within: Node | None) -> bool:
    if element.get("tabindex", "").strip() == "-1":
        return True
    while element is not None and element is not within:
        if (
            element.get("hidden") is not None
            or element.get("aria-hidden", "").lower() == "true"
            or _HIDDEN_STYLE.search(element.get("style", "")[:2000])
        ):
            return True
        element = element.getparent()
    return False


def _entries(element: Node, *, pressed: bool) -> Iterator[tuple[str, str]]:
    """Yield what one control adds to the submission."""
    name = element.get("name")
    if not name:
        return
    kind = _type(element)
    if element.tag == "select":
        yield from ((name, value) for value in _selected(element))
    elif element.tag == "textarea":
        yield name, re.sub(r"\A\r?\n", "", "".join(element.itertext()))
    elif kind in _BUTTONS:
        if pressed:
            # Chrome sends the label that it shows where the page gives none.
            default = "Submit" if element.tag == "input" else ""
            yield name, element.get("value", default)
    elif kind in ("checkbox", "radio"):
        if element.get("checked") is not None:
            yield name, element.get("value", "on")
    elif kind in _ONE_LINE:
        yield name, re.sub(r"[\r\n]", "", element.get("value", ""))
    else:
        yield name, "" if kind == "file" else element.get("value", "")


def _selected(select: Node) -> list[str]:
    """Return the values of the options that a browser has selected."""
    options = list(select.iter("option"))
    chosen = [option for option in options if option.get("selected") is not None]
    if select.get("multiple") is None:
        drop_down = select.get("size", "1").strip() in ("", "0", "1")
        if not chosen and drop_down:
            chosen = [o for o in options if not _is_option_disabled(o)][:1]
        chosen = chosen[-1:]
    return [_option_value(o) for o in chosen if not _is_option_disabled(o)]


def _option_value(option: Node) -> str:
    value = option.get("value")
    return str(value) if value is not None else " ".join(option.itertext()).strip()


def _is_option_disabled(option: Node) -> bool:
    group = option.getparent()
    return option.get("disabled") is not None or (
        group.tag == "optgroup" and group.get("disabled") is not None
    )


def _is_disabled(element: Node) -> bool:
    """Say whether the control or a fieldset around it is disabled."""
    if element.get("disabled") is not None:
        return True
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


def _default_button(form: Node, page: Page, container: Node | None) -> Node | None:
    """Return the button that a visitor presses.

    One that is disabled in the page is taken where there is no other: the widget's
    callback enables it.
    """
    buttons = [
        element
        for element in controls(form, page)
        if _type(element) == "submit" and element is not container
    ]
    enabled = [element for element in buttons if not _is_disabled(element)]
    return next(iter(enabled or buttons), None)


def _type(element: Node) -> str:
    """Return the control's type, in lower case, with its default."""
    kind = (element.get("type") or "").strip().lower()
    if element.tag == "button":
        return kind if kind in ("reset", "button") else "submit"
    return str(kind or "text") if element.tag == "input" else str(element.tag)


def _url(form: Node, page: Page, button: Node | None) -> str | None:
    """Return where the form is sent; an empty action is the page itself."""
    action = _attribute(form, button, "action").strip()
    url = join(page.base, action) if action else page.url
    return url if url and url.lower().startswith(("http://", "https://")) else None


def _method(form: Node, button: Node | None) -> Literal["GET", "POST"]:
    # ``dialog`` sends nothing in a browser; a gate that has it means something else.
    method = _attribute(form, button, "method").strip().upper()
    return "POST" if method == "POST" else "GET"


def _enctype(form: Node, button: Node | None) -> str:
    enctype = _attribute(form, button, "enctype").strip().lower()
    return enctype if enctype in _ENCTYPES else _ENCTYPES[-1]


def _attribute(form: Node, button: Node | None, name: str) -> str:
    """Return an attribute of the form, which that of the button overrules."""
    overruled = button.get("form" + name) if button is not None else None
    return str(overruled if overruled is not None else form.get(name, ""))


def _encoding(form: Node, page: Page) -> str:
    """Return what the form is encoded in: the first charset that exists."""
    labels = re.split(r"[\s,]+", form.get("accept-charset", ""))
    known = (resolve_encoding(label) for label in labels[:8] if label)
    encoding = next((name for name in known if name), None) or page.encoding
    return "utf-8" if encoding.lower().startswith(("utf-16", "utf-32")) else encoding


def _token_fields(wanted: tuple[str, ...], names: list[str]) -> tuple[str, ...]:
    if not set(wanted) & set(TOKEN_FIELDS):
        return wanted
    present = [name for name in TOKEN_FIELDS if name in names and name not in wanted]
    return (*wanted, *present)


def _crlf(text: str) -> str:
    return _LONE_NEWLINE.sub("\r\n", text)
