"""Gates without a form: a callback's own call, and the demands of an API."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, JsonResponse, Response

from scrapy_onecaptcha._twisted import sleep
from scrapy_onecaptcha.exceptions import SubmissionRefused, UnsolvableGate

from .virtual import AGENT, KEY, SITEKEY, Crawl, Event, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    Crawling = Callable[..., Crawl]

CALLING = """<!DOCTYPE html><html><head><title>Please complete the captcha</title>
<script src="https://js.hcaptcha.com/1/api.js"></script></head><body>
<div class="h-captcha" data-sitekey="{sitekey}" data-callback="done"></div>
<script>function done(token) {{
  var xhr = new XMLHttpRequest();
  xhr.open("POST", "{target}", true);
  xhr.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
  xhr.onload = function () {{ if (xhr.responseText == "good") location.reload(); }};
  xhr.send("h-captcha-response=" + encodeURIComponent(token) + "&lang=en");
}}</script></body></html>"""


class CallingSite(Site):
    """A site whose gate has no form: its callback sends an XHR.

    Attributes:
        target: of that call.
    """

    target = "/captcha"

    def _gate(self, request: Request) -> Response:
        self.gates += 1
        page = CALLING.format(sitekey=SITEKEY, target=self.target)
        return HtmlResponse(
            request.url, status=503, body=page, encoding="utf-8", request=request
        )

    def _submitted(
        self, request: Request, fields: dict[str, list[str]], agent: str
    ) -> Response:
        gates = self.gates
        answer = super()._submitted(request, fields, agent)
        verdict = b"bad" if self.gates > gates else b"good"
        self.gates = gates
        # In HTML and of the gated URL's own path it would pass for the page.
        return answer.replace(cls=HtmlResponse, status=200, body=verdict, headers={})


@dataclass
class Api(Site):
    """An API that demands a token with each call.

    Attributes:
        demand: what it says beside the sitekey.
        takes: returns the token of a call.
        refusal: what it answers to a wrong token, if not with its demand.
    """

    demand: dict[str, Any] = field(
        default_factory=lambda: {"captcha_key": ["captcha-required"]}
    )
    refusal: dict[str, Any] | None = None

    def takes(self, request: Request) -> str | None:
        """Return the token of *request*."""
        token: str | None = json.loads(request.body or b"{}").get("captcha_key")
        return token

    async def download(self, request: Request) -> Response:
        """Return the site's answer."""
        self.downloads += 1
        await sleep(self.clock, self.latency)
        token = self.takes(request)
        if token is None:
            return self._demand(request)
        self.submissions.append(token)
        right = token in self.service.tokens and self.submissions.count(token) == 1
        if right and self.accepts(len(self.submissions)):
            self.delivered.append(request.url)
            return JsonResponse(request.url, body=b'{"items": [1]}', request=request)
        if self.refusal is not None:
            body = json.dumps(self.refusal).encode()
            return JsonResponse(request.url, status=403, body=body, request=request)
        return self._demand(request)

    def _demand(self, request: Request) -> Response:
        self.gates += 1
        said = self.demand | {"captcha_sitekey": SITEKEY, "captcha_service": "hcaptcha"}
        body = json.dumps(said).encode()
        return JsonResponse(request.url, status=400, body=body, request=request)


def calling(crawl: Crawl, **options: Any) -> CallingSite:
    site = CallingSite(crawl.clock, crawl.service, **options)
    crawl.sites["shop.example"] = site
    return site


def api(crawl: Crawl, **options: Any) -> Api:
    site = Api(crawl.clock, crawl.service, **options)
    crawl.sites["shop.example"] = site
    return site


def post(crawl: Crawl, body: bytes, kind: str, **options: Any) -> Event:
    """Crawl one POST to its end."""
    headers = {"User-Agent": AGENT, "Content-Type": kind, "X-Mine": "1"}
    url = "https://shop.example/api/items"
    request = Request(url, method="POST", body=body, headers=headers, **options)
    crawl._scheduled.append(request)
    crawl._slot.nextcall.schedule()
    event = crawl.run()[-1]
    assert event.request is request
    return event


def carriers(crawl: Crawl) -> list[Request]:
    """Return the requests that carried a token, wherever."""
    return [
        request
        for request in crawl.sent
        if "P1_" in f"{request.url} {request.headers!r} {request.body!r}"
    ]


# A call of the callback


def test_a_call_is_followed_by_the_page_itself(crawling: Crawling) -> None:
    crawl = crawling()
    site = calling(crawl)
    (asked,) = crawl.ask("/wanted", meta={"mine": 1})
    (event,) = crawl.run()
    assert crawl.pages == ["/wanted"]
    assert event.request is asked
    assert event.request.meta == {"mine": 1}
    assert len(crawl.service.created) == len(site.submissions) == 1
    (sent,) = carriers(crawl)
    assert (sent.url, sent.method) == ("https://shop.example/captcha", "POST")
    assert parse_qs(sent.body.decode()) == {
        "lang": ["en"],
        "h-captcha-response": site.submissions,
    }
    assert sent.meta["dont_retry"]
    assert crawl.stat("replayed") == 1
    crawl.finish()


def test_what_a_call_is_told_is_never_the_page(crawling: Crawling) -> None:
    crawl = crawling()
    site = calling(crawl)
    site.target = "/wanted"
    crawl.ask("/wanted")
    crawl.run()
    assert crawl.pages == ["/wanted"]
    assert crawl.stat("replayed") == 1
    crawl.finish()


def test_a_gate_after_the_call_is_a_refusal(crawling: Crawling) -> None:
    crawl = crawling()
    site = calling(crawl, accepts=lambda number: number == 2)
    crawl.ask("/wanted")
    crawl.run()
    assert crawl.pages == ["/wanted"]
    assert len(site.submissions) == len(set(site.submissions)) == 2
    assert crawl.stat("tokens/rejected") == crawl.stat("tokens/accepted") == 1
    crawl.finish()


def test_a_clearance_by_a_call_is_shared(crawling: Crawling) -> None:
    crawl = crawling()
    calling(crawl)
    crawl.ask("/0", "/1", "/2", "/3")
    crawl.run()
    assert sorted(crawl.pages) == ["/0", "/1", "/2", "/3"]
    assert len(crawl.service.created) == 1
    crawl.finish()


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/collect", "http://shop.example/down", "//10.0.0.1/"],
)
def test_a_call_that_leads_elsewhere_is_refused_before_anything_is_paid(
    crawling: Crawling, target: str
) -> None:
    crawl = crawling()
    calling(crawl).target = target
    crawl.ask("/0")
    crawl.run()
    (error,) = crawl.errors
    assert isinstance(error, SubmissionRefused)
    assert crawl.service.create_calls == 0
    crawl.finish()


def test_a_call_that_changes_after_payment_says_what_helps(
    crawling: Crawling, caplog: pytest.LogCaptureFixture
) -> None:
    """No host that is allowed by name does."""
    caplog.set_level("INFO")
    crawl = crawling(gate_max_age=1.0)
    site = calling(crawl)
    plain = site._gate

    def changing(request: Request) -> Response:
        page = plain(request)
        other = b"&lang=en" if site.gates == 1 else b"&other=en"
        return page.replace(body=page.body.replace(b"&lang=en", other))

    site._gate = changing  # type: ignore[method-assign]
    crawl.ask("/0")
    crawl.run()
    (error,) = crawl.errors
    assert isinstance(error, SubmissionRefused)
    assert "its page changed" in str(error)
    assert "submitter" in error.advice
    (lost,) = [said for said in caplog.messages if "Gated page lost" in said]
    assert lost.endswith(error.advice)
    assert "allow it by name" not in lost
    assert not any("was not needed" in said for said in caplog.messages)
    assert (crawl.service.create_calls, crawl.stat("tokens/unused")) == (1, 1)
    assert carriers(crawl) == []
    crawl.finish()


def test_a_call_that_cannot_be_read_costs_nothing(crawling: Crawling) -> None:
    crawl = crawling()
    calling(crawl).target = '" + secret() + "'
    crawl.ask("/0")
    crawl.run()
    (error,) = crawl.errors
    assert isinstance(error, UnsolvableGate)
    assert "no_submission" in str(error)
    assert crawl.service.create_calls == 0
    crawl.finish()


# An API


@pytest.mark.parametrize("meta", [{}, {"onecaptcha": {"expect": ".item"}}])
def test_an_api_is_called_again_with_the_token(
    crawling: Crawling, meta: dict[str, Any]
) -> None:
    crawl = crawling()
    site = api(crawl)
    body = b'{"query": "tea", "page": 2, "price": {"most": 9.5}}'
    event = post(crawl, body, "application/json", meta={"mine": 1, **meta})
    assert isinstance(event.response, JsonResponse)
    assert event.response.json() == {"items": [1]}
    assert event.response.request is event.request
    assert (event.request.body, event.request.method) == (body, "POST")
    assert event.request.meta == {"mine": 1, **meta}
    (sent,) = carriers(crawl)
    token = {"captcha_key": site.submissions[0]}
    assert json.loads(sent.body) == json.loads(body) | token
    assert sent.headers["X-Mine"] == b"1"
    assert sent.headers.getlist("Content-Type") == [b"application/json"]
    assert (sent.method, sent.url) == ("POST", event.request.url)
    assert len(crawl.service.created) == len(site.submissions) == 1
    assert crawl.stat("replayed") == 0
    crawl.finish()


def test_an_api_that_takes_a_form(crawling: Crawling) -> None:
    crawl = crawling()
    site = api(crawl)
    site.takes = (  # type: ignore[method-assign]
        lambda request: parse_qs(request.body.decode()).get("captcha", [None])[0]
    )
    event = post(
        crawl,
        b"q=a+b%20c&captcha=&q=2",
        "application/x-www-form-urlencoded",
        meta={"onecaptcha": {"field": "captcha"}},
    )
    assert isinstance(event.response, JsonResponse)
    (sent,) = carriers(crawl)
    assert sent.body.decode() == f"q=a+b%20c&q=2&captcha={site.submissions[0]}"
    crawl.finish()


@pytest.mark.parametrize("named", ["by the user", "by the reply"])
def test_an_api_that_takes_a_header(crawling: Crawling, named: str) -> None:
    crawl = crawling()
    site = api(crawl)
    options = {"field": "header:X-Captcha-Response"} if named == "by the user" else {}
    site.demand = {} if options else {"error": {"header": "X-Captcha-Response"}}

    def takes(request: Request) -> str | None:
        value = request.headers.get("X-Captcha-Response")
        return value.decode() if value else None

    site.takes = takes  # type: ignore[method-assign]
    body = b'{"q":  1}'
    event = post(crawl, body, "application/json", meta={"onecaptcha": options})
    assert isinstance(event.response, JsonResponse)
    assert event.response.json() == {"items": [1]}
    (sent,) = carriers(crawl)
    assert sent.body == body
    assert "X-Captcha-Response" not in event.request.headers
    crawl.finish()


def test_an_api_that_is_asked_by_get(crawling: Crawling) -> None:
    crawl = crawling()
    site = api(crawl)
    site.takes = (  # type: ignore[method-assign]
        lambda request: parse_qs(urlsplit(request.url).query).get("key", [None])[0]
    )
    crawl.ask("/items?a=1&a=2", meta={"onecaptcha": {"field": "key"}})
    (event,) = crawl.run()
    assert isinstance(event.response, JsonResponse)
    assert event.response.json() == {"items": [1]}
    assert event.response.url == "https://shop.example/items?a=1&a=2"
    assert site.submissions[0] in carriers(crawl)[0].url
    crawl.finish()


@pytest.mark.parametrize(
    "refusal", [None, {"error": "captcha-invalid"}, {"message": "Invalid captcha"}]
)
def test_an_api_that_refuses_is_asked_again_with_another(
    crawling: Crawling, refusal: dict[str, Any] | None
) -> None:
    crawl = crawling()
    site = api(crawl, accepts=lambda number: number == 2)
    site.refusal = refusal
    event = post(crawl, b"{}", "application/json")
    assert isinstance(event.response, JsonResponse)
    assert event.response.json() == {"items": [1]}
    assert len(set(site.submissions)) == 2
    assert "P1_" not in "".join(task.url for task in crawl.service.created)
    assert crawl.stat("tokens/rejected") == 1
    crawl.finish()


def test_an_api_gets_the_ticket_of_its_rqdata_back(crawling: Crawling) -> None:
    crawl = crawling(gate_max_age=1.0)
    site = api(crawl)
    site.demand |= {"captcha_rqdata": "for-this-call", "captcha_rqtoken": "ticket"}
    post(crawl, b'{"a": 1}', "application/json")
    (sent,) = carriers(crawl)
    assert crawl.service.created[0].rqdata == "for-this-call"
    assert json.loads(sent.body)["captcha_rqtoken"] == "ticket"
    crawl.finish()


def test_an_api_is_not_asked_again_only_for_a_fresh_demand(crawling: Crawling) -> None:
    crawl = crawling(gate_max_age=1.0)
    site = api(crawl)
    crawl.service.user_agent = "solver/2.0"
    post(crawl, b"{}", "application/json")
    assert site.downloads == 2
    assert carriers(crawl)[0].headers["User-Agent"] == b"solver/2.0"
    assert crawl.stat("refetched") == 0
    crawl.finish()


def test_a_demand_that_says_no_way_back_costs_nothing(crawling: Crawling) -> None:
    crawl = crawling()
    api(crawl).demand = {"error": "captcha required"}
    event = post(crawl, b'{"a": 1}', "application/json")
    assert isinstance(event.error, UnsolvableGate)
    assert "no_submission" in str(event.error)
    assert crawl.service.create_calls == 0
    assert KEY not in str(event.error)
    crawl.finish()
