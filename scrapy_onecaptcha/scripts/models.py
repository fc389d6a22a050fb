"""What goes to the child process and what comes back: strings, frozen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

__all__ = ["Answer", "Reading", "Sending", "SentKind", "Visit", "Widget"]

SentKind = Literal["form", "fetch", "xhr", "beacon", "location", "reload"]
Pairs = tuple[tuple[str, str], ...]

_LISTS = ("cookies", "token_fields", "token_headers", "token_cookies", "shape")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A site's answer to something that the page asked for.

    Attributes:
        status: HTTP status.
        body: decoded.
        headers: names in lower case, and values.
        url: where the answer came from, after redirects.
    """

    status: int = 200
    body: str = field(default="", repr=False)
    headers: Pairs = field(default=(), repr=False)
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a visitor with a script engine would bring to a page.

    Attributes:
        html: the page, decoded.
        url: its address.
        charset: the web name of its encoding.
        user_agent: what ``navigator.userAgent`` says.
        token: handed to the page as the widget would; a dry one unless it was paid for.
        resp_key: goes along with it.
        external: code of external scripts, by absolute URL.
        answers: to GETs that the page needs before it sends the token, by URL.
        cookies: that scripts may see.
        answer: to the request that carried the token: what does the page make of it?
        paid: whether a token waits for the reading, or is in it: it goes before others.
    """

    html: str = field(repr=False)
    url: str
    charset: str = "UTF-8"
    user_agent: str = ""
    token: str = field(default="", repr=False)
    resp_key: str = field(default="", repr=False)
    external: Pairs = field(default=(), repr=False)
    answers: tuple[tuple[str, Answer], ...] = field(default=(), repr=False)
    cookies: Pairs = field(default=(), repr=False)
    answer: Answer | None = field(default=None, repr=False)
    paid: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold of it, which is all."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Visit:
        """Make one of what `as_dict` returned, after a journey through JSON."""
        plain = dict(given)
        plain["external"] = _pairs(given["external"])
        plain["cookies"] = _pairs(given["cookies"])
        plain["answers"] = tuple(
            (url, _answer(answer)) for url, answer in given["answers"]
        )
        plain["answer"] = _answer(given["answer"]) if given["answer"] else None
        return cls(**plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Widget:
    """A widget as the page's scripts rendered it.

    Attributes:
        sitekey: as given to the widget.
        invisible: whether it has no checkbox.
        rqdata: what the page handed to it.
        tag: the tag of its container, if it has one.
        called: whether it has a callback that took the token.
    """

    sitekey: str | None = None
    invisible: bool = False
    rqdata: str | None = field(default=None, repr=False)
    tag: str | None = None
    called: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A request that the page makes with the token in it.

    Attributes:
        kind: what sends it. Only the answers to ``fetch`` and ``xhr`` reach a script.
        method: HTTP method.
        url: absolute, without a fragment.
        enctype: media type of the body, without parameters; ``None`` without a body.
        content_type: the whole ``Content-Type`` that a browser would send along; of
            multipart, the part before its boundary.
        fields: names and values of a form, or of an URL-encoded or multipart body; of
            the query where there is no body. ``None`` where the body is something else.
        body: as text, where it is no list of fields.
        headers: set by the script; names in lower case.
        cookies: that scripts set before it was sent, as ``Set-Cookie`` would have them.
        token_fields: which of *fields*, or dotted names in a JSON body, depend on the
            token.
        token_headers: which of *headers* depend on it.
        token_cookies: names of the cookies that do.
        shape: method, address, encoding and names: what has to be the same when the
            page is visited again.
        charset: ``accept-charset`` of a form.
    """

    kind: SentKind
    method: str
    url: str = field(repr=False)  # that of a form that is sent by GET has the token
    enctype: str | None = None
    content_type: str | None = None
    fields: Pairs | None = field(default=None, repr=False)
    body: str | None = field(default=None, repr=False)
    headers: Pairs = field(default=(), repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)
    token_fields: tuple[str, ...] = ()
    token_headers: tuple[str, ...] = ()
    token_cookies: tuple[str, ...] = ()
    shape: tuple[str, ...] = ()
    charset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What came of running a page's scripts.

    Attributes:
        sending: the request that carried the token, if there was one.
        widgets: in the order in which they were rendered.
        needs: addresses that the page asked for with GET and got no answer from.
        posts: whether it also waits for an answer to something other than a GET.
        reloads: whether the page wants to be loaded again, without the token in it.
        moves_to: another address that it goes to.
        cookies: that it set without the token, as ``Set-Cookie`` would have them.
        missing_scripts: external scripts that it names and that were not at hand.
        integrity: what the page says of the contents of those, by address.
        lacking: what a browser has and the engine has not.
        errors: of its scripts, shortened.
        pressed: buttons that were pressed to get here.
        api: whether it loads hCaptcha's script.
        stopped: why there is no reading: the page's scripts took too long or too much
            memory, or the engine ended.
    """

    sending: Sending | None = None
    widgets: tuple[Widget, ...] = ()
    needs: tuple[str, ...] = field(default=(), repr=False)
    posts: bool = False
    reloads: bool = False
    moves_to: str | None = field(default=None, repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)
    missing_scripts: tuple[str, ...] = ()
    integrity: Pairs = ()
    lacking: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    pressed: tuple[str, ...] = ()
    api: bool = False
    stopped: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold of it, which is all."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Reading:
        """Make one of what `as_dict` returned, after a journey through JSON.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        plain = {each.name: given[each.name] for each in fields(cls)}
        for name in ("needs", "missing_scripts", "lacking", "errors", "pressed"):
            plain[name] = tuple(map(str, plain[name]))
        plain["integrity"] = _pairs(plain["integrity"])
        plain["cookies"] = tuple(map(str, plain["cookies"]))
        plain["widgets"] = tuple(Widget(**each) for each in plain["widgets"])
        plain["sending"] = _sending(plain["sending"]) if plain["sending"] else None
        return cls(**plain)


def _sending(given: dict[str, Any]) -> Sending:
    plain = dict(given)
    if plain["fields"] is not None:
        plain["fields"] = _pairs(plain["fields"])
    plain["headers"] = _pairs(plain["headers"])
    for name in _LISTS:
        plain[name] = tuple(map(str, plain[name]))
    return Sending(**plain)


def _answer(given: dict[str, Any]) -> Answer:
    return Answer(**{**given, "headers": _pairs(given["headers"])})


def _pairs(given: Any) -> Pairs:
    return tuple((str(name), str(value)) for name, value in given)
