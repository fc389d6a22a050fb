"""A sandbox whose service repeats the key in every reply, and keeps what it was sent.

Called by `crawl_harness.sandbox` with its options, which are JSON::

    {"key": "…", "sites": {"echo": "button"}}

``sites`` names for each site the gate that it is like. What the service answers to a
task of a site goes by that site's name, up to a ``-``; see `CREATED` and `RESULTS`.
It has pages of its own: ``/_seen`` (calls, tokens, connections to the trap) and
``/_account`` (from then on the account is refused). It ends with its standard input.
"""

from __future__ import annotations

import html
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from crawl_servers import serve
from twisted.internet import reactor as installed
from twisted.internet.protocol import Factory, Protocol

from scrapy_onecaptcha.sandbox import GATES, PRODUCTS, Sandbox, ServiceOptions
from scrapy_onecaptcha.sandbox.messages import Reply, Visit, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable

REDIRECTS = (301, 302, 303, 307, 308)


def echoes(key: str) -> str:
    """Return *key* in the ways in which a service may write it."""
    written = json.dumps(key)[1:-1]
    entities = "".join(f"&#{ord(char)};" for char in key)
    ways = [key, key.upper(), key.swapcase(), quote(key), quote_plus(key)]
    ways += [quote(key, safe="").lower(), written, written.replace("/", r"\/")]
    return " ".join([*ways, html.escape(key), entities])


def refusal(code: str) -> Callable[[Any], Reply]:
    """Return a refusal with *code*, which is ``ERROR_`` and the key if it is empty."""
    return lambda service: json_reply(
        {
            "errorId": 1,
            "errorCode": code or f"ERROR_{service.key}",
            "errorDescription": f"clientKey {echoes(service.key)}",
            "request": {"clientKey": service.key},
        }
    )


def page(status: int) -> Callable[[Any], Reply]:
    """Return a page that shows the call."""
    return lambda service: Reply(
        status=status, body=f"<p>{service.key} {echoes(service.key)}</p>".encode()
    )


def redirect(status: int, *, away: bool) -> Callable[[Any], Reply]:
    """Return a redirect to the trap, or to a page of the service's own."""
    return lambda service: Reply(
        status=status,
        headers=(
            (
                "Location",
                f"{service.trap if away else ''}/_stolen?key={quote(service.key)}",
            ),
        ),
    )


def ready(solution: str, status: str = "ready") -> Callable[[Any], Reply]:
    """Return a result of another *status*, or with a token that no field takes."""
    return lambda service: json_reply(
        {
            "errorId": 0,
            "status": status,
            "clientKey": service.key,
            "solution": {"gRecaptchaResponse": service.token() + solution},
        }
    )


#: What is answered to createTask.
CREATED: dict[str, Callable[[Any], Reply]] = {
    "echo": refusal(""),
    "badtask": refusal("ERROR_INVALID_TASK_DATA"),
    "refusedsite": refusal("ERROR_DOMAIN_NOT_ALLOWED"),
    "noslot": refusal("ERROR_NO_SLOT_AVAILABLE"),
    "http403": page(403),
    "http503": page(503),
    "nojson": page(200),
    "cut": lambda service: replace(page(200)(service), manner="truncated"),
    "idless": lambda service: json_reply({"errorId": 0, "clientKey": service.key}),
    **{
        f"{where}{status}": redirect(status, away=where == "away")
        for status in REDIRECTS
        for where in ("away", "here")
    },
}
#: What is answered to getTaskResult.
RESULTS: dict[str, Callable[[Any], Reply]] = {
    "failed": refusal("ERROR_CAPTCHA_UNSOLVABLE"),
    "strange": ready("", status="strange"),
    "unusable": ready("\n"),
    "slow": lambda _: json_reply({"errorId": 0, "status": "processing"}),
}


class Trap(Factory):
    """Takes connections that nobody should make, and counts them."""

    def __init__(self) -> None:
        self.connections = 0

    def buildProtocol(self, addr: Any) -> Protocol | None:  # noqa: N802
        """Count, and hang up."""
        del addr
        self.connections += 1
        return None


class Repeating:
    """The sandbox's service, but for what it says of itself."""

    def __init__(self, sandbox: Any, key: str, trap: Trap, port: int) -> None:
        self.key = key
        self.trap = f"http://127.0.0.1:{port}"
        self._trap = trap
        self.calls: list[dict[str, Any]] = []
        self._sandbox: Any = sandbox
        self._real: Callable[[Visit], Reply] = sandbox.service.answer
        self._refuses_account = False
        self._tokens: list[str] = []

    def token(self) -> str:
        """Return a token that no site knows, but that looks like one."""
        self._tokens.append(f"P1_{len(self._tokens):04}.{'Ab1-_' * 200}")
        return self._tokens[-1]

    @property
    def tokens(self) -> list[str]:
        """All that was given out."""
        return [*self._sandbox.ledger.tokens, *self._tokens]

    def answer(self, visit: Visit) -> Reply:
        """Answer a call, as its task's site will have it."""
        if visit.path == "/_ledger":
            return self._real(visit)
        if visit.path == "/_account":
            self._refuses_account = True
            return Reply(body=b"refused")
        if visit.path == "/_seen":
            told = {"calls": self.calls, "tokens": self.tokens}
            return json_reply({**told, "trapped": self._trap.connections})
        headers = dict(visit.headers)
        body = visit.body.decode()
        self.calls.append({"uri": visit.uri, "headers": headers, "body": body})
        if self._refuses_account and visit.path == "/createTask":
            return refusal("ERROR_KEY_DOES_NOT_EXIST")(self)
        reply = self._reply(visit)
        return replace(reply, headers=(*reply.headers, ("Set-Cookie", "id=7; Path=/")))

    def _reply(self, visit: Visit) -> Reply:
        if visit.method != "POST":
            return self._real(visit)
        told = json.loads(visit.body)
        if visit.path == "/createTask":
            site = self._site(told["task"]["websiteURL"])
            if site in CREATED:
                return CREATED[site](self)
            return self._created(site, visit)
        site = self._site(self._sandbox.ledger.tasks[told["taskId"]].text("websiteURL"))
        real = self._real(visit)
        if site in RESULTS and (site != "slow" or self._is_later(told["taskId"])):
            return RESULTS[site](self)
        return json_reply({**json.loads(real.body), "clientKey": self.key})

    def _created(self, site: str, visit: Visit) -> Reply:
        before = set(self._sandbox.ledger.tasks)
        reply = self._real(visit)
        for name in set(self._sandbox.ledger.tasks) - before:
            self._sandbox.ledger.tasks[name].refused = site in ("refusing", "slow")
        return reply

    def _is_later(self, task_id: str) -> bool:
        """Tell whether a task is not the first of its page: that one is refused."""
        tasks = self._sandbox.ledger.tasks
        url = tasks[task_id].text("websiteURL")
        of_page = [name for name in tasks if tasks[name].text("websiteURL") == url]
        return bool(of_page[0] != task_id)

    def _site(self, url: str) -> str:
        urls: dict[str, str] = self._sandbox.urls
        for name, origin in urls.items():
            if url.startswith(f"{origin}/"):
                return name.partition("-")[0]
        return ""


def main() -> None:
    """Serve what the options describe."""
    reactor: Any = installed
    options = json.loads(sys.argv[1])
    known: dict[str, Any] = {**GATES, **PRODUCTS}
    sites = {name: known[like] for name, like in options["sites"].items()}
    service = ServiceOptions(key=options["key"], latency=0.1, resp_key="E0_secret-key")
    sandbox: Any = Sandbox(service=service, sites=sites)
    trap = Trap()
    port = reactor.listenTCP(0, trap, interface="127.0.0.1").getHost().port
    sandbox.service = Repeating(sandbox, options["key"], trap, port)
    sandbox.start()
    serve(
        {
            "service": sandbox.service_url,
            "trap": sandbox.service.trap,
            "sites": sandbox.urls,
            "settings": sandbox.settings(),
        }
    )


if __name__ == "__main__":
    main()
