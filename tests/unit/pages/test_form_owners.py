"""Each element around the controls is looked at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy.http import HtmlResponse

from scrapy_onecaptcha.pages.html import parse
from tests.corpus.slow_pages import SLOW

if TYPE_CHECKING:
    from scrapy_onecaptcha.pages.form_owners import FormOwners


def owners_of(html: str) -> tuple[FormOwners, Any]:
    body = html.encode()
    page = parse(HtmlResponse("https://shop.example/", body=body, encoding="utf-8"))
    assert page is not None
    return page.owners, page.root


def test_the_work_does_not_grow_with_depth_times_controls() -> None:
    for name, make in SLOW.items():
        owners, root = owners_of(make())
        elements = list(root.iter())
        for element in elements:
            owners.owner(element)
            owners.around(element)
        assert owners.visited <= len(elements), name


def test_a_fieldset_disables_all_but_its_first_legend() -> None:
    owners, root = owners_of(
        "<fieldset disabled><legend><input id=a></legend><legend><input id=b></legend>"
        "<fieldset><legend><input id=c></legend></fieldset></fieldset><input id=d>"
        "<fieldset disabled><fieldset disabled><legend><input id=e></legend>"
    )
    found = {
        element.get("id"): owners.around(element).is_disabled
        for element in root.iter("input")
    }
    assert found == {"a": False, "b": True, "c": True, "d": False, "e": True}


def test_what_hides_a_form_does_not_hide_its_fields_from_it() -> None:
    owners, root = owners_of(
        "<div hidden><form><input id=a><p style='Display : NONE'><input id=b></p>"
        "</form><input id=c></div>"
    )
    around = {e.get("id"): owners.around(e) for e in root.iter("input")}
    assert (around["a"].is_hidden, around["a"].is_hidden_in_form) == (True, False)
    assert (around["b"].is_hidden, around["b"].is_hidden_in_form) == (True, True)
    assert around["c"].is_hidden


def test_a_control_that_names_no_form_of_the_page_has_none() -> None:
    owners, root = owners_of(
        "<form id=f><input id=a form><input id=b form=x><input id=c></form>"
        "<input id=d form=f>"
    )
    forms = {e.get("id"): owners.owner(e) for e in root.iter("input")}
    form = root.find(".//form")
    assert forms == {"a": None, "b": None, "c": form, "d": form}
    assert [e.get("id") for e in owners.controls[form]] == ["c", "d"]
