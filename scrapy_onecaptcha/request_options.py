"""What one request says in ``meta["onecaptcha"]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as data
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha._headers import HEADER, is_settable
from scrapy_onecaptcha._values import (
    ATTEMPTS,
    SELECTOR,
    SUBMITTER,
    Row,
    boolean,
    function,
    shown_as,
    text,
    uuid,
)

if TYPE_CHECKING:
    from scrapy_onecaptcha.settings import Config

__all__ = ["KEYS", "RequestOptions"]

MAX_RQDATA = 16 * 1024  # characters


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
            parse=_token_field,
            allowed='the name of a field, or "header:" and the name of a header that '
            "a script may set",
        ),
        "submitter": Row(
            parse=function, allowed=f"{SUBMITTER}, or the dotted path of one"
        ),
        "max_attempts": ATTEMPTS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOptions:
    """What one request says in ``meta["onecaptcha"]``, the crawl's defaults applied.

    Attributes:
        enabled: whether the middleware may look at this request at all.
        gate: the user's word that its page is a gate, or is none; ``None``: detect it.
        expect: CSS selector of the real content.
        sitekey: in place of the one that the page shows; a UUID in lower case.
        rqdata: in place of the page's.
        invisible: in place of what the page says.
        field: where the token goes: the name of a form's field or of a key in a JSON
            body (``a.b`` for ``b`` within ``a``), or, as ``header:x-captcha-response``,
            a header of the request repeated.
        submitter: builds the submission, in place of ours.
        max_attempts: tasks for this page.
    """

    enabled: bool = True
    gate: bool | None = None
    expect: str | None = None
    sitekey: str | None = None
    rqdata: str | None = data(default=None, repr=False)
    invisible: bool | None = None
    field: str | None = None
    submitter: Callable[..., Any] | None = None
    max_attempts: int

    @classmethod
    def from_meta(cls, value: Any, config: Config) -> RequestOptions:
        """Parse the value of ``meta["onecaptcha"]``; ``None`` where there is none.

        Raises:
            ValueError: names the key, its value and what is allowed.
        """
        if value is None or value is True:
            return config.options
        if value is False:
            return config.ignored
        name = 'meta["onecaptcha"]'
        if not isinstance(value, Mapping):
            raise ValueError(  # noqa: TRY004  # one type for every bad value
                f"{name} is {shown_as(value)}; allowed: True, False, or a dict of "
                f"{', '.join(KEYS)}."
            )
        given: dict[str, Any] = {
            "expect": config.expect,
            "max_attempts": config.max_attempts,
        }
        for key, entry in value.items():
            if key not in KEYS:
                raise ValueError(
                    f"{name} has the key {shown_as(key)}; allowed: {', '.join(KEYS)}."
                )
            if entry is not None:
                given[key] = KEYS[key].read(f'{name}["{key}"]', entry)
        return cls(**given)
