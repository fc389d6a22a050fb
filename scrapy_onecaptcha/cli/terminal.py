"""What a person sees: results on standard output, all else on standard error."""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from scrapy_onecaptcha._twisted import Beat
from scrapy_onecaptcha.models import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from scrapy_onecaptcha._twisted import Clock

__all__ = ["Terminal"]

#: Seconds between two looks at the time: on a terminal, where a line is written over,
#: and elsewhere, where each look is a line of its own.
TICK, LINE = 1.0, 10.0

_CHUNK = 4096
_KEYBOARD = 0  # the descriptor of standard input


class Terminal:
    """Writes to a person, or to whatever stands in for one.

    Args:
        out: takes results; by default standard output.
        err: takes progress, questions and faults; by default standard error.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err
        self._passing = 0  # characters of the line that will be written over

    @property
    def attended(self) -> bool:
        """Whether there is somebody to ask."""
        return os.isatty(_KEYBOARD) and self._err.isatty()

    def result(self, *lines: str) -> None:
        """Write lines of what was asked for, which may come from a page."""
        for line in lines:
            self._out.write(f"{plain(line)}\n")
        self._out.flush()

    def as_json(self, told: Any) -> None:
        """Write *told* as one line of JSON."""
        self._out.write(f"{json.dumps(told)}\n")
        self._out.flush()

    def say(self, *lines: str) -> None:
        """Write lines about what happens."""
        self._clear()
        for line in lines:
            self._err.write(f"{plain(line)}\n")
        self._err.flush()

    def ask(self, question: str, reactor: Any) -> Deferred[str]:
        """Return what a person answers to *question*; nothing where the input ends."""
        self._clear()
        self._err.write(f"{plain(question)} ")
        self._err.flush()
        answer: Deferred[str] = Deferred()

        def give(line: bytes) -> None:
            if not answer.called:
                answer.callback(line.decode("utf-8", "replace").strip())

        def read() -> None:
            # os.read, not sys.stdin: a buffered read would hold a lock that the
            # interpreter wants when it ends.
            line = os.read(_KEYBOARD, _CHUNK)
            if not line:
                self.say("")  # whose return key was not pressed
            reactor.callFromThread(give, line)

        # A thread of our own, which nobody waits for: Ctrl-C ends the question, too.
        threading.Thread(target=read, name="answer", daemon=True).start()
        return answer

    @contextmanager
    def progress(self, clock: Clock, tell: Callable[[float], str]) -> Iterator[None]:
        """Show what *tell* says, given the seconds since now, until the block ends."""
        start = clock.seconds()

        def look() -> None:
            self._pass(tell(clock.seconds() - start))

        in_place = self._err.isatty()
        looks = Beat(clock, TICK if in_place else LINE, look)
        looks.start()
        if in_place:
            look()
        try:
            yield
        finally:
            looks.stop()
            self._clear()

    def _pass(self, line: str) -> None:
        if not self._err.isatty():
            self.say(line)
            return
        self._clear()
        self._err.write(plain(line))
        self._err.flush()
        self._passing = len(line)

    def _clear(self) -> None:
        if self._passing:
            self._err.write(f"\r{' ' * self._passing}\r")
            self._passing = 0
