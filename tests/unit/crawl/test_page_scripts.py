"""Scripts of pages in a crawl: read before payment, run with the token after it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, Response, TextResponse
from twisted.internet.defer import Deferred, succeed

from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.page_scripts import MAX_NEEDS, PageChanged, PageScripts
from scrapy_onecaptcha.models import Solution
from scrapy_onecaptcha.scripts.child import NoEngine
from tests.blocking_pool import BlockingPool
from tests.unit.helpers import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy_onecaptcha.crawl.request_meta import Role
    from scrapy_onecaptcha.scripts.models import Reading, Visit

KEY = "10000000-ffff-ffff-ffff-000000000001"
URL = "https://shop.example/gate"
HEAD = (
    "<title>Are you human?</title><script src=https://js.hcaptcha.com/1/api.js></script>"
    f"<div class=h-captcha data-sitekey={KEY} data-callback=cb></div>"
)
SOLUTION = Solution(
    token="P1_the-real-token", user_agent="Solver/1", resp_key="E1_real"
)


class Site:
    """A double of the crawl's engine, and for the site."""

    def __init__(self, **pages: str) -> None:
        self.pages = pages
        self.asked: list[str] = []
        self.jar: dict[Any, Any] = {}

    def download(self, request: Request) -> Deferred[Response]:
        self.asked.append(request.url.rpartition("/")[2])
        body = self.pages.get(self.asked[-1])
        status = 404 if body is None else 200
        return succeed(
            TextResponse(
                request.url, status=status, body=(body or "").encode(), encoding="utf-8"
            )
        )

    def cookies(self, request: Request) -> Mapping[Any, Any]:
        return self.jar


class Counting(BlockingPool):
    def __init__(self) -> None:
        self.visits: list[Visit] = []

    async def visit(self, visit: Visit) -> Reading:
        self.visits.append(visit)
        return await super().visit(visit)


def response_of(script: str, more: str = "") -> HtmlResponse:
    html = f"{HEAD}{more}<script>{script}</script>"
    return HtmlResponse(URL, body=html.encode(), request=Request(URL), encoding="utf-8")


def scripts(site: Site | None = None, pool: Any = None, **options: Any) -> PageScripts:
    engine: Any = site or Site()
    return PageScripts(engine, pool or BlockingPool(), **options)


def reading(site: Site, response: HtmlResponse) -> Reading:
    read = Run(scripts(site).run(response)).value.reading
    assert read is not None
    return read


def test_inline_scripts_that_decide_need_nothing_else() -> None:
    site = Site(**{"app.js": "1"})
    read = reading(
        site,
        response_of(
            "function cb(t) { fetch('/v?t=' + t) }", "<script src=/app.js></script>"
        ),
    )
    assert read.sending is not None
    assert site.asked == []


def test_external_scripts_and_data_are_fetched_in_turn() -> None:
    site = Site(**{
        "app.js": "var s = document.createElement('script'); s.src = '/more.js'; document.head.append(s)",
        "more.js": "window.cb = t => fetch('/csrf').then(r => r.text()).then(c => fetch('/v', {method: 'POST', body: c + t}))",
        "csrf": "c7-",
    })  # fmt: skip
    read = reading(site, response_of("", "<script src=/app.js></script>"))
    assert site.asked == ["app.js", "more.js", "csrf"]
    assert read.sending is not None
    assert (read.sending.body or "").startswith("c7-P1_dry")


def test_data_of_other_sites_and_too_much_of_it_is_not_fetched() -> None:
    site = Site(**{str(number): "x" for number in range(9)})
    read = reading(
        site,
        response_of(
            "function cb(t) { (async () => { await fetch('https://other.test/0'); fetch('/v?' + t) })() }"
        ),
    )
    assert read.sending is None
    assert site.asked == []
    read = reading(
        site,
        response_of(
            "function cb(t) { (async () => { for (var i = 0; i < 9; i++) await fetch('/' + i); fetch('/v?' + t) })() }"
        ),
    )
    assert read.sending is None
    assert len(site.asked) == MAX_NEEDS


def test_what_cannot_be_had_is_asked_for_once() -> None:
    site = Site()
    read = reading(site, response_of("", "<script src=/gone.js></script>"))
    assert read.missing_scripts == ("https://shop.example/gone.js",)
    assert site.asked == ["gone.js"]


def test_what_cannot_be_had_is_asked_for_once_whatever_else_is_got() -> None:
    site = Site(**{"app.js": "fetch('/one')", "one": "1"})
    more = "<script src=/gone.js></script><script src=/app.js></script>"
    reading(site, response_of("", more))
    assert site.asked == ["gone.js", "app.js", "one"]


def test_scripts_off_and_no_engine(caplog: pytest.LogCaptureFixture) -> None:
    off = Run(scripts(on=False).run(response_of(""))).value
    assert (off.reading, off.reason) == (None, "scripts_off")

    class Engineless:
        async def visit(self, visit: Visit) -> Reading:
            raise NoEngine("install one")

        def close(self) -> None:
            pass

    without = scripts(pool=Engineless())
    for _ in range(2):
        found = Run(without.run(response_of(""))).value
        assert (found.reading, found.reason, found.sentence) == (
            None,
            "no_engine",
            "install one.",
        )
    assert caplog.messages == ["Scripts of pages are not run. install one"]


def test_cookies_that_a_script_may_see() -> None:
    def cookie(name: str, domain: str, path: str = "/", http_only: bool = False) -> Any:
        return SimpleNamespace(
            name=name, value="v", domain=domain, path=path,
            has_nonstandard_attr=lambda attribute: http_only and attribute == "HttpOnly",
        )  # fmt: skip

    site = Site()
    site.jar = dict(enumerate([
        cookie("own", "shop.example"), cookie("dotted", ".shop.example"), cookie("hidden", "shop.example", "/", True),
        cookie("other", "other.test"), cookie("elsewhere", "shop.example", "/admin"),
    ]))  # fmt: skip
    pool = Counting()
    Run(scripts(site, pool).run(response_of(""))).value  # noqa: B018
    assert dict(pool.visits[0].cookies) == {"own": "v", "dotted": "v"}


CALL = "function cb(t) { fetch('/v', {method: 'POST', body: new URLSearchParams({t, k: hcaptcha.getRespKey(), n: '%s'})}) }"


def planned(script: str) -> tuple[str, ...]:
    sending = reading(Site(), response_of(script)).sending
    assert sending is not None
    return sending.shape


def test_the_page_sends_the_real_token() -> None:
    act = scripts().act(response_of(CALL % "fresh"), planned(CALL % "old"), SOLUTION)
    visit, read = Run(act).value
    assert read.sending is not None
    assert read.sending.fields == (
        ("t", SOLUTION.token),
        ("k", "E1_real"),
        ("n", "fresh"),
    )
    assert visit.user_agent == "Solver/1"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("function cb(t) { fetch('/w', {method: 'POST', body: new URLSearchParams({t, k: 1, n: 1})}) }", "now https://shop.example/w"),
        ("function cb(t) { fetch('/v', {method: 'PUT', body: new URLSearchParams({t, k: 1, n: 1})}) }", "now PUT"),
        ("function cb(t) { fetch('/v', {method: 'POST', body: new URLSearchParams({t, k: 1})}) }", "planned n;"),
        ("function cb(t) { fetch('/v', {method: 'POST', body: JSON.stringify({t, k: 1, n: 1})}) }", "text/plain"),
        ("function cb(t) { gone() }", "gone is not defined"),
    ],
)  # fmt: skip
def test_a_page_that_has_changed_sends_nothing(script: str, said: str) -> None:
    act = scripts().act(response_of(script), planned(CALL % "x"), SOLUTION)
    with pytest.raises(PageChanged, match=said) as caught:
        Run(act).value  # noqa: B018
    assert SOLUTION.token not in caught.value.told(URL)


@pytest.mark.parametrize(
    "script",
    [
        "function cb(t) { throw new Error(t) }",
        "function cb(t) { throw new Error('x'.repeat(180) + t) }",
        "function cb(t) { var s = document.createElement('script'); s.text = `throw Error('${'x'.repeat(180) + t}')`; document.head.append(s) }",
        "function cb(t) { throw encodeURIComponent('/' + t) }",
        "function cb(t) { fetch('/gone/' + t).then(r => fetch('/v', {method: 'POST', body: t})) }",
        "function cb(t) { fetch('/v', {method: 'POST', body: new URLSearchParams({['x'.repeat(180) + t.toUpperCase()]: t})}) }",
    ],
)  # fmt: skip
def test_no_part_of_a_token_is_told(script: str) -> None:
    act = scripts().act(response_of(script), planned(CALL % "x"), SOLUTION)
    with pytest.raises(PageChanged) as caught:
        Run(act).value  # noqa: B018
    assert SOLUTION.token[3:9].lower() not in caught.value.told(URL).lower()


def test_what_the_page_makes_of_the_answer() -> None:
    script = "function cb(t) { fetch('/v?t=' + t).then(r => r.json()).then(j => { document.cookie = 'ok=1'; location = j.to }) }"
    ours = scripts()
    visit, _ = Run(ours.act(response_of(script), planned(script), SOLUTION)).value
    answer = TextResponse(
        f"{URL}/v",
        body=b'{"to": "/there"}',
        headers={"Set-Cookie": "s=1"},
        encoding="utf-8",
    )
    after = Run(ours.after(visit, answer)).value
    assert after is not None
    assert (after.moves_to, after.cookies) == ("https://shop.example/there", ("ok=1",))


def test_cookies_that_were_useless_are_not_tried_again() -> None:
    ours = scripts()
    assert ours.may_try("https://shop.example", ("seen=1; path=/",))
    ours.was_useless("https://shop.example", ("seen=2",))
    assert not ours.may_try("https://shop.example", ("seen=3",))
    assert ours.may_try("https://news.example", ("seen=3",))


@pytest.mark.parametrize(
    ("role", "paid"),
    [
        (None, False),
        ("replay", False),
        ("look", True),
        ("refetch", True),
        ("submission", True),
    ],
)
def test_what_a_token_waits_for_is_read_before_others(
    role: Role | None, paid: bool
) -> None:
    pool, page = Counting(), response_of("")
    if role is not None:
        meta = request_meta.mark(Request(URL), role)
        page = page.replace(request=Request(URL, meta=meta))
    assert Run(scripts(pool=pool).run(page)).done
    assert [visit.paid for visit in pool.visits] == [paid]
