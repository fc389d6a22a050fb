"""CSS selectors."""

from __future__ import annotations

import pytest

from tests.unit.scripts.runtime_page import Page

PAGE = """<div id=d1 class="box red"><p id=p1 lang=en-GB>a</p><p id=p2 class=last data-x="a b">b</p>
<form id=f1><input id=i1 type=checkbox checked><input id=i2 name="a[b]" disabled><button id=b1></button></form></div>
<div id=d2 class="box"><p id=p3></p><span id=s1></span></div>"""


@pytest.mark.parametrize(
    ("selector", "ids"),
    [
        ("p", "p1 p2 p3"),
        ("P", "p1 p2 p3"),
        ("#p2", "p2"),
        (".box", "d1 d2"),
        (".box.red", "d1"),
        ("div.red p", "p1 p2"),
        ("div > p", "p1 p2 p3"),
        ("body > p", ""),
        ("#p1 + p", "p2"),
        ("#p1 ~ form", "f1"),
        ("p, span", "p1 p2 p3 s1"),
        ("[data-x]", "p2"),
        ("[data-x='a b']", "p2"),
        ("[data-x~=b]", "p2"),
        ("[lang|=en]", "p1"),
        ("[id^=d]", "d1 d2"),
        ("[id$='1']", "d1 p1 f1 i1 b1 s1"),
        ('[id*="p"]', "p1 p2 p3"),
        ("input[name='a[b]']", "i2"),
        ("#i1:checked", "i1"),
        ("input:disabled", "i2"),
        ("input:enabled", "i1"),
        ("p:first-child", "p1 p3"),
        ("p:not(.last)", "p1 p3"),
        ("div:has(span)", "d2"),
        ("p:nth-child(2n)", "p2"),
        ("p:nth-child(odd)", "p1 p3"),
        ("p:nth-child(2)", "p2"),
        ("p:last-of-type", "p2 p3"),
        (":is(span, button)", "b1 s1"),
        ("p:empty", "p3"),
        ("*[id=s1]", "s1"),
        ("form *", "i1 i2 b1"),
        (r"#\70 1", ""),
    ],
)
def test_which_elements_a_selector_finds(selector: str, ids: str) -> None:
    page = Page(PAGE)
    page.run(
        f"var found = Array.from(document.querySelectorAll({selector!r})).map(e => e.id).join(' ')"
    )
    assert page.value("found") == ids


@pytest.mark.parametrize("selector", ["", "p >", ":hover(", "p,,q", "[", ":unknown"])
def test_no_selector_is_an_error(selector: str) -> None:
    page = Page(PAGE)
    page.run(
        f"try {{ document.querySelector({selector!r}); var e = null }} catch (x) {{ e = x.name }}"
    )
    assert page.value("e") == "SyntaxError"


def test_other_ways_to_find() -> None:
    page = Page(PAGE)
    assert page.value("p2.closest('.red').id") == "d1"
    assert page.value("[p2.matches('div p'), p3.matches('.red p')]") == [True, False]
    assert page.value("document.getElementsByClassName('box red').length") == 1
    assert page.value("d1.getElementsByTagName('*').length") == 6
    assert page.value("[p2.closest('table'), document.getElementById('no')]") == [
        None,
        None,
    ]
