"""A strict parser of submitted forms: bytes in, bytes out, no repairs."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

__all__ = ["MULTIPART", "URLENCODED", "Fields", "parse_form", "parse_urlencoded"]

Fields = tuple[tuple[bytes, bytes], ...]
"""Names and values in the order of the request, in the encoding of the page."""

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

_DISPOSITION = re.compile(
    rb'^content-disposition:\s*form-data;\s*name="([^"\r\n]*)"([^\r\n]*)$',
    re.IGNORECASE | re.MULTILINE,
)
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)


def parse_form(content_type: str, body: bytes) -> tuple[str, Fields]:
    """Return the media type of a form and its fields.

    Raises:
        ValueError: the body does not fit its type, or the type is not that of a form.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == URLENCODED:
        return media_type, parse_urlencoded(body)
    if media_type == MULTIPART:
        found = _BOUNDARY.search(content_type)
        if found is None:
            raise ValueError("the multipart form has no boundary")
        return media_type, parse_multipart(body, found[1].encode())
    raise ValueError(f"not the type of a form: {content_type!r}")


def parse_urlencoded(data: bytes) -> Fields:
    """Parse ``application/x-www-form-urlencoded`` data."""
    pairs = (pair.partition(b"=") for pair in data.split(b"&") if pair)
    return tuple((_decoded(name), _decoded(value)) for name, _, value in pairs)


def _decoded(data: bytes) -> bytes:
    return unquote_to_bytes(data.replace(b"+", b" "))


def parse_multipart(body: bytes, boundary: bytes) -> Fields:
    """Parse ``multipart/form-data``; parts with a file name are skipped.

    Raises:
        ValueError: a delimiter or the name of a part is missing.
    """
    preamble, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if preamble or not parts or not parts[-1].startswith(b"--"):
        raise ValueError("the multipart form lacks a delimiter")
    read = (_part(part) for part in parts[:-1])
    return tuple(pair for pair in read if pair is not None)


def _part(part: bytes) -> tuple[bytes, bytes] | None:
    head, blank, value = part.partition(b"\r\n\r\n")
    found = _DISPOSITION.search(head.replace(b"\r\n", b"\n"))
    if not blank or found is None:
        raise ValueError("a part of the multipart form has no name")
    return None if b"filename=" in found[2].lower() else (found[1], value)
