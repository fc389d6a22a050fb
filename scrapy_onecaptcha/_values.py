"""Parsers of the values in settings and ``meta``; an error names the bad value.

Each parser raises ``ValueError`` or ``TypeError``; `Row.read` makes a sentence of it.
Also helpers that every room uses: hosts within domains, dicts with a bound.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from scrapy_onecaptcha._logging import masked, one_line

# Scrapy is imported where it is used: the process that runs scripts has none of it.
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}")
_NETLOC = re.compile(r"(?:\[[^][]+\]|[^][:]+)(?::[0-9]+)?")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_STORE_URL = re.compile(
    r"sqlite:///[^\0-\x1f]*[^/\0-\x1f]|unix://[^/\s]*/[^\s?]+(\?\S*)?|rediss?://[^/?\s]\S*"
)
_DOMAIN_HINT = 'write the bare domain, "example.com"; its subdomains are included'

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Recent(OrderedDict[_Key, _Value]):
    """A dict that keeps only the entries that were set last.

    Args:
        most: how many it holds.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: _Key, value: _Value) -> None:
        """Set the newest entry; the oldest goes where there are too many."""
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)


def is_within(host: str, domain: str) -> bool:
    """Tell whether *host* is *domain* or one of its subdomains."""
    return host == domain or host.endswith(f".{domain}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting, or one key of ``meta["onecaptcha"]``.

    Attributes:
        parse: makes the value; raises ``ValueError`` or ``TypeError`` for a bad one.
        allowed: what is allowed, in words.
        default: the value where there is none; not parsed.
        secret: whether the value must not be in a message.
    """

    parse: Callable[[Any], Any]
    allowed: str
    default: Any = None
    secret: bool = False

    def read(self, name: str, value: Any) -> Any:
        """Return *value* parsed.

        Raises:
            ValueError: it is bad; names *name*, the value and what is allowed.
        """
        hint, cause = "", None
        try:
            return self.parse(value)
        except _Hint as error:
            hint, cause = f" ({error})", error.__cause__
        except (TypeError, ValueError, OverflowError, RecursionError):
            pass  # not chained: its text may hold what must not be shown
        shown = "a value not shown here" if self.secret else shown_as(value)
        message = f"{name} is {shown}; allowed: {self.allowed}{hint}."
        raise ValueError(message) from cause


class _Hint(ValueError):
    """Says more than "what is allowed" does; carries no secret."""


def shown_as(value: Any) -> str:
    """Return *value* as a message may show it."""
    try:
        return masked(repr(value))
    except Exception as error:  # noqa: BLE001  (for example a number too long to be written)
        return f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"


def integer(least: int) -> Callable[[Any], int]:
    """Return a parser of whole numbers, *least* or more."""

    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise TypeError
        parsed = int(value)
        if not least <= parsed <= sys.maxsize:  # a longer one cannot be shown
            raise ValueError
        return parsed

    return parse


def number(
    least: float, most: float = math.inf, *, above: bool = False
) -> Callable[[Any], float]:
    """Return a parser of finite numbers from *least* (or above it) to *most*."""

    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise TypeError
        parsed = float(value)
        if not math.isfinite(parsed) or not least <= parsed <= most:
            raise ValueError
        if above and parsed == least:
            raise ValueError
        return parsed

    return parse


def flag(value: Any) -> bool:
    """Accept what Scrapy's own ``getbool`` accepts."""
    known = {"1": True, "true": True, "0": False, "false": False}
    if not isinstance(value, bool | int | str):
        raise TypeError
    try:
        return known[str(value).strip().lower()]
    except KeyError:
        raise ValueError from None


def boolean(value: Any) -> bool:
    """Accept ``True`` and ``False``."""
    if not isinstance(value, bool):
        raise TypeError
    return value


def api_key(value: Any) -> str:
    """Accept visible ASCII, so that a copied "…" is found out."""
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value.strip()):
        raise ValueError
    return value.strip()


def api_url(value: Any) -> str:
    """Accept a URL that the key may be sent to."""
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value.strip()):
        raise ValueError
    url = value.strip().rstrip("/")
    parts = urlsplit(url)
    if parts.port == 0 or not parts.hostname or set(url) & set("@?#\\"):
        raise ValueError
    if not _NETLOC.fullmatch(parts.netloc):  # some read evil.example[::1] as ::1
        raise ValueError
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(url)):
        raise ValueError
    return url


def is_web_url(text: str) -> bool:
    """Tell whether *text* is an http or https URL, as far as its scheme says."""
    return text.lower().startswith(("http://", "https://"))


def is_loopback(url: str) -> bool:
    """Whether *url* is served by this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # Only Python 3.13 and later look into an IPv4 address that is written as IPv6.
    mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped
    return address.is_loopback and not mapped


def domain(value: Any) -> str:
    """Accept a host as a URL has it, or its Unicode form."""
    if not isinstance(value, str):
        raise TypeError
    name = value.strip().lower()
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass  # no address, then a name
    try:
        name = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        raise _Hint(_DOMAIN_HINT) from None
    if not _HOST.fullmatch(name):
        raise _Hint(_DOMAIN_HINT)
    return name


def domains(value: Any) -> tuple[str, ...]:
    """Accept a list of domains, or text with commas."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError
    if not value:
        raise _Hint("to use the spider's allowed_domains, leave it unset")
    return tuple(dict.fromkeys(domain(entry) for entry in value))


@lru_cache(maxsize=128)
def _is_selector(css: str) -> bool:
    from cssselect import SelectorError  # noqa: PLC0415
    from scrapy.selector import Selector  # noqa: PLC0415

    # Run, not only parsed: an unknown namespace shows only then.
    try:
        Selector(text="<html></html>").css(css)
    except (SelectorError, ValueError, RecursionError):
        return False
    return True


def selector(value: Any) -> str:
    """Accept a CSS selector that Scrapy can run."""
    if not isinstance(value, str) or not value.strip() or not _is_selector(value):
        raise ValueError
    return value.strip()


def function(value: Any) -> Callable[..., Any]:
    """Accept a callable, or the dotted path of one."""
    if callable(value):
        return value  # type: ignore[no-any-return]
    from scrapy.utils.misc import load_object  # noqa: PLC0415

    try:
        loaded = load_object(value)
    except Exception as error:  # whatever the module raises when it is imported
        said = one_line(str(error), 200)
        raise _Hint(f"{type(error).__name__}: {said}") from error
    if not callable(loaded):
        raise _Hint("what it names cannot be called")
    return loaded  # type: ignore[no-any-return]


def submitters(value: Any) -> Mapping[str, Callable[..., Any]]:
    """Accept a dict of domains and callables, or its JSON."""
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, Mapping):
        raise TypeError
    return MappingProxyType({domain(d): function(s) for d, s in value.items()})


def one_of(*words: str) -> Callable[[Any], str]:
    """Return a parser that takes one of *words*."""

    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    return parse


def uuid(value: Any) -> str:
    """Accept a UUID, in lower case from here on."""
    if not isinstance(value, str) or not _UUID.fullmatch(value.strip().lower()):
        raise ValueError
    return value.strip().lower()


def text(most: int) -> Callable[[Any], str]:
    """Return a parser of one line of text, not longer than *most* characters."""

    def parse(value: Any) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= most:
            raise ValueError
        if not value.isprintable():
            raise ValueError
        return value

    return parse


def store_url(value: Any) -> str:
    """Accept the URL of a store."""
    if not isinstance(value, str) or not _STORE_URL.fullmatch(value.strip()):
        raise ValueError
    return value.strip()


def count(default: int, least: int, unit: str) -> Row:
    """Return the row of a count of *unit*."""
    limit = ", 0 for no limit" if least == 0 and unit == "tasks" else ""
    allowed = f"a whole number of {unit}, {least} or more{limit}"
    return Row(default=default, parse=integer(least), allowed=allowed)


#: What a header's name is written after, where a field's name is expected too.
HEADER = "header:"

_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,100}")
# After the Fetch standard, "forbidden request-header", and what the client itself or
# the encoding of the body says.
_FORBIDDEN_HEADERS = re.compile(
    r"(?:sec|proxy|access-control)-.*|accept-(?:charset|encoding)|connection|cookie2?"
    r"|content-(?:length|type)|date|dnt|expect|host|keep-alive|origin|referer"
    r"|set-cookie|te|trailer|transfer-encoding|upgrade|user-agent|via"
)


def is_settable(header: str) -> bool:
    """Tell whether *header* is the name of a header that a script may set."""
    name = header.lower()
    return bool(_HEADER_NAME.fullmatch(name)) and not _FORBIDDEN_HEADERS.fullmatch(name)


#: Rows that a setting and a key of ``meta`` share.
SELECTOR = Row(parse=selector, allowed="a CSS selector")
ATTEMPTS = count(3, 1, "tasks")
SUBMITTER = "a callable (request, response, challenge, solution) -> Request"
