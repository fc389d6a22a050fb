"""The description of one gate, as data. `GatedSite` behaves as it says."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Literal

__all__ = ["CHALLENGE_PATH", "SCRIPT_PATH", "Answer", "Gate"]

CHALLENGE_PATH = "/challenge"
"""The default path of a gate that pages redirect to."""

SCRIPT_PATH = "/static/gate.js"
"""The path of the script of a *bundled* gate."""

Answer = Literal[
    "redirect",
    "content",
    "json",
    "204",
    "thanks",
    "word",
    "meta-refresh",
    "refresh-header",
    "location-replace",
    "empty",
    "gate",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate: its page, the checks of a submission, and the clearance that follows.

    Attributes:
        sitekey: a UUID.
        heading: heading of the gate page.
        widget: ``container`` (``div.h-captcha``), ``element`` (``<h-captcha>``; a
            person presses the button), ``explicit`` (``hcaptcha.render`` in an inline
            script), ``invisible`` (a container of that size) or ``button``
            (``button.h-captcha``, which is always invisible).
        sender: ``form``, or ``xhr``: there is no form, the widget's callback sends the
            token to *action*.
        bundled: whether the page loads that callback from a file, `SCRIPT_PATH`.
        token_header: name of a request header that carries the token of such a
            callback; ``""``: the token is a form field.
        dressed: whether the gate has the site's own layout and an ordinary heading, and
            does not say that it checks anything.
        rqdata: whether each page gives a fresh one-time value to its widget, by script.
        compat: whether the widget also fills ``g-recaptcha-response``, as hCaptcha's
            does unless it is loaded with ``recaptchacompat=off``.
        token_field: a hidden field that the widget's callback fills; the widget is then
            outside of the form, and the form has no other token field.
        needs_resp_key: whether the form has a field ``respKey`` for the service's value
            of that name.
        method: method of the form.
        enctype: encoding of the form.
        action: action of the form; ``""`` is the page's own URL.
        spelled_action: whether that URL is written out, with ``&`` as ``&#038;``.
        drops_query: whether a GET form does not say which page was asked for, so that
            the query of that page is lost.
        status: status of the gate page.
        charset: encoding of the gate page, and so of its form.
        state: value of a hidden field that must come back byte for byte (browsers make
            CR LF of a line break); ``""`` for no field.
        constants: names and values of further hidden fields, likewise.
        ticket_field: name of the one-time hidden field, if there is one.
        nonce: whether there is a one-time hidden field that is bound to nothing else.
        csrf: whether there is a one-time hidden field that is bound to a cookie. The
            cookie is set where the request brought none, as Django and PHP do.
        bound: whether there is a one-time hidden field that is valid only for the path
            and the User-Agent of the request for the gate page.
        honeypot: whether there is a text field, hidden by CSS, that must stay empty.
        honeypot_field: its name.
        proof_of_work: whether the form also takes a proof of work, made by a script in
            another file.
        page_seconds: lifetime of one-time fields, and of a page *by_address*.
        own_forms: whether the content has captcha forms of its own: a submission of a
            cleared client goes to the content.
        by_address: whether the site remembers the asked page by the client's address,
            because it has no field or cookie for it: the last page counts, without its
            query. A submission of a cleared address goes to the content.
        html_only: whether the answer is ``Forbidden`` where Accept has no html.
        check_headers: whether Referer, and Origin of a POST, must name the site.
        free_paths: beginnings of paths that need no clearance.
        refused_paths: beginnings of paths that are never opened: each token that is
            submitted for them is refused.
        own_captcha: beginning of the paths that ask each client for a token of their
            own, cleared or not, and answer it with the content; ``""`` for none.
        hangs_up: whether the site closes the connection after it has read and used a
            token, without an answer.
        entered: ``in place`` of the page, or by ``redirect`` to *entrance*.
        entrance: path of a gate that is entered by a redirect.
        names_page: whether that redirect names the asked page, as ``?next=…``.
        remembers: the page to which a passed gate at *entrance* leads: the one that
            ``next`` names, or the ``session``'s last gated page.
        cleared: what *entrance* answers to a cleared client: it ``leads on`` to that
            page, or says ``verified``, with status 200.
        answer: the answer to a right submission: a ``redirect`` to the asked page, its
            ``content``, ``json``, ``204``, ``thanks`` (a page with a link), the
            ``word`` ``good`` (and ``bad`` for a wrong one), a page with
            ``meta-refresh``, a ``refresh-header`` or a script with
            ``location-replace``, an ``empty`` page, or the ``gate`` again with
            ``Refresh: 0``.
        redirect_status: status of that redirect.
        grants: ``cookie`` (bound to the User-Agent of the token, and to nothing else),
            ``ip`` (for the client's address), ``pass`` (a query parameter that is good
            on each page) or ``nothing``: then a redirect leads to a URL with a pass for
            one request.
        clearance_scope: where a clearance by cookie is good: the whole ``site``; the
            ``path`` of one section (the cookie's Path); a ``section``, which the server
            keeps beside the client's cookie; or all hosts of a ``domain``. The section
            of ``/music/page/1`` is ``music``.
        clearance_seconds: how long a clearance is good; ``None`` for ever.
        clearance_pages: for how many pages it is good; ``None`` for any number.
        clearance_delay: seconds until a clearance begins to work.
    """

    sitekey: str
    heading: str = "Checking that you are human"
    widget: Literal["container", "element", "explicit", "invisible", "button"] = (
        "container"
    )
    sender: Literal["form", "xhr"] = "form"
    bundled: bool = False
    token_header: str = ""
    dressed: bool = False
    rqdata: bool = False
    compat: bool = True
    token_field: str = ""
    needs_resp_key: bool = False
    method: Literal["POST", "GET"] = "POST"
    enctype: Literal["application/x-www-form-urlencoded", "multipart/form-data"] = (
        "application/x-www-form-urlencoded"
    )
    action: str = ""
    spelled_action: bool = False
    drops_query: bool = False
    status: int = 200
    charset: str = "utf-8"
    state: str = ""
    constants: tuple[tuple[str, str], ...] = ()
    ticket_field: str = "ticket"
    nonce: bool = False
    csrf: bool = False
    bound: bool = False
    honeypot: bool = False
    honeypot_field: str = "website_url"
    proof_of_work: bool = False
    page_seconds: float = 120.0
    own_forms: bool = False
    by_address: bool = False
    html_only: bool = False
    check_headers: bool = True
    free_paths: tuple[str, ...] = ()
    refused_paths: tuple[str, ...] = ()
    own_captcha: str = ""
    hangs_up: bool = False
    entered: Literal["in place", "redirect"] = "in place"
    entrance: str = CHALLENGE_PATH
    names_page: bool = True
    remembers: Literal["next", "session"] = "next"
    cleared: Literal["leads on", "verified"] = "leads on"
    answer: Answer = "redirect"
    redirect_status: Literal[302, 303] = 302
    grants: Literal["cookie", "ip", "pass", "nothing"] = "cookie"
    clearance_scope: Literal["site", "path", "section", "domain"] = "site"
    clearance_seconds: float | None = None
    clearance_pages: int | None = None
    clearance_delay: float = 0.0

    def __post_init__(self) -> None:
        codecs.lookup(self.charset)
        self.state.encode(self.charset)
        for is_wrong, why in self._contradictions():
            if is_wrong:
                raise ValueError(why)

    def _contradictions(self) -> tuple[tuple[bool, str], ...]:
        by_get = self.method == "GET"
        lost = self.grants == "nothing" and self.answer not in ("redirect", "content")
        no_xhr = self.ticketed or not self.action or by_get
        kept = self.remembers == "session" or not self.names_page
        return (
            (by_get and self.enctype == "multipart/form-data", "GET has no enctype"),
            (lost, f"answer={self.answer!r} and no grant: no way to the page"),
            (
                self.grants == "pass" and self.answer != "redirect",
                "grants='pass' needs answer='redirect'",
            ),
            (
                self.sender == "xhr" and no_xhr,
                "sender='xhr' is a POST of the token alone, to an action",
            ),
            (
                self.sender != "xhr" and (self.bundled or bool(self.token_header)),
                "bundled and token_header need sender='xhr'",
            ),
            (
                self.by_address and (self.ticketed or self.names_next),
                "by_address=True needs no field",
            ),
            (
                self.drops_query and not by_get,
                "drops_query=True needs method='GET'",
            ),
            (
                kept and self.entered != "redirect",
                "a session's page needs entered='redirect'",
            ),
            (
                self.clearance_scope != "site" and self.grants != "cookie",
                "clearance_scope needs grants='cookie'",
            ),
        )

    @property
    def invisible(self) -> bool:
        """Whether the widget is the invisible one."""
        return self.widget in ("invisible", "button")

    @property
    def ticketed(self) -> bool:
        """Whether the form has a one-time field."""
        reasons = (self.nonce, self.csrf, self.bound, self.rqdata, self.proof_of_work)
        return any(reasons)

    @property
    def by_session(self) -> bool:
        """Whether the site keeps the asked page with the client's session."""
        return self.remembers == "session" or not self.names_page

    @property
    def names_next(self) -> bool:
        """Whether the form says in a field which page was asked for.

        A POST form without an action says it by its own URL; a GET form replaces the
        query of that URL.
        """
        if self.drops_query or self.by_session:
            return False
        return self.sender == "form" and (bool(self.action) or self.method == "GET")

    @property
    def token_fields(self) -> tuple[str, ...]:
        """The fields in which a browser would send the token."""
        if self.token_field:
            return (self.token_field,)
        both = self.compat and self.sender == "form"
        compat = ("g-recaptcha-response",) if both else ()
        return ("h-captcha-response", *compat)
