"""Findings on what a crawl shares or writes: store and ledger."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy_onecaptcha._values import is_loopback
from scrapy_onecaptcha.cli.checks.finding import Finding
from scrapy_onecaptcha.cli.checks.middlewares import proxy_middlewares
from scrapy_onecaptcha.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.settings import BaseSettings

__all__ = ["judge"]


def judge(settings: BaseSettings) -> Iterator[Finding]:
    """Find a ledger that cannot be written, and a store that is not safe to share."""
    yield from _ledger(settings.get(f"{PREFIX}LEDGER"))
    store = settings.get(f"{PREFIX}STORE")
    if store:
        yield from _egress(settings)
        yield from _in_the_clear(str(store))


def _ledger(path: Any) -> Iterator[Finding]:
    if not path:
        return
    folder = Path(str(path)).expanduser().parent
    if not folder.is_dir():
        what, do = (
            f"The folder {folder} does not exist.",
            f"Make it: mkdir -p {folder}.",
        )
    elif not os.access(folder, os.W_OK):
        what, do = f"The folder {folder} is not writable.", "Name another one."
    else:
        return
    yield Finding(
        severity="error",
        setting=f"{PREFIX}LEDGER",
        what=what,
        why="The crawl stops at its start.",
        do=do,
    )


def _egress(settings: BaseSettings) -> Iterator[Finding]:
    if settings.get(f"{PREFIX}EGRESS"):
        return
    for name in proxy_middlewares(settings):
        yield Finding(
            severity="risk",
            setting=f"{PREFIX}EGRESS",
            what=f"It is not set, there is a store, and by its name {name} uses "
            "proxies.",
            why="A clearance belongs to the address that it was earned from. Behind a "
            "gateway that changes addresses it fails elsewhere, and costs a captcha "
            "again.",
            do="Set it to a name for the addresses that this process leaves by, one "
            "for each pool.",
        )
        return


def _in_the_clear(store: str) -> Iterator[Finding]:
    try:
        scheme = urlsplit(store).scheme
        away = scheme == "redis" and not is_loopback(store)
    except ValueError:
        return  # a bad value is found elsewhere
    if away:
        yield Finding(
            severity="risk",
            setting=f"{PREFIX}STORE",
            what="It is on another machine, and the connection is not encrypted.",
            why="Cookies that open sites can be read on the network.",
            do="Use rediss://.",
        )
