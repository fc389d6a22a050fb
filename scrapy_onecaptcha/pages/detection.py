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
from scrapy_onecaptcha.pages.classifier import judge, may_be_gate
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
from scrapy_onecaptcha.pages.signs import gather, is_shown, survey
from scrapy_onecaptcha.pages.widgets import read_captcha, script_size
from scrapy_onecaptcha.request_options import UNSET, RequestOptions

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.models import Form, Reason
    from scrapy_onecaptcha.pages.html import Page
    from scrapy_onecaptcha.pages.plan import Plan
    from scrapy_onecaptcha.pages.signs import Signs
    from scrapy_onecaptcha.pages.widgets import Captcha

__all__ = ["detect"]

# In characters, of all inline scripts. Larger ones are read only in part at first.
SMALL_SCRIPTS = 16 * 1024
_PROOF_OF_WORK = re.compile(
    r"argon2|hashcash|proof-?of-?work|altcha|mcaptcha|/pow[./-]"
)


def detect(response: Response, options: RequestOptions = UNSET) -> Challenge | None:
    """Read the hCaptcha of *response*, or return ``None`` where it has none.

    Raises:
        Exception: only what ``options.decide`` raises, and ``ValueError`` or
            ``cssselect.SelectorError`` for an ``options.expect`` that is no selector.
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
    seen = survey(response, page, options.expect)
    whole = insists or script_size(page) <= SMALL_SCRIPTS
    captcha, plan, signs = _look(response, page, options, seen, whole=whole)
    if not (captcha.widgets or captcha.api or captcha.place or insists):
        return None
    if not whole and may_be_gate(signs) and is_shown(captcha, signs):
        captcha, plan, signs = _look(response, page, options, seen, whole=True)
    verdict = judge(signs)
    is_gate = verdict.is_gate and is_shown(captcha, signs)
    challenge = _of_page(page, captcha, plan, options)
    evidence = (*challenge.evidence, *verdict.evidence)
    challenge = replace(challenge, evidence=evidence, confidence=verdict.confidence)
    if marker is not None and not captcha.widgets:
        is_gate = True
        challenge = _as(challenge, True, f"It has a marker of Cloudflare's ({marker}).")
    return _verdict(response, challenge, captcha, is_gate=is_gate, options=options)


def _look(
    response: Response,
    page: Page,
    options: RequestOptions,
    seen: Signs,
    *,
    whole: bool,
) -> tuple[Captcha, Plan, Signs]:
    """Read captcha and plan of *page* from all of its scripts or from some."""
    captcha = read_captcha(page, whole=whole)
    plan = make_plan(page, captcha, response, options.token_field)
    if plan.form is not None and plan.form.kind == "form":
        plan = replace(plan, form=_filled(plan.form, options.fields))
    return captcha, plan, gather(seen, page, captcha, plan)


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
    reason = None if challenge.reason == "no_submission" else challenge.reason
    return replace(
        challenge,
        kind="widget",
        solvable=reason is None,
        reason=reason,
        evidence=evidence,
    )


def _of_page(
    page: Page, captcha: Captcha, plan: Plan, options: RequestOptions
) -> Challenge:
    widget = captcha.widget
    key = widget.sitekey if widget else None
    if widget and not valid_sitekey(key):
        key = key_in_query(page) or key
    return _challenge(
        page.url,
        options,
        sitekey=key,
        rqdata=widget.rqdata if widget else None,
        invisible=widget.invisible if widget else False,
        form=plan.form,
        seen=widget.seen if widget else "No widget is in sight.",
        proof_of_work=_wants_proof_of_work(page),
        unsent=plan.form is None and plan.element is not None,
    )


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
    """
    written, rqdata = options.sitekey or sitekey, options.rqdata or rqdata
    known = valid_sitekey(written)
    evidence = [seen]
    reason: Reason | None = None
    if known is None:
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
