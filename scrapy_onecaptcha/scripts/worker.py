"""The child process: a line of JSON with a visit comes in, one with a reading goes out.

It holds no secrets but the token of the visit, has no files or sockets beyond its
pipes, and ends by itself when its parent is gone or a page takes too long.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.scripts.engine import Engine
from scrapy_onecaptcha.scripts.models import Reading, Visit
from scrapy_onecaptcha.scripts.visit import read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

if sys.platform != "win32":
    import resource

__all__ = ["main"]

MAX_MEMORY = 400 << 20  # bytes of address space
# Runs of a page's scripts in one visit.
RUNS = 2
# Seconds of CPU to load the runtime into an engine.
LOADING_SECONDS = 5
MAX_REPLY = 2_000_000  # characters
MAX_SAID = 200  # characters of an error
# Seconds that a page may take beyond what its visit allows, before the system kills.
GRACE = 1


def main(seconds: float) -> None:
    """Read visits until the input ends.

    Args:
        seconds: of CPU that a page may take.
    """
    _ignore_interrupts()
    replies = sys.stdout
    engines = _Engines()
    try:
        engines.prepare()  # loads all that a visit needs
    except ImportError as error:
        _reply(replies, {"problem": str(error)})
        return
    _confine()
    _reply(replies, {"ready": True})
    for line in sys.stdin:
        with _watched(seconds):
            answer = _answer(line, seconds, engines)
        _reply(replies, answer)
        with _watched(seconds):
            engines.prepare()


class _Engines:
    """Engines made in advance: loading the runtime takes longer than most pages do."""

    def __init__(self) -> None:
        self._ready: list[Engine] = []

    def prepare(self) -> None:
        while len(self._ready) < RUNS:
            self._ready.append(Engine(LOADING_SECONDS))

    def take(self) -> Engine:
        return self._ready.pop() if self._ready else Engine(LOADING_SECONDS)


def _answer(line: str, seconds: float, engines: _Engines) -> dict[str, Any]:
    try:
        visit = Visit.from_dict(json.loads(line))
        return read(visit, seconds, engines.take).as_dict()
    except (MemoryError, RecursionError) as error:
        return Reading(stopped=f"it takes too much ({type(error).__name__})").as_dict()
    except Exception as error:  # noqa: BLE001  (told to the parent, which goes on)
        said = f"{type(error).__name__}: {error}"[:MAX_SAID]
        return Reading(stopped=f"the engine fails ({said})").as_dict()


def _reply(replies: TextIO, answer: dict[str, Any]) -> None:
    text = json.dumps(answer)
    if len(text) > MAX_REPLY:
        text = json.dumps(Reading(stopped="it sends too much").as_dict())
    replies.write(text + "\n")
    replies.flush()


def _ignore_interrupts() -> None:
    # Ctrl-C is for the crawl, which ends this process when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _confine() -> None:
    """Give up what a page's scripts must not have."""
    if sys.platform == "win32":
        return
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_FSIZE", 0)
    _limit("RLIMIT_NPROC", 0)
    _limit("RLIMIT_NOFILE", 3)  # the pipes, which are open
    if sys.platform == "linux":  # elsewhere it counts what the system maps, too
        _limit("RLIMIT_AS", MAX_MEMORY)


def _limit(name: str, value: int) -> None:
    if sys.platform == "win32":
        return
    with contextlib.suppress(AttributeError, OSError, ValueError):
        kind = getattr(resource, name)
        resource.setrlimit(kind, (value, value))


@contextlib.contextmanager
def _watched(seconds: float) -> Iterator[None]:
    """Have the system end this process if what is done in it does not end.

    No limit of the engine holds within one native call, and the parent, whose clock
    ends such a page in a crawl, may be gone.
    """
    if sys.platform == "win32":
        yield
        return
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds + GRACE) + 1, hard))
    signal.setitimer(signal.ITIMER_REAL, seconds + GRACE)  # its default is to kill
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
