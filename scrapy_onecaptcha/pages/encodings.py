"""Media types of messages, and the encodings of pages and forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w3lib.encoding import resolve_encoding

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

__all__ = ["charset", "keeps_ascii", "media_type", "web_name"]

# Encodings of Python's own, which no browser knows; some of them log warnings.
_NO_CHARSETS = frozenset({"utf-7", "unicode-escape", "raw-unicode-escape", "punycode"})
_ASCII = "".join(map(chr, range(32, 127)))
# The names of the Encoding standard, by Python's names in lower case with hyphens.
_WEB_NAMES = {
    "utf-8": "UTF-8",
    "cp932": "Shift_JIS",
    "shift-jis": "Shift_JIS",
    "euc-jp": "EUC-JP",
    "iso2022-jp": "ISO-2022-JP",
    "euc-kr": "EUC-KR",
    "cp949": "EUC-KR",
    "big5": "Big5",
    "big5hkscs": "Big5",
    "gbk": "GBK",
    "gb2312": "GBK",
    # w3lib reads the labels gb2312 and gbk as gb18030, which few pages name.
    "gb18030": "GBK",
    "koi8-r": "KOI8-R",
    "koi8-u": "KOI8-U",
    "cp866": "IBM866",
    "mac-roman": "macintosh",
    "mac-cyrillic": "x-mac-cyrillic",
    # Browsers take these for Windows' supersets of them.
    "ascii": "windows-1252",
    "iso8859-1": "windows-1252",
    "iso8859-9": "windows-1254",
    "iso8859-11": "windows-874",
    "tis-620": "windows-874",
    "cp874": "windows-874",
}


def media_type(message: Request | Response) -> bytes:
    """Return the ``Content-Type`` of *message* in lower case, parameters included."""
    return (message.headers.get("Content-Type") or b"").lower()


def charset(label: str | None) -> str | None:
    """Return the encoding that *label* names, as Python does, or ``None``.

    A page may name any: among Python's there are some that make no text (``base64``),
    or that raise (``idna``).
    """
    try:
        name = resolve_encoding(label or "")
        if name is None or name.replace("_", "-") in _NO_CHARSETS:
            return None
        "\xe9".encode(name, "xmlcharrefreplace")
        b"e".decode(name, "replace")
    except (LookupError, ValueError):
        return None
    return name


def keeps_ascii(encoding: str) -> bool:
    """Tell whether *encoding* takes any text, and leaves a token as it is."""
    try:
        return _ASCII.encode(encoding, "xmlcharrefreplace") == _ASCII.encode()
    except (LookupError, UnicodeError):
        return False


def web_name(encoding: str) -> str:
    """Return the name by which a browser knows Python's *encoding*."""
    name = encoding.lower().replace("_", "-")
    if name in _WEB_NAMES:
        return _WEB_NAMES[name]
    if name.startswith("cp125"):
        return f"windows-{name[2:]}"
    if name.startswith("iso8859-"):
        return f"ISO-8859-{name[8:]}"
    return encoding
