"""The weights are what the corpus says, and read pages that they were not fitted to."""

from __future__ import annotations

from itertools import combinations

import pytest

from scrapy_onecaptcha.pages.classifier import GATE, confidence, weigh
from scrapy_onecaptcha.pages.features import FEATURES
from scrapy_onecaptcha.pages.weights import BIAS, WEIGHTS
from tests.corpus.fitting import (
    FOLDS,
    MISREAD,
    WEIGHTS_FILE,
    Fit,
    fit,
    samples,
    weight_of,
    written,
)
from tests.corpus.fitting import folds as dealt
from tests.corpus.origins import alike, groups


@pytest.fixture(autouse=True)
def _scikit_learn() -> None:
    """Import it where it is used only: that takes seconds, of each worker of pytest."""
    pytest.importorskip("sklearn", reason="the weights are fitted by scikit-learn")


def test_the_table_is_what_the_fit_writes() -> None:
    found = fit(samples())
    assert dict(WEIGHTS) == dict(found.weights)
    assert found.bias == BIAS
    assert written(found) == WEIGHTS_FILE.read_text(encoding="utf-8")


def test_every_feature_speaks_as_a_person_thinks() -> None:
    assert list(WEIGHTS) == [feature.name for feature in FEATURES]
    for feature in FEATURES:
        assert (WEIGHTS[feature.name] > 0) is feature.speaks, feature.name
        assert WEIGHTS[feature.name] != 0


def test_every_page_is_weighed_right() -> None:
    by = Fit(WEIGHTS, BIAS)
    wrong = [
        page.label.file
        for page in samples()
        if (weight_of(page, by) >= GATE) is not page.is_gate
    ]
    assert wrong == []


@pytest.mark.parametrize("number", range(FOLDS))
def test_a_fold_is_read_by_weights_of_the_others(number: int) -> None:
    folds = dealt(samples())
    others = [page for n, fold in enumerate(folds) if n != number for page in fold]
    by = fit(others)
    wrong = {
        page.label.file
        for page in folds[number]
        if (weight_of(page, by) >= GATE) is not page.is_gate
    }
    assert wrong == MISREAD & {page.label.file for page in folds[number]}


def test_the_folds_are_all_pages_and_alike() -> None:
    folds = dealt(samples())
    assert sorted(page.label.file for fold in folds for page in fold) == sorted(
        page.label.file for page in samples()
    )
    # Short walls are of one template, in many languages: more than a fold's share.
    (_, *others) = sorted(folds, key=len, reverse=True)
    gates = [sum(page.is_gate for page in fold) for fold in others]
    assert max(gates) - min(gates) <= 2
    sizes = [len(fold) for fold in others]
    assert max(sizes) - min(sizes) <= 2
    assert len(folds[0]) < len(samples()) / 5


def test_pages_of_one_origin_are_in_one_fold() -> None:
    where = {
        page.label: number
        for number, fold in enumerate(dealt(samples()))
        for page in fold
    }
    for one, other in combinations(where, 2):
        if where[one] != where[other]:
            assert not alike(one, other), (one.file, other.file)
    assert len(groups(where)) < len(samples()) * 2 / 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("crowdsec-nginx", "bouncer-renamed"),  # a copy under other names
        ("gitea-register", "forgejo-login"),  # a fork
        ("nuxt-data-wall", "svelte-bundle-wall"),
        ("japanese-wall", "portuguese-wall"),  # a translation
        ("button-show-german", "wall-georgian"),
        ("vote-czech", "vote-finnish"),
    ],
)
def test_copies_forks_and_translations_are_of_one_origin(one: str, other: str) -> None:
    by_name = {page.label.file: page.label for page in samples()}
    assert alike(by_name[f"{one}.html"], by_name[f"{other}.html"])
    assert not alike(by_name[f"{one}.html"], by_name["keycloak-register.html"])


def test_confidence_is_a_probability() -> None:
    assert confidence(0) == 0.5
    assert 0 < confidence(-100) < confidence(-1) < confidence(1) < confidence(100) < 1
    signs = samples()[0].signs
    assert weigh(signs)[0] == weigh(signs, WEIGHTS, BIAS)[0]
