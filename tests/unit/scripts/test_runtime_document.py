"""The document, its cookies, its markup, and where the page goes."""

from __future__ import annotations

import pytest

from tests.unit.scripts.runtime_page import URL, Page


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("document.title", "T"),
        (
            "document.body.tagName + document.head.tagName + document.documentElement.tagName",
            "BODYHEADHTML",
        ),
        (
            "[document.URL, document.location.href, document.domain]",
            [URL, URL, "site.test"],
        ),
        ("window === self && window === top && document.defaultView === window", True),
        ("document.getElementsByName('n').length", 1),
        ("typeof idOfDiv.id + window.idOfDiv.id", "stringidOfDiv"),
        ("document.scripts.length", 1),
        ("document.readyState", "interactive"),
        (
            "document.visibilityState + document.hidden + document.hasFocus()",
            "visiblefalsetrue",
        ),
        ("document.implementation.createHTMLDocument('x').title", "x"),
        (
            "new DOMParser().parseFromString('<p id=q>y</p>', 'text/html').querySelector('#q').textContent",
            "y",
        ),
        ("document.activeElement === document.body", True),
        ("document instanceof Document && document.nodeType", 9),
        ("document.nothing === undefined && !('nothing' in document)", True),
    ],
)
def test_the_document(code: str, value: object) -> None:
    html = "<head><title> T </title></head><div id=idOfDiv></div><input name=n><script>1</script>"
    assert Page(html).value(code) == value


def test_cookies() -> None:
    page = Page(cookies={"old": "1", "gone": "2"})
    page.run("""
        document.cookie = 'a=b; path=/; Secure'; document.cookie = 'a=c';
        document.cookie = 'gone=; max-age=0';
        document.cookie = 'old=; expires=Thu, 01 Jan 1970 00:00:00 GMT';
        document.cookie = 'stays=1; expires=Thu, 01 Jan 2099 00:00:00 GMT';
    """)
    assert page.value("document.cookie") == "a=c; stays=1"
    assert page.result["cookies"] == [
        "a=b; path=/; Secure", "a=c", "stays=1; expires=Thu, 01 Jan 2099 00:00:00 GMT",
    ]  # fmt: skip


def test_document_write() -> None:
    page = Page(
        "<body><script id=s>document.write('<form id=f action=/v><input name=a value=\"x&amp;y\">');"
        "document.write('</form><script>var ran = 1<\\/script>')</script><p id=p></p></body>"
    )
    assert page.value("[ran, document.forms.f[0].value, f.nextElementSibling.localName]") == [
        1, "x&y", "script",
    ]  # fmt: skip
    assert page.value("f.compareDocumentPosition(p)") == 4


@pytest.mark.parametrize(
    ("markup", "written"),
    [
        ("<p class=a>x<br>y</p>", '<p class="a">x<br>y</p>'),
        ("<input value='\"'>", '<input value="&quot;">'),
        ("&lt;b&gt; &amp; &#65;&#x42;&eacute;", "&lt;b&gt; &amp; AB&amp;eacute;"),
        ("<!-- c --><div><span>a</div>b", "<!-- c --><div><span>a</span></div>b"),
        ("<script>if (a < b) {}</script>", "<script>if (a < b) {}</script>"),
        ("<textarea><b></textarea>x", "<textarea>&lt;b&gt;</textarea>x"),
        ("<a href=/x?y=1&z=2>l</a>", '<a href="/x?y=1&amp;z=2">l</a>'),
        ("<DIV ID=q></DIV>", '<div id="q"></div>'),
    ],
)
def test_markup_that_scripts_write(markup: str, written: str) -> None:
    page = Page("<body></body>")
    page.run(f"document.body.innerHTML = {markup!r}")
    assert page.value("document.body.innerHTML") == written


def test_scripts_in_innerhtml_do_not_run_and_inserted_ones_do() -> None:
    page = Page(
        "<div id=d></div>", external={"https://site.test/s.js": "var outside = 1"}
    )
    page.run("""
        d.innerHTML = '<script>window.never = 1<\\/script>';
        var s = document.createElement('script'); s.textContent = 'var here = 1'; d.append(s);
        var x = document.createElement('script'); x.src = '/s.js'; x.onload = () => { window.loaded = 1 };
        d.append(x);
    """)
    assert page.value("[typeof never, typeof here, typeof outside]") == [
        "undefined",
        "number",
        "undefined",
    ]
    page.wait()
    assert page.value("[typeof outside, loaded]") == ["number", 1]


def test_insert_adjacent() -> None:
    page = Page("<p id=p>x</p>")
    page.run("""
        p.insertAdjacentHTML('afterbegin', '<i></i>'); p.insertAdjacentHTML('beforeend', '<b></b>');
        p.insertAdjacentText('beforebegin', '1'); p.insertAdjacentElement('afterend', document.createElement('u'));
        p.firstChild.outerHTML = '<em></em>';
    """)
    assert (
        page.value("document.body.innerHTML")
        == '1<p id="p"><em></em>x<b></b></p><u></u>'
    )


@pytest.mark.parametrize(
    ("code", "kind", "url"),
    [
        ("location = '/x'", "location", "https://site.test/x"),
        ("location.href = 'y?z#h'", "location", "https://site.test/dir/y?z"),
        ("location.assign('//o.test')", "location", "https://o.test/"),
        ("location.replace('?n')", "location", "https://site.test/dir/page.html?n"),
        ("document.location = '/x'", "location", "https://site.test/x"),
        (
            "window.location.search = 'k'",
            "location",
            "https://site.test/dir/page.html?k",
        ),
        ("location.pathname = '/p'", "location", "https://site.test/p?a=1&b=2"),
        ("location.reload()", "reload", "https://site.test/dir/page.html?a=1&b=2"),
        ("history.go(0)", "reload", "https://site.test/dir/page.html?a=1&b=2"),
        ("open('/x', '_self')", "location", "https://site.test/x"),
        ("a.click()", "location", "https://site.test/link"),
        (
            "history.pushState(null, '', '/pushed'); location.reload()",
            "reload",
            "https://site.test/pushed",
        ),
        ("history.back()", "back", ""),
    ],
)
def test_where_a_page_goes(code: str, kind: str, url: str) -> None:
    page = Page("<a id=a href=/link>l</a>")
    page.run(code)
    assert [(move["kind"], move["url"]) for move in page.result["navigations"]] == [
        (kind, url)
    ]


@pytest.mark.parametrize(
    "code",
    ["location.hash = 'x'", "location = '#y'", "open('/x')", "location = 'mailto:a@b'"],
)
def test_what_is_no_move(code: str) -> None:
    page = Page()
    page.run(code)
    assert page.result["navigations"] == []


def test_javascript_addresses_run() -> None:
    page = Page("<a id=a href='javascript:void(window.ran=%221%22)'></a>")
    page.run("a.click(); location = 'javascript:window.too = 2'")
    assert page.value("[ran, too]") == ["1", 2]


def test_names_in_handlers() -> None:
    page = Page(
        "<form id=f><input name=secret value=5><button id=b onclick='window.got = secret.value + cookie + this.id; return false'></button></form>"
    )
    page.run("document.cookie = 'c=1'; b.click()")
    assert page.value("got") == "5c=1b"
    assert page.sent == []


def test_custom_elements_are_upgraded() -> None:
    page = Page("<x-gate key=1></x-gate>")
    page.run("""
        var log = [];
        customElements.define('x-gate', class extends HTMLElement {
            static get observedAttributes() { return ['key']; }
            constructor() { super(); log.push('made'); }
            attributeChangedCallback(name, old, value) { log.push(name + value); }
            connectedCallback() { log.push('in'); }
        });
        document.body.append(document.createElement('x-gate'));
    """)
    assert page.value("log") == ["made", "key1", "in", "made", "in"]


def test_elements() -> None:
    page = Page(
        "<div id=d class='a b' data-some-key=v style='color: red; margin-top: 1px'></div>"
    )
    page.run(
        "d.classList.add('c', 'a'); d.classList.remove('b'); d.dataset.otherKey = 1; delete d.dataset.someKey"
    )
    assert page.value(
        "[d.className, d.classList.contains('c'), d.classList.toggle('a')]"
    ) == ["a c", True, False]
    assert page.value(
        "[d.getAttribute('data-other-key'), Object.keys(d.dataset), d.dataset.no === undefined]"
    ) == ["1", ["otherKey"], True]
    assert page.value(
        "[d.style.color, d.style.marginTop, getComputedStyle(d).getPropertyValue('color')]"
    ) == ["red", "1px", "red"]
    assert page.value(
        "[d.hasAttribute('CLASS'), d.getAttribute('no'), d.toggleAttribute('hidden'), d.hidden]"
    ) == [True, None, True, True]
    assert (
        page.value(
            "Array.from(d.attributes).map(a => a.name).includes('id') && d.attributes.id.value"
        )
        == "d"
    )
    assert page.value("document.createElement('template').content.nodeType") == 11
