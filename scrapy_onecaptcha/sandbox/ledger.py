"""What the service and the sites know in common: tasks, tokens, counters."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from scrapy_onecaptcha.sandbox.rejections import REASONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scrapy_onecaptcha.sandbox.messages import Visit

__all__ = ["TOKEN_SECONDS", "Hit", "Ledger", "Task", "Token", "Verdict"]

TOKEN_SECONDS = 120.0
"""How long a token is valid (the service's documentation, and hCaptcha's)."""

_TOKEN = re.compile(r"P1_[A-Za-z0-9_.=-]{50,}")

Hit = Literal["content", "gates", "redirects", "accepted", "rejected", "forbidden"]


@dataclass(slots=True, kw_only=True)
class Task:
    """One task at the service.

    Attributes:
        task_id: its identifier.
        fields: everything that was submitted as ``task``, as it was submitted.
        created_at: seconds of the sandbox's clock.
        ready_at: time at which its result is ready, in the same seconds.
        fails: whether its result is ``ERROR_CAPTCHA_UNSOLVABLE``.
        refused: whether sites refuse its token.
        polls: number of calls of getTaskResult so far.
        token: its token, once the client has got it.
        closed: whether the client has seen its result.
    """

    task_id: str
    fields: Mapping[str, object]
    created_at: float = 0.0
    ready_at: float = 0.0
    fails: bool = False
    refused: bool = False
    polls: int = 0
    token: str | None = field(default=None, repr=False)
    closed: bool = False

    @property
    def invisible(self) -> bool:
        """Whether the task asked for the invisible widget."""
        return self.fields.get("isInvisible") in (True, "true", "True")

    def text(self, name: str) -> str:
        """Return a submitted text field, empty where it was not sent."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""


@dataclass(slots=True, kw_only=True)
class Token:
    """A token and all that it is bound to; an empty *user_agent* binds nothing."""

    value: str = field(repr=False)
    sitekey: str
    url: str = ""
    invisible: bool = False
    rqdata: str = ""
    user_agent: str = ""
    resp_key: str | None = None
    issued_at: float = 0.0
    refused: bool = False
    used: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """hCaptcha's verdict on a token.

    Attributes:
        codes: hCaptcha's ``error-codes``; empty for a token that passes.
        reason: the same in more detail, for the counters; one of `REASONS`.
        token: the token, where it is known.
    """

    codes: tuple[str, ...] = ()
    reason: str = ""
    token: Token | None = None

    @property
    def success(self) -> bool:
        """Whether the token passes."""
        return not self.codes


class Ledger:
    """Tasks, tokens and counters of one sandbox.

    Args:
        clock: returns the time in seconds.
        balance: points of the account.

    Attributes:
        tasks: tasks by their identifier.
        tokens: tokens by their value.
        calls: number of calls of the service and of siteverify, by name.
        errors: number of errors that the service answered, by code.
        tokens_used: number of tokens that a site had verified.
        rejections: number of refused submissions, by reason.
        site_rejections: the same for each site.
        clearances_refused: number of clearances that a site did not accept (any more),
            by reason: ``unknown``, ``expired``, ``spent``, ``user-agent``, ``path``,
            ``section``, ``too-early``.
        hits: number of answers by site, path and kind.
        counts: further events by site: ``orders``, ``links``, ``verified``…
        token_requests: number of requests to sites in which a token was seen, in
            the URL, a header or the body.
    """

    def __init__(self, clock: Callable[[], float], *, balance: int = 0) -> None:
        self._clock = clock
        self.balance = balance
        self.tasks: dict[str, Task] = {}
        self.tokens: dict[str, Token] = {}
        self.calls: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.tokens_used = 0
        self.open_tasks = 0
        self.open_tasks_max = 0
        self.rejections: Counter[str] = Counter()
        self.site_rejections: dict[str, Counter[str]] = {}
        self.clearances_refused: Counter[str] = Counter()
        self.hits: dict[str, dict[str, Counter[Hit]]] = {}
        self.counts: dict[str, Counter[str]] = {}
        self.token_requests: Counter[str] = Counter()

    def add_task(self, task: Task) -> None:
        """Add a new task."""
        self.tasks[task.task_id] = task
        self.open_tasks += 1
        self.open_tasks_max = max(self.open_tasks, self.open_tasks_max)

    def close_task(self, task: Task) -> None:
        """Note that the client has seen the task's result."""
        if not task.closed:
            task.closed = True
            self.open_tasks -= 1

    def add_token(self, token: Token) -> None:
        """Add a new token."""
        self.tokens[token.value] = token

    def verify(
        self,
        value: str,
        *,
        sitekey: str | None = None,
        invisible: bool | None = None,
        rqdata: str | None = None,
        user_agent: str | None = None,
        resp_key: str | None = None,
    ) -> Verdict:
        """Judge a token and use it up, whatever the verdict.

        Args:
            value: the token.
            sitekey: sitekey of the site. ``None``, here and below, is not compared.
            invisible: whether the site's widget is the invisible one.
            rqdata: value that the site gave to its widget, ``""`` for none.
            user_agent: User-Agent of the request that brought the token.
            resp_key: value that was sent along with the token, ``""`` for none.
        """
        token = self.tokens.get(value)
        if token is None:
            code = "invalid-input-response" if value else "missing-input-response"
            return Verdict(codes=(code,), reason=code)
        code = self._spent(token)
        self._use(token)
        if not code and sitekey not in (None, token.sitekey):
            code = "sitekey-secret-mismatch"
        if code:
            return Verdict(codes=(code,), reason=code, token=token)
        wrong = {
            "token-refused": token.refused,
            "invisible-mismatch": invisible not in (None, token.invisible),
            "rqdata-mismatch": rqdata not in (None, token.rqdata),
            "user-agent-mismatch": bool(token.user_agent)
            and user_agent not in (None, token.user_agent),
            "resp-key-mismatch": resp_key not in (None, token.resp_key or ""),
        }
        reason = next((name for name, is_wrong in wrong.items() if is_wrong), "")
        codes = ("invalid-input-response",) if reason else ()
        return Verdict(codes=codes, reason=reason, token=token)

    def _spent(self, token: Token) -> str:
        if token.used:
            return "already-seen-response"
        if self._clock() - token.issued_at > TOKEN_SECONDS:
            return "expired-input-response"
        return ""

    def _use(self, token: Token) -> None:
        self.tokens_used += not token.used
        token.used = True

    @property
    def tokens_repeated(self) -> int:
        """The number of requests that brought a token which a site had seen before."""
        return sum(count - 1 for count in self.token_requests.values())

    def see(self, site: str, visit: Visit) -> None:
        """Note the tokens in a request, wherever they are in it."""
        parts = [visit.uri, *visit.headers.values(), visit.body.decode("latin-1")]
        tokens = {found for part in parts for found in _TOKEN.findall(unquote(part))}
        for token in tokens:
            self.token_requests[token] += 1
            if self.token_requests[token] > 1:
                self.count(site, "tokens seen again")

    def count(self, site: str, event: str) -> None:
        """Count an event of a site."""
        self.counts.setdefault(site, Counter())[event] += 1

    def hit(self, site: str, path: str, what: Hit) -> None:
        """Count what a site did for a request."""
        self.hits.setdefault(site, {}).setdefault(path, Counter())[what] += 1

    def reject(self, site: str, reason: str) -> None:
        """Count a submission that a site refused, by one of `REASONS`.

        Raises:
            ValueError: *reason* is none of these.
        """
        if reason not in REASONS:
            raise ValueError(f"no reason to refuse is called {reason!r}")
        self.rejections[reason] += 1
        self.site_rejections.setdefault(site, Counter())[reason] += 1

    def total(self, what: Hit, site: str | None = None) -> int:
        """Return how often *what* happened, at one site or at all of them."""
        sites = self.hits.values() if site is None else [self.hits.get(site, {})]
        return sum(paths[path][what] for paths in sites for path in paths)

    def as_dict(self) -> dict[str, object]:
        """Return everything but tokens and keys, as data for JSON."""
        return {
            "tasks_created": len(self.tasks),
            "open_tasks": self.open_tasks,
            "open_tasks_max": self.open_tasks_max,
            "calls": dict(self.calls),
            "errors": dict(self.errors),
            "tokens_issued": len(self.tokens),
            "tokens_used": self.tokens_used,
            "tokens_repeated": self.tokens_repeated,
            "balance": self.balance,
            "rejections": dict(self.rejections),
            "site_rejections": {k: dict(v) for k, v in self.site_rejections.items()},
            "clearances_refused": dict(self.clearances_refused),
            "counts": {site: dict(events) for site, events in self.counts.items()},
            "sites": {
                site: {path: dict(hits) for path, hits in paths.items()}
                for site, paths in self.hits.items()
            },
            "tasks": [_shown(task) for task in self.tasks.values()],
        }


def _shown(task: Task) -> dict[str, object]:
    shown = asdict(task)
    shown["solved"] = shown.pop("token") is not None
    return shown
