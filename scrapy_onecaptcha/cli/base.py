"""The base class of the tools of ``scrapy onecaptcha``, and their exit status."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from scrapy.settings import Settings

    from scrapy_onecaptcha.cli.terminal import Terminal

__all__ = ["DONE", "FAILED", "INTERRUPTED", "WRONG_USAGE", "Call", "Tool", "exits"]

#: Exit status: the tool did its work.
DONE = 0
#: Exit status: the tool could not get what was asked for.
FAILED = 1
#: Exit status: the command line or a setting is wrong, as with argparse.
WRONG_USAGE = 2
#: Exit status after Ctrl-C, as a shell counts it.
INTERRUPTED = 130


def exits(done: str, failed: str) -> str:
    """Return the sentence of --help on the exit status.

    Args:
        done: says when it is 0.
        failed: says when it is 1; empty if it never is.
    """
    one = f"{FAILED} {failed}; " if failed else ""
    return (
        f"Exit status: {DONE} {done}; {one}{WRONG_USAGE} for a wrong command line or a "
        f"bad setting; {INTERRUPTED} after Ctrl-C."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The command line of a tool, parsed.

    Attributes:
        arguments: the positional arguments.
        options: the options by name; every tool has ``json``.
        settings: the project's settings, overridden by those of the command line.
        terminal: takes the output.
    """

    arguments: list[str]
    options: Namespace
    settings: Settings
    terminal: Terminal


class Tool(ABC):
    """A tool: its options and its work.

    Attributes:
        syntax: its arguments, for --help.
        about: its description, for --help.
        epilog: its exit status, for --help.
    """

    syntax: ClassVar[str] = "[options]"
    about: ClassVar[str]
    epilog: ClassVar[str]

    def add_options(self, parser: ArgumentParser) -> None:  # noqa: B027 - may have none
        """Add the tool's own options."""

    def check(self, arguments: list[str], options: Namespace) -> None:  # noqa: B027 - may take any
        """Reject a command line that makes no sense.

        Raises:
            UsageError: says why.
        """

    @abstractmethod
    def run(self, call: Call) -> int:
        """Run the tool and return its exit status.

        Raises:
            UsageError: a setting is wrong.
            Interrupted: a signal ended it.
        """
