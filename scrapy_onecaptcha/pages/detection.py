"""Is this response a gate? A response in, a :class:`Challenge` or ``None`` out.

A *gate* stands in place of the content: it asks for nothing but the captcha. A
*widget* sits in a page whose content is there; a solve for it would be money lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scrapy.http import TextResponse

from scrapy_onecaptcha.models import Challenge, valid_sitekey
from scrapy_onecaptcha.pages.classifier import GATE, gather, weigh
from scrapy_onecaptcha.pages.html import BOM_UTF16, has, is_html, parse
from scrapy_onecaptcha.pages.json_api import is_json, read_demand, weigh_demand
from scrapy_onecaptcha.pages.plan import make_plan
from scrapy_onecaptcha.pages.repeats import repeat
from scrapy_onecaptcha.pages.widgets import read_captcha

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.http import Response

    from scrapy_onecaptcha.models import Form, Reason
    from scrapy_onecaptcha.pages.classifier import Signs
    from scrapy_onecaptcha.pages.html import Page
    from scrapy_onecaptcha.pages.plan import Plan
    from scrapy_onecaptcha.pages.widgets import Captcha

__all__ = ["NO_HINTS", "Hints", "detect"]

# In characters. A longer one is not sent to the service.
MAX_RQDATA = 8192
_PROOF_OF_WORK = re.compile(
    r"argon2|hashcash|proof-?of-?work|altcha|mcaptcha|/pow[./-]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the user said of this page; it overrules what is seen.

    Attributes:
        gate: the user's own verdict on a page with an hCaptcha. It makes no gate of a
            page without one, or what follows a gate could never be the content; only
            together with *expect* does it, where that is lacking.
        expect: CSS selector of the real content: a page that has it is no gate.
        decide: the setting ``ONECAPTCHA_GATE``.
        sitekey: the sitekey, in place of the page's.
        rqdata: the rqdata, in place of the page's.
        invisible: whether the widget is invisible.
        field: name of the field that takes the token.
    """

    gate: bool | None = None
    expect: str | None = None
    decide: Callable[[Response, Challenge], bool] | None = None
    sitekey: str | None = None
    rqdata: str | None = None
    invisible: bool | None = None
    field: str | None = None


NO_HINTS = Hints()


def detect(response: Response, hints: Hints = NO_HINTS) -> Challenge | None:
    """Read the hCaptcha of *response*, or return ``None`` where it has none.

    Raises:
        Exception: only what ``hints.decide`` raises, and ``ValueError`` or
            ``cssselect.SelectorError`` for a ``hints.expect`` that is no selector.
    """
    if not isinstance(response, TextResponse):
        return None
    # The word stands in the script's address and in the container's class alike; in
    # UTF-16 it does not look like this.
    if is_json(response):
        return _detect_demand(response, hints)
    body, insists = response.body, bool(hints.gate and hints.expect)
    if not (_names_it(body) or insists or body.startswith(BOM_UTF16)):
        return None
    page = parse(response) if is_html(response) else None
    if page is None:
        return None
    captcha = read_captcha(page)
    if not (captcha.widgets or captcha.api or captcha.place or insists):
        return None
    plan = make_plan(page, captcha, response, hints.field)
    signs = gather(response, page, captcha, plan.element, hints.expect)
    signs = replace(signs, called=plan.called)
    weight, evidence = weigh(signs)
    is_gate = weight >= GATE and _is_shown(captcha, signs)
    challenge = _challenge(page.url, _of_page(page, captcha, plan, hints))
    challenge = replace(challenge, evidence=(*challenge.evidence, *evidence))
    return _verdict(response, challenge, captcha, is_gate=is_gate, hints=hints)


def _names_it(body: bytes) -> bool:
    """Tell whether *body* may hold an hCaptcha: in most pages by a single search.

    The second look spares the pages of other captchas a parse, which costs a hundred
    times as much.
    """
    return b"captcha" in body and any(
        word in body for word in (b"hcaptcha", b"h-captcha", b"secure-api")
    )


def _is_shown(captcha: Captcha, signs: Signs) -> bool:
    """Tell whether the page itself shows a captcha, or that it wants one.

    The script, a key among the data and an element of that name are part of the layout
    of many a site, and so of the pages on which it is down or puts its visitors off.
    """
    if captcha.certain:
        return True
    if captcha.widgets and not captcha.named:
        return signs.refused
    shown = captcha.place or captcha.box or signs.asks
    if captcha.named:
        return shown or signs.led_from is not None
    return shown and signs.refused


def _detect_demand(response: TextResponse, hints: Hints) -> Challenge | None:
    """Read the hCaptcha that a reply of an API demands."""
    # In any case: what names no captcha is not worth a parse, unless it answers one.
    named = b"aptcha" in response.body or b"APTCHA" in response.body
    if not named and hints.sitekey is None:
        return None
    demand = read_demand(response, known=hints.sitekey is not None)
    if demand is None:
        return None
    weight, evidence = weigh_demand(demand, response)
    form = repeat(response, hints.field or demand.field, demand.along)
    asks = _Asks(
        written=hints.sitekey or demand.sitekey,
        rqdata=hints.rqdata or demand.rqdata,
        invisible=demand.invisible if hints.invisible is None else hints.invisible,
        form=form,
        seen="A reply in JSON names hCaptcha.",
    )
    challenge = _challenge(response.url, asks)
    challenge = replace(challenge, evidence=(*challenge.evidence, *evidence))
    if hints.gate is not None:
        return _as(challenge, hints.gate, f"The user says gate={hints.gate}.")
    is_gate = weight >= GATE
    if hints.decide is None:
        # What configures a page is not worth a word.
        return _as(challenge, is_gate) if weight > 0 else None
    decision = bool(hints.decide(response, _as(challenge, is_gate)))
    return _as(challenge, decision, f"ONECAPTCHA_GATE says {decision}.")


def _verdict(
    response: TextResponse,
    challenge: Challenge,
    captcha: Captcha,
    *,
    is_gate: bool,
    hints: Hints,
) -> Challenge | None:
    """Let the user's word stand above the evidence."""
    if hints.expect and has(response, hints.expect):
        content = _as(challenge, False, f"It has the content ({hints.expect}).")
        return content if captcha.widgets else None
    if not (is_gate or captcha.widgets or (hints.gate and hints.expect)):
        return None
    if hints.gate is not None:
        return _as(challenge, hints.gate, f"The user says gate={hints.gate}.")
    if hints.decide is None:
        return _as(challenge, is_gate)
    decision = bool(hints.decide(response, _as(challenge, is_gate)))
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asks:
    """What a page or reply asks for, the user's word put above its own.

    ``unsent``: there is a form, but it cannot be sent.
    """

    written: str | None
    rqdata: str | None
    invisible: bool
    form: Form | None
    seen: str
    proof_of_work: bool = False
    unsent: bool = False


def _of_page(page: Page, captcha: Captcha, plan: Plan, hints: Hints) -> _Asks:
    widget = captcha.widget
    invisible = widget.invisible if widget else False
    return _Asks(
        written=hints.sitekey or (widget.sitekey if widget else None),
        rqdata=hints.rqdata or (widget.rqdata if widget else None),
        invisible=invisible if hints.invisible is None else hints.invisible,
        form=plan.form,
        seen=widget.seen if widget else "No widget is in sight.",
        proof_of_work=_wants_proof_of_work(page),
        unsent=plan.form is None and plan.element is not None,
    )


def _challenge(url: str, asks: _Asks) -> Challenge:
    """Put together what a solve of the page would need, as if it were a gate."""
    written, rqdata = asks.written, asks.rqdata
    sitekey = valid_sitekey(written)
    evidence = [asks.seen]
    reason: Reason | None = None
    if sitekey is None:
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
    elif asks.proof_of_work:
        reason = "proof_of_work"
        evidence.append("It wants a proof of work as well.")
    elif asks.form is None:
        reason = "no_submission"
        evidence.append(
            "Its form is too large to be sent whole, or leads to no web address."
            if asks.unsent
            else "No way to send a token is in sight."
        )
    return Challenge(
        kind="gate",
        url=url,
        sitekey=sitekey,
        invisible=asks.invisible,
        rqdata=rqdata,
        form=asks.form,
        solvable=reason is None,
        reason=reason,
        evidence=tuple(evidence),
    )


def _wants_proof_of_work(page: Page) -> bool:
    if page.root.xpath("boolean(//@data-pow | //input[@name='pow_response'])"):
        return True
    sources = page.root.xpath("//script/@src")[:100]
    return any(_PROOF_OF_WORK.search(source.lower()) for source in sources)
