"""The elements of a page that are named after a captcha, found in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.pages.steps import finish

if TYPE_CHECKING:
    from scrapy_onecaptcha.pages.html import Node
    from scrapy_onecaptcha.pages.steps import Steps

__all__ = ["MAX_WIDGETS", "NamedElements"]

#: Widgets of one page that are looked at.
MAX_WIDGETS = 32

# Elements and attributes that are looked at in one step.
MAX_IN_STEP = 20_000

_COMPONENTS = ("h-captcha", "vue-hcaptcha")
_INVISIBLE = ("script", "style", "link")


@dataclass(slots=True)
class NamedElements:
    """Elements that have to do with a captcha, by what their markup says.

    Attributes:
        containers: those that api.js renders by itself, or a web component does.
        compatible: those made for Google's widget, which api.js renders, too.
        keyed: others that have a sitekey, for a script to read.
        keys: the values of attributes that are named after a sitekey.
        is_place: whether one is named after hCaptcha, without being a widget.
        is_box: whether one is named after some captcha or challenge.
    """

    containers: list[Node] = field(default_factory=list)
    compatible: list[Node] = field(default_factory=list)
    keyed: list[Node] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    is_place: bool = False
    is_box: bool = False

    @classmethod
    def of(cls, root: Node) -> NamedElements:
        """Find them below *root*."""
        return finish(cls.steps(root))

    @classmethod
    def steps(cls, root: Node) -> Steps[NamedElements]:
        """Do as `of` does, in steps."""
        found = cls()
        body = next(root.iter("body"), None)
        is_in_body = False
        looked_at = 0
        for element in root.iter():
            is_in_body = is_in_body or (element is body and body is not None)
            each = element.values()
            looked_at += 1 + len(each)
            if looked_at > MAX_IN_STEP:
                looked_at = 0
                yield
            values = " ".join(each)
            if "captcha" in values or "challenge" in values:
                found._add(element, is_in_body=is_in_body)
            elif element.tag in _COMPONENTS:
                found._add_container(element)
            if values and "ite" in (names := "".join(element.keys())):
                found._add_keys(element, names)
        return found

    def _add(self, element: Node, *, is_in_body: bool) -> None:
        classes = element.get("class", "").split()
        if (
            "h-captcha" in classes
            or element.tag in _COMPONENTS
            # A key, and in any attribute the name: some bundle renders it.
            or ("data-sitekey" in element.attrib and _has_name(element))
        ):
            self._add_container(element)
        if "g-recaptcha" in classes and len(self.compatible) < MAX_WIDGETS:
            self.compatible.append(element)
        if is_in_body and element.tag not in _INVISIBLE:
            name = element.get("id", "")
            self.is_place |= "hcaptcha" in name or "h-captcha" in name
            named = f"{name} {element.get('class', '')}"
            self.is_box |= "captcha" in named or "challenge" in named

    def _add_container(self, element: Node) -> None:
        if len(self.containers) < MAX_WIDGETS:
            self.containers.append(element)

    def _add_keys(self, element: Node, names: str) -> None:
        if "sitekey" not in names.replace("-", "").replace("_", ""):
            return
        if "data-sitekey" in element.attrib and len(self.keyed) < MAX_WIDGETS:
            self.keyed.append(element)
        found = (
            value
            for name, value in element.items()
            if "sitekey" in name.replace("-", "").replace("_", "")
        )
        self.keys += list(found)[: MAX_WIDGETS - len(self.keys)]


def _has_name(element: Any) -> bool:
    values = (f" {value} " for value in element.values())
    return any(" h-captcha " in value or " hcaptcha " in value for value in values)
