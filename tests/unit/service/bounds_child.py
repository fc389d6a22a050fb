"""Calls a service that never comes to the point, and prints what that cost in memory.

Run as a process of its own: ``bounds_child.py TRANSPORT PORT…``. TRANSPORT is ``treq``,
or the path of a download handler. For each port it prints the megabytes by which the
process has grown, and what the call came to.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from typing import Any

from scrapy import Spider
from scrapy.utils.test import get_crawler
from twisted.internet.defer import Deferred

from scrapy_onecaptcha import _scrapy
from scrapy_onecaptcha._twisted import LoopClock
from scrapy_onecaptcha.exceptions import ServiceError
from scrapy_onecaptcha.service.client import Client, Task
from scrapy_onecaptcha.service.http_scrapy import handled

TASK = Task(url="https://shop.example/", sitekey="0" * 8)
TIMEOUT = 30.0
#: Bytes of a unit of ``ru_maxrss``.
UNIT = 1 if sys.platform == "darwin" else 1024


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT / 2**20


async def call(client: Client, before: float) -> None:
    try:
        await client.create_task(TASK)
        said = "done"
    except ServiceError as error:
        said = str(error)
    sys.stdout.write(f"{megabytes() - before:.0f} {said}\n")


def url_of(port: str) -> str:
    return f"http://127.0.0.1:{port}"


def by_treq(ports: list[str]) -> None:
    from twisted.internet import reactor

    running: Any = reactor

    async def main() -> None:
        before = megabytes()
        for port in ports:
            client = Client.over_network(
                "the-key", url_of(port), reactor=running, timeout=TIMEOUT
            )
            await call(client, before)
        running.stop()

    running.callWhenRunning(lambda: Deferred.fromCoroutine(main()))
    running.run()


def by_handler(path: str, ports: list[str]) -> None:
    crawler = get_crawler(Spider)
    crawler.settings.frozen = False
    crawler.settings["DOWNLOAD_HANDLERS_BASE"]["https"] = path

    async def calls() -> None:
        before = megabytes()
        for port in ports:
            http, hang_up = handled(crawler, TIMEOUT)
            client = Client(
                "the-key",
                url_of(port),
                http=http,
                clock=LoopClock(),
                timeout=TIMEOUT,
                hang_up=hang_up,
            )
            await call(client, before)
            await client.close()

    async def main() -> None:
        await _scrapy.as_scrapy(calls())

    asyncio.run(main())


if __name__ == "__main__":
    transport, *opened = sys.argv[1:]
    if transport == "treq":
        by_treq(opened)
    else:
        by_handler(transport, opened)
