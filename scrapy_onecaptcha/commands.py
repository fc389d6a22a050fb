"""``scrapy onecaptcha …``: runs the tool that its first argument names."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand, ScrapyHelpFormatter
from scrapy.exceptions import UsageError
from scrapy.settings import SETTINGS_PRIORITIES
from scrapy.utils.misc import load_object

from scrapy_onecaptcha.cli.base import FAILED, INTERRUPTED, WRONG_USAGE, Call
from scrapy_onecaptcha.cli.runner import Interrupted
from scrapy_onecaptcha.cli.terminal import Terminal

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from scrapy_onecaptcha.cli.base import Tool

__all__ = ["TOOLS", "Command"]

_PROGRAM = "scrapy onecaptcha"
_TOOLS = "scrapy_onecaptcha.cli"

#: The class of each tool, and its line in the list of tools.
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
    """Parses the command line in two steps: common options, then the tool's own.

    Scrapy imports this module for each of its commands. So a tool is imported only when
    it is named.
    """

    requires_project = False
    # A crawler process would load the project's spiders; a tool makes its own.
    requires_crawler_process = False
    default_settings = {"LOG_LEVEL": "WARNING"}  # noqa: RUF012  (typed by Scrapy)

    def __init__(self) -> None:
        super().__init__()
        self._tool: Tool | None = None
        self._arguments: list[str] = []

    def syntax(self) -> str:
        """Return the arguments, for --help."""
        return f"{{{','.join(TOOLS)}}} [options] …"

    def short_desc(self) -> str:
        """Return the description in Scrapy's list of commands."""
        return "Inspect hCaptchas, solve one, check settings and account, report costs"

    def long_desc(self) -> str:
        """Return the description for --help."""
        listed = "; ".join(f"{name}: {about}" for name, (_, about) in TOOLS.items())
        return (
            f"Tools of scrapy-onecaptcha. {listed}. "
            '"scrapy onecaptcha <tool> --help" tells more of each.'
        )

    def add_options(self, parser: ArgumentParser) -> None:
        """Add the options that all tools have."""
        super().add_options(parser)
        parser.prog = _PROGRAM
        parser.epilog = (
            "Exit status of every tool: 0 done; 1 failed; 2 wrong command line or "
            "settings; 130 after Ctrl-C."
        )
        parser.add_argument("--version", action="store_true", help="print the versions")
        _add_json(parser)
        tool = parser.add_argument(
            "tool", nargs=argparse.PARSER, help=f"one of: {', '.join(TOOLS)}"
        )
        tool.required = False

    def process_options(self, args: list[str], opts: Namespace) -> None:
        """Parse and check the command line; --help exits here."""
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
            raise UsageError(f"name a tool: {', '.join(TOOLS)}{other}")
        parser = self._parser(name, self._tool)
        # Added to the options that came before the tool's name.
        _, self._arguments = parser.parse_known_args(rest, opts)
        try:
            _refuse_options(self._arguments)
            self._tool.check(self._arguments, opts)
            super().process_options(self._arguments, opts)
        except UsageError as error:
            parser.error(str(error))
        self._quieten()

    def _quieten(self) -> None:
        """Log warnings to the terminal, unless the command line says otherwise.

        The project's own level and log file are meant for its crawls.
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
            # Scrapy would print the usage as well, but the command line was right.
            terminal.say(f"{_PROGRAM} {opts.tool[0]}: error: {error}")
            self.exitcode = WRONG_USAGE
        except Interrupted as stop:
            self.exitcode = stop.status
        except KeyboardInterrupt:
            self.exitcode = INTERRUPTED
        except BrokenPipeError:
            # The reader of the output is gone. Python flushes standard output on exit:
            # to nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self.exitcode = FAILED

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
