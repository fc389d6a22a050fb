"""A page's markup before it is parsed: cut to size, without tags that cost too much.

The limits keep the work on any page linear. A page beyond them is no gate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy_onecaptcha.scripts.tree import MARK

if TYPE_CHECKING:
    from scrapy_onecaptcha.pages.steps import Steps

__all__ = [
    "FEW_ATTRIBUTES",
    "MAX_ATTRIBUTES",
    "MAX_BYTES",
    "MAX_TAGS",
    "MAX_TAGS_WITH_MANY",
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
# A page has few tags with more than a few attributes. Beyond so many of those, each tag
# keeps a few: the parser's time would be that of the attributes of all tags together.
MAX_TAGS_WITH_MANY = 1000
FEW_ATTRIBUTES = 6
# Pieces that are looked at in one step.
MAX_IN_STEP = 1000

_END_OF_FORM = re.compile(r"/form[\s/>]", re.IGNORECASE)
# Two characters are the least that an attribute takes.
_SHORT_TAG = 2 * FEW_ATTRIBUTES
# The blanks of HTML: what Python takes for one besides would move the quotes.
_BLANK = r" \t\n\r\f"
# One attribute as the HTML tokenizer sees it. The lookahead with its backreference
# is an atomic group: nothing is ever tried twice.
_ATTRIBUTE = (
    rf"(?=([{_BLANK}/]*[^{_BLANK}/>][^{_BLANK}/>=]*"
    rf"(?:[{_BLANK}]*=[{_BLANK}]*"
    rf"(?:\"[^\"]*\"|'[^']*'|[^{_BLANK}>\"'][^{_BLANK}>]*)?)?))\N"
)
# A tag with its first attributes, and then the others.
_TAG, _SHORTENED = (
    re.compile(
        rf"(<[a-zA-Z][^{_BLANK}/>]*"
        rf"(?:{_ATTRIBUTE.replace('N', '2')}){{0,{most}}})"
        rf"((?:{_ATTRIBUTE.replace('N', '4')})*)"
    )
    for most in (MAX_ATTRIBUTES, FEW_ATTRIBUTES)
)
# Most tags, which need no closer look.
_SIMPLE = re.compile(
    rf"""[a-zA-Z0-9]+(?:[{_BLANK}]+[a-zA-Z0-9_-]+(?:=(?:"[^"<>]*"|'[^'<>]*'"""
    rf"""|[^{_BLANK}"'<>=`/]+))?){{0,{FEW_ATTRIBUTES}}}[{_BLANK}]*/?>"""
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
    def steps(cls, text: str, *, marked: bool) -> Steps[Markup]:
        """Return *text* within the limits, in steps.

        Args:
            text: of a page.
            marked: whether a mark goes before each end tag of a form.
        """
        parts = text.split("<", MAX_TAGS + 1)
        is_cut = len(parts) > MAX_TAGS + 1
        if is_cut:
            parts.pop()
            text = "<".join(parts)
        yield
        limited = yield from _limited(text, parts, MAX_MARKS if marked else 0)
        return cls(limited, is_cut)


def without_marks(text: str) -> str:
    """Return the text of a script or title without the marks that were put in."""
    return text.replace(MARK, "")


def _limited(text: str, parts: list[str], marks: int) -> Steps[str]:
    """Drop the attributes of each tag after the first `MAX_ATTRIBUTES`, or fewer.

    Args:
        text: all of it.
        parts: the same, split at each ``<``.
        marks: how many ends of forms are marked.
    """
    kept, done, start, left = [], 0, 0, MAX_TAGS_WITH_MANY
    for number, part in enumerate(parts):
        if number and not number % MAX_IN_STEP:
            yield
        # The "<" before the part; before the first part there is none.
        tag, start = start - 1, start + len(part) + 1
        if tag < done:
            continue  # within the last tag, in a quoted value
        first = part[:1]
        if first == "/":
            if marks and _END_OF_FORM.match(part):
                kept += [text[done:tag], MARK]
                done, marks = tag, marks - 1
        elif not _SIMPLE.match(part) and first.isalpha() and _may_have_many(part):
            found = (_TAG if left else _SHORTENED).match(text, tag)
            left -= left > 0
            if found is not None:
                kept += [text[done:tag], found[1]]
                done = found.end()
    return "".join([*kept, text[done:]]) if kept else text


def _may_have_many(part: str) -> bool:
    """Tell whether the tag at the start of *part* may have more than a few attributes.

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
    return len(tag.split()) + tag.count("/") + quotes // 2 > FEW_ATTRIBUTES
