"""What the HTTP status of an answer says of its content."""

from __future__ import annotations

from scrapy_onecaptcha.pages.signs import GONE

__all__ = ["NO_CONTENT", "is_error", "is_success", "shows_content", "tells_nothing"]

#: Answers that show no content, though they are no gate. A page that is missing
#: (404, 410) is an answer like any other.
NO_CONTENT = frozenset({400, 401, 403, 405, 407, 422, 429})

_CLIENT_ERROR, _SERVER_ERROR = 400, 500


def shows_content(status: int) -> bool:
    """Tell whether the answer is one to what was asked for, and not an error."""
    return status not in NO_CONTENT and status < _SERVER_ERROR


def tells_nothing(status: int) -> bool:
    """Tell whether the answer may come from before any gate, and so tells of none."""
    return status in GONE or status >= _SERVER_ERROR


def is_success(status: int) -> bool:
    """Tell whether the status is 2xx."""
    return 200 <= status < 300  # noqa: PLR2004


def is_error(status: int) -> bool:
    """Tell whether the status is 4xx or 5xx."""
    return status >= _CLIENT_ERROR
