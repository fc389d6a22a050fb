"""A large page is read in turns of the event loop, any other at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, JsonResponse
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from scrapy_onecaptcha.crawl.page_scripts import PageScripts
from scrapy_onecaptcha.crawl.reader import MAX_AT_ONCE, Reader
from scrapy_onecaptcha.pages.detection import detect
from scrapy_onecaptcha.pages.scripted import Scripts
from scrapy_onecaptcha.request_options import UNSET, RequestOptions
from scrapy_onecaptcha.scripts.models import Reading
from tests.corpus.slow_pages import API, CONFIGURED, WIDGET
from tests.unit.pages.test_detection_work import steps

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from scrapy.http import Response, TextResponse

    from scrapy_onecaptcha import Challenge

URL = "https://shop.example/page"
GATE = f"<title>Security check</title>{API}<form>{WIDGET}<button>Go on</button></form>"
MUCH = "<!--" + "x" * MAX_AT_ONCE + "-->"
SCRIPTED = f"{GATE}<script>function send(token) {{ fetch('/x', token) }}</script>"


class NoScripts(PageScripts):
    """Runs no scripts: says that they were run, and did nothing."""

    def __init__(self) -> None:
        pass

    async def run(self, response: TextResponse) -> Scripts:
        return Scripts(reading=Reading())


def page(html: str) -> HtmlResponse:
    return HtmlResponse(URL, body=html.encode(), encoding="utf-8", request=Request(URL))


class Turns(Clock):
    """Counts the turns of the event loop that were asked for."""

    count = 0

    def callLater(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        self.count += 1
        return super().callLater(*args, **kwargs)


def done(clock: Clock, coro: Coroutine[Any, Any, Challenge | None]) -> Challenge | None:
    result: list[Any] = []
    Deferred.fromCoroutine(coro).addBoth(result.append)
    clock.advance(0)
    if isinstance(result[0], Failure):
        result[0].raiseException()
    challenge: Challenge | None = result[0]
    return challenge


def test_a_small_page_is_read_at_once() -> None:
    glance = Reader(NoScripts(), Clock()).glance(page(GATE), UNSET)
    assert glance.rest is None
    assert glance.challenge is not None
    assert glance.challenge.kind == "gate"


@pytest.mark.parametrize(
    "response",
    [
        page("<p>Nothing.</p>" + MUCH),
        page(CONFIGURED + MUCH),
        JsonResponse(URL, body=b'["' + b"x" * MAX_AT_ONCE + b'"]'),
    ],
)
def test_a_large_page_without_a_captcha_is_done_at_once(response: Response) -> None:
    glance = Reader(NoScripts(), Clock()).glance(response, UNSET)
    assert glance.rest is None
    assert glance.challenge is None


def test_a_large_page_is_read_in_as_many_turns_as_it_has_steps() -> None:
    clock = Turns()
    reader, large = Reader(NoScripts(), clock), page(GATE + MUCH)
    glance = reader.glance(large, UNSET)
    assert glance.challenge is None
    assert glance.rest is not None
    assert clock.count == 0
    challenge = done(clock, reader.in_turns(glance.rest))
    assert challenge == detect(large)
    assert clock.count == len(list(steps(large))) - 1 > 5
    again = reader.glance(large, UNSET)
    assert again.challenge is challenge


def test_a_large_page_whose_scripts_were_run_is_read_in_turns_again() -> None:
    clock = Turns()
    reader, large = Reader(NoScripts(), clock), page(SCRIPTED + MUCH)
    shown = done(clock, reader.look(large, UNSET))
    assert shown is not None
    assert shown.needs_scripts
    once = clock.count
    read = done(clock, reader.read(large, UNSET))
    assert read is not None
    assert not read.needs_scripts
    assert clock.count >= 2 * once > 10


def test_what_the_users_code_raises_comes_out_of_the_last_turn() -> None:
    def decide(page: Response, challenge: Challenge) -> bool:
        raise LookupError(page.url)

    clock, options = Clock(), RequestOptions(decide=decide)
    reader = Reader(NoScripts(), clock)
    glance = reader.glance(page(GATE + MUCH), options)
    assert glance.rest is not None
    with pytest.raises(LookupError):
        done(clock, reader.in_turns(glance.rest))


@pytest.mark.parametrize("kind", ["gate", "widget"])
@pytest.mark.parametrize("more", ["", MUCH])
def test_the_user_is_asked_once_for_a_response(kind: str, more: str) -> None:
    asked: list[str | None] = []

    def decide(_page: Response, challenge: Challenge) -> bool:
        asked.append(challenge.reason)
        return kind == "gate"

    html = SCRIPTED.replace("</form>", "").replace("<form>", "") + more
    clock = Turns()
    reader = Reader(NoScripts(), clock)
    read = done(clock, reader.read(page(html), RequestOptions(decide=decide)))
    assert read is not None
    assert read.kind == kind
    assert asked == ["scripts_not_run"]
