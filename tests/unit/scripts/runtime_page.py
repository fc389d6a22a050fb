"""A page in the engine, for tests that look into it by scripts of their own."""

from __future__ import annotations

import json
from typing import Any

from scrapy_onecaptcha.scripts.engine import Engine
from scrapy_onecaptcha.scripts.tree import plain_tree

__all__ = ["Page"]

URL = "https://site.test/dir/page.html?a=1&b=2#top"


class Page:
    """A page whose scripts have run."""

    def __init__(
        self, html: str = "<body></body>", url: str = URL, **options: Any
    ) -> None:
        self.engine = Engine(20)
        tree = plain_tree(f"<!doctype html>{html}")
        self.engine.call("boot", {"url": url, "tree": tree, **options})
        while entry := self.engine.call("script"):
            self.engine.run(**json.loads(entry))
        self.engine.call("loaded")

    def value(self, code: str) -> Any:
        """Return the value of an expression."""
        written = self.engine._context.eval(f"JSON.stringify((() => ({code}))())")
        return None if written is None else json.loads(written)

    def run(self, code: str) -> None:
        """Run a script as the page's own."""
        self.engine.run(code)

    def wait(self, milliseconds: float = 1000) -> None:
        """Let the page's clock go on."""
        limit = self.engine.call("now") + milliseconds
        while ran := self.engine.call("step", limit):
            self.engine.settle()
            while ran == 2 and (entry := self.engine.call("script")):
                self.engine.run(**json.loads(entry))

    def call(self, command: str, *arguments: object) -> Any:
        """Call a command of the runtime, as the host does."""
        value = self.engine.call(command, *arguments)
        self.engine.settle()
        return value

    @property
    def result(self) -> dict[str, Any]:
        """What the runtime wrote down."""
        written: dict[str, Any] = json.loads(self.engine.call("result"))
        return written

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The requests that were written down."""
        sent: list[dict[str, Any]] = self.result["sent"]
        return sent
