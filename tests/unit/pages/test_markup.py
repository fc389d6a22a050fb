"""Markup is cut to size before it is parsed."""

from __future__ import annotations

import pytest

from scrapy_onecaptcha.pages.markup import (
    FEW_ATTRIBUTES,
    MAX_ATTRIBUTES,
    MAX_MARKS,
    MAX_TAGS,
    MAX_TAGS_WITH_MANY,
    Markup,
    without_marks,
)
from scrapy_onecaptcha.pages.steps import finish
from scrapy_onecaptcha.scripts.tree import MARK

MANY = [f"a{number}" for number in range(MAX_ATTRIBUTES * 3)]


def limited(text: str, *, marked: bool = False) -> Markup:
    return finish(Markup.steps(text, marked=marked))


def kept(text: str) -> str:
    return limited(text).text


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param("<p {}>", id="names"),
        pytest.param("<P\n{}>", id="in capitals, over lines"),
        pytest.param("<p a=\"<b\" c='>' {}>", id="angles in quotes"),
        pytest.param('<p a="x=" b=">" {}>', id="an address that ends in ="),
        pytest.param("<p a=x\"y b='>' {}>", id="a quote in a bare value"),
        pytest.param('<p a==" b=">" {}>', id="two equals signs"),
        pytest.param('<p a=x\xa0b=" c=">" {}>', id="a blank that is none in HTML"),
        pytest.param('<p a=x\x0bb=" c=">" {}>', id="another that is none"),
        pytest.param("<p a=\"'\" b='\"' {}>", id="quotes in quotes"),
    ],
)
def test_the_attributes_of_a_tag_are_bounded(tag: str) -> None:
    for name in ("{}", "{}=b", '{}=">"', "{}='<'", '{}="<b>"'):
        attributes = " ".join(name.format(each) for each in MANY)
        text = f"<i>{tag.format(attributes)}</i>"
        assert "a0" in kept(text)
        assert f"a{MAX_ATTRIBUTES + 1}" not in kept(text), name
        assert len(kept(text)) < len(text) / 2, name


def test_attributes_without_space_between_them_are_bounded() -> None:
    for text in ('<p a="b"' * 1 + 'c="d"' * 500 + ">", "<p/" + "/".join(MANY) + ">"):
        assert len(kept(text)) < len(text) / 2


@pytest.mark.parametrize("form", ["{}", "{}=b", '{}="b c"', '{}=">"'])
def test_few_tags_keep_many_attributes(form: str) -> None:
    """The parser takes the time of the attributes of all tags together."""
    attributes = " ".join(map(form.format, MANY[: MAX_ATTRIBUTES - 1]))
    few = " ".join(map(form.format, MANY[:FEW_ATTRIBUTES]))
    count = MAX_TAGS_WITH_MANY
    text = f"<p {attributes}>x" * count
    assert kept(text) == text
    more = f"<p {attributes}>y" * 3 + f"<p {few}>z"
    assert kept(text + more) == text + f"<p {few}>y" * 3 + f"<p {few}>z"


def test_few_tags_are_looked_at_in_one_step() -> None:
    text = "<p " + " ".join(MANY) + ">"
    assert len(list(Markup.steps(text * 9_000, marked=False))) >= 9


@pytest.mark.parametrize(
    "text",
    [
        "<p a=b>x</p>",
        "<a href=\"?a=b&c='d'\" onclick='f(\"x\")'>y</a>",
        '<script>for(i=0;i<n;i++){s+="<a href=\'"+u+"\'>"}</script>',
        "<p " + " ".join(MANY[:MAX_ATTRIBUTES]) + ">x",
        f"<p style='{'x: y; ' * 500}'>x",
        "a < b <",
        "",
    ],
)
def test_other_markup_stays_as_it_is(text: str) -> None:
    found = limited(text)
    assert found.text == text
    assert not found.is_cut


def test_a_page_of_too_many_tags_is_cut() -> None:
    whole = limited("x" + "<b>" * MAX_TAGS)
    assert not whole.is_cut
    assert whole.text.count("<") == MAX_TAGS
    cut = limited("x" + "<b>" * MAX_TAGS + "<i>")
    assert cut.is_cut
    assert cut.text == whole.text


def test_the_ends_of_forms_are_marked() -> None:
    marked = limited("<form>a</form>b</FORM ></formula>", marked=True)
    assert marked.text == f"<form>a{MARK}</form>b{MARK}</FORM ></formula>"
    assert without_marks(marked.text) == "<form>a</form>b</FORM ></formula>"
    many = limited("</form>" * (MAX_MARKS + 5), marked=True)
    assert many.text.count(MARK) == MAX_MARKS


def test_an_end_of_a_form_in_a_quoted_value_is_none() -> None:
    text = "<input value='</form>'><p title=\"</form>\">"
    assert limited(text, marked=True).text == text
