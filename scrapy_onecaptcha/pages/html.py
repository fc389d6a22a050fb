"""A response as a tree, bounded in time and memory whatever the page is made of."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urljoin, urlsplit

from lxml import etree  # type: ignore[import-untyped,unused-ignore]
from scrapy.http import HtmlResponse, JsonResponse, TextResponse, XmlResponse

from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha.pages.encodings import charset, media_type
from scrapy_onecaptcha.pages.form_owners import FormOwners
from scrapy_onecaptcha.pages.markup import MAX_BYTES, Markup, without_marks
from scrapy_onecaptcha.pages.selectors import match_steps
from scrapy_onecaptcha.pages.steps import finish
from scrapy_onecaptcha.scripts.tree import END_TAG, RAW, join_roots, writable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.http import Response

    from scrapy_onecaptcha.pages.steps import Steps

__all__ = [
    "BOM_UTF16",
    "MAX_BYTES",
    "Node",
    "Page",
    "has_steps",
    "is_html",
    "join",
    "parse",
    "parse_steps",
    "read_part",
    "text_of",
]

logger = get_logger(__name__)

# lxml has no types of its own: this is the one place where it is ``Any``.
Node = Any

# Their content is not part of the page while scripts run, or is shown as text.
_INERT = ("noscript", "template", "pre", "code", "xmp", "noembed", "noframes")

# Limits on reading an element's text: start and end tags in it, and blanks for each
# character.
MAX_TAGS_WITHIN = 200
MAX_BLANKS = 20

# Levels of elements after which libxml2 ends a page.
MAX_DEPTH = 256
# In UTF-16 no word is found by its bytes.
BOM_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_REMOVED = "onecaptcha-removed"


@dataclass(frozen=True, slots=True)
class Page:
    """A parsed page.

    Attributes:
        root: its root element; comments and all that is inert are gone.
        url: its address, without fragment.
        base: what its relative links are joined to.
        encoding: what its forms are sent in, as Python names it.
        owners: its forms, and their controls.
        is_cut: whether the page goes on behind what is read of it.
        cut: the form that goes on there, if there is one.
        is_deep: whether it is cut because it is too deep.
    """

    root: Node
    url: str
    base: str
    encoding: str
    owners: FormOwners
    is_cut: bool = False
    cut: Node | None = None
    is_deep: bool = False


def is_html(response: Response) -> bool:
    """Tell whether a browser would show *response* as a page."""
    if isinstance(response, HtmlResponse):
        return True
    if not isinstance(response, TextResponse):
        return False
    if isinstance(response, (JsonResponse, XmlResponse)):
        return False
    # Scripts and plain text are text responses too; only what names no type at all
    # is sniffed, as a browser does.
    kind = media_type(response)
    return b"html" in kind or (not kind and response.body.lstrip()[:1] == b"<")


def parse(response: TextResponse) -> Page | None:
    """Parse *response*, or return ``None`` where nothing of it can be read."""
    return finish(parse_steps(response))


def parse_steps(response: TextResponse) -> Steps[Page | None]:
    """Do as `parse` does, in steps."""
    tree = yield from _tree_steps(response, marked=True)
    if tree is None:
        return None
    yield
    root, is_cut = tree
    is_deep = _is_too_deep(root)
    _remove_inert(root)
    url = join(response.url, "") or response.url
    encoding = charset(response.encoding) or "utf-8"
    yield
    owners = yield from FormOwners.steps(root)
    yield
    etree.strip_tags(root, END_TAG)  # few enough for the texts that it splits
    cut = owners.still_open if is_cut else None
    return Page(root, url, _base(root, url), encoding, owners, is_cut, cut, is_deep)


def _remove_inert(root: Node) -> None:
    """Empty what is not part of the page.

    The emptied elements stay: lxml would leave their neighbours' texts in pieces, and
    what walks over those takes quadratic time.
    """
    # From the innermost outwards: else each takes what is left of the others along.
    for element in reversed(list(root.iter(*_INERT))):
        element.clear(keep_tail=True)
        element.tag = _REMOVED


def has_steps(response: TextResponse, css: str) -> Steps[bool]:
    """Tell whether *response* has an element for *css*, inert ones included.

    Raises:
        cssselect.SelectorError: for what is no selector.
        ValueError: for one that cannot be evaluated.
    """
    tree = yield from _tree_steps(response, marked=False)
    yield
    return tree is not None and (yield from match_steps(tree[0], css))


def _tree_steps(
    response: TextResponse, *, marked: bool
) -> Steps[tuple[Node, bool] | None]:
    """Parse what is read of *response*; also return whether that is not all of it.

    Args:
        response: the page as it came.
        marked: whether an element is put in before each end tag of a form.
    """
    # Older versions of libxml2 end the page at a NUL.
    text = read_part(response).replace("\x00", "")
    markup = yield from Markup.steps(text, marked=marked)
    yield
    parser = etree.HTMLParser(
        encoding="utf-8",
        recover=True,
        # Deeper than `MAX_DEPTH` a page ends: for each element that is looked at, lxml
        # goes up to the root.
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        # For an id that repeats, lxml counts the siblings before its element.
        collect_ids=False,
    )
    try:
        root = etree.fromstring(markup.text.encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError) as error:
        logger.debug("Nothing to parse in %s: %s", response.url, error)
        return None
    if root is None:
        return None
    join_roots(root)
    for element in root.iter(*RAW) if marked else ():
        if element.text and END_TAG in element.text:
            element.text = writable(without_marks(element.text))
    is_cut = markup.is_cut or len(response.body) > MAX_BYTES or _is_too_deep(root)
    return root, is_cut


def _is_too_deep(root: Node) -> bool:
    """Tell whether the parser ended the page: then its last element is the deepest."""
    last, depth = root, 1
    while len(last):
        last, depth = last[-1], depth + 1
    return depth >= MAX_DEPTH


def read_part(response: TextResponse) -> str:
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


def text_of(element: Node, limit: int) -> str:
    """Return what *element* says, up to *limit* characters.

    Of headings in headings each would say all of the page.
    """
    text = "".join(_texts(element))
    return " ".join(text[: MAX_BLANKS * limit].split())[:limit]


def _texts(element: Node) -> Iterator[str]:
    walk = etree.iterwalk(element, events=("start", "end"))
    for event, each in islice(walk, MAX_TAGS_WITHIN):
        if event == "start":
            yield each.text or ""
        elif each is not element:
            yield each.tail or ""


def join(base: str, href: str) -> str | None:
    """Resolve *href* as browsers do, or return ``None`` where it is no URL."""
    try:
        url = urldefrag(urljoin(base, href.strip())).url
        urlsplit(url)  # urljoin returns its base unread where nothing is joined
    except ValueError:
        return None
    return url
