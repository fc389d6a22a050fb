"""Which hCaptcha widgets a page holds, and what its scripts do with their token.

After hCaptcha's documentation of api.js (containers, ``hcaptcha.render``,
``recaptchacompat``) and the frames that it makes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from scrapy_onecaptcha.models import valid_sitekey
from scrapy_onecaptcha.pages.embedded_json import (
    NO_DATA,
    read_data,
    rqdata_of,
    sitekey_of,
)
from scrapy_onecaptcha.pages.html import find, select
from scrapy_onecaptcha.pages.named_elements import MAX_WIDGETS, NamedElements
from scrapy_onecaptcha.pages.script_reader import Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_onecaptcha.pages.embedded_json import Data
    from scrapy_onecaptcha.pages.html import Node, Page
    from scrapy_onecaptcha.pages.script_reader import Function

__all__ = ["Captcha", "Widget", "read_captcha", "script_size"]

# Arguments of one call that may hold its options.
MAX_OPTIONS = 3

_API = re.compile(
    r"\s*(?:https?:)?//(?:(?:[\w-]+\.)*hcaptcha\.com/1/(?:secure-)?api\.js"
    r"|[\w.:-]+/1/secure-api\.js)(?=[?#\s]|$)",
    re.IGNORECASE,
)
_INJECTED = re.compile(
    r"""(["'`])((?:https?:)?//(?:[\w-]+\.)*hcaptcha\.com/1/(?:secure-)?api\.js"""
    r"""[^"'`\s]{0,500})""",
    re.IGNORECASE,
)
# What a script says that has to do with a captcha.
_NAMING = ("captcha", "sitekey", "siteKey", "site_key", "site-key", "SITE_KEY")
_FRAME = re.compile(r"(?:^|//)(?:[\w-]+\.)*hcaptcha\.com/", re.IGNORECASE)
_RECAPTCHA = re.compile(r"//(?:www\.)?(?:google\.com|recaptcha\.net)/recaptcha/")
_LONE_KEY = re.compile(
    r"""site_?-?key\\?["']?\s*[:=,]\s*\\?["']([0-9a-f-]{36})\\?["']""", re.IGNORECASE
)
# No media type, one of JavaScript's, or one that Cloudflare's Rocket Loader made of it.
_ACTIVE = re.compile(
    r"|module|(?:\w+-)?(?:text|application)/(?:x-)?(?:java|ecma)script.*"
)
_THEN = re.compile(r"\)\s*\.then\s*\(")
_ATTRIBUTE = re.compile(
    r"""(?:\.dataset\s*(?:\??\.\s*(?P<camel>[\w$]{1,100})
          |(?:\?\.)?\[\s*["'](?P<index>[\w$]{1,100})["']\s*\])
        |\.(?P<by>getAttribute|attr|data)\(\s*["'](?P<name>[\w-]{1,100})["']\s*\)
        |\.(?P<member>content|value)\b(?!\s*[(=]) | \.(?P<val>val)\(\s*\))""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Widget:
    """One widget.

    Attributes:
        element: its container, or ``None`` where the page does not show it.
        sitekey: as the page has it, placeholders included.
        invisible: whether it is the invisible one.
        rqdata: what the site hands to it.
        callback: what it calls with the token, where that stands in the page.
        seen: a sentence that says where it was seen.
    """

    element: Node | None
    sitekey: str | None
    invisible: bool = False
    rqdata: str | None = field(default=None, repr=False)
    callback: Function | None = None
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Captcha:
    """All that a page shows of hCaptcha.

    Attributes:
        api: whether it loads hCaptcha's script.
        compatible: whether the widget fills ``g-recaptcha-response`` too.
        widgets: in the order of the page.
        place: whether an element is named after hCaptcha, without being a widget.
        box: whether an element is named after some captcha or challenge.
        named: whether no widget is seen, but the page's data names the key of one.
        script: its inline scripts.
    """

    api: bool
    compatible: bool
    widgets: tuple[Widget, ...]
    place: bool
    script: Script
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


def read_captcha(page: Page, *, whole: bool = True) -> Captcha:
    """Read what *page* shows of hCaptcha.

    Args:
        page: the page as a tree.
        whole: whether all scripts are read, or only those that name a captcha or a
            sitekey.
    """
    texts = _inline_scripts(page)
    script = Script(text for text in texts if whole or _names_it(text))
    urls = [url for url in _script_urls(page) if _API.match(url)]
    urls += [match[2] for match in islice(_INJECTED.finditer(script.code), MAX_WIDGETS)]
    compatible = not any("recaptchacompat=off" in url.lower() for url in urls)
    google = bool(urls) and compatible and not _has_recaptcha(page)
    named = NamedElements.of(page.root)
    widgets = [
        *_containers(named, script, api=bool(urls), google=google),
        *_frames(page),
    ]
    widgets = _rendered(page, script, widgets, google=google)
    dormant = [e.text or "" for e in page.root.iter("script") if not _is_active(e)]
    data = read_data(script.code, script.bare, dormant) if urls or widgets else NO_DATA
    lone = _lone_key(named, script, dormant) if urls or widgets else None
    lone = lone or sitekey_of(data)
    only_named = bool(lone and not widgets)
    if only_named:
        seen = "The page's data names a sitekey beside hCaptcha's script."
        widgets = [Widget(element=None, sitekey=lone, seen=seen)]
    rqdata, promised = _rqdata(script), _promised(script)
    widgets = [replace(w, callback=w.callback or promised) for w in widgets]
    return Captcha(
        api=bool(urls),
        compatible=compatible,
        widgets=tuple(_completed(widget, lone, rqdata, data) for widget in widgets),
        place=named.is_place,
        script=script,
        box=named.is_box,
        named=only_named,
    )


def _names_it(text: str) -> bool:
    return any(word in text for word in _NAMING)


def script_size(page: Page) -> int:
    """Return how many characters the inline scripts of *page* have."""
    return sum(map(len, _inline_scripts(page)))


def _script_urls(page: Page) -> Iterator[str]:
    for element in page.root.iter("script"):
        if element.get("src") and _is_active(element):
            yield element.get("src")


def _inline_scripts(page: Page) -> Iterator[str]:
    for element in page.root.iter("script"):
        if element.text and not element.get("src") and _is_active(element):
            yield element.text


def _is_active(script: Node) -> bool:
    return bool(_ACTIVE.fullmatch((script.get("type") or "").strip().lower()))


def _containers(
    named: NamedElements, script: Script, *, api: bool, google: bool
) -> Iterator[Widget]:
    """Read the containers that api.js renders by itself, or a web component does."""
    elements = list(named.containers)
    if google:
        elements += named.compatible
    if api:  # then a script renders what has a sitekey, whatever its class
        elements += [e for e in named.keyed if valid_sitekey(e.get("data-sitekey"))]
    for element in dict.fromkeys(elements):
        yield _container(element, script)


def _has_recaptcha(page: Page) -> bool:
    """Say whether Google's script is there, to which its containers belong then."""
    return any(_RECAPTCHA.search(url) for url in _script_urls(page))


def _container(element: Node, script: Script) -> Widget:
    names = ("data-sitekey", "sitekey", "site-key")
    keys = (element.get(name) for name in names)
    size = element.get("data-size") or element.get("size") or ""
    callback = element.get("data-callback")
    return Widget(
        element=element,
        sitekey=next((key for key in keys if key is not None), None),
        # A button or input is bound to the challenge itself: it has no checkbox.
        invisible=element.tag in ("button", "input") or size.lower() == "invisible",
        rqdata=element.get("rqdata"),
        callback=script.function(callback) if callback else None,
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
    page: Page, script: Script, widgets: list[Widget], *, google: bool
) -> list[Widget]:
    """Add what ``hcaptcha.render(container, options)`` says to the containers."""
    calls = list(script.calls("render"))
    if google:  # the name that api.js takes over, for pages made for Google's widget
        calls += script.calls("render", of="grecaptcha")
    for _, arguments in calls:
        options = arguments[1] if len(arguments) > 1 else (0, 0)
        references = script.references(arguments[0])
        elements = [find(page, ref.kind, ref.value) for ref in references]
        element = elements[0] if elements else None
        widget = _render(element, script, options, page)
        known = next((w for w in widgets if w.element is element), None)
        if element is None and len(widgets) == 1:
            known = widgets[0]
        if known is None:
            widgets.append(widget)
        else:
            widgets[widgets.index(known)] = _merged(known, widget)
    return widgets


def _render(
    element: Node | None, script: Script, options: tuple[int, int], page: Page
) -> Widget:
    size = script.value(script.option(options, "size")) or ""
    tag = element.tag if element is not None else ""
    where = f"a <{tag}>" if tag else "an element that is not in the page"
    return Widget(
        element=element,
        sitekey=_key(element, script, script.option(options, "sitekey"), page),
        invisible=size.lower() == "invisible" or tag in ("button", "input"),
        callback=_callback(script, script.option(options, "callback")),
        seen=f"A script renders the widget into {where}.",
    )


def _key(
    element: Node | None, script: Script, span: tuple[int, int] | None, page: Page
) -> str | None:
    """Read the sitekey that a script hands over: a literal, or one of an attribute."""
    value = script.value(span)
    if span is None or valid_sitekey(value):
        return value
    attribute, span = _attribute(script, span)
    if attribute is None:
        return value
    of = [find(page, r.kind, r.value) for r in script.references(span)]
    for owner in (*of, element):
        if owner is not None and (key := valid_sitekey(owner.get(attribute))):
            return key
    if "-" not in attribute:  # a value or content, of which a page has many
        return value
    keys = set(select(page.root, "//@*[name()=$name]", name=attribute)[:MAX_WIDGETS])
    valid = {key for key in map(valid_sitekey, keys) if key}
    return valid.pop() if len(valid) == 1 else value


def _attribute(
    script: Script, span: tuple[int, int]
) -> tuple[str | None, tuple[int, int]]:
    """Name the attribute that an expression reads, or the variable that it is.

    Also returned is where the expression stands.
    """
    found = _ATTRIBUTE.search(script.code, *span)
    name = script.name(span)
    if found is None and name:
        assigned = re.search(
            rf"(?<![\w$.]){re.escape(name)}\s*=(?![=>])\s*", script.bare
        )
        if assigned:
            span = (assigned.end(), script.statement_end(assigned.end()))
            found = _ATTRIBUTE.search(script.code, *span)
    if found is None:
        return None, span
    if found["member"] or found["val"]:
        return found["member"] or "value", span
    if found["name"] and found["by"] != "data":
        return found["name"].lower(), span
    camel = found["camel"] or found["index"] or found["name"]
    kebab = re.sub(r"[A-Z]", lambda capital: f"-{capital[0]}", camel).lower()
    return f"data-{kebab}", span


def _merged(container: Widget, rendered: Widget) -> Widget:
    """Let what a script renders overrule its container's attributes."""
    key = rendered.sitekey if valid_sitekey(rendered.sitekey) else None
    return replace(
        container,
        sitekey=key or container.sitekey or rendered.sitekey,
        invisible=container.invisible or rendered.invisible,
        callback=rendered.callback or container.callback,
        seen=rendered.seen,
    )


def _callback(script: Script, span: tuple[int, int] | None) -> Function | None:
    """Read a callback: a function, or the name of one."""
    if span is None:
        return None
    inline = script.function_at(span[0])
    if inline:
        return inline
    return script.function(script.text(span).strip("\"'"))


def _promised(script: Script) -> Function | None:
    """Read what takes the token of ``hcaptcha.execute(…).then(…)``."""
    for _, arguments in script.calls("execute"):
        then = _THEN.match(script.bare, arguments[-1][1])
        if then:
            return _callback(script, script.arguments(then.end() - 1)[0])
    return None


def _rqdata(script: Script) -> str | None:
    """Read the rqdata that a script hands over."""
    for method, arguments in script.calls("execute", "setData", "render"):
        for span in arguments[0 if method == "setData" else 1 :][:MAX_OPTIONS]:
            rqdata = script.value(script.option(span, "rqdata"))
            if rqdata:
                return rqdata
    return None


def _lone_key(named: NamedElements, script: Script, dormant: list[str]) -> str | None:
    """Return the one sitekey that the page's data names, if it is one."""
    texts = [script.code, *dormant]
    keys = {match[1] for text in texts for match in _LONE_KEY.finditer(text[:512_000])}
    keys |= set(named.keys)
    valid = {key for key in map(valid_sitekey, keys) if key}
    return valid.pop() if len(valid) == 1 else None


def _completed(
    widget: Widget, lone: str | None, rqdata: str | None, data: Data
) -> Widget:
    """Fill in what stands elsewhere in the page."""
    key = widget.sitekey if valid_sitekey(widget.sitekey) else lone or widget.sitekey
    rqdata = widget.rqdata or rqdata or rqdata_of(data, valid_sitekey(key))
    return replace(widget, sitekey=key, rqdata=rqdata)
