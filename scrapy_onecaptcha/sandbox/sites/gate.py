"""What one gate is like, as data. Sites are put together from this."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Literal

__all__ = ["CHALLENGE_PATH", "SCRIPT_PATH", "Gate"]

CHALLENGE_PATH = "/challenge"
"""Where a gate lives that pages redirect to, unless it says otherwise."""

SCRIPT_PATH = "/static/gate.js"
"""Where the script of a *bundled* gate is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate: its page, what it checks, what it grants.

    Attributes:
        sitekey: a UUID.
        heading: of the gate page.
        widget: ``container`` (``div.h-captcha``), ``element`` (``<h-captcha>``, whose
            token a person sends by the button), ``explicit`` (``hcaptcha.render`` in an
            inline script), ``invisible`` (a container of that size) or ``button``
            (``button.h-captcha``, which is always invisible).
        sender: ``form``, or ``xhr``: there is no form, the widget's callback sends the
            token to *action* itself.
        bundled: whether the page loads that callback from a file, `SCRIPT_PATH`.
        dressed: whether the gate stands in the site's own layout, its heading that of
            any page, and does not say that it checks anything.
        rqdata: whether each page hands a fresh one-time value to its widget, by script.
        compat: whether the widget also fills ``g-recaptcha-response``, as hCaptcha's
            does unless it is loaded with ``recaptchacompat=off``.
        token_field: a hidden field that the widget's callback fills; the widget then
            stands outside of the form, whose only token this is.
        needs_resp_key: whether the form has a field ``respKey``, for what the service
            returned under that name.
        method: of the form.
        enctype: of the form.
        action: of the form; ``""`` is the page's own URL.
        spelled_action: whether that URL is spelled out, ``&`` as ``&#038;``.
        status: of the gate page.
        charset: of the gate page, so of what its form sends.
        state: value of a hidden field that must come back byte for byte (a line break
            also as CR LF, which is what browsers make of it); ``""`` for no field.
        constants: names and values of further hidden fields, likewise.
        ticket_field: name of the one-time hidden field, if there is one:
        nonce: it belongs to nothing else;
        csrf: whether there is a one-time hidden field that belongs to a cookie. As in
            Django and PHP the cookie is set where the request brought none.
        bound: whether there is a one-time hidden field that holds for the path and the
            User-Agent of the request for the gate page only.
        honeypot: whether there is a text field, hidden by CSS, that must come back
            empty.
        honeypot_field: its name.
        proof_of_work: whether its form takes a proof of work besides, made by a script
            of another file.
        page_seconds: how long one-time fields live, and a page *by_address*.
        own_forms: whether the content has captcha forms of its own: what a cleared
            visitor submits goes to the content.
        by_address: whether the page asked for is remembered by the remote address, for
            want of a field or cookie: the last one counts, without its query. What a
            cleared address submits goes to the content.
        html_only: whether it says ``Forbidden`` to those whose Accept has no html.
        check_headers: whether ``Referer``, and ``Origin`` of a POST, must name it.
        entered: ``in place`` of the page, or by ``redirect`` to its entrance.
        entrance: path that such a redirect leads to, the page asked for as ``?next=…``.
        answer: what a right submission gets: a ``redirect`` to the first URI, its
            ``content``, ``json``, ``204``, a ``thanks`` page or the ``word`` ``good``
            (and ``bad`` for a wrong one).
        redirect_status: of that redirect.
        grants: ``cookie`` (bound to the User-Agent that the token was solved for, and
            to nothing else), ``ip`` (per remote address) or ``nothing``: then a
            redirect leads to a URL that carries a pass for one request.
        clearance_seconds: how long what is granted holds; ``None`` for ever.
        clearance_pages: for how many pages it holds; ``None`` for any number.
    """

    sitekey: str
    heading: str = "Checking that you are human"
    widget: Literal["container", "element", "explicit", "invisible", "button"] = (
        "container"
    )
    sender: Literal["form", "xhr"] = "form"
    bundled: bool = False
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
    entered: Literal["in place", "redirect"] = "in place"
    entrance: str = CHALLENGE_PATH
    answer: Literal["redirect", "content", "json", "204", "thanks", "word"] = "redirect"
    redirect_status: Literal[302, 303] = 302
    grants: Literal["cookie", "ip", "nothing"] = "cookie"
    clearance_seconds: float | None = None
    clearance_pages: int | None = None

    def __post_init__(self) -> None:
        codecs.lookup(self.charset)
        self.state.encode(self.charset)
        if self.method == "GET" and self.enctype == "multipart/form-data":
            raise ValueError("a GET form has no enctype")
        if self.grants == "nothing" and self.answer not in ("redirect", "content"):
            raise ValueError(f"answer={self.answer!r} and no grant: no way to the page")
        if self.sender == "xhr" and (
            self.ticketed or not self.action or self.method == "GET"
        ):
            raise ValueError("an XHR is a POST of the token to a path of its own")
        if self.bundled and self.sender != "xhr":
            raise ValueError("bundled=True: only an XHR is sent by a file of its own")
        if self.by_address and (self.ticketed or self.names_next):
            raise ValueError("by_address=True: no field is needed")

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
    def names_next(self) -> bool:
        """Whether the form says in a field which page was asked for.

        Its own URL says so otherwise; a GET form replaces the query of that URL.
        """
        return self.sender == "form" and (bool(self.action) or self.method == "GET")

    @property
    def token_fields(self) -> tuple[str, ...]:
        """The fields that a browser would send the token in."""
        if self.token_field:
            return (self.token_field,)
        both = self.compat and self.sender == "form"
        compat = ("g-recaptcha-response",) if both else ()
        return ("h-captcha-response", *compat)
