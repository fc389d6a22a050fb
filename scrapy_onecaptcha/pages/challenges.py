"""Makes the challenge of a page or reply: all that a solve of its hCaptcha needs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from scrapy_onecaptcha.models import MAX_RQDATA, Challenge, valid_sitekey
from scrapy_onecaptcha.pages.purpose import key_in_query
from scrapy_onecaptcha.pages.scripted import (
    SUBMISSION_REASONS,
    Scripts,
    explain,
    rendered_widget,
)

if TYPE_CHECKING:
    from scrapy_onecaptcha.models import Form, Reason
    from scrapy_onecaptcha.pages.html import Page
    from scrapy_onecaptcha.pages.plan import Plan
    from scrapy_onecaptcha.pages.widgets import Captcha
    from scrapy_onecaptcha.request_options import RequestOptions

__all__ = ["as_kind", "make_challenge", "of_page"]

_PROOF_OF_WORK = re.compile(
    r"argon2|hashcash|proof-?of-?work|altcha|mcaptcha|/pow[./-]"
)


def as_kind(challenge: Challenge, is_gate: bool, sentence: str = "") -> Challenge:
    """Return *challenge* as a gate or a widget.

    A widget needs no form: the caller who asks for its token sends it.

    Args:
        challenge: as it was weighed.
        is_gate: whether it is a gate.
        sentence: what says so outright, and overrules what was weighed.
    """
    if sentence:
        evidence = (*challenge.evidence, sentence)
        challenge = replace(challenge, evidence=evidence, confidence=1.0)
    if is_gate:
        return replace(challenge, kind="gate")
    reason = None if challenge.reason in SUBMISSION_REASONS else challenge.reason
    return replace(
        challenge,
        kind="widget",
        solvable=reason is None,
        reason=reason,
        needs_scripts=challenge.needs_scripts and challenge.sitekey is None,
    )


def of_page(
    page: Page,
    captcha: Captcha,
    plan: Plan,
    options: RequestOptions,
    scripts: Scripts | None,
) -> Challenge:
    """Return the challenge of *page*, as if it were a gate.

    Args:
        page: the page as a tree.
        captcha: what it shows of hCaptcha.
        plan: how it takes its token.
        options: the user's word.
        scripts: what its scripts do, where they were run.
    """
    shown = captcha.widget
    reading = scripts.reading if scripts else None
    rendered = rendered_widget(reading) if reading else None
    keys = [w.sitekey for w in (rendered, shown) if w and w.sitekey]
    key = next(filter(valid_sitekey, keys), keys[0] if keys else None)
    if (shown or rendered) and not valid_sitekey(key):
        key = key_in_query(page) or key
    widget = rendered or shown
    challenge = make_challenge(
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


def make_challenge(
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
    # Not by "|": libxml2 compares each node of one side with all of the other.
    if page.root.xpath(
        "boolean(//@data-pow) or boolean(//input[@name='pow_response'])"
    ):
        return True
    sources = page.root.xpath("//script/@src")[:100]
    return any(_PROOF_OF_WORK.search(source.lower()) for source in sources)
