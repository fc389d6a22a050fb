"""A page's markup before it is parsed: cut to size, without tags that cost too much.

The limits keep the work on any page linear. A page beyond them is no gate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = [
    "END_TAG",
    "MAX_ATTRIBUTES",
    "MAX_BYTES",
    "MAX_TAGS",
    "Markup",
    "without_marks",
]

#: How much of a page is read: bytes, and tags (start and end tags, and each other
#: ``<``). Gates have a few kilobytes and some hundred tags.
MAX_BYTES = 1_000_000
MAX_TAGS = 20_000
# Ends of forms that are marked.
MAX_MARKS = 1000
# libxml2 compares each attribute of a tag with all before it: 100,000 attributes
# took minutes.
MAX_ATTRIBUTES = 64

#: The element that marks where a ``</form>`` was, because the tree does not tell.
END_TAG = "onecaptcha-form-end"
_MARK = f"<{END_TAG}></{END_TAG}>"
_END_OF_FORM = re.compile(r"/form[\s/>]", re.IGNORECASE)
# Two characters are the least that an attribute takes.
_SHORT_TAG = 2 * MAX_ATTRIBUTES
# The blanks of HTML: what Python takes for one besides would move the quotes.
_BLANK = r" \t\n\r\f"
# One attribute as the HTML tokenizer sees it. The lookahead with its backreference
# is an atomic group: nothing is ever tried twice.
_ATTRIBUTE = (
    rf"(?=([{_BLANK}/]*[^{_BLANK}/>][^{_BLANK}/>=]*"
    rf"(?:[{_BLANK}]*=[{_BLANK}]*"
    rf"(?:\"[^\"]*\"|'[^']*'|[^{_BLANK}>\"'][^{_BLANK}>]*)?)?))\N"
)
_TAG = re.compile(
    rf"(<[a-zA-Z][^{_BLANK}/>]*"
    rf"(?:{_ATTRIBUTE.replace('N', '2')}){{0,{MAX_ATTRIBUTES}}})"
    rf"((?:{_ATTRIBUTE.replace('N', '4')})*)"
)
# Most tags, which need no closer look.
_SIMPLE = re.compile(
    rf"""[a-zA-Z0-9]+(?:[{_BLANK}]+[a-zA-Z0-9_-]+(?:=(?:"[^"<>]*"|'[^'<>]*'"""
    rf"""|[^{_BLANK}"'<>=`/]+))?){{0,16}}[{_BLANK}]*/?>"""
)
# A quoted value without what could be the start of another one.
_NO_QUOTE = rf"[^{{0}}=]*(?:=(?![{_BLANK}]*[\"'])[^{{0}}=]*)*"
_QUOTED = re.compile(
    rf"=[{_BLANK}]*(?:\"{_NO_QUOTE.format(chr(34))}\"|'{_NO_QUOTE.format(chr(39))}')"
)


@dataclass(frozen=True, slots=True)
class Markup:
    """Markup that is safe to parse.

    Attributes:
        text: the markup.
        is_cut: whether tags were left out at its end.
    """

    text: str
    is_cut: bool

    @classmethod
    def of(cls, text: str, *, marked: bool) -> Markup:
        """Return *text* within the limits.

        Args:
            text: of a page.
            marked: whether a mark goes before each end tag of a form.
        """
        parts = text.split("<", MAX_TAGS + 1)
        is_cut = len(parts) > MAX_TAGS + 1
        if is_cut:
            parts.pop()
            text = "<".join(parts)
        return cls(_limited(text, parts, MAX_MARKS if marked else 0), is_cut)


def without_marks(text: str) -> str:
    """Return the text of a script or title without the marks that were put in."""
    return text.replace(_MARK, "")


def _limited(text: str, parts: list[str], marks: int) -> str:
    """Drop the attributes of each tag after the first `MAX_ATTRIBUTES`.

    Args:
        text: all of it.
        parts: the same, split at each ``<``.
        marks: how many ends of forms are marked.
    """
    kept, done, start = [], 0, 0
    for part in parts:
        # The "<" before the part; before the first part there is none.
        tag, start = start - 1, start + len(part) + 1
        if tag < done:
            continue  # within the last tag, in a quoted value
        first = part[:1]
        if first == "/":
            if marks and _END_OF_FORM.match(part):
                kept += [text[done:tag], _MARK]
                done, marks = tag, marks - 1
        elif not _SIMPLE.match(part) and first.isalpha() and _may_have_many(part):
            found = _TAG.match(text, tag)
            if found is not None:
                kept += [text[done:tag], found[1]]
                done = found.end()
    return "".join([*kept, text[done:]]) if kept else text


def _may_have_many(part: str) -> bool:
    """Tell whether the tag at the start of *part* may have too many attributes.

    It has few if it is short or if few characters separate attributes, unless a quoted
    value holds a ``>`` or ``<``: then the quotes up to there do not match.
    """
    tag = part.partition(">")[0]
    quotes = tag.count("'") + tag.count('"')
    if quotes:
        rest = _QUOTED.sub("", tag)
        if "'" in rest or '"' in rest:
            return True
    if len(tag) < _SHORT_TAG:
        return False
    return len(tag.split()) + tag.count("/") + quotes // 2 > MAX_ATTRIBUTES
