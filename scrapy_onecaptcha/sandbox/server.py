"""The whole sandbox: a service, a siteverify and sites on ports of loopback."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import gatherResults

from scrapy_onecaptcha.sandbox.ledger import Ledger
from scrapy_onecaptcha.sandbox.service.api import Service, ServiceOptions
from scrapy_onecaptcha.sandbox.service.siteverify import SiteVerify
from scrapy_onecaptcha.sandbox.sites.registry import SITES, build_site
from scrapy_onecaptcha.sandbox.web import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twisted.internet.defer import Deferred

    from scrapy_onecaptcha.sandbox.messages import Reply, Visit
    from scrapy_onecaptcha.sandbox.sites.registry import Kind

__all__ = ["Sandbox"]

_POLL_SECONDS = 0.1
_NAME = re.compile(r"[A-Za-z0-9_-]+")


class Sandbox:
    """A service and gated sites, each on its own port of 127.0.0.1.

    Args:
        service: behaviour of the service.
        sites: names of the sandbox's sites, or descriptions of sites of your own by
            name (`Gate`, `Api`, `BotManager`, `Hostile`; ``None``: no gate).
        secrets: siteverify's secrets; see `SiteVerify`.
        reactor: used to listen; by default the installed one, looked up at `start`.
        clock: returns the time in seconds; by default the reactor's.
        seed: seed of everything that is drawn at random.

    Attributes:
        ledger: counters of all that has happened.
        service: the service; ``answer`` turns a `Visit` into a `Reply`.
        siteverify: siteverify, likewise.
        sites: sites by name, likewise, so that a test needs no socket.
        service_url: URL of the service, after `start`.
        siteverify_url: URL of siteverify, after `start`.
        urls: URLs of the sites by name, after `start`; without a slash at the end.

    Raises:
        ValueError: there is no site of a name, or a name does not fit into a cookie's.
    """

    def __init__(
        self,
        *,
        service: ServiceOptions | None = None,
        sites: Iterable[str] | Mapping[str, Kind] = ("bookshop",),
        secrets: Mapping[str, str | None] | None = None,
        reactor: Any = None,
        clock: Callable[[], float] | None = None,
        seed: int = 0,
    ) -> None:
        self._options = ServiceOptions() if service is None else service
        self._reactor = reactor
        self._clock = clock
        self._listeners: list[Listener] = []
        self.service_url = ""
        self.siteverify_url = ""
        self.urls: dict[str, str] = {}
        self.ledger = Ledger(self._seconds, balance=self._options.balance)
        self.service = Service(
            self._options,
            self.ledger,
            clock=self._seconds,
            rng=_rng(seed, "the service"),
        )
        self.siteverify = SiteVerify(self.ledger, secrets)
        self.sites = {
            name: build_site(
                name,
                kind,
                ledger=self.ledger,
                clock=self._seconds,
                rng=_rng(seed, name),
            )
            for name, kind in _kinds(sites).items()
        }

    def _seconds(self) -> float:
        if self._clock is not None:
            return self._clock()
        seconds: float = self._installed_reactor().seconds()
        return seconds

    def _installed_reactor(self) -> Any:
        if self._reactor is None:
            # The import installs a reactor, so it has to wait until the sandbox runs.
            from twisted.internet import reactor  # noqa: PLC0415

            self._reactor = reactor
        return self._reactor

    def start(self) -> Sandbox:
        """Listen on all ports; the URLs are known when this returns.

        Raises:
            RuntimeError: it has been started already.
        """
        if self._listeners:
            raise RuntimeError("the sandbox has been started already")
        self.service_url = self._listen(self.service.answer)
        self.siteverify_url = f"{self._listen(self.siteverify.answer)}/siteverify"
        self.urls = {
            name: self._listen(site.answer) for name, site in self.sites.items()
        }
        return self

    def _listen(self, answer: Callable[[Visit], Reply]) -> str:
        listener = Listener(self._installed_reactor(), answer)
        self._listeners.append(listener)
        return listener.url

    def stop(self) -> Deferred[Any]:
        """Stop; fires when all ports and all connections are closed."""
        listeners, self._listeners = self._listeners, []
        stopping = [listener.stop() for listener in listeners]
        return gatherResults(stopping, consumeErrors=True)

    def go_down(self, seconds: float) -> None:
        """Let the service refuse each connection for *seconds*.

        Before `start` and after `stop` it does nothing: nobody listens anyway.
        """
        for listener in self._listeners[:1]:
            listener.go_down(seconds)

    def come_back(self) -> None:
        """Let the service take connections again before that time is over."""
        for listener in self._listeners[:1]:
            listener.come_back()

    def settings(self) -> dict[str, object]:
        """Return the Scrapy settings that make a crawl use this sandbox."""
        return {
            "ONECAPTCHA_API_URL": self.service_url,
            "ONECAPTCHA_API_KEY": self._options.key,
            "ONECAPTCHA_POLL_DELAY": _POLL_SECONDS,
            "ONECAPTCHA_POLL_INTERVAL": _POLL_SECONDS,
        }


def _rng(seed: int, name: str) -> random.Random:
    # Each part has its own, so that the sequences do not depend on each other.
    return random.Random(f"{seed}/{name}")  # noqa: S311 - guards nothing


def _kinds(sites: Iterable[str] | Mapping[str, Kind]) -> Mapping[str, Kind]:
    names = list(sites)
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"a site's name is letters, digits, - and _: {name!r}")
    if isinstance(sites, Mapping):
        return sites
    for name in names:
        if name not in SITES:
            raise ValueError(
                f"no site is called {name!r}; there are {', '.join(SITES)}"
            )
    return {name: SITES[name] for name in names}
