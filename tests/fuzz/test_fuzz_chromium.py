"""What a real browser sends for the script-driven pages is what is read from them.

Only in ``make fuzz``, with Debian's Chromium. hCaptcha's script is one of our own, and
nothing leaves the browser: each request is answered or dropped here.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from scrapy_onecaptcha.scripts.visit import DRY_TOKENS
from tests.blocking_pool import shared_child
from tests.corpus.script_pages import TRUTHS, visit_of
from tests.fuzz.fuzzing import TIMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy_onecaptcha.scripts.models import Sending

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    TIMES == 1 or CHROMIUM is None, reason="make fuzz, where Chromium is installed"
)

TOKEN = DRY_TOKENS[0]
API = Path(__file__).with_name("chromium_api.js")
WAIT = 600  # milliseconds
#: A page that loads what is not at hand, one that sends nothing, and one that sends
#: nothing from a browser that a program drives.
LEFT_OUT = {"axios-create.html", "cookie-reload.html", "webdriver-check.html"}


def browser_sends(
    page: Any, url: str, html: str, answers: Mapping[str, str], codes: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return the first request of a page's own site that holds the token.

    Args:
        page: of the browser.
        url: of the page.
        html: the page.
        answers: to what it asks its site for, by address.
        codes: of its scripts, by address.
    """
    sent: list[dict[str, Any]] = []

    def route(route: Any) -> None:
        request = route.request
        body = request.post_data or ""
        told = f"{request.url} {body} {json.dumps(request.headers)}"
        if TOKEN in told or (request.method == "POST" and len(body) > 40):
            sent.append(
                {
                    "method": request.method,
                    "url": request.url,
                    "body": body,
                    "headers": request.headers,
                }
            )
            route.abort()
        elif request.url == url and not sent:
            route.fulfill(
                status=403, content_type="text/html; charset=utf-8", body=html
            )
        elif "hcaptcha.com/1/api.js" in request.url:
            code = API.read_text().replace("{token}", TOKEN)
            route.fulfill(content_type="text/javascript", body=code)
        elif request.url in answers:
            route.fulfill(content_type="application/json", body=answers[request.url])
        elif request.url in codes:
            code = codes[request.url]
            route.fulfill(content_type="text/javascript; charset=utf-8", body=code)
        else:
            route.abort()

    page.route("**/*", route)
    page.goto(url, wait_until="domcontentloaded")
    wait(page, sent, 8)
    for button in [] if sent else page.query_selector_all("button, input[type=image]"):
        if not sent and button.is_enabled():
            button.evaluate("element => element.click()")
            wait(page, sent, 2)
    return sent[0] if sent else None


def wait(page: Any, sent: list[dict[str, Any]], times: int) -> None:
    for _ in range(times):
        if not sent:
            page.wait_for_timeout(WAIT)


def pairs(sending: dict[str, Any], kind: str) -> Any:
    body = sending["body"]
    if "multipart" in kind:
        boundary = "--" + kind.partition("boundary=")[2]
        parts = [part.split("\r\n\r\n", 1) for part in body.split(boundary)[1:-1]]
        return sorted(
            (head.split('"')[1], value.removesuffix("\r\n")) for head, value in parts
        )
    if "urlencoded" in kind:
        return sorted(parse_qsl(body, keep_blank_values=True))
    return body


def differs(sending: Sending, browser: dict[str, Any]) -> list[str]:
    kind = browser["headers"].get("content-type", "")
    address = browser["url"]
    ours: Any = sorted(sending.fields) if sending.fields is not None else sending.body
    if sending.method == "GET" or not browser["body"]:
        same_body = True
    else:
        same_body = pairs(browser, kind) == (ours if ours is not None else "")
    wrong = []
    if sending.method != browser["method"]:
        wrong.append(f"method {browser['method']}")
    if sending.url != address:
        wrong.append(f"address {address}")
    if (sending.content_type or "") != kind.partition("; boundary")[0]:
        wrong.append(f"type {kind}, ours {sending.content_type}")
    if not same_body:
        wrong.append(f"body {pairs(browser, kind)}, ours {ours}")
    for name, value in sending.headers:
        if browser["headers"].get(name) != value:
            wrong.append(f"{name}: {browser['headers'].get(name)}")
    return wrong


def test_a_browser_sends_the_same() -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    wrong: dict[str, Any] = {}
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for truth in TRUTHS:
            if truth["page"] in LEFT_OUT:
                continue
            page = browser.new_page()
            visit = visit_of(truth)
            answers = truth.get("answers", {})
            codes = dict(visit.external)
            seen = browser_sends(page, visit.url, visit.html, answers, codes)
            page.close()
            reading = shared_child().visit(visit)
            assert reading is not None
            if seen is None or reading.sending is None:
                wrong[truth["page"]] = f"browser {seen}, ours {reading.sending}"
            elif said := differs(reading.sending, seen):
                wrong[truth["page"]] = said
        browser.close()
    assert wrong == {}, "\n".join(f"{name}: {said}" for name, said in wrong.items())
