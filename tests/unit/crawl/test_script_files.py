"""What a page's scripts need is fetched as a browser on the page would."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.http import HtmlResponse, Response, TextResponse
from twisted.internet.defer import Deferred, fail, succeed

from scrapy_onecaptcha.crawl import request_meta, script_files
from scrapy_onecaptcha.crawl.script_files import LIBRARY_HOSTS, MAX_FILES, ScriptFiles
from tests.unit.helpers import Run

PAGE = "https://shop.example.com/gate?x=1#top"
CODE = b"var a = 1; // \xc3\xbc"


class Site:
    """A double of the crawl's engine."""

    def __init__(self, **answers: Response | Exception) -> None:
        self.answers = answers
        self.requests: list[Request] = []

    def download(self, request: Request) -> Deferred[Response]:
        self.requests.append(request)
        answer = self.answers.get(request.url.rpartition("/")[2])
        if isinstance(answer, Exception):
            return fail(answer)
        if answer is None:
            answer = TextResponse(request.url, body=CODE, encoding="utf-8")
        return succeed(answer)


def page() -> HtmlResponse:
    request = Request(
        PAGE,
        headers={"User-Agent": "Agent/1", "Cookie": "a=b", "Authorization": "secret"},
        meta={"cookiejar": 3, "proxy": "http://proxy.test", "download_slot": "x"},
    )
    return HtmlResponse(PAGE, request=request, body=b"<p>", encoding="utf-8")


def got(
    site: Site,
    *urls: str,
    hosts: tuple[str, ...] | None = None,
    integrity: dict[str, str] | None = None,
    asked: set[str] | None = None,
) -> dict[str, str]:
    engine: Any = site
    files = ScriptFiles(engine, hosts)
    return Run(files.get(page(), [*urls], integrity or {}, asked or set())).value


def test_a_script_is_asked_for_as_a_browser_does() -> None:
    site = Site()
    url = "https://static.example.com/app.js"
    assert got(site, url) == {url: CODE.decode()}
    [request] = site.requests
    assert request.headers["Referer"] == b"https://shop.example.com/gate?x=1"
    assert request.headers["User-Agent"] == b"Agent/1"
    assert "Authorization" not in request.headers
    assert "Cookie" not in request.headers  # the crawl's own middleware adds it
    assert request.meta["cookiejar"] == 3
    assert request.meta["proxy"] == "http://proxy.test"
    assert "download_slot" not in request.meta
    assert request.meta["download_maxsize"] == script_files.MAX_SIZE == 1_000_000
    assert request_meta.role_of(request) == "script"


@pytest.mark.parametrize(
    ("url", "hosts", "allowed"),
    [
        ("https://shop.example.com/a.js", None, True),
        ("https://cdn.example.com/a.js", None, True),
        ("https://code.jquery.com/a.js", None, True),
        ("https://evil.test/a.js", None, False),
        ("https://code.jquery.com.evil.test/a.js", None, False),
        ("http://shop.example.com/a.js", None, False),
        ("file:///etc/passwd", None, False),
        ("http://127.0.0.1/a.js", None, False),
        ("https://evil.test/a.js", ("evil.test",), True),
        ("https://a.evil.test/a.js", ("evil.test",), True),
        ("https://shop.example.com/a.js", ("evil.test",), False),
    ],
)
def test_where_scripts_may_come_from(
    url: str, hosts: tuple[str, ...] | None, allowed: bool
) -> None:
    site = Site()
    assert bool(got(site, url, hosts=hosts)) is allowed
    assert bool(site.requests) is allowed


def test_the_public_hosts_of_libraries_are_few() -> None:
    assert sorted(LIBRARY_HOSTS) == list(LIBRARY_HOSTS)
    assert len(LIBRARY_HOSTS) <= 10


def test_not_more_files_than_a_page_gets() -> None:
    site = Site()
    urls = [f"https://shop.example.com/{number}.js" for number in range(20)]
    assert len(got(site, *urls)) == MAX_FILES
    assert len(got(site, *urls, asked=set(urls[:6]))) == 2
    site = Site(**{f"{number}.js": ConnectionError("gone") for number in range(20)})
    assert got(site, *urls) == {}
    assert len(site.requests) == MAX_FILES


@pytest.mark.parametrize(
    "answer",
    [
        Response("https://shop.example.com/a.js", status=404, body=b"no"),
        IgnoreRequest("robots.txt"),
        ConnectionError("gone"),
    ],
)
def test_what_cannot_be_had_is_missing(answer: Response | Exception) -> None:
    assert got(Site(**{"a.js": answer}), "https://shop.example.com/a.js") == {}


def digest(algorithm: str, body: bytes = CODE) -> str:
    hashed = hashlib.new(algorithm, body).digest()
    return f"{algorithm}-{base64.b64encode(hashed).decode()}"


@pytest.mark.parametrize(
    ("integrity", "intact"),
    [
        ("", True),
        ("md5-xyz", True),
        (digest("sha256"), True),
        (digest("sha384") + "?opt", True),
        (f"sha512-wrong {digest('sha512')}", True),
        (digest("sha256", b"other"), False),
        (f"{digest('sha256')} sha512-wrong", False),
    ],
)
def test_integrity(integrity: str, intact: bool) -> None:
    url = "https://shop.example.com/a.js"
    assert bool(got(Site(), url, integrity={url: integrity})) is intact


def test_scripts_are_kept_for_the_crawl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_files, "MAX_KEPT", 2)
    site: Any = Site(**{"gone.js": ConnectionError("gone")})
    files = ScriptFiles(site, None)

    def ask(name: str) -> None:
        Run(files.get(page(), [f"https://shop.example.com/{name}"], {}, set())).value  # noqa: B018

    for name in ("a.js", "a.js", "gone.js", "gone.js", "b.js", "a.js", "c.js", "a.js"):
        ask(name)
    asked = [request.url.rpartition("/")[2] for request in site.requests]
    assert asked == ["a.js", "gone.js", "gone.js", "b.js", "c.js", "a.js"]


def test_what_one_page_could_not_use_is_asked_for_again_by_the_next() -> None:
    site: Any = Site(**{"b.js": ConnectionError("gone")})
    files = ScriptFiles(site, None)

    def ask(name: str, integrity: str = "") -> bool:
        url = f"https://shop.example.com/{name}"
        run = Run(files.get(page(), [url], {url: integrity}, set()))
        return bool(run.value)

    assert not ask("a.js", "sha256-wrong")
    assert ask("a.js")  # another page, which says nothing of its contents
    assert ask("a.js", digest("sha384"))
    assert not ask("a.js", "sha512-wrong")  # though it is kept
    assert len(site.requests) == 1
    assert not ask("b.js")
    del site.answers["b.js"]
    assert ask("b.js")


def test_the_answer_to_a_get_of_the_page() -> None:
    answer = TextResponse(
        "https://shop.example.com/csrf",
        status=403,
        headers={"X-A": "1", "Set-Cookie": "s=1"},
        body=b'{"t": 1}',
        encoding="utf-8",
    )
    site: Any = Site(csrf=answer)
    files = ScriptFiles(site, None)
    given = Run(files.answer(page(), "https://shop.example.com/csrf")).value
    assert given is not None
    assert (given.status, given.body, given.headers) == (
        403,
        '{"t": 1}',
        (("x-a", "1"),),
    )


class Slow(Site):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: list[Deferred[Response]] = []

    def download(self, request: Request) -> Deferred[Response]:
        self.requests.append(request)
        self.under_way.append(Deferred())
        return self.under_way[-1]


@pytest.mark.parametrize("fails", [False, True])
def test_pages_that_want_a_script_together_share_it(fails: bool) -> None:
    site: Any = Slow()
    files = ScriptFiles(site, None)
    url = "https://static.example.com/app.js"
    runs = [Run(files.get(page(), [url], {}, set())) for _ in range(3)]
    (answer,) = site.under_way
    if fails:
        answer.errback(OSError())
    else:
        answer.callback(TextResponse(url, body=CODE, encoding="utf-8"))
    expected = {} if fails else {url: CODE.decode()}
    assert [run.value for run in runs] == [expected] * 3
    # A failure may be that of this try alone.
    Run(files.get(page(), [url], {}, set()))
    assert len(site.requests) == 1 + fails


def test_a_page_that_gives_up_leaves_the_script_to_the_others() -> None:
    site: Any = Slow()
    files = ScriptFiles(site, None)
    url = "https://static.example.com/app.js"
    runs = [Run(files.get(page(), [url], {}, set())) for _ in range(3)]
    runs[1].cancel()
    site.under_way[0].callback(TextResponse(url, body=CODE, encoding="utf-8"))
    assert [runs[n].value for n in (0, 2)] == [{url: CODE.decode()}] * 2
    assert len(site.requests) == 1


def test_no_page_waits_for_a_script_whose_page_has_given_up() -> None:
    site: Any = Slow()
    files = ScriptFiles(site, None)
    url = "https://static.example.com/app.js"
    runs = [Run(files.get(page(), [url], {}, set())) for _ in range(2)]
    runs[0].cancel()
    assert runs[1].value == {}
    again = Run(files.get(page(), [url], {}, set()))
    site.under_way[-1].callback(TextResponse(url, body=CODE, encoding="utf-8"))
    assert again.value == {url: CODE.decode()}
