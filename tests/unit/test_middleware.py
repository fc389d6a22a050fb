"""Which of Scrapy's signals the middleware listens to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy import Request, signals
from twisted.internet.task import Clock

from scrapy_onecaptcha import middleware as module
from scrapy_onecaptcha.crawl.session_key import session_key
from scrapy_onecaptcha.middleware import OneCaptchaMiddleware
from tests.crawlers import make_crawler

if TYPE_CHECKING:
    import pytest

DOWNLOADER = (
    "request_reached_downloader",
    "request_left_downloader",
    "response_downloaded",
)


def test_it_listens_to_the_downloader_from_the_first_gate_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[str] = []
    for name in DOWNLOADER:
        listen: Any = lambda *_, name=name, **__: heard.append(name)  # noqa: E731
        monkeypatch.setattr(OneCaptchaMiddleware, name, listen)
    monkeypatch.setattr(module, "reach", lambda *_: (None, Clock()))
    crawler = make_crawler({"ONECAPTCHA_API_KEY": "key"})
    middleware = OneCaptchaMiddleware.from_crawler(crawler)
    request = Request("https://shop.example/")

    def send() -> None:
        for name in DOWNLOADER:
            signal = getattr(signals, name)
            crawler.signals.send_catch_log(signal, request=request, spider=None)

    send()
    assert not heard
    for jar in range(2):  # later ones change nothing
        key = session_key(request.replace(meta={"cookiejar": jar}))
        middleware._crawl.sessions.open(key)
    send()
    assert heard == list(DOWNLOADER)
