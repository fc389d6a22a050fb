"""What the service has said: whether it may be called, and for which tasks."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha._values import Recent
from scrapy_onecaptcha.exceptions import (
    AccountError,
    BlockedError,
    ProxyFailed,
    ServiceError,
    SiteRefusedError,
    Unavailable,
)
from scrapy_onecaptcha.service.error_codes import TYPE_CODES
from scrapy_onecaptcha.settings import PREFIX, TASK_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.models import Proxy
    from scrapy_onecaptcha.report.snapshot import ServiceState
    from scrapy_onecaptcha.settings import Config

__all__ = ["MAX_PROXIES", "MAX_REFUSED", "MAX_UNKNOWN", "Health"]

#: Sites that are remembered as refused. The oldest are forgotten, and cost a call.
MAX_REFUSED = 10_000

#: The same unknown code so many times in a row stops the calls for a time, because
#: services of the protocol family block addresses that keep sending calls that fail.
MAX_UNKNOWN = 5

#: Proxies that have failed and are remembered. The oldest are forgotten.
MAX_PROXIES = 1000


@dataclass(slots=True)
class _Proxy:
    """The failures in a row of one proxy."""

    error: ProxyFailed
    failures: int = 0
    failed_at: float = 0.0


class Health:
    """Remembers what the service said about this client, its sites and its task types.

    Args:
        config: the settings.
        now: seconds of a clock that never goes back.
        tell: logs a message at a level.

    Attributes:
        share: is told what other processes should know, if there are any.
    """

    def __init__(
        self,
        config: Config,
        now: Callable[[], float],
        tell: Callable[[int, str], None],
    ) -> None:
        self._config = config
        self._now = now
        self._tell = tell
        self.share: Callable[[ServiceError], None] | None = None
        self._account: AccountError | None = None
        self._blocked: BlockedError | None = None
        self._blocked_until = 0.0
        self._probing = False
        self._unknown: str | None = None
        self._unknown_in_a_row = 0
        self._unknown_told: str | None = None
        self._refused: Recent[str, dict[str, SiteRefusedError]] = Recent(MAX_REFUSED)
        self._proxies: Recent[Proxy, _Proxy] = Recent(MAX_PROXIES)
        auto = config.task_type == "auto"
        self._type = TASK_TYPES[0] if auto else config.task_type
        self._type_is_certain = not auto

    @property
    def task_type(self) -> str:
        """The type of task to create."""
        return self._type

    def snapshot(self) -> ServiceState:
        """Return all of it as plain values, for a person or a monitor."""
        left = max(0.0, self._blocked_until - self._now()) if self._blocked else 0.0
        return {
            "account_refused": self._account.code if self._account else None,
            "blocked_seconds": left,
            "unknown_in_a_row": self._unknown_in_a_row,
            "refused": sum(map(len, self._refused.values())),
            "task_type": self._type,
        }

    # Before a call

    def check(self, site: str, sitekey: str) -> None:
        """Raise what forbids a task for *sitekey* on *site*."""
        self.check_calls()
        refused = self._refused.get(site, {})
        # A site may name a new sitekey in each of its gates.
        wholly = len(refused) >= self._config.max_failures
        if sitekey in refused or wholly:
            raise copy.copy(refused.get(sitekey) or next(iter(refused.values())))

    def check_proxy(self, proxy: Proxy | None) -> None:
        """Raise what forbids a task by *proxy*, which failed too often in a row."""
        state = self._proxies.get(proxy) if proxy is not None else None
        if state is None or state.failures < self._config.max_failures:
            return
        if self._now() < state.failed_at + self._config.cooldown:
            raise copy.copy(state.error)

    def check_calls(self) -> None:
        """Raise what forbids any call; a copy, because each page adds its response."""
        if self._account is not None:
            raise copy.copy(self._account)
        if self._blocked is not None and (self._probing or self._is_blocked()):
            raise copy.copy(self._blocked)

    def begin_probe(self) -> bool:
        """Make the first task after a block a probe; tell whether this one is."""
        probe = self._blocked is not None
        self._probing = self._probing or probe
        return probe

    def end_probe(self) -> None:
        """Let others call again, or try in their turn."""
        self._probing = False

    def _is_blocked(self) -> bool:
        return self._now() < self._blocked_until

    # After a call

    def created(self, task_type: str) -> None:
        """Note that a task of *task_type* was created."""
        self._blocked = None
        self._unknown, self._unknown_in_a_row = None, 0
        if task_type == self._type:
            self._type_is_certain = True

    def proxy_worked(self, proxy: Proxy | None) -> None:
        """Note that the service has solved a task by *proxy*."""
        if proxy is not None:
            self._proxies.pop(proxy, None)

    def learn_proxy(self, error: ServiceError, proxy: Proxy | None) -> None:
        """Count *error* against *proxy*, if it is a failure of that."""
        if proxy is None or not isinstance(error, ProxyFailed):
            return
        state = self._proxies.get(proxy) or _Proxy(copy.copy(error))
        self._proxies[proxy] = state
        state.failures += 1
        state.failed_at = self._now()
        if state.failures == self._config.max_failures:
            times = counted(state.failures, "time")
            self._tell(
                logging.WARNING,
                f"No task by the proxy {proxy} for {self._config.cooldown:.0f} s: the "
                f"service could not use it {times} in a row. {error}",
            )

    def falls_back(self, task_type: str, error: ServiceError) -> bool:
        """Tell whether to try another type than *task_type*, which *error* refused.

        That happens once in a crawl, and only until a type has worked.
        """
        if not error.answered or error.code not in TYPE_CODES:
            return False
        if task_type != self._type:
            return True  # another task has found out meanwhile
        if self._type_is_certain:
            return False
        self._type, self._type_is_certain = TASK_TYPES[1], True
        self._tell(
            logging.INFO,
            f"The service refuses tasks of type {task_type} ({error.code}); "
            f"{self._type} is used from now on ({PREFIX}TASK_TYPE).",
        )
        return True

    def learn(
        self, error: ServiceError, site: str, sitekey: str, *, creating: bool
    ) -> None:
        """Note what *error* says about later calls.

        Args:
            error: what a call has come to.
            site: that the call was for.
            sitekey: that the call was for.
            creating: whether the call was ``createTask``.
        """
        if isinstance(error, AccountError):
            self._learn_account(error)
        elif isinstance(error, BlockedError):
            self._learn_block(error, logging.ERROR)
        elif isinstance(error, SiteRefusedError):
            self._learn_refused(error, site, sitekey)
        if creating:
            self._learn_unknown(error)

    def hear(self, error: ServiceError) -> None:
        """Note what another process was told; it is not passed on."""
        if isinstance(error, AccountError):
            self._learn_account(error, heard=True)
        elif isinstance(error, BlockedError):
            self._learn_block(error, logging.WARNING, heard=True)

    def _pass_on(self, error: ServiceError) -> None:
        if self.share is not None:
            self.share(error)

    def _learn_account(self, error: AccountError, *, heard: bool = False) -> None:
        if self._account is None:
            if not heard:
                self._pass_on(error)
            self._account = copy.copy(error)  # the page's own gets its response
            self._tell(
                logging.CRITICAL,
                "No further call to the service in this crawl, every gated page "
                f"fails: {error}",
            )

    def _learn_block(
        self, error: BlockedError, level: int, *, heard: bool = False
    ) -> None:
        if not self._is_blocked():
            if not heard:
                self._pass_on(error)
            self._blocked = copy.copy(error)
            self._blocked_until = self._now() + error.seconds
            self._tell(
                level, f"No call to the service for {error.seconds:.0f} s: {error}"
            )

    def _learn_refused(self, error: SiteRefusedError, site: str, sitekey: str) -> None:
        refused = self._refused.get(site, {})
        refused[sitekey] = copy.copy(error)
        self._refused[site] = refused

    def _learn_unknown(self, error: ServiceError) -> None:
        """Count answers of createTask that nobody knows, over all sites."""
        if isinstance(error, Unavailable) and not error.answered:
            return  # there was no answer
        if type(error) is not ServiceError:
            self._unknown, self._unknown_in_a_row = None, 0
            return
        if error.code != self._unknown:
            self._unknown, self._unknown_in_a_row = error.code, 0
        self._unknown_in_a_row += 1
        if self._unknown_in_a_row < MAX_UNKNOWN:
            return
        block = BlockedError(
            f"The service answered createTask {self._unknown_in_a_row} times in a row "
            f"with an error that this client does not know: {error}",
            code=error.code,
            description=error.description,
            answered=error.answered,
        )
        block.seconds = self._config.cooldown
        again = self._unknown_told == error.code
        self._unknown_told = error.code
        self._learn_block(block, logging.INFO if again else logging.WARNING)
