"""Sessions of neighbouring hosts: one registrable domain, cookiejar and proxy.

Bot walls often have one clearance for all hosts of a domain. So the first solve of a
sitekey goes alone there until a token has been accepted, and after a failure another
host has its turn: one host that refuses every token keeps nobody waiting for long.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol

from tldextract import TLDExtract

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Domain", "Movable", "registrable_domain"]

#: Clearances of a domain whose cookies are remembered.
MAX_REMEMBERED = 16

#: The list that comes with the package: nothing is fetched.
_split = TLDExtract(
    suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True
)


@lru_cache(maxsize=1024)
def registrable_domain(host: str) -> str:
    """Return the part of *host* that one owner has registered."""
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        parts = _split(host)
        if parts.suffix and parts.domain:
            return f"{parts.domain}.{parts.suffix}"
        # A suffix that is not in the list is one label long.
        return ".".join(host.rsplit(".", 2)[-2:])


class Movable(Protocol):
    """The line of a session's waiting requests."""

    def move(self) -> None:
        """Let go who may go now."""


@dataclass(slots=True)
class _Sitekey:
    """The solves of one sitekey within a domain."""

    known: bool = False
    owner: Movable | None = None
    asking: dict[Movable, None] = field(default_factory=dict)
    failures: dict[Movable, int] = field(default_factory=dict)


class Domain:
    """What the sessions of one registrable domain, cookiejar and proxy share."""

    def __init__(self) -> None:
        self._sitekeys: dict[str, _Sitekey] = {}
        self._opened: deque[tuple[int, Movable, frozenset[tuple[str, str]]]] = deque(
            maxlen=MAX_REMEMBERED
        )
        self._unserved: list[_Sitekey] = []
        self._serving = False

    # The first solve goes alone

    def allows(self, line: Movable, sitekey: str) -> bool:
        """Tell whether *line* may solve *sitekey* now; if not, it is told when."""
        state = self._sitekeys.setdefault(sitekey, _Sitekey())
        if state.known or state.owner is None or state.owner is line:
            return True
        state.asking[line] = None
        return False

    def begins(self, line: Movable, sitekey: str) -> None:
        """Note that *line* solves."""
        state = self._sitekeys[sitekey]
        state.asking.pop(line, None)
        if not state.known:
            state.owner = line

    def solved(self, line: Movable, sitekey: str, *, failed: bool) -> None:
        """Note the end of a solve, and let the next host try."""
        state = self._sitekeys.get(sitekey)
        if state is None:
            return
        if not failed:
            state.known = True
            state.failures.clear()
        elif not state.known:
            state.failures[line] = state.failures.get(line, 0) + 1
        if state.owner is line:
            state.owner = None
        self._unserved.append(state)
        self._serve()
        if not state.asking:
            state.failures.clear()
        if state == _Sitekey():
            self._sitekeys.pop(sitekey, None)

    def merged(self, old: Movable, new: Movable) -> None:
        """Note that who waited in *old*, or solves for it, belongs to *new* now."""
        for state in self._sitekeys.values():
            if state.owner is old:
                state.owner = new
            if old in state.asking:
                del state.asking[old]
                state.asking[new] = None
            if old in state.failures:
                failures = state.failures.pop(old)
                state.failures[new] = state.failures.get(new, 0) + failures
        opened = [(g, new if line is old else line, c) for g, line, c in self._opened]
        self._opened.clear()
        self._opened.extend(opened)

    def _serve(self) -> None:
        if self._serving:
            return  # the loop below goes on with what was added
        self._serving = True
        try:
            while self._unserved:
                state = self._unserved.pop()
                while state.asking and (state.known or state.owner is None):
                    line = min(
                        state.asking, key=lambda line: state.failures.get(line, 0)
                    )
                    del state.asking[line]
                    line.move()
        finally:
            self._serving = False

    # One clearance for several hosts

    def opened(
        self, line: Movable, generation: int, cookies: frozenset[tuple[str, str]]
    ) -> None:
        """Note the clearance of one session, and the cookies that it has set."""
        if cookies:
            self._opened.append((generation, line, cookies))

    def may_open(
        self, stamp: int, unsent: Callable[[], frozenset[tuple[str, str]]]
    ) -> bool:
        """Tell whether a neighbour's clearance may open what left with *stamp*.

        It may if it came later, and has set a cookie that would be sent now and was
        not.
        """
        return self._opener(stamp, unsent) is not None

    def opener(self, stamp: int, unsent: frozenset[tuple[str, str]]) -> Movable | None:
        """Return the session whose clearance has opened what left with *stamp*."""
        return self._opener(stamp, lambda: unsent)

    def _opener(
        self, stamp: int, unsent: Callable[[], frozenset[tuple[str, str]]]
    ) -> Movable | None:
        later = [entry for entry in self._opened if entry[0] > stamp]
        if not later:
            return None
        due = unsent()
        return next((line for _, line, set_ in reversed(later) if set_ & due), None)
