"""Forms: what a browser would send.

After the HTML standard, "Form submission" and "Constructing the entry list".

form2request does this in other Scrapy projects. It is not used here because it reads 12
of 17 forms otherwise than a browser does: image buttons, controls and buttons by their
``form`` attribute, disabled fieldsets and groups, ``_charset_``, nested forms, an empty
action beside ``<base>``, line breaks, ``multipart/form-data`` and ``text/plain``. The
tests of this module have the table.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Literal

from scrapy_onecaptcha._values import is_web_url
from scrapy_onecaptcha.models import (
    MULTIPART,
    PLAIN_TEXT,
    TOKEN_FIELDS,
    URLENCODED,
    Form,
)
from scrapy_onecaptcha.pages.controls import (
    BUTTONS,
    MAX_CONTROLS,
    SUBMITS,
    controls,
    is_disabled,
    is_whole,
    type_of,
)
from scrapy_onecaptcha.pages.encodings import charset, keeps_ascii, web_name
from scrapy_onecaptcha.pages.html import join

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scrapy_onecaptcha.pages.html import Node, Page

__all__ = ["read_form", "resp_key_fields"]

# Characters of names, values and address together. Each request that waits for a
# captcha holds its form.
MAX_FORM = 256 * 1024

_ENCTYPES = (MULTIPART, PLAIN_TEXT, URLENCODED)
_ONE_LINE = frozenset({"text", "search", "tel", "url", "email", "password"})
_RESP_KEY = re.compile(r"(?:h-?captcha[-_]?)?resp[-_]?key", re.IGNORECASE)


def read_form(
    form: Node,
    page: Page,
    *,
    by_script: bool = False,
    button: Node | None = None,
    container: Node | None = None,
    token_fields: tuple[str, ...] = TOKEN_FIELDS,
    url: str | None = None,
) -> Form | None:
    """Read what a browser would send for *form*.

    Values are as in the page's tree. That newlines are sent as CRLF, whatever the
    method and enctype, is a matter of their encoding (HTML, "form submission").

    Args:
        form: the form's element.
        page: the page that has it.
        by_script: whether a script submits it, which sends no button; else its first
            submit button is pressed.
        button: the one that a script clicks, if it does.
        container: the widget's element, which is no button to press.
        token_fields: the fields that take the token. Those of the widget that the
            form already has are added, unless *token_fields* names others only.
        url: where it is sent, whatever its action says.

    Returns:
        The form, or ``None`` where its action is no HTTP URL, or where it is larger
        than what is read: with half of its fields a token would be lost.
    """
    if form is page.cut or not is_whole(form, page):
        return None
    if button is None and not by_script:
        button = _default_button(form, page, container)
    encoding = _encoding(form, page)
    pairs = [
        (name, web_name(encoding) if name == "_charset_" else value)
        for element in controls(form, page)
        if not is_disabled(element, page) or element is button
        for name, value in _entries(element, pressed=element is button)
    ]
    url = url or _url(form, page, button)
    size = sum(len(name) + len(value) for name, value in pairs)
    if url is None or len(url) + size > MAX_FORM:
        return None
    names = [name for name, _ in pairs]
    tokens = _token_fields(token_fields, names)
    keys = resp_key_fields(names)
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


def resp_key_fields(names: Iterable[str]) -> list[str]:
    """Return those of *names* that take the solution's ``respKey``."""
    return [name for name in names if _RESP_KEY.fullmatch(name)]


def _entries(element: Node, *, pressed: bool) -> Iterator[tuple[str, str]]:
    """Yield what one control adds to the submission."""
    name, kind = element.get("name") or "", type_of(element)
    if kind == "image":
        if pressed:
            # Where it was clicked; by the keyboard that is its corner.
            before = f"{name}." if name else ""
            yield from ((f"{before}x", "0"), (f"{before}y", "0"))
    elif name:
        yield from ((name, value) for value in _values(element, kind, pressed=pressed))


def _values(element: Node, kind: str, *, pressed: bool) -> list[str]:
    """Return the values that a control with a name has."""
    value = element.get("value", "")
    if kind == "select":
        return _selected(element)
    if kind == "textarea":
        return [re.sub(r"\A\r?\n", "", "".join(element.itertext()))]
    if kind in BUTTONS:
        # Chrome sends the label that it shows where the page gives none.
        default = "Submit" if element.tag == "input" else ""
        return [element.get("value", default)] if pressed else []
    if kind in ("checkbox", "radio"):
        checked = element.get("checked") is not None
        return [element.get("value", "on")] if checked else []
    if kind in _ONE_LINE:
        return [re.sub(r"[\r\n]", "", value)]
    return ["" if kind == "file" else value]


def _selected(menu: Node) -> list[str]:
    """Return the values of the options that a browser has selected."""
    options = list(islice(menu.iter("option"), MAX_CONTROLS))
    chosen = [option for option in options if option.get("selected") is not None]
    if menu.get("multiple") is None:
        drop_down = menu.get("size", "1").strip() in ("", "0", "1")
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


def _default_button(form: Node, page: Page, container: Node | None) -> Node | None:
    """Return the button that a visitor presses.

    One that is disabled in the page is taken where there is no other: the widget's
    callback enables it.
    """
    buttons = [
        element
        for element in controls(form, page)
        if type_of(element) in SUBMITS and element is not container
    ]
    enabled = [element for element in buttons if not is_disabled(element, page)]
    return next(iter(enabled or buttons), None)


def _url(form: Node, page: Page, button: Node | None) -> str | None:
    """Return where the form is sent; an empty action is the page itself."""
    action = _attribute(form, button, "action").strip()
    url = join(page.base, action) if action else page.url
    return url if url and is_web_url(url) else None


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
    known = (charset(label) for label in labels[:8] if label)
    encoding = next((name for name in known if name), None) or page.encoding
    return encoding if keeps_ascii(encoding) else "utf-8"


def _token_fields(wanted: tuple[str, ...], names: list[str]) -> tuple[str, ...]:
    if not set(wanted) & set(TOKEN_FIELDS):
        return wanted
    present = [name for name in TOKEN_FIELDS if name in names and name not in wanted]
    return (*wanted, *present)
