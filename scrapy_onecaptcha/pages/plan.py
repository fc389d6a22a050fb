"""How a page takes its token: which form or call, sent how, in which fields.

In this order: the form around the widget; the form that its callback submits; a form
whose hidden field the callback fills; a call that the callback makes itself; any other
form that it can be; the page itself, where the user names the field.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING

from scrapy_onecaptcha._values import HEADER
from scrapy_onecaptcha.models import Form
from scrapy_onecaptcha.pages.controls import (
    SUBMITS,
    TOKEN_FIELDS,
    controls,
    is_search,
    owner,
    type_of,
    visitor_fields,
)
from scrapy_onecaptcha.pages.forms import read_form
from scrapy_onecaptcha.pages.html import find
from scrapy_onecaptcha.pages.repeats import repeat
from scrapy_onecaptcha.pages.script_callbacks import reached
from scrapy_onecaptcha.pages.script_calls import read_calls
from scrapy_onecaptcha.pages.script_expressions import Steps
from scrapy_onecaptcha.pages.script_reader import Function

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.pages.html import Node, Page
    from scrapy_onecaptcha.pages.script_reader import Reference
    from scrapy_onecaptcha.pages.widgets import Captcha

__all__ = ["Plan", "make_plan"]

# Forms of one page that are looked at.
MAX_FORMS = 32
# Elements that a callback names, for each of the two things that it does with one.
MAX_ELEMENTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a page takes its token.

    Attributes:
        form: what is sent; ``None`` where no way is known.
        element: the form's element, where it is one of the page.
        called: whether a script sends the token by itself.
    """

    form: Form | None = None
    element: Node | None = None
    called: bool = False


def make_plan(
    page: Page, captcha: Captcha, response: Response, field: str | None
) -> Plan:
    """Plan how the token of *page* is sent.

    Args:
        page: the page as a tree.
        captcha: what it shows of hCaptcha.
        response: the page as it came.
        field: the field or header that the user names.
    """
    reader = _Reader(page, captcha, field)
    if field and field.startswith(HEADER):
        return Plan(form=repeat(response, (field,)), element=reader.around())
    element = reader.around()
    submitted, button = reader.submitted()
    if element is not None and not reader.is_idle(element):
        return reader.plan(element, button if submitted is element else None)
    if element is None:
        element = reader.filled() if submitted is None else submitted
    call = reader.call() if element is None or reader.is_idle(element) else None
    if call is not None:
        form = replace(call, token_fields=(field,)) if field else call
        return Plan(form=form, called=True)
    return reader.plan(reader.other() if element is None else element, button)


class _Reader:
    """Reads one page for the ways that it has."""

    def __init__(self, page: Page, captcha: Captcha, field: str | None) -> None:
        self._page = page
        self._script = captcha.script
        self._captcha = captcha
        self._field = field
        widget = captcha.widget
        self._container = widget.element if widget else None
        callback = widget.callback if widget else None
        self._functions = reached(self._script, callback) if callback else ()

    def plan(self, element: Node | None, button: Node | None = None) -> Plan:
        """Return the plan to send the form *element*."""
        if element is None:
            # The user names the field: then the page itself is what takes it.
            named = (self._field,) if self._field else ()
            form = Form(url=self._page.url, token_fields=named) if named else None
            return Plan(form=form)
        form = read_form(
            element,
            self._page,
            by_script=button is None and bool(self._submits),
            button=button,
            container=self._container,
            token_fields=self._token_fields(element),
        )
        return Plan(form=form, element=element)

    def around(self) -> Node | None:
        """Return the form around the widget."""
        container = self._container
        return None if container is None else owner(container, self._page)

    def is_idle(self, form: Node) -> bool:
        """Tell whether nobody would send *form*: it is there for a script to read."""
        action = form.get("action", "").strip().lower()
        if self._submits:
            return False
        if action.startswith("javascript:") or "return false" in form.get(
            "onsubmit", ""
        ):
            return True
        return form.get("action") is None and not any(
            type_of(e) in SUBMITS for e in controls(form, self._page)
        )

    def submitted(self) -> tuple[Node | None, Node | None]:
        """Return the form that the callback submits, and the button it clicks."""
        for reference in self._submits:
            element = find(self._page, reference.kind, reference.value)
            form = None if element is None else owner(element, self._page)
            if form is not None:
                return form, element if type_of(element) in SUBMITS else None
        return None, None

    def filled(self) -> Node | None:
        """Return the form with a field that the callback fills."""
        forms = (owner(element, self._page) for element in self._fills)
        return next((form for form in forms if form is not None), None)

    def call(self) -> Form | None:
        """Return the call that sends the token, if there is one."""
        steps = Steps()
        # Without a callback, some script asks the widget for its token.
        whole = Function((), 0, len(self._script.bare))
        for function in self._functions or (whole,):
            for form in read_calls(self._script, self._page, function, steps):
                return form
        return None

    def other(self) -> Node | None:
        """Return the only form that asks its visitor for nothing, else the only one."""
        forms = self._page.root.xpath("//form")[:MAX_FORMS]
        asked = [visitor_fields(form, self._page) for form in forms]
        silent = [form for form, fields in zip(forms, asked, strict=True) if not fields]
        others = [
            form
            for form, fields in zip(forms, asked, strict=True)
            if fields and not all(map(is_search, fields))
        ]
        return next((one[0] for one in (silent, others) if len(one) == 1), None)

    @cached_property
    def _submits(self) -> tuple[Reference, ...]:
        submits = (self._script.submits(function) for function in self._functions)
        return tuple(islice(chain.from_iterable(submits), MAX_ELEMENTS))

    @cached_property
    def _fills(self) -> tuple[Node, ...]:
        """The fields that the callback puts the token into."""
        fills = (self._script.fills(function) for function in self._functions)
        references = islice(chain.from_iterable(fills), MAX_ELEMENTS)
        found = (find(self._page, ref.kind, ref.value) for ref in references)
        return tuple(element for element in found if element is not None)

    def _token_fields(self, form: Node) -> tuple[str, ...]:
        """Name the fields of *form* that take the token."""
        if self._field:
            return (self._field,)
        names = [
            element.get("name")
            for element in self._fills
            if element.get("name") and owner(element, self._page) is form
        ]
        usual = TOKEN_FIELDS if self._captcha.compatible else TOKEN_FIELDS[:1]
        # Outside its form the widget adds no fields of its own.
        inside = self.around() is form or not names
        return tuple(dict.fromkeys((*names, *(usual if inside else ()))))
