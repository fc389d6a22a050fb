"""Output: results go to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from scrapy_onecaptcha._logging import printable
from scrapy_onecaptcha._twisted import Beat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from scrapy_onecaptcha._twisted import Clock

__all__ = ["Terminal"]

#: Seconds between two lines of progress: on a terminal, where a line overwrites the one
#: before, and in a file, where all stay.
TICK, LINE = 1.0, 10.0

_CHUNK = 4096
_KEYBOARD = 0  # the descriptor of standard input


class Terminal:
    """Writes to a terminal, a file or a pipe.

    Args:
        out: takes results; by default standard output.
        err: takes progress, questions and errors; by default standard error.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err
        self._passing = 0  # characters of the line that will be overwritten

    @property
    def attended(self) -> bool:
        """Whether a person can be asked."""
        return os.isatty(_KEYBOARD) and self._err.isatty()

    def result(self, *lines: str) -> None:
        """Write lines of the result, which may hold text of a page."""
        for line in lines:
            self._out.write(f"{printable(line)}\n")
        self._out.flush()

    def as_json(self, told: Any) -> None:
        """Write *told* as one line of JSON."""
        self._out.write(f"{json.dumps(told)}\n")
        self._out.flush()

    def say(self, *lines: str) -> None:
        """Write messages."""
        self._clear()
        for line in lines:
            self._err.write(f"{printable(line)}\n")
        self._err.flush()

    def ask(self, question: str, reactor: Any) -> Deferred[str]:
        """Return the answer to *question*; an empty one where the input ends."""
        self._clear()
        self._err.write(f"{printable(question)} ")
        self._err.flush()
        answer: Deferred[str] = Deferred()

        def give(line: bytes) -> None:
            if not answer.called:
                answer.callback(line.decode("utf-8", "replace").strip())

        def read() -> None:
            # os.read, not sys.stdin: a buffered read holds a lock that the interpreter
            # needs to exit.
            line = os.read(_KEYBOARD, _CHUNK)
            if not line:
                self.say("")  # ends the line, because return was not pressed
            reactor.callFromThread(give, line)

        # A daemon thread: Ctrl-C must end the question, too.
        threading.Thread(target=read, name="answer", daemon=True).start()
        return answer

    @contextmanager
    def progress(self, clock: Clock, tell: Callable[[float], str]) -> Iterator[None]:
        """Show the text of *tell*, given the seconds so far, until the block ends."""
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
        self._err.write(printable(line))
        self._err.flush()
        self._passing = len(line)

    def _clear(self) -> None:
        if self._passing:
            self._err.write(f"\r{' ' * self._passing}\r")
            self._passing = 0
