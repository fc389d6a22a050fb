"""A sandbox with sites that the package's own has not.

Called by `crawl_harness.sandbox` with its options, which are JSON::

    {"sites": {"asker": {"gate": "asker", "robots": "User-agent: *\\n…"}},
     "service": {"latency": 0.1}, "proxies": {"one": {"user": "password"}}}

``gate`` is the name of a site of the sandbox, ``null`` for none, or an object with
``like``, such a name, and the attributes that differ; its sitekey is that of the new
name. ``robots`` is the text of robots.txt, or
``true`` for one that is gated like every other page. ``headers`` are added to all of
its pages. A site opens for good, to all,
once its ``/_open`` is asked for. With ``extras`` it has the pages of `crawl_content` as
well, behind its gate; with ``apis`` it has those of `crawl_apis` instead. ``/_visits``
tells who has been there. A proxy lets in its users, to all sites. The service solves
none but the next N tasks between ``/_hold/N`` and ``/_solve``. ``quick`` is a second
one with the same tasks and tokens, for a second run. It ends when its standard input
does.
"""

from __future__ import annotations

import base64
import json
import math
import os
import random
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crawl_apis import Apis
from crawl_content import Extras
from twisted.internet import reactor as installed

from scrapy_onecaptcha.sandbox import Gate, Sandbox, ServiceOptions, sitekey_of
from scrapy_onecaptcha.sandbox.messages import Reply, Visit, json_reply
from scrapy_onecaptcha.sandbox.service.api import Service
from scrapy_onecaptcha.sandbox.sites.content import NumberedPages
from scrapy_onecaptcha.sandbox.sites.context import SiteContext
from scrapy_onecaptcha.sandbox.sites.gated_site import GatedSite
from scrapy_onecaptcha.sandbox.sites.open_site import OpenSite
from scrapy_onecaptcha.sandbox.sites.registry import SITES
from scrapy_onecaptcha.sandbox.web import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scrapy_onecaptcha.sandbox.ledger import Task
    from scrapy_onecaptcha.sandbox.sites.registry import Kind

    Answer = Callable[[Visit], Reply]


DAY = 24 * 3600.0


def kind_of(name: str, wanted: Any) -> Kind:
    """Return the description of a site that the options give."""
    if wanted is None or isinstance(wanted, str):
        return SITES[wanted] if wanted else None
    changes: dict[str, Any] = {
        attribute: tuple(value) if isinstance(value, list) else value
        for attribute, value in wanted.items()
    }
    like: Any = SITES[changes.pop("like")]
    kind: Kind = replace(like, sitekey=sitekey_of(name), **changes)
    return kind


def with_extras(
    name: str, kind: Kind, sandbox: Sandbox, clock: Callable[[], float]
) -> GatedSite | OpenSite:
    """Return a site that has the pages of `crawl_content` besides numbered ones."""
    content, ledger = Extras(name, NumberedPages(name)), sandbox.ledger
    if kind is None:
        return OpenSite(name, content, ledger=ledger)
    assert isinstance(kind, Gate)
    rng = random.Random(name)
    context = SiteContext(name=name, ledger=ledger, clock=clock, rng=rng)
    return GatedSite(context, kind, content)


class Switchable:
    """A site that is *closed* until it is opened; *site* are its options."""

    def __init__(self, closed: Answer, opened: Answer, site: Mapping[str, Any]) -> None:
        self._answer = closed
        self._opened = opened
        self._robots: str | bool = site.get("robots", False)
        self._headers = tuple(site.get("headers", {}).items())
        self._visits: list[dict[str, Any]] = []

    def answer(self, visit: Visit) -> Reply:
        if visit.path == "/_open":
            self._answer = self._opened
            return Reply(body=b"open")
        if visit.path == "/_visits":
            return json_reply(self._visits)
        self._visits.append(_of_visit(visit))
        if visit.path == "/robots.txt" and self._robots is True:
            return self._answer(replace(visit, uri="/page/0"))
        if visit.path == "/robots.txt" and self._robots:
            return Reply(body=str(self._robots).encode(), content_type="text/plain")
        reply = self._answer(visit)
        return replace(reply, headers=(*reply.headers, *self._headers))


def _of_visit(visit: Visit) -> dict[str, Any]:
    return {
        "by": visit.address,
        "method": visit.method,
        "path": visit.path,
        "token": "P1_" in f"{visit.uri} {visit.body!r}",
        "headers": dict(visit.headers),
    }


class Holding:
    """A service that may be told to solve nothing for a while, however long that is.

    Args:
        answer: its own answers.
        tasks: that it has, by their name.
        clock: returns the time in seconds.
    """

    def __init__(
        self, answer: Answer, tasks: Mapping[str, Task], clock: Callable[[], float]
    ) -> None:
        self._answer = answer
        self._tasks = tasks
        self._clock = clock
        self._held_from: float = math.inf  # the number of tasks before
        self._held: list[Task] = []

    def answer(self, visit: Visit) -> Reply:
        if visit.path.startswith("/_hold/"):
            more = int(visit.path.rpartition("/")[2])
            self._held_from = len(self._tasks) + more
            return Reply(body=b"held")
        if visit.path == "/_solve":
            self._held_from = math.inf
            for task in self._held:
                task.ready_at = self._clock()
            self._held.clear()
            return Reply(body=b"solved")
        before = len(self._tasks)
        reply = self._answer(visit)
        if before >= self._held_from:
            for task in list(self._tasks.values())[before:]:
                task.ready_at += DAY
                self._held.append(task)
        return reply


class Proxy:
    """A proxy for known users; its sites take each of them for an address.

    Args:
        name: of the proxy.
        users: their passwords.
        sites: what answers, by host and port.
    """

    def __init__(
        self, name: str, users: Mapping[str, str], sites: Mapping[str, Answer]
    ) -> None:
        self._name = name
        self._sites = sites
        self._users = {
            "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(): user
            for user, password in users.items()
        }

    def answer(self, visit: Visit) -> Reply:
        headers = dict(visit.headers)
        user = self._users.get(headers.pop("proxy-authorization", ""))
        if user is None:
            challenge = ("Proxy-Authenticate", 'Basic realm="proxy"')
            return Reply(status=407, headers=(challenge,))
        site = self._sites[headers["host"]]
        return site(replace(visit, headers=headers, address=f"{user}@{self._name}"))


def main() -> None:
    """Serve what the options describe."""
    reactor: Any = installed
    options = json.loads(sys.argv[1])
    wanted = options["sites"]
    kinds = {name: kind_of(name, site["gate"]) for name, site in wanted.items()}
    service = ServiceOptions(**options.get("service", {}))
    sandbox: Any = Sandbox(service=service, sites=kinds)
    tasks = sandbox.ledger.tasks
    sandbox.service = Holding(sandbox.service.answer, tasks, reactor.seconds)
    twins = Sandbox(sites=dict.fromkeys(wanted))
    sites: dict[str, Any] = sandbox.sites
    for name, site in wanted.items():
        if site.get("extras"):
            sites[name] = with_extras(name, kinds[name], sandbox, reactor.seconds)
        if site.get("apis"):
            sites[name] = Apis(name, sandbox.ledger)
        opened = twins.sites[name].answer
        sites[name] = Switchable(sites[name].answer, opened, site)
    second = Service(
        ServiceOptions(latency=0.1),
        sandbox.ledger,
        clock=reactor.seconds,
        rng=random.Random(1),
    )
    sandbox.start()
    answers = {
        urlsplit(url).netloc: sites[name].answer for name, url in sandbox.urls.items()
    }
    info = {
        "service": sandbox.service_url,
        "quick": Listener(reactor, second.answer).url,
        "sites": sandbox.urls,
        "proxies": {
            name: Listener(reactor, Proxy(name, users, answers).answer).url
            for name, users in options.get("proxies", {}).items()
        },
        "settings": sandbox.settings(),
    }
    serve(info)


def serve(info: dict[str, Any]) -> None:
    """Print *info*, and run the reactor until standard input ends."""
    reactor: Any = installed
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
