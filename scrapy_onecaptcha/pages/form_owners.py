"""Which form each control belongs to, and what the elements around it do to it.

After the HTML standard, "form owner" and "form element pointer". Each element is
looked at once, however deep the page is nested.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.scripts.tree import END_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy_onecaptcha.pages.steps import Steps

__all__ = ["CONTROLS", "Around", "FormOwners", "hides"]

#: The tags of controls.
CONTROLS = ("input", "select", "textarea", "button")

# Elements that are looked at in one step.
MAX_IN_STEP = 2_000
# How much of a style is read, in characters.
MAX_STYLE = 2000
_FAR_AWAY = re.compile(r"-\d{3,}")
_NO_SIZE = re.compile(r"0(?![\d.])")
#: Which values of which properties hide an element.
_HIDING = {
    "display": re.compile("none"),
    "visibility": re.compile("hidden"),
    "opacity": re.compile(r"0(?:\.0*)?(?:[!\s]|$)"),
    "left": _FAR_AWAY,
    "top": _FAR_AWAY,
    "right": _FAR_AWAY,
    "text-indent": _FAR_AWAY,
    "margin-left": _FAR_AWAY,
    "width": _NO_SIZE,
    "height": _NO_SIZE,
    "clip": re.compile(r"rect\(\s*0"),
}


@dataclass(frozen=True, slots=True)
class Around:
    """What an element does to what is in it.

    Attributes:
        form: the nearest form.
        is_disabled: whether a fieldset disables it.
        is_hidden: whether an element hides it.
        is_hidden_in_form: the same, by an element inside of *form*.
    """

    form: Any = None
    is_disabled: bool = False
    is_hidden: bool = False
    is_hidden_in_form: bool = False


_NOTHING = Around()


@dataclass(slots=True)
class FormOwners:
    """The forms of a page, their controls, and what is around those.

    Attributes:
        by_id: the forms by their ids, the first of each.
        controls: the controls of each form, in the order of the page.
        still_open: the form whose end tag is missing, if there is one.
        visited: how many elements were looked at.
    """

    by_id: Mapping[str, Any]
    controls: Mapping[Any, list[Any]] = field(default_factory=dict)
    still_open: Any = None
    visited: int = 0
    _strays: dict[Any, Any] = field(default_factory=dict)
    _around: dict[Any, Around] = field(default_factory=dict)
    _legends: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def steps(cls, root: Any) -> Steps[FormOwners]:
        """Find the forms and controls below *root*, whose form ends are marked.

        A form that begins within another one is none: it becomes a ``<div>``.
        """
        by_id: dict[str, Any] = {}
        controls: dict[Any, list[Any]] = {}
        owners = cls(by_id=by_id, controls=controls)
        found = yield from owners._associate(root)
        yield
        for form in root.iter("form"):
            controls[form] = []
            if name := form.get("id"):
                by_id.setdefault(name, form)
        for number, element in enumerate(found):
            if not number % MAX_IN_STEP:
                yield
            form = owners.owner(element)
            if form is not None:
                controls[form].append(element)
        return owners

    def owner(self, element: Any) -> Any:
        """Return the form that *element* belongs to."""
        name = element.get("form")
        if name is not None:
            return self.by_id.get(name)
        if element.tag == "form":
            return element
        if element in self._strays:
            return self._strays[element]
        return self.around(element).form

    def around(self, element: Any) -> Around:
        """Return what the elements around *element* do to it."""
        parent = element.getparent()
        return _NOTHING if parent is None else self.inside(parent)

    def inside(self, element: Any) -> Around:
        """Return what *element* and those around it do to what is in it."""
        path = []
        known = self._around
        above: Any = element
        while above is not None and above not in known:
            path.append(above)
            above = above.getparent()
        around = _NOTHING if above is None else known[above]
        for each in reversed(path):
            around = self._step(each, around)
            known[each] = around
        self.visited += len(path)
        return around

    def _associate(self, root: Any) -> Steps[list[Any]]:
        """Associate controls with forms as the parser of a browser does.

        What is between a form's start tag and the next ``</form>`` is that form's, even
        if other end tags close it early.
        """
        pointer: Any = None
        found = []
        for number, element in enumerate(list(root.iter("form", END_TAG, *CONTROLS))):
            if not number % MAX_IN_STEP:
                yield
            if element.tag == END_TAG:
                pointer = None
            elif element.tag == "form":
                if pointer is None:
                    pointer = element
                else:
                    element.tag = "div"
            else:
                found.append(element)
                if pointer is not None and self.around(element).form is not pointer:
                    self._strays[element] = pointer
        self.still_open = pointer
        return found

    def _step(self, element: Any, outer: Around) -> Around:
        tag = element.tag
        if tag == "form":
            is_hidden = outer.is_hidden or hides(element)
            return replace(
                outer, form=element, is_hidden=is_hidden, is_hidden_in_form=False
            )
        if tag == "legend" and outer.is_disabled:
            return self._in_legend(element, outer)
        if not element.attrib:
            return outer
        if tag == "fieldset" and element.get("disabled") is not None:
            outer = replace(outer, is_disabled=True)
        if not outer.is_hidden_in_form and hides(element):
            outer = replace(outer, is_hidden=True, is_hidden_in_form=True)
        return outer

    def _in_legend(self, legend: Any, outer: Around) -> Around:
        """Except the first legend of a disabled fieldset, which does not disable it."""
        fieldset = legend.getparent()
        if fieldset is None or fieldset.tag != "fieldset":
            return outer
        if fieldset not in self._legends:
            self._legends[fieldset] = fieldset.find("legend")
        if self._legends[fieldset] is not legend:
            return outer
        return replace(outer, is_disabled=self.around(fieldset).is_disabled)


def hides(element: Any) -> bool:
    """Tell whether *element* itself hides what is in it.

    What a stylesheet hides cannot be known; inline styles and attributes can.
    """
    return (
        element.get("hidden") is not None
        or element.get("aria-hidden", "").lower() == "true"
        or _is_hiding(element.get("style", ""))
    )


def _is_hiding(style: str) -> bool:
    for declaration in style[:MAX_STYLE].lower().split(";"):
        name, _, value = declaration.partition(":")
        hiding = _HIDING.get(name.strip())
        if hiding is not None and hiding.match(value.strip()):
            return True
    return False
