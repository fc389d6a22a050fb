"""Whom a clearance belongs to, what it is bound to, and whose turn it is to earn it.

A session is a site, a cookiejar and a proxy: whoever shares all three shares what the
site grants. Within a session one solve at a time is under way for a sitekey; who is
gated meanwhile waits, and asks again once the clearance is there.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import OrderedDict
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote
from weakref import WeakValueDictionary

from scrapy.utils.httpobj import urlparse_cached
from twisted.internet.defer import Deferred

from scrapy_onecaptcha._twisted import Semaphore

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from scrapy import Request

__all__ = ["Session", "SessionKey", "Sessions", "session_key"]

#: Responses in a row that were gates, after which a session counts as walled off.
WALL = 16

#: Sessions that are remembered though no request of theirs is under way.
MAX_SESSIONS = 4096


class SessionKey(NamedTuple):
    """Names a session.

    Attributes:
        site: scheme and netloc.
        cookiejar: the request's ``meta["cookiejar"]``; for scrapy-playwright, the
            context of the browser, which has cookies of its own.
        proxy: host of the proxy and a hash of the credentials; ``""`` for none, or for
            the environment's, which is the same all through a crawl.
    """

    site: str
    cookiejar: Hashable
    proxy: str


def session_key(request: Request, auth_encoding: str = "latin-1") -> SessionKey:
    """Return the session that *request* belongs to.

    Args:
        request: of the crawl.
        auth_encoding: ``HTTPPROXY_AUTH_ENCODING``.
    """
    url = urlparse_cached(request)
    site = f"{url.scheme}://{url.netloc}"
    proxy = _proxy_identity(request, auth_encoding)
    return SessionKey(site, _cookiejar(request), proxy)


def _cookiejar(request: Request) -> Hashable:
    if request.meta.get("playwright"):
        return "playwright", request.meta.get("playwright_context", "default")
    jar: Hashable = request.meta.get("cookiejar")
    return jar


def _proxy_identity(request: Request, auth_encoding: str) -> str:
    """Return the same before and after HttpProxyMiddleware has seen *request*.

    It moves the credentials from the URL to a header, and marks the proxies that come
    from the environment by ``_scheme_proxy``.
    """
    proxy = request.meta.get("proxy")
    if not proxy or request.meta.get("_scheme_proxy"):
        return ""
    # By hand, for a password may hold what no URL may.
    netloc = re.split(r"[/?#]", proxy.split("//", 1)[-1], maxsplit=1)[0]
    user_info, _, host = netloc.rpartition("@")
    name, _, password = user_info.partition(":")
    if name:  # without a user that middleware drops the password, too
        user = f"{unquote(name)}:{unquote(password)}"
        encoded = user.encode(auth_encoding, "replace")
        credentials = b"Basic " + base64.b64encode(encoded)
    else:
        credentials = request.headers.get("Proxy-Authorization") or b""
    digest = hashlib.sha256(credentials).hexdigest()[:12] if credentials else ""
    return f"{host}#{digest}"


class Session:
    """What is known of one session.

    Args:
        key: whose it is.
        grant: returns the number of a clearance that is granted now.

    Attributes:
        key: whose it is.
        user_agent: the one that the clearance is bound to; every request carries it.
        generation: the number of the last clearance that the site has granted, or 0.
        proven: the last of them that let another request pass.
        cleared_by: the sitekey that earned the last one.
        cookies_set: how many responses have set cookies; a form that was read before
            may belong to a cookie that is gone.
        used_at: when it was last looked up, in seconds of the crawl's clock.
    """

    def __init__(self, key: SessionKey, grant: Callable[[], int]) -> None:
        self.key = key
        self._grant = grant
        self.used_at = 0.0
        self.user_agent: str | None = None
        self.generation = 0
        self.proven = 0
        self.cleared_by = ""
        self.cookies_set = 0
        # Whoever waits for a turn, or has it, holds it: a site may name a new sitekey
        # in each of its gates.
        self._turns: WeakValueDictionary[str, Semaphore] = WeakValueDictionary()
        self._being_solved = 0
        self._gates_in_a_row = 0
        self._held: list[Deferred[None]] = []

    def turn(self, sitekey: str) -> Semaphore:
        """Return the one place for a solve of *sitekey*."""
        return self._turns.setdefault(sitekey, Semaphore(1))

    def cleared(self, sitekey: str) -> None:
        """Note that the site has accepted a token for *sitekey*."""
        self.generation = self._grant()
        self.cleared_by = sitekey

    # A bot wall is not hammered

    @contextmanager
    def being_solved(self) -> Iterator[None]:
        """Count one request that solves, or waits for its turn to."""
        self._being_solved += 1
        try:
            yield
        finally:
            self._being_solved -= 1
            self._let_go()

    def saw(self, *, gate: bool) -> None:
        """Note whether the latest response was a gate."""
        self._gates_in_a_row = self._gates_in_a_row + 1 if gate else 0
        self._let_go()

    @property
    def is_walled(self) -> bool:
        """Whether a request would only meet the gate that is being solved already."""
        return self._being_solved > 0 and self._gates_in_a_row >= WALL

    async def until_passable(self) -> None:
        """Wait while the session `is_walled`."""
        while self.is_walled:
            change: Deferred[None] = Deferred()
            self._held.append(change)
            await change

    def _let_go(self) -> None:
        if not self.is_walled:
            held, self._held = self._held, []
            for change in held:
                if not change.called:  # the crawl may have closed on it
                    change.callback(None)


class Sessions:
    """The sessions of a crawl that have met a gate.

    A session is never lost to a request that is under way. Of the others those are
    forgotten that were used longest ago, where there are more than `MAX_SESSIONS`; but
    not within *memory* where a clearance was paid for.

    Clearances are numbered through the crawl, so that a session that was forgotten and
    begins anew takes no old request for a newer one.

    Args:
        now: seconds of a clock that never goes back.
        memory: for how many seconds it is remembered that a site grants nothing, and
            a clearance that is not used.
        auth_encoding: ``HTTPPROXY_AUTH_ENCODING``.

    Attributes:
        granted: the number of the last clearance, of whatever session.
    """

    def __init__(
        self,
        now: Callable[[], float],
        memory: float,
        auth_encoding: str = "latin-1",
    ) -> None:
        self._auth_encoding = auth_encoding
        self._now = now
        self._memory = memory
        self.granted = 0
        self._alive: WeakValueDictionary[SessionKey, Session] = WeakValueDictionary()
        self._kept: OrderedDict[SessionKey, Session] = OrderedDict()
        self._grants_nothing: dict[tuple[str, str], float] = {}

    def __len__(self) -> int:
        return len(self._alive)

    def key_of(self, request: Request) -> SessionKey:
        """Return the key of the session that *request* belongs to."""
        return session_key(request, self._auth_encoding)

    def of(self, request: Request) -> Session | None:
        """Return the session of *request* if it has ever met a gate."""
        if not self._kept:
            return None  # most crawls, most of the time: nothing to look up
        session = self._alive.get(self.key_of(request))
        return session and self._used(session)

    def open(self, key: SessionKey) -> Session:
        """Return the session of *key*."""
        session = self._alive.get(key)
        if session is None:
            session = self._alive[key] = Session(key, self._grant)
        return self._used(session)

    def _grant(self) -> int:
        self.granted += 1
        return self.granted

    def _used(self, session: Session) -> Session:
        session.used_at = self._now()
        self._kept[session.key] = session
        self._kept.move_to_end(session.key)
        self._forget()
        return session

    def _forget(self) -> None:
        """Let go of the oldest of all; a look at two, for one may have to stay."""
        excess = len(self._kept) - MAX_SESSIONS
        for key in list(islice(self._kept, max(0, min(2, excess)))):
            session = self._kept.pop(key)
            if session.generation and self._now() - session.used_at <= self._memory:
                self._kept[key] = session

    def learn_grants_nothing(self, site: str, sitekey: str) -> None:
        """Note that *site* let one page pass and gated the next one all the same."""
        known, now = self._grants_nothing, self._now()
        known.pop((site, sitekey), None)
        for name in [name for name, until in islice(known.items(), 2) if until <= now]:
            del known[name]
        known[site, sitekey] = now + self._memory

    def grants_nothing(self, site: str, sitekey: str) -> bool:
        """Tell whether each page of *site* wants a token of its own."""
        return self._grants_nothing.get((site, sitekey), 0.0) > self._now()
