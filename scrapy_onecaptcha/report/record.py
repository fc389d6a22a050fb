"""One line of the ledger: what a paid task came to."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy_onecaptcha._logging import masked, printable
from scrapy_onecaptcha.report.dates import iso, parse_iso

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CODES",
    "FINE",
    "KEYS",
    "OPENED_WIDTH",
    "OUTCOMES",
    "VERSION",
    "Parser",
    "Record",
]

#: The version of the format. A reader takes lines of its own version and of older ones.
VERSION = 1

#: What a task can come to, and what to do about one that brought no page. Of a failed
#: task the code says more.
OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "accepted": "",
        "rejected": "Check by hand whether the site accepts any solved captcha, and "
        "whether gate, token and page go by one proxy and one User-Agent.",
        "expired": "Shorten DOWNLOAD_DELAY, or look for a middleware that holds "
        "requests back: tokens wait too long for their turn.",
        "unused": "Nothing, if they are few: the page opened while its task was open.",
        "abandoned": "Let a crawl end by itself, or stop it while no task is open: "
        "open tasks are paid for.",
        "failed": "",
        # To a callback that asked for it, by `OneCaptchaMiddleware.solve`.
        "handed_over": "",
    }
)

#: Outcomes of tasks that did what they were paid for, as far as it can be known.
FINE = frozenset({"accepted", "handed_over"})

#: Codes of failed tasks that are neither the service's nor an error's reason, and what
#: to do.
CODES: Mapping[str, str] = MappingProxyType(
    {
        "page_error": "Look at the page by hand: it answered with an error after its "
        "token, so it is not known whether the site accepted that.",
    }
)

# No line grows without bound, whatever a page says of itself.
MAX_TEXT = 300
MAX_SENTENCES = 30

#: Characters that the number of pages takes in a line, so that it can be overwritten.
OPENED_WIDTH = 9
MAX_OPENED = 10**OPENED_WIDTH - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a paid task came to. Every field is a key of its line.

    Attributes:
        time: when this was known, in seconds since 1970 (in the line: ISO 8601, UTC).
        run: names the crawl, at random.
        spider: its name.
        site: scheme, host and port of the gated page.
        sitekey: of the captcha.
        session: a hash that names the session (site, cookiejar, proxy) in this run.
        attempt: how many tasks the page had taken, this one included.
        task: the service's name for the task; empty where it gave none.
        type: the type of task that was asked for.
        seconds: from the task's creation until its token, or until it failed.
        points: what it cost.
        outcome: one of `OUTCOMES`.
        code: of a failed task: the service's code, or our own word.
        opened: pages that were delivered on the clearance that the token brought.
        evidence: why the page was taken for a gate, in sentences.
    """

    time: float
    run: str = ""
    spider: str = ""
    site: str
    sitekey: str = ""
    session: str = ""
    attempt: int = 1
    task: str = ""
    type: str = ""
    seconds: float = 0.0
    points: float = 0.0
    outcome: str
    code: str = ""
    opened: int = 0
    evidence: tuple[str, ...] = ()

    @property
    def created(self) -> float:
        """When the task was created, but for the time that the verdict took."""
        return self.time - self.seconds

    def line(self) -> bytes:
        """Return the line, its end included.

        It holds no query string, user-info or control character, whatever the fields
        hold; key, tokens and cookies are in none of them.
        """
        head = json.dumps(
            {
                "v": VERSION,
                "time": iso(self.time, "milliseconds"),
                "run": _short(self.run),
                "spider": _short(self.spider),
                "site": _site_of(self.site),
                "sitekey": _short(self.sitekey),
                "session": _short(self.session),
                "attempt": self.attempt,
                "task": _short(self.task),
                "type": _short(self.type),
                "seconds": round(self.seconds, 3),
                "points": self.points,
                "outcome": self.outcome,
                "code": _short(self.code),
            }
        )
        sentences = [masked(printable(each)) for each in self.evidence[:MAX_SENTENCES]]
        opened = shown_opened(self.opened)
        rest = f'"opened": {opened}, "evidence": {json.dumps(sentences)}'
        return f"{head[:-1]}, {rest}}}\n".encode("ascii")


#: The keys of a line, in their order.
KEYS = ("v", *(field.name for field in fields(Record)))


def shown_opened(opened: int) -> str:
    """Return a number of pages as it is written in a line."""
    return f"{min(opened, MAX_OPENED):<{OPENED_WIDTH}d}"


def _short(text: str) -> str:
    return printable(text[:MAX_TEXT])


def _site_of(url: str) -> str:
    """Return scheme, host and port of *url*."""
    try:
        scheme, netloc = urlsplit(url)[:2]
    except ValueError:
        return ""
    return _short(f"{scheme}://{netloc.rpartition('@')[2]}")


# Reading

_SPLIT = b', "evidence": '
_TEXTS = ("run", "spider", "site", "sitekey", "session", "task", "type", "code")
_NUMBERS = ("attempt", "seconds", "points", "opened")
_LATEST = parse_iso("9000-01-01")

#: Pieces of evidence that are remembered. They differ little from task to task.
MAX_CACHED = 1000


class Parser:
    """Reads lines; 100,000 of them take about two seconds."""

    def __init__(self) -> None:
        self._evidence: dict[bytes, tuple[str, ...]] = {}

    def parse(self, line: bytes) -> Record:
        """Return the record of *line*; keys that are missing or unknown do not matter.

        Raises:
            ValueError: it is not a line of a ledger; says why.
        """
        # As our own writer puts it, what is the same in most lines is at their end.
        head, found, tail = line.partition(_SPLIT)
        read = _loaded(head + b"}" if found else line)
        evidence = self._sentences(tail) if found else _clean(read.get("evidence"))
        version, outcome = read.get("v"), str(read.get("outcome"))
        if not isinstance(version, int) or version > VERSION:
            raise ValueError(f"not version {VERSION} of the format")
        if outcome not in OUTCOMES:
            raise ValueError("no outcome that is known")
        run, spider, site, sitekey, session, task, kind, code = _texts(read)
        attempt, seconds, points, opened = _numbers(read)
        return Record(
            time=_moment(read.get("time")),
            run=run,
            spider=spider,
            site=site,
            sitekey=sitekey,
            session=session,
            attempt=int(attempt),
            task=task,
            type=kind,
            seconds=seconds,
            points=points,
            outcome=outcome,
            code=code,
            opened=int(opened),
            evidence=evidence,
        )

    def _sentences(self, tail: bytes) -> tuple[str, ...]:
        known = self._evidence.get(tail)
        if known is None:
            known = _clean(_loaded(b'{"evidence": ' + tail)["evidence"])
            if len(self._evidence) < MAX_CACHED:
                self._evidence[tail] = known
        return known


def _loaded(text: bytes) -> dict[str, Any]:
    try:
        read = json.loads(text.decode())
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    if not isinstance(read, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - of the line
    return read


def _moment(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError("no time")  # noqa: TRY004 - of the line
    try:
        moment = parse_iso(value)
    except ValueError:
        raise ValueError("no ISO time") from None
    if not 0 <= moment <= _LATEST:
        raise ValueError("time is out of range")
    return moment


def _numbers(read: dict[str, Any]) -> list[float]:
    """Return numbers that can be counted with, 0 where there is none."""
    numbers = []
    for key in _NUMBERS:
        value = read.get(key) or 0
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{key} is no number")  # noqa: TRY004 - of the line
        if not 0 <= value <= MAX_OPENED:  # which no NaN is
            raise ValueError(f"{key} is out of range")
        numbers.append(value)
    return numbers


def _texts(read: dict[str, Any]) -> list[str]:
    """Return texts that can be shown, empty ones where there is none."""
    texts = [read.get(key) or "" for key in _TEXTS]
    try:
        together = "".join(texts)
    except TypeError:
        raise ValueError("not text where it should be") from None
    if len(together) <= MAX_TEXT and together.isprintable():
        return texts
    return list(map(_short, texts))


def _clean(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(
        _short(each) for each in value[:MAX_SENTENCES] if isinstance(each, str)
    )
