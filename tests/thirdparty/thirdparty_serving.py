"""What the apps have in common: a server on loopback, and what their pages say."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from waitress import create_server

CONTENT = """<!DOCTYPE html><html lang="en"><head><title>{name}</title></head><body>
<nav><a href="/page/1">First</a> <a href="/page/2">Second</a></nav>
<h1>Page {number} of {name}</h1><p>{text}</p>{form}</body></html>"""
TEXT = "The ferry leaves at seven, and the kettle is on by six. " * 20


def options() -> dict[str, Any]:
    """Return what the test asks for: package, name, siteverify, sitekey, secret."""
    told: dict[str, Any] = json.loads(sys.argv[1])
    return told


def serve(app: Any) -> None:
    """Serve *app* until standard input ends; print its URL first."""
    server = create_server(app, host="127.0.0.1", port=0, threads=4)
    sys.stdout.write(f"http://127.0.0.1:{server.effective_port}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    server.run()


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)  # waitress has no other way to be told from another thread
