"""A resolver for crawls of the sandbox by host names: each name is 127.0.0.1.

    TWISTED_DNS_RESOLVER = "scrapy_onecaptcha.sandbox.resolver.LoopbackResolver"

(``DNS_RESOLVER`` in older versions of Scrapy.) A crawl with it never leaves the
machine, and ``http://shop1.example.com:PORT`` is the sandbox's site on that port. It
works on a Twisted reactor; a crawl without a reactor resolves names by other means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IResolverSimple
from zope.interface import implementer  # type: ignore[import-untyped,unused-ignore]

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LoopbackResolver"]

_ADDRESS = "127.0.0.1"


@implementer(IResolverSimple)
class LoopbackResolver:
    """Resolves each name to 127.0.0.1.

    Args:
        reactor: resolves its names by this, once `install_on_reactor` was called.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    @classmethod
    def from_crawler(cls, crawler: Any, reactor: Any) -> LoopbackResolver:
        """Make the resolver of a crawl; Scrapy calls this."""
        del crawler
        return cls(reactor)

    def install_on_reactor(self) -> None:
        """Let the reactor resolve names by this; Scrapy calls this."""
        self._reactor.installResolver(self)

    def getHostByName(  # noqa: N802 - Twisted's name
        self, name: str, timeout: Sequence[int] = ()
    ) -> Deferred[str]:
        """Return the address of *name*."""
        del name, timeout
        return succeed(_ADDRESS)
