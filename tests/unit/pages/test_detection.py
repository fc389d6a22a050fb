"""What is read from a page, and whether it is a gate."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cssselect import SelectorError
from hypothesis import given, settings
from hypothesis import strategies as st
from scrapy import Request
from scrapy.http import HtmlResponse, JsonResponse, Response, TextResponse, XmlResponse

from scrapy_onecaptcha.models import MAX_RQDATA
from scrapy_onecaptcha.pages.classifier import weigh
from scrapy_onecaptcha.pages.detection import detect
from scrapy_onecaptcha.pages.html import MAX_BYTES, parse
from scrapy_onecaptcha.pages.markup import MAX_ATTRIBUTES, MAX_TAGS
from scrapy_onecaptcha.pages.signs import Signs
from scrapy_onecaptcha.request_options import RequestOptions
from tests.corpus.script_pages import JQUERY
from tests.fuzz.fuzzing import ends
from tests.unit.pages.running import detect_running

if TYPE_CHECKING:
    from scrapy_onecaptcha.models import Challenge

KEY = "1b2c3d4e-0a0b-4c0d-8e0f-a1b2c3d4e5f6"
OTHER_KEY = "9b2c3d4e-0a0b-4c0d-8e0f-a1b2c3d4e5f6"
API = '<script src="https://js.hcaptcha.com/1/api.js" async defer></script>'
WIDGET = f'<div class="h-captcha" data-sitekey="{KEY}"></div>'
LIBRARY = "<script src=/jquery.js></script>"
URL = "https://shop.test/products/7?colour=red"
FRAME = "https://newassets.hcaptcha.com/captcha/v1/1f/static/hcaptcha.html"
LOREM = "The river bends twice before it reaches the old mill at the end. " * 80


def response_of(html: str, url: str = URL, **options: Any) -> HtmlResponse:
    encoding = options.pop("encoding", "utf-8")
    body = html.encode(encoding)
    return HtmlResponse(url, body=body, encoding=encoding, **options)


def read(html: str, hints: RequestOptions | None = None, **options: Any) -> Challenge:
    external = {}
    if "$(" in html or "jQuery(" in html:
        html, external = f"{LIBRARY}{html}", {"/jquery.js": JQUERY}
    response = response_of(html, **options)
    challenge = detect_running(response, hints or RequestOptions(), **external)
    assert challenge is not None
    return challenge


def gate(
    inside: str = WIDGET, *, head: str = API, form: str = "method=post", more: str = ""
) -> str:
    """Write a page that asks for nothing but the captcha."""
    return f"""<!DOCTYPE html><html lang=en><head><meta charset=utf-8>
        <title>Please wait</title>{head}</head><body><p>Prove that it is you.</p>
        <form {form}>{inside}<button>Go on</button></form>{more}</body></html>"""


def scripted(script: str, body: str = "<div id=box></div>") -> str:
    """Write a gate whose widget a script renders."""
    return gate(body, more=f"<script>{script}</script>")


CROWDSEC = f"""<!DOCTYPE html><html lang="en"><head><title>CrowdSec Captcha</title>
<meta content="text/html; charset=utf-8"/>{API}<style>/*! x */ .h-full{{height:100%}}
</style></head><body class="h-screen"><div><svg viewBox="0 0 5 5"><path d="M5 4"/></svg>
<h1>CrowdSec Captcha</h1>
<form action="" method="POST" class="flex" id="captcha-form">
<div id="captcha" class="h-captcha" data-sitekey="{KEY}"
     data-callback="captchaCallback"></div></form>
<p>This security check has been powered by</p>
<a href="https://crowdsec.net/" target="_blank"><svg></svg><span>CrowdSec</span></a>
</div>
<script>function captchaCallback() {{
  setTimeout(() => document.querySelector('#captcha-form').submit(), 500); }}</script>
</body></html>"""

BUNKERWEB = f"""<!DOCTYPE html><html><head><title>Bot Detection</title></head><body>
<main><h1>Please solve the challenge</h1>
<form method="POST" action="/challenge" id="form">
<input type="hidden" name="token" id="token" /></form><div id="captcha"></div></main>
<script nonce="abc" src="https://js.hcaptcha.com/1/api.js?onload=go&render=explicit"
 async defer></script><script nonce="abc">
function go() {{
  hcaptcha.render("captcha", {{ sitekey: "{KEY}", theme: 'dark',
    callback: send_challenge }}); // rendered once
}}
function send_challenge(token) {{
  document.getElementById("token").value = token;
  document.getElementById("form").submit();
}}</script></body></html>"""

WORDPRESS = f"""<!DOCTYPE html><html lang="en-US"><head>
<title>Verifying you are human</title></head><body><h1>shop.test</h1>
<p>Verifying you are human. This may take a few seconds.</p>
<form method="post" action="/products/7?colour=red">
<input type="hidden" name="hcaptcha-widget-id" value="eyJzb3VyY2UiOltdfQ==-9f">
<h-captcha class="h-captcha" data-sitekey="{KEY}" data-theme="light" data-size="normal"
 data-auto="false"></h-captcha>
<input type="hidden" name="hcaptcha_nonce" value="d0c1"><input type="hidden"
 name="_wp_http_referer" value="/products/7?colour=red">
<label for=hp>Leave empty</label><input type="text" id="hp" name="hcap_hp_4f" value=""
 autocomplete="off" tabindex="-1" aria-hidden="true" style="position:absolute;
 left:-9999px"></form>
<script>t=document.createElement('script');
t.src='https://js.hcaptcha.com/1/api.js?onload=hCaptchaOnLoad&render=explicit';
document.head.appendChild(t)</script></body></html>"""

NGX_WAF = f"""<!DOCTYPE html><html><head><title>Please complete the captcha</title>{API}
</head><body><h1>Please complete the captcha.</h1><div class="h-captcha"
 data-sitekey="{KEY}" data-callback="ok"></div><script>function ok(t) {{
 var x = new XMLHttpRequest(); x.open('POST', '/captcha');
 x.send('h-captcha-response=' + t); }}</script></body></html>"""

# A call whose address is known only when it runs.
NO_WAY = NGX_WAF.replace("'/captcha'", "address()")

BASEDFLARE = f"""<!DOCTYPE html><html><head><title>Bot check</title>
<script src="/.basedflare/js/argon2.min.js"></script>{API}</head>
<body data-pow="ab#cd#ef" data-diff="20" data-time="2" data-kb="1024"
 data-mode="argon2">
<h3>Checking your browser for robots</h3><form class="captcha" method="post">
{WIDGET}<input type="submit" value="Calculating proof of work..." disabled></form>
</body></html>"""

CLOUDFLARE = """<html><head><title>Attention Required! | Cloudflare</title></head><body>
<h1>One more step</h1><h2>Please complete the security check to access shop.test</h2>
<form id="challenge-form" class="challenge-form" action="/?__cf_chl_captcha_tk__=x"
 method="POST"><div id="cf-hcaptcha-container"></div><input type=hidden name=r value=z>
</form></body></html>"""

LOGIN = f"""<html><head><title>Log in</title>{API}</head><body>
<form method=post action=/in>
<input type=hidden name=csrf value=1><label>Mail<input type=email name=email required>
</label><input type=password name=password>{WIDGET}<button>Log in</button></form></body>
</html>"""

CONTACT = f"""<html><head><title>Contact</title>{API}</head><body><form method=post>
<input name=name><input name=email><textarea name=message></textarea>{WIDGET}
<input type=submit></form></body></html>"""

NEWSLETTER = f"""<html><head><title>News</title>{API}</head><body><p>{LOREM}</p><form>
<input type=email name=mail placeholder="you@example.com"><button class="h-captcha"
 data-sitekey="{KEY}" data-callback="send">Sign up</button></form></body></html>"""

ARTICLE_WITH_VOTE = f"""<html><head><title>On mills</title>{API}</head><body><nav>
{"".join(f"<a href=/{n}>page {n}</a>" for n in range(30))}</nav>
<article>{LOREM}</article>
<form method=post action=/like><input type=hidden name=id value=7>
<button class=h-captcha data-sitekey={KEY} data-callback=liked>Like</button></form>
</body></html>"""

JS_LOGIN = f"""<html><head><title>Security check</title>{API}</head><body>
<form action=/logout
 method=post><input type=hidden name=c value=1></form><div id=app>
<input type=email id=m>
<input type=password id=p>{WIDGET}<button>Log in</button></div></body></html>"""

GATES = {
    "crowdsec": (CROWDSEC, 200),
    "bunkerweb": (BUNKERWEB, 200),
    "wordpress": (WORDPRESS, 200),
    "plain": (gate(), 200),
}
WIDGETS = {
    "login": (LOGIN, 200),
    "login, 403": (LOGIN, 403),
    "contact": (CONTACT, 200),
    "newsletter": (NEWSLETTER, 200),
    "like": (ARTICLE_WITH_VOTE, 200),
    "login without a form": (JS_LOGIN, 200),
    "application": (f"<title>App</title>{API}<div id=app>{WIDGET}</div>", 200),
}
NEITHER = {
    "comment": f"<html><body><!-- {API}{WIDGET} --><p>captcha</p></body></html>",
    "noscript": f"<html><body><noscript>{gate()}</noscript></body></html>",
    "template": f"<html><body><template>{API}{WIDGET}</template></body></html>",
    "code": f"<html><body><pre><code>{WIDGET}</code></pre><p>{LOREM}</p></body></html>",
    "textarea": f"<html><body><textarea>{API}{WIDGET}</textarea></body></html>",
    "xmp": f"<html><body><xmp>{API}{WIDGET}</xmp></body></html>",
    "escaped": "<p>Put &lt;div class=&quot;h-captcha&quot;&gt; into your page</p>",
    "text": "<title>hCaptcha, a review</title><p>We compare hcaptcha with others.</p>",
    "recaptcha": '<script src="https://www.google.com/recaptcha/api.js"></script>'
    '<form><div class="g-recaptcha" data-sitekey="6LeIxAcTAAAAAJcZVRqyHh71UM"></div>'
    "</form>",
    "turnstile": '<script src="https://challenges.cloudflare.com/turnstile/v0/api.js">'
    '</script><title>Just a moment...</title><form><div class="cf-turnstile captcha"'
    ' data-sitekey="0x4AAA"></div></form>',
    "config": f'<script>window.cfg = {{"hcaptchaSiteKey": "{KEY}"}}</script><p>{LOREM}',
    "json script": '<script type="application/json">{"hcaptcha": {"sitekey": '
    f'"{KEY}"}}}}</script><p>Welcome',
    "css": "<style>#cf-hcaptcha-container{top:0}</style><title>Just a moment</title>",
    "refreshCaptcha": '<form><img src=/captcha.png><a onclick="refreshCaptcha()">a</a>'
    "<input name=code></form>",
    "script in the layout": f"<head>{API}</head><title>Mills</title><p>{LOREM}</p>",
    "script on an application's shell": f"<head>{API}</head><div id=root></div>",
    "dead script": f'<script type="text/template">{WIDGET}</script><p>captcha',
    "script of another type": '<script type="text/plain">hcaptcha.render("a", '
    f'{{sitekey: "{KEY}"}})</script><p>hi',
    "commented script": f"<script>/* hcaptcha.render('a', {{sitekey: '{KEY}'}}) */\n"
    f"// hcaptcha.render('a', {{sitekey: '{KEY}'}})\n</script><p>hi",
    "quoted script": f"<script>x = \"hcaptcha.render('a', {{sitekey: '{KEY}'}})\";"
    "</script><p>hi",
    "class in part": f'<div class="no-h-captcha-here" data-sitekey="{KEY}"></div>',
}


@pytest.mark.parametrize("name", GATES)
def test_gate(name: str) -> None:
    html, status = GATES[name]
    challenge = read(html, status=status)
    assert (challenge.kind, challenge.solvable) == ("gate", True)
    assert (challenge.sitekey, challenge.invisible) == (KEY, False)


@pytest.mark.parametrize("name", WIDGETS)
def test_widget(name: str) -> None:
    html, status = WIDGETS[name]
    challenge = read(html, status=status)
    assert (challenge.kind, challenge.sitekey) == ("widget", KEY)
    assert challenge.solvable


@pytest.mark.parametrize("name", NEITHER)
def test_no_hcaptcha(name: str) -> None:
    assert detect(response_of(NEITHER[name])) is None


@pytest.mark.parametrize(
    "response",
    [
        Response(URL, body=gate().encode()),
        TextResponse(URL, body=b""),
        HtmlResponse(URL, body=b"  "),
        HtmlResponse(URL, body=b"<!-- captcha -->"),
        HtmlResponse(URL, status=403, body=b"<h1>403 Forbidden</h1> captcha"),
        JsonResponse(URL, body=gate().encode()),
        XmlResponse(URL, body=gate().encode()),
        TextResponse(URL, body=gate().encode(), headers={"Content-Type": "text/plain"}),
        TextResponse(
            URL, body=gate().encode(), headers={"Content-Type": "text/javascript"}
        ),
    ],
)
def test_no_page(response: Response) -> None:
    assert detect(response) is None


def test_a_page_without_a_type_is_sniffed() -> None:
    challenge = detect(TextResponse(URL, body=b"\n " + gate().encode()))
    assert challenge is not None
    assert challenge.kind == "gate"


# --- scripts, containers, keys


@pytest.mark.parametrize(
    "script",
    [
        "<script src=//hcaptcha.com/1/api.js></script>",
        "<script src=https://www.hcaptcha.com/1/api.js?hl=de></script>",
        "<script src='https://cn1.hcaptcha.com/1/api.js?recaptchacompat=on'></script>",
        "<script src=https://cap.bank.test/1/secure-api.js?host=a&endpoint=b></script>",
        "<script type=module src=https://js.hcaptcha.com/1/api.js></script>",
        "<script type='1f-text/javascript' src=//js.hcaptcha.com/1/api.js></script>",
        "<script>s.src='https://js.hcaptcha.com/1/api.js?onload=f'</script>",
    ],
)
def test_the_script_makes_recaptcha_containers_hcaptcha(script: str) -> None:
    html = gate(f'<div class="g-recaptcha" data-sitekey="{KEY}"></div>', head=script)
    assert read(html).sitekey == KEY


@pytest.mark.parametrize(
    "script",
    [
        "<script src=https://js.hcaptcha.com/1/api.js?recaptchacompat=off></script>",
        "<script src=https://evil.test/?https://js.hcaptcha.com/1/api.js></script>",
        "<script src=https://nohcaptcha.com/1/api.js></script>",
        "<script type=text/plain src=https://js.hcaptcha.com/1/api.js></script>",
        "<link rel=preload href=https://js.hcaptcha.com/1/api.js>",
        f"{API}<script src=https://www.google.com/recaptcha/api.js></script>",
    ],
)
def test_otherwise_they_are_recaptcha(script: str) -> None:
    html = gate('<div class="g-recaptcha" data-sitekey="6LeIx"></div>', head=script)
    challenge = detect(response_of(html))
    assert challenge is None or challenge.kind == "widget"


@pytest.mark.parametrize(
    ("container", "invisible"),
    [
        (f"<div data-sitekey={KEY} class='box h-captcha big'></div>", False),
        (f"<div class=h-captcha\n data-theme=dark\n data-sitekey={KEY}></div>", False),
        (f"<div class=h-captcha data-sitekey='{KEY.upper()} '></div>", False),
        (f"<div class=h-captcha data-size=compact data-sitekey={KEY}></div>", False),
        (f"<div class=h-captcha data-size=Invisible data-sitekey={KEY}></div>", True),
        (f"<button class=h-captcha data-sitekey={KEY}>Go</button>", True),
        (f"<input type=submit class=h-captcha data-sitekey={KEY}>", True),
        (f"<h-captcha site-key={KEY}></h-captcha>", False),
        (f"<h-captcha sitekey={KEY} size=invisible></h-captcha>", True),
        (f"<p id=box data-sitekey={KEY}></p>", False),
        (f"<vue-hcaptcha sitekey={KEY}></vue-hcaptcha>", False),
        (
            f"<iframe src='{FRAME}#frame=checkbox&host=a&sitekey={KEY}'></iframe>",
            False,
        ),
        (
            f"<iframe src='{FRAME}#sitekey={KEY}&size=invisible'></iframe>",
            True,
        ),
    ],
)
def test_container(container: str, invisible: bool) -> None:
    challenge = read(gate(container))
    assert (challenge.kind, challenge.sitekey) == ("gate", KEY)
    assert challenge.invisible is invisible


@pytest.mark.parametrize(
    "script",
    [
        f'hcaptcha.render("box", {{sitekey: "{KEY}"}})',
        f"window.hcaptcha.render('box', {{'theme': 'dark', 'sitekey' : '{KEY}'}})",
        f'hcaptcha?.render(document.getElementById("box"), {{"sitekey":`{KEY}`}})',
        f"var opts = {{sitekey: '{KEY}'}}; hcaptcha.render(el, opts)",
        f"const k = '{KEY}'; hcaptcha.render('box', {{sitekey: k}})",
        f"let sitekey='{KEY}'; hcaptcha.render('box', {{theme: a, sitekey}})",
        f"cfg = {{k: {{hc: '{KEY}'}}}}; hcaptcha.render('box', {{sitekey: cfg.k.hc}})",
        f"hcaptcha.render('box', {{callback: t => f({{a: ')'}}), sitekey: '{KEY}'}})",
        f"var u='http://x'; /* it's */ hcaptcha.render('box', {{sitekey: '{KEY}'}})",
        f"hcaptcha.render('box', {{sitekey: '{KEY.replace('-', chr(92) + 'x2d')}'}})",
        f'self.push([1, \'{{\\"sitekey\\":\\"{KEY}\\"}}\']); hcaptcha.render(a, b)',
    ],
)
def test_rendered_by_a_script(script: str) -> None:
    challenge = read(scripted(script))
    assert (challenge.kind, challenge.sitekey) == ("gate", KEY)
    assert not challenge.invisible


def test_rendered_with_a_key_from_data_in_json() -> None:
    html = scripted("hcaptcha.render('box', JSON.parse(data.textContent))")
    data = f'<script type="application/json">{{"siteKey": "{KEY}"}}</script>'
    assert read(html.replace("</head>", f"{data}</head>")).sitekey == KEY


@pytest.mark.parametrize(
    ("attribute", "read_by"),
    [
        ("data-hcaptcha-sitekey", "box.dataset.hcaptchaSitekey"),
        ("data-key", "box.dataset['key']"),
        ("data-key", "document.getElementById('box').getAttribute('data-key')"),
        ("data-site-key", "$('#box').data('siteKey')"),
        ("data-site-key", "$('#box').data('site-key')"),
        ("data-key", "$('#box').attr(\"data-key\")"),
        ("data-key", "key"),
    ],
)
def test_rendered_with_a_key_of_an_attribute(attribute: str, read_by: str) -> None:
    body = f'<div id=box {attribute}="{KEY}"></div><p data-key="{OTHER_KEY}"></p>'
    script = f"""var box = document.getElementById('box'), key = box.dataset.key;
        hcaptcha.render(box, {{sitekey: {read_by}}})"""
    assert read(scripted(script, body)).sitekey == KEY


@pytest.mark.parametrize("read_by", ["box.dataset.other", "settings.theKey", "key()"])
def test_a_key_of_an_attribute_that_is_not_there(read_by: str) -> None:
    script = f"hcaptcha.render('box', {{sitekey: {read_by}}})"
    challenge = read(scripted(script))
    assert (challenge.sitekey, challenge.reason) == (None, "no_sitekey")


def test_a_key_of_the_attribute_of_one_other_element() -> None:
    key = "document.querySelector('i').dataset.captchaKey"
    script = f"hcaptcha.render('box', {{sitekey: {key}}})"
    page = scripted(script, f"<i data-captcha-key={KEY}></i><div id=box></div>")
    assert read(page).sitekey == KEY


@pytest.mark.parametrize(
    ("element", "read_by"),
    [
        (
            "<meta name=hc content={}>",
            "document.querySelector('meta[name=hc]').content",
        ),
        ("<meta name=hc content={}>", "$('meta[name=hc]').attr('content')"),
        ("<input type=hidden id=hc value={}>", "document.getElementById('hc').value"),
        ("<input type=hidden id=hc value={}>", "$('#hc').val()"),
        ("<input type=hidden id=hc value={}>", "field.value"),
    ],
)
def test_a_key_of_another_element(element: str, read_by: str) -> None:
    noise = f"<meta name=a content={OTHER_KEY}><input type=hidden value={OTHER_KEY}>"
    script = f"""var field = document.querySelector('#hc'), s = {read_by};
        hcaptcha.render('box', {{sitekey: s}})"""
    body = f"{noise}{element.format(KEY)}<div id=box></div>"
    assert read(scripted(script, body)).sitekey == KEY
    gone = read(scripted(script, f"{noise}<div id=box></div>"))
    assert gone.sitekey is None


@pytest.mark.parametrize(
    "named", ["data-xf-init=h-captcha", 'data-init="a hcaptcha"', "data-type=hcaptcha"]
)
def test_a_container_of_a_bundle_is_named_by_any_attribute(named: str) -> None:
    html = gate(f"<div {named} data-sitekey={KEY}></div>", head="")
    assert read(html).sitekey == KEY


def test_rendered_invisible() -> None:
    script = f"hcaptcha.render('box', {{sitekey: '{KEY}', size: 'invisible'}})"
    assert read(scripted(script)).invisible


def test_an_option_in_a_string_is_none() -> None:
    script = "hcaptcha.render('box', {title: \"size: 'normal'\", size: 'invisible'})"
    box = f"<div id=box class=h-captcha data-sitekey={KEY}></div>"
    assert read(scripted(script, box)).invisible


@pytest.mark.parametrize("before", ["r=/'/;", "r = /[\"']/;", "f(/`/);", "a = 1 / 2;"])
def test_a_quote_in_a_regular_expression_opens_no_string(before: str) -> None:
    script = f"{before} hcaptcha.render('box', {{size: 'invisible'}})"
    assert read(scripted(script)).invisible


def test_rendered_under_the_name_of_recaptcha() -> None:
    script = f"grecaptcha.render('box', {{sitekey: '{KEY}', size: 'invisible'}})"
    assert read(scripted(script)).invisible


def test_rendered_into_a_button() -> None:
    html = scripted(
        f"hcaptcha.render('go', {{sitekey: '{KEY}'}})", "<button id=go>Go</button>"
    )
    assert read(html).invisible


def test_a_placeholder_gives_way_to_the_rendered_key() -> None:
    html = scripted(
        f"hcaptcha.render('box', {{sitekey: '{KEY}'}})",
        "<div id=box class=h-captcha data-sitekey=your_site_key></div>"
        f"<script>other = {{sitekey: '{OTHER_KEY}'}}</script>",
    )
    assert read(html).sitekey == KEY


def test_a_container_keeps_its_key_where_the_rendered_one_is_unknown() -> None:
    html = scripted(
        "document.querySelectorAll('.h-captcha').forEach(el => hcaptcha.render(el, {"
        "sitekey: el.dataset.sitekey, size: 'invisible'}))",
        WIDGET,
    )
    challenge = read(html)
    assert (challenge.sitekey, challenge.invisible) == (KEY, True)


def test_the_widget_with_a_key_is_the_one() -> None:
    html = gate(
        f"<div class=h-captcha></div>{WIDGET}"
        f"<div class=h-captcha data-sitekey={OTHER_KEY}></div>"
    )
    assert read(html).sitekey == KEY


@pytest.mark.parametrize("key", ["your_site_key", "", "{{ key }}", KEY + "0", KEY[:-1]])
def test_a_broken_key(key: str) -> None:
    challenge = read(gate(f"<div class=h-captcha data-sitekey='{key}'></div>"))
    assert (challenge.kind, challenge.solvable) == ("gate", False)
    assert challenge.sitekey is None
    assert challenge.reason == ("bad_sitekey" if key else "no_sitekey")


def test_no_key() -> None:
    challenge = read(gate("<div class=h-captcha></div>"))
    assert (challenge.kind, challenge.reason) == ("gate", "no_sitekey")


def test_no_key_in_a_page_that_only_names_hcaptcha() -> None:
    challenge = read(CLOUDFLARE, status=403)
    assert (challenge.kind, challenge.reason) == ("gate", "no_sitekey")


def test_traces_alone_are_no_gate() -> None:
    html = CLOUDFLARE.replace("Attention Required!", "Shop")
    html = html.replace("One more step", "").replace("security check", "form")
    assert detect(response_of(html)) is None


@pytest.mark.parametrize("status", [403, 429, 503])
@pytest.mark.parametrize(
    "page",
    [
        "<title>Too many requests</title><p>Try again in a minute.</p>",
        "<title>Access denied</title><p>Reference 18.5c</p>",
        "<h1>Down for maintenance</h1>",
        "<h1>403</h1><footer>This site is protected by hCaptcha.</footer>",
    ],
)
def test_the_script_alone_is_the_layout_of_a_failure(page: str, status: int) -> None:
    assert detect(response_of(API + page, status=status)) is None


def test_a_key_among_the_data_of_a_failure() -> None:
    data = f'<script>window.env = {{"hcaptchaSitekey": "{KEY}"}}</script>'
    html = f"<title>Maintenance</title>{API}{data}<p>Back at six.</p>"
    assert read(html, status=503).kind == "widget"
    asks = html.replace("Maintenance", "Are you human?")
    assert read(asks, status=503).kind == "gate"


@pytest.mark.parametrize(
    "page",
    [
        "<title>Just a moment</title>",
        "<title>Stop</title><p>Solve the captcha to go on.</p>",
        "<title>Stop</title><div class=challenge-box></div>",
        "<title>Stop</title><div id=captcha></div>",
    ],
)
def test_a_gate_without_a_key_shows_or_says_that_it_is_one(page: str) -> None:
    challenge = read(API + page, status=503)
    assert (challenge.kind, challenge.reason) == ("gate", "no_sitekey")


def test_two_lone_keys_are_none() -> None:
    html = scripted(f"a={{sitekey:'{KEY}'}};b={{sitekey:'{OTHER_KEY}'}}")
    html = html.replace("<div id=box>", "<div class=h-captcha>")
    assert read(html).sitekey is None


def test_proof_of_work() -> None:
    challenge = read(BASEDFLARE, status=403)
    assert (challenge.kind, challenge.solvable) == ("gate", False)
    assert challenge.reason == "proof_of_work"


# --- rqdata


@pytest.mark.parametrize(
    "script",
    [
        'hcaptcha.execute(id, {rqdata: "ab+c/d=="})',
        "hcaptcha.execute(id, { async: true, 'rqdata' : 'ab+c\\/d\\u003d\\x3d' })",
        'hcaptcha.setData(id, {rqdata: "ab+c/d=="})',
        'hcaptcha.setData({rqdata: "ab+c/d=="})',
        "const rq = 'ab+c/d=='; hcaptcha.execute(id, {rqdata: rq})",
        "const rqdata = 'ab+c/d=='; hcaptcha.execute(id, {rqdata})",
        f"hcaptcha.render('box', {{sitekey: '{KEY}', rqdata: 'ab+c/d=='}})",
    ],
)
def test_rqdata(script: str) -> None:
    html = scripted(f"var id; {script}", f"<div id=box></div>{WIDGET}")
    assert read(html).rqdata == "ab+c/d=="


@pytest.mark.parametrize(
    "data",
    [
        '<script type="application/json">{"captcha": {"rqdata": "ab+c/d=="}}</script>',
        r'<script>window.D = {"captcha_rqdata": "ab+c\/d\u003d=", "n": 1};</script>',
        r'<script>d = JSON.parse("{\"hcaptchaRqdata\": \"ab+c/d==\"}")</script>',
        '<script>push({"a": null, "b": [{"rqdata": "ab+c/d=="}]})</script>',
        (
            f'<script>D = {{"a": {{"sitekey": "{KEY}", "rqdata": "ab+c/d=="}}, "b":'
            f' {{"sitekey": "{OTHER_KEY}", "rqdata": "no"}}}}</script>'
        ),
    ],
)
def test_rqdata_in_the_data_of_the_page(data: str) -> None:
    assert read(gate(head=API + data)).rqdata == "ab+c/d=="


@pytest.mark.parametrize(
    "data",
    [
        '{"rqdata": null}',
        '{"rqdata": ""}',
        '{"a": {"rqdata": "x"}, "b": {"rqdata": "y"}}',
        '{"rqdata": "x"',
        "[" * 50_000,
        '{"a":' * 50_000,
    ],
)
def test_no_rqdata_in_the_data_of_the_page(data: str) -> None:
    head = f"{API}<script type=application/json>{data}</script><script>d = {data}"
    challenge = read(gate(head=f"{head}</script>"))
    assert (challenge.sitekey, challenge.rqdata) == (KEY, None)


def test_the_key_that_the_data_calls_hcaptcha_s() -> None:
    data = f'{{"hcaptcha": {{"siteKey": "{KEY}"}}, "b": {{"siteKey": "{OTHER_KEY}"}}}}'
    html = gate("<div class=h-captcha></div>", head=f"{API}<script>d = {data}</script>")
    assert read(html).sitekey == KEY


def test_no_rqdata() -> None:
    html = scripted(
        "var id; hcaptcha.execute(id, {rqdata: null}); // rqdata: 'x'", WIDGET
    )
    assert read(html).rqdata is None


def test_rqdata_is_unescaped_to_the_character() -> None:
    script = r"var i; hcaptcha.execute(i, {rqdata: '\n\'\ud83d\ude00\u{41}\0\z'})"
    assert read(scripted(script, WIDGET)).rqdata == "\n'\U0001f600A\0z"


def test_rqdata_has_a_limit() -> None:
    longest = "x" * MAX_RQDATA
    html = scripted(f"var i; hcaptcha.execute(i, {{rqdata: '{longest}'}})", WIDGET)
    assert read(html).rqdata == longest
    challenge = read(html.replace(longest, longest + "x"))
    assert challenge.rqdata is None
    assert not challenge.solvable


# --- the form


def test_crowdsec_takes_its_token_at_its_own_address() -> None:
    form = read(CROWDSEC).form
    assert form is not None
    assert (form.url, form.method, form.fields) == (URL, "POST", ())
    assert form.token_fields == ("h-captcha-response", "g-recaptcha-response")


def test_bunkerweb_takes_its_token_in_a_field_of_its_own() -> None:
    form = read(BUNKERWEB).form
    assert form is not None
    assert (form.url, form.method) == ("https://shop.test/challenge", "POST")
    assert (form.fields, form.token_fields) == ((), ("token",))


def test_wordpress_keeps_nonce_and_honeypot() -> None:
    form = read(WORDPRESS).form
    assert form is not None
    assert form.fields == (
        ("hcaptcha-widget-id", "eyJzb3VyY2UiOltdfQ==-9f"),
        ("hcaptcha_nonce", "d0c1"),
        ("_wp_http_referer", "/products/7?colour=red"),
        ("hcap_hp_4f", ""),
    )


@pytest.mark.parametrize(
    "call",
    [
        'document.getElementById("f").submit()',
        "document.forms[1].requestSubmit()",
        "document.forms['named'].submit()",
        "document.forms.named.submit()",
        "document.named.submit()",
        "document.querySelector('#f').submit()",
        'document.querySelector("form.go").submit()',
        "document.querySelector('[name=named]').submit()",
        "$('#f').submit()",
        "jQuery('#f').trigger('submit')",
        "const form = document.getElementById('f'); form.submit()",
    ],
)
@pytest.mark.parametrize(
    "callback",
    ["function done(token) {{ {} }}", "window.done = async (t) => {{ {} }};"],
)
def test_the_callback_names_the_form(call: str, callback: str) -> None:
    html = f"""{API}<title>Just a moment</title><form action=/a></form><form id=f
        name=named class="x go" action=/b><button name=go value=1>Go</button>
        <div class=h-captcha data-sitekey={KEY} data-callback=done></div></form>
        <script>{callback.format(call)}</script>"""
    form = read(html).form
    assert form is not None
    assert (form.url, form.fields) == ("https://shop.test/b", ())


def test_an_inline_callback_names_the_form() -> None:
    html = f"""{API}<form action=/a></form><form id=f action=/b><div id=box></div>
        </form><script>hcaptcha.render('box', {{callback: function (t) {{
        document.getElementById('f').submit() }}, sitekey: '{KEY}'}})</script>"""
    form = read(html).form
    assert form is not None
    assert form.url == "https://shop.test/b"


def test_the_form_around_goes_before_the_callback() -> None:
    html = gate(
        f"<div class=h-captcha data-sitekey={KEY} data-callback=done></div>",
        form="action=/a",
        more="<form id=f action=/b></form><script>function done() {"
        "document.getElementById('f').submit() }</script>",
    )
    form = read(html).form
    assert form is not None
    assert form.url == "https://shop.test/a"


def test_a_form_attribute_names_the_form() -> None:
    html = f"""{API}<form id=f action=/b></form><form action=/a></form>
        <button class=h-captcha data-sitekey={KEY} form=f>Go</button>"""
    form = read(html).form
    assert form is not None
    assert form.url == "https://shop.test/b"


def test_a_container_without_the_class_stands_in_its_form() -> None:
    html = f"""{API}<form action=/a></form><form action=/b>
        <p id=box data-sitekey={KEY}></p></form>"""
    form = read(html).form
    assert form is not None
    assert form.url == "https://shop.test/b"


def test_the_only_silent_form_takes_the_token() -> None:
    html = f"""{API}<title>Security check</title><form action=/s><input name=q></form>
        {WIDGET}<form action=/b method=post><input type=hidden name=a value=1></form>"""
    challenge = read(html)
    assert challenge.kind == "gate"
    assert challenge.form is not None
    assert challenge.form.url == "https://shop.test/b"


def test_a_form_for_a_visitor_beside_its_widget() -> None:
    html = f"""{API}<title>Security check</title><form action=/s><input name=q></form>
        {WIDGET}<form action=/in method=post><input type=password name=p></form>"""
    challenge = read(html)
    assert challenge.kind == "widget"
    assert challenge.form is not None
    assert challenge.form.url == "https://shop.test/in"


def test_a_visitor_presses_the_button_but_a_callback_does_not() -> None:
    html = gate(
        f"<input type=hidden name=a value=1><div class=h-captcha data-sitekey={KEY}"
        " data-callback=done></div><button name=go value=1>Go</button>"
    )
    pressed, sent = read(html).form, None
    script = "<script>var done = function () { document.forms[0].submit(); }</script>"
    sent = read(html.replace("</body>", f"{script}</body>")).form
    assert pressed is not None
    assert sent is not None
    assert pressed.fields == (("a", "1"), ("go", "1"))
    assert sent.fields == (("a", "1"),)


def test_without_compatibility_one_field_takes_the_token() -> None:
    head = "<script src=//js.hcaptcha.com/1/api.js?recaptchacompat=off></script>"
    form = read(gate(head=head)).form
    assert form is not None
    assert form.token_fields == ("h-captcha-response",)


def test_a_field_that_the_callback_fills_beside_the_widget_s_own() -> None:
    html = gate(
        "<input type=hidden name=tok id=t><div class=h-captcha data-callback=done"
        f" data-sitekey={KEY}></div>",
        more="<script>function done(r) { document.getElementById('t').value = r;"
        "document.forms[0].submit() }</script>",
    )
    form = read(html).form
    assert form is not None
    assert form.token_fields[0] == "tok"
    assert "h-captcha-response" in form.token_fields
    assert form.fields == ()


def test_no_way_to_submit() -> None:
    challenge = read(NO_WAY, status=503)
    assert (challenge.kind, challenge.solvable) == ("gate", False)
    assert (challenge.reason, challenge.form) == ("no_submission", None)


# --- gate or widget


NO_SIGNS: dict[str, Any] = {
    "asked": (),
    "has_form": True,
    "others": (),
    "text": 1000,
    "links": 10,
    "led_from": None,
    "status": 200,
    "words": None,
    "lacks": None,
}


@pytest.mark.parametrize(
    "signs",
    [
        {"text": 10},
        {"links": 0},
        {"led_from": "https://shop.test/products/7"},
        {"status": 401},
        {"status": 403},
        {"status": 405},
        {"status": 429},
        {"status": 503},
        {"words": "Access denied"},
        {"says": "Are you human", "words": "Are you human"},
        {"waits": "Just a moment", "words": "Just a moment"},
        {"asks": True},
        {"button": "Continue"},
    ],
)
def test_what_speaks_for_a_gate(signs: dict[str, Any]) -> None:
    plain = weigh(Signs(**NO_SIGNS))
    weight, evidence = weigh(Signs(**NO_SIGNS | signs))
    assert weight > plain[0]
    assert evidence != plain[1]


@pytest.mark.parametrize(
    "signs",
    [
        {"asked": ("email",)},
        {"has_form": False},
        {"others": ("password",)},
        {"text": 3000},
        {"text": 5000},
        {"links": 30},
        {"links": 90},
        {"acts": "Download"},
        {"closed": True},
        {"status": 404},
        {"status": 410},
        {"links": 1, "things": True},
    ],
)
def test_what_speaks_for_a_widget(signs: dict[str, Any]) -> None:
    plain = weigh(Signs(**NO_SIGNS))
    if "things" in signs:  # beside many links they say nothing new
        plain = weigh(Signs(**NO_SIGNS | {"links": 1}))
    weight, evidence = weigh(Signs(**NO_SIGNS | signs))
    assert weight < plain[0]
    assert set(evidence) - set(plain[1])


def test_a_search_box_beside_a_gate() -> None:
    html = gate(more="<form action=/search><input name=q></form>")
    assert read(html).kind == "gate"


def test_fields_beside_many_hidden_ones() -> None:
    hidden = "<input type=hidden name=a>" * 60
    html = gate(more=f"<form>{hidden}<input type=email name=mail></form>")
    assert read(html).kind == "widget"


def test_fields_beside_a_silent_form() -> None:
    html = gate(more="<form><input type=email name=mail></form>")
    assert read(html).kind == "widget"


def test_a_themed_gate() -> None:
    links = "".join(f"<a href=/{n}>page {n}</a>" for n in range(30))
    html = gate(more=f"<nav>{links}</nav>").replace("Please wait", "Security check")
    assert read(html).kind == "gate"
    onward = html.replace("Security check", "Shop")
    assert read(onward).kind == "gate"
    poll = html.replace("Security check", "Poll of the day").replace("Go on", "OK")
    assert read(poll).kind == "widget"
    assert read(poll, status=403).kind == "gate"


def test_an_article_on_gates_is_none() -> None:
    links = "".join(f"<a href=/{n}>page {n}</a>" for n in range(8))
    html = gate(more=f"<nav>{links}</nav><article>{LOREM[:1200]}</article>")
    html = html.replace("Please wait", "Why a security check?").replace("Go on", "Yes")
    assert read(html).kind == "widget"
    assert read(html, status=403).kind == "gate"


@pytest.mark.parametrize(
    "button", ["<button>Go on</button>", "<input type=submit value=Continue>"]
)
def test_a_button_that_only_goes_on(button: str) -> None:
    links = "".join(f"<a href=/{n}>page {n}</a>" for n in range(15))
    html = gate(more=f"<nav>{links}</nav>").replace("<button>Go on</button>", button)
    assert read(html).kind == "gate"


@pytest.mark.parametrize(
    "button",
    [
        "<button>Download</button>",
        "<button aria-label='Like'><svg></svg></button>",
        "<input type=image value='Vote'>",
    ],
)
def test_a_button_that_does_something_else(button: str) -> None:
    html = gate().replace("<button>Go on</button>", button)
    assert read(html).kind == "widget"
    assert read(html, status=503).kind == "widget"
    html = html.replace("Please wait", "Security check")
    assert read(html, status=403).kind == "gate"


@pytest.mark.parametrize(
    "dialog",
    ["<dialog>", "<div class='modal fade'>", "<div role=dialog aria-hidden=true>"],
)
def test_a_dialog_that_is_closed(dialog: str) -> None:
    html = gate().replace("<form", f"{dialog}<form")
    assert read(html).kind == "widget"
    opened = html.replace("dialog>", "dialog open>").replace("fade", "fade show")
    assert read(opened.replace("aria-hidden=true", "")).kind == "gate"


@pytest.mark.parametrize(
    "control",
    [
        "<input type=checkbox name=news checked>",
        "<input type=checkbox name=remember_me>",
        "<input type=checkbox id=trustDevice>",
        "<select name=lang><option>nl<option>fr</select>",
    ],
)
def test_what_need_not_be_answered(control: str) -> None:
    assert read(gate(control + WIDGET), status=403).kind == "gate"


@pytest.mark.parametrize(
    "control",
    [
        "<input type=checkbox name=terms>",
        "<input type=checkbox name=remember required>",
        "<input type=radio name=choice>",
        "<select name=year><option>1980</select>",
    ],
)
def test_what_has_to_be_answered(control: str) -> None:
    assert read(gate(control + WIDGET), status=403).kind == "widget"


@pytest.mark.parametrize(
    "title", ["Verify your e-mail address", "Verify your account", "Verify your phone"]
)
def test_what_asks_for_an_account_s_address_is_no_gate(title: str) -> None:
    html = gate().replace("Please wait", title).replace("Go on", "Send it again")
    challenge = read(html)
    assert not any("heading says" in sentence for sentence in challenge.evidence)


def test_an_e_mail_address_in_the_first_heading_is_what_it_is_about() -> None:
    html = gate().replace("Please wait", "Подтвердите e-mail")
    assert read(html).kind == "widget"
    html = gate(more="<h3>Write us an e-mail</h3>")
    assert read(html).kind == "gate"


def test_many_links_are_read_in_time() -> None:
    nested = "<a href=/>x<p>" * 20_000
    with ends(5.0):  # of CPU; it takes hundredths
        assert read(gate(more=nested)).kind == "widget"


@pytest.mark.parametrize(
    "action", ["/login", "/oauth/start", "/checkout", "/polls/7/vote?x=1"]
)
def test_a_form_that_is_sent_for_something_else(action: str) -> None:
    html = gate(form=f'method=post action="{action}"')
    assert read(html).kind == "widget"
    assert read(html, url=f"https://shop.test{action}").kind == "gate"
    assert read(gate(form='action="/login/challenge"')).kind == "gate"


def test_the_button_that_sends_the_form_tells() -> None:
    html = gate("<button type=button>Download the report</button>" + WIDGET)
    assert read(html).kind == "gate"


def test_a_gate_that_says_so_in_a_sentence_only() -> None:
    links = "".join(f"<a href=/{n}>page {n}</a>" for n in range(9))
    html = gate(more=f"<nav>{links}</nav>").replace("Go on", "OK")
    assert (
        read(html.replace("Prove that it is you.", "A day by the sea")).kind != "gate"
    )
    assert (
        read(html.replace("Prove that it is you.", "Solve the captcha")).kind == "gate"
    )


def test_a_refusal_in_the_layout_of_its_site() -> None:
    links = "".join(f"<a href=/{n}>page number {n}</a>" for n in range(80))
    html = gate(more=f"<nav>{links}</nav><footer>{LOREM[:1500]}</footer>")
    assert read(html).kind == "widget"
    html = html.replace("Please wait", "Too many requests")
    assert read(html, status=429).kind == "gate"


def test_a_switch_for_the_colours() -> None:
    html = gate(more="<label>Dark<input type=checkbox name=dark></label>")
    assert read(html).kind == "gate"


def test_the_text_of_a_whole_page() -> None:
    assert read(gate(more=f"<p>{LOREM}</p>")).kind == "widget"


def test_a_status_and_words_outweigh_much_text() -> None:
    html = gate(more=f"<p>{LOREM[:3500]}</p>")
    assert read(html.replace("Go on", "OK")).kind == "widget"
    html = html.replace("Please wait", "Access denied")
    assert read(html, status=403).kind == "gate"


def test_led_away() -> None:
    html = f"<title>Hello</title>{API}<p>{'x' * 900}</p>{WIDGET}"
    asked = "https://shop.test/products/7"

    def kind(chain: list[str], url: str) -> tuple[str, bool]:
        request = Request(url, meta={"redirect_urls": chain})
        challenge = read(html, url=url, request=request)
        return challenge.kind, any(asked in text for text in challenge.evidence)

    assert kind([asked], "https://shop.test/challenge?next=%2F")[1]
    assert not kind([asked], "http://www.shop.test/products/7/")[1]


@pytest.mark.parametrize(
    ("title", "encoding"),
    [
        ("安全验证", "gb18030"),
        ("人機驗證 驗證碼", "big5"),
        ("ロボットではないことの確認", "shift_jis"),
        ("Sicherheitsüberprüfung", "iso-8859-1"),
        ("Проверка браузера", "cp1251"),
        ("Vérification de sécurité", "utf-8"),
    ],
)
def test_other_languages_and_encodings(title: str, encoding: str) -> None:
    # Without a form the words decide.
    html = f"""<html><head><meta charset={encoding}><title>{title}</title>{API}</head>
        <body>{WIDGET}<form id=f><input type=hidden name=w value="{title}"></form>"""
    html = html.replace("</head>", "<base href=/b/></head>")
    response = HtmlResponse(URL, body=html.encode(encoding))
    challenge = detect(response)
    assert challenge is not None
    assert challenge.kind == "gate"
    assert challenge.form is not None
    assert challenge.form.fields == (("w", title),)
    assert any("a heading says" in sentence for sentence in challenge.evidence)


def test_utf_16() -> None:
    response = HtmlResponse(
        URL, body=gate().replace("utf-8", "utf-16").encode("utf-16")
    )
    challenge = detect(response)
    assert challenge is not None
    assert challenge.sitekey == KEY


@pytest.mark.parametrize("cut", ["<button>", "</form>", "</body>"])
def test_truncated(cut: str) -> None:
    assert read(gate().split(cut)[0]).kind == "gate"


def test_an_encoding_that_does_not_exist() -> None:
    response = HtmlResponse(URL, body=gate().encode(), encoding="nonsense")
    challenge = detect(response)
    assert challenge is not None
    assert challenge.form is not None
    assert challenge.form.encoding == "utf-8"


def test_evidence_is_made_of_sentences() -> None:
    for html in (CROWDSEC, LOGIN, NGX_WAF, BASEDFLARE):
        for sentence in read(html).evidence:
            assert sentence[0].isupper()
            assert sentence.endswith(".")
            assert "\n" not in sentence


def test_evidence_names_what_is_asked() -> None:
    assert any("email, password" in sentence for sentence in read(LOGIN).evidence)


# --- hints


def test_the_user_says_gate() -> None:
    challenge = read(LOGIN, RequestOptions(gate=True))
    assert (challenge.kind, challenge.solvable) == ("gate", True)


def test_the_user_says_no_gate() -> None:
    assert read(CROWDSEC, RequestOptions(gate=False)).kind == "widget"


def test_the_user_says_no_gate_of_a_page_without_hcaptcha() -> None:
    assert detect(response_of("<p>hello"), RequestOptions(gate=False)) is None


def test_the_user_says_gate_of_a_page_without_hcaptcha() -> None:
    # The content that follows a gate is read with the same hints.
    assert (
        detect(response_of("<p>The captcha is passed"), RequestOptions(gate=True))
        is None
    )
    html = f"<head>{API}</head><div id=root></div>"
    assert detect(response_of(html), RequestOptions(gate=True)) is None
    assert (
        detect(JsonResponse(URL, body=b'{"captcha": 1}'), RequestOptions(gate=True))
        is None
    )


def test_the_user_says_gate_of_a_page_without_the_content() -> None:
    hints = RequestOptions(gate=True, expect=".price")
    html = "<form method=post action=/b></form>"
    challenge = read(html, hints)
    assert (challenge.kind, challenge.reason) == ("gate", "no_sitekey")
    challenge = read(html, replace(hints, sitekey=KEY.upper()))
    assert (challenge.sitekey, challenge.solvable) == (KEY, True)
    assert detect(response_of("<p class=price>7"), hints) is None
    assert read(gate(more="<p class=price>7"), hints).kind == "widget"


def test_a_page_with_the_content_is_no_gate() -> None:
    html = gate(more="<pre class=price>7</pre>")
    assert read(html, RequestOptions(expect=".price::text")).kind == "widget"
    assert read(html, RequestOptions(expect=".colour")).kind == "gate"


def test_the_content_is_sought_only_where_there_is_hcaptcha() -> None:
    assert detect(response_of("<p>hi"), RequestOptions(expect="p")) is None


def test_a_broken_selector_is_the_caller_s() -> None:
    with pytest.raises(SelectorError):
        detect(response_of(gate()), RequestOptions(expect="div["))


def test_the_user_decides() -> None:
    seen = []

    def decide(response: Response, challenge: Challenge) -> bool:
        seen.append((response.url, challenge.kind, challenge.sitekey))
        return challenge.kind == "widget"

    assert read(CROWDSEC, RequestOptions(decide=decide)).kind == "widget"
    assert read(LOGIN, RequestOptions(decide=decide)).kind == "gate"
    assert detect(response_of("<p>hi"), RequestOptions(decide=decide)) is None
    assert seen == [(URL, "gate", KEY), (URL, "widget", KEY)]


@pytest.mark.parametrize("says", [True, False])
def test_the_user_is_asked_once_though_scripts_are_run(says: bool) -> None:
    seen = []

    def decide(_response: Response, challenge: Challenge) -> bool:
        seen.append(challenge.needs_scripts)
        return says

    html = gate().replace("</body>", "<script>var f = () => 1</script></body>")
    read_as = detect(response_of(html), RequestOptions(decide=decide), scripts=True)
    assert read_as is not None
    assert read_as.kind == ("gate" if says else "widget")
    assert read_as.evidence.count(f"ONECAPTCHA_GATE says {says}.") == 1
    assert seen == [True]


def test_an_error_of_the_user_s_own_is_raised() -> None:
    def decide(response: Response, challenge: Challenge) -> bool:
        raise KeyError(response.url)

    with pytest.raises(KeyError):
        detect(response_of(gate()), RequestOptions(decide=decide))


def test_the_user_knows_the_task() -> None:
    hints = RequestOptions(sitekey=OTHER_KEY, rqdata="abc", invisible=True)
    challenge = read(CROWDSEC, hints)
    assert challenge.sitekey == OTHER_KEY
    assert (challenge.rqdata, challenge.invisible) == ("abc", True)


def test_the_user_s_key_must_be_one() -> None:
    assert read(CROWDSEC, RequestOptions(sitekey="abc")).reason == "bad_sitekey"


def test_the_user_knows_the_field() -> None:
    form = read(CROWDSEC, RequestOptions(field="captcha")).form
    assert form is not None
    assert form.token_fields == ("captcha",)


def test_the_user_knows_the_field_of_a_page_without_a_form() -> None:
    challenge = read(NO_WAY, RequestOptions(field="captcha"), status=503)
    assert challenge.solvable
    assert challenge.form is not None
    assert (challenge.form.url, challenge.form.method) == (URL, "POST")
    assert challenge.form.token_fields == ("captcha",)


# --- any page at all


PARTS = st.sampled_from(
    [
        *(API, WIDGET, "<form>", "</form>", "<div", ">", "<script>", "</script>"),
        *("<!--", "-->", "<template>", "<input name=a form='\x01'>", "'", '"'),
        *("`", "/*"),
        *("<form id='&#1;'>", "hcaptcha.render(", "'\x01'", "{sitekey:", "rqdata:"),
        *("}", ")", "=>", "\\u{fffffff}", "\\ud800", "hcaptcha.execute(a,", "\x00"),
        *("document.forms[99].submit()", "function f(t){", "t.value=t;", "\xe9"),
        *("<iframe src='https://hcaptcha.com/[#sitekey='>", "<base href='http://['>"),
        *("<form action='http://['>", "<div class=h-captcha data-callback='f'>"),
        *("fetch(", "f(t);", "x.open('POST','/a');", "x.send(", "JSON.stringify("),
        *("`${t}`", "$.post('/a',{a:t})", "location=", "new FormData()", "=a;a=", "+t"),
        *("<select name=a>", "<option selected>", "<fieldset disabled>", "<button>"),
    ]
)


@settings(max_examples=300)
@given(st.lists(PARTS | st.text(max_size=5), max_size=30), st.sampled_from([200, 403]))
def test_no_page_raises(parts: list[str], status: int) -> None:
    body = "".join(parts).encode("utf-8", "surrogatepass")
    for encoding in ("utf-8", "gb18030", "utf-16"):
        response = HtmlResponse(URL, body=body, encoding=encoding, status=status)
        detect(response)
        detect(response, RequestOptions(gate=True, field="a"))


@given(st.binary(max_size=200))
def test_no_bytes_raise(body: bytes) -> None:
    detect(HtmlResponse(URL, body=b"captcha " + body))
    detect(TextResponse("http://[", body=b"<h-captcha>" + body))


@pytest.mark.parametrize("tag", ["script", "style", "title", "textarea"])
@pytest.mark.parametrize("strange", ["\b", "\x1f", "\ufffe", "\uffff"])
def test_control_characters_beside_the_end_of_a_form_in_text(
    tag: str, strange: str
) -> None:
    html = gate(more=f"<{tag}>a {strange} </form> b</{tag}>")
    assert read(html, status=403).kind == "gate"


def test_names_that_no_tree_can_hold() -> None:
    html = gate(form="id='&#1;' action='/b'").replace("<button", "<button form='&#2;'")
    challenge = read(html)
    assert challenge.form is not None
    assert challenge.form.url == "https://shop.test/b"


def test_a_strange_chain_of_redirects() -> None:
    request = Request(URL, meta={"redirect_urls": ["http://[broken"]})
    assert read(gate(), request=request).kind == "gate"


def test_only_the_first_part_of_a_page_is_read() -> None:
    assert detect(response_of(" " * MAX_BYTES + gate())) is None
    assert read(gate() + " " * MAX_BYTES).kind == "gate"


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("<div>" * 100_000, id="depth"),
        pytest.param(
            "<div " + " ".join(f"a{n}" for n in range(200_000)), id="attributes"
        ),
        pytest.param(
            "<div " + " ".join(f"a{n}='>'" for n in range(80_000)), id="quoted"
        ),
        pytest.param("<a" * 300_000, id="tags"),
        pytest.param("<form>" * 100_000, id="forms"),
        pytest.param("<script>" + "{[(" * 200_000, id="brackets"),
        pytest.param("<script>" + "/*'\"" * 150_000, id="quotes"),
    ],
)
def test_a_hostile_page_does_not_stop_the_crawl(hostile: str) -> None:
    # Unbounded, the worst of these take minutes; what is asserted is that they end.
    assert read(gate() + hostile).sitekey == KEY


def test_half_a_form_is_not_paid_for() -> None:
    challenge = read(gate("<input type=hidden name=a value=b>" * 1000 + WIDGET))
    assert (challenge.kind, challenge.reason) == ("gate", "no_submission")
    assert "too large" in challenge.evidence[1]


@pytest.mark.parametrize("charset", ["base64", "zlib", "idna", "undefined", "punycode"])
@pytest.mark.parametrize("declared", ["header", "meta"])
def test_a_charset_that_is_none_is_no_error(charset: str, declared: str) -> None:
    """Python has codecs by these names, which make no text, or raise."""
    kind = f"text/html; charset={charset}" if declared == "header" else "text/html"
    html = gate() if declared == "header" else gate().replace("utf-8", charset)
    response = HtmlResponse(URL, headers={"Content-Type": kind}, body=html.encode())
    challenge = detect(response, RequestOptions(expect=".content"))
    assert challenge is not None
    assert challenge.form is not None
    assert (challenge.sitekey, challenge.form.encoding) == (KEY, "utf-8")


def test_excess_attributes_are_dropped_and_the_rest_is_read() -> None:
    many = " ".join(f"a{n}=1" for n in range(5_000))
    html = f"<div {many}></div>{gate()}"
    page = parse(response_of(html))
    assert page is not None
    assert page.root.xpath("count((//div)[1]/@*)") == MAX_ATTRIBUTES
    assert read(html).kind == "gate"


def test_a_long_script_with_a_lone_less_than_keeps_the_page() -> None:
    words = base64.b32encode(bytes(5_000)).decode()
    script = f"<script>if (a<b) {{ c = '{' '.join(words)}' }}</script>"
    assert read(script + gate()).sitekey == KEY


def test_several_fields_of_a_form_all_take_the_token() -> None:
    options = RequestOptions(field=("token", "copy"))
    form = read(gate(), options).form
    assert form is not None
    assert form.token_fields == ("token", "copy")


@pytest.mark.parametrize("button", ["Show", "Download", "Buy now", "ダウンロード"])
def test_what_is_expected_and_lacks_makes_a_gate_by_itself(button: str) -> None:
    links = "<a href=/x>Another page</a> " * 60
    form = f"<form action=/orders>{WIDGET}<button>{button}</button></form>"
    html = f"<title>Teas</title>{API}<h1>Teas</h1>{links}<p>{LOREM}</p>"
    expect = RequestOptions(expect=".price")
    assert read(f"{html}{form}").kind == "widget"
    found = read(f"{html}{form}", expect)
    assert found.kind == "gate"
    assert found.confidence >= 0.9
    assert "It lacks the content expected (.price)." in found.evidence
    # A form that asks for more is passed by no token.
    asking = form.replace("<button>", "<input name=user><button>")
    assert read(f"{html}{asking}", expect).kind == "widget"


@pytest.mark.parametrize("size", [1_040_000, 900_000])
def test_your_word_needs_all_of_a_page_without_a_captcha(size: int) -> None:
    html = f"<h1>Prices</h1>{' ' * size}<p class=cost>1</p>"
    hints = RequestOptions(gate=True, expect=".price", sitekey=KEY, field="t")
    found = detect(response_of(f"{html}<b class=price>1</b>"), hints)
    assert found is None, "its content may be in what is not read"
    found = detect(response_of(html), hints)
    assert (found is not None) is (size < 1_000_000)
    assert read(f"{gate()}{html}", hints).kind == "gate"


def test_what_is_expected_may_stand_behind_what_is_read_of_a_page() -> None:
    html = f"<title>Teas</title>{API}<h1>Teas</h1><form>{WIDGET}</form>"
    more = "<p>Tea <a href=/x>and more</a></p>" * MAX_TAGS
    found = read(f"{html}{more}<b class=price>1</b>", RequestOptions(expect=".price"))
    assert found.kind == "widget"


def test_a_sitekey_in_the_address_is_seen_without_running_scripts() -> None:
    script = (
        "const k = new URLSearchParams(location.search).get('key');"
        "hcaptcha.render('box', {sitekey: k})"
    )
    html = scripted(script)
    found = detect(response_of(html, f"https://shop.test/check?key={KEY}"))
    assert found is not None
    assert found.sitekey == KEY
    other = detect(response_of(html, "https://shop.test/check?key=1"))
    assert other is not None
    assert other.sitekey is None


def test_what_is_said_outright_has_full_confidence() -> None:
    doubtful = f"<title>Wait</title>{API}<form>{WIDGET}<input name=a></form>"
    assert 0.5 < read(doubtful).confidence < 1
    for hints in (
        RequestOptions(gate=True),
        RequestOptions(gate=False),
        RequestOptions(decide=lambda *_: True),
        RequestOptions(decide=lambda *_: False),
        RequestOptions(expect="form"),
    ):
        assert read(doubtful, hints).confidence == 1.0


def test_a_wall_that_shows_no_captcha_may_be_either() -> None:
    data = f'<script>window.env = {{"hcaptchaSitekey": "{KEY}"}}</script>'
    found = read(f"<title>Maintenance</title>{API}{data}<p>Back at six.", status=503)
    assert (found.kind, found.confidence) == ("widget", 0.5)
    assert found.evidence[-1] == "It shows no captcha."
    # The page of a shop is none in any case.
    shop = f"<title>Teas</title>{API}{data}{'<a href=/x>x</a>' * 60}<p>{LOREM}"
    assert read(shop).confidence > 0.9


def test_ids_are_not_collected() -> None:
    # For each that repeats, some versions of lxml count all siblings before it.
    page = parse(response_of("<p id=a><p id=a>"))
    assert page is not None
    assert page.root.xpath("//p[@id='a']")
    assert page.root.xpath("id('a')") == []


def test_a_wide_character_counts_as_two() -> None:
    said = "確認 と 한국어 и écrit"
    assert f"There is little text ({len(said) + 6} characters)." in (
        read(f"{API}{WIDGET}<p>{said}").evidence
    )


@pytest.mark.parametrize("outside", ["", "</body></html>"])
def test_a_page_ends_where_it_is_too_deep(outside: str) -> None:
    def page(depth: int) -> Challenge:
        inner = f"{outside}{'<div>' * depth}{'</div>' * depth}"
        html = f"<html><body><form>{WIDGET}<button>Buy</button></form><h1>Teas</h1>"
        more = "<a href=/x>Tea</a>" * 60
        return read(
            f"{API}{html}{more}{inner}<i class=price>1", RequestOptions(expect=".price")
        )

    assert page(200).evidence[-1] == "It has the content (.price)."
    # The content may come after the part that is read.
    assert page(300).kind == "widget"
    assert not any("lacks" in said for said in page(300).evidence)


def test_a_page_that_is_too_deep_is_no_gate() -> None:
    for depth, kind in ((200, "gate"), (300, "widget")):
        found = read(gate(more="<div>" * depth), status=403)
        assert found.kind == kind
    assert found.evidence[-1] == "It is too deep to be read to its end."
    # Neither is it one by the user's word: its content may be in what is not read.
    hints = RequestOptions(gate=True, expect=".price", sitekey=KEY, field="t")
    assert read(f"<h1>Teas</h1>{'<div>' * 200}", hints).kind == "gate"
    assert detect(response_of(f"<h1>Teas</h1>{'<div>' * 300}"), hints) is None
