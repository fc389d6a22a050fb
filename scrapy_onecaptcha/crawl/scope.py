"""Where the crawl may solve, and where a token may go."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from w3lib.url import safe_url_string

from scrapy_onecaptcha._logging import quoted
from scrapy_onecaptcha._values import is_within
from scrapy_onecaptcha.exceptions import SubmissionRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Scope"]


class Scope:
    """Where the crawl may solve and submit.

    Args:
        domains: returns the hosts, their subdomains included; none: each host that
            the spider itself asked for. A spider may change them as it goes.
    """

    def __init__(self, domains: Callable[[], Iterable[str] | None]) -> None:
        self._domains = domains

    @property
    def domains(self) -> tuple[str, ...]:
        """The hosts that are allowed by name."""
        # Scrapy, too, skips what is no string.
        domains = self._domains() or ()
        return tuple(domain.lower() for domain in domains if isinstance(domain, str))

    def holds(self, url: str, asked: str) -> bool:
        """Tell whether *url* is in scope, where the spider *asked* for that one."""
        host = _host(url)
        return self.allows(host) if self.domains else host == _host(asked)

    def allows(self, host: str) -> bool:
        """Tell whether *host* was allowed by name."""
        return any(is_within(host, domain) for domain in self.domains)

    def check_submission(self, page: str, target: str, asked: str = "") -> None:
        """Check that a token may go from *page* to *target*.

        Args:
            page: shows the gate.
            target: where the token would go, or the site leads on to after it.
            asked: what the spider asked for: the way back to it is always allowed.

        Raises:
            SubmissionRefused: the token may not go there.
        """
        here, there = _split(page), _split(target)
        if there.scheme not in ("http", "https"):
            raise _refused(page, target, "it is no web address")
        if here.scheme == "https" and there.scheme != "https":
            raise _refused(page, target, "it leads from https down to http")
        back = bool(asked) and _site(there) == _site(_split(asked))
        if _site(here) != _site(there) and not back:
            self._check_host(page, target)
        if _user_of(there) not in ("", _user_of(here)):
            # Scrapy takes it for part of the host's name, and would not get there.
            raise _refused(page, target, "it names a user")

    def _check_host(self, page: str, target: str) -> None:
        host = _host(target)
        if self.allows(host):
            return
        if host != _host(page) and _is_private(host):
            raise _refused(page, target, "it is a loopback or private address")
        raise _refused(
            page, target, "it is another site; add it to ONECAPTCHA_ALLOWED_DOMAINS"
        )


def _site(url: SplitResult) -> str:
    """Return host and port; going up from http to https keeps the site."""
    netloc = url.netloc.rpartition("@")[2].lower()
    return netloc.removesuffix(":443" if url.scheme == "https" else ":80")


def _user_of(url: SplitResult) -> str:
    return url.netloc.rpartition("@")[0]


def _host(url: str) -> str:
    return (_split(url).hostname or "").rstrip(".").lower()


def _split(url: str) -> SplitResult:
    try:
        # As scrapy.Request will read it, and browsers do: a backslash is a slash.
        return urlsplit(safe_url_string(url))
    except ValueError:  # a page may name any nonsense
        return urlsplit("")


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False


def _refused(page: str, target: str, why: str) -> SubmissionRefused:
    # Without the query, which may hold the token.
    shown = quoted(target.partition("?")[0])
    return SubmissionRefused(f"{page} wants its token sent to {shown}: {why}")
