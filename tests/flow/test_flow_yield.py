"""What counts for a clearance, and how it is found out what it opened."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from scrapy import Request
from scrapy.http import Response

from .models import HOST, Model
from .virtual import AGENT, Crawl

if TYPE_CHECKING:
    from collections.abc import Callable

    Crawling = Callable[..., Crawl]


class Broken(Model):
    """Some of its pages answer with an error to who is cleared."""

    def _page(self, request: Request) -> Response:
        name = urlsplit(request.url).path.strip("/")
        if name.startswith("e"):
            return Response(request.url, status=int(name[1:4]), request=request)
        return super()._page(request)


def add(crawl: Crawl, model_of: type[Model], kind: str, gate: str = "place") -> Model:
    model = model_of(crawl.clock, crawl.service, kind, gate=gate)
    for name in model.names:
        crawl.sites[name] = model
    return model


def pages_of(crawl: Crawl) -> int:
    (session,) = crawl.middleware.snapshot()["sessions"]
    return session["pages"]


@pytest.mark.parametrize(("error", "counts"), [(403, 0), (500, 0), (404, 1)])
@pytest.mark.parametrize("waiting", [True, False])
def test_an_error_is_no_page_of_a_clearance(
    crawling: Crawling, error: int, counts: int, waiting: bool
) -> None:
    """Whether it was asked for again, or for the first time. What is missing counts."""
    crawl = crawling()
    add(crawl, Broken, "forever")
    crawl.ask("/0")
    if waiting:
        crawl.advance(1)
        crawl.ask(f"/e{error}")
    crawl.run_exactly()
    if not waiting:
        crawl.ask(f"/e{error}")
        crawl.run_exactly()
    assert len(crawl.events) == 2
    assert pages_of(crawl) == counts
    assert len(crawl.service.created) == 1
    crawl.ask("/1")
    crawl.run_exactly()
    assert pages_of(crawl) == counts + 1
    crawl.finish()


def test_what_a_gate_address_shows_to_the_cleared_is_no_page_of_a_clearance(
    crawling: Crawling,
) -> None:
    """It says "verified"; the page that was asked for, asked for again, is one."""
    crawl = crawling()
    add(crawl, Model, "forever", gate="next")
    crawl.ask("/0")
    crawl.run_exactly()
    assert pages_of(crawl) == 0
    way = Request(f"https://{HOST}/1", headers={"User-Agent": AGENT})
    crawl.middleware.request_scheduled(way)
    crawl.crawl(
        way.replace(
            url=f"https://{HOST}/check?next=/1",
            meta={"redirect_urls": [way.url], "redirect_times": 1, **state_of(way)},
        )
    )
    crawl.run_exactly()
    assert crawl.pages[-1] == "/1"
    assert pages_of(crawl) == 1
    crawl.finish()


def state_of(request: Request) -> dict[str, object]:
    first = {"url": request.url, "priority": 0, "headers": dict(request.headers)}
    return {"_onecaptcha": {"first": first, "sent": request.url, "generation": 1}}


# The page that was paid for is asked for once more


class Answers(Model):
    """Shows the page in the answer to the token, and grants nothing else."""

    def _submitted(self, request: Request, token: str) -> Response:
        answer = super()._submitted(request, token)
        return self._page(request) if answer.status == 302 else answer


def test_a_page_that_came_in_the_answer_is_not_asked_for_again(
    crawling: Crawling,
) -> None:
    crawl = crawling(concurrency=1)
    add(crawl, Answers, "answer")
    crawl.ask("/0", "/1")
    crawl.run_exactly()
    assert sorted(crawl.pages) == ["/0", "/1"]
    without = [r.url for r in crawl.sent if r.method == "GET"]
    # The one that met the gate, and the look that met it, too.
    assert without.count(f"https://{HOST}/0") == 2
    crawl.finish()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_safe_is_not_repeated_to_find_out_what_a_clearance_opens(
    crawling: Crawling, method: str
) -> None:
    crawl = crawling(concurrency=1)
    add(crawl, Model, "section")
    first = Request(
        f"https://{HOST}/s1/order",
        method=method,
        body=b"" if method == "GET" else b"item=1",
        headers={"User-Agent": AGENT},
    )
    crawl.crawl(first)
    crawl.run_exactly()
    crawl.ask("/s2/0")
    crawl.run_exactly()
    assert sorted(crawl.pages) == ["/s1/order", "/s2/0"]
    asked = [(r.method, r.url) for r in crawl.sent if b"h-captcha" not in r.body]
    # It met the gate, and passed; a GET is asked for once more.
    assert asked.count((method, first.url)) == (3 if method == "GET" else 2)
    assert len(crawl.service.created) == 2
    crawl.finish()
