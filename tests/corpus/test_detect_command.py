"""``scrapy onecaptcha detect``, as a person runs it: a process outside any project."""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.corpus.judging import PAGES
from tests.corpus.labels import LABELS
from tests.python_process import run as python

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

LABEL = {label.file: label for label in LABELS}
GATE, WIDGET, MENTION = "get-wall.html", "phpbb-register.html", "blog-post.html"
#: Each path of the site: status, headers, body.
SITE = {
    "/gate": (503, {}, (PAGES / "meta-refresh-wall.html").read_bytes()),
    "/led": (302, {"Location": "/form"}, b""),
    "/form": (200, {}, (PAGES / WIDGET).read_bytes()),
    "/refresh": (
        503,
        {},
        (PAGES / GATE)
        .read_bytes()
        .replace(b"<head>", b'<head><meta http-equiv="refresh" content="0;url=/form">'),
    ),
}


class Site(BaseHTTPRequestHandler):
    seen: list[tuple[str, str, str]]

    def do_GET(self) -> None:
        asked = (self.command, self.path, self.headers["User-Agent"])
        self.seen.append(asked)
        status, headers, body = SITE.get(self.path, (404, {}, b"<h1>No such page"))
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Serve `SITE`; yield its URL, and what was asked of it so far."""
    seen: list[tuple[str, str, str]] = []
    handler = type("Handler", (Site,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("ONECAPTCHA")
    }
    return python(
        ["-m", "scrapy", "onecaptcha", *arguments],
        cwd=folder,
        env={**environment, "PYTHONIOENCODING": "utf-8"},
    )


def test_it_explains_what_it_sees_in_files(tmp_path: Path) -> None:
    files = [str(PAGES / name) for name in (GATE, WIDGET, MENTION)]
    done = run(tmp_path, "detect", *files)
    assert (done.returncode, done.stderr) == (0, "")
    gate, widget, mention = (
        text.split("\n", 1)[1] for text in done.stdout.split(str(PAGES))[1:]
    )
    assert "  verdict: gate, solvable\n" in gate
    assert "    It asks for the captcha only.\n" in gate
    assert f"  sitekey: {LABEL[GATE].sitekey}\n" in gate
    assert "  submission: GET https://page.invalid/_wall/pass (utf-8)" in gate
    assert "    once = Zr+/=9\n" in gate
    assert "    h-captcha-response = <token>\n" in gate
    assert "  so: a crawl has one task solved for page.invalid" in gate
    assert "  verdict: widget, solvable\n" in widget
    assert "    The form asks its visitor for username, email" in widget
    assert "  so: a crawl passes the page on and pays nothing." in widget
    assert "ONECAPTCHA_EXPECT" in widget
    assert "  verdict: none\n" in mention
    assert "It mentions hCaptcha, but only where a browser shows no widget" in mention
    assert "submission" not in mention


def test_json_says_all_of_it(tmp_path: Path) -> None:
    """With the URL and status that the file came with, and the content it lacks."""
    url = "https://shop.test/a/b?c=d"
    done = run(
        tmp_path,
        *("detect", "--json", "--url", url, "--status", "429", "--expect", "h2.x"),
        str(PAGES / GATE),
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["url"], told["status"], told["verdict"]) == (url, 429, "gate")
    assert (told["solvable"], told["reason"], told["refused"]) == (True, None, None)
    assert (told["invisible"], told["rqdata"]) == (False, False)
    assert "The status is 429." in told["evidence"]
    assert "It lacks the content expected (h2.x)." in told["evidence"]
    assert told["submission"] == {
        "kind": "form",
        "method": "GET",
        "url": "https://shop.test/_wall/pass",
        "enctype": None,
        "encoding": "utf-8",
        "headers": [],
        "fields": [
            ["once", "Zr+/=9"],
            ["to", "/products/7?colour=red"],
            ["h-captcha-response", "<token>"],
            ["g-recaptcha-response", "<token>"],
        ],
    }


def test_a_gate_that_cannot_be_passed_says_why(tmp_path: Path) -> None:
    names = ("cloudflare-2020", "haproxy-protection-pow", "data-no-form-no-callback")
    files = [str(PAGES / f"{name}.html") for name in names]
    done = run(tmp_path, "detect", "--status", "403", *files)
    assert done.returncode == 0
    assert "gate, not solvable (no_sitekey)" in done.stdout
    assert "gate, not solvable (proof_of_work)" in done.stdout
    assert "gate, not solvable (scripts_missing)" in done.stdout
    assert done.stdout.count("so: a crawl pays nothing:") == 3
    assert "ONECAPTCHA_SUBMITTERS" in done.stdout


def test_other_captchas_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.html").write_bytes(b"")
    away = b'<form method=post action="https://other.test/"><div class=h-captcha'
    key = str(LABEL[GATE].sitekey).encode()
    (tmp_path / "away.html").write_bytes(away + b" data-sitekey=" + key + b"></div>")
    turnstile = str(PAGES / "turnstile-gate.html")
    done = run(tmp_path, "detect", "--json", turnstile, "empty.html", "away.html")
    assert done.returncode == 0
    turned, empty, elsewhere = map(json.loads, done.stdout.splitlines())
    assert "It does not mention hCaptcha." in turned["evidence"]
    assert any("Turnstile" in sentence for sentence in turned["evidence"])
    assert "It is empty." in empty["evidence"]
    assert "add it to ONECAPTCHA_ALLOWED_DOMAINS" in elsewhere["refused"]


def test_urls_are_fetched_as_a_crawl_would_and_nothing_is_solved(
    tmp_path: Path,
) -> None:
    with serving() as (site, seen):
        targets = [f"{site}{path}" for path in ("/gate", "/led", "/refresh", "/none")]
        done = run(
            tmp_path,
            *("detect", "--json", "-s", "USER_AGENT=Mine/7.0"),
            *("-s", "ONECAPTCHA_API_KEY=key", "-s", f"ONECAPTCHA_API_URL={site}"),
            *targets,
        )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [page["target"] for page in told] == targets
    gate, led, refresh, none = told
    assert (gate["verdict"], gate["status"]) == ("gate", 503)
    assert (led["verdict"], led["url"]) == ("widget", f"{site}/form")
    assert led["led_from"] == [f"{site}/led"]
    assert any("was led here" in sentence for sentence in led["evidence"])
    # The middleware comes before the one that follows a <meta> refresh.
    assert (refresh["verdict"], refresh["url"]) == ("gate", f"{site}/refresh")
    assert (none["verdict"], none["status"]) == ("none", 404)
    asked = sorted(seen)
    paths = ["/form", "/gate", "/led", "/none", "/refresh"]
    assert asked == [("GET", path, "Mine/7.0") for path in paths]


def test_it_works_inside_a_project_and_leaves_it_alone(tmp_path: Path) -> None:
    (tmp_path / "scrapy.cfg").write_text("[settings]\ndefault = mine.settings\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()
    (tmp_path / "mine" / "settings.py").write_text(
        'ADDONS = {"scrapy_onecaptcha.Addon": 500}\n'
        'ONECAPTCHA_API_KEY = "key"\n'
        'FEEDS = {"out.json": {"format": "json"}}\n'
        'ITEM_PIPELINES = {"mine.no.such.Pipeline": 300}\n'
        'JOBDIR = "job"\n'
        'USER_AGENT = "Project/1.0"\n'
    )
    with serving() as (site, seen):
        done = run(tmp_path, "detect", "--json", f"{site}/gate")
    told = json.loads(done.stdout)
    assert (done.returncode, told["verdict"]) == (0, "gate")
    assert seen == [("GET", "/gate", "Project/1.0")]
    assert {path.name for path in tmp_path.iterdir()} == {"scrapy.cfg", "mine"}


def test_what_cannot_be_read_is_an_exit_status_of_2(tmp_path: Path) -> None:
    done = run(
        tmp_path, "detect", "http://127.0.0.1:1/", "shop.test", str(PAGES / WIDGET)
    )
    assert done.returncode == 2
    assert done.stdout.count("could not be read: ") == 2
    assert "could not be read: DownloadConnectionRefusedError" in done.stdout or (
        "could not be read: ConnectionRefusedError" in done.stdout
    )
    assert "A URL begins with http:// or https://" in done.stdout
    assert "verdict: widget" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("detekt",), "name a tool: detect"),
        (("detect",), "detect what?"),
        (("detect", "ftp://shop.test/"), "only http and https are fetched"),
        (("detect", "--jsn", "x.html"), "there is no option --jsn"),
        (("detect", "--expect", "::(", "x.html"), "--expect"),
        (("detect", "--status", "429", "https://shop.test/"), "are for a FILE"),
    ],
)
def test_a_wrong_command_line(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_help_tells_the_exit_status(tmp_path: Path) -> None:
    done = run(tmp_path, "detect", "--help")
    assert done.returncode == 0
    assert "Exit status: 0 when every page was read" in done.stdout
    assert "Nothing is solved and nothing is spent" in " ".join(done.stdout.split())
