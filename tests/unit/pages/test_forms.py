"""What a browser would send for a form, and what the form asks of its visitor."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from scrapy.http import HtmlResponse

from scrapy_onecaptcha.pages.controls import MAX_CONTROLS, label, visitor_fields
from scrapy_onecaptcha.pages.forms import MAX_FORM, read_form
from scrapy_onecaptcha.pages.html import MAX_BYTES, Page, parse

URL = "https://site.test/dir/page?x=1#top"


def page_of(html: str, url: str = URL, encoding: str = "utf-8") -> Page:
    page = parse(HtmlResponse(url, body=html.encode(encoding), encoding=encoding))
    assert page is not None
    return page


def form_of(html: str, **options: Any) -> Any:
    page = page_of(html, **{k: options.pop(k) for k in ("url",) if k in options})
    return read_form(page.root.xpath("//form")[0], page, **options)


def asked_by(html: str) -> list[str]:
    page = page_of(f"<form>{html}</form>")
    return [label(e) for e in visitor_fields(page.root.xpath("//form")[0], page)]


@pytest.mark.parametrize(
    ("html", "fields"),
    [
        pytest.param(
            "<input type=hidden name=a value=1><input name=b value=2><textarea name=c>"
            "3</textarea><input type=hidden name=a value=4>",
            [("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")],
            id="tree order, names repeated",
        ),
        pytest.param(
            "<input name=a><input value=no-name><input name='' value=x>",
            [("a", "")],
            id="no value, no name",
        ),
        pytest.param(
            "<input type=hidden name=a value='&lt;1&amp;2&quot;&#8364;&gt; '>",
            [("a", '<1&2"€> ')],
            id="entities decoded, nothing trimmed",
        ),
        pytest.param(
            "<input type=checkbox name=a><input type=checkbox name=b checked>"
            "<input type=radio name=c value=1>"
            "<input type=radio name=c value=2 checked>",
            [("b", "on"), ("c", "2")],
            id="checked boxes only",
        ),
        pytest.param(
            "<select name=a><option disabled>x<option> y  </select>"
            "<select name=b><option value=1>x<option value=2 selected>y</select>"
            "<select name=c multiple><option selected>1<option>2<option selected>3"
            "</select><select name=d size=3><option>1</select>"
            "<select name=e multiple><option>1</select>",
            [("a", "y"), ("b", "2"), ("c", "1"), ("c", "3")],
            id="selected options",
        ),
        pytest.param(
            "<select name=a><option selected>1<option selected>2</select>",
            [("a", "2")],
            id="the last of several in a list that takes one",
        ),
        pytest.param(
            "<select name=a><optgroup disabled><option selected>1</optgroup>"
            "<option>2</select>",
            [],
            id="a selected option in a disabled group",
        ),
        pytest.param(
            "<input name=a disabled><fieldset disabled><legend><input name=b></legend>"
            "<input name=c></fieldset><input name=d>",
            [("b", ""), ("d", "")],
            id="disabled, by itself or its fieldset",
        ),
        pytest.param(
            "<input type=reset name=b value=1>"
            "<input type=button name=c value=1><button type=button name=d value=1>"
            "x</button><button type=reset name=e>x</button>",
            [],
            id="buttons that submit nothing",
        ),
        pytest.param(
            "<textarea name=a>\n\nb\r\nc</textarea>",
            [("a", "\nb\nc")],
            id="textarea: the first newline is dropped",
        ),
        pytest.param(
            "<input type=hidden name=a value='1\n2&#13;&#10;3&#13;4'>",
            [("a", "1\n2\r\n3\r4")],
            id="newlines of a hidden value are kept",
        ),
        pytest.param(
            "<input name=a value='1\n2'>", [("a", "12")], id="a text box has one line"
        ),
        pytest.param(
            "<input type=HIDDEN name=a value=1><input type=nonsense name=b value=2>",
            [("a", "1"), ("b", "2")],
            id="types in any case, unknown ones are text",
        ),
        pytest.param("<input type=file name=a>", [("a", "")], id="file"),
        pytest.param(
            "<input type=hidden name=_charset_ value=x>",
            [("_charset_", "UTF-8")],
            id="_charset_",
        ),
        pytest.param(
            "<input type=image name=go src=/b.png><input type=hidden name=a value=1>",
            [("go.x", "0"), ("go.y", "0"), ("a", "1")],
            id="an image that submits",
        ),
        pytest.param(
            "<input type=image src=/b.png>",
            [("x", "0"), ("y", "0")],
            id="an image without a name",
        ),
        pytest.param(
            "<button name=b value=1>x</button><input type=image name=a>",
            [("b", "1")],
            id="the first button is pressed",
        ),
    ],
)
def test_fields(html: str, fields: list[tuple[str, str]]) -> None:
    assert list(form_of(f"<form>{html}</form>").fields) == fields


def test_controls_elsewhere_belong_by_their_form_attribute() -> None:
    form = form_of(
        "<input name=before form=f><form id=f><input name=in>"
        "<input name=foreign form=g></form><form id=g></form><input name=after form=f>"
    )
    assert [name for name, _ in form.fields] == ["before", "in", "after"]


def test_a_form_in_a_table_keeps_its_controls() -> None:
    form = form_of("<table><form><tr><td><input name=a></td></tr></form></table>")
    assert form.fields == (("a", ""),)


def test_an_unclosed_form_keeps_its_controls() -> None:
    assert form_of("<div><form><p><input name=a>").fields == (("a", ""),)


@pytest.mark.parametrize(
    ("html", "url"),
    [
        ("<form>", "https://site.test/dir/page?x=1"),
        ("<form action=''>", "https://site.test/dir/page?x=1"),
        ("<form action='#top'>", "https://site.test/dir/page?x=1"),
        ("<form action=' other?y=2#z '>", "https://site.test/dir/other?y=2"),
        ("<form action='?y=2'>", "https://site.test/dir/page?y=2"),
        ("<form action='/ro\not'>", "https://site.test/root"),
        ("<form action='//else.test/a'>", "https://else.test/a"),
        ("<base href='/base/'><form action=a>", "https://site.test/base/a"),
        ("<base href='/base/'><form action=''>", "https://site.test/dir/page?x=1"),
        ("<base href=' /b/ '><form action=a>", "https://site.test/b/a"),
        ("<base target=_top><base href='/b/'><form action=a>", "https://site.test/b/a"),
        ("<base href='javascript:0'><form action=a>", "https://site.test/dir/a"),
    ],
)
def test_url(html: str, url: str) -> None:
    assert form_of(html).url == url


@pytest.mark.parametrize(
    "action", ["javascript:void(0)", "http://[broken", "about:blank", "mailto:a@b"]
)
def test_a_form_that_goes_nowhere_is_none(action: str) -> None:
    assert form_of(f"<form action='{action}'>") is None


@pytest.mark.parametrize(
    ("html", "method", "enctype"),
    [
        ("<form>", "GET", "application/x-www-form-urlencoded"),
        ("<form method=post>", "POST", "application/x-www-form-urlencoded"),
        ("<form method=put>", "GET", "application/x-www-form-urlencoded"),
        ("<form method=dialog>", "GET", "application/x-www-form-urlencoded"),
        (
            "<form method=POST enctype='Multipart/Form-Data'>",
            "POST",
            "multipart/form-data",
        ),
        ("<form method=POST enctype=text/plain>", "POST", "text/plain"),
        ("<form enctype=nonsense>", "GET", "application/x-www-form-urlencoded"),
    ],
)
def test_method_and_enctype(html: str, method: str, enctype: str) -> None:
    form = form_of(html)
    assert (form.method, form.enctype) == (method, enctype)


def test_the_first_submit_button_is_pressed_where_it_stands() -> None:
    form = form_of(
        "<form><input name=a><button type=button name=no value=0>x</button>"
        "<button name=go value=1>x</button><input name=b>"
        "<input type=submit name=other value=2></form>"
    )
    assert form.fields == (("a", ""), ("go", "1"), ("b", ""))


def test_the_pressed_button_overrules_its_form() -> None:
    form = form_of(
        "<form action=/a method=get><button formaction=/b formmethod=post"
        " formenctype=multipart/form-data>x</button></form>"
    )
    assert (form.url, form.method) == ("https://site.test/b", "POST")
    assert form.enctype == "multipart/form-data"


def test_a_submit_without_a_label_sends_that_of_the_browser() -> None:
    form = form_of("<form><input type=submit name=go></form>")
    assert form.fields == (("go", "Submit"),)


def test_a_button_that_waits_for_the_token_is_pressed() -> None:
    form = form_of("<form><button name=go value=1 disabled>x</button></form>")
    assert form.fields == (("go", "1"),)


def test_an_enabled_button_goes_before_a_disabled_one() -> None:
    form = form_of(
        "<form><button name=a value=1 disabled>x</button><button name=b value=1>"
    )
    assert form.fields == (("b", "1"),)


def test_a_script_presses_no_button() -> None:
    html = "<form action=/a><button name=go value=1 formaction=/b>x</button></form>"
    form = form_of(html, by_script=True)
    assert (form.url, form.fields) == ("https://site.test/a", ())


def test_the_widget_s_own_button_is_not_pressed() -> None:
    page = page_of("<form><button name=go value=1 class=h-captcha>x</button></form>")
    button = page.root.xpath("//button")[0]
    form = read_form(page.root.xpath("//form")[0], page, container=button)
    assert form is not None
    assert form.fields == ()


def test_token_fields_are_taken_out_of_the_fields() -> None:
    form = form_of(
        "<form><textarea name=h-captcha-response></textarea><input name=a>"
        "<textarea name=g-recaptcha-response></textarea></form>",
        token_fields=("h-captcha-response",),
    )
    assert form.fields == (("a", ""),)
    assert form.token_fields == ("h-captcha-response", "g-recaptcha-response")


def test_another_token_field_stands_alone() -> None:
    form = form_of("<form><input type=hidden name=token>", token_fields=("token",))
    assert (form.fields, form.token_fields) == ((), ("token",))


@pytest.mark.parametrize(
    "name", ["respKey", "resp_key", "resp-key", "h-captcha-respkey", "RESPKEY"]
)
def test_the_field_of_the_resp_key(name: str) -> None:
    form = form_of(f"<form><input type=hidden name={name}><input name=a></form>")
    assert form.resp_key_field == name
    assert form.fields == (("a", ""),)


def test_without_a_field_the_resp_key_has_its_usual_name() -> None:
    assert form_of("<form><input name=correspkeys>").resp_key_field == "respKey"


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("", "utf-8"),
        ("nonsense shift_jis", "cp932"),
        ("iso-8859-1", "cp1252"),
        ("utf-16", "utf-8"),
        ("utf-7", "utf-8"),
        ("base64 koi8-r", "koi8-r"),
        ("idna", "utf-8"),
        ("undefined", "utf-8"),
        ("unicode_escape", "utf-8"),
    ],
)
def test_accept_charset(charset: str, encoding: str) -> None:
    assert form_of(f"<form accept-charset='{charset}'>").encoding == encoding


def test_the_page_s_encoding_is_the_form_s() -> None:
    page = page_of("<form><input name=a value='漢字'>", encoding="gb18030")
    form = read_form(page.root.xpath("//form")[0], page)
    assert form is not None
    assert (form.encoding, form.fields) == ("gb18030", (("a", "漢字"),))


@pytest.mark.parametrize(
    "html",
    [
        "<input name=a>",
        "<input type=email name=a>",
        "<input type=password name=a>",
        "<input type=file name=a>",
        "<input type=checkbox name=a required>",
        "<textarea name=a></textarea>",
        "<select name=a><option>1</select>",
        "<div style='color: red; margin-left: -1px'><input name=a></div>",
        "<input name=a autocomplete=off>",
        "<input name=a style='border-width: 0; max-height: 0px'>",
    ],
)
def test_a_visitor_is_asked(html: str) -> None:
    assert asked_by(html) == ["a"]


def test_a_lone_box_is_asked_for_if_it_is_a_consent() -> None:
    assert asked_by("<input type=checkbox name=terms>") == ["terms"]
    assert asked_by("<input type=checkbox name=box>") == []
    assert asked_by("<input type=checkbox name=box required>") == ["box"]
    two = "<input type=checkbox name=a><input type=checkbox name=b>"
    assert asked_by(two) == ["a", "b"]
    assert asked_by("<input type=checkbox name=box><input name=a>") == ["box", "a"]


@pytest.mark.parametrize(
    "html",
    [
        "<input type=hidden name=a>",
        "<input type=submit name=a><button name=b>x</button><input type=image name=c>",
        "<textarea name=h-captcha-response></textarea>",
        "<textarea id=h-captcha-response-0x></textarea>",
        "<input name=a style='display:none'>",
        "<input name=a style='position:absolute; left: -9999px'>",
        "<input name=a style='opacity:0; height:0'>",
        "<div style='Visibility : Hidden'><p><input name=a></p></div>",
        "<div aria-hidden=true><input name=a></div>",
        "<div hidden><input name=a></div>",
        "<input name=a tabindex=-1>",
        "<input name=a readonly>",
        "<input name=a disabled>",
    ],
)
def test_nothing_is_asked(html: str) -> None:
    assert asked_by(html) == []


def test_a_hidden_dialog_still_asks() -> None:
    page = page_of("<div style='display:none'><form><input name=a></form></div>")
    assert visitor_fields(page.root.xpath("//form")[0], page)


# Forms that the tree of the page closes elsewhere than a browser does


def test_controls_after_a_tag_that_closes_their_form_early() -> None:
    html = (
        "<div><form id=f action=/a><input name=a></div><input name=b>"
        "<p><button name=go value=1>x</button></form><input name=c>"
    )
    assert form_of(html).fields == (("a", ""), ("b", ""), ("go", "1"))


def test_a_form_around_the_rows_of_a_table() -> None:
    html = (
        "<table><form><tr><td><input name=a></td></tr><tr><td><input name=b></td></tr>"
        "</form></table><input name=c>"
    )
    assert [name for name, _ in form_of(html).fields] == ["a", "b"]


def test_a_form_in_a_cell_goes_on_over_the_next() -> None:
    html = (
        "<table><tr><form><td><input name=a></td></tr><tr><td><input name=b></td>"
        "</tr></form></table><input name=c>"
    )
    assert [name for name, _ in form_of(html).fields] == ["a", "b"]


def test_a_form_in_a_form_is_none() -> None:
    page = page_of(
        "<form action=/a><input name=a><form action=/b><input name=b></form>"
        "<input name=c></form>"
    )
    (form,) = page.root.xpath("//form")
    read = read_form(form, page)
    assert read is not None
    assert read.url == "https://site.test/a"
    assert [name for name, _ in read.fields] == ["a", "b"]


def test_the_ends_of_forms_leave_no_trace() -> None:
    html = (
        "<title>a</form></title><form><textarea name=t>x</form>y</textarea>"
        "<input name=v value='</form>'><p>b</form ><script>c = '</form>'</script>"
        "<!-- </form> --><style>d {}</form></style><p title='</FORM>'>e"
    )
    page = page_of(html)
    form = page.root.xpath("//form")[0]
    read = read_form(form, page)
    assert read is not None
    assert read.fields == (("t", "x</form>y"), ("v", "</form>"))
    assert page.root.xpath("string(//script)") == "c = '</form>'"
    assert page.root.xpath("string(//title)") == "a</form>"
    assert page.root.xpath("string(//p[@title='</FORM>'])") == "e"
    assert "onecaptcha" not in str(page.root.xpath("string(/)"))
    assert not page.root.xpath("//*[contains(name(), 'onecaptcha')]")


def hidden(count: int, size: int = 1) -> str:
    return f"<input type=hidden name=a value='{'x' * size}'>" * count


@pytest.mark.parametrize(
    "html",
    [
        pytest.param(f"<form>{hidden(MAX_CONTROLS + 1)}", id="controls"),
        pytest.param(
            f"<form id=f></form><p>{hidden(MAX_CONTROLS + 1)}".replace(
                "name", "form=f name"
            ),
            id="controls beside it",
        ),
        pytest.param(
            f"<table><form></table>{hidden(MAX_CONTROLS + 1)}</form>", id="strays"
        ),
        pytest.param(f"<form>{hidden(2, MAX_FORM // 2)}", id="values"),
        pytest.param(f"<form action='/{'x' * MAX_FORM}'>", id="action"),
        pytest.param(f"<form>{hidden(1)}<p>{'x' * MAX_BYTES}</form>", id="cut"),
    ],
)
def test_a_form_that_is_too_large_is_not_sent_by_halves(html: str) -> None:
    assert form_of(html) is None


def test_a_large_form_is_sent_whole() -> None:
    assert len(form_of(f"<form>{hidden(MAX_CONTROLS)}").fields) == MAX_CONTROLS
    assert form_of(f"<form>{hidden(1, MAX_FORM - 100)}") is not None
    assert form_of(f"<form>{hidden(1)}</form>{'x' * MAX_BYTES}") is not None
    assert form_of(f"<form>{hidden(1)}") is not None  # no end tag, but all is there


#: What a browser sends for a form, and whether form2request 0.2 sends the same.
AS_A_BROWSER = [
    pytest.param(
        (
            "<form method=post><input type=hidden name=a value=1><button "
            "name=b value=2>x</button></form>"
        ),
        "https://site.test/dir/page?x=1",
        [("a", "1"), ("b", "2")],
        True,
        id="a button of the form",
    ),
    pytest.param(
        ("<form method=post><input type=image name=go src=/b.png></form>"),
        "https://site.test/dir/page?x=1",
        [("go.x", "0"), ("go.y", "0")],
        False,
        id="an image button",
    ),
    pytest.param(
        (
            "<form method=post><fieldset disabled><input name=a value=1><"
            "/fieldset><input name=b value=2></form>"
        ),
        "https://site.test/dir/page?x=1",
        [("b", "2")],
        False,
        id="disabled by a fieldset",
    ),
    pytest.param(
        (
            "<form method=post><fieldset disabled><legend><input name=a v"
            "alue=1></legend></fieldset></form>"
        ),
        "https://site.test/dir/page?x=1",
        [("a", "1")],
        True,
        id="the legend of a disabled fieldset",
    ),
    pytest.param(
        ("<form id=f method=post></form><input form=f name=a value=1>"),
        "https://site.test/dir/page?x=1",
        [("a", "1")],
        False,
        id="a control by its form attribute",
    ),
    pytest.param(
        ("<form id=f method=post></form><button form=f name=a value=1>x</button>"),
        "https://site.test/dir/page?x=1",
        [("a", "1")],
        False,
        id="a button by its form attribute",
    ),
    pytest.param(
        (
            "<form action=/a><button formaction=/b formmethod=post name=c"
            " value=1>x</button></form>"
        ),
        "https://site.test/b",
        [("c", "1")],
        True,
        id="formaction and formmethod",
    ),
    pytest.param(
        ("<form method=post><input type=hidden name=_charset_></form>"),
        "https://site.test/dir/page?x=1",
        [("_charset_", "UTF-8")],
        False,
        id="_charset_",
    ),
    pytest.param(
        (
            "<table><form method=post><tr><td><input name=a value=1></td>"
            "</tr></form></table>"
        ),
        "https://site.test/dir/page?x=1",
        [("a", "1")],
        True,
        id="a form closed early",
    ),
    pytest.param(
        (
            "<form method=post><input name=a value=1><form><input name=b "
            "value=2></form></form>"
        ),
        "https://site.test/dir/page?x=1",
        [("a", "1"), ("b", "2")],
        False,
        id="a form in a form",
    ),
    pytest.param(
        ("<base href=/b/><form method=post action=c><input name=a value=1></form>"),
        "https://site.test/b/c",
        [("a", "1")],
        True,
        id="a base address",
    ),
    pytest.param(
        ("<base href=/b/><form method=post><input name=a value=1></form>"),
        "https://site.test/dir/page?x=1",
        [("a", "1")],
        False,
        id="an empty action with a base",
    ),
    pytest.param(
        ("<form method=post enctype=text/plain><input name=a value=1></form>"),
        "https://site.test/dir/page?x=1",
        [("a", "1")],
        False,
        id="text/plain",
    ),
    pytest.param(
        ("<form method=post enctype=multipart/form-data><input name=a value=1></form>"),
        "https://site.test/dir/page?x=1",
        [("a", "1")],
        False,
        id="multipart",
    ),
    pytest.param(
        (
            "<form method=post><select name=a><optgroup disabled><option "
            "selected>1</optgroup><option>2</select></form>"
        ),
        "https://site.test/dir/page?x=1",
        [],
        False,
        id="an option of a disabled group",
    ),
    pytest.param(
        ("<form method=post><textarea name=a>\n\nb</textarea></form>"),
        "https://site.test/dir/page?x=1",
        [("a", "\nb")],
        False,
        id="a text area's first newline",
    ),
    pytest.param(
        ("<form method=post><input name=a value='1\n2'></form>"),
        "https://site.test/dir/page?x=1",
        [("a", "12")],
        False,
        id="a line break in a text box",
    ),
]


@pytest.mark.parametrize(("html", "url", "fields", "_"), AS_A_BROWSER)
def test_a_form_is_sent_as_a_browser_sends_it(
    html: str, url: str, fields: list[tuple[str, str]], _: bool
) -> None:
    page = page_of(html, url="https://site.test/dir/page?x=1")
    form = read_form(page.root.xpath("//form")[0], page)
    assert form is not None
    assert form.method == "POST"
    assert form.url == url
    assert sorted(form.fields) == fields


@pytest.mark.parametrize(("html", "url", "fields", "is_same"), AS_A_BROWSER)
def test_form2request_is_no_substitute(
    html: str, url: str, fields: list[tuple[str, str]], is_same: bool
) -> None:
    form2request: Any = pytest.importorskip("form2request").form2request
    body = f"<!doctype html>{html}".encode()
    page = HtmlResponse("https://site.test/dir/page?x=1", body=body, encoding="utf-8")
    try:
        made = form2request(page.css("form")[0])
    except NotImplementedError:
        assert not is_same
        return
    sent = parse_qsl(made.body.decode(), keep_blank_values=True)
    kind = dict(made.headers).get("Content-Type", "")
    right = (made.url, sorted(sent)) == (url, fields) and "urlencoded" in kind
    assert right is is_same
