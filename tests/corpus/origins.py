"""Which pages of the corpus are of one origin: a product, a kind or a template.

What is fitted to one of them has seen the others. The first word of a file's name tells
a product or kind; forks, copies and translations tell themselves, by their text or by
their markup.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING

from scrapy_onecaptcha.pages.html import parse
from tests.corpus.judging import response_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.corpus.labels import Label

__all__ = ["alike", "groups"]

#: The part of two pages' pieces, of all that either has, that makes one a copy.
COPIED = 0.5
# Words in a piece of text.
PIECE = 4
_SCRIPT = re.compile(r"<script.*?</script>", re.DOTALL)
_WORD = re.compile(r"</?[a-z0-9]+|[a-z-]+=|\w+")
_TELLING = ("class", "data-callback", "id", "method", "name", "role", "type")


def groups(labels: Iterable[Label]) -> list[list[Label]]:
    """Return *labels* by their origins, in the order of their names."""
    in_order = sorted(labels, key=lambda label: label.file)
    group_of = {label.file: [label] for label in in_order}
    for one, other in combinations(in_order, 2):
        first, second = group_of[one.file], group_of[other.file]
        if first is not second and alike(one, other):
            first += second
            group_of.update({label.file: first for label in second})
    found = {id(group): group for group in group_of.values()}
    return list(found.values())


def alike(one: Label, other: Label) -> bool:
    """Tell whether two pages are of one origin, by themselves."""
    if _first_word(one) == _first_word(other) or _markup(one) == _markup(other):
        return True
    first, second = _pieces(one), _pieces(other)
    return len(first & second) >= COPIED * len(first | second)


def _first_word(label: Label) -> str:
    return label.file.partition(".")[0].partition("-")[0]


@cache
def _pieces(label: Label) -> frozenset[tuple[str, ...]]:
    """Return each few words in a row of a page, its scripts aside."""
    text = _SCRIPT.sub(" script ", response_of(label).text.lower())
    words = _WORD.findall(text)
    return frozenset(
        tuple(words[start : start + PIECE]) for start in range(len(words) - PIECE + 1)
    )


@cache
def _markup(label: Label) -> tuple[tuple[str, ...], ...]:
    """Return the elements of a page without what they say."""
    page = parse(response_of(label))
    assert page is not None, label.file
    return tuple(
        (element.tag, *(element.get(name, "") for name in _TELLING))
        for element in page.root.iter("*")
    )
