"""CSS selectors match what Scrapy's match, and take no longer on a nested page."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from cssselect import SelectorError
from parsel import Selector

from scrapy_onecaptcha.pages.selectors import match_steps
from scrapy_onecaptcha.pages.steps import finish
from tests.corpus.slow_pages import SELECTORS
from tests.fuzz.fuzzing import ends

HTML = """<html><head><title>T</title></head><body>
<div class="a b" id="x"><p>1</p><ul><li class="a">2</li><li>3<i>4</i></li></ul></div>
<section><p class="b">5</p><div><p class="a" title="t">6</p></div><hr></section>
<p class="c"></p></body></html>"""


def matches(root: Any, css: str) -> bool:
    return finish(match_steps(root, css))


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
        *("p:not(div p)", "p:not(div > p)", "div:not(.a):not(.b)", "p:not(hr ~ p)"),
        *("li:has(i, b)", "p:is(.a, .b) + hr", "p:where(.c)", "li:is(.a):not(ul > li)"),
        *(":scope", ":scope > body", "body:scope", ":scope p", ":scope:has(hr)"),
        *("html", "html > body", "body > html", "root", ":root", ":root > body"),
    ],
)
def test_other_selectors_match_as_they_do_in_scrapy(css: str) -> None:
    page = Selector(HTML)
    try:
        there = bool(page.css(css))
    except SelectorError:
        pytest.skip("this version of cssselect does not know it")
    assert matches(page.root, css) is there


LANGUAGES = """<html lang="en-GB"><!-- f --><body lang="">f<div lang="DE">a<b>b<i>c
</i>d</b><!-- f -->e<p lang="de-AT">g</p><p lang="den">h</p></div><p>i</p>j
</body></html>"""


@pytest.mark.parametrize(
    "value",
    [*"abcdefghij", "bc", "ab", "c\n", "de", "ed", "hi", "gh", "f", "ee", "bc\n"],
)
@pytest.mark.parametrize("tag", ["*", "html", "body", "div", "b", "i", "p"])
def test_texts_match_as_they_do_in_scrapy(tag: str, value: str) -> None:
    page = Selector(LANGUAGES)
    for text in (value, value.replace("\n", "\\a "), ""):
        for css in (f"{tag}:contains('{text}')", f"{tag}:not(:contains('{text}'))"):
            if "\n" not in css:
                assert matches(page.root, css) is bool(page.css(css)), css


@pytest.mark.parametrize("language", ["en", "EN-gb", "de", "de-at", "den", "fr", "d"])
@pytest.mark.parametrize("tag", ["*", "html", "body", "div", "b", "i", "p"])
def test_languages_match_as_they_do_in_scrapy(tag: str, language: str) -> None:
    page = Selector(LANGUAGES)
    for css in (f"{tag}:lang({language})", f"{tag}:not(:lang({language}))"):
        assert matches(page.root, css) is bool(page.css(css)), css


HAS = [*("nav", "p", "li i", "i", "div p", "p.a", ".a", "li + li", "ul > li > i", "hr")]


@pytest.mark.parametrize("lead", ["", "> ", "+ ", "~ "])
@pytest.mark.parametrize("argument", HAS)
def test_what_an_element_has_matches_as_it_does_in_scrapy(
    lead: str, argument: str
) -> None:
    page = Selector(HTML)
    for tag, rest in product(PARTS, ["", ":not(:has(hr))", ":nth-child(2)", " i"]):
        css = f"{tag}:has({lead}{argument}){rest}"
        try:
            there = bool(page.css(css))
        except SelectorError:
            pytest.skip("this version of cssselect does not know it")
        assert matches(page.root, css) is there, css


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


CONTROLS = """<html><body><a id=link href=/x></a><input id=free>
<input id=hidden type=hidden><button id=own disabled><input id=in-own></button>
<div id=other disabled></div>
<fieldset id=on><input id=in-on><legend><textarea id=in-on-legend></textarea></legend>
</fieldset>
<fieldset id=off disabled><p><input id=in-off></p><div><legend><input id=deep></legend>
</div><legend><b><select id=first><option id=choice></select></b>
<button id=first-own disabled></button></legend><legend><input id=second></legend>
<fieldset id=off-on><legend><input id=off-on-first></legend></fieldset>
<fieldset id=off-off disabled><legend><input id=off-off-first></legend></fieldset>
</fieldset>
<fieldset id=shut disabled><legend><div><fieldset id=legend-on><input id=legend-in>
</fieldset><fieldset id=legend-off disabled><input id=barred></fieldset></div></legend>
</fieldset>
<select id=of><optgroup id=group disabled><option id=in-group></optgroup>
<optgroup id=open><option id=in-open><option id=own-option disabled></optgroup></select>
</body></html>"""
DISABLED = [
    *("own", "off", "in-off", "deep", "first-own", "second", "off-on", "off-on-first"),
    *("off-off", "off-off-first", "shut", "legend-off", "barred", "group", "in-group"),
    "own-option",
]
ENABLED = [
    *("free", "hidden", "on", "in-on", "in-on-legend", "first", "choice", "legend-on"),
    *("legend-in", "of", "open", "in-open", "in-own"),
]


def test_controls_are_disabled_as_in_a_browser() -> None:
    root = Selector(CONTROLS).root
    ids = [each.get("id") for each in root.iter("*") if each.get("id")]
    assert {*ENABLED, *DISABLED, "link", "other"} == set(ids)
    for name in ids:
        is_on, is_off = name in ENABLED, name in DISABLED
        assert matches(root, f"#{name}:enabled") is is_on, name
        assert matches(root, f"#{name}:disabled") is is_off, name
        assert matches(root, f"#{name}:not(:enabled):not(:disabled)") is not (
            is_on or is_off
        ), name


@pytest.mark.parametrize(
    ("css", "is_there"),
    [
        ("fieldset:disabled p > input:disabled", True),
        ("fieldset:disabled p > input:enabled", False),
        ("legend:has(:disabled) :enabled", True),
        ("legend:has(> input:enabled)", False),
        ("p :enabled::attr(id)", False),
        ("p :disabled::attr(id)", True),
    ],
)
def test_disabled_is_one_condition_among_others(css: str, is_there: bool) -> None:
    assert matches(Selector(CONTROLS).root, css) is is_there


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
        *("p:nth-last-of-type(7) b", "p:not(p:only-of-type) b", "p:has(~ b)"),
    ],
)
def test_many_siblings_are_counted_once(css: str) -> None:
    page = Selector("<p></p>" * 60_000)
    with ends(4.0):  # Scrapy's take half a minute
        assert not matches(page.root, css)


@pytest.mark.parametrize(
    "css",
    [
        *("div:has(div p b)", "div:has(b)", "p:has(b)", "p:not(div div b) b"),
        *("div:contains('z')", "p:contains('yz')", "div:lang(en)", "p:lang(en)"),
    ],
)
def test_what_is_within_and_around_is_looked_at_once(css: str) -> None:
    page = Selector("<div>" * 2_000 + "<p></p>" * 20_000 + "y" * 500_000)
    with ends(4.0):  # Scrapy's take up to minutes
        assert not matches(page.root, css)


@pytest.mark.parametrize("name", SELECTORS)
def test_no_page_is_slow_for_its_selector(name: str) -> None:
    make, css = SELECTORS[name]
    page = Selector(make())
    with ends(2.0):  # Scrapy's take up to minutes
        matches(page.root, css)


@pytest.mark.parametrize(
    "css", ["p b", "p::text", "::attr(x)", "p:nth-child(2n) b", "p:has(b)"]
)
def test_few_elements_are_asked_about_in_one_step(css: str) -> None:
    page = Selector("<p></p>" * 60_000)
    assert len(list(match_steps(page.root, css))) >= 100


@pytest.mark.parametrize(
    "condition",
    [":contains('x')", ":lang(en)", ":enabled", ":disabled", ":not(b)", ":has(b)"],
)
def test_each_condition_takes_a_step_of_its_own(condition: str) -> None:
    def steps(times: int) -> int:
        return len(
            list(match_steps(Selector("<p>x</p>").root, f"p{condition * times}"))
        )

    assert steps(9) >= steps(1) + 8
