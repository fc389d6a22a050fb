"""A response as a tree, bounded in time and memory whatever the page is made of."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urljoin, urlsplit

from lxml import etree  # type: ignore[import-untyped,unused-ignore]
from parsel import Selector
from scrapy.http import HtmlResponse, JsonResponse, TextResponse, XmlResponse
from w3lib.encoding import resolve_encoding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy.http import Response

__all__ = [
    "BOM_UTF16",
    "Node",
    "Page",
    "charset",
    "find",
    "has",
    "is_html",
    "join",
    "keeps_ascii",
    "parse",
    "select",
]

logger = logging.getLogger(__name__)

# lxml has no types of its own: this is the one place where it is ``Any``.
Node = Any

# What stands behind this is not read: no gate is that large.
MAX_BYTES = 1_000_000
# libxml2 compares each attribute of a tag with all before it: 100,000 attributes
# took 14 s, 256 take 0.1 ms.
MAX_ATTRIBUTES = 256

# Their content is not part of the page while scripts run, or is shown as text.
_INERT = ("noscript", "template", "pre", "code", "xmp", "noembed", "noframes")

# In UTF-16 no word is found by its bytes.
BOM_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# One attribute as the HTML tokenizer sees it. The lookahead with its backreference
# stands for an atomic group, so that nothing is ever tried twice.
_ATTRIBUTE = (
    r"(?=([\s/]*[^\s/>][^\s/>=]*"
    r"(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>\"'][^\s>]*)?)?))\N"
)
_TAG = re.compile(
    rf"(<[a-zA-Z][^\s/>]*(?:{_ATTRIBUTE.replace('N', '2')}){{0,{MAX_ATTRIBUTES}}})"
    rf"((?:{_ATTRIBUTE.replace('N', '4')})*)"
    r"|(?P<end></form[\s/>])",
    re.IGNORECASE,
)
# Put before each ``</form>``, for the tree does not tell where they stood.
_END = "onecaptcha-form-end"
_MARK = f"<{_END}></{_END}>"
_ASCII = "".join(map(chr, range(32, 127)))
# What lxml reads, but does not write.
_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_RAW = ("script", "style", "title", "textarea")
_CONTROLS = ("input", "select", "textarea", "button")

# Python's own, which no browser knows; some of them warn of what they read.
_NO_CHARSETS = frozenset({"utf-7", "unicode-escape", "raw-unicode-escape", "punycode"})

_SIMPLE_CSS = re.compile(
    r"""(?P<tag>[a-z]*)(?:\#(?P<id>[\w-]+)|\.(?P<class>[\w-]+)
        |\[(?P<attribute>[\w-]+)=["']?(?P<value>[^\]"']*)["']?\])?""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Page:
    """A parsed page.

    Attributes:
        root: its root element; comments and all that is inert are gone.
        url: its address, without fragment.
        base: what its relative links are joined to.
        encoding: what its forms are sent in, as Python names it.
        strays: controls that belong to a form around which the tree has it closed.
        cut: the form that goes on behind what is read of the page, if there is one.
        forms: the forms by their ids, the first of each.
        beside: the controls that belong to a form without standing in it.
    """

    root: Node
    url: str
    base: str
    encoding: str
    strays: Mapping[Node, Node]
    forms: Mapping[str, Node]
    beside: Mapping[Node, list[Node]]
    cut: Node | None = None


def is_html(response: Response) -> bool:
    """Say whether a browser would show *response* as a page."""
    if isinstance(response, HtmlResponse):
        return True
    if not isinstance(response, TextResponse):
        return False
    if isinstance(response, (JsonResponse, XmlResponse)):
        return False
    # Scripts and plain text are text responses too; only what names no type at all
    # is sniffed, as a browser does.
    kind = (response.headers.get("Content-Type") or b"").lower()
    return b"html" in kind or (not kind and response.body.lstrip()[:1] == b"<")


def parse(response: TextResponse) -> Page | None:
    """Parse *response*, or return ``None`` where nothing of it can be read."""
    root = _tree(response)
    if root is None:
        return None
    etree.strip_elements(root, *_INERT, with_tail=False)
    url = join(response.url, "") or response.url
    encoding = charset(response.encoding) or "utf-8"
    strays, still_open = _strays(root)
    forms = _forms(root)
    beside = _beside(root, strays, forms)
    cut = still_open if len(response.body) > MAX_BYTES else None
    return Page(root, url, _base(root, url), encoding, strays, forms, beside, cut)


def charset(label: str | None) -> str | None:
    """Return the encoding that *label* names, as Python does, or ``None``.

    A page may name any: among Python's there are some that make no text (``base64``),
    or that raise (``idna``).
    """
    try:
        name = resolve_encoding(label or "")
        if name is None or name.replace("_", "-") in _NO_CHARSETS:
            return None
        "\xe9".encode(name, "xmlcharrefreplace")
        b"e".decode(name, "replace")
    except (LookupError, ValueError):
        return None
    return name


def _strays(root: Node) -> tuple[dict[Node, Node], Node | None]:
    """Associate controls with forms as the parser of a browser does.

    Also returned is the form whose end tag is missing, if there is one.

    What stands between a form's start tag and the next ``</form>`` is that form's, even
    where other end tags close it early; a form that begins in it is none (HTML, "form
    element pointer").
    """
    pointer, strays = None, {}
    for element in list(root.iter("form", _END, *_CONTROLS)):
        if element.tag == _END:
            pointer = None
        elif element.tag != "form":
            if pointer is not None and not _is_within(element, pointer):
                strays[element] = pointer
        elif pointer is None:
            pointer = element
        else:
            element.tag = "div"
    etree.strip_tags(root, _END)
    return strays, pointer


def _forms(root: Node) -> dict[str, Node]:
    forms: dict[str, Node] = {}
    for form in root.iter("form"):
        if name := form.get("id"):
            forms.setdefault(name, form)
    return forms


def _beside(
    root: Node, strays: Mapping[Node, Node], forms: Mapping[str, Node]
) -> dict[Node, list[Node]]:
    beside: dict[Node, list[Node]] = {}
    for element in root.iter(*_CONTROLS):
        name = element.get("form")
        form = forms.get(name) if name else strays.get(element)
        if form is not None:
            beside.setdefault(form, []).append(element)
    return beside


def _is_within(element: Node, form: Node) -> bool:
    around = islice(element.iterancestors("form"), 1)
    return next(around, None) is form


def has(response: TextResponse, css: str) -> bool:
    """Say whether *response* has an element for *css*, inert ones included.

    Raises:
        cssselect.SelectorError: for what is no selector.
        ValueError: for one that cannot be evaluated.
    """
    root = _tree(response)
    return root is not None and bool(Selector(root=root, type="html").css(css))


def select(root: Node, path: str, **names: str) -> list[Node]:
    """Evaluate *path*, with *names* taken from the page, which may be anything."""
    try:
        return list(root.xpath(path, **names))
    except ValueError:  # control characters, which no XML string may hold
        return []


def find(page: Page, kind: str, value: str) -> Node | None:
    """Return the element that a script names, or ``None``.

    Args:
        page: where it is looked for.
        kind: ``id``, ``css``, ``field`` (a control's name), ``form`` (a form's name),
            ``index`` (of a form) or ``name`` (a form's or control's name or id).
        value: the name, selector or number.
    """
    if kind == "css":
        return _find_css(page, value)
    if kind == "index":
        return _nth(page.root, "//form", int(value[:6]))
    paths = {
        "id": "//*[@id=$v]",
        "field": "//*[@name=$v]",
        "form": "//form[@name=$v or @id=$v]",
        "name": "//*[@id=$v or (self::form or self::input) and @name=$v]",
    }
    return _nth(page.root, paths[kind], v=value)


def _find_css(page: Page, selector: str) -> Node | None:
    """Find by a simple selector; others are not worth what they may cost."""
    simple = _SIMPLE_CSS.fullmatch(selector.strip())
    if not simple or not simple[0]:
        return None
    tag = simple["tag"] or "*"
    if simple["id"]:
        return _nth(page.root, f"//{tag}[@id=$v]", v=simple["id"])
    if simple["class"]:
        path = f"//{tag}[contains(concat(' ', normalize-space(@class), ' '), $v)]"
        return _nth(page.root, path, v=f" {simple['class']} ")
    if simple["attribute"]:
        path = f"//{tag}[@*[name()=$a]=$v]"
        return _nth(page.root, path, a=simple["attribute"], v=simple["value"])
    return _nth(page.root, f"//{tag}")


def _nth(root: Node, path: str, number: int = 0, **names: str) -> Node | None:
    found = select(root, f"({path})[{number + 1}]", **names)
    return found[0] if found else None


def _tree(response: TextResponse) -> Node | None:
    """Parse what is read of *response*."""
    # Older versions of libxml2 end the page at a NUL.
    text = _TAG.sub(_tag, _decoded(response).replace("\x00", ""))
    parser = etree.HTMLParser(
        encoding="utf-8",
        recover=True,
        huge_tree=True,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError) as error:
        logger.debug("Nothing to parse in %s: %s", response.url, error)
        return None
    for element in root.iter(*_RAW) if root is not None else ():
        if element.text and _END in element.text:
            text = element.text.replace(_MARK, "")
            element.text = _UNWRITABLE.sub(" ", text)
    return root


def _tag(found: re.Match[str]) -> str:
    """Drop what is too many of a tag's attributes, and mark where a form ends."""
    return f"{_MARK}{found[0]}" if found["end"] else found[1]


def keeps_ascii(encoding: str) -> bool:
    """Say whether *encoding* takes any text, and leaves a token as it is."""
    try:
        return _ASCII.encode(encoding, "xmlcharrefreplace") == _ASCII.encode()
    except (LookupError, UnicodeError):
        return False


def _decoded(response: TextResponse) -> str:
    """Decode the part of the page that is read."""
    body, encoding = response.body, charset(response.encoding)
    if encoding and len(body) <= MAX_BYTES and not body.startswith(BOM_UTF16):
        return response.text
    return body[:MAX_BYTES].decode(encoding or "utf-8", "replace")


def _base(root: Node, url: str) -> str:
    """Return what ``<base href>`` makes of the page's address."""
    for element in root.iter("base"):
        href = element.get("href")
        if href is not None:
            joined = join(url, href)
            return joined if joined and joined.startswith("http") else url
    return url


def join(base: str, href: str) -> str | None:
    """Resolve *href* as browsers do, or return ``None`` where it is no URL."""
    try:
        url = urldefrag(urljoin(base, href.strip())).url
        urlsplit(url)  # urljoin returns its base unread where nothing is joined
    except ValueError:
        return None
    return url
