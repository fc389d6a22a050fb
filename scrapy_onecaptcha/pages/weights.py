"""The weights of the features, in points: a table that was fitted.

Written by ``python -m tests.corpus.fitting``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BIAS", "POINTS", "WEIGHTS"]

#: Points of one unit of log odds.
POINTS = 4
#: The weight of a page without any feature.
BIAS = -19
WEIGHTS: Mapping[str, int] = MappingProxyType(
    {
        "asks": -48,
        "captcha_only": 24,
        "called": 6,
        "no_form": -18,
        "others": -41,
        "little_text": 11,
        "much_text": -18,
        "whole_text": -36,
        "few_links": 5,
        "many_links": -6,
        "all_links": -12,
        "led": 12,
        "refused": 20,
        "gone": -18,
        "says": 20,
        "waits": 12,
        "refuses": 12,
        "article": -6,
        "mentions": 12,
        "silent": -14,
        "layout": -18,
        "onward": 7,
        "acts": -43,
        "acts_said": -6,
        "price": -24,
        "chosen": -12,
        "drawn": -24,
        "rules": -6,
        "elsewhere": -12,
        "closed": -29,
    }
)
