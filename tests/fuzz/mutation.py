"""Pages of the corpus, broken in all the ways that pages are."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from scrapy import Request
from scrapy.http import HtmlResponse, JsonResponse, TextResponse, XmlResponse

from tests.corpus.judging import PAGES
from tests.corpus.labels import LABELS

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.corpus.labels import Label

__all__ = ["JSON_PAGES", "LABELLED", "mutated", "response_of", "scripted"]

LABELLED = [label for label in LABELS if not label.file.endswith(".json")]
JSON_PAGES = [label for label in LABELS if label.file.endswith(".json")]

KEY = b"338af34c-7bcb-4c7c-900b-acbec73d7d43"

# What is put in where it does most harm.
MARKUP = [
    *(b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x", b"<", b">", b"</", b"/>", b"\x00"),
    *(b"'", b'"', b"=", b"&", b"&#0;", b"&#27;", b"&#xd800;", b"&#x110000;", b"&amp"),
    *(b"<script>", b"</script>", b"<form>", b"</form>", b"<template>", b"<noscript>"),
    *(b"<textarea>", b"<select name=a><option selected>", b"<table>", b"<svg>", b"<p>"),
    *(b"<base href='http://['>", b"<base href='https://[::1]:99999/'>", b"<base href>"),
    *(b"<form id=a>", b"<input form=a name=b>", b"<fieldset disabled>", b"<button>"),
    *(b"<form action='http://['>", b"<form action='javascript:0' onsubmit='x()'>"),
    *(b"<form action='//a:b@c:99999/\\d'>", b"<form accept-charset='hex, rot13'>"),
    *(b"<form accept-charset='idna'>", b"<form accept-charset=undefined>"),
    *(b"<form enctype=text/plain method=post>", b"<input name=_charset_ type=hidden>"),
    *(b"<input name='\xed\xa0\x80' value='&#x1f600;'>", b"<input name=respKey>"),
    b"<meta charset=utf-7><meta http-equiv=content-type content='x;charset=hex'>",
    b"<iframe src='https://hcaptcha.com/[#sitekey='>",
    b"<script src='https://js.hcaptcha.com/1/api.js'></script>",
    b"<div class=h-captcha data-callback=f data-sitekey=" + KEY + b"></div>",
]
SCRIPT = [
    *(b"`", b"${", b"}", b"(", b")", b"[", b"]", b"{", b"/*", b"*/", b"//", b"\\"),
    *(
        b"\n",
        b";",
        b",",
        b"+",
        b"=>",
        b"?.",
        b"/(?:",
        b"/g",
        b"\\u{ffffff}",
        b"\\ud800",
    ),
    *(b"007", b"1e999", b"-0", b"\xd9\xa3", b"null", b"true", b"undefined", b"void 0"),
    *(b"function f(t){", b"async t=>", b"f=t=>", b"f:function(", b"(", b"{sitekey:"),
    *(b"hcaptcha.render('a',{", b"hcaptcha.execute(a,{rqdata:", b").then("),
    *(b"t", b"a", b"a=t;", b"a=a;", b"a={};", b"a.b=", b"f(t);", b"this.f(t)"),
    *(b"fetch('/a',{method:'POST',body:", b"new URLSearchParams(", b"[[{},t]]"),
    *(b"[[1,t]]", b"{a:007,b:t}", b"{'a.b':t}", b"JSON.stringify({a:t})", b"+t"),
    *(b"$.post('/a',{a:t})", b"$.ajax({url:", b"axios.post('/a',{a:t},{headers:{"),
    *(b"'X-A':t}", b"x.open('POST','/a');x.send(", b"navigator.sendBeacon('/a',"),
    *(b"location='/a?t='+t", b"location.href=", b"encodeURIComponent(t)", b"+''+"),
    *(b"new FormData(document.forms[0])", b"d.append('a',t)", b".toString()"),
    *(b"document.getElementById('a').value=t", b"document.forms[0].submit()"),
    *(
        b"$('#a').val(t)",
        b"document.querySelector('[name=\"a\"]').value",
        b"`/a?t=${t}`",
    ),
    *(
        b"{'a':'" + KEY + b"'}",
        b'={"hcaptcha":{"sitekey":"' + KEY + b'"}}',
        b"'https://[",
    ),
    b'\'{"a":' + b'{"a":' * 300 + b"\"'+t+'\"" + b"}" * 300 + b"}'",
]
JSON_BITS = [
    *(
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"null",
        b"true",
        b"1e999",
        b"NaN",
        b"\\",
    ),
    *(b'"\\ud800"', b'"captcha_rqtoken":"\\ud800"', b'"captcha_rqtoken":"a\\nb"', b"0"),
    *(
        b'"field":"a.b"',
        b'"field":"header:x"',
        b'"header":"x-captcha"',
        b'"param":"a[b]"',
    ),
    *(b'"sitekey":"' + KEY + b'"', b'"captcha_sitekey":5', b'"hcaptcha":true', b'"":'),
    *(
        b'"error":"captcha required"',
        b'"captcha-key":["captcha-required"]',
        b"1" * 5000,
    ),
    *(b"[" * 500, b'{"a":' * 300, b'"' + b"captcha" * 100 + b'":1', b"\xef\xbb\xbf"),
]
CHARSETS = [
    *("utf-8", "utf-8", "utf-8", "", "utf-16", "utf-16be", "utf-7", "gb18030", "hex"),
    *(
        "rot13",
        "idna",
        "punycode",
        "undefined",
        "unicode_escape",
        "iso-2022-jp",
        "zlib",
    ),
    *(
        "base64",
        "raw_unicode_escape",
        "shift_jis",
        "latin-1",
        "x-user-defined",
        "a\x00b",
    ),
    *("utf-32", "cp037", "utf_8_sig", "\xe9", "x" * 300, "mbcs", "tis-620", "big5"),
]
URLS = [
    *("https://shop.example/page", "https://shop.example/page?a=1&h-captcha-response="),
    *(
        "http://127.0.0.1/page",
        "https://[::1]:8080/",
        "https://user:pass@shop.example/x",
    ),
    *(
        "https://xn--bcher-kva.example/",
        "https://b\xfccher.example/\xfc",
        "http://a.test:0/",
    ),
    *(
        "https://shop.example:99999/",
        "http://[",
        "data:text/html,x",
        "https://shop.example",
    ),
]
_KINDS: dict[str, type[TextResponse]] = {
    ".html": HtmlResponse,
    ".json": JsonResponse,
    ".txt": TextResponse,
    ".xml": XmlResponse,
}


@cache
def _body(label: Label) -> bytes:
    return (PAGES / label.file).read_bytes()


def _at(random: random.Random, body: bytes) -> int:
    """Return a place in *body*, in its scripts more often than by their length."""
    scripts = [match.end() for match in re.finditer(rb"<script[^>]*>", body)]
    if scripts and random.random() < 0.4:
        start = random.choice(scripts)
        end = body.find(b"</script", start)
        return random.randint(start, max(start, end))
    return random.randint(0, len(body))


def _span(random: random.Random, body: bytes) -> tuple[int, int]:
    start = _at(random, body)
    return start, min(len(body), start + random.choice((1, 1, 2, 10, 100, 1000)))


def _drop(random: random.Random, body: bytes) -> bytes:
    start, end = _span(random, body)
    return body[:start] + body[end:]


def _repeat(random: random.Random, body: bytes) -> bytes:
    start, end = _span(random, body)
    return body[:end] + body[start:end] * random.choice((1, 2, 20, 200)) + body[end:]


def _truncate(random: random.Random, body: bytes) -> bytes:
    return body[: _at(random, body)]


def _splice(random: random.Random, body: bytes) -> bytes:
    other = _body(random.choice(LABELLED))
    return body[: _at(random, body)] + other[_at(random, other) :]


def _insert(random: random.Random, body: bytes) -> bytes:
    place = _at(random, body)
    words = random.choice((MARKUP, SCRIPT, SCRIPT))
    bits = b"".join(random.choices(words, k=random.choice((1, 1, 2, 5))))
    return body[:place] + bits + body[place:]


def _insert_json(random: random.Random, body: bytes) -> bytes:
    place = random.choice([m.end() for m in re.finditer(rb"[{,\[:]|\A", body)])
    bits = b"".join(random.choices(JSON_BITS, k=random.choice((1, 1, 2))))
    return body[:place] + bits + random.choice((b"", b",")) + body[place:]


def _script(random: random.Random, body: bytes) -> bytes:
    bits = b"".join(random.choices(SCRIPT, k=random.randint(1, 12)))
    return body + b"<script>function f(t){" + bits + b"}</script>"


def _without_mark(random: random.Random, body: bytes) -> bytes:
    marks = [match.start() for match in re.finditer(rb"[\"'<>/(){}\[\];`=,]", body)]
    if not marks:
        return body
    place = random.choice(marks)
    return body[:place] + body[place + 1 :]


def _swap(random: random.Random, body: bytes) -> bytes:
    """Swap two values of attributes, or two names in scripts."""
    pattern = random.choice((rb"=\"([^\"<>]*)\"", rb"\b([a-z]\w{0,20})\b"))
    found = list(re.finditer(pattern, body[:100_000]))
    if len(found) < 2:
        return body
    one, two = sorted(random.sample(found, 2), key=lambda match: match.start(1))
    return b"".join(
        (
            body[: one.start(1)],
            two[1],
            body[one.end(1) : two.start(1)],
            one[1],
            body[two.end(1) :],
        )
    )


def _soup(random: random.Random, body: bytes) -> bytes:
    start, end = _span(random, body)
    soup = b"".join(b"&#%d;" % byte for byte in body[start:end])
    return body[:start] + soup + body[end:]


def _recode(random: random.Random, body: bytes) -> bytes:
    text = body.decode("utf-8", "replace")
    return text.encode(
        random.choice(("utf-16", "utf-8-sig", "latin-1", "gb18030")), "replace"
    )


def _nest(random: random.Random, body: bytes) -> bytes:
    place, tag = (
        _at(random, body),
        random.choice((b"div", b"form", b"a", b"table", b"b")),
    )
    return body[:place] + b"<%s>" % tag * random.choice((5, 300)) + body[place:]


def _crowd(random: random.Random, body: bytes) -> bytes:
    place = _at(random, body)
    one = random.choice(
        (
            *(b"<input name=a>", b"<form>", b"<script>a=1</script>", b"<h1>a</h1>"),
            *(
                b"<a href=b>c",
                b"<p class='h-captcha'>",
                b"<iframe src=//hcaptcha.com/>",
            ),
            b"<input a='" + b"b" * 1000 + b"'>",
        )
    )
    return body[:place] + one * random.choice((50, 500)) + body[place:]


def _noise(random: random.Random, body: bytes) -> bytes:
    place = _at(random, body)
    return body[:place] + random.randbytes(random.choice((1, 4, 50))) + body[place:]


_HTML: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(_drop, _repeat, _truncate, _splice, _insert, _insert, _insert, _script, _script),
    *(
        _without_mark,
        _without_mark,
        _swap,
        _swap,
        _soup,
        _recode,
        _nest,
        _crowd,
        _noise,
    ),
)
_JSON: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(_insert_json, _insert_json, _insert_json, _drop, _repeat, _truncate, _noise),
    *(_without_mark, _recode),
)


def mutated(random: random.Random, label: Label) -> bytes:
    """Return the page of *label*, broken in up to six ways."""
    body = _body(label)
    ways = _JSON if label in JSON_PAGES else _HTML
    for way in random.choices(ways, k=random.randint(1, 6)):
        body = way(random, body)
    return body[:300_000]


def response_of(random: random.Random, label: Label, body: bytes) -> TextResponse:
    """Return a response with *body*, which came much as *label* says, or oddly."""
    kind = _KINDS["." + label.file.rpartition(".")[2]]
    url, content_type = label.url, label.content_type
    charset = label.charset
    if random.random() < 0.3:
        url = random.choice(URLS)
    if random.random() < 0.4:
        charset = random.choice(CHARSETS)
    if random.random() < 0.1:
        content_type = random.choice(("", "text/plain", "application/json", "\xff\x00"))
        kind = random.choice(list(_KINDS.values()))
    header = f"{content_type}; charset={charset}" if charset else content_type
    return kind(
        url,
        status=random.choice((label.status, label.status, 200, 403, 404, 503)),
        headers={"Content-Type": header.encode("utf-8")},
        body=body,
        request=_request(random, label.url),
    )


def _request(random: random.Random, url: str) -> Request:
    body, kind = random.choice(
        (
            *(
                (b"", ""),
                (b"", ""),
                (b'{"captcha_key":null,"a":"b"}', "application/json"),
            ),
            *((b"a=b&captcha=\xff&%zz", "application/x-www-form-urlencoded"),),
            *((b"\x00\xff", "application/octet-stream"), (b"[1]", "application/json")),
        )
    )
    request = Request(
        url,
        method=random.choice(("POST", "PUT")) if body else "GET",
        body=body,
        headers={"Content-Type": kind, "User-Agent": "crawler/1.0"} if kind else None,
    )
    if random.random() < 0.2:
        request.meta["redirect_urls"] = [random.choice(URLS)]
    return request


# Pages that send their token by a script, which are few in the corpus

_PAGE = """<html><head><title>Are you human?</title>
<script src="https://js.hcaptcha.com/1/api.js"></script></head><body>
%s%s
<div class="h-captcha" data-sitekey="%s" data-callback="f"></div>
<script>%s</script></body></html>"""
_ATOMS = (
    *(
        "t",
        "t",
        "t",
        "a",
        "b",
        "f",
        "'x'",
        '"y\\u0041\\x41"',
        "`z`",
        "`/${t}`",
        "`${a}${b}`",
    ),
    *("1", "-1.5", "007", "٣", "1e999", "null", "true", "undefined", "''", "{}", "[]"),
    *(
        "'/a?b=c&d='",
        "'a=b&c='",
        "'https://['",
        "'//x@y:99999/'",
        "'../\\ud800'",
        "'a.b'",
    ),
    *("location.href", "window.location.pathname", "location.search", "document.URL"),
    *(
        "document.getElementById('d').value",
        "$('#d').val()",
        "document.forms[0]",
        "this",
    ),
    *(
        "hcaptcha.getResponse()",
        "document.querySelector('[name=\\'c\\']').value",
        '\'{"a":"\'',
    ),
    *(
        "'Content-Type'",
        "'X-Captcha'",
        "'\\n'",
        "a.b.c",
        "a?.b",
        "/x/",
        "...a",
        "!t",
        "t.response",
    ),
    *(
        "async",
        "function(){}",
        "()=>t",
        "x=>{",
        "new Foo()",
        "// c",
        "/* d */",
        "\ue000",
    ),
)
# What can be read, so that more of what is around it is.
_PLAIN = (
    *(
        "t",
        "t",
        "'x'",
        "'/a'",
        "'/a?b='",
        "{k: t}",
        "{k: t, l: 'm', n: 1}",
        "location.href",
    ),
    *(
        "JSON.stringify({k: t})",
        "'k=' + t",
        "new URLSearchParams({k: t})",
        "a",
        "'POST'",
    ),
)
_FORMS = (
    *("{0}+{1}", "{0} + '&' + {1}", "({0})", "{{k: {0}}}", "{{k: {0}, 'l.m': {1}, n}}"),
    *("{{'k': {{m: {0}}}, \"o\": {1}}}", "[{0}, {1}]", "[[{0}, {1}]]", "[['k', {0}]]"),
    *("JSON.stringify({0})", "JSON.stringify({{k: {0}, l: {1}}})", "{0}.toString()"),
    *(
        "new URLSearchParams({0})",
        "new URLSearchParams({{k: {0}}})",
        "$.param({{k: {0}}})",
    ),
    *("new FormData({0})", "new FormData()", "encodeURIComponent({0})", "String({0})"),
    *(
        "Qs.stringify({0})",
        "'k=' + {0}",
        "`k=${{encodeURIComponent(t)}}`",
        "escape({0})",
    ),
)
_STATEMENTS = (
    *("fetch({0}, {{method: 'POST', body: {1}}});", "fetch({0}, {1})", "fetch({0})"),
    "fetch('/a', {{method: 'POST', headers: {0}, body: {1}}})",
    "fetch('/a', {{method: {0}, headers: {{'X-A': {1}}}}}).then(r => r.json())",
    *("$.post('/a', {0})", "$.post({0}, {1}, function () {{ x }})", "$.get({0}, {1})"),
    *("$.ajax({{url: {0}, data: {1}, type: 'post'}})", "$.ajax({0}, {{data: {1}}})"),
    *("axios.post('/a', {0}, {{headers: {1}}})", "axios({{url: {0}, params: {1}}})"),
    "var x = new XMLHttpRequest(); x.open('POST', {0}); x.send({1})",
    "x.open('POST', '/a'); x.setRequestHeader('X-A', {0}); x.send({1})",
    *(
        "x.open({0}, {1}); x.send(t)",
        "navigator.sendBeacon({0}, {1})",
        "location = {0} + {1}",
    ),
    *(
        "location.href = {0}",
        "location.assign({0})",
        "window.location.replace({0} + {1})",
    ),
    *(
        "var a = {0};",
        "let b = {0}\n",
        "a.append('k', {0});",
        "a.set({0}, {1});",
        "a = b;",
        "b = a;",
    ),
    *(
        "g({0});",
        "this.g({0}, {1})",
        "document.getElementById('d').value = t;",
        "$('#d').val(t)",
    ),
    *(
        "document.forms[0].submit();",
        "$('#a').submit()",
        "document.b.submit()",
        "{0};",
        "if ({0}) {{",
    ),
    *(
        "hcaptcha.render({0}, {{sitekey: {1}, callback: f}})",
        "hcaptcha.execute({0}, {{rqdata: {1}}})",
    ),
)
_AROUND = (
    *(
        "function f(t) {{ {0} }} function g(u, a) {{ t = u; {1} }}",
        "f = t => {{ {0} }}; {1}",
    ),
    *("const f = async (t) => {0}", "window['f'] = function (t) {{ {0} }}", "{0}; {1}"),
    *(
        "function f({{response: t}}) {{ {0} {1} }}",
        "f = {{g: function (t) {{ {0} }} }}",
    ),
)


def _expression(random: random.Random, depth: int = 0) -> str:
    if depth > 3 or random.random() < 0.5:
        return random.choice(_ATOMS if random.random() < 0.3 else _PLAIN)
    inner = [_expression(random, depth + 1) for _ in range(2)]
    return random.choice(_FORMS).format(*inner)


def _statements(random: random.Random) -> str:
    return " ".join(
        random.choice(_STATEMENTS).format(_expression(random), _expression(random))
        for _ in range(random.randint(1, 4))
    )


def scripted(random: random.Random) -> bytes:
    """Return a page whose script sends the token, or would if it were right."""
    script = random.choice(_AROUND).format(_statements(random), _statements(random))
    control = '<input type="hidden" name="c" id="d" value="e">'
    form = f'<form id="a" name="b">{control}<button>Go</button></form>'
    first = random.choice((control, control, control, form))
    beside = random.choice(("", "", "<form><input name=q></form>", "<base href='/b/'>"))
    page = (_PAGE % (first, beside, KEY.decode(), script)).encode()
    for way in random.choices(_HTML, k=random.choice((0, 0, 0, 1, 2))):
        page = way(random, page)
    return page[:300_000]
