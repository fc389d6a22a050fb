"""What a type checker sees of the installed package; nothing of it is run."""  # noqa: INP001

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha import detect

if TYPE_CHECKING:
    from scrapy.http import Response


def sitekey_of(response: Response) -> str | None:
    """Return the sitekey of a gate."""
    challenge = detect(response)
    return challenge.sitekey if challenge is not None else None


# Where the types are not seen, this is no error, and the comment is one.
detect("a page")  # type: ignore[arg-type]
