"""What one gate is like, as data. Sites are put together from this."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Literal

__all__ = ["CHALLENGE_PATH", "Gate"]

CHALLENGE_PATH = "/challenge"
"""Where a gate lives that pages redirect to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate: its page, what it checks, what it grants.

    Attributes:
        sitekey: a UUID.
        widget: ``container`` (``div.h-captcha``), ``explicit`` (``hcaptcha.render`` in
            an inline script), ``invisible`` (a container of that size) or ``button``
            (``button.h-captcha``, which is always invisible).
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
        status: of the gate page.
        charset: of the gate page, so of what its form sends.
        state: value of a hidden field that must come back byte for byte (a line break
            also as CR LF, which is what browsers make of it); ``""`` for no field.
        csrf: whether there is a one-time hidden field that belongs to a cookie. As in
            Django and PHP the cookie is set where the request brought none.
        bound: whether there is a one-time hidden field that holds for the path and the
            User-Agent of the request for the gate page only.
        honeypot: whether there is a text field, hidden by CSS, that must come back
            empty.
        page_seconds: how long one-time fields live.
        check_headers: whether ``Referer``, and ``Origin`` of a POST, must name it.
        entered: ``in place`` of the page, or by ``redirect`` to ``/challenge?next=…``.
        answer: what a right submission gets: a ``redirect`` to the first URI, its
            ``content``, ``json``, ``204`` or a ``thanks`` page.
        redirect_status: of that redirect.
        grants: ``cookie`` (bound to the User-Agent that the token was solved for, and
            to nothing else), ``ip`` (per remote address) or ``nothing``: then a
            redirect leads to a URL that carries a pass for one request.
        clearance_seconds: how long what is granted holds; ``None`` for ever.
        clearance_pages: for how many pages it holds; ``None`` for any number.
    """

    sitekey: str
    widget: Literal["container", "explicit", "invisible", "button"] = "container"
    rqdata: bool = False
    compat: bool = True
    token_field: str = ""
    needs_resp_key: bool = False
    method: Literal["POST", "GET"] = "POST"
    enctype: Literal["application/x-www-form-urlencoded", "multipart/form-data"] = (
        "application/x-www-form-urlencoded"
    )
    action: str = ""
    status: int = 200
    charset: str = "utf-8"
    state: str = ""
    csrf: bool = False
    bound: bool = False
    honeypot: bool = False
    page_seconds: float = 120.0
    check_headers: bool = True
    entered: Literal["in place", "redirect"] = "in place"
    answer: Literal["redirect", "content", "json", "204", "thanks"] = "redirect"
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

    @property
    def invisible(self) -> bool:
        """Whether the widget is the invisible one."""
        return self.widget in ("invisible", "button")

    @property
    def ticketed(self) -> bool:
        """Whether the form has a one-time field."""
        return self.csrf or self.bound or self.rqdata

    @property
    def names_next(self) -> bool:
        """Whether the form says in a field which page was asked for.

        Its own URL says so otherwise; a GET form replaces the query of that URL.
        """
        return bool(self.action) or self.method == "GET"

    @property
    def token_fields(self) -> tuple[str, ...]:
        """The fields that a browser would send the token in."""
        if self.token_field:
            return (self.token_field,)
        compat = ("g-recaptcha-response",) if self.compat else ()
        return ("h-captcha-response", *compat)
