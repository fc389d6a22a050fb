"""The servers of a benchmark, in a process of their own: a service and sites.

They are the sandbox's, with what a benchmark wants beside: sites that take their time,
gates that appear later, and the age of each token as it comes in. What to serve is the
first line of the input, as JSON; where, that of the output. Ends with its input.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from twisted.internet.error import ReactorNotRunning
from twisted.web.server import NOT_DONE_YET, Site

from scrapy_onecaptcha.sandbox import AnswerResource, Gate, Sandbox, ServiceOptions
from scrapy_onecaptcha.sandbox.messages import (
    Reply,
    Visit,
    html_reply,
    json_reply,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []

PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>{path}</title></head>
<body><h1 class="content">{path}</h1>
{text}</body></html>
"""
LINE = (
    "<p class='entry'>An <a href='/'>ordinary</a> line; there are many of them.</p>\n"
)
LIFETIME = 600.0  # seconds, if its starter does not end it


class SlowResource(AnswerResource):
    """Answers after a while, as a site far away does.

    Args:
        reactor: measures it.
        answer: the answer.
        delay: seconds, give or take a half: were it always the same, a crawl would go
            in step, all of its places waiting and then all of them at work.
    """

    def __init__(
        self, reactor: Any, answer: Callable[[Visit], Reply], delay: float
    ) -> None:
        super().__init__(answer)
        self._reactor = reactor
        self._delay = delay
        self._random = random.Random(1)

    def render(self, request: Any) -> Any:
        """Answer *request*, unless its sender hangs up before."""
        delay = self._delay * self._random.uniform(0.5, 1.5)
        call = self._reactor.callLater(delay, super().render, request)
        request.notifyFinish().addErrback(lambda _: call.active() and call.cancel())
        return NOT_DONE_YET


def ordinary(visit: Visit, size: int) -> Reply:
    """Return a page of at least *size* bytes in which no captcha is spoken of.

    Those of the sandbox do so in their style sheet, in order to be looked at closely.
    """
    text = LINE * (size // len(LINE) + 1)
    return html_reply(PAGE.format(path=visit.path, text=text))


def gate_of(fields: dict[str, Any]) -> Gate:
    """Return the gate whose fields have come as JSON, which has no tuples."""
    as_they_were: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in fields.items()
    }
    return Gate(**as_they_were)


class LateGate:
    """A site that lets so many visits pass before its gate appears.

    Args:
        gated: answers once there is a gate.
        free: answers as long as there is none.
        visits: that pass.
    """

    def __init__(
        self,
        gated: Callable[[Visit], Reply],
        free: Callable[[Visit], Reply],
        visits: int,
    ) -> None:
        self._gated = gated
        self._free = free
        self._left = visits

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        self._left -= 1
        return self._free(visit) if self._left >= 0 else self._gated(visit)


class Servers:
    """Everything that one benchmark needs.

    Args:
        reactor: the installed one.
        service: options of the sandbox's service.
        sites: by name: ``gate`` (its fields, or none), ``size``, ``delay`` and
            ``free_visits``; see `harness.Site`.
    """

    def __init__(
        self, reactor: Any, service: dict[str, Any], sites: dict[str, dict[str, Any]]
    ) -> None:
        self._reactor = reactor
        low, high = service.pop("latency")
        gates = {
            name: gate_of(site["gate"]) for name, site in sites.items() if site["gate"]
        }
        self._sandbox = Sandbox(
            service=ServiceOptions(latency=(low, high), **service),
            sites=gates,
            reactor=reactor,
        )
        self._sites = sites
        self._ages: list[float] = []

    def start(self) -> dict[str, Any]:
        """Listen, and return where."""
        self._sandbox.start()
        urls = {name: self._listen(name, site) for name, site in self._sites.items()}
        facts = self._serve(AnswerResource(lambda _: json_reply(self.facts())))
        return {"sites": urls, "facts": facts, "settings": self._sandbox.settings()}

    def facts(self) -> dict[str, Any]:
        """Return what has happened so far."""
        ledger = self._sandbox.ledger
        return {
            "tasks": len(ledger.tasks),
            "open_tasks_max": ledger.open_tasks_max,
            "rejections": dict(ledger.rejections),
            "ages": self._ages,
        }

    def _listen(self, name: str, site: dict[str, Any]) -> str:
        def free(visit: Visit) -> Reply:
            return ordinary(visit, site["size"])

        gated = self._sandbox.sites.get(name)
        answer = free if gated is None else gated.answer
        if site["free_visits"]:
            answer = LateGate(answer, free, site["free_visits"]).answer

        def timed(visit: Visit) -> Reply:
            self._note_age(visit)
            return answer(visit)

        return self._serve(SlowResource(self._reactor, timed, site["delay"]))

    def _note_age(self, visit: Visit) -> None:
        if visit.method != "POST":
            return
        fields = parse_qs(visit.body.decode())
        for value in fields.get("h-captcha-response", ()):
            token = self._sandbox.ledger.tokens.get(value)
            if token is not None:
                self._ages.append(self._reactor.seconds() - token.issued_at)

    def _serve(self, resource: AnswerResource) -> str:
        untyped: Any = Site
        site = untyped(resource, reactor=self._reactor)
        site.noisy = False
        site.log = lambda _: None
        port = self._reactor.listenTCP(0, site, interface="127.0.0.1", backlog=2000)
        return f"http://127.0.0.1:{port.getHost().port}"


def main() -> None:
    """Serve until the input ends."""
    from twisted.internet import reactor as installed  # noqa: PLC0415

    reactor: Any = installed

    def stop() -> None:
        with suppress(ReactorNotRunning):
            reactor.stop()

    def watch() -> None:
        while os.read(0, 4096):
            time.sleep(0)
        reactor.callFromThread(stop)

    servers = Servers(reactor, **json.loads(sys.stdin.readline()))
    print(json.dumps(servers.start()), flush=True)
    reactor.callWhenRunning(threading.Thread(target=watch, daemon=True).start)
    reactor.callLater(LIFETIME, stop)
    reactor.run()


if __name__ == "__main__":
    main()
