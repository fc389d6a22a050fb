"""Gates whose scripts send the token, in real crawls; and the process that runs them."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import (
    EACH_REACTOR,
    HANGS,
    REACTORS,
    crawl,
    crawling,
    pages,
    sandbox,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

KEY = "4a1c6018-8e41-4048-a37a-5393297b71a4"
GATE = f"""<!doctype html><title>Are you human?</title>
<script src="https://js.hcaptcha.com/1/api.js" async defer></script><script src="/gate.js"></script>
<div class="h-captcha" data-sitekey="{KEY}" data-callback="solved"></div>"""
CODE = """
async function solved(token) {
  const { csrf } = await (await fetch('/csrf')).json();
  const answer = await fetch('/verify', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-CSRF': csrf },
    body: JSON.stringify({ captcha: token, seen: document.cookie }),
  });
  if ((await answer.json()).ok) location.reload();
}
"""
HUNG = "<script>'a'.repeat(5e6).indexOf('a'.repeat(2e6) + 'b')</script>"
PAGE = "<title>{0}</title><h1>Page {0} of the site</h1>"


class Site(ThreadingHTTPServer):
    """A gate whose script is in a file, and asks for a CSRF token of one use."""

    daemon_threads = True

    def __init__(self, code: str = CODE) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.code = code
        self.seen: list[tuple[str, str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.open_csrf: set[str] = set()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def asked(self, path: str) -> int:
        return sum(seen == path for _, seen, _ in self.seen)


class Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site = self.server
        cookies = self.headers.get("Cookie") or ""
        site.seen.append(("GET", self.path, self.headers.get("Referer") or ""))
        if self.path == "/gate.js":
            self.reply(site.code, "text/javascript")
        elif self.path == "/csrf":
            csrf = f"c{len(site.seen)}"
            site.open_csrf.add(csrf)
            self.reply(json.dumps({"csrf": csrf}), "application/json")
        elif self.path.startswith("/hung"):
            self.reply(GATE.replace("</script>", f"</script>{HUNG}", 1), status=403)
        elif self.path.startswith("/free") or "cleared=yes" in cookies:
            self.reply(PAGE.format(self.path.rpartition("/")[2]))
        else:
            self.reply(GATE, status=403, cookie="visitor=v1; Path=/")

    def do_POST(self) -> None:
        site = self.server
        site.seen.append(("POST", self.path, self.headers.get("Referer") or ""))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        site.bodies.append(body)
        csrf = self.headers.get("X-CSRF") or ""
        fine = csrf in site.open_csrf and body["seen"] == "visitor=v1"
        site.open_csrf.discard(csrf)
        self.reply(
            json.dumps({"ok": fine}),
            "application/json",
            cookie="cleared=yes; Path=/" if fine else "",
        )

    def reply(
        self,
        text: str,
        kind: str = "text/html; charset=utf-8",
        status: int = 200,
        cookie: str = "",
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serving(code: str = CODE) -> Iterator[Site]:
    site = Site(code)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    try:
        yield site
    finally:
        site.shutdown()
        thread.join()
        site.server_close()


@pytest.mark.parametrize("reactor", EACH_REACTOR)
def test_a_gate_of_scripts_is_passed(reactor: str) -> None:
    with sandbox() as servers, serving() as site:
        result = crawl(servers, pages(site.url, range(4)), REACTORS[reactor][0])
        result.assert_clean()
        result.assert_delivered()
        assert servers.tasks == 1
    assert site.asked("/gate.js") == 1
    assert site.asked("/verify") == 1
    [body] = site.bodies
    assert not body["captcha"].startswith("P1_dry")
    assert body["captcha"].startswith("P1_")
    referers = {referer for _, path, referer in site.seen if path == "/gate.js"}
    assert len(referers) == 1
    assert referers.pop().startswith(f"{site.url}/page/")


def test_without_scripts_it_is_lost_and_costs_nothing() -> None:
    with sandbox() as servers, serving() as site:
        plan = pages(site.url, range(1))
        result = crawl(servers, plan, {"ONECAPTCHA_SCRIPTS": "off"})
        assert servers.tasks == 0
    assert result.stat("unsolvable/scripts_off") == 1
    assert site.asked("/gate.js") == 0


def test_pages_that_hang_cost_their_own_site_only() -> None:
    """And that no more than two of them: the others are not run."""
    with sandbox() as servers, serving() as site, serving() as hostile:
        hung = [{"url": f"{hostile.url}/hung/page/{number}"} for number in range(5)]
        free = [{"url": f"{site.url}/free/page/{number}"} for number in range(20)]
        plan = [*hung, *free, *pages(site.url, [7])]
        result = crawl(servers, plan, {"ONECAPTCHA_MAX_FAILURES": 2})
        assert servers.tasks == 1
    assert result.stat("unsolvable/scripts_failed") == len(hung)
    said = [result.errors[number]["message"] for number in range(len(hung))]
    assert sum("2 pages of its site did not end" in each for each in said) == 3
    result.assert_delivered(but=range(len(hung)))


def children(pid: int) -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
@pytest.mark.parametrize("end", ["one Ctrl-C", "two", "killed"])
@pytest.mark.parametrize("hangs", [True, False])
def test_no_process_is_left(end: str, hangs: bool) -> None:
    with sandbox("--latency", "60") as servers, serving() as site:
        plan = pages(site.url, range(1))
        if hangs:
            plan.append({"url": f"{site.url}/hung/page/1"})
        with crawling(servers, plan) as running:
            pid, seen = running.process.pid, set[int]()

            def has_child() -> bool:
                # Of those that hang one may have ended, and the next one not begun.
                seen.update(children(pid))
                return bool(seen)

            running.until(lambda: has_child() and servers.tasks == 1)
            if hangs:
                running.until(lambda: has_child() and site.asked("/hung/page/1") == 1)
            has_child()
            if end == "killed":
                running.kill()
            else:
                for _ in range(2 if end == "two" else 1):
                    running.interrupt()
                running.result().assert_clean()
        # One that nobody ends does so itself, after seconds of CPU.
        give_up = time.monotonic() + HANGS
        while any(map(lives, seen)):
            assert time.monotonic() < give_up
            time.sleep(0.05)


def lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
