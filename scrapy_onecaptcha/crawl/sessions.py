"""Sessions: requests that share what a site grants for a token.

A session is a site, a cookiejar and a proxy. Its clearances, its line of waiting
requests and its User-Agent belong together. Sessions of one registrable domain may turn
out to be one, where a clearance of the one opens the other.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from scrapy_onecaptcha.crawl.clearance import Clearance, Clearances
from scrapy_onecaptcha.crawl.domains import Domain, Movable, registrable_domain
from scrapy_onecaptcha.crawl.line import Line
from scrapy_onecaptcha.crawl.session_key import SessionKey, session_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.window import Transit

__all__ = ["Session", "SessionKey", "Sessions", "session_key"]

#: Sessions that are remembered though no request of theirs is under way.
MAX_SESSIONS = 4096


class Session:
    """What is known of one session.

    Args:
        key: names it.
        line: its waiting requests.

    Attributes:
        key: names it.
        line: its waiting requests, and its clearances.
        user_agent: the one that the clearance is bound to; every request carries it.
        url_pass: query parameters that open its pages, if the site grants that.
        useless_passes: names of query parameters that were tried and open nothing.
        cost: tasks since its last clearance.
        used_at: when it was last looked up, in seconds of the crawl's clock.
        merged_into: the session that it has become one with, if any.
    """

    def __init__(self, key: SessionKey, line: Line) -> None:
        self.key = key
        self.line = line
        self.user_agent: str | None = None
        self.url_pass: tuple[tuple[str, str], ...] = ()
        self.useless_passes: set[frozenset[str]] = set()
        self.cost = 0
        self.used_at = 0.0
        self.merged_into: Session | None = None

    @property
    def clearances(self) -> Clearances:
        """What the site has granted."""
        return self.line.clearances

    @property
    def generation(self) -> int:
        """The number of the last clearance, or 0."""
        return self.clearances.generation


class Sessions:
    """The sessions of a crawl that have met a gate.

    A session is never lost to a request that is under way. Of the others the least
    recently used are forgotten, where there are more than `MAX_SESSIONS`; but not
    within *memory* where a clearance was paid for.

    Clearances are numbered through the crawl, so that a session that was forgotten and
    begins anew takes no old request for a newer one.

    Args:
        clock: never goes back.
        memory: for how many seconds it is remembered that tokens opened nothing else,
            and a clearance that is not used.
        most_tasks: tasks that may be open at once.
        transit: knows where requests are.
        auth_encoding: ``HTTPPROXY_AUTH_ENCODING``.

    Attributes:
        granted: the number of the last clearance, of any session.
    """

    def __init__(
        self,
        clock: Clock,
        memory: float,
        most_tasks: int,
        transit: Transit,
        auth_encoding: str = "latin-1",
    ) -> None:
        self._auth_encoding = auth_encoding
        self._clock = clock
        self._memory = memory
        self._most_tasks = most_tasks
        self._transit = transit
        self.granted = 0
        self._alive: WeakValueDictionary[SessionKey, Session] = WeakValueDictionary()
        self._kept: OrderedDict[SessionKey, Session] = OrderedDict()
        self._domains: WeakValueDictionary[SessionKey, Domain] = WeakValueDictionary()
        self._when_gated: Callable[[], None] | None = None

    def when_gated(self, call: Callable[[], None]) -> None:
        """Have *call* called when the crawl meets its first gate."""
        self._when_gated = call

    def __len__(self) -> int:
        return len(self._alive)

    def key_of(self, request: Request) -> SessionKey:
        """Return the key of the session that *request* belongs to."""
        return session_key(request, self._auth_encoding)

    def of(self, request: Request) -> Session | None:
        """Return the session of *request* if it has ever met a gate."""
        if not self._kept:
            return None  # most crawls, most of the time: nothing to look up
        key = self.key_of(request)
        session = self._alive.get(key)
        return session and self._used(key, session)

    def open(self, key: SessionKey) -> Session:
        """Return the session of *key*."""
        session = self._alive.get(key)
        if session is None:
            if self._when_gated is not None:
                self._when_gated()
                self._when_gated = None
            domain = self._domain_of(key)
            line = Line(
                Clearances(),
                domain,
                self._clock,
                self._most_tasks,
                self._transit,
                self._memory,
            )
            session = self._alive[key] = Session(key, line)
        return self._used(key, session)

    def current(self, session: Session) -> Session:
        """Return what *session* is by now."""
        while session.merged_into is not None:
            session = session.merged_into
        return self._used(session.key, session)

    def all(self) -> list[Session]:
        """Return the sessions, each once."""
        return list({id(session): session for session in self._alive.values()}.values())

    def grant(
        self,
        session: Session,
        paid_for: Request | None,
        cookies: frozenset[tuple[str, str]] = frozenset(),
        *,
        imported: bool = False,
    ) -> Clearance:
        """Note that the site has granted *session* a clearance."""
        self.granted += 1
        clearance = Clearance(
            generation=self.granted,
            since=self._clock.seconds(),
            cost=session.cost,
            paid_for=paid_for,
            imported=imported,
        )
        session.cost = 0
        session.clearances.grant(clearance)
        session.line.domain.opened(session.line, self.granted, cookies)
        session.line.granted()
        return clearance

    def merge(self, session: Session, line: Movable) -> Session:
        """Make *session* one with the session whose line is *line*; return that."""
        other = next((s for s in self._alive.values() if s.line is line), None)
        if other is None or other is session:
            return session
        for key in [key for key, each in self._alive.items() if each is session]:
            self._alive[key] = other
            self._used(key, other)
        session.merged_into = other
        other.line.absorb(session.line)
        return other

    def _domain_of(self, key: SessionKey) -> Domain:
        name = key._replace(site=registrable_domain(key.host))
        domain = self._domains.get(name)
        if domain is None:
            domain = self._domains[name] = Domain()
        return domain

    def _used(self, key: SessionKey, session: Session) -> Session:
        session.used_at = self._clock.seconds()
        self._kept[key] = session
        self._kept.move_to_end(key)
        self._forget()
        return session

    def _forget(self) -> None:
        """Forget the least recently used; one of two looked at may have to stay."""
        excess = len(self._kept) - MAX_SESSIONS
        for key in list(islice(self._kept, max(0, min(2, excess)))):
            session = self._kept.pop(key)
            age = self._clock.seconds() - session.used_at
            if session.generation and age <= self._memory:
                self._kept[key] = session
