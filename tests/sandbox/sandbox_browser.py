"""A browser in a few lines, and a world in virtual time for it to go about in."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote_from_bytes, urljoin, urlsplit

from twisted.internet.task import Clock

from scrapy_onecaptcha.sandbox.ledger import Ledger
from scrapy_onecaptcha.sandbox.messages import Reply, Visit
from scrapy_onecaptcha.sandbox.service.api import Service, ServiceOptions
from scrapy_onecaptcha.sandbox.sites.gate import Gate
from scrapy_onecaptcha.sandbox.sites.registry import (
    GATES,
    SITES,
    build_site,
    sitekey_of,
)

UA = "Mozilla/5.0 (X11; Linux x86_64) Test/1.0"
HOST = "127.0.0.1:8000"
ORIGIN = f"http://{HOST}"
BOUNDARY = "----boundary7"
GATED = [name for name, gate in GATES.items() if gate is not None]
HEADINGS = {gate.heading for gate in SITES.values() if isinstance(gate, Gate)}


class FormReader(HTMLParser):
    """Reads the one form of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.form: dict[str, str] = {}
        self.fields: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.form = values
        elif tag == "input" and "name" in values:
            self.fields.append((values["name"], values.get("value", "")))


@dataclass
class Filled:
    """A form as a browser is about to send it, open to mischief."""

    url: str
    method: str
    enctype: str
    fields: list[tuple[str, str]]
    charset: str = "utf-8"
    headers: dict[str, str] = field(default_factory=dict)

    def set(self, name: str, value: str) -> None:
        self.drop(name)
        self.fields.append((name, value))

    def drop(self, name: str) -> None:
        self.fields = [pair for pair in self.fields if pair[0] != name]

    def visit(self, headers: dict[str, str]) -> Visit:
        parts = urlsplit(self.url)
        if self.method == "GET":
            uri = f"{parts.path}?{self.urlencoded().decode()}"
            return Visit(uri=uri, headers={**headers, **self.headers})
        multipart = self.enctype == "multipart/form-data"
        content_type = (
            f"{self.enctype}; boundary={BOUNDARY}" if multipart else self.enctype
        )
        uri = f"{parts.path}?{parts.query}" if parts.query else parts.path
        origin = f"{parts.scheme}://{parts.netloc}"
        sent = {"content-type": content_type, "origin": origin, **headers}
        return Visit(
            method="POST",
            uri=uri,
            headers={**sent, **self.headers},
            body=self.multipart() if multipart else self.urlencoded(),
        )

    def encoded(self) -> list[tuple[bytes, bytes]]:
        return [
            (name.encode(self.charset), value.encode(self.charset, "xmlcharrefreplace"))
            for name, value in self.fields
        ]

    def urlencoded(self) -> bytes:
        pairs = (
            f"{quote_from_bytes(name)}={quote_from_bytes(value, safe='')}"
            for name, value in self.encoded()
        )
        return "&".join(pairs).encode()

    def multipart(self) -> bytes:
        parts = [
            b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
            % (BOUNDARY.encode(), name, value)
            for name, value in self.encoded()
        ]
        return b"".join(parts) + b"--%s--\r\n" % BOUNDARY.encode()


class World:
    """A service and one site, in virtual time."""

    def __init__(
        self, site: str | Gate = "bookshop", service: ServiceOptions | None = None
    ) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.options = service or ServiceOptions(latency=10)
        self.ledger = Ledger(self.clock.seconds, balance=self.options.balance)
        self.service = Service(
            self.options,
            self.ledger,
            clock=self.clock.seconds,
            rng=random.Random(1),
        )
        self.name = site if isinstance(site, str) else "custom"
        wanted = site if isinstance(site, Gate) else SITES[site]
        self.gate = wanted if isinstance(wanted, Gate) else None
        self.sitekey = getattr(wanted, "sitekey", sitekey_of("plain"))
        self.site = build_site(
            self.name,
            wanted,
            ledger=self.ledger,
            clock=self.clock.seconds,
            rng=random.Random(2),
        )

    def call(self, name: str, **payload: Any) -> Any:
        return json.loads(self.raw_call(name, **payload).body)

    def raw_call(self, name: str, **payload: Any) -> Reply:
        body = {"clientKey": self.options.key, **payload}
        return self.service.answer(
            Visit(
                method="POST",
                uri=f"/{name}",
                headers={"content-type": "application/json"},
                body=json.dumps(body).encode(),
            )
        )

    def create(self, **fields: Any) -> Any:
        task = {
            "type": "HCaptchaTaskProxyless",
            "websiteURL": f"{ORIGIN}/",
            "websiteKey": self.sitekey,
            **fields,
        }
        return self.call("createTask", task=task)

    def solve(self, **fields: Any) -> dict[str, str]:
        """Return a solution for the site's gate; ten seconds later by default."""
        invisible = self.gate is not None and self.gate.invisible
        wanted = {"userAgent": UA, "isInvisible": invisible, **fields}
        task_id = self.create(**wanted)["taskId"]
        self.clock.advance(self.ledger.tasks[task_id].ready_at - self.clock.seconds())
        solution: dict[str, str] = self.call("getTaskResult", taskId=task_id)[
            "solution"
        ]
        return solution


class Remote:
    """The same for a sandbox in another process: what it is asked goes over HTTP."""

    def __init__(self, site: str, url: str, service_url: str) -> None:
        self.name = site
        self.gate = GATES[site]
        self.site = self
        self._ports = [urlsplit(each).port for each in (url, service_url)]

    def answer(self, visit: Visit) -> Reply:
        return self._asked(0, visit)

    def _asked(self, which: int, visit: Visit) -> Reply:
        connection = HTTPConnection("127.0.0.1", self._ports[which], timeout=20)
        try:
            # Host and Origin stay those of the virtual world, and so agree.
            headers = {name: value.encode() for name, value in visit.headers.items()}
            connection.request(
                visit.method,
                visit.uri,
                body=visit.body or None,
                headers=headers,
            )
            answer = connection.getresponse()
            return Reply(
                status=answer.status,
                body=answer.read(),
                content_type=answer.headers.get("Content-Type", ""),
                headers=tuple(answer.headers.items()),
            )
        finally:
            connection.close()

    def _call(self, name: str, **payload: Any) -> Any:
        body = json.dumps({"clientKey": "sandbox-key", **payload}).encode()
        headers = {"content-type": "application/json"}
        visit = Visit(method="POST", uri=f"/{name}", headers=headers, body=body)
        return json.loads(self._asked(1, visit).body)

    def solve(self, **fields: Any) -> dict[str, str]:
        assert self.gate is not None
        task = {
            "type": "HCaptchaTaskProxyless",
            "websiteURL": f"{ORIGIN}/",
            "websiteKey": self.gate.sitekey,
            "userAgent": UA,
            "isInvisible": self.gate.invisible,
            **fields,
        }
        task_id = self._call("createTask", task=task)["taskId"]
        result = self._call("getTaskResult", taskId=task_id)
        solution: dict[str, str] = result["solution"]
        return solution


class Browser:
    """Keeps cookies, follows redirects, fills forms."""

    def __init__(self, world: World | Remote, user_agent: str = UA) -> None:
        self.world = world
        self.user_agent = user_agent
        self.cookies: dict[str, str] = {}
        self.url = ORIGIN
        self.host = HOST

    def headers(self) -> dict[str, str]:
        headers = {
            "host": self.host,
            "user-agent": self.user_agent,
            "accept": "text/html",
        }
        if self.cookies:
            pairs = (f"{name}={value}" for name, value in self.cookies.items())
            headers["cookie"] = "; ".join(pairs)
        return headers

    def get(self, uri: str, *, follow: bool = True) -> Reply:
        return self.send(Visit(uri=uri, headers=self.headers()), follow=follow)

    def send(self, visit: Visit, *, follow: bool = True) -> Reply:
        reply = self.world.site.answer(visit)
        self.url = urljoin(f"http://{self.host}", visit.uri)
        for name, value in reply.headers:
            if name == "Set-Cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        location = dict(reply.headers).get("Location")
        if follow and location is not None:
            parts = urlsplit(urljoin(self.url, location))
            self.host = parts.netloc
            return self.get(
                f"{parts.path}?{parts.query}" if parts.query else parts.path
            )
        return reply

    def fill(self, page: Reply, token: str, resp_key: str = "") -> Filled:
        """Return the gate's form with the token in it, as its widget would fill it."""
        charset = page.content_type.partition("charset=")[2]
        text = page.body.decode(charset)
        reader = FormReader()
        reader.feed(text)
        if not reader.form:  # a script sends it
            return Filled(
                url=f"{ORIGIN}/captcha",
                method="POST",
                enctype="application/x-www-form-urlencoded",
                fields=[("h-captcha-response", token)],
                headers={"referer": self.url},
            )
        # Browsers make CR LF of the line breaks in what they send.
        fields = [(name, value.replace("\n", "\r\n")) for name, value in reader.fields]
        filled = Filled(
            url=urljoin(self.url, reader.form.get("action", "")) or self.url,
            method=reader.form["method"].upper(),
            enctype=reader.form.get("enctype", "application/x-www-form-urlencoded"),
            fields=fields,
            charset=charset,
            headers={"referer": self.url},
        )
        names = {name for name, _ in fields}
        if "respKey" in names:
            filled.set("respKey", resp_key)
        if "token" in names:
            filled.set("token", token)
        else:
            filled.set("h-captcha-response", token)
            if b"recaptchacompat=off" not in page.body:
                filled.set("g-recaptcha-response", token)
        return filled

    def submit(self, form: Filled, *, follow: bool = True) -> Reply:
        return self.send(form.visit(self.headers()), follow=follow)


def rqdata_of(page: Reply) -> str:
    """Return the rqdata of a gate page, ``""`` where it has none."""
    _, found, rest = page.body.decode("latin-1").partition("rqdata: ")
    if not found:
        return ""
    value: str = json.JSONDecoder().raw_decode(rest)[0]
    return value


def is_gate(reply: Reply) -> bool:
    text = reply.body.decode("utf-8", "replace")
    return any(f"<h1>{heading}</h1>" in text for heading in HEADINGS)


def pass_gate(world: World | Remote, browser: Browser, uri: str = "/page/3") -> bytes:
    """Go through the gate once, as a person would; return the answer's body."""
    page = browser.get(uri)
    assert is_gate(page)
    solution = world.solve(rqdata=rqdata_of(page))
    form = browser.fill(
        page, solution["gRecaptchaResponse"], solution.get("respKey", "")
    )
    return browser.submit(form).body


def is_page(reply: Reply, number: int, site: str) -> bool:
    title = f'<h1 class="content">Page {number} of {site}</h1>'
    return reply.status == 200 and title.encode() in reply.body


def gate_of(name: str = "bookshop", **changes: Any) -> Gate:
    """Return the gate of a site with changes."""
    gate = SITES[name]
    assert isinstance(gate, Gate)
    return replace(gate, **changes)
