"""APIs that demand hCaptcha in JSON, each in its own way, in one crawl."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import ask, crawl, sandbox

from scrapy_onecaptcha.sandbox import sitekey_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crawl_harness import Servers

pytestmark = pytest.mark.crawl

KEY = sitekey_of("apis")
HEADER = "header:x-captcha-response"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
SHOWN = {"handle_httpstatus_list": [400, 422]}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    options = {
        "sites": {"apis": {"gate": None, "apis": True}},
        "service": {"latency": 0.1},
    }
    with sandbox(options=options) as running:
        yield running


def test_each_demand_is_passed_or_handed_on(servers: Servers) -> None:
    def post(path: str, headers: dict[str, str], body: str, **told: Any) -> Any:
        meta = SHOWN | ({"onecaptcha": told} if told else {})
        url = f"{servers['apis']}/{path}"
        return ask(url, method="POST", headers=headers, body=body, meta=meta)

    user = json.dumps({"user": "ada"})
    edit = {"sitekey": KEY, "field": "captchaword", "gate": True}
    plan = [
        post("mediawiki", FORM, "action=edit&text=one"),
        post("mediawiki", FORM, "action=edit&text=two", **edit),
        post("laravel", JSON, user),
        post("better-auth", JSON, user, field=HEADER),
        post("better-auth", JSON, f"{user} ", field=HEADER, sitekey=KEY),
        ask(f"{servers['apis']}/cloudflare"),
    ]
    result = crawl(servers, plan)
    result.assert_clean()
    assert dict(result.ended) == dict.fromkeys(range(6), 1)
    [(number, error)] = result.errors.items()
    assert (number, error["error"]) == (5, "UnsolvableGate")
    assert result.stat("unsolvable/no_sitekey") == 1
    told = {n: page["status"] for n, page in result.pages.items()}
    assert told == {0: 200, 1: 200, 2: 422, 3: 400, 4: 200}
    shown = [json.loads(result.pages[n]["echo"]["body"]) for n in (0, 1, 4)]
    assert shown == [
        {"edit": {"result": "Success", "text": "one"}},
        {"edit": {"result": "Success", "text": "two"}},
        {"user": "ada"},
    ]
    assert servers.tasks_of("apis") == result.stat("tokens/accepted") == 3
    [warning] = [line for line in result.lines("WARNING") if "better-auth" in line]
    assert f"{servers['apis']}/better-auth" in warning
    assert 'add "sitekey" to meta["onecaptcha"]' in warning
