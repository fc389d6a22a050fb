"""Is this response a gate? A response in, a :class:`Challenge` or ``None`` out.

A *gate* is in place of the content, and asks for nothing but the captcha. A
*widget* is part of a page whose content is there; a solve for it would waste money.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scrapy.http import TextResponse

from scrapy_onecaptcha._values import HEADER
from scrapy_onecaptcha.models import Challenge
from scrapy_onecaptcha.pages.challenges import as_kind, make_challenge, of_page
from scrapy_onecaptcha.pages.classifier import judge
from scrapy_onecaptcha.pages.cloudflare import marker_of
from scrapy_onecaptcha.pages.html import BOM_UTF16, has_steps, is_html, parse_steps
from scrapy_onecaptcha.pages.json_api import (
    GATE,
    Demand,
    confidence_of,
    is_json,
    read_demand,
    weigh_demand,
)
from scrapy_onecaptcha.pages.mentions import first_mention, may_hold_widget
from scrapy_onecaptcha.pages.plan import make_plan
from scrapy_onecaptcha.pages.repeats import repeat
from scrapy_onecaptcha.pages.scripted import (
    Scripts,
    visit_of,
)
from scrapy_onecaptcha.pages.signs import gather, is_shown, survey_steps
from scrapy_onecaptcha.pages.steps import finish
from scrapy_onecaptcha.pages.widgets import captcha_steps
from scrapy_onecaptcha.request_options import UNSET, RequestOptions
from scrapy_onecaptcha.scripts.child import NoEngine
from scrapy_onecaptcha.scripts.pool import visit_once

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.models import Form
    from scrapy_onecaptcha.pages.html import Page
    from scrapy_onecaptcha.pages.steps import Steps

__all__ = [
    "Look",
    "detect",
    "detect_with",
    "detection_steps",
    "first_look",
    "steps_after",
    "steps_with_scripts",
]


def detect(
    response: Response, options: RequestOptions = UNSET, *, scripts: bool = False
) -> Challenge | None:
    """Read the hCaptcha of *response*, or return ``None`` where it has none.

    Args:
        response: a page or a reply.
        options: what the user says of it.
        scripts: whether a possible gate's inline scripts are run, in a process of their
            own, for which this waits. Else only the HTML is read.

    Raises:
        Exception: only what ``options.decide`` raises, and ``ValueError`` or
            ``cssselect.SelectorError`` for an ``options.expect`` that is no selector.
    """
    challenge = detect_with(response, options, None)
    if not scripts or challenge is None or not challenge.needs_scripts:
        return challenge
    assert isinstance(response, TextResponse)  # noqa: S101  (else it has no scripts)
    return finish(steps_with_scripts(response, options, challenge, _run(response)))


def steps_with_scripts(
    response: Response, options: RequestOptions, known: Challenge, scripts: Scripts
) -> Steps[Challenge | None]:
    """Read *response* once more, in steps, now that its scripts were run.

    The verdict of the user's own function is kept: it is asked once.

    Args:
        response: the page.
        options: what the user says of it.
        known: what was read without its scripts.
        scripts: what they do.
    """
    if options.decide is not None:
        is_gate = known.kind == "gate"
        options = replace(options, decide=lambda *_: is_gate)
    return detection_steps(response, options, scripts)


def detect_with(
    response: Response, options: RequestOptions, scripts: Scripts | None
) -> Challenge | None:
    """Do as `detect` does, with what is known of the page's scripts.

    Args:
        response: a page or a reply.
        options: what the user says of it.
        scripts: what they do; ``None`` where nobody has tried to run them.

    Raises:
        Exception: as `detect` does.
    """
    return finish(detection_steps(response, options, scripts))


def detection_steps(
    response: Response, options: RequestOptions, scripts: Scripts | None = None
) -> Steps[Challenge | None]:
    """Do as `detect_with` does, in steps.

    Raises:
        Exception: as `detect` does.
    """
    look = first_look(response, options)
    if look is None:
        return None
    yield
    return (yield from steps_after(look, response, options, scripts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a first look shows of a response that may hold an hCaptcha.

    Attributes:
        is_json: whether it is a reply of an API.
        named: whether such a reply names a captcha.
        marker: of Cloudflare's, if a page has one.
        insists: whether a page is to be judged whatever it shows of hCaptcha.
    """

    is_json: bool = False
    named: bool = False
    marker: str | None = None
    insists: bool = False


def first_look(response: Response, options: RequestOptions) -> Look | None:
    """Look at the bytes of *response*; ``None``: there is no hCaptcha in it.

    Most responses are only looked at, so each search of a large one counts.
    """
    if not isinstance(response, TextResponse):
        return None
    body = response.body
    if is_json(response):
        # In any case: what names no captcha is no demand, unless it answers one.
        named = b"aptcha" in body or b"APTCHA" in body
        may_demand = named or options.sitekey is not None
        return Look(is_json=True, named=named) if may_demand else None
    if not is_html(response):
        return None
    mention = first_mention(body)
    marker = marker_of(body) if mention >= 0 else None  # each has the word
    insists = bool(options.gate and options.expect) or marker is not None
    # In UTF-16 no word looks like its bytes.
    if insists or may_hold_widget(body, mention) or body.startswith(BOM_UTF16):
        return Look(marker=marker, insists=insists)
    return None


def steps_after(
    look: Look,
    response: Response,
    options: RequestOptions,
    scripts: Scripts | None = None,
) -> Steps[Challenge | None]:
    """Read *response* in steps, after a first *look* at it.

    Raises:
        Exception: as `detect` does.
    """
    assert isinstance(response, TextResponse)  # noqa: S101  (else there is no look)
    if look.is_json:
        return _detect_demand(response, options, named=look.named)
    page = yield from parse_steps(response)
    if page is None:
        return None
    return (yield from _page_steps(response, page, options, scripts, look))


def _page_steps(
    response: TextResponse,
    page: Page,
    options: RequestOptions,
    scripts: Scripts | None,
    look: Look,
) -> Steps[Challenge | None]:
    """Read a page that may hold an hCaptcha.

    Args:
        response: the page as it came.
        page: the page as a tree.
        options: what the user says of it.
        scripts: what its scripts do.
        look: what its bytes show.
    """
    yield
    captcha = yield from captcha_steps(page)
    rendered = bool(scripts and scripts.reading and scripts.reading.widgets)
    if not (
        captcha.widgets or captcha.api or captcha.place or look.insists or rendered
    ):
        return None
    yield
    plan = make_plan(page, captcha, response, options.token_field, scripts)
    if plan.form is not None and plan.form.kind == "form":
        plan = replace(plan, form=_filled(plan.form, options.fields))
    yield
    signs = yield from survey_steps(response, page, options.expect)
    yield
    signs = gather(signs, page, captcha, plan)
    yield
    verdict = judge(signs, is_shown=is_shown(captcha, signs) or rendered)
    is_gate = verdict.is_gate
    challenge = of_page(page, captcha, plan, options, scripts)
    evidence = (*challenge.evidence, *verdict.evidence)
    challenge = replace(challenge, evidence=evidence, confidence=verdict.confidence)
    if look.marker is not None and not captcha.widgets:
        is_gate, challenge = True, _of_cloudflare(challenge, look.marker)
    if options.expect:
        yield
        if (yield from has_steps(response, options.expect)):
            return _content(challenge, options.expect) if captcha.widgets else None
    # The content may be in what is not read of it.
    lacks = bool(options.expect) and not page.is_cut
    if not (is_gate or captcha.widgets or (options.gate and lacks)):
        return None
    return _verdict(response, challenge, is_gate=is_gate, options=options)


def _of_cloudflare(challenge: Challenge, marker: str) -> Challenge:
    """Return *challenge* as that of a page with a *marker* of Cloudflare's."""
    challenge = as_kind(challenge, True, f"It has a marker of Cloudflare's ({marker}).")
    if challenge.sitekey is not None:
        return challenge
    return replace(challenge, needs_scripts=False, solvable=False, reason="no_sitekey")


def _content(challenge: Challenge, expect: str) -> Challenge:
    """Return *challenge* as the widget of a page that has the content."""
    return as_kind(challenge, False, f"It has the content ({expect}).")


def _run(response: TextResponse) -> Scripts:
    """Run the inline scripts of *response*, and wait for it."""
    try:
        return Scripts(reading=visit_once(visit_of(response)))
    except NoEngine as error:
        return Scripts(reason="no_engine", sentence=f"{error}.")


def _filled(form: Form, fields: tuple[str, ...]) -> Form:
    """Return *form* with the token in all of the user's *fields*."""
    names = [name for name in fields if not name.startswith(HEADER)]
    tokens = dict.fromkeys((*form.token_fields, *names)) if names else form.token_fields
    return replace(form, token_fields=tuple(tokens))


def _detect_demand(
    response: TextResponse, options: RequestOptions, *, named: bool
) -> Challenge | None:
    """Read the hCaptcha that a reply of an API demands.

    Args:
        response: that reply.
        options: what the user says of it.
        named: whether it names a captcha.
    """
    demand = read_demand(response, known=options.sitekey is not None)
    if demand is None and named and options.gate and options.sitekey:
        demand = Demand(sitekey=None)  # the user knows better what it says
    if demand is None:
        return _without_key(response, options) if named else None
    weight, evidence = weigh_demand(demand, response)
    challenge = make_challenge(
        response.url,
        options,
        sitekey=demand.sitekey,
        rqdata=demand.rqdata,
        invisible=demand.invisible,
        form=repeat(
            response,
            options.fields or ((demand.field,) if demand.field else ()),
            demand.along,
        ),
        seen="A reply in JSON names hCaptcha.",
    )
    is_gate = weight >= GATE
    sure = confidence_of(weight)
    challenge = replace(
        challenge,
        evidence=(*challenge.evidence, *evidence),
        confidence=sure if is_gate else 1 - sure,
    )
    if options.gate is not None:
        return as_kind(challenge, options.gate, f"The user says gate={options.gate}.")
    if demand.validated and challenge.sitekey is None:
        said = "It is about a field of the form that was sent."
        is_gate, challenge = False, as_kind(challenge, False, said)
    if options.decide is None:
        # JSON that only configures a page is not reported as a widget.
        return as_kind(challenge, is_gate) if weight > 0 else None
    decision = bool(options.decide(response, as_kind(challenge, is_gate)))
    return as_kind(challenge, decision, f"ONECAPTCHA_GATE says {decision}.")


def _without_key(response: TextResponse, options: RequestOptions) -> Challenge | None:
    """Tell what is missing where the user says how the token goes, but not its key."""
    if not options.fields or options.sitekey is not None:
        return None
    demand = read_demand(response, known=True)
    if demand is None or weigh_demand(demand, response)[0] < GATE:
        return None
    form = repeat(response, options.fields, demand.along)
    return Challenge(
        kind="widget",
        url=response.url,
        form=form,
        solvable=False,
        reason="no_sitekey",
        evidence=("A reply in JSON asks for a captcha, and names no sitekey.",),
        advice=f"{response.url} asks for a captcha and names no sitekey: add "
        '"sitekey" to meta["onecaptcha"], beside "field", to have it solved.',
    )


def _verdict(
    response: TextResponse,
    challenge: Challenge,
    *,
    is_gate: bool,
    options: RequestOptions,
) -> Challenge:
    """Let the user's options overrule the evidence."""
    if options.gate is not None:
        return as_kind(challenge, options.gate, f"The user says gate={options.gate}.")
    if options.decide is None:
        return as_kind(challenge, is_gate)
    decision = bool(options.decide(response, as_kind(challenge, is_gate)))
    return as_kind(challenge, decision, f"ONECAPTCHA_GATE says {decision}.")
