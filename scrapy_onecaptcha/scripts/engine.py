"""The script engine: quickjs-ng, with this package's runtime loaded into it."""

from __future__ import annotations

import importlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

__all__ = ["Engine", "ScriptFailed", "Stopped", "problem", "runtime_source"]

#: The scripts of the runtime, in the order in which they depend on each other.
RUNTIME = (
    "core",
    "url",
    "events",
    "nodes",
    "selectors",
    "elements",
    "tags",
    "markup",
    "forms",
    "encoding",
    "network",
    "navigation",
    "document",
    "timers",
    "platform",
    "hcaptcha",
    "run",
)

MEMORY_LIMIT = 64 << 20  # bytes
STACK_LIMIT = 768 << 10  # bytes
# Promise reactions and the like between two calls of the host.
MAX_JOBS = 5_000
# Characters of an error. A token in it must be whole, to be found and hidden.
MAX_MESSAGE = 10_000

INSTALL = "pip install 'scrapy-onecaptcha[scripts]'"
_NOT_INSTALLED = f"No script engine is installed: {INSTALL}"
_OTHER_ENGINE = (
    "The module quickjs is that of the older package quickjs, which crashes on some "
    f"pages: pip uninstall -y quickjs quickjs-ng; {INSTALL}"
)


class Stopped(Exception):
    """The engine ended what it ran: a limit of time or memory was met."""

    def __init__(self, why: str = "its scripts take too long") -> None:
        super().__init__(why)


class ScriptFailed(Exception):
    """A script threw; the text says what."""


def problem() -> str | None:
    """Return a sentence that says why there is no usable engine, or ``None``.

    Nothing is loaded: an engine's code stays out of the crawl's own process.
    """
    # The child, which needs none of it, starts a quarter sooner without.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    if find_spec("_quickjs") is None:
        return _NOT_INSTALLED
    for name in ("quickjs", "quickjs-ng"):
        try:
            version(name)
        except PackageNotFoundError:
            continue
        return _OTHER_ENGINE if name == "quickjs" else None
    return None  # installed without metadata; the child looks at the engine itself


@cache
def runtime_source() -> str:
    """Return the runtime as one function expression, called with the global object."""
    folder = Path(__file__).with_name("runtime")
    files = [(folder / f"{name}.js").read_text(encoding="utf-8") for name in RUNTIME]
    return f"((G) => {{'use strict';\n{''.join(files)}\nreturn host;}})(globalThis)"


class Engine:
    """One page's engine. Its calls take strings and numbers, and return such.

    Args:
        seconds: of CPU that a call of it may take. No limit of the engine's own holds
            within a native function (a search in a long text): a process that must end
            has to be killed from outside.

    Raises:
        ImportError: there is no usable engine.
    """

    def __init__(self, seconds: float) -> None:
        quickjs = cast("Any", importlib.import_module("quickjs"))
        self._error: type[Exception] = quickjs.JSException
        self._context = quickjs.Context()
        if self._context.eval("typeof Object.hasOwn") != "function":
            raise ImportError(_OTHER_ENGINE)
        self._context.set_memory_limit(MEMORY_LIMIT)
        self._context.set_max_stack_size(STACK_LIMIT)
        self.limit(seconds)
        self._host = self._context.eval(runtime_source())

    def limit(self, seconds: float) -> None:
        """Limit each later call to *seconds* of CPU."""
        self._context.set_time_limit(max(seconds, 0.001))

    def call(self, command: str, *arguments: object) -> Any:
        """Call a command of ``run.js``.

        Raises:
            Stopped: a limit was met.
            ScriptFailed: the command threw: some script tampers with its object.
        """
        return self._guarded(self._host, command, json.dumps(arguments))

    def run(self, code: str, *, module: bool = False) -> None:
        """Run a script of the page; its errors are written down in the runtime.

        Raises:
            Stopped: a limit was met.
        """
        run = self._context.module if module else self._context.eval
        # A script's last value is of no use, and may be anything.
        try:
            self._guarded(run, f"{code}\n;0")
        except ScriptFailed as error:
            self.call("fail", str(error))
        self.settle()

    def settle(self) -> None:
        """Run the pending jobs of promises.

        Raises:
            Stopped: a limit was met.
        """
        for _ in range(MAX_JOBS):
            try:
                if not self._guarded(self._context.execute_pending_job):
                    return
            except ScriptFailed as error:
                self.call("fail", str(error))
        raise Stopped("its promises never come to an end")

    def _is_full(self) -> bool:
        # There may be no room for the error that says so.
        used = self._context.memory().get("malloc_size", 0)
        return bool(used > MEMORY_LIMIT * 0.9)

    def _guarded(self, call: Any, *arguments: object) -> Any:
        try:
            return call(*arguments)
        except self._error as error:
            message = str(error).strip().partition("\n")[0][:MAX_MESSAGE]
            if message.startswith("InternalError: interrupted"):
                raise Stopped from None
            if "out of memory" in message or self._is_full():
                raise Stopped("its scripts take too much memory") from None
            raise ScriptFailed(message) from None
        except MemoryError:
            raise Stopped("its scripts take too much memory") from None
