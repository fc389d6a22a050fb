"""How a page takes its token: which form, submitted how, in which fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha.challenge import Form
from scrapy_onecaptcha.controls import TOKEN_FIELDS, is_search, owner, visitor_fields
from scrapy_onecaptcha.forms import read_form
from scrapy_onecaptcha.page import find

if TYPE_CHECKING:
    from scrapy_onecaptcha.page import Node, Page
    from scrapy_onecaptcha.widgets import Captcha, Widget

__all__ = ["planned_form", "submitting_form"]

# Forms of one page that are looked at.
MAX_FORMS = 32


def submitting_form(page: Page, captcha: Captcha) -> Node | None:
    """Return the form that takes the token.

    That is the one around the widget, else the one that its callback submits, else
    the only one that asks its visitor for nothing, else the only one.
    """
    widget = captcha.widget
    if widget is not None and widget.element is not None:
        around = owner(widget.element, page)
        if around is not None:
            return around
    for element in _submitted(page, captcha, widget):
        return element
    forms = page.root.xpath("//form")[:MAX_FORMS]
    asked = [visitor_fields(form, page) for form in forms]
    silent = [form for form, fields in zip(forms, asked, strict=True) if not fields]
    others = [
        form
        for form, fields in zip(forms, asked, strict=True)
        if fields and not all(map(is_search, fields))
    ]
    return next((one[0] for one in (silent, others) if len(one) == 1), None)


def _submitted(page: Page, captcha: Captcha, widget: Widget | None) -> list[Node]:
    """Return the forms that the widget's callback submits."""
    if widget is None or widget.callback is None:
        return []
    found = [
        find(page, ref.kind, ref.value)
        for ref in captcha.script.submits(widget.callback)
    ]
    forms = [owner(element, page) for element in found if element is not None]
    return [form for form in forms if form is not None]


def planned_form(
    page: Page, captcha: Captcha, element: Node | None, field: str | None
) -> Form | None:
    """Read the form that takes the token."""
    if element is None:
        # The user names the field: then the page itself is what takes it.
        named = (field,) if field else ()
        return Form(url=page.url, token_fields=named) if named else None
    widget = captcha.widget
    container = widget.element if widget else None
    callback = widget.callback if widget else None
    return read_form(
        element,
        page,
        by_script=callback is not None and any(captcha.script.submits(callback)),
        container=container,
        token_fields=_token_fields(page, captcha, element, field),
    )


def _token_fields(
    page: Page, captcha: Captcha, form: Node, field: str | None
) -> tuple[str, ...]:
    """Name the fields that take the token."""
    if field:
        return (field,)
    usual = TOKEN_FIELDS if captcha.compatible else TOKEN_FIELDS[:1]
    widget = captcha.widget
    if widget is None or widget.callback is None:
        return usual
    filled = [
        find(page, ref.kind, ref.value) for ref in captcha.script.fills(widget.callback)
    ]
    names = tuple(
        element.get("name")
        for element in filled
        if element is not None and element.get("name") and owner(element, page) is form
    )
    inside = widget.element is not None and owner(widget.element, page) is form
    # Outside its form the widget adds no fields of its own.
    return tuple(dict.fromkeys((*names, *usual))) if inside or not names else names
