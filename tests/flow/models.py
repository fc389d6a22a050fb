"""Sites that grant in every way there is, for the oracle.

A model answers as its kind says, keeps its books, and sets real cookies. Its `least` is
what a browser would pay that goes from page to page.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from scrapy.http import HtmlResponse, Response

from scrapy_onecaptcha._twisted import sleep

from .virtual import GATE, PAGE, SITEKEY

if TYPE_CHECKING:
    from scrapy import Request
    from twisted.internet.task import Clock

    from .virtual import Service

HOST = "shop.example"
MEAN_LATENCY = 0.275


@dataclass
class Grant:
    """One clearance that the site has granted.

    Attributes:
        at: when.
        pages: that it is still good for.
        agent: the User-Agent that it is bound to.
        until: when it ends, whatever else.
        revoked: whether the site has taken it back.
    """

    at: float
    pages: float = math.inf
    agent: str = ""
    until: float = math.inf
    revoked: bool = False


@dataclass
class Model:
    """A gated site of one kind.

    Attributes:
        kind: how it grants; see `KINDS`.
        seconds: that a clearance lasts.
        pages: that a clearance is good for.
        hosts: names that it is found at.
        gate: where its gate is: ``place`` (the page's own URL), ``next`` (an
            address that names the page), ``memory`` (an address; the session remembers
            the last page that was gated) or ``one`` (one address for all).
        refusal: how often a good token is refused.
        errors: how often a page answers 503.
    """

    clock: Clock
    service: Service
    kind: str = "forever"
    seconds: float = math.inf
    pages: float = math.inf
    hosts: int = 1
    gate: str = "place"
    refusal: float = 0.0
    errors: float = 0.0
    revoking: float = 0.0
    seed: int = 0
    latency: tuple[float, float] = (0.05, 0.5)
    grants: dict[str, Grant] = field(default_factory=dict)
    refused: int = 0
    revoked: int = 0
    gates_by_grant: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    served: list[str] = field(default_factory=list)
    submissions: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self._names = itertools.count(1)
        self._by_ip: Grant | None = None
        self._once: Counter[str] = Counter()
        self._memory: dict[str, str] = {}

    # What is asked for

    def url(self, number: int) -> str:
        """Return the URL of a page."""
        if self.hosts > 1:
            return f"https://h{number % self.hosts}.{HOST}/{number}"
        section = f"s{number % 4}/" if self.kind == "section" else ""
        own = "own/" if self.kind == "own" and number % 8 == 3 else ""
        return f"https://{HOST}/{section}{own}{number}"

    @property
    def names(self) -> list[str]:
        """The hosts."""
        if self.hosts > 1:
            return [f"h{number}.{HOST}" for number in range(self.hosts)]
        return [HOST]

    def least(self, count: int, per_page: float) -> int:
        """Return the tasks that a browser needs for *count* pages."""
        own = sum(1 for number in range(count) if number % 8 == 3)
        of_kind = {
            "answer": count,
            "once": count,
            "section": min(4, count),
            "own": 1 + own,
            "hosts": min(self.hosts, count),
            "revoked": self.revoked + 1,
        }
        if self.kind in of_kind:
            return of_kind[self.kind]
        if math.isfinite(self.seconds):
            return math.ceil(count / max(1, math.floor(self.seconds / per_page)))
        return math.ceil(count / self.pages) if math.isfinite(self.pages) else 1

    # What it answers

    async def download(self, request: Request) -> Response:
        """Return the site's answer."""
        latency = self.dice.uniform(*self.latency)
        await sleep(self.clock, latency * 0.4)
        response = self._answer(request)
        await sleep(self.clock, latency * 0.6)
        return response

    def _answer(self, request: Request) -> Response:
        fields = parse_qs(request.body.decode("latin-1"))
        token = fields.get("h-captcha-response", [""])[0]
        path = urlsplit(request.url).path
        if token:
            return self._submitted(request, token)
        if path == "/check":
            return self._at_address(request)
        if self.dice.random() < self.errors:
            return Response(request.url, status=503, request=request)
        if self._passes(request):
            return self._page(request)
        return self._gated(request)

    def _page(self, request: Request) -> Response:
        path = urlsplit(request.url).path
        self.served.append(path)
        headers = {}
        if self.kind == "rotating":  # a new value with each answer, the old one for 5 s
            held = self._held(request)
            if held is not None and math.isinf(held.until):
                held.until = self.clock.seconds() + 5
            headers["Set-Cookie"] = self._new(request)
        body = PAGE.format(path=path)
        return HtmlResponse(
            request.url, body=body, encoding="utf-8", request=request, headers=headers
        )

    def _gated(self, request: Request) -> Response:
        path = urlsplit(request.url).path
        if self.gate == "place":
            return self._gate(request)
        session = self._cookie(request, "sid") or f"s{next(self._names)}"
        self._memory[session] = path
        query = f"?next={path}" if self.gate == "next" else ""
        headers = {"Location": f"/check{query}", "Set-Cookie": f"sid={session}; Path=/"}
        return Response(request.url, status=302, headers=headers, request=request)

    def _at_address(self, request: Request) -> Response:
        session = self._cookie(request, "sid") or ""
        held = self._held(request)
        if held is None or not self._lives(held, request):
            return self._gate(request)
        last = self._memory.get(session)
        if self.gate == "memory" and last:
            return Response(
                request.url, status=302, headers={"Location": last}, request=request
            )
        return HtmlResponse(
            request.url, body=b"<p>You are verified.</p>", request=request
        )

    def _gate(self, request: Request) -> Response:
        # A request that left without a clearance says nothing of how one ends.
        self.gates_by_grant[self._cookie(request, "ok") or ""] += 1
        body = GATE.format(action=request.url, ticket=0, sitekey=SITEKEY)
        headers = {}
        if self.kind == "session" and not self._cookie(request, "ok"):
            headers["Set-Cookie"] = f"ok=g{next(self._names)}; Path=/"
        return HtmlResponse(
            request.url, 403, headers, body, encoding="utf-8", request=request
        )

    def _submitted(self, request: Request, token: str) -> Response:
        self.submissions[token] += 1
        fine = token in self.service.tokens and self.submissions[token] == 1
        if not fine or self.dice.random() < self.refusal:
            self.refused += 1
            return self._gate(request)
        self.accepted += 1
        parts = urlsplit(request.url)
        path = parts.path
        if path == "/check":
            session = self._cookie(request, "sid") or ""
            asked = parse_qs(parts.query).get("next", [self._memory.get(session, "/")])
            path = asked[0]
        headers = {}
        own = self.kind == "own" and "/own/" in path
        if self.kind == "answer":
            return self._page(request)
        if self.kind == "once":
            self._once[path] += 1
        elif self.kind == "ip":
            self._by_ip = Grant(self.clock.seconds())
        elif self.kind == "pass":  # good on every page, in the query
            name = f"g{next(self._names)}"
            self.grants[name] = Grant(self.clock.seconds(), self.pages)
            path = f"{path}?pass={name}"
        elif not own or not self._passes_wall(request):
            headers["Set-Cookie"] = self._new(request)
        if own:
            answer = self._page(request)
            answer.headers.update(headers)
            return answer
        headers["Location"] = path
        return Response(request.url, status=302, headers=headers, request=request)

    # What it grants

    def _new(self, request: Request) -> str:
        name = f"g{next(self._names)}"
        if self.kind == "session":  # that the visitor has had since its first gate
            name = self._cookie(request, "ok") or name
        agent = (request.headers.get("User-Agent") or b"").decode()
        self.grants[name] = Grant(self.clock.seconds(), self.pages, agent)
        where = urlsplit(request.url)
        if self.kind == "section":
            return f"ok={name}; Path=/{where.path.split('/')[1]}"
        if self.kind == "domain":
            return f"ok={name}; Path=/; Domain={HOST}"
        return f"ok={name}; Path=/"

    def _cookie(self, request: Request, name: str) -> str | None:
        header = (request.headers.get("Cookie") or b"").decode()
        found: Any = SimpleCookie(header).get(name)
        return found.value if found else None

    def _held(self, request: Request) -> Grant | None:
        if self.kind == "pass":
            query = parse_qs(urlsplit(request.url).query)
            return self.grants.get(query.get("pass", [""])[0])
        return self.grants.get(self._cookie(request, "ok") or "")

    def _lives(self, grant: Grant, request: Request) -> bool:
        age = self.clock.seconds() - grant.at
        agent = (request.headers.get("User-Agent") or b"").decode()
        if self.kind == "agent" and agent != grant.agent:
            return False
        if self.kind == "delayed" and age < 2:
            return False
        if self.clock.seconds() > grant.until:
            return False
        return age <= self.seconds and grant.pages > 0 and not grant.revoked

    def _passes_wall(self, request: Request) -> bool:
        held = self._held(request)
        return held is not None and self._lives(held, request)

    def _passes(self, request: Request) -> bool:
        path = urlsplit(request.url).path
        if self.kind == "answer" or (self.kind == "own" and "/own/" in path):
            return False
        if self.kind == "once":
            if self._once[path] > 0:
                self._once[path] -= 1
                return True
            return False
        if self.kind == "ip":
            return self._by_ip is not None
        held = self._held(request)
        if held is None or not self._lives(held, request):
            return False
        held.pages -= 1
        if self.kind == "revoked" and self.dice.random() < self.revoking:
            held.revoked = True
            self.revoked += 1
        return True
