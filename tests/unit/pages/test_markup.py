"""Markup is cut to size before it is parsed."""

from __future__ import annotations

import pytest

from scrapy_onecaptcha.pages.markup import (
    END_TAG,
    MAX_ATTRIBUTES,
    MAX_MARKS,
    MAX_TAGS,
    Markup,
    without_marks,
)

MANY = [f"a{number}" for number in range(MAX_ATTRIBUTES * 3)]
MARK = f"<{END_TAG}></{END_TAG}>"


def kept(text: str) -> str:
    return Markup.of(text, marked=False).text


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
    found = Markup.of(text, marked=False)
    assert found.text == text
    assert not found.is_cut


def test_a_page_of_too_many_tags_is_cut() -> None:
    whole = Markup.of("x" + "<b>" * MAX_TAGS, marked=False)
    assert not whole.is_cut
    assert whole.text.count("<") == MAX_TAGS
    cut = Markup.of("x" + "<b>" * MAX_TAGS + "<i>", marked=False)
    assert cut.is_cut
    assert cut.text == whole.text


def test_the_ends_of_forms_are_marked() -> None:
    marked = Markup.of("<form>a</form>b</FORM ></formula>", marked=True)
    assert marked.text == f"<form>a{MARK}</form>b{MARK}</FORM ></formula>"
    assert without_marks(marked.text) == "<form>a</form>b</FORM ></formula>"
    many = Markup.of("</form>" * (MAX_MARKS + 5), marked=True)
    assert many.text.count(MARK) == MAX_MARKS


def test_an_end_of_a_form_in_a_quoted_value_is_none() -> None:
    text = "<input value='</form>'><p title=\"</form>\">"
    assert Markup.of(text, marked=True).text == text
