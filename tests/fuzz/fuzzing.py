"""How long and how much is tried, and what every attempt is held against."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import TypeVar

    Decorated = TypeVar("Decorated", bound=Callable[..., Any])

#: How many times as many examples are tried as in an ordinary run (``make fuzz``).
TIMES = int(os.environ.get("FUZZ", "1"))

#: CPU seconds. What is tried takes a few hundredths, and at its worst one or two.
HANG = 20.0

MAX_MESSAGE = 2000  # characters

#: Marks tests whose tools come from npm, into a folder that does not outlive them.
NEEDS_NPM = pytest.mark.skipif(
    TIMES == 1 or shutil.which("npm") is None,
    reason="make fuzz, where npm is installed",
)


def install_by_npm(folder: Path, packages: Sequence[str]) -> None:
    """Install *packages* into *folder*, or skip the tests that need them."""
    (folder / "package.json").write_text("{}")
    installed = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", *packages],
        cwd=folder, capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    if installed.returncode:
        pytest.skip("npm cannot install the packages")


class Hangs(BaseException):
    """No ``Exception``, or some handler in the package might take it for a fault."""


@contextmanager
def ends(seconds: float = HANG) -> Iterator[None]:
    """Interrupt what takes more than *seconds* of CPU: load makes no test fail."""
    if not hasattr(signal, "setitimer"):
        yield  # Windows: what hangs there, hangs
        return

    def interrupt(*_: object) -> None:
        raise Hangs(f"It took more than {seconds:g} s of CPU.")

    before = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def fuzzed(examples: int, *, shrink: bool = True) -> Callable[[Decorated], Decorated]:
    """Try *examples*, the same in each run; with ``FUZZ=n`` n times as many others.

    Args:
        examples: in an ordinary run.
        shrink: whether what fails is made smaller, which takes many more tries.
    """
    often = TIMES > 1
    return settings(
        max_examples=examples * TIMES,
        derandomize=not often,
        database=DirectoryBasedExampleDatabase(".hypothesis") if often else None,
        # Of the wall's clock, so of no use against a hang: `ends` is for that.
        deadline=timedelta(minutes=2),
        print_blob=often,
        phases=[phase for phase in Phase if shrink or phase is not Phase.shrink],
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    )


def is_one_line(text: str) -> bool:
    """Tell whether *text* may be in a log: it forges no line and floods none."""
    return bool(text) and text.isprintable() and len(text) <= MAX_MESSAGE


def odd_text(words: Sequence[str] = ()) -> st.SearchStrategy[str]:
    """Draw text, or one of *words* amid characters that break things."""
    odd = st.sampled_from(
        [
            "",
            "\x00",
            "\n",
            "\r\nX: y",
            "\x1b[2J",
            "\u2028",
            "\ud800",
            "\ufeff",
            "é",
            "\u017f",
        ]
    )
    plain = st.text(max_size=20)
    if not words:
        return plain | odd
    return plain | st.builds("".join, st.tuples(odd, st.sampled_from(words), odd))
