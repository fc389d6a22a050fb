"""The worst pages of the size that is read: they end, too.

Each is one unit again and again; the ones that once took minutes, or would, come
first. A page of its size takes a fraction of a second, or two at the most, where the
time grows with its square it takes minutes: so the bound holds on any machine.
"""

from __future__ import annotations

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, JsonResponse, TextResponse

from scrapy_onecaptcha._logging import masked
from scrapy_onecaptcha.pages.html import MAX_BYTES

from .fuzzing import ends
from .test_fuzz_pages import check_page

URL = "https://shop.example/page"
KEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
API = '<script src="https://js.hcaptcha.com/1/api.js"></script>'
WIDGET = f'<div class="h-captcha" data-sitekey="{KEY}" data-callback="f"></div>'
FORM = f'<form method="post">{WIDGET}<button>Go on</button></form>'
CALL = 32 * 1024
MAX_SCRIPT = 512 * 1024
BOUND = 10.0  # CPU seconds


def full(unit: str, size: int, before: str = "", after: str = "") -> str:
    """Return *unit* as often as it fits between *before* and *after*."""
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


def many(*names: str) -> str:
    """Return names by the thousand, as the arguments of a call."""
    return ",".join(names * (CALL // sum(len(name) + 1 for name in names) - 1))


RENDER = "hcaptcha.render('x',{sitekey:k,callback:c,size:s});"
SCRIPTS = {
    "calls in calls": "function f(t){" + "a(" * (CALL // 2 - 20) + "}",
    "calls in calls, a line": full("a(", MAX_SCRIPT, "f=t=>"),
    "calls in calls, closed": "f=t=>" + "a(" * 100_000 + ")" * 100_000,
    "function and space": full(" ", MAX_SCRIPT, "f=function"),
    "function and space, inline": full(
        " ", CALL, "hcaptcha.render('x',{callback:function", "})"
    ),
    "selectors without an end": full('$("', CALL, "function f(t){", "}"),
    "selectors without an end, a line": full('$("', MAX_SCRIPT, "f=t=>"),
    "selectors of one name": full('x=$("', MAX_SCRIPT, "function f(t){x.submit()}"),
    "options of many arguments": full(
        f"hcaptcha.execute({many('a', 'b')});", MAX_SCRIPT
    ),
    "many names as arguments": full(
        f"hcaptcha.setData({many(*(f'a{n}' for n in range(2000)))});", MAX_SCRIPT
    ),
    "renders of what is nowhere": full("k =c =s =", MAX_SCRIPT, RENDER * 32),
    "helpers": "".join(
        [
            "function f(t){",
            *(f"h{n}(t);" for n in range(9)),
            *(f"}}function h{n}(t){{{'a(' * 10_000}" for n in range(9)),
        ]
    ),
    "names that are set late": "".join(
        [
            "function f(t){fetch(",
            "+".join(f"n{n}" for n in range(45)),
            ",{method:'POST',body:'a='+t})}",
            "z " * 200_000,
            *(f"n{n}='x';" for n in range(45)),
        ]
    ),
    "blank lines": full("\n", CALL, "function f(t){fetch(a,{body:t})}a=") * 15,
    "quotes": full('"', MAX_SCRIPT),
    "slashes": full("=/a\\", MAX_SCRIPT),
    "template literals": full("`${", MAX_SCRIPT),
    "objects in objects": full('={"a":', MAX_SCRIPT),
    "addresses": full("a.", MAX_SCRIPT, '"//'),
    "space after a name": full("sitekey" + " " * 500, MAX_SCRIPT),
    "fields": full("a.value = ", MAX_SCRIPT, "f=t=>"),
    "parts of a text": "f=t=>fetch('/a'" + "+'a'" * 8000 + ")",
}
LOOKUP = "document.getElementById('x').value"


def helped(body: str) -> str:
    """Return a script whose callback and eight helpers have that *body*."""
    calls = "".join(f"h{n}(t);" for n in range(8))
    helpers = "".join(f"function h{n}(t){{{body}}}" for n in range(8))
    return f"function f(t){{{calls}{body}}}{helpers}"


MARKUP = {
    "headings": FORM + "".join(f"<h{n}>x</h{n}>" * 30_000 for n in (1, 2, 3)),
    "inputs and areas": WIDGET + "<input>" * 50_000 + "<textarea></textarea>" * 20_000,
    "containers": "<p class=h-captcha>" * 25_000 + "<h-captcha></h-captcha>" * 20_000,
    "forms of one name": full(
        "<form id=a><input form=a name=b></form>", MAX_BYTES - 500, WIDGET
    ),
    "elements": full("<div>", MAX_BYTES - 500, FORM),
    "end tags": FORM + "<div>" * 80_000 + "</b>" * 100_000,
    "links in links": full("<a href=x><div>", MAX_BYTES - 500, FORM),
    "a form around it all": full(
        "<input name=a>", MAX_BYTES - 500, f"<form>{WIDGET}" + "<div>" * 60_000
    ),
    "attributes": full("a=b ", MAX_BYTES - 500, f"{FORM}<p "),
    "tags without an end": full("<a b='", MAX_BYTES - 500, FORM),
    "space in tags": full("<a" + " " * 1000, MAX_BYTES - 500, FORM),
    "options": full("<option>x", MAX_BYTES - 500, f"<form>{WIDGET}<select name=a>"),
    "data of one long name": (
        f'{WIDGET}<script type="application/json">{{"{"k" * 400_000}":'
        f"[{'1,' * 5000}1]}}</script>"
    ),
}
JSON = {
    "one long name": f'{{"captcha":1,"{"k" * 500_000}":[{"1," * 5000}1]}}',
    "one long name of a key": f'{{"{"sitekey" * 70_000}":[{"1," * 5000}"captcha"]}}',
    "lists": '{"captcha":[' + "[]," * 300_000 + "[]]}",
    "lists in lists": '{"captcha":' + "[" * 400_000,
    "complaints": '{"captcha":[' + '"captcha required",' * 50_000 + "1]}",
    "one number": '{"captcha":' + "1" * 900_000 + "}",
}


def read(body: str, kind: type[TextResponse]) -> None:
    with ends(BOUND):
        check_page(
            kind(URL, 403, body=body.encode(), encoding="utf-8", request=Request(URL))
        )


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_of_full_size_ends(name: str) -> None:
    read(f"{API}{WIDGET}<script>{SCRIPTS[name]}</script>", HtmlResponse)


def test_a_script_that_looks_elements_up_ends() -> None:
    """Each look is a pass over the page, which may be large."""
    script = helped(f"fetch({'+'.join([LOOKUP] * 400)}+q)")
    page = f"{'<p>x' * 100_000}<input id=x value=y><script>{script}</script>"
    read(f"{API}{WIDGET}{page}", HtmlResponse)


@pytest.mark.parametrize("name", MARKUP)
def test_a_page_of_full_size_ends(name: str) -> None:
    read(API + MARKUP[name], HtmlResponse)


@pytest.mark.parametrize("name", JSON)
def test_json_of_full_size_ends(name: str) -> None:
    read(JSON[name], JsonResponse)


@pytest.mark.parametrize("unit", ["x", "//", "//x", "a:", "a@", "x?"])
def test_a_bad_value_of_any_size_is_shown(unit: str) -> None:
    with ends(BOUND):
        assert len(masked(unit * 300_000)) <= 200
