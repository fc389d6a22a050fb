"""A sandbox with sites that the package's own has not.

Called by `crawl_harness.sandbox` with its options, which are JSON::

    {"sites": {"asker": {"gate": "asker", "robots": "User-agent: *\\n…"}},
     "service": {"latency": 0.1}}

``gate`` is the name of a gate of the sandbox, ``null`` for none, or an object with
``like``, such a name, and what is different. ``robots`` is the text of robots.txt, or
``true`` for one that is gated like every other page. A site opens for good, to all,
once its ``/_open`` is asked for. ``quick`` is a second service with the same tasks and
tokens, for a second run. It ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet import reactor as installed

from scrapy_onecaptcha.sandbox import GATES, Gate, Sandbox, ServiceOptions
from scrapy_onecaptcha.sandbox.messages import Reply, Visit
from scrapy_onecaptcha.sandbox.service import Service
from scrapy_onecaptcha.sandbox.web import Listener

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = Callable[[Visit], Reply]


def gate_of(wanted: Any) -> Gate | None:
    """Return the gate that the options describe."""
    if wanted is None or isinstance(wanted, str):
        return GATES[wanted] if wanted else None
    changes = dict(wanted)
    like = GATES[changes.pop("like")]
    assert like is not None
    return replace(like, **changes)


class Switchable:
    """A site that is *closed* until it is opened."""

    def __init__(self, closed: Answer, opened: Answer, robots: str | bool) -> None:
        self._answer = closed
        self._opened = opened
        self._robots = robots

    def answer(self, visit: Visit) -> Reply:
        if visit.path == "/_open":
            self._answer = self._opened
            return Reply(body=b"open")
        if visit.path == "/robots.txt" and self._robots is True:
            return self._answer(replace(visit, uri="/page/0"))
        if visit.path == "/robots.txt" and self._robots:
            return Reply(body=str(self._robots).encode(), content_type="text/plain")
        return self._answer(visit)


def main() -> None:
    """Serve until standard input ends."""
    reactor: Any = installed
    options = json.loads(sys.argv[1])
    wanted = options["sites"]
    gates = {name: gate_of(site["gate"]) for name, site in wanted.items()}
    service = ServiceOptions(**options.get("service", {}))
    sandbox = Sandbox(service=service, sites=gates)
    twins = Sandbox(sites=dict.fromkeys(wanted))
    sites: dict[str, Any] = sandbox.sites
    for name, site in wanted.items():
        opened = twins.sites[name].answer
        sites[name] = Switchable(sites[name].answer, opened, site.get("robots", False))
    second = Service(
        ServiceOptions(latency=0.1),
        sandbox.ledger,
        clock=reactor.seconds,
        rng=random.Random(1),
    )
    sandbox.start()
    info = {
        "service": sandbox.service_url,
        "quick": Listener(reactor, second.answer).url,
        "sites": sandbox.urls,
        "settings": sandbox.settings(),
    }
    sys.stdout.write(json.dumps(info) + "\n")
    sys.stdout.flush()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        reactor.callFromThread(reactor.stop)

    reactor.callWhenRunning(threading.Thread(target=watch, daemon=True).start)
    reactor.run()


if __name__ == "__main__":
    main()
