"""Events and how they travel."""

from __future__ import annotations

import pytest

from tests.unit.scripts.runtime_page import Page

NESTED = "<div id=outer><p id=inner></p></div>"


def test_an_event_goes_down_and_up_again() -> None:
    page = Page(NESTED)
    page.run("""
        var log = [];
        [window, document, outer, inner].forEach((target, i) => {
            target.addEventListener('x', () => log.push('down ' + i), true);
            target.addEventListener('x', () => log.push('up ' + i));
        });
        inner.dispatchEvent(new Event('x', {bubbles: true}));
    """)
    assert page.value("log") == [
        "down 0", "down 1", "down 2", "down 3", "up 3", "up 2", "up 1", "up 0",
    ]  # fmt: skip


def test_one_that_does_not_bubble_stays() -> None:
    page = Page(NESTED)
    page.run("""
        var log = [];
        outer.addEventListener('x', () => log.push('outer'));
        inner.addEventListener('x', () => log.push('inner'));
        inner.dispatchEvent(new CustomEvent('x', {detail: 7}));
    """)
    assert page.value("log") == ["inner"]


def test_propagation_can_be_stopped() -> None:
    page = Page(NESTED)
    page.run("""
        var log = [];
        inner.addEventListener('x', e => { log.push(1); e.stopImmediatePropagation(); });
        inner.addEventListener('x', () => log.push(2));
        outer.addEventListener('x', () => log.push(3));
        inner.dispatchEvent(new Event('x', {bubbles: true}));
    """)
    assert page.value("log") == [1]


def test_listeners_go() -> None:
    page = Page(NESTED)
    page.run("""
        var log = [], f = () => log.push('f'), o = {handleEvent(e) { log.push(e.type); }};
        inner.addEventListener('x', f); inner.addEventListener('x', f);
        inner.addEventListener('x', o, {once: true});
        inner.dispatchEvent(new Event('x'));
        inner.removeEventListener('x', f);
        inner.dispatchEvent(new Event('x'));
    """)
    assert page.value("log") == ["f", "x"]


@pytest.mark.parametrize(
    ("code", "prevented"),
    [
        ("inner.onx = () => false", True),
        ("inner.addEventListener('x', e => e.preventDefault())", True),
        ("inner.addEventListener('x', e => { e.returnValue = false })", True),
        ("inner.addEventListener('x', () => false)", False),
        ("inner.addEventListener('x', () => { throw 1 })", False),
    ],
)
def test_what_prevents(code: str, prevented: bool) -> None:
    page = Page(NESTED)
    page.run(code)
    assert (
        page.value("!inner.dispatchEvent(new Event('x', {cancelable: true}))")
        is prevented
    )


def test_only_the_browsers_own_events_are_trusted() -> None:
    page = Page("<button id=b></button>")
    page.run("""
        var log = [];
        b.onclick = e => log.push(e.isTrusted, e.target === b, e.currentTarget === b);
        b.click(); b.dispatchEvent(new MouseEvent('click'));
    """)
    assert page.value("log") == [True, True, True, False, True, True]


def test_an_error_in_a_listener_stops_nobody_else() -> None:
    page = Page(NESTED)
    page.run("""
        var log = [];
        inner.addEventListener('x', () => missing());
        inner.addEventListener('x', () => log.push(1));
        inner.dispatchEvent(new Event('x'));
    """)
    assert page.value("log") == [1]
    assert page.result["errors"] == ["ReferenceError: missing is not defined"]


def test_old_events() -> None:
    page = Page(NESTED)
    page.run("""
        var got, e = document.createEvent('CustomEvent');
        e.initCustomEvent('x', true, false, 5);
        document.addEventListener('x', e => { got = [e.detail, e.composedPath().length]; });
        inner.dispatchEvent(e);
    """)
    assert page.value("got") == [5, 6]
