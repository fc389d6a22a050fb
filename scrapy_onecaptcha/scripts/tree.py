"""A page as a plain tree that JSON can hold: [tag, attributes, children, mark].

The mark associates controls with forms as the parser of a browser does, which a tree
alone does not tell: between a form's start tag and the next ``</form>`` all controls
are that form's, even where other end tags have closed it in the tree. A form's mark is
its number, a control's the number of the form that it belongs to, and 0 is none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lxml import etree  # type: ignore[import-untyped,unused-ignore]

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["END_TAG", "MARK", "RAW", "Tree", "join_roots", "plain_tree", "writable"]

Tree = list[Any]

MAX_CHARACTERS = 1_000_000
# Elements within elements; the engine's stack holds that many calls and more.
MAX_DEPTH = 200

#: The element that marks where a ``</form>`` was, because the tree does not tell.
END_TAG = "onecaptcha-form-end"
MARK = f"<{END_TAG}></{END_TAG}>"
_FORM_END = re.compile(r"</form(?=[\s/>])", re.IGNORECASE)
#: The tags whose content is text, not markup.
RAW = frozenset({"script", "style", "title", "textarea"})
_CONTROLS = frozenset({"input", "select", "textarea", "button", "fieldset", "output"})
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
# What lxml reads in a page, but refuses to write.
_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain_tree(html: str) -> Tree | None:
    """Parse *html*, or return ``None`` where nothing of it can be read."""
    text = _XML_DECLARATION.sub("", html[:MAX_CHARACTERS].replace("\x00", ""))
    text = _FORM_END.sub(lambda found: MARK + found[0], text)
    parser = etree.HTMLParser(
        encoding="utf-8", recover=True, huge_tree=True, collect_ids=False
    )
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError):
        return None
    if root is None:
        return None
    join_roots(root)
    return _completed(_Builder().build(root))


def join_roots(root: Any) -> None:
    """Put what follows ``</html>`` into the body, as a browser does.

    libxml2 makes another root of it, since 2.14.
    """
    body = root.find("body")
    body = root if body is None else body
    texts: list[str] = []
    for part in [part for other in root.itersiblings("html") for part in _parts(other)]:
        if isinstance(part, str):
            texts.append(part)
        else:
            _add_end(body, texts)
            body.append(part)  # with the text behind it
    _add_end(body, texts)


def _parts(element: Any) -> Iterator[Any]:
    """Yield the texts and elements in *element*, those of a head or body included."""
    yield element.text or ""
    for child in list(element):
        if child.tag in ("head", "body"):
            yield from _parts(child)
            yield child.tail or ""
        else:
            yield child


def _add_end(element: Any, texts: list[str]) -> None:
    """Add *texts* to the end of *element* at once, because it copies what is there."""
    text = "".join(texts)
    texts.clear()
    if text and len(element):
        element[-1].tail = writable((element[-1].tail or "") + text)
    elif text:
        element.text = writable((element.text or "") + text)


def writable(text: str) -> str:
    """Return *text*, read from a tree, as one that lxml writes into a tree."""
    return _UNWRITABLE.sub(" ", text)


def _completed(tree: Tree) -> Tree:
    """Add the head and body that every document has."""
    if tree[0] != "html":
        tree = ["html", {}, [["body", {}, [tree], 0]], 0]
    children = tree[2]
    names = [child[0] for child in children if isinstance(child, list)]
    if "head" not in names:
        children.insert(0, ["head", {}, [], 0])
    if "body" not in names and "frameset" not in names:
        children.append(["body", {}, [], 0])
    return tree


class _Builder:
    """Walks a tree in the order of the page, and keeps the form that is open."""

    def __init__(self) -> None:
        self._forms = 0
        self._open = 0  # the form whose end tag has not come yet
        self._above: list[int] = []  # the forms around the current element

    def build(self, element: Any, depth: int = 0) -> Tree:
        tag = _name(element.tag)
        mark = self._mark(tag)
        is_form = tag == "form" and mark > 0
        if is_form:
            self._above.append(mark)
        children: list[Any] = []
        _add_text(children, element.text, raw=tag in RAW)
        for child in element if depth < MAX_DEPTH else ():
            if child.tag == END_TAG:
                self._open = 0
                # Where an end tag is missing, lxml puts what follows into the mark.
                _add_text(children, child.text)
                children.extend(self.build(below, depth + 1) for below in child)
            elif isinstance(child.tag, str):
                children.append(self.build(child, depth + 1))
            _add_text(children, child.tail)
        if is_form:
            self._above.pop()
        if tag == "form" and not is_form:
            tag = "div"  # a form within a form is none
        return [tag, dict(element.attrib), children, mark]

    def _mark(self, tag: str) -> int:
        if tag == "form":
            if self._open:
                return 0
            self._forms += 1
            self._open = self._forms
            return self._forms
        if tag in _CONTROLS and self._open and self._open not in self._above:
            return self._open
        return 0


def _name(tag: str) -> str:
    return tag.rpartition("}")[2]


def _add_text(children: list[Any], text: str | None, *, raw: bool = False) -> None:
    if text:
        children.append(text.replace(MARK, "") if raw else text)
