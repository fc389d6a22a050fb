"""Which headers a token, or a page's script, may set on a request."""

from __future__ import annotations

import re

__all__ = ["HEADER", "is_settable"]

#: What a header's name is written after, where a field's name is expected too.
HEADER = "header:"

_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,100}")
# After the Fetch standard, "forbidden request-header", and what the client itself or
# the encoding of the body says.
_FORBIDDEN = re.compile(
    r"(?:sec|proxy|access-control)-.*|accept-(?:charset|encoding)|connection|cookie2?"
    r"|content-(?:length|type)|date|dnt|expect|host|keep-alive|origin|referer"
    r"|set-cookie|te|trailer|transfer-encoding|upgrade|user-agent|via"
)


def is_settable(header: str) -> bool:
    """Tell whether *header* is a name, and of one that a script may set."""
    name = header.lower()
    return bool(_NAME.fullmatch(name)) and not _FORBIDDEN.fullmatch(name)
