"""``scrapy onecaptcha --version``: the first line of a bug report."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from scrapy_onecaptcha._version import __version__
from scrapy_onecaptcha.cli.base import DONE, Tool

if TYPE_CHECKING:
    from scrapy_onecaptcha.cli.base import Call

__all__ = ["Version", "versions"]


def versions() -> dict[str, str]:
    """Return the versions of the package and of its dependencies."""
    return {
        "scrapy-onecaptcha": __version__,
        "Scrapy": version("Scrapy"),
        "Twisted": version("Twisted"),
        "treq": version("treq"),
        "Python": platform.python_version(),
    }


class Version(Tool):
    """Prints the versions."""

    syntax = "--version"
    about = "Print the versions of scrapy-onecaptcha and of its dependencies."
    epilog = ""

    def run(self, call: Call) -> int:
        """Print them."""
        found = versions()
        if call.options.json:
            call.terminal.as_json(found)
            return DONE
        (own, number), *others = found.items()
        below = ", ".join(f"{name} {number}" for name, number in others)
        call.terminal.result(f"{own} {number} ({below})")
        return DONE
