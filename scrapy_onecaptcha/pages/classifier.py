"""Gate or widget: the features of a page, weighed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy_onecaptcha.pages.features import counted, held
from scrapy_onecaptcha.pages.weights import BIAS, POINTS, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy_onecaptcha.pages.signs import Signs

__all__ = ["GATE", "Verdict", "confidence", "judge", "weigh"]

#: The least weight of a gate, in points. Where gate and widget are equally likely,
#: nothing is paid.
GATE = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a page is.

    Attributes:
        is_gate: whether it is a gate.
        confidence: how sure that is, from 0 to 1.
        evidence: one sentence for each feature.
    """

    is_gate: bool
    confidence: float
    evidence: tuple[str, ...]


def judge(signs: Signs, *, is_shown: bool) -> Verdict:
    """Judge a page by its *signs*, after four rules that are not weighed.

    A page that hands its token to the page or app around it is a part of that. One of
    which more is too deep to be read is no gate, which is a small page. One that
    shows no captcha is no gate, whatever else speaks for it: then it may be either. A
    page that lacks the content expected, and asks for nothing but the captcha, is one.

    Args:
        signs: of the page.
        is_shown: whether it shows a captcha, or says that it wants one.
    """
    weight, evidence = weigh(signs)
    sure = confidence(weight)
    if signs.in_frame and signs.elsewhere == "" and not signs.has_form:
        said = "It hands its token to the page or app around it."
        return Verdict(False, 1.0, (*evidence, said))
    if signs.is_deep:
        said = "It is too deep to be read to its end."
        return Verdict(False, 1.0, (*evidence, said))
    if not is_shown:
        said = "It shows no captcha."
        return Verdict(False, max(1 - sure, 0.5), (*evidence, said))
    if signs.lacks and not signs.asked:
        said = f"It lacks the content expected ({signs.lacks})."
        return Verdict(True, max(sure, 0.9), (*evidence, said))
    is_gate = weight >= GATE
    return Verdict(is_gate, sure if is_gate else 1 - sure, evidence)


def weigh(
    signs: Signs, weights: Mapping[str, int] = WEIGHTS, bias: int = BIAS
) -> tuple[int, tuple[str, ...]]:
    """Weigh *signs*: from `GATE` up it is a gate. Each feature is named.

    Args:
        signs: of the page.
        weights: in points, by the features' names.
        bias: of a page without any feature.
    """
    weight = bias + sum(weights[feature.name] for feature in counted(signs))
    return weight, tuple(feature.said_of(signs) for feature in held(signs))


def confidence(weight: int) -> float:
    """Return how likely a page of that *weight* is a gate, from 0 to 1."""
    return 1 / (1 + math.exp(-weight / POINTS))
