"""The inline scripts of a page as text: what they say of hCaptcha without being run.

Enough for the first question: could this page be a gate? What its scripts do is found
by running them (`scrapy_onecaptcha.scripts`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_onecaptcha.pages.html import Node, Page
    from scrapy_onecaptcha.pages.steps import Steps

__all__ = ["API", "InlineScripts", "Rendering", "is_active"]

# Calls of `render` that are looked at.
MAX_RENDERINGS = 32
# Characters behind such a call that may be its options.
MAX_OPTIONS = 600
# Characters of a script that does nothing but load hCaptcha's.
MAX_LOADER = 600
# Characters of all scripts that are searched for what they send.
MAX_SEARCHED = 512_000
# Strings and comments that are told apart. What comes after them is not read: a script
# that is all quotes would take seconds.
MAX_LITERALS = 20_000

#: The address of hCaptcha's script.
API = re.compile(
    r"\s*(?:https?:)?//(?:(?:[\w-]+\.)*hcaptcha\.com/1/(?:secure-)?api\.js"
    r"|[\w.:-]+/1/secure-api\.js)(?=[?#\s]|$)",
    re.IGNORECASE,
)
_INJECTED = re.compile(
    r"""["'`]((?:https?:)?//(?:[\w-]+\.)*hcaptcha\.com/1/(?:secure-)?api\.js"""
    r"""[^"'`\s]{0,500})["'`]""",
    re.IGNORECASE,
)
# No media type, one of JavaScript's, or one that Cloudflare's Rocket Loader made of it.
_ACTIVE = re.compile(
    r"|module|(?:\w+-)?(?:text|application)/(?:x-)?(?:java|ecma)script.*"
)
# What a script says that has to do with a captcha.
_NAMING = ("captcha", "sitekey", "site_key", "site-key", "rqdata")
_RENDER = re.compile(
    r"""\b(?P<of>hcaptcha|grecaptcha)\s*\??\.\s*(?:render|execute)\s*\(\s*"""
    r"""(?:["'`]\#?(?P<id>[\w-]{1,100})["'`])?"""
)
_KEY = re.compile(
    r"""site_?-?key["']?\s*:\s*["'`]([^"'`\s]{1,100})["'`]""", re.IGNORECASE
)
_INVISIBLE = re.compile(r"""size["']?\s*:\s*["'`]invisible["'`]""")
_RQDATA = re.compile(r"""(?<!["'])\brqdata\s*[:=]\s*["'`]([^"'`\\]{1,20000})["'`]""")
# In lower case. It starts with a set of characters, which `re` looks for in a fraction
# of the time that it takes to try several patterns.
_SENDS = re.compile(
    r"[fxsal.](?:(?<=\bf)etch\s*\(|(?<=x)mlhttprequest|(?<=s)endbeacon|(?<=\ba)xios\b"
    r"|(?<=\.)(?:(?:ajax|post|getjson)\s*\(|(?:request)?submit\s*\()"
    r"|(?<=\bl)ocation\b\s*(?:\.\w+\s*)?[=(])"
)
_SENDING = (
    *("fetch", "xmlhttprequest", "sendbeacon", "axios", ".ajax", ".post", ".getjson"),
    *("submit", "location"),
)
# A literal or comment that lacks its end runs to the end of the line or text: so
# nothing is scanned twice. This, too, starts with a set of characters.
_LITERAL = re.compile(
    r"""
    ["'`/]
    (?: (?<=") [^"\\\n]*(?:\\.[^"\\\n]*)*"?
    | (?<=') [^'\\\n]*(?:\\.[^'\\\n]*)*'?
    | (?<=`) [^`\\]*(?:\\.[^`\\]*)*`?
    | (?<=/) (?P<comment> /[^\n]* | \*.*?(?:\*/|\Z) )
    # A regular expression, which follows what no division can follow.
    | (?: (?<=[=(,:!&|?{};\[]/) | (?<=[=(,:&|?]\ /) ) (?![*/])(?:[^/\\\n]|\\.)+/ )
    """,
    re.DOTALL | re.VERBOSE,
)
_HANDLERS = ("onsubmit", "onclick", "onload", "onchange")
_HANDLED = f"descendant-or-self::*[{' or '.join(f'@{name}' for name in _HANDLERS)}]"


@dataclass(frozen=True, slots=True)
class Rendering:
    """A call that renders or executes a widget.

    Attributes:
        of: the name that the API is called by.
        element_id: of the container, where the call names one.
        sitekey: that the call names.
        invisible: whether its options say so.
    """

    of: str
    element_id: str | None
    sitekey: str | None
    invisible: bool


@dataclass(frozen=True, slots=True)
class InlineScripts:
    """The inline scripts of a page.

    Attributes:
        code: those that name a captcha or a sitekey.
        dormant: scripts that are no JavaScript: data.
        sends: whether any of them may send or submit something.
        some: whether there is any code, in scripts or handlers, that does more than
            load hCaptcha's script.
    """

    code: str
    dormant: tuple[str, ...]
    sends: bool
    some: bool

    @classmethod
    def steps(cls, page: Page) -> Steps[InlineScripts]:
        """Read those of *page*, in steps."""
        active, dormant = [], []
        for element in page.root.iter("script"):
            if not is_active(element):
                dormant.append(element.text or "")
            elif element.text and not element.get("src"):
                active.append(element.text)
        naming = [text for text in active if _has_any(text, _NAMING)]
        handlers = list(_handlers(page))
        yield
        code = _without_comments("\n".join(naming))
        yield
        return cls(
            code=code,
            dormant=tuple(dormant),
            sends=_may_send("\n".join([*active, *handlers])[:MAX_SEARCHED]),
            some=any(map(_may_matter, active)) or bool(handlers),
        )

    def injected(self) -> list[str]:
        """Return the addresses of hCaptcha's script that scripts name."""
        return _injected(self.code)[:MAX_RENDERINGS]

    def renderings(self) -> Iterator[Rendering]:
        """Yield the calls that render or execute a widget."""
        if not ("render" in self.code or "execute" in self.code):
            return  # what follows takes a hundred times as long
        quoted = [found.span() for found in _literals(self.code)]
        starts = [start for start, _ in quoted]
        for number, found in enumerate(_RENDER.finditer(self.code)):
            if number == MAX_RENDERINGS:
                return
            before = bisect_right(starts, found.start()) - 1
            if before >= 0 and found.start() < quoted[before][1]:
                continue  # inside of a string
            options = self.code[found.end() : found.end() + MAX_OPTIONS]
            key = _KEY.search(options)
            yield Rendering(
                of=found["of"],
                element_id=found["id"],
                sitekey=key[1] if key else None,
                invisible=_INVISIBLE.search(options) is not None,
            )

    def rqdata(self) -> str | None:
        """Return the rqdata that a script names."""
        found = _RQDATA.search(self.code) if "rqdata" in self.code else None
        return found[1] if found else None


def _without_comments(code: str) -> str:
    if "//" not in code and "/*" not in code:
        return code
    kept, done = [], 0
    for number, found in enumerate(_literals(code), 1):
        if found["comment"] is not None:
            kept += [code[done : found.start()], " "]
            done = found.end()
        if number == MAX_LITERALS:
            code = code[: found.end()]
    return "".join([*kept, code[done:]])


def _literals(code: str) -> Iterator[re.Match[str]]:
    return islice(_LITERAL.finditer(code), MAX_LITERALS)


def _injected(code: str) -> list[str]:
    return _INJECTED.findall(code) if "api.js" in code.lower() else []


def is_active(script: Node) -> bool:
    """Tell whether a browser runs *script*."""
    return bool(_ACTIVE.fullmatch((script.get("type") or "").strip().lower()))


def _may_matter(code: str) -> bool:
    if len(code) > MAX_LOADER or not _injected(code):
        return bool(code.strip())
    return "function" in code or "=>" in code or _may_send(code)


def _may_send(code: str) -> bool:
    """Tell whether *code* has what sends something."""
    # A search for words takes a hundredth of the pattern's time.
    return _has_any(code, _SENDING) and _SENDS.search(code.lower()) is not None


def _has_any(text: str, words: tuple[str, ...]) -> bool:
    text = text.lower()
    return any(word in text for word in words)


def _handlers(page: Page) -> Iterator[str]:
    # By libxml2: a walk in Python takes ten times as long.
    for element in page.root.xpath(_HANDLED):
        for name in _HANDLERS:
            if code := element.get(name):
                yield code
