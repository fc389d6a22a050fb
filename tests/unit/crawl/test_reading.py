"""A response is read once, and once more where its scripts were run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scrapy.http import HtmlResponse

from scrapy_onecaptcha.crawl.page_scripts import PageScripts
from scrapy_onecaptcha.crawl.reading import Reader
from scrapy_onecaptcha.request_options import RequestOptions
from tests.blocking_pool import BlockingPool
from tests.unit.helpers import Run

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha.models import Challenge

KEY = "1b2c3d4e-0a0b-4c0d-8e0f-a1b2c3d4e5f6"
GATE = (
    "<title>Please complete the captcha</title>"
    "<script src=https://js.hcaptcha.com/1/api.js></script>"
    f"<div class=h-captcha data-sitekey={KEY} data-callback=done></div>"
    "<script>function done(t) { fetch('/v?t=' + t) }</script>"
)


@pytest.mark.parametrize(("says", "kind"), [(True, "gate"), (False, "widget")])
def test_the_user_is_asked_once_for_a_response(says: bool, kind: str) -> None:
    asked: list[str | None] = []

    def decide(_response: Response, challenge: Challenge) -> bool:
        asked.append(challenge.reason)
        return says

    engine: Any = None
    reader = Reader(PageScripts(engine, BlockingPool()))
    response = HtmlResponse("https://shop.test/", body=GATE.encode(), encoding="utf-8")
    read = Run(reader.read(response, RequestOptions(decide=decide))).value
    assert read is not None
    assert (read.kind, read.solvable) == (kind, True)
    assert (read.form is not None) is says
    assert asked == ["scripts_not_run"]
