"""Calls by a download handler of Scrapy, on asyncio's loop and without a reactor."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.http import Response
from twisted.internet.error import ConnectError

from scrapy_onecaptcha import _scrapy
from scrapy_onecaptcha._twisted import LoopClock
from scrapy_onecaptcha.exceptions import Unavailable
from scrapy_onecaptcha.service.client import Client, Task
from scrapy_onecaptcha.service.http import MAX_REPLY
from scrapy_onecaptcha.service.http_scrapy import handled
from tests.crawlers import make_crawler
from tests.unit.helpers import KEY

if TYPE_CHECKING:
    from scrapy import Request

pytestmark = pytest.mark.skipif(
    find_spec("scrapy.utils.reactorless") is None,
    reason="Scrapy needs a reactor before 2.15",
)
TASK = Task(url="https://shop.example/", sitekey="0" * 8)


class Handler:
    """A download handler that answers, or fails, as it is told."""

    made: list[Handler]
    answer: Any

    def __init__(self, crawler: Any) -> None:
        self.crawler = crawler
        self.requests: list[Request] = []
        self.cancelled = False
        self.closed = 0
        self.made.append(self)

    @classmethod
    def from_crawler(cls, crawler: Any) -> Handler:
        return cls(crawler)

    async def download_request(self, request: Request) -> Response:
        self.requests.append(request)
        if isinstance(self.answer, Response):
            return self.answer
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        return Response(request.url, status=200, body=self.answer)

    async def close(self) -> None:
        self.closed += 1


class Project(Handler):
    """What a project has put in the place of Scrapy's own."""


@pytest.fixture
def crawler(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(Handler, "made", [], raising=False)
    monkeypatch.setattr(Handler, "answer", b"{}", raising=False)
    crawler = make_crawler(
        {"DOWNLOAD_HANDLERS": {"https": Project}, "CONCURRENT_REQUESTS": 1}
    )
    crawler.settings.frozen = False
    crawler.settings["DOWNLOAD_HANDLERS_BASE"]["https"] = Handler
    return crawler


def client_of(crawler: Any, timeout: float = 30.0) -> Client:
    http, hang_up = handled(crawler, timeout)
    return Client(
        KEY,
        "https://api.example",
        http=http,
        clock=LoopClock(),
        timeout=timeout,
        hang_up=hang_up,
    )


def run(coro: Any) -> Any:
    """Run *coro*, which awaits Deferreds, on a loop of its own."""

    async def main() -> Any:
        return await _scrapy.as_scrapy(coro)

    return asyncio.run(main())


def test_the_call_is_what_it_is_over_treq(crawler: Any) -> None:
    Handler.answer = b'{"errorId": 0, "taskId": "t"}'
    assert run(client_of(crawler).create_task(TASK)) == "t"
    (handler,) = Handler.made
    (request,) = handler.requests
    assert (request.method, request.url) == ("POST", "https://api.example/createTask")
    assert request.headers["Content-Type"] == b"application/json"
    assert b"scrapy-onecaptcha/" in (request.headers["User-Agent"] or b"")
    assert KEY in request.body.decode()
    assert request.meta["download_maxsize"] == MAX_REPLY
    assert request.meta["download_timeout"] == 30


def test_each_call_has_a_connection_of_its_own(crawler: Any) -> None:
    Handler.answer = b'{"errorId": 0, "status": "processing"}'
    client = client_of(crawler)

    async def twice() -> None:
        await client.get_task_result("t")
        await client.get_task_result("t")

    run(twice())
    (handler,) = Handler.made
    for request in handler.requests:
        assert request.headers.getlist("Connection") == [b"close"]
        assert request.headers.getlist("Accept-Encoding") == [b"identity"]


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "br", "identity, gzip"])
def test_no_reply_is_unpacked(crawler: Any, encoding: str) -> None:
    Handler.answer = Response(
        "https://api.example", headers={"Content-Encoding": encoding}, body=b"{}"
    )
    with pytest.raises(Unavailable, match="an encoding that it was not asked for"):
        run(client_of(crawler).create_task(TASK))


def test_a_reply_in_identity_is_plain(crawler: Any) -> None:
    Handler.answer = Response(
        "https://api.example",
        headers={"Content-Encoding": "Identity"},
        body=b'{"errorId": 0, "taskId": "t"}',
    )
    assert run(client_of(crawler).create_task(TASK)) == "t"


def test_the_handler_is_scrapys_own_and_verifies_certificates(crawler: Any) -> None:
    Handler.answer = b'{"errorId": 0, "status": "processing"}'
    client = client_of(crawler)
    assert Handler.made == []  # a crawl that meets no gate needs none

    async def twice() -> None:
        await client.get_task_result("t")
        await client.get_task_result("t")
        await client.close()

    run(twice())
    (handler,) = Handler.made
    assert type(handler) is Handler
    assert handler.crawler.settings.getbool("DOWNLOAD_VERIFY_CERTIFICATES")
    assert handler.crawler.settings.getint("CONCURRENT_REQUESTS") > 1
    assert handler.crawler.signals is not crawler.signals
    assert crawler.settings.getint("CONCURRENT_REQUESTS") == 1
    assert handler.closed == 1


def test_a_client_that_was_never_used_closes_too(crawler: Any) -> None:
    assert run(client_of(crawler).close()) is None
    assert Handler.made == []


TOO_LARGE = [error("too big") for error in _scrapy.CANCELLED]
NEVER_SENT = [error("no such host") for error in _scrapy.NEVER_CONNECTED]


@pytest.mark.parametrize(
    ("error", "sent", "says"),
    [
        (OSError("broken pipe"), True, "OSError: broken pipe"),
        *((error, True, f"more than {MAX_REPLY} bytes") for error in TOO_LARGE),
        *((error, False, "no such host") for error in NEVER_SENT),
    ],
)
def test_what_a_handler_raises(
    crawler: Any, error: Exception, sent: bool, says: str
) -> None:
    Handler.answer = error
    with pytest.raises(Unavailable, match=says) as caught:
        run(client_of(crawler).create_task(TASK))
    assert caught.value.sent is sent
    assert not caught.value.answered


def test_where_there_was_no_connection_is_known_since_2_15() -> None:
    assert len(_scrapy.NEVER_CONNECTED) == 2
    assert len(_scrapy.CANCELLED) == 1
    assert not issubclass(ConnectError, _scrapy.NEVER_CONNECTED)


def test_a_call_ends_by_its_deadline(crawler: Any) -> None:
    Handler.answer = None
    with pytest.raises(Unavailable, match="no full answer within"):
        run(client_of(crawler, timeout=0.01).create_task(TASK))
    assert Handler.made[0].cancelled
