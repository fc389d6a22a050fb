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
