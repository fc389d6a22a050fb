"""The frozen ``Config``, parsed once from settings: every default, every check.

A bad value is a ``ValueError`` that names the setting, the value and what is allowed.
Each setting is one row of `SETTINGS`; each key of ``meta["onecaptcha"]`` one of `KEYS`.
"""

from __future__ import annotations

import difflib
import math
import os
from dataclasses import dataclass
from dataclasses import field as data
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from scrapy.exceptions import NotConfigured

from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha._redact import Secret
from scrapy_onecaptcha._values import (
    ATTEMPTS,
    SELECTOR,
    SUBMITTER,
    Row,
    api_key,
    api_url,
    count,
    domains,
    flag,
    function,
    integer,
    is_loopback,
    number,
    one_of,
    store_url,
    submitters,
    text,
)
from scrapy_onecaptcha.models import Proxy, task_proxy
from scrapy_onecaptcha.request_options import KEYS, RequestOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from scrapy.settings import BaseSettings

__all__ = [
    "DEFAULTS",
    "KEYS",
    "PREFIX",
    "SETTINGS",
    "TASK_TYPES",
    "Config",
    "RequestOptions",
    "Row",
    "unknown",
]

logger = get_logger(__name__)

PREFIX = "ONECAPTCHA_"
# The limits of the service and of its protocol family: calls of getTaskResult for one
# task, seconds between two of them, seconds that a token is valid.
MAX_POLLS = 120
POLITE_SECONDS = 3.0
TOKEN_SECONDS = 120.0
DAY_SECONDS = 86_400


def _seconds(default: float, *, zero: bool = False, most: float = math.inf) -> Row:
    span = "0 or more" if zero else "more than 0"
    upto = f" and at most {most:.10g}" if most < math.inf else ""
    parse = number(0, most, above=not zero)
    return Row(default=default, parse=parse, allowed=f"seconds, {span}{upto}")


def _switch(*, default: bool) -> Row:
    return Row(default=default, parse=flag, allowed="True or False")


#: Types of task for an hCaptcha, in the order in which they are tried.
TASK_TYPES = ("HCaptchaTaskProxyless", "HCaptchaTask")

_GATE = "a callable (response, challenge) -> bool, or the dotted path of one"

_NAME = Row(parse=text(255), allowed="one line of at most 255 characters")

#: Every setting, by its name.
SETTINGS: Mapping[str, Row] = MappingProxyType(
    {
        f"{PREFIX}{name}": row
        for name, row in {
            "API_KEY": Row(
                parse=api_key, allowed="the key as text, without spaces", secret=True
            ),
            "API_URL": Row(
                default="https://api.1captcha.vip",
                parse=api_url,
                allowed="an https URL (http on a loopback host) without user-info, "
                "query and fragment",
            ),
            "ENABLED": _switch(default=True),
            "TASK_TYPE": Row(
                default="auto",
                parse=one_of("auto", *TASK_TYPES),
                allowed=" or ".join(f'"{name}"' for name in ("auto", *TASK_TYPES)),
            ),
            "TASK_PROXY": Row(
                parse=task_proxy,
                allowed='"request", or the URL of a proxy (http, https, socks4 or '
                "socks5) that the service can reach",
                secret=True,
            ),
            "ALLOWED_DOMAINS": Row(
                parse=domains, allowed="a list of domains, or text with commas"
            ),
            "EXPECT": SELECTOR,
            "GATE": Row(parse=function, allowed=_GATE),
            "SCRIPTS": Row(
                default="run", parse=one_of("run", "off"), allowed='"run" or "off"'
            ),
            "SCRIPT_HOSTS": Row(
                parse=domains, allowed="a list of domains, or text with commas"
            ),
            "SUBMITTERS": Row(
                default=MappingProxyType({}),
                parse=submitters,
                allowed=f"a dict (or its JSON) of domains, each with {SUBMITTER}, "
                "or the dotted path of one",
            ),
            "MAX_ATTEMPTS": ATTEMPTS,
            "MAX_TASKS": count(0, 0, "tasks"),
            "MAX_TASKS_PER_SITE": count(0, 0, "tasks"),
            "MAX_FAILURES": count(5, 1, "failures"),
            "COOLDOWN": _seconds(600, zero=True),
            "CONCURRENT_TASKS": count(32, 1, "tasks"),
            "MAX_PARKED": count(512, 0, "requests"),
            "MAX_HELD": Row(
                parse=integer(0), allowed="a whole number of requests, 0 or more"
            ),
            "BREAKER_WAITS": count(0, 0, "cool-downs"),
            "SHARE_CLEARANCE": _switch(default=True),
            "POLL_DELAY": _seconds(5, zero=True),
            "POLL_INTERVAL": _seconds(3),
            "SOLVE_TIMEOUT": _seconds(300),
            "API_TIMEOUT": _seconds(30),
            "RETRY_DELAY": _seconds(5),
            "TOKEN_MAX_AGE": _seconds(60, most=TOKEN_SECONDS),
            "GATE_MAX_AGE": _seconds(45, zero=True),
            "ON_FAILURE": Row(
                default="error",
                parse=one_of("error", "response"),
                allowed='"error" or "response"',
            ),
            "CLOSE_ON_FATAL": _switch(default=False),
            "TASK_COST": Row(default=7, parse=number(0), allowed="points, 0 or more"),
            "LOG_INTERVAL": _seconds(30),
            "LEDGER": Row(
                parse=lambda value: text(4096)(os.fspath(value)),
                allowed="a path in a folder that exists",
            ),
            "DRY_RUN": _switch(default=False),
            "STORE": Row(
                parse=store_url,
                allowed="sqlite:///PATH, redis://HOST:PORT/DB, rediss://HOST:PORT/DB "
                "or unix:///SOCKET",
            ),
            "STORE_NAMESPACE": _NAME,
            "STORE_TIMEOUT": _seconds(60, zero=True),
            "STORE_ON_FAULT": Row(
                default="fail",
                parse=one_of("fail", "local"),
                allowed='"fail" or "local"',
            ),
            "EGRESS": _NAME,
            "CLEARANCE_MAX_AGE": _seconds(DAY_SECONDS, most=30 * DAY_SECONDS),
            "SHARED_MAX_TASKS": count(0, 0, "tasks"),
            "BUDGET_PERIOD": Row(
                parse=one_of("day", "month"), allowed='"day" or "month"'
            ),
        }.items()
    }
)

#: The default of every setting, by its name.
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {name: row.default for name, row in SETTINGS.items()}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of a crawl, one field for each of `SETTINGS`.

    Durations are in seconds. ``options`` are those of a request without
    ``meta["onecaptcha"]``.
    """

    api_key: str = data(repr=False)
    api_url: str
    enabled: bool
    task_type: str
    task_proxy: Literal["request"] | Proxy | None
    allowed_domains: tuple[str, ...] | None
    expect: str | None
    gate: Callable[..., Any] | None
    scripts: Literal["run", "off"]
    script_hosts: tuple[str, ...] | None
    submitters: Mapping[str, Callable[..., Any]]
    max_attempts: int
    max_tasks: int
    max_tasks_per_site: int
    max_failures: int
    cooldown: float
    concurrent_tasks: int
    max_parked: int
    max_held: int | None
    breaker_waits: int
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
    ledger: str | None
    dry_run: bool
    store: str | None = data(repr=False)
    store_namespace: str | None
    store_timeout: float
    store_on_fault: Literal["fail", "local"]
    egress: str | None
    clearance_max_age: float
    shared_max_tasks: int
    budget_period: Literal["day", "month"] | None
    options: RequestOptions = data(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        options = RequestOptions(
            expect=self.expect, decide=self.gate, max_attempts=self.max_attempts
        )
        object.__setattr__(self, "options", options)

    @property
    def loopback(self) -> bool:
        """Whether the service runs on this machine: a sandbox, not the real one."""
        return is_loopback(self.api_url)

    @property
    def max_polls(self) -> int | None:
        """Return how many polls a task may take; ``None`` for no limit."""
        return None if self.loopback else MAX_POLLS

    @property
    def polite(self) -> bool:
        """Whether the service is polled as seldom as it asks for."""
        least = min(self.poll_delay, self.poll_interval)
        return self.loopback or least >= POLITE_SECONDS

    @classmethod
    def from_settings(
        cls, settings: BaseSettings, environ: Mapping[str, str] | None = None
    ) -> Config:
        """Parse and check *settings*, and warn of those that are hardly intended.

        Args:
            settings: the crawl's.
            environ: where the key may be instead; without one the process's own, which
                no frame of a traceback keeps then.

        Raises:
            NotConfigured: switched off, or without a key.
            ValueError: names the setting, the value and what is allowed.
        """
        config = cls.parse(settings, environ)
        _warn(config, settings)
        return config

    @classmethod
    def parse(
        cls, settings: BaseSettings, environ: Mapping[str, str] | None = None
    ) -> Config:
        """Parse and check *settings*, without any warning.

        Raises:
            NotConfigured: switched off, or without a key.
            ValueError: names the setting, the value and what is allowed.
        """
        if not _read(settings, f"{PREFIX}ENABLED"):
            raise NotConfigured(f"{PREFIX}ENABLED is off.")
        key = _find_key(settings, environ)
        values = {name: _read(settings, name) for name in SETTINGS if name != _API_KEY}
        values[_API_KEY] = Secret(SETTINGS[_API_KEY].read(_API_KEY, key))
        config = cls(**{n.removeprefix(PREFIX).lower(): v for n, v in values.items()})
        _refuse_contradictions(config)
        return config


_API_KEY = f"{PREFIX}API_KEY"


def _read(settings: BaseSettings, name: str) -> Any:
    """Return a setting's value; ``None`` is unset, as everywhere in Scrapy."""
    value = settings.get(name)
    return SETTINGS[name].default if value is None else SETTINGS[name].read(name, value)


def request_defaults(settings: BaseSettings) -> RequestOptions:
    """Return the options that the settings give each request; needs no key."""
    return RequestOptions(
        expect=_read(settings, f"{PREFIX}EXPECT"),
        decide=_read(settings, f"{PREFIX}GATE"),
        max_attempts=_read(settings, f"{PREFIX}MAX_ATTEMPTS"),
    )


def script_settings(settings: BaseSettings) -> tuple[bool, tuple[str, ...] | None]:
    """Return whether scripts are run, and where external ones may come from."""
    is_on = _read(settings, f"{PREFIX}SCRIPTS") == "run"
    return is_on, _read(settings, f"{PREFIX}SCRIPT_HOSTS")


def _find_key(settings: BaseSettings, environ: Mapping[str, str] | None) -> Secret:
    environ = os.environ if environ is None else environ
    for key in (settings.get(_API_KEY), environ.get(_API_KEY)):
        if key is not None and not (isinstance(key, str) and not key.strip()):
            # A value that is no text is refused like an empty one, and never shown.
            return Secret(key) if isinstance(key, str) else Secret()
    if _read(settings, f"{PREFIX}DRY_RUN"):
        return Secret("none-is-needed")  # nothing is ever sent to the service
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
    proxy = config.task_proxy
    if isinstance(proxy, Proxy) and proxy.is_local and not config.loopback:
        name = f"{PREFIX}TASK_PROXY"
        raise ValueError(
            f"{name} is a proxy that only this machine or network can reach; allowed: "
            f"{SETTINGS[name].allowed}."
        )


def unknown(settings: BaseSettings) -> Iterator[tuple[str, str | None]]:
    """Yield unknown ONECAPTCHA_* settings, each with the closest valid name."""
    # Compared without the prefix, which would make them all alike.
    known = [setting.removeprefix(PREFIX) for setting in SETTINGS]
    for name in settings:
        if isinstance(name, str) and name.startswith(PREFIX) and name not in SETTINGS:
            close = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1)
            yield name, f"{PREFIX}{close[0]}" if close else None


def _warn(config: Config, settings: BaseSettings) -> None:
    for name, near in unknown(settings):
        meant = f"; did you mean {near}?" if near else "."
        logger.warning("%s is no setting of scrapy-onecaptcha%s", name, meant)
    if not config.polite:
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
