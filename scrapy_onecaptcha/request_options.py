"""The options of one request, from ``meta["onecaptcha"]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as data
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha._values import (
    ATTEMPTS,
    HEADER,
    SELECTOR,
    SUBMITTER,
    Row,
    boolean,
    function,
    is_settable,
    shown_as,
    text,
    uuid,
)
from scrapy_onecaptcha.models import MAX_RQDATA

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha.models import Challenge

#: The key of ``request.meta`` under which this package keeps its own notes.
NOTES = "_onecaptcha"

MAX_FIELDS = 8

__all__ = ["KEYS", "NOTES", "UNSET", "RequestOptions"]


def _token_fields(value: Any) -> str | tuple[str, ...]:
    """Accept the name of a field, or a list of them."""
    if isinstance(value, str):
        return _token_field(value)
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MAX_FIELDS:
        raise ValueError
    return tuple(dict.fromkeys(map(_token_field, value)))


def _token_field(value: Any) -> str:
    """Accept the name of a field, or ``header:`` and that of a header."""
    name = text(200)(value)
    if name.startswith(HEADER) and not is_settable(name.removeprefix(HEADER)):
        raise ValueError
    return name


#: Every key of ``meta["onecaptcha"]``. As in Scrapy's settings, ``None`` is unset.
KEYS: Mapping[str, Row] = MappingProxyType(
    {
        "gate": Row(parse=boolean, allowed="True or False"),
        "expect": SELECTOR,
        "sitekey": Row(parse=uuid, allowed="a UUID"),
        "rqdata": Row(
            parse=text(MAX_RQDATA),
            allowed=f"one line of at most {MAX_RQDATA} characters",
            secret=True,
        ),
        "invisible": Row(parse=boolean, allowed="True or False"),
        "field": Row(
            parse=_token_fields,
            allowed='the name of a field, or "header:" and the name of a header that '
            "a script may set, or a list of them",
        ),
        "submitter": Row(
            parse=function, allowed=f"{SUBMITTER}, or the dotted path of one"
        ),
        "max_attempts": ATTEMPTS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOptions:
    """The options of one request: ``meta["onecaptcha"]`` and the crawl's defaults.

    They overrule what is seen in the page.

    Attributes:
        enabled: whether the middleware may look at this request at all.
        gate: the user's verdict; ``None``: detect it. ``gate=True`` alone never turns a
            page without an hCaptcha into a gate. Together with *expect* it does so when
            the page does not match the selector.
        expect: CSS selector of the real content: a page that has it is no gate, and one
            that has an hCaptcha and lacks it is one.
        decide: the setting ``ONECAPTCHA_GATE``.
        sitekey: in place of the one that the page shows; a UUID in lower case.
        rqdata: in place of the page's.
        invisible: in place of what the page says.
        field: where the token goes: the name of a form's field or of a key in a JSON
            body (``a.b`` for ``b`` within ``a``), or, as ``header:x-captcha-response``,
            a header of the repeated request. Of several the others take what the reply
            sends along (an ``rqtoken``); in a form all of them take the token.
        submitter: builds the submission, in place of ours.
        max_attempts: tasks for this page.
    """

    enabled: bool = True
    gate: bool | None = None
    expect: str | None = None
    decide: Callable[[Response, Challenge], bool] | None = None
    sitekey: str | None = None
    rqdata: str | None = data(default=None, repr=False)
    invisible: bool | None = None
    field: str | tuple[str, ...] | None = None
    submitter: Callable[..., Any] | None = None
    max_attempts: int = ATTEMPTS.default

    @property
    def fields(self) -> tuple[str, ...]:
        """Where the token goes, and what goes along with it."""
        if self.field is None:
            return ()
        return (self.field,) if isinstance(self.field, str) else self.field

    @property
    def token_field(self) -> str | None:
        """Where the token goes, first of all."""
        return next(iter(self.fields), None)

    @classmethod
    def of(cls, request: Request, defaults: RequestOptions) -> RequestOptions:
        """Return what *request* says of itself, as `from_meta` does."""
        return cls.from_meta(request.meta.get("onecaptcha"), defaults)

    @classmethod
    def from_meta(cls, value: Any, defaults: RequestOptions) -> RequestOptions:
        """Parse the value of ``meta["onecaptcha"]``; ``None`` where there is none.

        Args:
            value: as the request has it.
            defaults: the crawl's.

        Raises:
            ValueError: names the key, its value and what is allowed.
        """
        if value is None or value is True:
            return defaults
        if value is False:
            return replace(defaults, enabled=False)
        name = 'meta["onecaptcha"]'
        if not isinstance(value, Mapping):
            raise ValueError(  # noqa: TRY004  # one type for every bad value
                f"{name} is {shown_as(value)}; allowed: True, False, or a dict of "
                f"{', '.join(KEYS)}."
            )
        given: dict[str, Any] = {}
        for key, entry in value.items():
            if key not in KEYS:
                raise ValueError(
                    f"{name} has the key {shown_as(key)}; allowed: {', '.join(KEYS)}."
                )
            if entry is not None:
                given[key] = KEYS[key].read(f'{name}["{key}"]', entry)
        return replace(defaults, **given)


#: The options of a request without any, in a crawl without any.
UNSET = RequestOptions()
