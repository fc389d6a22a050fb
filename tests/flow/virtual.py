"""A crawl in virtual time: the real middleware between a model engine and model sites.

No reactor, no socket, no sleeping. `Crawl` plays Scrapy's engine, as far as a
downloader middleware can see it: places in ``CONCURRENT_REQUESTS``, a scheduler, and
downloads of a middleware's own. `Site` plays a gated site and `Service` for the
solving service; both keep the books that the tests read.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from inspect import isawaitable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

from scrapy import Request, Spider
from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.exceptions import IgnoreRequest, NotSupported
from scrapy.http import HtmlResponse, Response
from scrapy.settings import Settings
from scrapy.signalmanager import SignalManager
from scrapy.statscollectors import MemoryStatsCollector
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock

from scrapy_onecaptcha import OneCaptchaMiddleware, _scrapy
from scrapy_onecaptcha._twisted import sleep
from scrapy_onecaptcha.crawl.engine import Engine
from scrapy_onecaptcha.service.client import Task, TaskResult
from scrapy_onecaptcha.settings import Config
from tests.blocking_pool import BlockingPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scrapy_onecaptcha.crawl.coordinator import Coordinator
    from scrapy_onecaptcha.crawl.store import CrawlStore

#: Methods of Scrapy's own middlewares require a spider up to 2.13.
SPIDER: dict[str, Any] = {"spider": None} if _scrapy.NEEDS_SPIDER else {}

SITEKEY = "b1b2c3d4-0000-4000-8000-000000000001"
OTHER_SITEKEY = "b1b2c3d4-0000-4000-8000-000000000002"
KEY = "0123456789abcdef-the-key"
AGENT = "crawler/1.0"

GATE = """<!DOCTYPE html><html><head><title>Security check</title>
<script src="https://js.hcaptcha.com/1/api.js" async defer></script></head><body>
<h1>Please show that you are human</h1>
<form method="post" action="{action}">
<input type="hidden" name="ticket" value="{ticket}">
<div class="h-captcha" data-sitekey="{sitekey}"></div>
<button type="submit">Go on</button></form></body></html>"""

PAGE = """<!DOCTYPE html><html><head><title>{path}</title></head><body>
<h1 class="content">{path}</h1><p>This is what was asked for.</p></body></html>"""


@dataclass
class Service:
    """The solving service: answers after *latency* seconds, as *verdict* says.

    Attributes:
        latency: seconds from creation until a task is ready.
        call_seconds: seconds of one call.
        outcome: what a task with that number comes to: ``"ok"`` or an exception.
        creating: what ``createTask`` number n raises, if anything.
        user_agent: returned with each token.
    """

    clock: Clock
    latency: float | Callable[[int], float] = 10.0
    call_seconds: float = 0.01
    outcome: Callable[[int], Exception | None] = lambda _: None
    creating: Callable[[int], Exception | None] = lambda _: None
    polling: Callable[[int], Exception | None] = lambda _: None
    user_agent: str | None = None
    agents: Callable[[int], str | None] = lambda _: None
    resp_key: str | None = None
    create_calls: int = 0
    polls: int = 0
    created: list[Task] = field(default_factory=list)
    ready_at: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, Task] = field(default_factory=dict)
    open_now: int = 0
    open_most: int = 0

    async def create_task(self, task: Task) -> str:
        """Play ``createTask``."""
        self.create_calls += 1
        number = self.create_calls
        await sleep(self.clock, self.call_seconds)
        error = self.creating(number)
        if error is not None:
            raise error
        self.created.append(task)
        name = f"task-{len(self.created)}"
        latency = (
            self.latency(len(self.created)) if callable(self.latency) else self.latency
        )
        self.ready_at[name] = self.clock.seconds() + latency
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        return name

    async def get_task_result(self, task_id: str) -> TaskResult | None:
        """Play ``getTaskResult``."""
        self.polls += 1
        number = self.polls
        await sleep(self.clock, self.call_seconds)
        fault = self.polling(number)
        if fault is not None:
            raise fault
        if self.clock.seconds() < self.ready_at[task_id]:
            return None
        self.open_now -= 1
        index = int(task_id.partition("-")[2])
        error = self.outcome(index)
        if error is not None:
            raise error
        token = f"P1_token-number-{index}-of-the-service"
        self.tokens[token] = self.created[index - 1]
        agent = self.user_agent or self.agents(index)
        return TaskResult(token=token, user_agent=agent, resp_key=self.resp_key)

    async def close(self) -> None:
        """Play the client's ``close``."""


@dataclass
class Site:
    """A gated site.

    Attributes:
        grants: ``"cookie"`` (to a cookiejar), ``"ip"`` (to a proxy) or ``"nothing"``.
        accepts: whether the token of submission number n is accepted.
        status: of its gates.
        pages: content pages that a clearance lasts for, or ``None``.
        latency: seconds of a download.
        fault: what a download with that number raises, if anything.
        gated: whether the URL is gated at all.
        redirects: whether its gate is at ``/captcha?next=…``.
        answer: what follows a right token: ``redirect``, ``content`` or ``json``.
        action: of the gate's form; ``{url}`` is replaced by the gated URL.
    """

    clock: Clock
    service: Service
    grants: str = "cookie"
    accepts: Callable[[int], bool] = lambda _: True
    status: int = 200
    pages: int | None = None
    latency: float = 0.1
    fault: Callable[[int, Request], Exception | None] = lambda _n, _r: None
    gated: Callable[[str], bool] = lambda path: not path.startswith("/open")
    sitekey: Callable[[str], str] = lambda _: SITEKEY
    redirects: bool = False
    answer: str = "redirect"
    action: str = "{url}"
    entrance: str = "/captcha?next={path}"
    bind_agent: bool = True
    downloads: int = 0
    gates: int = 0
    submissions: list[str] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    agents: list[tuple[str, str]] = field(default_factory=list)
    clearances: dict[Any, list[Any]] = field(default_factory=dict)
    passes: set[str] = field(default_factory=set)

    async def download(self, request: Request) -> Response:
        """Return the site's answer."""
        self.downloads += 1
        number = self.downloads
        await sleep(self.clock, self.latency)
        error = self.fault(number, request)
        if error is not None:
            raise error
        agent = (request.headers.get("User-Agent") or b"").decode()
        self.agents.append((request.url, agent))
        fields = parse_qs(request.body.decode("latin-1"))
        if "h-captcha-response" in fields:
            return self._submitted(request, fields, agent)
        return self._page(request, agent)

    def _identity(self, request: Request) -> Any:
        if self.grants == "ip":
            return request.meta.get("proxy")
        return request.meta.get("cookiejar")

    def _page(self, request: Request, agent: str) -> Response:
        path = urlsplit(request.url).path
        if path == "/captcha":
            return self._gate(request)
        if not self.gated(path) or self._is_clear(request, agent):
            self.delivered.append(request.url)
            return self._content(request)
        if self.redirects:
            return Response(
                request.url,
                status=302,
                headers={"Location": self.entrance.format(path=path)},
                request=request,
            )
        return self._gate(request)

    def _is_clear(self, request: Request, agent: str) -> bool:
        if request.url in self.passes:
            self.passes.discard(request.url)
            return True
        key = (self._identity(request), self.sitekey(urlsplit(request.url).path))
        clearance = self.clearances.get(key)
        if clearance is None or (self.bind_agent and clearance[0] != agent):
            return False
        if clearance[1] is not None:
            if clearance[1] <= 0:
                del self.clearances[key]
                return False
            clearance[1] -= 1
        return True

    def _gate(self, request: Request) -> Response:
        self.gates += 1
        body = GATE.format(
            action=self.action.format(url=request.url),
            ticket=self.gates,
            sitekey=self.sitekey(urlsplit(request.url).path),
        )
        return HtmlResponse(
            request.url,
            status=self.status,
            body=body,
            encoding="utf-8",
            request=request,
        )

    def _content(self, request: Request) -> Response:
        body = PAGE.format(path=urlsplit(request.url).path)
        return HtmlResponse(request.url, body=body, encoding="utf-8", request=request)

    def _submitted(
        self, request: Request, fields: dict[str, list[str]], agent: str
    ) -> Response:
        token = fields["h-captcha-response"][0]
        self.submissions.append(token)
        task = self.service.tokens.get(token)
        path = urlsplit(request.url).path
        if "next=" in request.url:
            path = parse_qs(urlsplit(request.url).query)["next"][0]
        key = self.sitekey(path)
        right = (
            task is not None
            and self.submissions.count(token) == 1
            and task.sitekey == key
            and self.accepts(len(self.submissions))
            and agent == (self.service.user_agent or task.user_agent)
        )
        if not right:
            return self._gate(request)
        target = (
            f"{urlsplit(request.url).scheme}://{urlsplit(request.url).netloc}{path}"
        )
        if self.grants == "nothing":
            target += "?pass=1"
            self.passes.add(target)
        else:
            self.clearances[self._identity(request), key] = [agent, self.pages]
        if self.answer == "content":
            self.passes.discard(target)
            self.delivered.append(request.url)
            return self._content(request)
        if self.answer == "json":
            headers = {"Content-Type": "application/json"}
            return Response(
                request.url, body=b'{"ok":1}', headers=headers, request=request
            )
        return Response(
            request.url, status=302, headers={"Location": target}, request=request
        )


@dataclass(frozen=True)
class Event:
    """How one request ended: with a response or an error."""

    request: Request
    response: Response | None = None
    error: BaseException | None = None


class _NextCall:
    def __init__(self, crawl: Crawl) -> None:
        self._crawl = crawl

    def schedule(self) -> None:
        self._crawl.clock.callLater(0, self._crawl.pump)


class Slot:
    """A double of a download slot.

    Args:
        clock: the crawl's.
        concurrency: downloads at once; 0 for no limit.
        delay: seconds between two, on average.
        dice: draws the delays.
    """

    def __init__(
        self, clock: Clock, concurrency: int, delay: float, dice: random.Random
    ) -> None:
        self.concurrency = concurrency or 1_000_000
        self.delay = delay
        self.queue: deque[tuple[Request, Deferred[Any]]] = deque()
        self.transferring = 0
        self._clock = clock
        self._dice = dice
        self._next_at = 0.0
        self._later: Any = None

    def process(self) -> None:
        """Send what may leave now."""
        if self._later is not None:
            return
        while self.queue and self.transferring < self.concurrency:
            wait = self._next_at - self._clock.seconds()
            if wait > 0:
                self._later = self._clock.callLater(wait, self._wake)
                return
            request, leave = self.queue.popleft()
            self.transferring += 1
            if self.delay:
                pause = self.delay * self._dice.uniform(0.5, 1.5)
                self._next_at = self._clock.seconds() + pause
            leave.callback(request)

    def done(self) -> None:
        """Note that a download has ended."""
        self.transferring -= 1
        self.process()

    def _wake(self) -> None:
        self._later = None
        self.process()


class VirtualEngine(Engine):
    """A double of Scrapy's engine, as far as the middleware asks it."""

    def __init__(self, crawl: Crawl, crawler: Any) -> None:
        super().__init__(crawler)
        self._crawl = crawl
        self.cookies_middleware = CookiesMiddleware()

    def as_scrapy(self, coro: Any) -> Any:
        return Deferred.fromCoroutine(coro)

    def download(self, request: Request) -> Deferred[Response]:
        return self._crawl._download(request)

    def crawl(self, request: Request) -> None:
        self._crawl.crawl(request)

    def robots_check(self, request: Request) -> Deferred[None]:
        return self._crawl.robots_check(request)

    def close_spider(self, reason: str) -> Deferred[None]:
        return self._crawl._close_spider(reason)

    def pace(self, request: Request) -> tuple[int, float]:
        slot = self._crawl.slot_of(request)
        # Many tests let a site have as many requests at once as there are.
        return min(slot.concurrency, self._crawl.per_domain or 8), slot.delay

    def queue_of(self, request: Request) -> Any:
        return self._crawl.slot_of(request).queue

    def _cookies_middleware(self) -> Any:
        return self.cookies_middleware

    def send_once(self, request: Request) -> Callable[[], None]:
        return lambda: None


class Crawl:
    """The engine's side: runs requests through the middleware.

    Args:
        concurrency: ``CONCURRENT_REQUESTS``.
        per_domain: ``CONCURRENT_REQUESTS_PER_DOMAIN``; 0 for no limit.
        delay: ``DOWNLOAD_DELAY``.
        beside: another crawl, in the same time and with the same service.
        store: shared with others.
        settings: of the middleware, without their prefix.
    """

    def __init__(
        self,
        *,
        concurrency: int = 16,
        per_domain: int = 0,
        delay: float = 0.0,
        allowed_domains: Iterable[str] = (),
        seed: int = 0,
        scrapy_settings: dict[str, Any] | None = None,
        beside: Crawl | None = None,
        store: CrawlStore | None = None,
        **settings: Any,
    ) -> None:
        self.clock: Clock = beside.clock if beside else Clock()
        self.concurrency = concurrency
        self.service: Service = beside.service if beside else Service(self.clock)
        self.sites: dict[str, Any] = {}
        self.events: list[Event] = []
        self.given_back: list[Request] = []
        self.sent: list[Request] = []
        self.under_way: dict[Request, Deferred[None]] = {}
        self.closed_as = ""
        self.filters = False
        self.seen: set[str] = set()
        self.robots: Callable[[Request], bool] = lambda _: True
        self.dice = random.Random(seed)
        self.per_domain = per_domain
        self._delay = delay
        self._scheduled: deque[Request] = deque()
        self._slot = SimpleNamespace(closing=None, nextcall=_NextCall(self))
        self.downloader = SimpleNamespace(
            total_concurrency=concurrency, active=set(), slots={}
        )
        self.engine = SimpleNamespace(
            running=True, paused=False, _slot=self._slot, downloader=self.downloader
        )
        spider = Spider("virtual", allowed_domains=list(allowed_domains))
        of_scrapy = Settings(scrapy_settings or {})
        crawler: Any = SimpleNamespace(
            engine=self.engine,
            settings=of_scrapy,
            spider=spider,
            signals=SignalManager(),
        )
        self.signals = crawler.signals
        scrapy: Any = SimpleNamespace(settings=of_scrapy)
        self.stats = MemoryStatsCollector(scrapy)
        crawler.stats = self.stats
        values = {
            f"ONECAPTCHA_{name.upper()}": value for name, value in settings.items()
        }
        values.setdefault("ONECAPTCHA_API_KEY", KEY)
        values.setdefault("ONECAPTCHA_API_URL", "http://127.0.0.1:1")
        config = Config.from_settings(Settings(values), {})
        self.virtual = VirtualEngine(self, crawler)
        self.middleware = OneCaptchaMiddleware(
            crawler,
            config,
            cast("Any", self.service),
            self.clock,
            random.Random(seed).random,
            self.virtual,
            BlockingPool(),
            store,
        )
        self.middleware.spider_opened()

    @property
    def coordinator(self) -> Coordinator:
        """What the middleware hands everything to."""
        return self.middleware._crawl

    def site(self, name: str = "shop.example", **options: Any) -> Site:
        """Add a site at ``https://{name}``."""
        site = Site(self.clock, self.service, **options)
        self.sites[name] = site
        return site

    def ask(self, *urls: str, **options: Any) -> list[Request]:
        """Schedule requests for *urls*, paths of the first site unless absolute."""
        host = next(iter(self.sites))
        requests = [
            Request(
                url if "://" in url else f"https://{host}{url}",
                headers={"User-Agent": AGENT},
                **options,
            )
            for url in urls
        ]
        for request in requests:
            self.middleware.request_scheduled(request)
            self.seen.add(f"{request.method} {request.url}")
        self._scheduled.extend(requests)
        self._slot.nextcall.schedule()
        return requests

    def run(self, seconds: float = 3600, step: float = 0.5) -> list[Event]:
        """Let virtual time pass until all requests have ended, *seconds* at most."""
        until = self.clock.seconds() + seconds
        while self.clock.seconds() < until and not self.is_idle:
            self.clock.advance(step)
        return self.events

    def run_exactly(self, seconds: float = 3600) -> list[Event]:
        """Do as `run` does, from one call that is due to the next."""
        until = self.clock.seconds() + seconds
        while not self.is_idle:
            due = min(
                (cast("Any", call).getTime() for call in self.clock.getDelayedCalls()),
                default=until,
            )
            if due >= until:
                break
            self.clock.advance(max(0.0, due - self.clock.seconds()))
        return self.events

    def advance(self, seconds: float, step: float = 0.1) -> None:
        """Let virtual time pass."""
        until = self.clock.seconds() + seconds
        while self.clock.seconds() < until:
            self.clock.advance(step)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is scheduled or under way."""
        return not self._scheduled and not self.downloader.active

    def stop(self) -> None:
        """Begin to close the crawl, as Ctrl-C does."""
        self.engine.running = False
        self._slot.closing = Deferred()

    def finish(self) -> None:
        """Close the crawl, and check that it left nothing behind."""
        Deferred.fromCoroutine(self.middleware.spider_closed())
        assert self.downloader.total_concurrency == self.concurrency
        assert not self.downloader.active
        left: list[Any] = [
            call for call in self.clock.getDelayedCalls() if cast("Any", call).active()
        ]
        assert not left, left

    # The engine

    def crawl(self, request: Request) -> None:
        """Play ``engine.crawl``, with a dupefilter where *filters* is set."""
        self.middleware.request_scheduled(request)
        name = f"{request.method} {request.url}"
        if self.filters and not request.dont_filter and name in self.seen:
            self.middleware.request_dropped(request)
            return
        self.seen.add(name)
        self._scheduled.append(request)
        self._slot.nextcall.schedule()

    def pump(self) -> None:
        """Send what there are places for."""
        while (
            self._scheduled
            and not self._slot.closing
            and (
                not self.downloader.total_concurrency
                or len(self.downloader.active) < self.downloader.total_concurrency
            )
        ):
            request = self._scheduled.popleft()
            self.under_way[request] = Deferred.fromCoroutine(self._crawl(request))

    async def _crawl(self, request: Request) -> None:
        try:
            result = await self._fetch(request)
        except Exception as error:  # noqa: BLE001
            self.events.append(Event(request, error=error))
        else:
            if isinstance(result, Request):
                if self._slot.closing:
                    self.given_back.append(result)
                else:
                    self.crawl(result)
            else:
                assert result.request is not None
                self.middleware.response_received(result.request)
                self.events.append(Event(result.request, response=result))
        self._slot.nextcall.schedule()

    async def _fetch(self, request: Request) -> Response | Request:
        middleware, cookies = self.middleware, self.virtual.cookies_middleware
        self.downloader.active.add(request)
        try:
            try:
                asked: Request | None = await _awaited(
                    middleware.process_request(request)
                )
                if asked is not None:
                    return asked
                cookies.process_request(request, **SPIDER)
                response = await self._transfer(request)
            except Exception as error:
                middleware.process_exception(request, error)
                raise
            cookies.process_response(request, response, **SPIDER)
            redirect = self._redirected(request, response)
            if redirect is not None:
                return redirect
            taken: Response | Request = await _awaited(
                middleware.process_response(request, response)
            )
            return taken
        finally:
            self.downloader.active.remove(request)

    def slot_of(self, request: Request) -> Slot:
        """Return the download slot of *request*."""
        host = urlsplit(request.url).hostname or ""
        slots: dict[str, Slot] = self.downloader.slots
        if host not in slots:
            slots[host] = Slot(self.clock, self.per_domain, self._delay, self.dice)
        return slots[host]

    async def _transfer(self, request: Request) -> Response:
        host = urlsplit(request.url).hostname or ""
        slot = self.slot_of(request)
        self.middleware.request_reached_downloader(request)
        if not request.url.startswith("http"):
            raise NotSupported(request.url)
        turn: Deferred[Any] = Deferred()
        slot.queue.append((request, turn))
        slot.process()
        await turn
        try:
            self.sent.append(request)
            response: Response = await self.sites[host].download(request)
            self.middleware.response_downloaded(request, response)
            return response
        finally:
            slot.done()
            self.middleware.request_left_downloader(request)

    def _redirected(self, request: Request, response: Response) -> Request | None:
        """Play RedirectMiddleware."""
        location = response.headers.get("Location")
        if location is None or request.meta.get("dont_redirect"):
            return None
        urls = [*request.meta.get("redirect_urls", ()), request.url]
        meta = request.meta | {"redirect_urls": urls, "redirect_times": len(urls)}
        url = response.urljoin(location.decode())
        headers = request.headers.copy()
        headers.pop("Cookie", None)
        return request.replace(
            url=url, method="GET", body=b"", meta=meta, headers=headers, cookies={}
        )

    def _download(self, request: Request) -> Deferred[Response]:
        """Play ``engine.download_async``."""

        async def download(request: Request) -> Response:
            while True:
                result = await self._fetch(request)
                if isinstance(result, Response):
                    if result.request is None:
                        result.request = request
                    self.middleware.response_received(result.request)
                    return result
                request = result

        return Deferred.fromCoroutine(download(request))

    def robots_check(self, request: Request) -> Deferred[None]:
        async def check() -> None:
            if not self.robots(request):
                raise IgnoreRequest("Forbidden by robots.txt")

        return Deferred.fromCoroutine(check())

    def _close_spider(self, reason: str) -> Deferred[None]:
        async def close() -> None:
            self.closed_as = reason
            self._slot.closing = Deferred()

        return Deferred.fromCoroutine(close())

    # What the tests ask

    def stat(self, name: str) -> Any:
        """Return the value of ``onecaptcha/{name}``."""
        return self.stats.get_value(f"onecaptcha/{name}", 0)

    @property
    def pages(self) -> list[str]:
        """The paths that were delivered, with their content."""
        return [
            urlsplit(event.request.url).path
            for event in self.events
            if event.response is not None
            and event.response.css("h1.content::text").get()
            == urlsplit(event.request.url).path
        ]

    @property
    def errors(self) -> list[BaseException]:
        """What the other requests ended with."""
        return [event.error for event in self.events if event.error is not None]


def keyed_by_script(gate: Response) -> Response:
    """Return *gate* with its sitekey set by a script, which has to be run."""
    key = SITEKEY.encode()
    script = b"document.querySelector('.h-captcha').dataset.sitekey = '%b' + '%b'"
    body = gate.body.replace(b' data-sitekey="%b"' % key, b"")
    setting = b"<script>%b</script></body>" % script % (key[:8], key[8:])
    return gate.replace(body=body.replace(b"</body>", setting))


async def _awaited(result: Any) -> Any:
    return (
        await result if isawaitable(result) or isinstance(result, Deferred) else result
    )


def lost(*numbers: int) -> Callable[[int, Request], Exception | None]:
    """Return a fault: the downloads with these numbers lose their connection."""
    return lambda number, _: ConnectionLost() if number in numbers else None
