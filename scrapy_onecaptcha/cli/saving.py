"""What ``detect --save`` keeps of a page, for a report to the developers.

Three files for each page: the body as it came, its headers, and what was read. Personal
details of addresses are removed: user names, what a query holds, fragments, and parts
of paths that look like an address, a number or a key. So are the values of cookies. The
body is kept as it is: look through it before you send it on.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from scrapy_onecaptcha.pages.encodings import media_type

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy.http import Response

__all__ = ["cleaned_url", "save"]

REMOVED = "removed"
# A part of a path that is no word but an address, an account or a key.
_PERSONAL = re.compile(r".*@.*|.*%40.*|.*\d{4,}.*|[\w-]{25,}", re.IGNORECASE)
# A URL in a text, also one without a host, as in a redirect, or a query alone.
_URL = re.compile(r"(?:(?:https?:/)?/|\?)[^\s\"'<>)\]}]+")
# Headers that are made to hold an address, of any form, and where it is in them.
_ADDRESSES = {
    b"location": re.compile(r".+"),
    b"content-location": re.compile(r".+"),
    b"refresh": re.compile(r"(?<=[;,=])(?!\s*url\s*=).+", re.IGNORECASE),
    b"link": re.compile(r"(?<=<)[^>]+"),
}
_SUFFIXES = {b"json": ".json", b"xml": ".xml", b"plain": ".txt", b"html": ".html"}
# Characters of a directory's name.
MAX_HOST = 80


def save(
    directory: Path, number: int, response: Response, told: dict[str, Any]
) -> Path:
    """Keep a page, its headers and what was *told* of it; return where.

    Args:
        directory: where a directory for the page is made.
        number: of the page, in the order that pages were named.
        response: the page.
        told: as ``detect --json`` has it.

    Raises:
        OSError: it cannot be written.
    """
    host = urlsplit(response.url).hostname or "page"
    name = re.sub(r"[^\w.-]", "_", host)[:MAX_HOST]
    place = directory / f"{number:02}-{name}"
    place.mkdir(parents=True, exist_ok=True)
    _write(place / f"page{_suffix(response)}", response.body)
    headers = "\n".join([f"HTTP {response.status}", *_headers(response)])
    _write(place / "headers.txt", f"{headers}\n".encode())
    reading = json.dumps(_cleaned(told), indent=2, ensure_ascii=False)
    _write(place / "reading.json", f"{reading}\n".encode())
    return place


def cleaned_url(url: str) -> str:
    """Return *url* without personal details; names of its parameters stay."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return REMOVED
    path = "/".join(
        REMOVED if _PERSONAL.fullmatch(part) else part for part in parts.path.split("/")
    )
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if parts.query and not names:
        names = [REMOVED]
    query = "&".join(f"{_name(name)}={REMOVED}" for name in names)
    return urlunsplit((parts.scheme, host + port, path, query, ""))


def _name(name: str) -> str:
    return REMOVED if _PERSONAL.fullmatch(name) else name


def _suffix(response: Response) -> str:
    kind = media_type(response) or b"html"
    return next((end for word, end in _SUFFIXES.items() if word in kind), ".bin")


def _headers(response: Response) -> list[str]:
    lines = []
    for name, values in response.headers.items():
        for value in values:
            text = value.decode("latin-1")
            if name.lower() == b"set-cookie":
                text = f"{text.partition('=')[0]}={REMOVED}"
            address = _ADDRESSES.get(name.lower())
            if address:
                text = address.sub(lambda found: cleaned_url(found[0]), text)
            lines.append(f"{name.decode('latin-1')}: {_cleaned_text(text)}")
    return lines


def _cleaned(value: Any) -> Any:
    """Return *value* with each address in it cleaned, and without values of fields."""
    if isinstance(value, str):
        return _cleaned_text(value)
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: [[name, REMOVED] for name, _ in each]
        if key in ("fields", "headers")
        else _cleaned(each)
        for key, each in value.items()
        if key != "target"
    }


def _cleaned_text(text: str) -> str:
    return _URL.sub(lambda found: cleaned_url(found[0]), text)


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
