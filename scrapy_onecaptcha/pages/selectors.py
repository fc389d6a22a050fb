"""CSS selectors in time that grows with the page only, and in steps.

For what looks at other elements, such as ``div div``, ``:nth-child()``, ``:has()`` and
``:contains()``, libxml2 takes quadratic or cubic time: seconds for some thousand
elements. Here it is asked about elements by themselves, some hundred in a step. What is
around, beside and within them is looked up in Python, and each element once.

They match what Scrapy's match, except for ``:disabled`` and ``:enabled``, which mean
what they mean in HTML. Each version of cssselect comes near to that in its own way.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from cssselect import parse
from cssselect.parser import CombinedSelector
from lxml import etree  # type: ignore[import-untyped,unused-ignore]
from parsel.csstranslator import HTMLTranslator, XPathExpr

from scrapy_onecaptcha.pages.disabled import disabled_and_enabled
from scrapy_onecaptcha.pages.relatives import HOLDERS, JOINS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from scrapy_onecaptcha.pages.steps import Steps

    Part: TypeAlias = Callable[["_Search"], Steps[Collection[Any]]]

__all__ = ["match_steps"]

# Elements that libxml2 is asked about in one step.
MAX_IN_STEP = 200
# How the translator writes a place among siblings: for each of them libxml2 would go
# over all the others. In a literal it means nothing.
_COUNT = re.compile(
    r"""'[^']*'|"[^"]*"|"""
    r"count\((?P<side>preceding|following)-sibling::(?P<name>\*|[\w-]+)\)"
)
_PLACE, _MEMBER = "place", "member"


def match_steps(root: Any, css: str) -> Steps[bool]:
    """Tell whether *root* or anything in it matches *css*, ``::text`` included.

    Raises:
        cssselect.SelectorError: for what is no selector.
        ValueError: for one that cannot be evaluated.
    """
    search = _Search(root)
    for selector in parse(css):
        found = yield from search.select(selector.parsed_tree)
        if selector.pseudo_element is None:
            if found:
                return True
            continue
        # With a condition: without one, "self::*" would become "self::text()".
        any_element = XPathExpr(condition="true()")
        part = HTMLTranslator().xpath_pseudo_element(
            any_element, selector.pseudo_element
        )
        # Of elements that have it: libxml2 takes quadratic time to sort many texts.
        if (yield from search.evaluate(f"*[self::{part}]", among=found)):
            return True
    return False


class _Translator(HTMLTranslator):
    """Translates a selector without combinators, except for parts of it.

    Those select by other elements than the one in question. The XPath asks whether that
    is among what the part selects.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[Part] = []

    def xpath_negation(self, negation: Any) -> Any:
        member = self._member(lambda search: search.select(negation.subselector))
        return self.xpath(negation.selector).add_condition(f"not({member})")

    def xpath_relation(self, relation: Any) -> Any:
        # Before cssselect 1.5 it has one argument.
        pairs = getattr(relation, "arguments", None) or [
            (relation.combinator, relation.subselector)
        ]
        members = [self._holder(each.value, of.parsed_tree) for each, of in pairs]
        condition = f"({' or '.join(members)})"
        return self.xpath(relation.selector).add_condition(condition)

    def xpath_contains_function(self, xpath: Any, function: Any) -> Any:
        super().xpath_contains_function(XPathExpr(), function)  # it checks the value
        value = function.arguments[0].value
        return xpath.add_condition(self._member(lambda search: search.saying(value)))

    def xpath_lang_function(self, xpath: Any, function: Any) -> Any:
        super().xpath_lang_function(XPathExpr(), function)  # it checks the value
        value = function.arguments[0].value
        return xpath.add_condition(self._member(lambda search: search.speaking(value)))

    def xpath_scope_pseudo(self, xpath: Any) -> Any:
        return xpath.add_condition("not(parent::*)")

    # Before cssselect 1.5 these count all children of its parent for each element.
    def xpath_only_child_pseudo(self, xpath: Any) -> Any:
        return self.xpath_last_child_pseudo(self.xpath_first_child_pseudo(xpath))

    def xpath_only_of_type_pseudo(self, xpath: Any) -> Any:
        return self.xpath_last_of_type_pseudo(self.xpath_first_of_type_pseudo(xpath))

    def xpath_disabled_pseudo(self, xpath: Any) -> Any:
        return xpath.add_condition(self._member(lambda search: search.disabled()))

    def xpath_enabled_pseudo(self, xpath: Any) -> Any:
        return xpath.add_condition(self._member(lambda search: search.enabled()))

    def _holder(self, combinator: str, tree: Any) -> str:
        return self._member(lambda search: search.holding(combinator, tree))

    def _member(self, part: Part) -> str:
        self.parts.append(part)
        return f"{_MEMBER}({len(self.parts) - 1})"


class _Search:
    """Selects elements of one page.

    Args:
        root: of the page.
    """

    def __init__(self, root: Any) -> None:
        self._root = root
        self._elements = list(root.iter("*"))
        self._places = _Places()

    def select(self, tree: Any) -> Steps[list[Any]]:
        """Return the elements that match *tree*, in the order of the page."""
        if isinstance(tree, CombinedSelector):
            left = yield from self.select(tree.selector)
            right = (yield from self.select(tree.subselector)) if left else []
            return JOINS[tree.combinator](left, right)
        translator = _Translator()
        path = str(translator.xpath(tree))
        members = {}
        for number, part in enumerate(translator.parts):
            members[number] = frozenset((yield from part(self)))
        return (yield from self.evaluate(path, members))

    def holding(
        self, combinator: str, tree: Any, then: Collection[Any] | None = None
    ) -> Steps[set[Any]]:
        """Return the elements from which *combinator* leads to one that matches *tree*.

        Args:
            combinator: of CSS.
            tree: a selector; where it has combinators, all is looked for from there.
            then: of which that is to be one.
        """
        if isinstance(tree, CombinedSelector):
            then = yield from self.holding(tree.combinator, tree.subselector, then)
            return (yield from self.holding(combinator, tree.selector, then))
        found = yield from self.select(tree)
        return HOLDERS[combinator](
            found if then is None else [each for each in found if each in then]
        )

    def saying(self, value: str) -> Steps[list[Any]]:
        """Return the elements whose text has *value* in it."""
        text, spans = _text_of(self._root)
        yield
        found, at = [], -1
        for element, (start, end) in spans.items():  # in the order of their starts
            if at < start:
                at = text.find(value, start)
            if at < 0:
                break
            if at + len(value) <= end:
                found.append(element)
        return found

    def speaking(self, language: str) -> Steps[list[Any]]:
        """Return the elements in *language*."""
        yield
        said: dict[Any, str] = {}
        for element in self._elements:
            own = element.get("lang")
            around = said.get(element.getparent(), "")
            said[element] = around if own is None else f"{own.lower()}-"
        prefix = f"{language.lower()}-"
        return [each for each, own in said.items() if own.startswith(prefix)]

    def disabled(self) -> Steps[set[Any]]:
        """Return the disabled controls, and what groups them."""
        yield
        return disabled_and_enabled(self._elements)[0]

    def enabled(self) -> Steps[set[Any]]:
        """Return the controls, and what groups them, that are not disabled."""
        yield
        return disabled_and_enabled(self._elements)[1]

    def evaluate(
        self,
        path: str,
        members: Mapping[int, Collection[Any]] = MappingProxyType({}),
        among: list[Any] | None = None,
    ) -> Steps[list[Any]]:
        """Return what XPath selects at each element by itself.

        Args:
            path: from an element.
            members: of the parts that it names by their numbers.
            among: the elements; else all of the page.
        """
        elements = self._elements if among is None else among
        functions = {
            (None, _PLACE): self._places.count,
            (None, _MEMBER): lambda at, number: at.context_node in members[number],
        }
        found: list[Any] = []
        try:
            ask = etree.XPath(
                f"$some/self::{_COUNT.sub(_as_place, path)}", extensions=functions
            )
            for start in range(0, len(elements), MAX_IN_STEP):
                yield
                found += ask(self._root, some=elements[start : start + MAX_IN_STEP])
        except etree.XPathError as error:
            raise ValueError(f"{error} in {path}") from error
        return found


def _text_of(root: Any) -> tuple[str, dict[Any, tuple[int, int]]]:
    """Return the text of a page, and from where to where each element's goes in it."""
    texts, starts, spans, length = [], {}, {}, 0
    for event, each in etree.iterwalk(root, events=("start", "end", "comment")):
        if event == "start":
            starts[each] = length
            spans[each] = (length, length)  # keeps its place among the others
            text = each.text
        else:
            if event == "end":
                spans[each] = (starts[each], length)
            text = each.tail if each is not root else None
        if text:
            texts.append(text)
            length += len(text)
    return "".join(texts), spans


def _as_place(found: re.Match[str]) -> str:
    """Return the XPath for what was *found* by `_COUNT`; literals stay as they are."""
    if found["side"] is None:
        return found[0]
    return f"{_PLACE}('{found['side']}', '{found['name']}')"


class _Places:
    """Counts an element's siblings, those of each parent once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[Any, int]] = {}

    def count(self, context: Any, side: str, name: str) -> int:
        """Return how many siblings of that *name* the element has on that *side*.

        Args:
            context: of XPath, which has the element.
            side: ``preceding`` or ``following``.
            name: of the siblings; ``*`` for any.
        """
        element = context.context_node
        known = self._known.setdefault((side, name), {})
        if element not in known:
            parent = element.getparent()
            family = [element] if parent is None else parent.iterchildren("*")
            in_order = list(family) if side == "preceding" else list(family)[::-1]
            so_far = 0
            for each in in_order:
                known[each] = so_far
                so_far += name in ("*", each.tag)
        return known[element]
