"""Makes headings and tables targets of roles: ``:setting:``, ``:stat:``, ``:reqmeta:``.

The pages stay plain Markdown, which also reads well without Sphinx. The page tells what
a heading, or the first cell of a table row, documents.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx import addnodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata


class Rule(NamedTuple):
    """Says which headings of a page document something."""

    role: str
    heading: re.Pattern[str]


RULES = {
    "settings": Rule("setting", re.compile(r"(ONECAPTCHA_[A-Z_]+)")),
    "stats": Rule("stat", re.compile(r"(onecaptcha/\S+)")),
    "tools": Rule("command", re.compile(r"([a-z]+)")),
}
#: The table of keys of ``Request.meta["onecaptcha"]``: page and heading.
META = ("settings", "One request")
#: The headings of the page on signals.
SIGNAL = re.compile(r"`?(onecaptcha_[a-z]+)`?(?:\(.*\))?")


def named(page: str, doctree: nodes.document) -> Iterator[tuple[str, str, str]]:
    """Yield role, name and anchor of all that *page* documents."""
    for section in doctree.findall(nodes.section):
        title, anchor = section[0].astext(), section["ids"][0]
        rule = RULES.get(page)
        found = rule and rule.heading.fullmatch(title)
        if rule and found:
            yield rule.role, found[1], anchor
        signal = SIGNAL.fullmatch(title)
        if signal:
            yield "signal", signal[1], anchor
        if (page, title) == META:
            for row in section.findall(nodes.row):
                yield "reqmeta", f"onecaptcha.{row[0].astext()}", anchor


def keep_outside_links_as_text(doctree: nodes.document) -> None:
    """Show links to files of the repository as text: the site does not have them."""
    for link in list(doctree.findall(addnodes.pending_xref)):
        if link["reftarget"].startswith("../"):
            link.replace_self(link.children)


def note(app: Sphinx, doctree: nodes.document) -> None:
    """Register what the page that was read documents."""
    keep_outside_links_as_text(doctree)
    page = app.env.docname
    for role, name, anchor in named(page, doctree):
        app.env.domains.standard_domain.note_object(role, name, anchor)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the extension."""
    app.add_lexer("log", TextLexer)
    app.connect("doctree-read", note)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
