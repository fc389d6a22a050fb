"""How a page takes its token: which form or call, sent how, in which fields.

In this order: what its scripts were seen to send; the form around the widget; any other
form that it can be; the page itself, where the user names the field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy_onecaptcha._values import HEADER
from scrapy_onecaptcha.models import TOKEN_FIELDS, Form
from scrapy_onecaptcha.pages.controls import (
    SUBMITS,
    controls,
    is_search,
    owner,
    type_of,
    visitor_fields,
)
from scrapy_onecaptcha.pages.forms import read_form
from scrapy_onecaptcha.pages.html import MAX_BYTES
from scrapy_onecaptcha.pages.repeats import repeat
from scrapy_onecaptcha.pages.scripted import Scripts, form_of, why_not

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.pages.html import Node, Page
    from scrapy_onecaptcha.pages.widgets import Captcha
    from scrapy_onecaptcha.scripts.models import Reading

__all__ = ["Plan", "make_plan"]

# Forms of one page that are looked at.
MAX_FORMS = 32

END_OF_SCRIPT = b"</script"
# Bytes that are looked through at once: of a page that is large a copy would be, too.
PIECE = 1 << 20

NOT_RUN = Scripts(
    reason="scripts_not_run",
    sentence="What it sends is known once its scripts are run.",
)
BEHIND = Scripts(
    reason="scripts_missing",
    sentence=f"Some of its scripts are behind the first {MAX_BYTES:,} bytes of it, "
    "which are all that is read.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a page takes its token.

    Attributes:
        form: what is sent; ``None`` where no way is known.
        element: the form's element, where it is one of the page.
        called: whether a script sends the token by itself.
        unread: why it is not known what the page's scripts do, if that is so.
        wants_scripts: whether running its scripts would tell more.
    """

    form: Form | None = None
    element: Node | None = None
    called: bool = False
    unread: Scripts | None = None
    wants_scripts: bool = False


def make_plan(
    page: Page,
    captcha: Captcha,
    response: Response,
    field: str | None,
    scripts: Scripts | None = None,
) -> Plan:
    """Plan how the token of *page* is sent.

    Args:
        page: the page as a tree.
        captcha: what it shows of hCaptcha.
        response: the page as it came.
        field: the field or header that the user names.
        scripts: what its scripts do; ``None`` where nobody has tried to run them.
    """
    around = _around(page, captcha)
    if field and field.startswith(HEADER):
        return Plan(form=repeat(response, (field,)), element=around)
    element = _other(page) if around is None else around
    if field:
        return Plan(form=_by_field(page, captcha, element, field), element=element)
    form = _read(page, captcha, element)
    alone = element is not None and form is not None and _is_sent(element, page)
    if not _matter(captcha, alone=alone):
        return Plan(form=form, element=element)
    if scripts is not None and scripts.reading is not None:
        return _by_scripts(page, element, scripts.reading)
    if page.cut is not None:
        return Plan(element=page.cut)  # its scripts would send a part of it
    behind = _has_scripts_behind(response.body)
    return _unread(
        captcha, element, form if alone else None, BEHIND if behind else scripts
    )


def _has_scripts_behind(body: bytes) -> bool:
    """Tell whether a script ends behind what is read of *body*, in any encoding."""
    if len(body) <= MAX_BYTES:
        return False
    overlap = 2 * len(END_OF_SCRIPT)  # as UTF-16 has it
    return any(
        END_OF_SCRIPT in body[at : at + PIECE + overlap].replace(b"\0", b"").lower()
        for at in range(MAX_BYTES - overlap, len(body), PIECE)
    )


def _unread(
    captcha: Captcha, element: Node | None, form: Form | None, scripts: Scripts | None
) -> Plan:
    """Return what is known where the page's scripts may matter and were not read.

    Args:
        captcha: what the page shows of hCaptcha.
        element: the form's element.
        form: what a visitor can send without them.
        scripts: why there is no reading; ``None`` where nobody has tried.
    """
    if scripts is None:
        return Plan(
            form=form,
            element=element,
            called=captcha.scripts.sends,
            unread=None if form else NOT_RUN,
            wants_scripts=True,
        )
    has_callback = captcha.widget is not None and captcha.widget.has_callback
    if form is not None and not has_callback and _is_plain(element):
        return Plan(form=form, element=element)
    return Plan(element=element, unread=scripts)


def _by_scripts(page: Page, element: Node | None, reading: Reading) -> Plan:
    """Return what the page's scripts were seen to send."""
    unread, sending = why_not(reading), reading.sending
    if unread is not None or sending is None:
        return Plan(element=element, unread=unread)
    called = sending.kind != "form"
    return Plan(form=form_of(sending, page), element=element, called=called)


def _matter(captcha: Captcha, *, alone: bool) -> bool:
    """Tell whether the page's scripts may decide what is sent."""
    inline = captcha.scripts.some or any(w.has_callback for w in captcha.widgets)
    return inline or (captcha.external and not alone)


def _is_sent(form: Node, page: Page) -> bool:
    """Tell whether a visitor can send *form* by a button of its own."""
    if form.get("action", "").strip().lower().startswith("javascript:"):
        return False
    return any(type_of(e) in SUBMITS for e in controls(form, page))


def _is_plain(form: Node | None) -> bool:
    return form is not None and not form.get("onsubmit")


def _around(page: Page, captcha: Captcha) -> Node | None:
    """Return the form around the widget."""
    widget = captcha.widget
    container = widget.element if widget else None
    return None if container is None else owner(container, page)


def _by_field(
    page: Page, captcha: Captcha, element: Node | None, field: str
) -> Form | None:
    """Return the form that takes the token in *field*, which may be the page itself."""
    if element is None:
        return Form(url=page.url, token_fields=(field,))
    return _read(page, captcha, element, (field,))


def _read(
    page: Page,
    captcha: Captcha,
    element: Node | None,
    token_fields: tuple[str, ...] | None = None,
) -> Form | None:
    if element is None:
        return None
    widget = captcha.widget
    usual = TOKEN_FIELDS if captcha.compatible else TOKEN_FIELDS[:1]
    return read_form(
        element,
        page,
        container=widget.element if widget else None,
        token_fields=token_fields or usual,
    )


def _other(page: Page) -> Node | None:
    """Return the only form that asks its visitor for nothing, else the only one."""
    forms = page.root.xpath("//form")[:MAX_FORMS]
    asked = [visitor_fields(form, page) for form in forms]
    silent = [form for form, fields in zip(forms, asked, strict=True) if not fields]
    others = [
        form
        for form, fields in zip(forms, asked, strict=True)
        if fields and not all(map(is_search, fields))
    ]
    return next((one[0] for one in (silent, others) if len(one) == 1), None)
