"""Replies of an API that demand an hCaptcha: JSON that names a sitekey.

Shapes of such replies are many and their names differ; what is read here is what they
share: a key that ends in ``sitekey``, an error that says so, a refusing status.
"""

from __future__ import annotations

import dataclasses
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from scrapy.http import JsonResponse, TextResponse

from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha.models import valid_sitekey
from scrapy_onecaptcha.pages import classifier
from scrapy_onecaptcha.pages.classifier import confidence
from scrapy_onecaptcha.pages.encodings import media_type
from scrapy_onecaptcha.pages.json_values import last, leaves, parse_json, plain
from scrapy_onecaptcha.pages.weights import POINTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scrapy.http import Response

    from scrapy_onecaptcha.pages.json_values import Path

__all__ = ["GATE", "Demand", "confidence_of", "is_json", "read_demand", "weigh_demand"]

#: What a reply must weigh to be a gate.
GATE = 4
# Bytes of a reply that may be a demand: a longer one is full of other data.
MAX_DEMAND = 128 * 1024
# Values of a reply that are looked at.
MAX_VALUES = 500
# Values beside the demand that a refusal may have: a request's number, a help page.
LITTLE_DATA = 8

_REFUSING = frozenset({400, 401, 403, 405, 409, 412, 418, 422, 423, 428, 429, 503})
_FIELD = re.compile(r"[\w.\[\]-]{1,100}")
_OTHER_SERVICE = re.compile(r"re-?captcha|turnstile|arkose|funcaptcha|geetest|friendly")
# Places of a sitekey that do not depend on the request.
_CONFIGURATION = re.compile(r"config|settings|options|feature|environment|^env$|public")
_REQUIRED = re.compile(
    r"h?-?captcha[\w\s.:-]{0,40}(?:required|needed|missing|invalid|failed|incorrect|fail)"
    r"|(?:require|need|miss|invalid|solve|complete|verif)[\w\s.:-]{0,40}captcha"
    # hCaptcha's own words for a token that it refuses.
    r"|(?:missing|invalid|expired|already-seen)-input-response",
    re.IGNORECASE,
)
_WANTED = re.compile(r"requir|need|missing|solve|complete", re.IGNORECASE)
_COMPLAINT = re.compile(
    r"required|missing|invalid|incorrect|failed|blank|empty", re.IGNORECASE
)
# The words of a refusal; all else is data.
_VOCABULARY = re.compile(
    r"captcha|sitekey|rqdata|rqtoken|^(?:errors?|messages?|msgs?|details?|titles?|type"
    r"|status(?:code)?|codes?|success|ok|results?|reason|description|service|provider|required"
    r"|instance|request_?id|trace_?id|timestamp|path|challenge|invisible|host|help)$"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a reply says of hCaptcha.

    Attributes:
        sitekey: as the reply has it, or ``None``.
        rqdata: what the site hands to the widget.
        invisible: whether the reply calls the widget invisible.
        field: the field that the token is to go into, where the reply names one; a
            header as ``header:`` and its name.
        along: what else goes back with the token, by name.
        required: whether the reply says that a captcha is wanted.
        configured: whether its sitekey is part of a site's configuration.
        others: how many values have nothing to do with it.
        validated: whether it is a validator's complaint about a field, rather than a
            demand: a client that sent its form without a token gets one.
    """

    sitekey: str | None
    rqdata: str | None = dataclasses.field(default=None, repr=False)
    invisible: bool = False
    field: str | None = None
    along: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    required: bool = False
    configured: bool = False
    others: int = 0
    validated: bool = False


def is_json(response: TextResponse) -> bool:
    """Tell whether *response* is JSON, by its type or by its content."""
    kind = media_type(response)
    if isinstance(response, JsonResponse) or b"json" in kind:
        return True
    body = response.body
    # Scripts that answer in JSON often call it HTML or plain text.
    if len(body) > MAX_DEMAND or body[:64].lstrip()[:1] != b"{":
        return False
    return b"aptcha" in body and isinstance(parse_json(body), dict)


def read_demand(response: TextResponse, *, known: bool) -> Demand | None:
    """Read what *response* demands, or return ``None`` where that is no hCaptcha.

    Args:
        response: some JSON.
        known: whether the sitekey is known already, so that a reply that asks for a
            captcha need not name one.
    """
    if len(response.body) > MAX_DEMAND:
        return None
    found = islice(leaves(parse_json(response.body)), MAX_VALUES)
    pairs = [pair for pair in found if not isinstance(pair[1], dict | list)]
    typed = _places_of_hcaptcha(pairs)
    keys = [pair for pair in pairs if _is_key(pair[0], typed)]
    named = [pair for pair in keys if valid_sitekey(_text(pair[1]))]
    refused = {path[:-1] for path, value in pairs if _says_failure(path, value)}
    failed = any(place[:-1] in refused for place in typed)
    required = failed or any(_says_required(path, value) for path, value in pairs)
    ours = any("hcaptcha" in plain((*path, _text(value))) for path, value in pairs)
    # That a check has failed is no demand for another, unless one is known to be there.
    wanted = failed or (
        required and any(_WANTED.search(_text(value)[:300]) for _, value in pairs)
    )
    if not (named or (wanted and ours) or (required and known)):
        return None
    path, sitekey = next(iter(named or keys), ((), None))
    beside = [pair for pair in pairs if pair[0][:-1] == path[:-1]]
    if not ours and any(_OTHER_SERVICE.search(_text(v).lower()) for _, v in beside):
        return None
    return Demand(
        sitekey=None if sitekey is None else _text(sitekey),
        rqdata=_named(pairs, "rqdata"),
        invisible=any(_is_invisible(*pair) for pair in beside),
        field=_field(beside) or _field(pairs) or ("captchaword" if failed else None),
        along=_along(pairs),
        required=required,
        configured=any(_CONFIGURATION.search(key.lower()) for key in path[:-1]),
        others=sum(not _is_vocabulary(path) for path, _ in pairs),
        validated=not named and any(_is_validation(path, v) for path, v in pairs),
    )


def weigh_demand(demand: Demand, response: Response) -> tuple[int, tuple[str, ...]]:
    """Weigh a reply as `classifier.weigh` does a page."""
    refused, others = response.status in _REFUSING, demand.others
    weights = (
        (3, refused, f"The status is {response.status}."),
        (2, demand.required, "The reply says that a captcha is wanted."),
        (GATE, not others, "The reply is nothing but the demand."),
        (
            1,
            refused and 0 < others <= LITTLE_DATA,
            f"It holds little else ({counted(others, 'value')}).",
        ),
        (-GATE, others > LITTLE_DATA, f"It is full of other data ({others} values)."),
        (-GATE, demand.configured, "Its sitekey is in a configuration."),
        (
            -2,
            not (refused or demand.required) and _asks_for_it(response.url),
            "That is what its URL asks for.",
        ),
    )
    found = [(weight, sentence) for weight, holds, sentence in weights if holds]
    return sum(weight for weight, _ in found), tuple(text for _, text in found)


def confidence_of(weight: int) -> float:
    """Return how likely a reply of that *weight* is a gate, from 0 to 1.

    Its weights are a person's guesses, in units of log odds: there are too few such
    replies in public to fit them to.
    """
    return confidence(classifier.GATE + POINTS * (weight - GATE))


def _places_of_hcaptcha(pairs: Iterable[tuple[Path, Any]]) -> frozenset[Path]:
    """Return the objects that describe a captcha of the type hCaptcha.

    MediaWiki's API answers ``{"captcha": {"type": "hcaptcha", "key": …}}``.
    """
    return frozenset(
        path[:-1]
        for path, value in pairs
        if plain(path) in ("type", "provider", "service", "name")
        and _text(value).lower().replace("-", "") == "hcaptcha"
        and "captcha" in "".join(path[:-1]).lower()
    )


def _is_key(path: Path, typed: frozenset[Path]) -> bool:
    """Tell whether *path* leads to a sitekey: by its name, or by what is beside it."""
    name = plain(path)
    return name.endswith("sitekey") or (
        name in ("key", "publickey") and path[:-1] in typed
    )


def _says_failure(path: Path, value: Any) -> bool:
    return plain(path) == "result" and _text(value).lower() == "failure"


def _is_validation(path: Path, value: Any) -> bool:
    """Tell whether *path* is that of a validator's complaint about a captcha field."""
    names = [name.lower() for name in path if name]
    return (
        len(names) > 1
        and names[0] in ("errors", "error", "details", "detail")
        and "captcha" in names[-1]
        and bool(_COMPLAINT.search(_text(value)))
    )


def _asks_for_it(url: str) -> bool:
    return bool(re.search(r"captcha|config|settings|site-?key", url.lower()[:2000]))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _says_required(path: Path, value: Any) -> bool:
    if isinstance(value, str):
        words = f"{last(path)} {value[:300]}"
        return bool(_REQUIRED.search(value[:300]) or _REQUIRED.search(words))
    return value is True and "captcha" in last(path).lower()


def _is_vocabulary(path: Path) -> bool:
    return any(_VOCABULARY.search(key.lower()) for key in path if key)


def _is_invisible(path: Path, value: Any) -> bool:
    key = plain(path)
    return (key.endswith("invisible") and value is True) or (
        key.endswith("size") and value == "invisible"
    )


def _named(pairs: Iterable[tuple[Path, Any]], end: str) -> str | None:
    """Return the first text whose key ends so."""
    texts = (_text(value) for path, value in pairs if plain(path).endswith(end))
    return next((text for text in texts if text), None)


def _along(pairs: list[tuple[Path, Any]]) -> tuple[tuple[str, str], ...]:
    """Return the ticket that belongs to an rqdata and goes back with its token."""
    return tuple(
        (last(path), value)
        for path, value in pairs
        if plain(path).endswith("rqtoken")
        # Half a surrogate pair, as JSON may have, is not to be sent.
        and last(path).isprintable()
        and value
        and _text(value).isprintable()
    )[:1]


def _field(pairs: list[tuple[Path, Any]]) -> str | None:
    """Return the field that a reply names: outright, or by complaining about it."""
    for path, value in pairs:
        key = plain(path)
        if not (isinstance(value, str) and _FIELD.fullmatch(value)):
            continue
        if key in ("header", "captchaheader", "responseheader", "tokenheader"):
            return f"header:{value}"
        if key in ("captchafield", "responsefield", "tokenfield", "field", "param"):
            return value
    for path, value in pairs:
        name, text = last(path), _text(value)
        if (
            re.search(r"captcha|^token$", name.lower())
            and not re.search(r"service|provider|type|message|error|url", name.lower())
            and not plain(path).endswith(("sitekey", "rqdata", "rqtoken"))
            # A list of complaints, as validators make them.
            and (path[-1:] == ("",) or name.lower().endswith(("token", "response")))
            and _COMPLAINT.search(text)
            and _FIELD.fullmatch(name)
        ):
            return name
    return None
