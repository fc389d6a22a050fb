"""Runs Scrapy's own commands in `crawl_project`, as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crawl_harness import HANGS, HERE, MIDDLEWARE, _environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crawl_harness import Servers


@dataclass
class Ran:
    """What a command said, and left in its folder."""

    output: str
    log: str
    folder: Path

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items of ``-O items.jsonl``."""
        lines = (self.folder / "items.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


def scrapy(
    servers: Servers,
    folder: Path,
    *arguments: str,
    site: str,
    settings: Mapping[str, Any] | None = None,
) -> Ran:
    """Run ``scrapy`` with *arguments* in a project whose spiders crawl *site*."""
    (folder / "scrapy.cfg").write_text("[settings]\ndefault = crawl_project.settings\n")
    told = {**servers.settings, "DOWNLOADER_MIDDLEWARES": MIDDLEWARE}
    done = subprocess.run(
        # Warnings are no errors: Scrapy's own commands use what it deprecates.
        [sys.executable, "-m", "scrapy", *arguments],
        cwd=folder,
        env={
            **_environment(),
            "CRAWL_SETTINGS": json.dumps({**told, **(settings or {})}),
            "CRAWL_SITE": servers[site],
            "CRAWL_OPEN": servers["open"],
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
        },
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    return Ran(done.stdout, done.stderr, folder)
