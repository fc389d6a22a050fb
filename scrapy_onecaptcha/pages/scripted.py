"""From a page to a visit of its scripts, and from what they did to a form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Literal, get_args

from scrapy_onecaptcha._logging import printable, quoted
from scrapy_onecaptcha._values import is_settable
from scrapy_onecaptcha.models import URLENCODED, Form, valid_sitekey
from scrapy_onecaptcha.pages.encodings import charset, web_name
from scrapy_onecaptcha.pages.forms import resp_key_fields
from scrapy_onecaptcha.pages.html import read_part
from scrapy_onecaptcha.scripts.models import Visit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.http import TextResponse

    from scrapy_onecaptcha.pages.html import Page
    from scrapy_onecaptcha.scripts.models import Pairs, Reading, Sending, Widget

__all__ = [
    "SUBMISSION_REASONS",
    "ScriptReason",
    "Scripts",
    "cookies_of",
    "decides",
    "explain",
    "form_of",
    "rendered_widget",
    "visit_of",
    "why_not",
]

ScriptReason = Literal[
    "no_engine", "scripts_off", "scripts_not_run", "scripts_failed", "scripts_missing"
]

#: Reasons that are of no concern where the user's own code sends the token.
SUBMISSION_REASONS = frozenset({"no_submission", *get_args(ScriptReason)})

# Things that a page names and a sentence of ours repeats.
MAX_NAMED = 3

#: "X is not defined" may be the page's own mistake, which a browser meets as well, or
#: what a script would have defined that was not there to be run.
_UNDEFINED = re.compile(
    r"ReferenceError|is not a function|(?:null|undefined)\b.*(?:read|propert|object)"
    r"|cannot read|not an object|not iterable",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Scripts:
    """What is known of a page's scripts: what they do, or why they were not run.

    Attributes:
        reading: what they do.
        reason: why there is no reading.
        sentence: the same for a person.
    """

    reading: Reading | None = None
    reason: ScriptReason | None = None
    sentence: str = ""

    @property
    def was_run(self) -> bool:
        """Whether the scripts were run, though nothing can be concluded from it."""
        return self.reason in ("scripts_failed", "scripts_missing")


def visit_of(response: TextResponse, cookies: Pairs = ()) -> Visit:
    """Return a visit to *response*.

    Args:
        response: the page.
        cookies: that its scripts may see.
    """
    request = response.request
    user_agent = request.headers.get("User-Agent") if request is not None else None
    return Visit(
        # The rest of a large page would only be held and handed on for nothing.
        html=read_part(response),
        url=response.url,
        charset=web_name(charset(response.encoding) or "utf-8"),
        user_agent=(user_agent or b"").decode("latin-1"),
        cookies=cookies or cookies_of(response),
    )


def cookies_of(response: TextResponse) -> Pairs:
    """Return the cookies that *response* itself sets for scripts to see."""
    found: dict[str, str] = {}
    for line in response.headers.getlist("Set-Cookie"):
        try:
            cookies = SimpleCookie(line.decode("latin-1"))
        except CookieError:
            continue
        for name, cookie in cookies.items():
            if not cookie["httponly"]:
                found[name] = cookie.coded_value
    return tuple(found.items())


def decides(reading: Reading) -> bool:
    """Tell whether *reading* says what the page sends, whatever else it names.

    Where a script was not at hand and others failed for lack of it, the one that was
    not run might have changed what is sent.
    """
    if reading.sending is None or reading.lacking:
        return False
    return not (reading.missing_scripts and any(map(_UNDEFINED.search, reading.errors)))


def rendered_widget(reading: Reading) -> Widget | None:
    """Return the widget to solve: the one that took the token, else one with a key."""
    keyed = [each for each in reading.widgets if valid_sitekey(each.sitekey)]
    called = (each for each in keyed if each.called)
    first = (*keyed, *reading.widgets)
    return next(called, first[0] if first else None)


def why_not(reading: Reading) -> Scripts | None:
    """Return why nothing can be concluded from *reading*, or ``None`` if it can."""
    if reading.stopped is not None:
        said = quoted(reading.stopped)
        return Scripts(
            reason="scripts_failed", sentence=f"Its scripts were not read: {said}."
        )
    if decides(reading):
        return None
    missing = tuple(_missing(reading))
    if not missing:
        return None
    named = ", ".join(map(quoted, missing[:MAX_NAMED]))
    return Scripts(
        reason="scripts_missing",
        sentence=f"Its scripts need what they do not have here: {named}.",
    )


def _missing(reading: Reading) -> Iterator[str]:
    yield from reading.lacking
    yield from reading.missing_scripts
    yield from reading.needs
    if reading.posts and reading.sending is None:
        yield "the answer to a POST"


def explain(reading: Reading) -> Iterator[str]:
    """Yield a sentence for each thing that the scripts did."""
    for widget in reading.widgets[:1]:
        tag = printable(widget.tag or "")
        where = f"a <{tag}>" if tag else "no element of the page"
        yield f"Its scripts render the widget into {where}."
    if reading.pressed and reading.sending:
        yield f"The button {printable(reading.pressed[-1])[:60]!r} sends the token."
    elif reading.sending:
        yield "Its scripts send the token."
    elif reading.reloads and reading.cookies:
        yield "Its scripts set a cookie and load the page again, without a token."
    else:
        yield "No script and no button of it sends a token."
    for error in reading.errors[:1] if reading.sending is None else ():
        yield f"One of its scripts fails: {quoted(error)}."


def form_of(sending: Sending, page: Page) -> Form:
    """Return the form that *sending* amounts to, the token taken out."""
    tokens = set(sending.token_fields)
    as_form = sending.kind in ("form", "location", "reload")
    header = next(iter(sending.token_headers), None)
    if header is None and sending.token_cookies:
        header = "Cookie"
    encoding = page.encoding if sending.kind == "form" else "utf-8"
    if sending.charset:
        encoding = charset(sending.charset.split()[0]) or encoding
    url, fields = sending.url, sending.fields or ()
    if sending.kind == "reload":
        fields = ()
    elif sending.method == "GET":
        url = url.partition("?")[0]
    return Form(
        kind="form" if as_form else "call",
        url=url,
        method=sending.method,
        enctype=sending.enctype or URLENCODED,
        fields=tuple((name, value) for name, value in fields if name not in tokens),
        token_fields=sending.token_fields,
        resp_key_field=next(iter(resp_key_fields(dict(fields))), "respKey"),
        encoding=encoding,
        header=header,
        headers=tuple(
            (name, value)
            for name, value in sending.headers
            if name != header and is_settable(name)
        ),
        shape=sending.shape,
    )
