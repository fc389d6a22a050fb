"""The key and the tokens are nowhere in what a crawl leaves behind, or sends.

A service that repeats the key in all its replies, in every spelling, and every kind of
gate and of failure; then each byte that is left is searched: the log of all loggers at
DEBUG, the stats, the items, the HTTP cache, JOBDIR, pickled errors, tracebacks with the
locals of their frames, the ``repr`` and ``vars`` of all objects of the package.

One thing is excepted: the URL of a GET in the line of Scrapy's engine that it crawled
it (``Crawled (200) <GET …>``). A form that is sent by GET has its token there; it is
used by then. The rest of such a line is searched.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from crawl_harness import (
    HANGS,
    HERE,
    MIDDLEWARE,
    REACTORS,
    Result,
    Servers,
    ask,
    crawl,
    crawling,
    sandbox,
)
from crawl_secrets_servers import CREATED, RESULTS

from scrapy_onecaptcha.sandbox import GATES, PRODUCTS
from tests.python_process import LENIENT, run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.crawl

RUNNER = HERE / "crawl_secrets_runner.py"
SERVERS = HERE / "crawl_secrets_servers.py"
#: All that a key may have and that is written in other ways somewhere.
KEY = "k9+/=&<>\"'%\\~cc9c18d3e263515c"
APIS = ("api", "apikey", "apiheader")
BY_HEADER = {"onecaptcha": {"field": "header:x-captcha-response"}}
#: Gates whose token leaves in a form, in a query, by a script, in a request repeated.
REFUSING = ("button", "wall", "xhr", "thanks", "apikey", "apiheader")
SLOW = ("wall", "button", "antibot", "apikey")
SENT = re.compile(
    r"^(\S+ \S+ \[scrapy\.core\.engine\] DEBUG: Crawled \(\d+\) <GET )([^ >]+)(?=> )",
    re.MULTILINE,
)


# What is looked for


def spellings(key: str) -> set[bytes]:
    """Return *key* as it may be written, in lower case."""
    encoded = key.encode()
    ways = {key, quote(key), quote(key, safe=""), quote_plus(key), quote(quote(key))}
    ways |= {json.dumps(key)[1:-1], json.dumps(json.dumps(key))[3:-3], repr(key)[1:-1]}
    ways |= {repr(encoded)[2:-1], repr(repr(key))[2:-2], html.escape(key)}
    ways |= {json.dumps(key)[1:-1].replace("/", r"\/"), encoded.hex()}
    ways |= {"".join(f"&#{ord(char)};" for char in key)}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # A part of a longer text is encoded by where it begins.
        ways |= {encode(b"." * n + encoded).decode()[4:-4] for n in range(3)}
    return {way.lower().encode() for way in ways}


def parts(token: str) -> list[bytes]:
    """Return parts of *token* of which none may be left; its beginning is shown."""
    starts = range(40, len(token) - 40, 200)
    return [token[start : start + 40].encode() for start in starts]


class Secrets:
    """What must not be found.

    Args:
        key: the account's.
        tokens: all that the service gave out.
    """

    def __init__(self, key: str, tokens: Iterable[str]) -> None:
        self._keys = spellings(key)
        self._parts = [part for token in tokens for part in parts(token)]

    def within(self, body: bytes) -> list[bytes]:
        """Return what of them is in *body*, with what is around it."""
        lower = body.lower()
        places = [lower.find(key) for key in self._keys]
        for word in re.finditer(rb"[\w.-]{40,}", body):
            places += [word.start() for part in self._parts if part in word[0]]
        return [body[max(0, at - 200) : at + 100] for at in places if at >= 0]


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def opened(path: Path) -> bytes:
    """Return what is in a file, which may be compressed."""
    body = path.read_bytes()
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


def searched(log: str) -> tuple[str, list[str]]:
    """Return a log without the URLs that are excepted, and those."""
    return SENT.sub(r"\1URL", log), [url for _, url in SENT.findall(log)]


def assert_nothing_is_left(servers: Servers, folder: Path, *results: Result) -> None:
    """Search all that crawls have left, and see that it was found where it may be."""
    secrets = Secrets(KEY, seen(servers)["tokens"])
    left = {path: opened(path) for path in files(folder)}
    leaks = {str(path): secrets.within(body)[:3] for path, body in left.items()}
    excepted: list[str] = []
    for number, result in enumerate(results):
        log, urls = searched(result.log)
        excepted += urls
        leaks[f"log {number}"] = secrets.within(log.encode())
        leaks[f"events {number}"] = secrets.within(json.dumps(result.events).encode())
    told = [f"{place}: {leak!r}" for place, found in leaks.items() for leak in found]
    assert not told, "\n".join(told)
    assert [url for url in excepted if secrets.within(url.encode())] != []


def test_what_is_left_would_be_found(tmp_path: Path) -> None:
    token = f"P1_{'aB3-_' * 240}"
    secrets = Secrets(KEY, [token])
    for written in spellings(KEY):
        assert secrets.within(b"before " + written.swapcase() + b" after"), written
    for piece in (token, token[100:500], quote(f"a={token}&b=c"), f"<{token[-300:]}>"):
        assert secrets.within(piece.encode())
    assert secrets.within(token[:39].encode() + KEY[:8].encode()) == []
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(token.encode()))
    assert secrets.within(opened(path))
    line = (
        "2026-01-01 00:00:00 [scrapy.core.engine] DEBUG: Crawled (200) <GET {0}> ({0})"
    )
    log, urls = searched(line.format(token))
    assert urls == [token]
    assert secrets.within(log.encode())  # elsewhere in the line, it is not excepted


# What is sent to the service


def seen(servers: Servers) -> dict[str, Any]:
    return dict(json.loads(servers.fetch(f"{servers.info['service']}/_seen")))


def assert_called_as_described(servers: Servers) -> None:
    """Assert that each call has what the service needs, and nothing else."""
    told = seen(servers)
    assert told["trapped"] == 0
    assert {call["uri"] for call in told["calls"]} == {"/createTask", "/getTaskResult"}
    for call in told["calls"]:
        headers = call["headers"]
        assert headers.pop("user-agent").startswith("scrapy-onecaptcha/")
        assert headers.pop("content-type") == "application/json"
        assert headers.pop("content-length") == str(len(call["body"]))
        assert headers.pop("host") == servers.info["service"].partition("://")[2]
        assert headers.pop("accept-encoding") == "identity"
        assert headers.pop("connection", "keep-alive") in {"keep-alive", "close"}
        assert headers == {}
        body = json.loads(call["body"])
        assert body.pop("clientKey") == KEY
        if call["uri"] == "/getTaskResult":
            assert list(body) == ["taskId"]
            assert isinstance(body["taskId"], str)
        else:
            (task,) = body.values()
            assert_is_a_task(servers, task)


def assert_is_a_task(servers: Servers, task: dict[str, Any]) -> None:
    assert task.pop("type") == "HCaptchaTaskProxyless"
    assert re.fullmatch(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", task["websiteKey"]
    )
    del task["websiteKey"]
    url = task.pop("websiteURL")
    assert not set(url) & set("#@")
    (name,) = (
        n for n, origin in servers.info["sites"].items() if url.startswith(f"{origin}/")
    )
    assert task.pop("userAgent").startswith("Scrapy/")
    assert task.pop("isInvisible", None) is (
        True if name in ("button", "enterprise") or "-button" in name else None
    )
    assert bool(task.pop("rqdata", None)) is (name in ("enterprise", "api"))
    assert task == {}


# The crawls


#: What is submitted goes to the page itself, which shows what it was sent. That of
#: ``crowdsec`` does where another session has cleared the address meanwhile.
TO_CONTENT = ("direct", "crowdsec")


def asked(servers: Servers, site: str) -> list[dict[str, Any]]:
    """Return requests for *site*, with much in them that may be kept."""
    url, like = servers[site], site.rpartition("-")[2]
    if like in APIS:
        meta = {"cookiejar": site, **(BY_HEADER if like == "apiheader" else {})}
        head = {"Content-Type": "application/json"}
        body = {"method": "POST", "body": '{"name": "x"}', "headers": head}
        return [
            ask(f"{url}/api/items/3?q=1#part", meta=meta),
            ask(f"{url}/api/items", meta=meta, **body),
        ]
    return [
        ask(f"{url}/page/1?a=%20#part", meta={"cookiejar": site, "mark": {"a": 1}}),
        ask(f"{url}/page/2", method="POST", body="a=1", headers={"X-Mine": "1"}),
    ]


def leaving(folder: Path, **more: Any) -> dict[str, Any]:
    """Return settings by which a crawl leaves as much behind as it can."""
    return {
        "FEEDS": {str(folder / "items.jsonl"): {"format": "jsonlines"}},
        "HTTPERROR_ALLOW_ALL": True,
        "REDIRECT_PRIORITY_ADJUST": 0,
        "RETRY_ENABLED": False,
        # What is never solved ends then, and all else has to be solved by then.
        "ONECAPTCHA_SOLVE_TIMEOUT": 12,
        "ONECAPTCHA_MAX_ATTEMPTS": 2,
        "HTTPPROXY_ENABLED": False,
        **more,
    }


def shown(servers: Servers, folder: Path, **environment: str) -> dict[str, Any]:
    """Return the arguments of a crawl that shows all, beside a proxy that is a trap."""
    for name in ("http", "https", "all"):
        environment |= {f"{name}_proxy": servers.info["trap"]}
    return {
        "runner": RUNNER,
        "environment": {**environment, "CRAWL_SHOWN": str(folder / "shown")},
        "middlewares": {**MIDDLEWARE, "crawl_secrets_runner.Dropper": 900},
    }


def test_nothing_is_left_of_key_and_tokens(tmp_path: Path) -> None:
    known = [name for name in (*GATES, *PRODUCTS) if name not in ("bookshop", "pow")]
    failing = {f"refusing-{like}": like for like in REFUSING}
    failing |= {f"{name}-button": "button" for name in (*CREATED, *RESULTS)}
    failing |= {"pow": "pow", "dropped-wall": "wall", "astray-button": "button"}
    del failing["slow-button"]
    sites = {name: name for name in known} | failing
    with sandbox(options={"key": KEY, "sites": sites}, script=SERVERS) as servers:
        plan = [wanted for site in failing for wanted in asked(servers, site)[:1]]
        lost = range(len(plan))
        plan[-2]["meta"]["drop"] = True
        plan[-1]["meta"]["onecaptcha"] = {"submitter": "crawl_secrets_runner.astray"}
        for site in known:
            plan += asked(servers, site)[: 1 if site in TO_CONTENT else 2]
        cache = {"HTTPCACHE_DIR": str(tmp_path / "cache"), "HTTPCACHE_GZIP": True}
        settings = leaving(tmp_path, HTTPCACHE_ENABLED=True, **cache)
        result = crawl(servers, plan, settings, **shown(servers, tmp_path))
        result.assert_clean()
        assert result.ended == dict.fromkeys(range(len(plan)), 1)
        assert sorted(result.errors) == list(lost)
        kinds = {error["error"] for error in result.errors.values()}
        assert kinds == {
            *("AttemptsExhausted", "BadTaskError", "ServiceError", "SiteRefusedError"),
            *("SubmissionRefused", "Unavailable", "UnsolvableGate"),
        }
        dropped, astray = (result.errors[number]["message"] for number in lost[-2:])
        assert "Dropped http://" in dropped
        assert "h-captcha-response=***" in dropped
        assert "127.0.0.2" in astray
        assert_nothing_is_left(servers, tmp_path, result)
        assert_called_as_described(servers)
    assert_seen_at_work(tmp_path, result)


def assert_seen_at_work(folder: Path, result: Result) -> None:
    """Assert that what was searched is what it should be."""
    text = (folder / "shown").read_text(encoding="utf-8")
    for name in (
        "Client",
        "Config",
        "Solver",
        "Gate",
        "Challenge",
        "Delivered",
        "GateFlow",
        "Judge",
        "Payment",
        "SiteClient",
        "Submitted",
        "TokenSender",
    ):
        assert f"\n=== {name}\n" in text, name
    assert "<not shown>" in text  # the key, in the vars of the client
    assert "***" in text  # and in what the service said
    assert text.count("\n=== pickle\n") == len(result.errors)
    assert "locals" in text.lower()
    packed = [path.read_bytes()[:2] for path in files(folder / "cache")]
    assert b"\x1f\x8b" in packed
    items = (folder / "items.jsonl").read_text().splitlines()
    assert len(items) == len(result.plan)
    for logger in ("scrapy_onecaptcha", "scrapy.core.engine"):
        assert f"[{logger}] " in result.log
    # Up to Scrapy 2.14, which has no crawl without a reactor, Twisted stays silent.
    assert ("[twisted] " in result.log) == ("none" in REACTORS)
    assert "Overridden settings:" in result.log


def test_nothing_is_left_in_what_the_next_run_finds(tmp_path: Path) -> None:
    """Stopped when each page has had a token refused, and waits for another."""
    sites = {f"slow-{like}": like for like in SLOW} | {"xhr": "xhr", "thanks": "thanks"}
    job, left = tmp_path / "job", tmp_path / "left"
    with sandbox(options={"key": KEY, "sites": sites}, script=SERVERS) as servers:
        plan = [wanted for site in sites for wanted in asked(servers, site)[:1]]
        settings = leaving(left, JOBDIR=str(job), ONECAPTCHA_SOLVE_TIMEOUT=60)
        with crawling(servers, plan, settings, **shown(servers, tmp_path)) as running:
            running.until(lambda: running.events.read_text().count('"page"') == 2)
            running.until(lambda: servers.tasks == 2 * len(SLOW) + 2)
            running.interrupt()
            first = running.result()
        first.assert_clean()
        queued = b"".join(map(opened, files(job / "requests.queue")))
        for site in sites:
            assert (f"{servers[site]}/".encode() in queued) is ("slow" in site)
        assert b"_onecaptcha" in queued
        assert_nothing_is_left(servers, tmp_path, first)

        servers.fetch(f"{servers.info['service']}/_account")
        ways, said = REACTORS.get("none", REACTORS["select"])
        settings |= {"ONECAPTCHA_API_KEY": None, **ways}
        by_variable = shown(servers, tmp_path, ONECAPTCHA_API_KEY=KEY)
        second = crawl(servers, plan, settings, **by_variable)
        second.assert_clean(allowed=["No further call to the service"])
        assert said in second.log
        assert first.ended + second.ended == dict.fromkeys(range(len(plan)), 1)
        kinds = [error["error"] for error in second.errors.values()]
        assert kinds == ["AccountError"] * len(SLOW)
        assert_nothing_is_left(servers, tmp_path, first, second)
        assert_called_as_described(servers)


def test_a_key_on_the_command_line_is_not_logged(tmp_path: Path) -> None:
    """Scrapy logs the settings that differ from its own defaults, and those only."""
    spider = tmp_path / "spider.py"
    spider.write_text(
        "import scrapy\n\n\nclass Spider(scrapy.Spider):\n    name = 'idle'\n"
        "    async def start(self):\n        return\n        yield\n"
    )
    options = {
        "ONECAPTCHA_API_KEY": KEY,
        "DOWNLOADER_MIDDLEWARES": json.dumps(MIDDLEWARE),
        "CONCURRENT_REQUESTS": "7",
        "TELNETCONSOLE_ENABLED": "0",
    }
    given = [word for name in options for word in ("-s", f"{name}={options[name]}")]
    ran = run(
        ["-m", "scrapy", "runspider", str(spider), *given],
        warnings=LENIENT,
        timeout=HANGS,
        cwd=tmp_path,
        env=os.environ,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Overridden settings:" in ran.stderr
    assert "'CONCURRENT_REQUESTS': '7'" in ran.stderr
    assert "hCaptcha: no gate met" in ran.stderr
    assert Secrets(KEY, []).within((ran.stdout + ran.stderr).encode()) == []
