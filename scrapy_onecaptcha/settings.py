"""The frozen ``Config``, parsed once from settings: every default, every check.

A bad value is a ``ValueError`` that names the setting, the value and what is allowed.
Each setting is one row of `SETTINGS`; each key of ``meta["onecaptcha"]`` one of `KEYS`.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import logging
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as data
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from cssselect import SelectorError
from scrapy.exceptions import NotConfigured
from scrapy.selector import Selector
from scrapy.utils.misc import load_object

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

__all__ = ["DEFAULTS", "KEYS", "PREFIX", "SETTINGS", "Config", "RequestOptions", "Row"]

logger = logging.getLogger(__name__)

PREFIX = "ONECAPTCHA_"
MAX_POLLS = 120  # getTaskResult calls for one task (the protocol family)
POLITE_SECONDS = 3.0  # between two polls (the service's description)
TOKEN_SECONDS = 120.0  # that a token is valid (the service's description)
MAX_RQDATA = 16 * 1024  # characters

_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_BARE = 'write the bare domain, "example.com"; its subdomains are included'


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting, or one key of ``meta["onecaptcha"]``.

    Attributes:
        parse: makes the value; raises ``ValueError`` with a hint, or with none.
        allowed: what is allowed, in words.
        default: the value where there is none; not parsed.
        secret: whether the value must not stand in a message.
    """

    parse: Callable[[Any], Any]
    allowed: str
    default: Any = None
    secret: bool = False

    def read(self, name: str, value: Any) -> Any:
        """Return *value* parsed, or raise ``ValueError`` about *name*."""
        hint, cause = "", None
        try:
            return self.parse(value)
        except _Hint as error:
            hint, cause = f" ({error})", error.__cause__
        except (TypeError, ValueError, OverflowError):
            pass  # not chained: its text may hold what must not be shown
        shown = "a value not shown here" if self.secret else _masked(repr(value))
        message = f"{name} is {shown}; allowed: {self.allowed}{hint}."
        raise ValueError(message) from cause


class _Hint(ValueError):
    """Says more than "what is allowed" does; carries no secret."""


def _masked(text: str) -> str:
    """Return *text* without what a URL in it may hide, and not too long."""
    text = re.sub(r"//[^/?#\s]*@", "//***@", text)
    text = re.sub(r"(//[^?#\s]*[?#])[^\s'\"]+", r"\1***", text)
    return text if len(text) <= 200 else text[:199] + "…"  # noqa: PLR2004


def _integer(least: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise TypeError
        number = int(value)
        if number < least:
            raise ValueError
        return number

    return parse


def _number(
    least: float, most: float = math.inf, *, above: bool = False
) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise TypeError
        number = float(value)
        if not math.isfinite(number) or not least <= number <= most:
            raise ValueError
        if above and number == least:
            raise ValueError
        return number

    return parse


def _flag(value: Any) -> bool:
    """Accept what Scrapy's own ``getbool`` accepts."""
    known = {"1": True, "true": True, "0": False, "false": False}
    if not isinstance(value, bool | int | str):
        raise TypeError
    try:
        return known[str(value).strip().lower()]
    except KeyError:
        raise ValueError from None


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _key(value: Any) -> str:
    key: str = value.strip() if isinstance(value, str) else ""
    if not key or not re.fullmatch(r"[!-~]+", key):
        raise ValueError
    return key


def _api_url(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value.strip()):
        raise ValueError
    url = value.strip().rstrip("/")
    parts = urlsplit(url)
    if parts.port == 0 or not parts.hostname or set(url) & set("@?#\\"):
        raise ValueError
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(url)):
        raise ValueError
    return url


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _domain(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    domain = value.strip().lower()
    try:
        return str(ipaddress.ip_address(domain.strip("[]")))
    except ValueError:
        pass  # no address, then a name
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        raise _Hint(_BARE) from None
    if not _HOST.fullmatch(domain):
        raise _Hint(_BARE)
    return domain


def _domains(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError
    if not value:
        raise _Hint("to use the spider's allowed_domains, leave it unset")
    return tuple(dict.fromkeys(_domain(entry) for entry in value))


@lru_cache(maxsize=128)
def _is_selector(css: str) -> bool:
    # Run, not only parsed: an unknown namespace shows only then.
    try:
        Selector(text="<html></html>").css(css)
    except (SelectorError, ValueError):
        return False
    return True


def _selector(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not _is_selector(value):
        raise ValueError
    return value.strip()


def _callable(value: Any) -> Callable[..., Any]:
    if callable(value):
        return value  # type: ignore[no-any-return]
    try:
        loaded = load_object(value)
    except Exception as error:  # whatever the module raises when it is imported
        raise _Hint(f"{type(error).__name__}: {error}") from error
    if not callable(loaded):
        raise _Hint("what it names cannot be called")
    return loaded  # type: ignore[no-any-return]


def _submitters(value: Any) -> Mapping[str, Callable[..., Any]]:
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, Mapping):
        raise TypeError
    return MappingProxyType({_domain(d): _callable(s) for d, s in value.items()})


def _on_failure(value: Any) -> str:
    if value not in ("error", "response"):
        raise ValueError
    return str(value)


def _sitekey(value: Any) -> str:
    if not isinstance(value, str) or not _UUID.fullmatch(value.strip().lower()):
        raise ValueError
    return value.strip().lower()


def _text(most: int) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= most:
            raise ValueError
        return value

    return parse


def _count(default: int, least: int, unit: str) -> Row:
    limit = ", 0 for no limit" if least == 0 and unit == "tasks" else ""
    allowed = f"a whole number of {unit}, {least} or more{limit}"
    return Row(default=default, parse=_integer(least), allowed=allowed)


def _seconds(default: float, *, zero: bool = False, most: float = math.inf) -> Row:
    span = "0 or more" if zero else "more than 0"
    upto = f" and at most {most:g}" if most < math.inf else ""
    parse = _number(0, most, above=not zero)
    return Row(default=default, parse=parse, allowed=f"seconds, {span}{upto}")


def _switch(*, default: bool) -> Row:
    return Row(default=default, parse=_flag, allowed="True or False")


_SELECTOR = Row(parse=_selector, allowed="a CSS selector")
_GATE = "a callable (response, challenge) -> bool, or the dotted path of one"
_SUBMITTER = "a callable (request, response, challenge, solution) -> Request"

#: Every setting, by its name.
SETTINGS: Mapping[str, Row] = MappingProxyType(
    {
        f"{PREFIX}{name}": row
        for name, row in {
            "API_KEY": Row(
                parse=_key, allowed="the key as text, without spaces", secret=True
            ),
            "API_URL": Row(
                default="https://api.1captcha.vip",
                parse=_api_url,
                allowed="an https URL (http on a loopback host) without user-info, "
                "query and fragment",
            ),
            "ENABLED": _switch(default=True),
            "ALLOWED_DOMAINS": Row(
                parse=_domains, allowed="a list of domains, or text with commas"
            ),
            "EXPECT": _SELECTOR,
            "GATE": Row(parse=_callable, allowed=_GATE),
            "SUBMITTERS": Row(
                default=MappingProxyType({}),
                parse=_submitters,
                allowed=f"a dict (or its JSON) of domains, each with {_SUBMITTER}, "
                "or the dotted path of one",
            ),
            "MAX_ATTEMPTS": _count(3, 1, "tasks"),
            "MAX_TASKS": _count(0, 0, "tasks"),
            "MAX_TASKS_PER_SITE": _count(0, 0, "tasks"),
            "MAX_FAILURES": _count(5, 1, "failures"),
            "COOLDOWN": _seconds(600, zero=True),
            "CONCURRENT_TASKS": _count(32, 1, "tasks"),
            "MAX_PARKED": _count(512, 0, "requests"),
            "SHARE_CLEARANCE": _switch(default=True),
            "POLL_DELAY": _seconds(5, zero=True),
            "POLL_INTERVAL": _seconds(3),
            "SOLVE_TIMEOUT": _seconds(300),
            "API_TIMEOUT": _seconds(30),
            "RETRY_DELAY": _seconds(5),
            "TOKEN_MAX_AGE": _seconds(60, most=TOKEN_SECONDS),
            "GATE_MAX_AGE": _seconds(45, zero=True),
            "ON_FAILURE": Row(
                default="error", parse=_on_failure, allowed='"error" or "response"'
            ),
            "CLOSE_ON_FATAL": _switch(default=False),
            "TASK_COST": Row(default=7, parse=_number(0), allowed="points, 0 or more"),
            "LOG_INTERVAL": _seconds(30),
        }.items()
    }
)

#: The default of every setting, by its name.
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {name: row.default for name, row in SETTINGS.items()}
)

#: Every key of ``meta["onecaptcha"]``. As in Scrapy's settings, ``None`` is unset.
KEYS: Mapping[str, Row] = MappingProxyType(
    {
        "gate": Row(parse=_boolean, allowed="True or False"),
        "expect": _SELECTOR,
        "sitekey": Row(parse=_sitekey, allowed="a UUID"),
        "rqdata": Row(
            parse=_text(MAX_RQDATA),
            allowed=f"text of at most {MAX_RQDATA} characters",
            secret=True,
        ),
        "invisible": Row(parse=_boolean, allowed="True or False"),
        "field": Row(parse=_text(200), allowed="the name of a form field"),
        "submitter": Row(
            parse=_callable, allowed=f"{_SUBMITTER}, or the dotted path of one"
        ),
        "max_attempts": _count(3, 1, "tasks"),
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
        field: the form field that the token goes into.
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
                f"{name} is {_masked(repr(value))}; allowed: True, False, or a dict of "
                f"{', '.join(KEYS)}."
            )
        given: dict[str, Any] = {
            "expect": config.expect,
            "max_attempts": config.max_attempts,
        }
        for key, entry in value.items():
            if key not in KEYS:
                raise ValueError(
                    f"{name} has the key {_masked(repr(key))}; allowed: "
                    f"{', '.join(KEYS)}."
                )
            if entry is not None:
                given[key] = KEYS[key].read(f'{name}["{key}"]', entry)
        return cls(**given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of a crawl, one field for each of `SETTINGS`.

    Durations are in seconds. ``options`` and ``ignored`` are what a request gets that
    says nothing, and one that says ``False``.
    """

    api_key: str = data(repr=False)
    api_url: str
    enabled: bool
    allowed_domains: tuple[str, ...] | None
    expect: str | None
    gate: Callable[..., Any] | None
    submitters: Mapping[str, Callable[..., Any]]
    max_attempts: int
    max_tasks: int
    max_tasks_per_site: int
    max_failures: int
    cooldown: float
    concurrent_tasks: int
    max_parked: int
    share_clearance: bool
    poll_delay: float
    poll_interval: float
    solve_timeout: float
    api_timeout: float
    retry_delay: float
    token_max_age: float
    gate_max_age: float
    on_failure: Literal["error", "response"]
    close_on_fatal: bool
    task_cost: float
    log_interval: float
    options: RequestOptions = data(init=False, repr=False, compare=False)
    ignored: RequestOptions = data(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, enabled in (("options", True), ("ignored", False)):
            options = RequestOptions(
                enabled=enabled, expect=self.expect, max_attempts=self.max_attempts
            )
            object.__setattr__(self, name, options)

    @property
    def loopback(self) -> bool:
        """Whether the service runs on this machine: a sandbox, not the real one."""
        return _is_loopback(self.api_url)

    @property
    def max_polls(self) -> int | None:
        """Return how many polls a task may take; ``None`` for no limit."""
        return None if self.loopback else MAX_POLLS

    @classmethod
    def from_settings(
        cls, settings: BaseSettings, environ: Mapping[str, str] = os.environ
    ) -> Config:
        """Parse and check *settings*; the key may come from *environ* instead.

        Raises:
            NotConfigured: switched off, or without a key.
            ValueError: names the setting, the value and what is allowed.
        """
        if not _read(settings, f"{PREFIX}ENABLED"):
            raise NotConfigured(f"{PREFIX}ENABLED is off.")
        key = _find_key(settings, environ)
        values = {name: _read(settings, name) for name in SETTINGS if name != _API_KEY}
        values[_API_KEY] = SETTINGS[_API_KEY].read(_API_KEY, key)
        config = cls(**{n.removeprefix(PREFIX).lower(): v for n, v in values.items()})
        _refuse_contradictions(config)
        _warn(config, settings)
        return config


_API_KEY = f"{PREFIX}API_KEY"


def _read(settings: BaseSettings, name: str) -> Any:
    """Return a setting's value; ``None`` is unset, as everywhere in Scrapy."""
    value = settings.get(name)
    return SETTINGS[name].default if value is None else SETTINGS[name].read(name, value)


def _find_key(settings: BaseSettings, environ: Mapping[str, str]) -> Any:
    for key in (settings.get(_API_KEY), environ.get(_API_KEY)):
        if key is not None and not (isinstance(key, str) and not key.strip()):
            return key
    raise NotConfigured(
        f"scrapy-onecaptcha is off: set {_API_KEY}, in the settings or as an "
        "environment variable, to the key of your account at the service."
    )


def _refuse_contradictions(config: Config) -> None:
    timeout = config.solve_timeout
    for name, seconds, bad in (
        ("POLL_DELAY", config.poll_delay, config.poll_delay >= timeout),
        ("POLL_INTERVAL", config.poll_interval, config.poll_interval > timeout),
    ):
        if bad:
            raise ValueError(
                f"{PREFIX}{name} is {seconds:g} and {PREFIX}SOLVE_TIMEOUT {timeout:g}: "
                "no result could be asked for in time; allowed: less than that."
            )


def _warn(config: Config, settings: BaseSettings) -> None:
    for name in settings:
        if isinstance(name, str) and name.startswith(PREFIX) and name not in SETTINGS:
            close = difflib.get_close_matches(name, SETTINGS, n=1)
            meant = f"; did you mean {close[0]}?" if close else "."
            logger.warning("%s is no setting of scrapy-onecaptcha%s", name, meant)
    least = min(config.poll_delay, config.poll_interval)
    if least < POLITE_SECONDS and not config.loopback:
        logger.warning(
            "%sPOLL_DELAY is %g and %sPOLL_INTERVAL %g: the service asks for %g s or "
            "more between two polls, and a task is given up after %d of them.",
            PREFIX,
            config.poll_delay,
            PREFIX,
            config.poll_interval,
            POLITE_SECONDS,
            MAX_POLLS,
        )
