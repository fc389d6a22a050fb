"""Which URL is asked again, and which answer is the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, Response

from tests.blocking_pool import WaitingPool

from . import virtual
from .models import HOST, Model
from .virtual import AGENT, OTHER_SITEKEY, SITEKEY, Crawl, Event

if TYPE_CHECKING:
    from collections.abc import Callable

    Crawling = Callable[..., Crawl]


def add(crawl: Crawl, model_of: type[Model] = Model, /, **options: Any) -> Any:
    model = model_of(crawl.clock, crawl.service, **options)
    for name in model.names:
        crawl.sites[name] = model
    return model


def numbers(count: int) -> list[str]:
    return [f"/{number}" for number in range(count)]


def post(crawl: Crawl, path: str) -> Event:
    """Crawl one POST to its end."""
    request = Request(
        f"https://{HOST}{path}",
        method="POST",
        body=b"item=1",
        headers={"User-Agent": AGENT},
    )
    crawl.crawl(request)
    crawl.run_exactly()
    return crawl.events[-1]


def get(
    request: Request, headers: dict[str, Any] | None = None, **more: Any
) -> HtmlResponse:
    return HtmlResponse(
        request.url, encoding="utf-8", request=request, headers=headers or {}, **more
    )


def led(request: Request, to: str, cookie: str = "") -> Response:
    headers = {"Location": to, **({"Set-Cookie": cookie} if cookie else {})}
    return Response(request.url, status=302, headers=headers, request=request)


# A gate at an address of its own


@pytest.mark.parametrize("gate", ["next", "memory", "one"])
@pytest.mark.parametrize("concurrency", [1, 8, 40])
def test_each_page_is_the_one_that_was_asked_for(
    crawling: Crawling, gate: str, concurrency: int
) -> None:
    """Though the session remembers one page only, and leads everybody there."""
    crawl = crawling(concurrency=concurrency, per_domain=8)
    crawl.filters = True
    add(crawl, gate=gate)
    crawl.ask(*numbers(40))
    crawl.run_exactly()
    assert sorted(crawl.pages) == sorted(numbers(40))
    assert len(crawl.events) == 40
    assert len(crawl.service.created) == 1
    crawl.finish()


def test_a_query_is_part_of_what_was_asked_for(crawling: Crawling) -> None:
    crawl = crawling(per_domain=8)
    crawl.filters = True
    model = add(crawl, gate="memory")
    wanted = ["/list", *(f"/list?page={number}" for number in range(2, 12))]
    crawl.ask(*wanted)
    crawl.run_exactly()
    urls = [e.response.url for e in crawl.events if e.response is not None]
    asked = [event.request.url for event in crawl.events]
    assert sorted(asked) == sorted(f"https://{HOST}{path}" for path in wanted)
    assert urls == asked
    assert len(model.served) >= len(wanted)
    crawl.finish()


def test_what_is_dropped_in_a_later_run_is_not_lost(crawling: Crawling) -> None:
    """The dupefilter on disk knows the gate's address from an earlier run."""
    crawl = crawling(per_domain=8)
    crawl.filters = True
    add(crawl, gate="one")
    crawl.seen.add(f"GET https://{HOST}/check")
    crawl.ask(*numbers(20))
    crawl.run_exactly()
    assert sorted(crawl.pages) == sorted(numbers(20))
    assert len(crawl.service.created) == 1
    crawl.finish()


class BotManager(Model):
    """Its gate has a host of its own, which leads back by way of the asked one."""

    def _answer(self, request: Request) -> Response:
        parts = urlsplit(request.url)
        fields = parse_qs(request.body.decode())
        if parts.netloc == "127.0.0.9":
            back = parse_qs(parts.query)["back"][0]
            if "h-captcha-response" not in fields:
                return self._gate(request)
            if fields["h-captcha-response"][0] not in self.service.tokens:
                return self._gate(request)
            return led(request, f"https://127.0.0.8/land?t=1&back={back}")
        if parts.path == "/land":
            back = parse_qs(parts.query)["back"][0]
            return led(request, back, self._new(request))
        if self._passes(request):
            return self._page(request)
        return led(request, f"https://127.0.0.9/b?back={request.url}")


def test_a_gate_on_another_host_belongs_to_the_asked_site(crawling: Crawling) -> None:
    crawl = crawling(per_domain=8, allowed_domains=["127.0.0.8", "127.0.0.9"])
    model = BotManager(crawl.clock, crawl.service)
    crawl.sites |= {"127.0.0.8": model, "127.0.0.9": model}
    crawl.service.user_agent = "solver/1"
    crawl.ask(*(f"https://127.0.0.8/{number}" for number in range(30)))
    crawl.run_exactly()
    crawl.ask("https://127.0.0.8/30")
    crawl.run_exactly()
    assert sorted(crawl.pages) == sorted(numbers(31))
    assert len(crawl.service.created) == 1
    sites = [one["site"] for one in crawl.middleware.snapshot()["sessions"]]
    assert sites == ["https://127.0.0.8"]
    assert crawl.sent[-1].headers["User-Agent"] == b"solver/1", "as it is cleared for"
    crawl.finish()


class ScriptedManager(BotManager):
    """Its gate has to be run to be read."""

    def _gate(self, request: Request) -> Response:
        return virtual.keyed_by_script(super()._gate(request))


def test_requests_for_a_gate_that_is_read_do_not_wait_for_ever(
    crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are held for the gate's host, and it is solved for the asked one."""
    scripts = WaitingPool()
    monkeypatch.setattr(virtual, "BlockingPool", lambda: scripts)
    crawl = crawling(per_domain=4, allowed_domains=["127.0.0.8", "127.0.0.9"])
    model = ScriptedManager(crawl.clock, crawl.service)
    crawl.sites |= {"127.0.0.8": model, "127.0.0.9": model}
    crawl.ask(*(f"https://127.0.0.8/{number}" for number in range(30)))
    crawl.advance(5)
    assert crawl.coordinator.loans.held > 0
    scripts.started.callback(None)
    crawl.run_exactly()
    assert sorted(crawl.pages) == sorted(numbers(30))
    assert len(crawl.service.created) == 1
    crawl.finish()


# A gate in place


class Orders(Model):
    """Takes an order by POST, and leads to its gated thanks."""

    orders = 0

    def _answer(self, request: Request) -> Response:
        path = urlsplit(request.url).path
        if path == "/order" and "h-captcha" not in request.body.decode():
            self.orders += 1
            return led(request, f"/thanks/{self.orders}")
        return super()._answer(request)


def test_an_order_is_placed_once(crawling: Crawling) -> None:
    crawl = crawling()
    model = add(crawl, Orders)
    event = post(crawl, "/order")
    assert event.response is not None
    assert event.response.url == f"https://{HOST}/thanks/1"
    assert event.response.css("h1.content::text").get() == "/thanks/1"
    assert model.orders == 1
    assert len(crawl.service.created) == 1
    crawl.finish()


def test_an_order_is_not_placed_by_the_next_run_either(crawling: Crawling) -> None:
    crawl = crawling()
    model = add(crawl, Orders)
    crawl.crawl(Request(f"https://{HOST}/order", method="POST", body=b"item=1"))
    crawl.advance(3)
    crawl.stop()
    crawl.advance(2)
    (back,) = crawl.given_back
    assert (back.url, back.method) == (f"https://{HOST}/thanks/1", "GET")
    assert model.orders == 1
    crawl.finish()


def test_a_post_that_met_the_gate_itself_is_repeated(crawling: Crawling) -> None:
    crawl = crawling()
    model = add(crawl)
    event = post(crawl, "/search")
    assert event.response is not None
    assert event.request.method == "POST"
    bare = [r for r in crawl.sent if r.method == "POST" and b"h-captcha" not in r.body]
    assert len(bare) == 2  # the one that met the gate, and the one that passed
    assert "/search" in model.served
    crawl.finish()


class Links(Model):
    """Has links that work once."""

    used = 0

    def _answer(self, request: Request) -> Response:
        if urlsplit(request.url).path.startswith("/go/"):
            self.used += 1
            if self.used > 1:
                return get(request, status=410, body=b"<p>Used.</p>")
            return led(request, "/page")
        return super()._answer(request)


def test_a_link_that_works_once_delivers_its_page(crawling: Crawling) -> None:
    crawl = crawling()
    add(crawl, Links)
    crawl.ask("/go/7")
    crawl.run_exactly()
    (event,) = crawl.events
    assert event.response is not None
    assert event.response.css("h1.content::text").get() == "/page"
    assert len(crawl.service.created) == 1
    crawl.finish()


# A page's own address is no gate address, though others were led into its gate


class Leads(Model):
    """Leads from one URL to another, which may be gated itself."""

    ways: Callable[[str], str | None]
    in_place: tuple[str, ...] = ()

    def _answer(self, request: Request) -> Response:
        parts = urlsplit(request.url)
        to = self.ways(parts.path)
        late = parts.path in self.in_place and not self._passes_wall(request)
        if to is None or late:
            return super()._answer(request)
        return led(request, to)

    def _page(self, request: Request) -> Response:
        response = super()._page(request)
        return response.replace(body=response.body + request.url.encode())


def test_pages_that_are_gone_lead_to_one_page_and_keep_nobody_waiting(
    crawling: Crawling,
) -> None:
    """One met its gate there, the other in place; both end at the start page."""
    crawl = crawling(concurrency=4, per_domain=4)
    model = add(crawl, Leads)
    model.ways = lambda path: "/" if path.startswith("/dead") else None
    model.in_place = ("/dead2",)
    crawl.ask("/dead1")
    crawl.advance(2)
    crawl.ask("/dead2", *numbers(6))
    crawl.run_exactly(600)
    assert crawl.is_idle
    assert len(crawl.events) == 8
    assert not crawl.errors
    assert len(crawl.service.created) == 1
    assert len(crawl.sent) < 30
    crawl.finish()


class Stays(Model):
    """Never leads on from one URL, which shows that its visitor is verified."""

    stays_at = "/captcha"
    status = 200

    def _answer(self, request: Request) -> Response:
        path = urlsplit(request.url).path
        if b"h-captcha" in request.body:
            return super()._answer(request)
        if path == self.stays_at and self._passes_wall(request):
            body = b"<p>You are verified.</p>"
            return get(request, status=self.status, body=body)
        if path.startswith("/lost"):
            return led(request, self.stays_at)
        return super()._answer(request)


@pytest.mark.parametrize(("expect", "lost"), [("h1.content", 2), (None, 0)])
def test_what_a_guessed_address_shows_is_told_by_what_is_expected(
    crawling: Crawling, expect: str | None, lost: int
) -> None:
    """Old URLs may lead to one page as well, so that nothing else tells them apart."""
    crawl = crawling(concurrency=4, per_domain=4, expect=expect, max_attempts=2)
    model = add(crawl, Stays)
    model.stays_at = "/start"
    crawl.ask("/lost1", "/lost2", "/0")
    crawl.run_exactly(3600)
    assert crawl.is_idle
    assert "/0" in crawl.pages
    assert len(crawl.errors) == lost
    crawl.finish()


@pytest.mark.parametrize("status", [200, 403, 404])
def test_a_gate_address_that_never_leads_on_costs_no_more_than_its_attempts(
    crawling: Crawling, status: int
) -> None:
    """Its path says what it is: what it shows to a cleared visitor is no page."""
    crawl = crawling(concurrency=4, per_domain=4)
    model = add(crawl, Stays)
    model.status = status
    crawl.ask("/0")
    crawl.advance(2)
    crawl.ask("/lost", *numbers(6)[1:])
    crawl.run_exactly(3600)
    assert crawl.is_idle
    assert len(crawl.events) == 7
    assert sorted(crawl.pages) == numbers(6)
    assert [type(error).__name__ for error in crawl.errors] == ["AttemptsExhausted"]
    assert len(crawl.service.created) <= 5
    assert len(crawl.sent) < 80
    crawl.finish()


@pytest.mark.parametrize("query", ["?id={}", ""])
def test_tokens_that_open_what_a_redirect_leads_to_are_accepted(
    crawling: Crawling, query: str
) -> None:
    """``/p/7`` leads to ``/product.php?id=7``, or all of them to one page."""
    crawl = crawling(concurrency=8, per_domain=8)
    model = add(crawl, Leads)
    model.ways = lambda path: (
        f"/product.php{query.format(path[3:])}" if path.startswith("/p/") else None
    )
    crawl.ask(*(f"/p/{number}" for number in range(20)))
    crawl.run_exactly()
    assert not crawl.errors
    pages = [event.response for event in crawl.events if event.response is not None]
    ends = [f"https://{HOST}/product.php{query.format(number)}" for number in range(20)]
    assert sorted(page.url for page in pages) == sorted(ends)
    assert all(page.url in page.text for page in pages)
    assert len(crawl.service.created) == 1
    assert (crawl.stat("tokens/accepted"), crawl.stat("tokens/rejected")) == (1, 0)
    assert len(crawl.sent) <= 20 * 4 + 6
    crawl.finish()


def test_what_is_missing_where_a_redirect_leads_to_is_an_answer(
    crawling: Crawling,
) -> None:
    """Two others were led into a gate there; nobody pays for a page that is gone."""

    class Gone(Leads):
        def _page(self, request: Request) -> Response:
            if request.url.endswith("?id=9"):
                return get(request, status=404, body=b"<p>Gone.</p>")
            return super()._page(request)

    crawl = crawling(concurrency=1)
    model = add(crawl, Gone, pages=3)
    model.ways = lambda path: (
        f"/product.php?id={path[3:]}" if path.startswith("/p/") else None
    )
    crawl.ask("/p/9", "/p/9?again", "/p/9?once_more")
    crawl.run_exactly()
    statuses = [event.response.status for event in crawl.events if event.response]
    assert statuses == [404] * 3
    assert len(crawl.service.created) <= 3
    crawl.finish()


def test_where_two_pages_were_led_into_a_gate_no_order_is_placed_again(
    crawling: Crawling,
) -> None:
    class Thanks(Orders):
        def _answer(self, request: Request) -> Response:
            path = urlsplit(request.url).path
            if path.startswith("/old"):
                return led(request, "/thanks")
            response = super()._answer(request)
            if (response.headers.get("Location") or b"").startswith(b"/thanks"):
                response.headers["Location"] = "/thanks"
            return response

    crawl = crawling()
    model = add(crawl, Thanks)
    crawl.ask("/old/1", "/old/2", "/old/3")
    crawl.advance(3)
    event = post(crawl, "/order")
    assert model.orders == 1
    assert not crawl.errors
    assert event.response is not None
    crawl.finish()


def test_a_gate_that_another_scheme_shows_keeps_no_line_waiting(
    crawling: Crawling,
) -> None:
    """Its probe goes on in the other session: the next one is let go."""

    class Schemes(Model):
        """Asks for a captcha on each scheme, and leads from the one to the other."""

        def _passes_wall(self, request: Request) -> bool:
            return bool(self._cookie(request, urlsplit(request.url).scheme))

        def _answer(self, request: Request) -> Response:
            parts = urlsplit(request.url)
            fields = parse_qs(request.body.decode())
            token = fields.get("h-captcha-response", [""])[0]
            if token:
                self.submissions[token] += 1
                if token not in self.service.tokens:
                    return self._gate(request)
                return led(request, request.url, f"{parts.scheme}=1; Path=/")
            if not self._passes_wall(request):
                return self._gate(request)
            if parts.scheme == "http" and parts.path != "/0":
                return led(request, f"https://{HOST}{parts.path}")
            return self._page(request)

    crawl = crawling(concurrency=8, per_domain=8)
    add(crawl, Schemes)
    crawl.ask(f"http://{HOST}/0")
    crawl.advance(2)
    crawl.ask(*(f"http://{HOST}/{number}" for number in range(1, 6)))
    crawl.run_exactly(3000)
    assert crawl.is_idle
    assert sorted(crawl.pages) == numbers(6)
    assert len(crawl.service.created) == 2
    crawl.finish()


# The page comes from a request without a token


class Notice(Model):
    """Answers a good token by a notice that is not the page."""

    notice: dict[str, Any]

    def _submitted(self, request: Request, token: str) -> Response:
        answer = super()._submitted(request, token)
        if answer.status != 302:
            return answer
        headers = {"Set-Cookie": answer.headers["Set-Cookie"]}
        return get(
            request,
            headers | self.notice.get("headers", {}),
            body=self.notice.get("body", b""),
        )


NOTICES: dict[str, dict[str, Any]] = {
    "meta": {"body": b'<meta http-equiv="refresh" content="1">Thank you'},
    "header": {"body": b"<p>One moment</p>", "headers": {"Refresh": "0"}},
    "script": {"body": b"<script>location.replace(location.href)</script>Thanks"},
    "link": {"body": b"<p>Thank you. <a href='/1'>Go on</a></p>"},
    "empty": {},
}


@pytest.mark.parametrize("name", NOTICES)
def test_a_notice_is_not_the_page(crawling: Crawling, name: str) -> None:
    crawl = crawling()
    model = add(crawl, Notice)
    model.notice = NOTICES[name]
    crawl.ask(*numbers(4))
    crawl.run_exactly()
    assert sorted(crawl.pages) == numbers(4)
    assert len(crawl.service.created) == 1
    assert crawl.stat("tokens/accepted") == 1
    crawl.finish()


class SameGate(Model):
    """Answers a good token by its gate again, which moves on by itself."""

    def _submitted(self, request: Request, token: str) -> Response:
        answer = super()._submitted(request, token)
        if answer.status != 302:
            return answer
        gate = self._gate(request)
        gate.headers["Refresh"] = "0"
        gate.headers["Set-Cookie"] = answer.headers["Set-Cookie"]
        return gate


def test_a_gate_in_the_answer_is_no_refusal(crawling: Crawling) -> None:
    crawl = crawling()
    add(crawl, SameGate)
    crawl.ask("/0")
    crawl.run_exactly()
    assert crawl.pages == ["/0"]
    assert len(crawl.service.created) == 1
    assert (crawl.stat("tokens/accepted"), crawl.stat("tokens/rejected")) == (1, 0)
    crawl.finish()


class OnlyInTheAnswer(Model):
    """Shows the page in the answer to the token, and an error from then on."""

    def _answer(self, request: Request) -> Response:
        if not self.accepted:
            return super()._answer(request)
        return get(request, status=403, body=b"<p>You were here.</p>")

    def _submitted(self, request: Request, token: str) -> Response:
        super()._submitted(request, token)
        return self._page(request)


def test_the_answer_is_the_page_where_the_look_meets_an_error(
    crawling: Crawling,
) -> None:
    crawl = crawling()
    add(crawl, OnlyInTheAnswer)
    crawl.ask("/0")
    crawl.run_exactly()
    assert crawl.pages == ["/0"]
    assert crawl.stat("tokens/accepted") == 1
    crawl.finish()


class ByCookieAlone(Model):
    """Answers the token with a cookie, and leads nowhere."""

    def _submitted(self, request: Request, token: str) -> Response:
        answer = super()._submitted(request, token)
        if answer.status != 302:
            return answer
        cookie = answer.headers["Set-Cookie"]
        return get(request, {"Set-Cookie": cookie})


@pytest.mark.parametrize("model_of", [Model, ByCookieAlone])
def test_a_clearance_that_works_after_a_moment_is_no_refusal(
    crawling: Crawling, model_of: type[Model]
) -> None:
    crawl = crawling()
    add(crawl, model_of, kind="delayed")
    crawl.ask(*numbers(3))
    crawl.run_exactly()
    assert sorted(crawl.pages) == numbers(3)
    assert len(crawl.service.created) == 1
    assert crawl.stat("tokens/rejected") == 0
    crawl.finish()


# A pass in the URL


class Passes(Model):
    """Grants a query parameter that opens every page."""

    def _answer(self, request: Request) -> Response:
        parts = urlsplit(request.url)
        fields = parse_qs(request.body.decode())
        if "h-captcha-response" in fields:
            return led(request, f"{parts.path}?pass=good")  # the page's query is lost
        if parse_qs(parts.query).get("pass") == ["good"]:
            number = parse_qs(parts.query).get("id", ["none"])[0]
            return get(request, body=f'<h1 class="content">{number}</h1>'.encode())
        return self._gate(request)


def test_a_pass_in_the_url_opens_every_page(crawling: Crawling) -> None:
    crawl = crawling(concurrency=4, per_domain=2)
    add(crawl, Passes)
    crawl.ask(*(f"/page?id={number}" for number in range(12)))
    crawl.run_exactly()
    shown = {
        event.request.url: event.response.css("h1.content::text").get()
        for event in crawl.events
        if event.response is not None
    }
    assert shown == {
        f"https://{HOST}/page?id={number}": str(number) for number in range(12)
    }
    assert len(crawl.service.created) == 1
    for event in crawl.events:
        assert event.response is not None
        assert event.response.url == event.request.url
    crawl.finish()


class Useless(Model):
    """Leads on with a query parameter that opens nothing."""

    def _submitted(self, request: Request, token: str) -> Response:
        return led(request, f"{urlsplit(request.url).path}?ticket={self.dice.random()}")


def test_a_parameter_that_opens_nothing_is_tried_once(crawling: Crawling) -> None:
    crawl = crawling(concurrency=1, max_attempts=2, max_failures=50)
    add(crawl, Useless)
    crawl.ask(*numbers(3))
    crawl.run_exactly()
    assert not crawl.pages
    assert len(crawl.service.created) == 6
    led_to = [r.url for r in crawl.sent if "?ticket=" in r.url and r.method == "GET"]
    # Each was followed, as a browser does; the first one was tried as well.
    assert (len(led_to), len(set(led_to))) == (7, 6)
    crawl.finish()


# The User-Agent


class Half(Model):
    """Takes tokens for one half of its pages, and refuses them for the other."""

    def _submitted(self, request: Request, token: str) -> Response:
        if urlsplit(request.url).path.startswith("/b"):
            return self._gate(request)
        return super()._submitted(request, token)

    def _passes(self, request: Request) -> bool:
        if urlsplit(request.url).path.startswith("/b"):
            return False
        return super()._passes(request)


def test_a_refused_token_leaves_the_user_agent_as_it_is(crawling: Crawling) -> None:
    crawl = crawling(concurrency=1, max_attempts=1, max_failures=50)
    crawl.service.agents = lambda number: f"solver/{number}"
    add(crawl, Half, kind="agent")
    for number in range(10):
        crawl.ask(f"/a{number}", f"/b{number}")
    crawl.run_exactly()
    assert sorted(crawl.pages) == [f"/a{number}" for number in range(10)]
    assert len(crawl.service.created) == 11
    crawl.finish()


# What was sent is judged


def test_a_submitter_that_repeats_the_request_is_judged_by_its_answer(
    crawling: Crawling,
) -> None:
    """Asked for again without a token, it would be gated again."""

    class Api(Model):
        def _answer(self, request: Request) -> Response:
            token = (request.headers.get("X-Token") or b"").decode()
            if request.headers.get("X-Rq") != b"1" or token not in self.service.tokens:
                return self._gate(request)
            return get(request, body=b'<h1 class="content">/0</h1>')

    def submitter(
        request: Request, response: Response, challenge: Any, solution: Any
    ) -> Request:
        headers = {**request.headers, "X-Token": solution.token, "X-Rq": "1"}
        return request.replace(headers=headers)

    crawl = crawling(submitters={HOST: submitter})
    add(crawl, Api)
    crawl.ask("/0")
    crawl.run_exactly()
    assert crawl.pages == ["/0"]
    assert len(crawl.service.created) == 1
    assert crawl.stat("replayed") == 0
    crawl.finish()


def test_a_submitters_header_does_not_go_along(crawling: Crawling) -> None:
    class Leads(Model):
        def _answer(self, request: Request) -> Response:
            token = (request.headers.get("X-Token") or b"").decode()
            if token in self.service.tokens and not self._cookie(request, "ok"):
                return led(request, f"/done?echo={token}", self._new(request))
            if urlsplit(request.url).path == "/done":
                return get(request, body=b"<p>Done.</p>")
            return self._page(request) if self._passes(request) else self._gate(request)

    def submitter(
        request: Request, response: Response, challenge: Any, solution: Any
    ) -> Request:
        headers = {**request.headers, "X-Token": solution.token}
        return Request(f"https://{HOST}/verify", headers=headers)

    crawl = crawling(submitters={HOST: submitter})
    add(crawl, Leads)
    crawl.ask("/0")
    crawl.run_exactly()
    carriers = [r for r in crawl.sent if "P1_" in f"{r.url} {r.headers!r}"]
    assert crawl.pages == ["/0"]
    assert [urlsplit(request.url).path for request in carriers] == ["/verify"]
    assert any(request.url.endswith("/done") for request in crawl.sent)
    crawl.finish()


class TwoKeys(Model):
    """Shows one sitekey or another, and grants everything for either."""

    def _gate(self, request: Request) -> Response:
        gate = super()._gate(request)
        if urlsplit(request.url).path == "/1":
            body = gate.body.replace(SITEKEY.encode(), OTHER_SITEKEY.encode())
            return gate.replace(body=body)
        return gate


def test_a_token_is_not_sent_if_the_page_passes_by_now(crawling: Crawling) -> None:
    """A clearance came since its task was created: the page is asked for first."""
    crawl = crawling()
    crawl.service.latency = lambda number: 10.0 * number
    model = add(crawl, TwoKeys, kind="ip")
    crawl.ask("/0", "/1")
    crawl.run_exactly()
    assert sorted(crawl.pages) == ["/0", "/1"]
    assert len(crawl.service.created) == 2
    assert sum(model.submissions.values()) == 1
    assert (crawl.stat("tokens/accepted"), crawl.stat("tokens/unused")) == (1, 1)
    crawl.finish()


class TwoScriptedKeys(TwoKeys):
    """Each page wants a token of its own, and a field that its script adds."""

    opened: tuple[str, ...] = ()

    def _gate(self, request: Request) -> Response:
        script = (
            b"<script>document.forms[0].onsubmit = function () {"
            b"var more = document.createElement('input'); more.name = 'added';"
            b"this.append(more); return true }</script></body>"
        )
        gate = super()._gate(request)
        return gate.replace(body=gate.body.replace(b"</body>", script))

    def _passes(self, request: Request) -> bool:
        return urlsplit(request.url).path in self.opened

    def _submitted(self, request: Request, token: str) -> Response:
        if b"added=" not in request.body:
            self.refused += 1
            return self._gate(request)
        self.opened += (urlsplit(request.url).path,)
        return super()._submitted(request, token)


def test_the_form_of_a_page_that_is_asked_for_first_is_read_with_its_scripts(
    crawling: Crawling,
) -> None:
    """A clearance came meanwhile, which does not open this page."""
    crawl = crawling()
    crawl.service.latency = lambda number: 10.0 * number
    model = add(crawl, TwoScriptedKeys)
    crawl.ask("/0", "/1")
    crawl.run_exactly()
    assert sorted(crawl.pages) == ["/0", "/1"]
    assert (len(crawl.service.created), model.refused) == (2, 0)
    crawl.finish()
