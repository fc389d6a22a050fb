"""The frozen data that the stages hand on: form, challenge, solution."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, get_args
from urllib.parse import unquote

from scrapy_onecaptcha._logging import counted, printable
from scrapy_onecaptcha._redact import Secret
from scrapy_onecaptcha._values import uuid

__all__ = [
    "JSON",
    "MAX_RQDATA",
    "MULTIPART",
    "PLAIN_TEXT",
    "POINTS_PER_CNY",
    "REASONS",
    "TOKEN_FIELDS",
    "URLENCODED",
    "Attempts",
    "Budget",
    "Challenge",
    "Form",
    "Proxy",
    "Reservation",
    "Solution",
    "SolveReport",
    "Verdict",
    "mask",
    "parse_proxy",
    "price",
    "task_proxy",
    "valid_sitekey",
]

Kind = Literal["gate", "widget"]
FormKind = Literal["form", "call", "repeat"]
Reason = Literal[
    "no_sitekey",
    "bad_sitekey",
    "bad_rqdata",
    "proof_of_work",
    "no_submission",
    "no_engine",
    "scripts_off",
    "scripts_not_run",
    "scripts_failed",
    "scripts_missing",
]

#: What a task came to, for the rules on money. ``"void"`` says nothing of its site.
Verdict = Literal["accepted", "failed", "void"]

#: Why a gate may be unsolvable.
REASONS: tuple[Reason, ...] = get_args(Reason)

#: What hCaptcha's script adds to its form; the second only without
#: ``recaptchacompat=off``.
TOKEN_FIELDS = ("h-captcha-response", "g-recaptcha-response")

#: The media types of bodies.
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
PLAIN_TEXT = "text/plain"
JSON = "application/json"

#: The service's price list: 1,000 points are 1 CNY.
POINTS_PER_CNY = 1000

#: Characters of the longest rqdata that is sent to the service.
MAX_RQDATA = 16 * 1024


def mask(secret: str | None) -> str:
    """Return *secret* as it may be logged: a few characters and its length."""
    if not secret:
        return repr(secret)
    shown = secret[:4] if len(secret) >= 16 else ""  # noqa: PLR2004
    return f"<{shown}… {len(secret)} characters>"


def valid_sitekey(text: str | None) -> str | None:
    """Return *text* in lower case if it is a sitekey, which is a UUID."""
    try:
        return uuid(text)
    except ValueError:
        return None


def price(points: float) -> str:
    """Return *points* and what they are worth, for a person."""
    told = counted(points, "point", ",.10g")
    return f"{told} ({points / POINTS_PER_CNY:,.3f} CNY)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a page takes its token: what a browser would send.

    Attributes:
        kind: ``"form"`` (what a browser sends on submit), ``"call"`` (what the widget's
            callback sends by itself: its answer is never the page) or ``"repeat"`` (the
            gated request once more, the token added: its answer is the page).
        url: absolute URL that it is sent to.
        method: ``GET``, ``POST`` or, but for forms, another one.
        enctype: ``application/x-www-form-urlencoded``, ``multipart/form-data``,
            ``text/plain`` or, but for forms, ``application/json``; without a meaning
            for ``GET``. Of a repeat: what its body is read as, to add the token.
        fields: names and values of the successful controls in the order of the page,
            entities decoded; without the fields that take the token. In JSON a value
            is itself JSON, and a name ``a.b`` means ``b`` within ``a``.
        token_fields: the fields that the token goes into.
        resp_key_field: the field that the solution's ``respKey`` goes into, if any.
        encoding: of the names and values when they are sent.
        header: the header that the token goes into as well, or, without
            *token_fields*, alone.
        headers: others that a call sets.
        shape: where the page's scripts send it: what has to be the same when they send
            it with the real token. The rest is a preview then.
    """

    kind: FormKind = "form"
    url: str
    method: str = "POST"
    enctype: str = URLENCODED
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    token_fields: tuple[str, ...] = TOKEN_FIELDS
    resp_key_field: str = "respKey"
    encoding: str = "utf-8"
    header: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    shape: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What was read from a page that holds an hCaptcha.

    Attributes:
        kind: ``"gate"`` (the page asks for nothing but the captcha) or ``"widget"``.
        url: of the page.
        sitekey: a UUID in lower case, or ``None`` where the page shows none.
        invisible: whether the widget is the invisible one.
        rqdata: data that the site hands to the widget (hCaptcha Enterprise).
        form: how the page takes its token, or ``None`` where that is not known.
        solvable: whether a token can be bought and sent.
        reason: why not, where it is not.
        evidence: one sentence for each thing seen.
        advice: what the user may state to have it solved, where that is known.
        needs_scripts: whether the page's scripts have to be run to know more.
        free_cookies: what its scripts set, as ``Set-Cookie`` would have it, before they
            load the page again without a token.
        confidence: how sure it is that the page is of this kind, from 0 to 1; 1.0 where
            the user says so.
    """

    kind: Kind
    url: str
    sitekey: str | None = None
    invisible: bool = False
    rqdata: str | None = field(default=None, repr=False)
    form: Form | None = None
    solvable: bool = True
    reason: Reason | None = None
    evidence: tuple[str, ...] = ()
    needs_scripts: bool = False
    free_cookies: tuple[str, ...] = field(default=(), repr=False)
    confidence: float = 1.0
    advice: str = ""

    @property
    def seen(self) -> str:
        """The evidence of the verdict and how sure it is, as one line."""
        seen = printable(" ".join(self.evidence))
        return f"{seen} Confidence: {self.confidence:.2f}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """What the service returned for a task.

    Attributes:
        token: goes into the page's form. One use; valid for 120 s, to be used within
            60 s (the service's own figures).
        user_agent: the User-Agent that the token is bound to, or ``None`` where the
            service named none: then the one that was sent to it holds.
        resp_key: submitted along with the token, where the service returned one.
        task_id: the service's name for the task.
        issued_at: the last moment at which the token did not exist yet, in seconds of
            the clock that polled for it.
        seconds: how long the task took, from its creation.
        cost: points that the service says it charged, where it says so.
    """

    token: str = field(repr=False)
    user_agent: str | None = None
    resp_key: str | None = field(default=None, repr=False)
    task_id: str = ""
    issued_at: float = 0.0
    seconds: float = 0.0
    cost: float | None = None

    def __str__(self) -> str:
        return f"token {mask(self.token)} of task {self.task_id}"


# What the solver is given: it knows neither the crawl's budget nor its stats.


class Attempts(Protocol):
    """The tasks that one page may cost."""

    @property
    def spent(self) -> int:
        """How many it has cost so far."""
        ...


class Reservation(Protocol):
    """The right to create one task."""

    @property
    def spent(self) -> bool:
        """Whether a task was counted, and not given back."""
        ...

    def spend(self, attempts: Any, /) -> None:
        """Count the task, before it is created; raises where none is left."""
        ...

    def refund(self) -> None:
        """Give the task back: the service refused to create it."""
        ...

    def created(self, task_id: str, task_type: str, /) -> None:
        """Note that the service has created the task."""
        ...

    def solved(self, solution: Solution, /) -> None:
        """Note that the task gave a token."""
        ...

    def failed(self, error: Any, /, *, charged: bool) -> None:
        """Note that it gave none; *charged*: whether it may have been billed."""
        ...

    def abandoned(self) -> None:
        """Note that the stop of the crawl left it behind."""
        ...

    def settle(self, verdict: Verdict, /) -> None:
        """Say what the task came to; only the first verdict counts."""
        ...


_R_co = TypeVar("_R_co", bound=Reservation, covariant=True)


class Budget(Protocol[_R_co]):
    """Says whether a task may be paid for."""

    async def reserve(self, site: str, /) -> _R_co:
        """Return the right to create one task for *site*, or raise why not."""
        ...


class SolveReport(Protocol):
    """Is told what the solver does."""

    def count(self, name: str, /) -> None:
        """Raise the stat ``onecaptcha/{name}``."""
        ...

    def tell(self, level: int, message: str, /) -> None:
        """Log *message* at *level*."""
        ...


# The proxy of a task

_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks5": 1080}
#: Schemes that say where a host name is resolved, which the service does anyway.
_ALIASES = {"socks": "socks5", "socks4a": "socks4", "socks5h": "socks5"}
_PROXY = re.compile(
    r"(?:(?P<scheme>[a-z0-9]+)://)?(?:(?P<user_info>.*)@)?"
    r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<host>[a-z0-9_.-]+))(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE | re.DOTALL,
)
_MAX_URL, _MAX_PORT = 4096, 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy that a task names.

    Attributes:
        scheme: ``http``, ``https``, ``socks4`` or ``socks5``.
        host: a name or an address, an IPv6 one without brackets.
        port: TCP port.
        login: user name, empty where there is none.
        password: empty where there is none.
    """

    scheme: str
    host: str
    port: int
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Return the address without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine or network can reach it."""
        try:
            return not ipaddress.ip_address(self.host).is_global
        except ValueError:
            return "." not in self.host or self.host.lower().endswith(".local")


def parse_proxy(url: str) -> Proxy:
    """Return the proxy that *url* names; without a scheme it is an ``http`` one.

    Raises:
        ValueError: it names no proxy that the service could use.
    """
    found = _PROXY.fullmatch(url.strip()) if len(url) <= _MAX_URL else None
    if found is None:
        raise ValueError
    scheme = _ALIASES.get(name := (found["scheme"] or "http").lower(), name)
    if scheme not in _PORTS:
        raise ValueError
    if found["ipv6"]:
        ipaddress.IPv6Address(found["ipv6"])
    port = int(found["port"] or _PORTS[scheme])
    if not 0 < port <= _MAX_PORT:
        raise ValueError
    login, _, password = (found["user_info"] or "").partition(":")
    return Proxy(
        scheme=scheme,
        host=(found["ipv6"] or found["host"]).lower(),
        port=port,
        login=Secret(unquote(login)),
        password=Secret(unquote(password)),
    )


def task_proxy(value: Any) -> str | Proxy:
    """Accept ``"request"``, or the URL of a proxy."""
    if not isinstance(value, str):
        raise TypeError
    if value == "request":
        return value
    if ":" not in value:  # a misspelt "request", for one, would be a host
        raise ValueError
    return parse_proxy(value)
