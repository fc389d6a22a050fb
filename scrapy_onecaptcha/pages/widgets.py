"""Which hCaptcha widgets a page shows without its scripts being run.

After hCaptcha's documentation of api.js (containers, ``hcaptcha.render``,
``recaptchacompat``) and the frames that it makes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from scrapy_onecaptcha.models import valid_sitekey
from scrapy_onecaptcha.pages.embedded_json import (
    NO_DATA,
    data_steps,
    rqdata_of,
    sitekey_of,
)
from scrapy_onecaptcha.pages.inline_scripts import API, InlineScripts, is_active
from scrapy_onecaptcha.pages.named_elements import MAX_WIDGETS, NamedElements
from scrapy_onecaptcha.pages.steps import finish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_onecaptcha.pages.embedded_json import Data
    from scrapy_onecaptcha.pages.html import Node, Page
    from scrapy_onecaptcha.pages.inline_scripts import Rendering
    from scrapy_onecaptcha.pages.steps import Steps

__all__ = ["Captcha", "Widget", "captcha_steps", "read_captcha"]

_FRAME = re.compile(r"(?:^|//)(?:[\w-]+\.)*hcaptcha\.com/", re.IGNORECASE)
_RECAPTCHA = re.compile(r"//(?:www\.)?(?:google\.com|recaptcha\.net)/recaptcha/")
# Two letters are spelt out: a pattern that begins in any case is slow to search for.
_LONE_KEY = re.compile(
    r"""[sS][iI](?i:te_?-?key\\?["']?\s*[:=,]\s*\\?["']([0-9a-f-]{36})\\?["'])"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Widget:
    """One widget.

    Attributes:
        element: its container, or ``None`` where the page does not show it.
        sitekey: as the page has it, placeholders included.
        invisible: whether it is the invisible one.
        rqdata: what the site hands to it.
        has_callback: whether its markup names a function that gets the token.
        seen: a sentence that says where it was seen.
    """

    element: Node | None
    sitekey: str | None
    invisible: bool = False
    rqdata: str | None = field(default=None, repr=False)
    has_callback: bool = False
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Captcha:
    """All that a page shows of hCaptcha.

    Attributes:
        api: whether it loads hCaptcha's script.
        compatible: whether the widget fills ``g-recaptcha-response`` too.
        widgets: in the order of the page.
        place: whether an element is named after hCaptcha, without being a widget.
        scripts: its inline scripts.
        external: whether it loads scripts of its own, too.
        box: whether an element is named after some captcha or challenge.
        named: whether no widget is seen, but the page's data names the key of one.
    """

    api: bool
    compatible: bool
    widgets: tuple[Widget, ...]
    place: bool
    scripts: InlineScripts
    external: bool = False
    box: bool = False
    named: bool = False

    @property
    def widget(self) -> Widget | None:
        """The widget to solve: the first with a sitekey, else the first."""
        keyed = (w for w in self.widgets if valid_sitekey(w.sitekey))
        return next(keyed, self.widgets[0] if self.widgets else None)

    @property
    def certain(self) -> bool:
        """Whether the page surely holds a widget, rather than traces of one."""
        seen = any(w.sitekey is not None or self.api for w in self.widgets)
        return seen and not self.named


def read_captcha(page: Page) -> Captcha:
    """Read what *page* shows of hCaptcha."""
    return finish(captcha_steps(page))


def captcha_steps(page: Page) -> Steps[Captcha]:
    """Do as `read_captcha` does, in steps."""
    scripts = yield from InlineScripts.steps(page)
    yield
    sources = list(_script_urls(page))
    yield
    urls = [url for url in sources if API.match(url)] + scripts.injected()
    yield
    compatible = not any("recaptchacompat=off" in url.lower() for url in urls)
    google = bool(urls) and compatible and not any(map(_RECAPTCHA.search, sources))
    yield
    named = yield from NamedElements.steps(page.root)
    yield
    widgets = [*_containers(named, api=bool(urls), google=google), *_frames(page)]
    widgets = _rendered(page, scripts, widgets, google=google)
    yield
    known = bool(urls or widgets)
    data = NO_DATA
    if known:
        data = yield from data_steps(scripts.code, scripts.dormant)
    lone = _lone_key(named, scripts) if known else None
    lone = lone or sitekey_of(data)
    only_named = bool(lone and not widgets)
    if only_named:
        seen = "The page's data names a sitekey beside hCaptcha's script."
        widgets = [Widget(element=None, sitekey=lone, seen=seen)]
    rqdata = scripts.rqdata()
    return Captcha(
        api=bool(urls),
        compatible=compatible,
        widgets=tuple(_completed(widget, lone, rqdata, data) for widget in widgets),
        place=named.is_place,
        scripts=scripts,
        external=any(not API.match(url) for url in sources),
        box=named.is_box,
        named=only_named,
    )


def _script_urls(page: Page) -> Iterator[str]:
    for element in page.root.iter("script"):
        if element.get("src") and is_active(element):
            yield element.get("src")


def _containers(named: NamedElements, *, api: bool, google: bool) -> Iterator[Widget]:
    """Read the containers that api.js renders by itself, or a web component does."""
    elements = list(named.containers)
    if google:
        elements += named.compatible
    if api:  # then a script renders what has a sitekey, whatever its class
        elements += [e for e in named.keyed if valid_sitekey(e.get("data-sitekey"))]
    for element in dict.fromkeys(elements):
        yield _container(element)


def _container(element: Node) -> Widget:
    names = ("data-sitekey", "sitekey", "site-key")
    keys = (element.get(name) for name in names)
    size = element.get("data-size") or element.get("size") or ""
    return Widget(
        element=element,
        sitekey=next((key for key in keys if key is not None), None),
        # A button or input is bound to the challenge itself: it has no checkbox.
        invisible=element.tag in ("button", "input") or size.lower() == "invisible",
        rqdata=element.get("rqdata"),
        has_callback=bool(element.get("data-callback")),
        seen=f"A <{element.tag}> is a container of the widget.",
    )


def _frames(page: Page) -> Iterator[Widget]:
    """Read the frames of widgets that were rendered before the page was saved."""
    for element in page.root.xpath("//iframe[contains(@src, 'hcaptcha')]")[
        :MAX_WIDGETS
    ]:
        try:
            url = urlsplit(element.get("src"))
        except ValueError:
            continue
        query = parse_qs(f"{url.query}&{url.fragment}", max_num_fields=None)
        if _FRAME.search(element.get("src")) and "sitekey" in query:
            yield Widget(
                element=element,
                sitekey=query["sitekey"][0],
                invisible=query.get("size", [""])[0] == "invisible",
                seen="A frame of hCaptcha names a sitekey.",
            )


def _rendered(
    page: Page, scripts: InlineScripts, widgets: list[Widget], *, google: bool
) -> list[Widget]:
    """Add what ``hcaptcha.render(container, options)`` says to the containers."""
    renderings = list(scripts.renderings())
    elements = _by_id(page, {each.element_id for each in renderings})
    for rendering in renderings:
        # The name that api.js takes over, for pages made for Google's widget.
        if rendering.of == "grecaptcha" and not google:
            continue
        element = elements.get(rendering.element_id)
        widget = _render(element, rendering)
        known = next((w for w in widgets if w.element is widget.element), None)
        if widget.element is None and len(widgets) == 1:
            known = widgets[0]
        if known is None:
            widgets.append(widget)
        else:
            widgets[widgets.index(known)] = _merged(known, widget)
    return widgets


def _by_id(page: Page, names: set[str | None]) -> dict[str | None, Node]:
    """Return the first element of each of these ids."""
    found: dict[str | None, Node] = {}
    if names - {None}:
        for element in page.root.xpath("//*[@id]"):
            name = element.get("id")
            if name in names:
                found.setdefault(name, element)
    return found


def _render(element: Node | None, rendering: Rendering) -> Widget:
    tag = element.tag if element is not None else ""
    where = f"a <{tag}>" if tag else "an element that its scripts name"
    return Widget(
        element=element,
        sitekey=rendering.sitekey,
        invisible=rendering.invisible or tag in ("button", "input"),
        seen=f"A script renders the widget into {where}.",
    )


def _merged(container: Widget, rendered: Widget) -> Widget:
    """Let what a script renders overrule its container's attributes."""
    key = rendered.sitekey if valid_sitekey(rendered.sitekey) else None
    return replace(
        container,
        sitekey=key or container.sitekey or rendered.sitekey,
        invisible=container.invisible or rendered.invisible,
        seen=rendered.seen if rendered.element is not None else container.seen,
    )


def _lone_key(named: NamedElements, scripts: InlineScripts) -> str | None:
    """Return the one sitekey that the page's data names, if it is one."""
    texts = [scripts.code, *scripts.dormant]
    keys = {match[1] for text in texts for match in _LONE_KEY.finditer(text[:512_000])}
    keys |= set(named.keys)
    valid = {key for key in map(valid_sitekey, keys) if key}
    return valid.pop() if len(valid) == 1 else None


def _completed(
    widget: Widget, lone: str | None, rqdata: str | None, data: Data
) -> Widget:
    """Fill in what the page has elsewhere."""
    key = widget.sitekey if valid_sitekey(widget.sitekey) else lone or widget.sitekey
    rqdata = widget.rqdata or rqdata or rqdata_of(data, valid_sitekey(key))
    return replace(widget, sitekey=key, rqdata=rqdata)
