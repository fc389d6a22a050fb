"""Every page of the corpus is read as a person would."""

from __future__ import annotations

import pytest

from scrapy_onecaptcha.models import REASONS
from tests.corpus.judging import PAGES, judge, seen
from tests.corpus.labels import KNOWN, LABELS, Label


def case(label: Label) -> object:
    marks = (
        [pytest.mark.xfail(strict=True, reason=KNOWN[label.file])]
        if label.file in KNOWN
        else []
    )
    return pytest.param(label, id=label.file, marks=marks)


@pytest.mark.parametrize("label", [case(label) for label in LABELS])
def test_a_page_is_read_as_a_person_would(label: Label) -> None:
    challenge = seen(label)
    wrong = [aspect for aspect, right in judge(label, challenge).items() if not right]
    assert wrong == [], challenge


def test_nothing_is_paid_for_a_page_that_is_no_gate() -> None:
    paid = {
        label.file
        for label in LABELS
        if label.verdict != "gate"
        and (challenge := seen(label)) is not None
        and challenge.kind == "gate"
        and challenge.solvable
    }
    assert paid - set(KNOWN) == set()


def test_every_page_has_one_label() -> None:
    files = sorted(label.file for label in LABELS)
    assert files == sorted(path.name for path in PAGES.iterdir())
    assert len(set(files)) == len(files) >= 60
    assert set(KNOWN) <= set(files)
    assert {label.reason for label in LABELS} <= {None, *REASONS}


def test_no_two_pages_share_a_sitekey() -> None:
    keys = [label.sitekey for label in LABELS if label.sitekey]
    assert len(set(keys)) == len(keys)
