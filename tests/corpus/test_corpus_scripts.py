"""Every script-driven page of the corpus sends what a browser sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from scrapy_onecaptcha.scripts.child import Child
from scrapy_onecaptcha.scripts.visit import DRY_TOKENS
from tests.corpus.script_pages import FOLDER, TRUTHS, told_apart, visit_of

if TYPE_CHECKING:
    from collections.abc import Iterator

REAL = "P1_eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.real-token_0042"


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    child = Child(page_seconds=30)
    yield child
    child.close()


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth["page"])
def test_a_page_sends_what_a_browser_sends(truth: dict[str, Any], child: Child) -> None:
    reading = child.visit(visit_of(truth))
    assert reading is not None
    assert told_apart(truth, reading, DRY_TOKENS[0]) == []


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth["page"])
def test_with_a_real_token_it_sends_the_same(
    truth: dict[str, Any], child: Child
) -> None:
    dry, real = child.visit(visit_of(truth)), child.visit(visit_of(truth, REAL))
    assert dry is not None
    assert real is not None
    assert told_apart(truth, real, REAL) == []
    shapes = [reading.sending and reading.sending.shape for reading in (dry, real)]
    assert shapes[0] == shapes[1]
    assert DRY_TOKENS[0] not in repr(real.as_dict())


def test_what_a_page_lacks_is_named(child: Child) -> None:
    for truth in TRUTHS:
        wanted = {**truth, "answers": {}}
        reading = child.visit(visit_of(wanted))
        assert reading is not None
        assert list(reading.missing_scripts) == truth.get("missing", []), truth["page"]
        assert list(reading.needs) == truth.get("needs", []), truth["page"]


def test_every_page_has_a_truth() -> None:
    pages = sorted(path.name for path in FOLDER.glob("*.html"))
    assert pages == sorted(truth["page"] for truth in TRUTHS)
    assert len(pages) >= 60
