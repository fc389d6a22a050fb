"""One child process that visits pages, for a thread that may wait for it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.scripts.models import Reading

if TYPE_CHECKING:
    from scrapy_onecaptcha.scripts.models import Visit

__all__ = ["Child", "NoEngine"]

#: Seconds of wall time for a page, and for the start.
PAGE_SECONDS = 2.0
START_SECONDS = 20.0
# The part of a page's time that its scripts get: what they came to is still told then.
SCRIPT_SHARE = 0.9
# Bytes of a reading, and of the standard error of a child that ended.
MAX_REPLY = 4 << 20
MAX_COMPLAINT = 2_000

# What a process needs to find its libraries, and nothing that may be a secret.
_ENVIRONMENT = (
    "PATH",
    "SYSTEMROOT",
    "WINDIR",
    "TMPDIR",
    "TEMP",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
)
# The package itself is not imported, because that would import Scrapy.
_BOOT = """\
import json, sys, types
folder, paths, seconds = json.loads(sys.argv[1])
sys.path[:] = paths
package = types.ModuleType("scrapy_onecaptcha")
package.__path__ = [folder]
sys.modules["scrapy_onecaptcha"] = package
from scrapy_onecaptcha.scripts.worker import main
main(seconds)
"""


class NoEngine(Exception):
    """There is no usable script engine; the text says why, and what helps."""


class Child:
    """A child process, started at once. All calls but `kill` come from one thread.

    Args:
        page_seconds: after so much wall time a page's process is killed.

    Raises:
        NoEngine: it does not start.
    """

    def __init__(self, page_seconds: float = PAGE_SECONDS) -> None:
        self._page_seconds = page_seconds
        self._killed = False
        if not sys.executable:
            raise NoEngine("Python does not know its own executable")
        folder = str(Path(__file__).resolve().parent.parent)
        paths = [path for path in sys.path if path]
        arguments = json.dumps([folder, paths, page_seconds * SCRIPT_SHARE])
        try:
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter)
                [sys.executable, "-I", "-S", "-c", _BOOT, arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={n: os.environ[n] for n in _ENVIRONMENT if n in os.environ},
                **_detached(),
            )
        except OSError as error:
            raise NoEngine(f"The script engine does not start: {error}") from error
        hello = self._ask(b"", START_SECONDS)
        if not isinstance(hello, dict) or "ready" not in hello:
            complaint = self.close()
            problem = hello.get("problem") if isinstance(hello, dict) else None
            raise NoEngine(problem or f"The script engine does not start: {complaint}")

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def killed(self) -> bool:
        """Whether it visits no further page.

        A page may have been answered all the same: its time can end together with its
        visit, and does where this process was stopped meanwhile and goes on later.
        """
        return self._killed

    def visit(self, visit: Visit) -> Reading | None:
        """Visit a page, or return ``None`` where that ended the process."""
        line = json.dumps(visit.as_dict()).encode() + b"\n"
        answer = self._ask(line, self._page_seconds)
        try:
            return Reading.from_dict(answer) if isinstance(answer, dict) else None
        except (KeyError, TypeError, ValueError):
            return None

    def kill(self) -> None:
        """End the process at once; from any thread, and as often as one likes."""
        self._killed = True
        with contextlib.suppress(OSError):
            self._process.kill()

    def close(self) -> str:
        """End the process, wait for it, and return what it said on stderr."""
        self.kill()
        complaint = b""
        # Nobody else has the other ends of its pipes: these end with it.
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stderr is not None  # noqa: S101  (a pipe; see above)
            complaint = self._process.stderr.read(MAX_COMPLAINT)
        for pipe in (
            self._process.stdin,
            self._process.stdout,
            self._process.stderr,
        ):
            with contextlib.suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()
        self._process.wait()
        return complaint.decode("utf-8", "replace").strip()

    def _ask(self, line: bytes, seconds: float) -> Any:
        """Write *line* and return what comes back, or ``None`` if nothing does."""
        assert self._process.stdin is not None  # noqa: S101  (a pipe; see above)
        assert self._process.stdout is not None  # noqa: S101
        # Only a kill ends a read from a pipe on all systems.
        alarm = threading.Timer(seconds, self.kill)
        alarm.daemon = True
        alarm.start()
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
            reply = self._process.stdout.readline(MAX_REPLY)
            return json.loads(reply)
        except (OSError, ValueError):
            return None
        finally:
            alarm.cancel()
            alarm.join()  # It has killed by now, or never will.


def _detached() -> dict[str, Any]:
    """Return what keeps Ctrl-C, which goes to a terminal's group, from the child."""
    if sys.platform == "win32":
        return {
            "creationflags": subprocess.CREATE_NO_WINDOW
            | subprocess.CREATE_NEW_PROCESS_GROUP
        }
    return {"start_new_session": True}
