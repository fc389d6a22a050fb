"""What every tool of ``scrapy onecaptcha`` is, and how it ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from scrapy.settings import Settings

    from scrapy_onecaptcha.cli.terminal import Terminal

__all__ = ["DONE", "INTERRUPTED", "NOT_HAD", "WRONG", "Call", "Tool", "exits"]

#: Exit status: what was asked for was done.
DONE = 0
#: What was asked for could not be had.
NOT_HAD = 1
#: The command line or a setting is wrong; argparse has the same.
WRONG = 2
#: Ctrl-C, as a shell counts it.
INTERRUPTED = 130


def exits(done: str, not_had: str) -> str:
    """Return what --help says of the exit status.

    Args:
        done: when it is 0.
        not_had: when it is 1; empty: never.
    """
    one = f"{NOT_HAD} {not_had}; " if not_had else ""
    return (
        f"Exit status: {DONE} {done}; {one}{WRONG} for a wrong command line or a bad "
        f"setting; {INTERRUPTED} after Ctrl-C."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool as it was called.

    Attributes:
        arguments: what stands on the command line beside the options.
        options: by their names; ``json`` is one of every tool's.
        settings: the project's, with those of the command line.
        terminal: where to write.
    """

    arguments: list[str]
    options: Namespace
    settings: Settings
    terminal: Terminal


class Tool(ABC):
    """One tool: its part of the command line, and what it does.

    Attributes:
        syntax: how its command line goes.
        about: what it does, for --help.
        epilog: its exit status, for --help.
    """

    syntax: ClassVar[str] = "[options]"
    about: ClassVar[str]
    epilog: ClassVar[str]

    def add_options(self, parser: ArgumentParser) -> None:  # noqa: B027 - may have none
        """Add the options that no other tool has."""

    def check(self, arguments: list[str], options: Namespace) -> None:  # noqa: B027 - may take any
        """Refuse a command line that cannot be meant.

        Raises:
            UsageError: says why.
        """

    @abstractmethod
    def run(self, call: Call) -> int:
        """Do it, and return the exit status.

        Raises:
            UsageError: a setting is wrong.
            Interrupted: by a signal.
        """
