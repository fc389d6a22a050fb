"""``scrapy onecaptcha sandbox``: a service and gated sites on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.exceptions import UsageError
from twisted.internet.defer import Deferred

from scrapy_onecaptcha.cli.base import DONE, Tool, exits
from scrapy_onecaptcha.cli.runner import run
from scrapy_onecaptcha.sandbox import __main__ as process

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from scrapy_onecaptcha.cli.base import Call
    from scrapy_onecaptcha.cli.runner import Stage
    from scrapy_onecaptcha.sandbox import Sandbox

__all__ = ["SandboxTool"]


class SandboxTool(Tool):
    """Does what ``python -m scrapy_onecaptcha.sandbox`` does."""

    about = (
        "Serve a stand-in for the service, and gated sites to crawl, on loopback, and "
        "print their addresses and the settings to use them. No key is needed and "
        "nothing is paid. It ends with Ctrl-C."
    )
    epilog = exits("when its input ended (--until-eof)", "")

    def add_options(self, parser: ArgumentParser) -> None:
        """Add those of the module."""
        process.add_options(parser)

    def check(self, arguments: list[str], options: Namespace) -> None:
        """Refuse what the sandbox does not know."""
        if arguments:
            raise UsageError(f"a site is named by --site {arguments[0]}")
        self._sandbox(options)

    def run(self, call: Call) -> int:
        """Serve until a signal."""
        sandbox = self._sandbox(call.options)
        run(call.settings, lambda stage: _serve(stage, sandbox, call))
        return DONE

    def _sandbox(self, options: Namespace) -> Sandbox:
        try:
            return process.build(options)
        except ValueError as error:
            raise UsageError(str(error)) from None


async def _serve(stage: Stage, sandbox: Sandbox, call: Call) -> None:
    sandbox.start()
    ended: Deferred[None] = Deferred()
    if call.options.until_eof:
        process.at_eof(stage.reactor, lambda: ended.callback(None))
    try:
        call.terminal.result(*process.show(sandbox, call.options).splitlines())
        await ended
    finally:
        await sandbox.stop()
