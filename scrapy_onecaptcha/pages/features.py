"""What is weighed: a feature is a sign, or several, put into one sentence."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from scrapy_onecaptcha.pages.phrases import ONWARD_BUTTONS
from scrapy_onecaptcha.pages.signs import (
    FEW_LINKS,
    GATE_STATUSES,
    GONE,
    LITTLE_TEXT,
    MANY_LINKS,
    MUCH_TEXT,
    SOME_LINKS,
    SOME_TEXT,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.pages.signs import Signs

__all__ = ["BIAS", "FEATURES", "Feature", "counted", "held"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that speaks for a gate or against it.

    Attributes:
        name: in the table of weights.
        guess: what a person thinks that it weighs. The fit starts from there, and does
            not turn its sign round.
        holds: whether a page has it.
        sentence: what is said of it; ``{…}`` is filled in from the signs.
    """

    name: str
    guess: int
    holds: Callable[[Signs], bool]
    sentence: str

    @property
    def speaks(self) -> bool:
        """Whether it speaks for a gate."""
        return self.guess > 0

    def said_of(self, signs: Signs) -> str:
        """Return the sentence for a page that has it."""
        said = {each.name: getattr(signs, each.name) for each in fields(signs)}
        said |= {name: ", ".join(said[name]) for name in ("asked", "others")}
        return self.sentence.format(**said)


def held(signs: Signs) -> list[Feature]:
    """Return the features that a page has."""
    return [feature for feature in FEATURES if feature.holds(signs)]


def counted(signs: Signs) -> list[Feature]:
    """Return the features of a page that count.

    A form that asks its visitor for something is passed by no token alone: then
    nothing counts that speaks for a gate.
    """
    return [feature for feature in held(signs) if not (feature.speaks and signs.asked)]


def _is_said(signs: Signs) -> bool:
    """Tell whether a title or heading asks for a person, and is not of an article."""
    return bool(signs.says) and not signs.is_article


def _is_told(signs: Signs) -> bool:
    """Tell whether anything says that the page is no ordinary one."""
    return bool(
        signs.status in GATE_STATUSES
        or signs.led_from
        or ((signs.words or signs.asks) and not signs.is_article)
    )


def _has_price(signs: Signs) -> bool:
    """Tell whether a price is part of what the form is for."""
    return bool(signs.price) and not _is_said(signs)


def _has_no_way(signs: Signs) -> bool:
    """Tell whether nothing takes the token, and nothing says that one is wanted."""
    is_wanted = signs.status in GATE_STATUSES or signs.led_from or _is_said(signs)
    return not (signs.has_form or signs.called or is_wanted or signs.waits)


def _goes_on(signs: Signs) -> bool:
    """Tell whether its button only goes on."""
    goes_on = bool(ONWARD_BUTTONS.search(signs.button))
    return goes_on and not (signs.acts or _has_price(signs))


def _has_layout(signs: Signs) -> bool:
    """Tell whether there is a menu or content, and nothing says that it is a gate."""
    has_layout = signs.links > FEW_LINKS or signs.things
    return has_layout and not (_is_told(signs) or _goes_on(signs))


def _is_only_the_button(signs: Signs) -> bool:
    """Tell whether a word on the button is all that speaks of another purpose."""
    return _is_said(signs) and signs.acts == signs.button


#: What a page weighs without any feature, as a person guesses.
BIAS = -5
FEATURES: tuple[Feature, ...] = (
    Feature(
        "asks",
        -8,
        lambda s: bool(s.asked),
        "The form asks its visitor for {asked}.",
    ),
    Feature(
        "captcha_only",
        4,
        lambda s: not (s.asked or _has_no_way(s)),
        "It asks for the captcha only.",
    ),
    Feature("called", 1, lambda s: s.called, "A script sends its token."),
    Feature(
        "no_form",
        -3,
        _has_no_way,
        "No form takes the token.",
    ),
    Feature(
        "others",
        -7,
        lambda s: bool(s.others),
        "It also asks for {others} elsewhere.",
    ),
    Feature(
        "little_text",
        2,
        lambda s: s.text <= LITTLE_TEXT,
        "There is little text ({text} characters).",
    ),
    Feature(
        "much_text",
        -3,
        lambda s: SOME_TEXT < s.text <= MUCH_TEXT,
        "There is much text ({text} characters).",
    ),
    Feature(
        "whole_text",
        -6,
        lambda s: s.text > MUCH_TEXT,
        "There is the text of a whole page ({text} characters).",
    ),
    Feature(
        "few_links",
        1,
        lambda s: s.links <= FEW_LINKS,
        "There are few links ({links}).",
    ),
    Feature(
        "many_links",
        -1,
        lambda s: SOME_LINKS < s.links <= MANY_LINKS,
        "There are many links ({links}).",
    ),
    Feature(
        "all_links",
        -2,
        lambda s: s.links > MANY_LINKS,
        "There are the links of a whole page ({links}).",
    ),
    Feature(
        "led",
        2,
        lambda s: bool(s.led_from),
        "The request was led here from {led_from}.",
    ),
    Feature(
        "refused", 3, lambda s: s.status in GATE_STATUSES, "The status is {status}."
    ),
    Feature(
        "gone",
        -3,
        lambda s: s.status in GONE,
        "The status is {status}: no such page.",
    ),
    Feature(
        "says",
        3,
        _is_said,
        "Its title or a heading says “{says}”, which asks for a person.",
    ),
    Feature(
        "waits",
        2,
        lambda s: bool(s.waits) and not s.says and not s.is_article,
        "Its title or a heading says “{waits}”, which puts its visitor off.",
    ),
    Feature(
        "refuses",
        2,
        lambda s: bool(s.words) and not (s.waits or s.says or s.is_article),
        "Its title or a heading says “{words}”.",
    ),
    Feature(
        "article",
        -1,
        lambda s: bool(s.words) and s.is_article,
        "Its title or a heading says “{words}”, but it may be an article on that.",
    ),
    Feature(
        "mentions",
        2,
        lambda s: s.asks and not s.words,
        "Its text speaks of a captcha, or asks for a person.",
    ),
    Feature(
        "silent",
        -2,
        lambda s: bool(s.heading) and not (_is_told(s) or _goes_on(s)),
        "Its heading (“{heading}”) is of something else.",
    ),
    Feature(
        "layout",
        -3,
        _has_layout,
        "It has a menu or content, and nothing says that it is a gate.",
    ),
    Feature(
        "onward",
        1,
        _goes_on,
        "Its button goes on (“{button}”).",
    ),
    Feature(
        "acts",
        -7,
        lambda s: bool(s.acts) and not _is_only_the_button(s),
        "Its form is for something else (“{acts}”).",
    ),
    Feature(
        "acts_said",
        -1,
        lambda s: bool(s.acts) and _is_only_the_button(s),
        "Its form may be for something else (“{acts}”).",
    ),
    Feature(
        "price",
        -4,
        _has_price,
        "It names a price ({price}).",
    ),
    Feature(
        "chosen",
        -2,
        lambda s: bool(s.chosen),
        "A hidden field names what was chosen ({chosen}).",
    ),
    Feature("drawn", -4, lambda s: s.drawn, "A script makes fields for the visitor."),
    Feature("rules", -1, lambda s: bool(s.rules), "It links to its rules (“{rules}”)."),
    Feature(
        "elsewhere",
        -2,
        lambda s: bool(s.elsewhere),
        "The form is sent to a place of its own ({elsewhere}).",
    ),
    Feature(
        "closed",
        -5,
        lambda s: s.closed,
        "The widget is in a dialog that is closed.",
    ),
)
