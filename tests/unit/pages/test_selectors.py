"""CSS selectors match what Scrapy's match, and take no longer on a nested page."""

from __future__ import annotations

from itertools import product

import pytest
from cssselect import SelectorError
from parsel import Selector

from scrapy_onecaptcha.pages.selectors import matches
from tests.fuzz.fuzzing import ends

HTML = """<html><head><title>T</title></head><body>
<div class="a b" id="x"><p>1</p><ul><li class="a">2</li><li>3<i>4</i></li></ul></div>
<section><p class="b">5</p><div><p class="a" title="t">6</p></div><hr></section>
<p class="c"></p></body></html>"""

PARTS = ["*", "div", "p", ".a", ".b", "#x", "li", "section", "p.a", "[title]", "nav"]


@pytest.mark.parametrize("joint", [" ", " > ", " + ", " ~ "])
def test_two_parts_match_as_they_do_in_scrapy(joint: str) -> None:
    page = Selector(HTML)
    for left, right in product(PARTS, PARTS):
        css = f"{left}{joint}{right}"
        assert matches(page.root, css) is bool(page.css(css)), css


@pytest.mark.parametrize("first", [" ", " > ", " + ", " ~ "])
@pytest.mark.parametrize("second", [" ", " > ", " + ", " ~ "])
def test_three_parts_match_as_they_do_in_scrapy(first: str, second: str) -> None:
    page = Selector(HTML)
    for left, middle, right in product(PARTS[1:7], PARTS[:5], PARTS[:5]):
        css = f"{left}{first}{middle}{second}{right}"
        assert matches(page.root, css) is bool(page.css(css)), css


@pytest.mark.parametrize(
    "css",
    [
        *("nav, p", "nav, aside", "p::text", "hr::text", "::text", ".c::text"),
        *("p::attr(title)", "li::attr(title)", "*::attr(title)", "::attr(nothing)"),
        *("div > p::text", "hr ~ p::text", "nav p::text", "li:nth-child(2) i"),
        *("li:nth-child(3)", "p:not(.a)", "div:not(div)", "p:contains('6')"),
        *("html", "html > body", "body > html", "root", ":root", ":root > body"),
    ],
)
def test_other_selectors_match_as_they_do_in_scrapy(css: str) -> None:
    page = Selector(HTML)
    assert matches(page.root, css) is bool(page.css(css))


NTH = ("1", "2", "3", "4", "odd", "even", "2n+3", "-n+2", "3n", "n+4", "-2n+3", "n")
KINDS = ("child", "of-type")
PLACES = [
    *(f"{side}-{kind}" for side in ("first", "last", "only") for kind in KINDS),
    *(f"nth-{kind}({n})" for kind in KINDS for n in NTH),
    *(f"nth-last-{kind}({n})" for kind in KINDS for n in NTH),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("tag", ["p", "li", "html", "hr"])
def test_places_among_siblings_match_as_they_do_in_scrapy(tag: str, place: str) -> None:
    page = Selector(HTML.replace("<p", "<!-- a comment --><p"))
    for css in (
        f"{tag}:{place}",
        f"{tag}:not(:nth-child(2)):{place}",
        f".b ~ {tag}:{place} > *",
    ):
        assert matches(page.root, css) is bool(page.css(css)), css


def test_what_looks_like_a_place_in_a_value_is_none() -> None:
    first = "<p title='count(preceding-sibling::*)'>"
    page = Selector(f'{first}<b title="count(following-sibling::b)\'">')
    for value in ("count(preceding-sibling::*)", "count(following-sibling::b)\\'"):
        css = f"[title='{value}']:first-child"
        assert matches(page.root, css) is bool(page.css(css)) is True


@pytest.mark.parametrize("css", ["div[", "p::nothing", "p:nothing"])
def test_what_is_no_selector_is_refused(css: str) -> None:
    with pytest.raises(SelectorError):
        matches(Selector(HTML).root, css)


def test_an_unknown_namespace_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="ns"):
        matches(Selector(HTML).root, "ns|p")


@pytest.mark.parametrize(
    "css", ["div div", "div div div p", "div ~ div ~ p", "div + p"]
)
@pytest.mark.parametrize("piece", ["<div>", "<div></div>"])
def test_many_elements_take_no_longer_than_their_number(piece: str, css: str) -> None:
    page = Selector(piece * 9_000)
    with ends(2.0):  # Scrapy's take minutes
        assert matches(page.root, css) is (css == "div div" and piece == "<div>")


@pytest.mark.parametrize(
    "css",
    [
        *("p:first-child b", "p:last-child b", "p:nth-child(3n+1) + b"),
        *("p:nth-last-of-type(7) b", "p:not(p:only-of-type) b"),
    ],
)
def test_many_siblings_are_counted_once(css: str) -> None:
    page = Selector("<p></p>" * 60_000)
    with ends(4.0):  # Scrapy's take half a minute
        assert not matches(page.root, css)
