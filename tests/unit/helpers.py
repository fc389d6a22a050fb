"""What the unit tests share: virtual time, settings, a service that plays a part."""

from __future__ import annotations

import inspect
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from scrapy import Request, Spider
from scrapy.downloadermiddlewares.redirect import RedirectMiddleware
from scrapy.http import Response
from scrapy.settings import Settings
from scrapy.statscollectors import StatsCollector
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from scrapy_onecaptcha.service.client import TaskResult
from scrapy_onecaptcha.settings import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from twisted.internet.task import Clock

    from scrapy_onecaptcha.service.client import Client, Task

T = TypeVar("T")

KEY = "cc9c18d3e263515c2c072b36a7125eecc078618f"
SITEKEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
OTHER_SITEKEY = "a5f74b19-9e45-40e0-b45d-47ff91b7a6c2"
SITE = "https://shop.example"
OTHER_SITE = "https://news.example"
TOKEN = "P1_eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"
AGENT = "Mozilla/5.0 (test)"


class Run(Generic[T]):
    """A coroutine of the package, started, and what it has come to so far."""

    def __init__(self, coro: Coroutine[Deferred[Any], Any, T]) -> None:
        self._outcomes: list[T | Failure] = []
        self._deferred: Deferred[T] = Deferred.fromCoroutine(coro)
        self._deferred.addBoth(self._outcomes.append)

    @property
    def done(self) -> bool:
        return bool(self._outcomes)

    @property
    def failed(self) -> bool:
        return self.done and isinstance(self._outcomes[0], Failure)

    @property
    def value(self) -> T:
        assert self.done, "still waiting"
        outcome = self._outcomes[0]
        if isinstance(outcome, Failure):
            outcome.raiseException()
        return outcome

    @property
    def error(self) -> Any:
        assert self.failed, self._outcomes or "still waiting"
        return cast("Failure", self._outcomes[0]).value

    def cancel(self) -> None:
        self._deferred.cancel()


class Sent:
    """All requests are on their way to their site."""

    def is_active(self, request: Request) -> bool:
        return True

    def is_queued(self, request: Request) -> bool:
        return False


def advance(clock: Clock, seconds: float) -> None:
    """Let *seconds* pass; each call sees the moment that it was due at.

    ``Clock.advance`` would show all of them the last moment.
    """
    end = clock.seconds() + seconds
    while due := [moment for moment in _due(clock) if moment <= end]:
        clock.rightNow = max(clock.rightNow, min(due))
        clock.advance(0)
    clock.rightNow = max(clock.rightNow, end)


def _due(clock: Clock) -> list[float]:
    calls: Any = clock.getDelayedCalls()
    return [call.getTime() for call in calls]


def configure(**values: Any) -> Config:
    """Parse settings, named without their prefix, in lower case."""
    given = {f"ONECAPTCHA_{name.upper()}": value for name, value in values.items()}
    return Config.from_settings(Settings({"ONECAPTCHA_API_KEY": KEY, **given}), {})


def stats_collector() -> StatsCollector:
    crawler: Any = SimpleNamespace(settings=Settings())
    return StatsCollector(crawler)


def spider_with_crawler() -> Spider:
    """Return a spider that Scrapy's own functions can work with."""
    spider = Spider("test")
    crawler: Any = SimpleNamespace(
        settings=Settings(), stats=stats_collector(), spider=spider
    )
    spider.crawler = crawler
    return spider


class Service:
    """Plays the service: answers as told, and notes when each call came.

    Attributes:
        on_create: what the next calls of ``createTask`` get: an error to raise, a
            Deferred to wait for, or a task id. After them each gets a new id.
        on_poll: what the next polls get, of whatever task: an error, a Deferred, or
            ``None`` for "processing". After them the token comes when it is due.
        seconds: how long a task takes.
        user_agent: that the solutions name.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.on_create: deque[Any] = deque()
        self.on_poll: deque[Any] = deque()
        self.seconds = 20.0
        self.user_agent: str | None = None
        self.created: list[tuple[float, Task]] = []
        self.polled: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}

    @property
    def client(self) -> Client:
        return cast("Client", self)

    @property
    def calls(self) -> int:
        return len(self.created) + len(self.polled)

    async def create_task(self, task: Task) -> str:
        self.created.append((self._clock.seconds(), task))
        task_id = f"task-{len(self.created)}"
        if self.on_create:
            answer = await _answer(self.on_create.popleft())
            task_id = answer or task_id
        self._due[task_id] = self._clock.seconds() + self.seconds
        return task_id

    async def get_task_result(self, task_id: str) -> TaskResult | None:
        self.polled.append((self._clock.seconds(), task_id))
        if self.on_poll:
            return cast("TaskResult | None", await _answer(self.on_poll.popleft()))
        if self._clock.seconds() < self._due[task_id]:
            return None
        return TaskResult(
            token=f"{TOKEN}-{task_id}", user_agent=self.user_agent, resp_key="E0_key"
        )


async def _answer(answer: Any) -> Any:
    if isinstance(answer, Deferred):
        answer = await answer
    if isinstance(answer, Exception):
        raise answer
    return answer


def spider_argument(method: Callable[..., Any]) -> dict[str, Spider]:
    """Return the argument that Scrapy's methods require up to 2.13."""
    parameter = inspect.signature(method).parameters["spider"]
    required = parameter.default is inspect.Parameter.empty
    return {"spider": Spider("test")} if required else {}


def redirected(request: Request, status: int, location: str) -> Request:
    """Return what Scrapy's own middleware makes of a redirect."""
    middleware = RedirectMiddleware(Settings())
    middleware.crawler = spider_with_crawler().crawler
    response = Response(request.url, status=status, headers={"Location": location})
    process = middleware.process_response
    result = process(request, response, **spider_argument(process))
    assert isinstance(result, Request)
    return result
