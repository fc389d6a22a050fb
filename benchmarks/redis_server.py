"""A `redis-server` for a benchmark, on a socket in a folder."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["redis_server"]


@contextmanager
def redis_server(folder: str) -> Iterator[str | None]:
    """Run a server, and return its URL; ``None`` where none is installed."""
    if shutil.which("redis-server") is None:
        yield None
        return
    socket = f"{folder}/redis.sock"
    options = ["--dir", folder, "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", socket, *options],
        stdout=subprocess.DEVNULL,
    )
    try:
        while not _answers(socket):
            time.sleep(0.05)
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait(20)


def _answers(socket: str) -> bool:
    ping = ["redis-cli", "-s", socket, "ping"]
    done = subprocess.run(ping, capture_output=True, check=False)
    return done.stdout.startswith(b"PONG")
