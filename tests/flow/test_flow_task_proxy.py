"""A gate whose proxy the service cannot use is solved by the next proxy."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.http import Response

from scrapy_onecaptcha._twisted import sleep
from scrapy_onecaptcha.exceptions import AttemptsExhausted, ProxyFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scrapy import Request

    from scrapy_onecaptcha.service.task import Task

    from .virtual import Crawl

    Crawling = Callable[..., Crawl]


def refusal() -> ProxyFailed:
    return ProxyFailed("no use", code="ERROR_PROXY_CONNECT_REFUSED", answered=True)


def proxies(*numbers: int) -> Iterator[str]:
    return (f"http://ann:word{n}@proxy{n}.example:8080" for n in numbers)


def rotate(crawl: Crawl, given: Iterator[str]) -> None:
    """Give each request another proxy, as a middleware ordered before ours does."""
    leave = crawl.middleware.process_request

    def process_request(request: Request, spider: Any = None) -> Any:
        request.meta["proxy"] = next(given)
        return leave(request)

    crawl.middleware.process_request = process_request  # type: ignore[method-assign]


def bad(crawl: Crawl, *hosts: str, creating: bool) -> list[str]:
    """Have the service find the proxies at *hosts* of no use; return who was tried."""
    service = crawl.service
    tried: list[str] = []
    create = service.create_task

    async def create_task(task: Task) -> str:
        tried.append(task.proxy.host if task.proxy else "")
        if creating and tried[-1] in hosts:
            await sleep(crawl.clock, service.call_seconds)
            raise refusal()
        return await create(task)

    def outcome(number: int) -> Exception | None:
        proxy = service.created[number - 1].proxy
        return refusal() if proxy is not None and proxy.host in hosts else None

    service.create_task = create_task  # type: ignore[method-assign]
    service.outcome = outcome
    return tried


def hosts(*numbers: int) -> list[str]:
    return [f"proxy{number}.example" for number in numbers]


@pytest.mark.parametrize("creating", [True, False])
def test_the_page_is_tried_with_the_next_proxy(
    crawling: Crawling, caplog: pytest.LogCaptureFixture, creating: bool
) -> None:
    crawl = crawling(task_proxy="request")
    caplog.set_level("INFO")
    ways: list[str] = []
    site = crawl.site(grants="ip", fault=lambda _, r: ways.append(r.meta["proxy"]))
    rotate(crawl, proxies(*range(1, 40)))
    tried = bad(crawl, *hosts(1), creating=creating)
    crawl.ask("/0")
    crawl.run()
    assert crawl.pages == ["/0"]
    assert tried == hosts(1, 2)
    assert len(site.submissions) == 1
    # The gate, its second one by the next proxy, then token and page by that one, too.
    assert ways[0] == "http://ann:word1@proxy1.example:8080"
    assert set(ways[1:]) == {"http://ann:word2@proxy2.example:8080"}
    assert "proxy http://proxy1.example:8080: https://shop.example/0" in caplog.text
    assert "word1" not in caplog.text
    assert crawl.stat("tasks") == (1 if creating else 2)
    assert crawl.stat("points/unbilled") == (0 if creating else 7)
    assert crawl.stat("tokens/accepted") == 1
    crawl.finish()


def test_the_callback_finds_the_proxy_that_brought_the_page(crawling: Crawling) -> None:
    crawl = crawling(task_proxy="request")
    crawl.site(grants="ip")
    rotate(crawl, proxies(*range(1, 40)))
    bad(crawl, *hosts(1), creating=True)
    crawl.ask("/0")
    (event,) = crawl.run()
    assert "proxy2.example" in event.request.meta["proxy"]
    crawl.finish()


def test_what_passes_by_the_next_proxy_is_not_paid_for(crawling: Crawling) -> None:
    crawl = crawling(task_proxy="request")
    site = crawl.site(grants="ip")
    rotate(crawl, proxies(*range(1, 40)))
    site.clearances[next(proxies(2)), site.sitekey("/0")] = ["crawler/1.0", None]
    tried = bad(crawl, *hosts(1), creating=False)
    crawl.ask("/0")
    crawl.run()
    assert crawl.pages == ["/0"]
    assert tried == hosts(1)
    assert site.submissions == []
    crawl.finish()


def test_a_proxy_that_was_refused_is_not_named_again_for_the_page(
    crawling: Crawling,
) -> None:
    crawl = crawling(task_proxy="request", max_attempts=4)
    crawl.site(grants="ip")
    rotate(crawl, proxies(1, 1, 2, 1, 3, *[3] * 40))
    tried = bad(crawl, *hosts(1, 2), creating=True)
    crawl.ask("/0")
    crawl.run()
    assert crawl.pages == ["/0"]
    assert tried == hosts(1, 2, 3)
    crawl.finish()


def test_without_another_proxy_the_page_ends_with_the_services_word(
    crawling: Crawling,
) -> None:
    crawl = crawling(task_proxy="request")
    crawl.site()
    tried = bad(crawl, *hosts(1), creating=True)
    crawl.ask("/0", meta={"proxy": next(proxies(1))})
    crawl.run()
    (error,) = crawl.errors
    assert isinstance(error, ProxyFailed)
    assert tried == hosts(1)
    assert len(crawl.sent) == 1 + 3  # asked again as often as it may cost tasks
    assert crawl.stat("tasks") == 0
    crawl.finish()


@pytest.mark.parametrize("creating", [True, False])
def test_tries_are_bounded_however_many_proxies_there_are(
    crawling: Crawling, creating: bool
) -> None:
    crawl = crawling(task_proxy="request", max_attempts=3)
    crawl.site()
    rotate(crawl, proxies(*range(1, 40)))
    tried = bad(crawl, *hosts(*range(1, 40)), creating=creating)
    crawl.ask("/0")
    crawl.run()
    (error,) = crawl.errors
    assert isinstance(error, ProxyFailed if creating else AttemptsExhausted)
    assert error.code == "ERROR_PROXY_CONNECT_REFUSED"
    assert tried == hosts(*range(1, 5 if creating else 4))
    assert len(crawl.sent) == len(tried)  # no further look after the last one
    assert crawl.stat("points") == 0
    crawl.finish()


def test_a_gateway_behind_one_address_gets_another_task(crawling: Crawling) -> None:
    crawl = crawling(task_proxy="request")
    crawl.site()
    first = itertools.count()
    crawl.service.outcome = lambda _: refusal() if next(first) == 0 else None
    crawl.ask("/0", meta={"proxy": next(proxies(1))})
    crawl.run()
    assert crawl.pages == ["/0"]
    assert len(crawl.service.created) == 2
    crawl.finish()


@pytest.mark.parametrize("named", [None, "http://fixed.example:3128"])
def test_another_proxy_of_the_request_changes_nothing_where_it_is_not_sent(
    crawling: Crawling, named: str | None
) -> None:
    crawl = crawling(task_proxy=named)
    crawl.site()
    rotate(crawl, proxies(*range(1, 40)))
    crawl.service.creating = lambda _: refusal()
    crawl.ask("/0")
    crawl.run()
    (error,) = crawl.errors
    assert isinstance(error, ProxyFailed)
    assert len(crawl.sent) == 1
    assert crawl.service.create_calls == 1
    crawl.finish()


def test_the_others_of_a_bad_proxy_have_their_turn_and_each_page_is_delivered(
    crawling: Crawling,
) -> None:
    crawl = crawling(task_proxy="request", per_domain=8)
    crawl.site(grants="ip")
    given = itertools.chain(proxies(*[1] * 12), proxies(*[2] * 200))
    rotate(crawl, given)
    bad(crawl, *hosts(1), creating=True)
    crawl.ask(*(f"/{number}" for number in range(12)))
    crawl.run()
    assert len(crawl.pages) == 12
    assert crawl.stat("tokens/accepted") == 1
    crawl.finish()


def test_a_proxy_that_never_works_is_left_alone_for_a_time(
    crawling: Crawling,
) -> None:
    crawl = crawling(task_proxy="request", max_failures=4)
    crawl.site()
    tried = bad(crawl, *hosts(1), creating=True)
    crawl.ask(*(f"/{number}" for number in range(12)), meta={"proxy": next(proxies(1))})
    crawl.run()
    assert len(crawl.errors) == 12
    assert {type(error) for error in crawl.errors} == {ProxyFailed}
    assert tried == hosts(1) * 4
    crawl.finish()


def test_a_proxy_that_works_now_and_then_is_used_on(crawling: Crawling) -> None:
    crawl = crawling(task_proxy="request", max_failures=2)
    crawl.site(grants="nothing")
    crawl.service.outcome = lambda number: refusal() if number % 2 else None
    way = {"proxy": next(proxies(1))}
    crawl.ask("/0", "/1", "/2", meta=way)
    crawl.run()
    assert sorted(crawl.pages) == ["/0", "/1", "/2"]
    assert len(crawl.service.created) == 6
    crawl.finish()


def test_a_rotator_that_changes_the_proxy_of_retries_only(crawling: Crawling) -> None:
    crawl = crawling(task_proxy="request")
    crawl.site(grants="ip")
    leave = crawl.middleware.process_request
    given = proxies(2)

    def process_request(request: Request, spider: Any = None) -> Any:
        if request.meta.get("retry_times"):
            request.meta["proxy"] = next(given)
        return leave(request)

    crawl.middleware.process_request = process_request  # type: ignore[method-assign]
    tried = bad(crawl, *hosts(1), creating=True)
    crawl.ask("/0", meta={"proxy": next(proxies(1))})
    crawl.run()
    assert crawl.pages == ["/0"]
    assert tried == hosts(1, 2)
    crawl.finish()


def test_the_page_that_a_post_led_to_is_asked_for_by_the_new_proxy(
    crawling: Crawling,
) -> None:
    crawl = crawling(task_proxy="request")
    ways: list[tuple[str, str]] = []
    site = crawl.site(grants="ip")
    download = site.download

    async def answer(request: Request) -> Response:
        ways.append((request.method, request.meta["proxy"].rpartition("@")[2]))
        if request.url.endswith("/order"):
            headers = {"Location": "/0"}
            return Response(request.url, status=302, headers=headers, request=request)
        return await download(request)

    site.download = answer  # type: ignore[method-assign]
    rotate(crawl, proxies(*range(1, 40)))
    bad(crawl, *hosts(2), creating=True)
    crawl.ask("/order", method="POST", body=b"item=1")
    (event,) = crawl.run()
    assert event.response is not None
    assert event.response.css("h1.content::text").get() == "/0"
    assert ways[:3] == [
        ("POST", "proxy1.example:8080"),
        ("GET", "proxy2.example:8080"),  # the redirect, which meets the gate
        ("GET", "proxy3.example:8080"),
    ]
    assert {way for _, way in ways[3:]} == {"proxy3.example:8080"}
    assert [method for method, _ in ways].count("POST") == 2  # the other is the token's
    crawl.finish()
