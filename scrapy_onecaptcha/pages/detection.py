"""Is this response a gate? A response in, a :class:`Challenge` or ``None`` out.

A *gate* stands in place of the content: it asks for nothing but the captcha. A
*widget* is part of a page whose content is there; a solve for it would waste money.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from scrapy.http import TextResponse

from scrapy_onecaptcha._values import HEADER
from scrapy_onecaptcha.models import MAX_RQDATA, Challenge, valid_sitekey
from scrapy_onecaptcha.pages.classifier import judge
from scrapy_onecaptcha.pages.cloudflare import marker_of
from scrapy_onecaptcha.pages.html import BOM_UTF16, has, is_html, parse
from scrapy_onecaptcha.pages.json_api import (
    GATE,
    Demand,
    is_json,
    read_demand,
    weigh_demand,
)
from scrapy_onecaptcha.pages.mentions import may_hold_widget
from scrapy_onecaptcha.pages.plan import make_plan
from scrapy_onecaptcha.pages.purpose import key_in_query
from scrapy_onecaptcha.pages.repeats import repeat
from scrapy_onecaptcha.pages.scripted import (
    SUBMISSION_REASONS,
    Scripts,
    explain,
    rendered_widget,
    visit_of,
)
from scrapy_onecaptcha.pages.signs import gather, is_shown, survey
from scrapy_onecaptcha.pages.widgets import read_captcha
from scrapy_onecaptcha.request_options import UNSET, RequestOptions
from scrapy_onecaptcha.scripts.child import NoEngine
from scrapy_onecaptcha.scripts.pool import visit_once

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.models import Form, Reason
    from scrapy_onecaptcha.pages.html import Page
    from scrapy_onecaptcha.pages.plan import Plan
    from scrapy_onecaptcha.pages.widgets import Captcha

__all__ = ["detect", "detect_again", "detect_with"]

_PROOF_OF_WORK = re.compile(
    r"argon2|hashcash|proof-?of-?work|altcha|mcaptcha|/pow[./-]"
)


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
    return detect_again(response, options, challenge, _run(response))


def detect_again(
    response: Response, options: RequestOptions, known: Challenge, scripts: Scripts
) -> Challenge | None:
    """Read *response* once more, now that its scripts were run.

    What the user's own function made of it stands: it is asked once.

    Args:
        response: the page.
        options: what the user says of it.
        known: what was read without its scripts.
        scripts: what they do.
    """
    if options.decide is not None:
        is_gate = known.kind == "gate"
        options = replace(options, decide=lambda *_: is_gate)
    return detect_with(response, options, scripts)


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
    if not isinstance(response, TextResponse):
        return None
    if is_json(response):
        return _detect_demand(response, options)
    body, marker = response.body, marker_of(response.body)
    insists = bool(options.gate and options.expect) or marker is not None
    # In UTF-16 no word looks like its bytes.
    if not (may_hold_widget(body) or insists or body.startswith(BOM_UTF16)):
        return None
    page = parse(response) if is_html(response) else None
    if page is None:
        return None
    captcha = read_captcha(page)
    rendered = bool(scripts and scripts.reading and scripts.reading.widgets)
    if not (captcha.widgets or captcha.api or captcha.place or insists or rendered):
        return None
    plan = make_plan(page, captcha, response, options.token_field, scripts)
    if plan.form is not None and plan.form.kind == "form":
        plan = replace(plan, form=_filled(plan.form, options.fields))
    signs = gather(survey(response, page, options.expect), page, captcha, plan)
    verdict = judge(signs)
    is_gate = verdict.is_gate and (is_shown(captcha, signs) or rendered)
    challenge = _of_page(page, captcha, plan, options, scripts)
    evidence = (*challenge.evidence, *verdict.evidence)
    challenge = replace(challenge, evidence=evidence, confidence=verdict.confidence)
    if marker is not None and not captcha.widgets:
        is_gate = True
        challenge = _as(challenge, True, f"It has a marker of Cloudflare's ({marker}).")
        if challenge.sitekey is None:
            challenge = replace(
                challenge, needs_scripts=False, solvable=False, reason="no_sitekey"
            )
    return _verdict(response, challenge, captcha, is_gate=is_gate, options=options)


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


def _detect_demand(response: TextResponse, options: RequestOptions) -> Challenge | None:
    """Read the hCaptcha that a reply of an API demands."""
    # In any case: what names no captcha is not worth a parse, unless it answers one.
    named = b"aptcha" in response.body or b"APTCHA" in response.body
    if not named and options.sitekey is None:
        return None
    demand = read_demand(response, known=options.sitekey is not None)
    if demand is None and named and options.gate and options.sitekey:
        demand = Demand(sitekey=None)  # the user knows better what it says
    if demand is None:
        return _without_key(response, options) if named else None
    weight, evidence = weigh_demand(demand, response)
    challenge = _challenge(
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
    challenge = replace(challenge, evidence=(*challenge.evidence, *evidence))
    if options.gate is not None:
        challenge = replace(challenge, confidence=1.0)
        return _as(challenge, options.gate, f"The user says gate={options.gate}.")
    is_gate = weight >= GATE
    if demand.validated and challenge.sitekey is None:
        is_gate = False  # the spider's own form lacked its token
    if options.decide is None:
        # What configures a page is not worth a word.
        return _as(challenge, is_gate) if weight > 0 else None
    decision = bool(options.decide(response, _as(challenge, is_gate)))
    return _as(challenge, decision, f"ONECAPTCHA_GATE says {decision}.")


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
    captcha: Captcha,
    *,
    is_gate: bool,
    options: RequestOptions,
) -> Challenge | None:
    """Let the user's word stand above the evidence."""
    if options.expect and has(response, options.expect):
        challenge = replace(challenge, confidence=1.0)
        content = _as(challenge, False, f"It has the content ({options.expect}).")
        return content if captcha.widgets else None
    if not (is_gate or captcha.widgets or (options.gate and options.expect)):
        return None
    if options.gate is not None:
        challenge = replace(challenge, confidence=1.0)
        return _as(challenge, options.gate, f"The user says gate={options.gate}.")
    if options.decide is None:
        return _as(challenge, is_gate)
    decision = bool(options.decide(response, _as(challenge, is_gate)))
    return _as(challenge, decision, f"ONECAPTCHA_GATE says {decision}.")


def _as(challenge: Challenge, is_gate: bool, sentence: str = "") -> Challenge:
    """Return *challenge* as a gate or a widget, with what made it one.

    A widget needs no form: whoever asks for its token sends it by himself.
    """
    evidence = (*challenge.evidence, sentence) if sentence else challenge.evidence
    if is_gate:
        return replace(challenge, kind="gate", evidence=evidence)
    reason = None if challenge.reason in SUBMISSION_REASONS else challenge.reason
    return replace(
        challenge,
        kind="widget",
        solvable=reason is None,
        reason=reason,
        evidence=evidence,
        needs_scripts=challenge.needs_scripts and challenge.sitekey is None,
    )


def _of_page(
    page: Page,
    captcha: Captcha,
    plan: Plan,
    options: RequestOptions,
    scripts: Scripts | None,
) -> Challenge:
    shown = captcha.widget
    reading = scripts.reading if scripts else None
    rendered = rendered_widget(reading) if reading else None
    keys = [w.sitekey for w in (rendered, shown) if w and w.sitekey]
    key = next(filter(valid_sitekey, keys), keys[0] if keys else None)
    if (shown or rendered) and not valid_sitekey(key):
        key = key_in_query(page) or key
    widget = rendered or shown
    challenge = _challenge(
        page.url,
        options,
        sitekey=key,
        # A script that is not at hand may hand on what the page's data has.
        rqdata=(rendered and rendered.rqdata) or (shown and shown.rqdata) or None,
        invisible=widget.invisible if widget else False,
        form=plan.form,
        seen=shown.seen if shown else "No widget is in sight.",
        proof_of_work=_wants_proof_of_work(page),
        unsent=plan.form is None and plan.element is not None,
        unread=plan.unread,
    )
    if reading is None:
        return replace(challenge, needs_scripts=plan.wants_scripts)
    said = tuple(explain(reading)) if plan.unread is None else ()
    free = reading.cookies if reading.reloads and reading.sending is None else ()
    return replace(challenge, evidence=(*challenge.evidence, *said), free_cookies=free)


def _challenge(
    url: str,
    options: RequestOptions,
    *,
    sitekey: str | None,
    rqdata: str | None,
    invisible: bool,
    form: Form | None,
    seen: str,
    proof_of_work: bool = False,
    unsent: bool = False,
    unread: Scripts | None = None,
) -> Challenge:
    """Put together what a solve would need, as if the page or reply were a gate.

    Args:
        url: of the page.
        options: the user's word, which goes before the page's.
        sitekey: as the page has it.
        rqdata: as the page has it.
        invisible: whether the page has the invisible widget.
        form: how the page takes its token.
        seen: where the widget was seen.
        proof_of_work: whether the page wants one.
        unsent: whether there is a form, but one that cannot be sent.
        unread: why it is not known what the page's scripts do.
    """
    written, rqdata = options.sitekey or sitekey, options.rqdata or rqdata
    known = valid_sitekey(written)
    evidence = [seen]
    reason: Reason | None = None
    if unread is not None and unread.reason:
        evidence.append(unread.sentence)
    if unread is not None and not (known is None and unread.was_run):
        # What is not known may be what its scripts say.
        reason = "proof_of_work" if proof_of_work else unread.reason
    elif known is None:
        reason = "bad_sitekey" if written else "no_sitekey"
        evidence.append(
            f"Its sitekey is no UUID ({written[:40]!r})."
            if written
            else "No sitekey is in sight."
        )
    elif rqdata and len(rqdata) > MAX_RQDATA:
        # Without its rqdata a token is refused: better not to pay for one.
        reason, rqdata = "bad_rqdata", None
        evidence.append(f"Its rqdata is longer than {MAX_RQDATA} characters.")
    elif proof_of_work:
        reason = "proof_of_work"
        evidence.append("It wants a proof of work as well.")
    elif form is None:
        reason = "no_submission"
        evidence.append(
            "Its form is too large to be sent whole, or leads to no web address."
            if unsent
            else "No way to send a token is in sight."
        )
    return Challenge(
        kind="gate",
        url=url,
        sitekey=known,
        invisible=invisible if options.invisible is None else options.invisible,
        rqdata=rqdata,
        form=form,
        solvable=reason is None,
        reason=reason,
        evidence=tuple(evidence),
    )


def _wants_proof_of_work(page: Page) -> bool:
    if page.root.xpath("boolean(//@data-pow | //input[@name='pow_response'])"):
        return True
    sources = page.root.xpath("//script/@src")[:100]
    return any(_PROOF_OF_WORK.search(source.lower()) for source in sources)
