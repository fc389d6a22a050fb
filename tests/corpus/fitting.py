"""``python -m tests.corpus.fitting``: fit the weights of the features to the corpus.

A logistic regression, regularised, over the pages on which a verdict is weighed. What
it shrinks to is not zero but what a person guesses of each feature, so that a feature
that few pages have keeps a sensible weight. The coefficients are rounded to points and
written to ``scrapy_onecaptcha/pages/weights.py``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.pages.classifier import GATE, weigh
from scrapy_onecaptcha.pages.features import BIAS, FEATURES, counted
from scrapy_onecaptcha.pages.html import is_html, parse
from scrapy_onecaptcha.pages.plan import make_plan
from scrapy_onecaptcha.pages.signs import gather, is_shown, survey_steps
from scrapy_onecaptcha.pages.steps import finish
from scrapy_onecaptcha.pages.weights import POINTS
from scrapy_onecaptcha.pages.widgets import read_captcha
from tests.corpus.judging import response_of, scripts_of
from tests.corpus.labels import LABELS
from tests.corpus.origins import groups

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scrapy_onecaptcha.pages.signs import Signs
    from tests.corpus.labels import Label

__all__ = [
    "FOLDS",
    "MISREAD",
    "WEIGHTS_FILE",
    "Fit",
    "Sample",
    "fit",
    "folds",
    "samples",
    "weight_of",
    "written",
]

#: How weak the regularisation is, as scikit-learn has it.
STRENGTH = 1.0
#: Parts of the corpus, each of which the others have to read.
FOLDS = 10
#: Pages that only weights fitted to pages of their origin read right: votes without any
#: vote among the others.
MISREAD = frozenset({"vote-finnish.html", "vote-romanian.html"})
WEIGHTS_FILE = Path(__file__).parents[2] / "scrapy_onecaptcha" / "pages" / "weights.py"


@dataclass(frozen=True, slots=True)
class Sample:
    """A page that is weighed."""

    label: Label
    signs: Signs
    is_gate: bool


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights in points, and the bias."""

    weights: Mapping[str, int]
    bias: int


@cache
def samples() -> tuple[Sample, ...]:
    """Return the pages of the corpus that show something of hCaptcha."""
    found = (_sample(label) for label in LABELS)
    return tuple(sample for sample in found if sample is not None)


def _sample(label: Label) -> Sample | None:
    response = response_of(label)
    page = parse(response) if is_html(response) else None
    captcha = read_captcha(page) if page is not None else None
    if page is None or captcha is None:
        return None
    if not (captcha.widgets or captcha.api or captcha.place):
        return None
    plan = make_plan(page, captcha, response, None)
    if plan.wants_scripts:
        plan = make_plan(page, captcha, response, None, scripts_of(response))
    signs = gather(finish(survey_steps(response, page, None)), page, captcha, plan)
    if (signs.in_frame and not signs.has_form) or not is_shown(captcha, signs):
        return None  # a rule says what it is
    return Sample(label, signs, label.verdict == "gate")


def folds(pages: Sequence[Sample]) -> list[list[Sample]]:
    """Deal *pages* out to the folds, gates and others alike.

    Pages of one origin stay together: what is fitted to one of them has seen the rest.
    """
    by_label = {page.label: page for page in pages}
    dealt: list[list[Sample]] = [[] for _ in range(FOLDS)]
    for labels in sorted(groups(by_label), key=len, reverse=True):
        group = [by_label[label] for label in labels]
        are_gates = 2 * sum(page.is_gate for page in group) >= len(group)
        like = [sum(page.is_gate is are_gates for page in fold) for fold in dealt]
        number = min(range(FOLDS), key=lambda n: (like[n], len(dealt[n])))
        dealt[number] += group
    return dealt


def fit(pages: Sequence[Sample]) -> Fit:
    """Fit the weights to *pages*."""
    from sklearn.linear_model import LogisticRegression

    held = [{feature.name for feature in counted(page.signs)} for page in pages]
    rows = [[float(f.name in names) for f in FEATURES] for names in held]
    # One column more for the guesses: the other coefficients are what the corpus says
    # against them.
    guesses = [
        BIAS + sum(f.guess for f in FEATURES if f.name in names) for names in held
    ]
    model: Any = LogisticRegression(C=STRENGTH, max_iter=10_000)
    model.fit(
        [[*row, float(guess)] for row, guess in zip(rows, guesses, strict=True)],
        [page.is_gate for page in pages],
    )
    *corrections, trust = model.coef_[0]
    weights = {
        feature.name: _points(trust * feature.guess + correction, speaks=feature.speaks)
        for feature, correction in zip(FEATURES, corrections, strict=True)
    }
    return Fit(weights, round((model.intercept_[0] + trust * BIAS) * POINTS))


def _points(coefficient: float, *, speaks: bool) -> int:
    points = round(coefficient * POINTS)
    return max(1, points) if speaks else min(-1, points)


def weight_of(page: Sample, by: Fit) -> int:
    """Return what *page* weighs *by* a fit."""
    return weigh(page.signs, by.weights, by.bias)[0]


def written(by: Fit) -> str:
    """Return the module that holds a fit."""
    lines = [f'        "{name}": {points},' for name, points in by.weights.items()]
    return "\n".join(
        [
            '"""The weights of the features, in points: a table that was fitted.',
            "",
            "Written by ``python -m tests.corpus.fitting``.",
            '"""',
            "",
            "from __future__ import annotations",
            "",
            "from types import MappingProxyType",
            "from typing import TYPE_CHECKING",
            "",
            "if TYPE_CHECKING:",
            "    from collections.abc import Mapping",
            "",
            '__all__ = ["BIAS", "POINTS", "WEIGHTS"]',
            "",
            "#: Points of one unit of log odds.",
            f"POINTS = {POINTS}",
            "#: The weight of a page without any feature.",
            f"BIAS = {by.bias}",
            "WEIGHTS: Mapping[str, int] = MappingProxyType(",
            "    {",
            *lines,
            "    }",
            ")",
            "",
        ]
    )


def main() -> None:
    """Fit, write and say what is read wrong."""
    pages = samples()
    found = fit(pages)
    WEIGHTS_FILE.write_text(written(found), encoding="utf-8")
    for page in pages:
        weight = weight_of(page, found)
        if (weight >= GATE) is not page.is_gate:
            sys.stdout.write(f"read wrong: {page.label.file} ({weight} points)\n")


if __name__ == "__main__":
    main()
