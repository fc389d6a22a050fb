"""``scrapy onecaptcha …``: hands over to the tool that its first argument names."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand, ScrapyHelpFormatter
from scrapy.exceptions import UsageError
from scrapy.settings import SETTINGS_PRIORITIES
from scrapy.utils.misc import load_object

from scrapy_onecaptcha.cli.base import INTERRUPTED, NOT_HAD, WRONG, Call
from scrapy_onecaptcha.cli.runner import Interrupted
from scrapy_onecaptcha.cli.terminal import Terminal

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from scrapy_onecaptcha.cli.base import Tool

__all__ = ["TOOLS", "Command"]

_PROGRAM = "scrapy onecaptcha"
_TOOLS = "scrapy_onecaptcha.cli"

#: Each tool: its class, and what stands of it in the list.
TOOLS = {
    "detect": (f"{_TOOLS}.detect.Detect", "which hCaptcha a page has, and why"),
    "balance": (f"{_TOOLS}.balance.Balance", "what the account has left"),
    "solve": (f"{_TOOLS}.solve.Solve", "buy one token"),
    "sandbox": (f"{_TOOLS}.sandbox.SandboxTool", "a service and gates to try it on"),
    "check": (f"{_TOOLS}.check.Check", "what is wrong or risky in the settings"),
    "report": (f"{_TOOLS}.report.ReportTool", "what captchas cost and brought"),
    "store": (f"{_TOOLS}.store.StoreTool", "which clearances are kept"),
}
_VERSION = f"{_TOOLS}.version.Version"


class Command(ScrapyCommand):
    """Parses the command line in two steps: what is common, then the tool's own.

    Nothing of a tool is loaded before it is named: Scrapy loads this module whatever
    its user wants to do.
    """

    requires_project = False
    # Which would load the project's spiders; a tool makes one of its own.
    requires_crawler_process = False
    default_settings = {"LOG_LEVEL": "WARNING"}  # noqa: RUF012  (typed by Scrapy)

    def __init__(self) -> None:
        super().__init__()
        self._tool: Tool | None = None
        self._arguments: list[str] = []

    def syntax(self) -> str:
        """Return how the command line goes."""
        return f"{{{','.join(TOOLS)}}} [options] …"

    def short_desc(self) -> str:
        """Return the line in Scrapy's list of commands."""
        return "Look at hCaptchas, solve one, check settings and account"

    def long_desc(self) -> str:
        """Return what --help says."""
        listed = "; ".join(f"{name}: {about}" for name, (_, about) in TOOLS.items())
        return (
            f"Tools of scrapy-onecaptcha. {listed}. "
            '"scrapy onecaptcha <tool> --help" tells more of each.'
        )

    def add_options(self, parser: ArgumentParser) -> None:
        """Add what is common to all tools to Scrapy's own options."""
        super().add_options(parser)
        parser.prog = _PROGRAM
        parser.epilog = (
            "Exit status of every tool: 0 done; 1 what was asked for could not be had; "
            "2 wrong command line or settings; 130 after Ctrl-C."
        )
        parser.add_argument("--version", action="store_true", help="print the versions")
        _add_json(parser)
        tool = parser.add_argument(
            "tool", nargs=argparse.PARSER, help=f"one of: {', '.join(TOOLS)}"
        )
        tool.required = False

    def process_options(self, args: list[str], opts: Namespace) -> None:
        """Parse and check the command line; for --help it ends here."""
        try:
            self._process(args, opts)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)

    def _process(self, args: list[str], opts: Namespace) -> None:
        _refuse_options(args)
        name, *rest = opts.tool or [""]
        if opts.version:
            self._tool = load_object(_VERSION)()
        elif name in TOOLS:
            self._tool = load_object(TOOLS[name][0])()
        else:
            other = f" (not {name!r})" if name else ""
            raise UsageError(f"name what to do: {', '.join(TOOLS)}{other}")
        parser = self._parser(name, self._tool)
        # Into what was parsed already: options may stand before the tool's name.
        _, self._arguments = parser.parse_known_args(rest, opts)
        try:
            _refuse_options(self._arguments)
            self._tool.check(self._arguments, opts)
            super().process_options(self._arguments, opts)
        except UsageError as error:
            parser.error(str(error))
        self._quieten()

    def _quieten(self) -> None:
        """Log to the terminal and warnings only, unless the command line says else.

        A project's own level is for its crawls, and so is the file, which may be
        written anew each time.
        """
        settings = self.settings
        assert settings is not None  # noqa: S101  (set by Scrapy)
        for name, value in (*self.default_settings.items(), ("LOG_FILE", None)):
            if (settings.getpriority(name) or 0) < SETTINGS_PRIORITIES["cmdline"]:
                settings.set(name, value, priority="cmdline")

    def _parser(self, name: str, tool: Tool) -> ArgumentParser:
        parser = argparse.ArgumentParser(
            prog=_PROGRAM,
            usage=f"{_PROGRAM} {name} {tool.syntax}".replace("  ", " "),
            formatter_class=ScrapyHelpFormatter,
            description=tool.about,
            epilog=tool.epilog,
        )
        _add_json(parser)
        tool.add_options(parser)
        super().add_options(parser)
        return parser

    def run(self, args: list[str], opts: Namespace) -> None:  # noqa: ARG002 - Scrapy's
        """Run the tool."""
        terminal = Terminal()
        try:
            self.exitcode = self._run(opts, terminal)
        except UsageError as error:
            # Without the usage, unlike Scrapy's: the command line was right.
            terminal.say(f"{_PROGRAM} {opts.tool[0]}: error: {error}")
            self.exitcode = WRONG
        except Interrupted as stop:
            self.exitcode = stop.status
        except KeyboardInterrupt:
            self.exitcode = INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output has left; what Python has still to write as it
            # ends goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self.exitcode = NOT_HAD

    def _run(self, opts: Namespace, terminal: Terminal) -> int:
        tool, settings = self._tool, self.settings
        assert tool is not None  # noqa: S101  (process_options goes before)
        assert settings is not None  # noqa: S101  (set by Scrapy)
        return tool.run(
            Call(
                arguments=self._arguments,
                options=opts,
                settings=settings,
                terminal=terminal,
            )
        )


def _add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, one line each")


def _refuse_options(arguments: list[str]) -> None:
    for argument in arguments:
        if argument.startswith("-"):
            raise UsageError(f"there is no option {argument}")
