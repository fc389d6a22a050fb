"""Forms: values, entry lists, submission."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.scripts.runtime_page import Page

URLENCODED = "application/x-www-form-urlencoded"


def entries(form: str, code: str = "f.submit()") -> list[list[str]]:
    page = Page(f"<form id=f method=post>{form}</form>")
    page.run(code)
    [sent] = page.sent
    fields: list[list[str]] = sent["fields"]
    return fields


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("<input name=a value=1><input value=2>", [["a", "1"]]),
        ("<input name=a type=checkbox><input name=b type=checkbox checked>", [["b", "on"]]),
        ("<input name=r type=radio value=1><input name=r type=radio value=2 checked>", [["r", "2"]]),
        ("<textarea name=t>\nx\ny</textarea>", [["t", "x\ny"]]),
        ("<select name=s><option>a b<option value=2>c</select>", [["s", "a b"]]),
        ("<select name=s><option>a<option value=2 selected>c</select>", [["s", "2"]]),
        ("<select name=s><option disabled>a<option>b</select>", [["s", "b"]]),
        ("<select name=s multiple><option>a<option selected>b<option selected>c</select>", [["s", "b"], ["s", "c"]]),
        ("<select name=s></select>", []),
        ("<input name=a disabled value=1><input name=b value=2>", [["b", "2"]]),
        ("<fieldset disabled><legend><input name=l value=1></legend><input name=a></fieldset>", [["l", "1"]]),
        ("<datalist><input name=a></datalist><input name=b>", [["b", ""]]),
        ("<button name=b value=1>x</button><input type=submit name=c>", []),
        ("<input type=image name=i><input type=file name=u>", [["u", ""]]),
        ("<input type=hidden name=_charset_>", [["_charset_", "UTF-8"]]),
        ("<output name=o>1</output><object name=x></object>", []),
    ],
)  # fmt: skip
def test_what_a_form_sends(form: str, fields: list[list[str]]) -> None:
    assert entries(form) == fields


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("f.requestSubmit(b)", [["b", "1"]]),
        ("b.click()", [["b", "1"]]),
        ("i.click()", [["i.x", "0"], ["i.y", "0"]]),
        ("HTMLFormElement.prototype.submit.call(f)", []),
    ],
)
def test_the_button_goes_along(code: str, fields: list[list[str]]) -> None:
    form = "<button id=b name=b value=1>x</button><input id=i type=image name=i>"
    assert entries(form, code) == fields


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("f.email.value", "a@b.test"),
        ("f.elements.email.value", "a@b.test"),
        ("f.elements['email'] === f[0]", True),
        ("f.length", 5),
        ("document.forms.gate === f && document.gate === f", True),
        ("f.submit.localName", "button"),
        ("f.kind.length", 2),
        ("f instanceof HTMLFormElement && f instanceof HTMLElement", True),
        ("f.email instanceof HTMLInputElement", True),
        ("f.email.form === f", True),
        (
            "[f.method, f.enctype, f.action]",
            ["post", URLENCODED, "https://site.test/dir/x?y"],
        ),
        ("f.nothing === undefined", True),
        ("Object.getPrototypeOf(f) === HTMLFormElement.prototype", True),
    ],
)
def test_a_form_has_the_names_of_its_controls(code: str, value: object) -> None:
    form = (
        "<form id=f name=gate method=POST action=x?y><input name=email value=a@b.test>"
        "<input type=radio name=kind value=1><input type=radio name=kind value=2>"
        "<input type=image name=pic><button name=submit></button><textarea></textarea></form>"
    )
    assert Page(form).value(code) == value


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("<form id=f>", {"method": "GET", "url": "https://site.test/dir/page.html?q=a+b", "enctype": None}),
        ("<form id=f action=/x?lost=1#h>", {"url": "https://site.test/x?q=a+b"}),
        ("<form id=f method=post>", {"method": "POST", "url": "https://site.test/dir/page.html?a=1&b=2"}),
        ("<form id=f method=post enctype=multipart/form-data action=//o.test/>", {"url": "https://o.test/", "enctype": "multipart/form-data"}),
        ("<form id=f method=post enctype=nonsense>", {"enctype": URLENCODED}),
        ("<base href=/other/><form id=f method=post action=y>", {"url": "https://site.test/other/y"}),
        ("<form id=f method=post accept-charset=windows-1252>", {"charset": "windows-1252"}),
    ],
)  # fmt: skip
def test_where_a_form_goes(form: str, expected: dict[str, Any]) -> None:
    page = Page(f"{form}<input name=q value='a b'></form>")
    page.run("f.submit()")
    [sent] = page.sent
    assert {name: sent[name] for name in expected} == expected


def test_a_button_may_overrule_its_form() -> None:
    page = Page(
        "<form id=f><button id=b formaction=/y formmethod=post "
        "formenctype=text/plain></button></form>"
    )
    page.run("b.click()")
    [sent] = page.sent
    assert [sent["url"], sent["method"], sent["enctype"]] == [
        "https://site.test/y", "POST", "text/plain",
    ]  # fmt: skip


def test_submit_handlers() -> None:
    page = Page("<form id=f onsubmit='return false'><button id=b></button></form>")
    page.run("b.click()")
    assert page.sent == []
    page.run("f.submit()")  # asks nobody
    assert len(page.sent) == 1


def test_formdata_can_be_amended_on_its_way() -> None:
    page = Page("<form id=f method=post><input name=a></form>")
    page.run(
        "f.addEventListener('formdata', e => e.formData.append('late', 1)); f.submit()"
    )
    assert page.sent[0]["fields"] == [["a", ""], ["late", "1"]]


def test_a_javascript_action_runs() -> None:
    page = Page(
        "<form id=f action='javascript:window.ran=%22a+b%22'><button id=b></button></form>"
    )
    page.run("b.click()")
    assert page.sent == []
    assert page.value("ran") == "a+b"


def test_values_are_what_scripts_set() -> None:
    page = Page(
        "<form id=f method=post><input name=t><input type=hidden name=h><textarea name=x>a</textarea>"
        "<select name=s><option>1<option>2</select><input type=checkbox name=c>"
        "<input type=radio name=r value=1 checked><input type=radio name=r value=2></form>"
    )
    page.run("""
        f.t.value = 'a\\nb'; f.h.value = null; f.x.value = 'z'; f.s.value = '2'; f.c.checked = true;
        f.r[1].checked = true; f.submit(); f.s.selectedIndex = 0; f.c.click(); f.s.value = 'none';
    """)
    page.run("f.submit()")
    assert page.sent[0]["fields"] == [
        ["t", "ab"], ["h", ""], ["x", "z"], ["s", "2"], ["c", "on"], ["r", "2"],
    ]  # fmt: skip
    assert page.sent[1]["fields"] == [["t", "ab"], ["h", ""], ["x", "z"], ["r", "2"]]


def test_controls_outside_their_form_and_nested_forms() -> None:
    page = Page(
        "<table><form id=f method=post><tr><td><input name=a></td></tr></table><input name=b></form>"
        "<input name=d><input form=f name=c>"
    )
    page.run("f.submit()")
    assert [name for name, _ in page.sent[0]["fields"]] == ["a", "b", "c"]


def test_a_click_on_what_is_in_a_button_or_label() -> None:
    page = Page(
        "<form method=post><button name=b><span id=s>x</span></button>"
        "<label id=l for=c>y</label><input type=checkbox id=c></form>"
    )
    page.run("l.click(); s.click()")
    assert page.value("c.checked") is True
    assert page.sent[0]["fields"] == [["b", ""]]


def test_a_disabled_button_does_nothing() -> None:
    page = Page("<form><button id=b disabled></button></form>")
    page.run("b.click(); b.disabled = false")
    assert page.sent == []
    page.run("b.click()")
    assert len(page.sent) == 1
