"""URLs that exist only to show a gate, known by their path and query."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["names", "says_so"]

_SAYS_SO = re.compile(
    r"(?:^|[/_.-])(?:h?captcha|challenge|verify|verification|anti[-_]?bot|bot[-_]?check"
    r"|human[-_]?check|are[-_]?you[-_]?human|security[-_]?check)(?:$|[/_.-])",
    re.IGNORECASE,
)


def says_so(url: str) -> bool:
    """Tell whether the path of *url* says that it is a gate's."""
    return _SAYS_SO.search(urlsplit(url).path) is not None


def names(gated: str, asked: str) -> bool:
    """Tell whether query or fragment of *gated* name the URL *asked*."""
    parts = urlsplit(asked)
    path = parts.path or "/"
    full = f"{path}?{parts.query}" if parts.query else path
    whole = urlunsplit(parts._replace(fragment=""))
    page = urlunsplit(parts._replace(query="", fragment=""))
    meant = {path, full, whole, unquote(full), unquote(whole), page}
    return any(value in meant for value in _values(gated))


def _values(url: str) -> Iterator[str]:
    """Yield what the query and the fragment of *url* hold, however often quoted."""
    parts = urlsplit(url)
    for text in (parts.query, parts.fragment):
        if not text:
            continue
        for _, value in [("", text), *parse_qsl(text)]:
            yield value
            yield unquote(value)
            yield unquote(unquote(value))
