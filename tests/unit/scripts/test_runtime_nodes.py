"""Nodes, their order, and lists of them."""

from __future__ import annotations

import pytest

from tests.unit.scripts.runtime_page import Page

LIST = (
    "<ul id=u><li id=a>A</li><li id=b name=bee>B</li>text<!-- c --><li id=c>C</li></ul>"
)


@pytest.mark.parametrize(
    ("code", "order"),
    [
        ("u.appendChild(a)", "bca"),
        ("u.insertBefore(c, a)", "cab"),
        ("u.insertBefore(c, null)", "abc"),
        ("u.removeChild(b)", "ac"),
        ("a.remove()", "bc"),
        ("u.replaceChild(c, a)", "cb"),
        ("a.before(c)", "cab"),
        ("b.after(a)", "bac"),
        ("b.replaceWith(c)", "ac"),
        ("u.prepend(c, 'x')", "cab"),
        ("u.append(a, b)", "cab"),
        ("u.replaceChildren(c)", "c"),
        (
            "var f = document.createDocumentFragment(); f.append(c, b); u.prepend(f)",
            "cba",
        ),
        ("u.insertBefore(a, a)", "abc"),
    ],
)
def test_the_order_of_nodes(code: str, order: str) -> None:
    page = Page(LIST)
    page.run(code)
    assert page.value("Array.from(u.children).map(e => e.id).join('')") == order
    assert page.result["errors"] == []


@pytest.mark.parametrize(
    "code",
    [
        "a.appendChild(u)",
        "u.removeChild(document.body)",
        "u.insertBefore(a, document.body)",
        "u.appendChild('x')",
    ],
)
def test_what_cannot_be(code: str) -> None:
    page = Page(LIST)
    page.run(code)
    assert len(page.result["errors"]) == 1


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("u.firstChild.id", "a"),
        ("u.lastChild.id", "c"),
        ("b.previousSibling.id + b.nextSibling.data", "atext"),
        ("b.previousElementSibling.id + b.nextElementSibling.id", "ac"),
        # Comments of the page itself are not part of its tree.
        ("u.childNodes.length + ',' + u.childElementCount", "4,3"),
        ("u.textContent", "ABtextC"),
        ("a.parentNode === u && u.contains(a) && !a.contains(u)", True),
        ("a.compareDocumentPosition(c)", 4),
        ("c.compareDocumentPosition(a)", 2),
        ("u.compareDocumentPosition(a)", 20),
        ("[a.isConnected, document.createElement('p').isConnected]", [True, False]),
        (
            "u.children.bee.id + u.children.namedItem('c').id + u.children.item(0).id",
            "bca",
        ),
        ("u.children.item(9)", None),
        ("u.cloneNode(true).outerHTML === u.outerHTML", True),
        ("u.cloneNode(false).childNodes.length", 0),
        (
            "[a.nodeType, a.nodeName, a.tagName, a.localName, a.firstChild.nodeName]",
            [1, "LI", "LI", "li", "#text"],
        ),
        ("a.ownerDocument === document && a.getRootNode() === document", True),
        ("a.isEqualNode(a.cloneNode(true))", True),
    ],
)
def test_where_nodes_are(code: str, value: object) -> None:
    assert Page(LIST).value(code) == value


def test_mutation_observers_are_told_afterwards() -> None:
    page = Page(LIST)
    page.run("""
        var log = [];
        var observer = new MutationObserver(records => records.forEach(r => log.push(r.type)));
        observer.observe(u, {childList: true, subtree: true, attributes: true});
        a.remove(); b.setAttribute('class', 'x'); c.textContent = 'y'; log.push('now');
    """)
    assert page.value("log") == [
        "now",
        "childList",
        "attributes",
        "childList",
        "childList",
    ]
    page.run("observer.disconnect(); u.append('z')")
    assert page.value("log.length") == 5


def test_text_and_comments() -> None:
    page = Page()
    page.run("""
        var t = document.createTextNode('a'), c = document.createComment('b');
        document.body.append(t, c); t.data = 'x<y'; t.nodeValue += '&';
    """)
    assert page.value("[document.body.innerHTML, t.length]") == [
        "x&lt;y&amp;<!--b-->",
        4,
    ]
