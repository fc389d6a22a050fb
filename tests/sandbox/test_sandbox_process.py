"""The sandbox as it is run: over twisted.web, in a process, beside other reactors."""

from __future__ import annotations

import ast
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import treq
from sandbox_browser import GATED, ORIGIN, Browser, Remote, pass_gate
from treq.testing import StubTreq
from twisted.internet.task import Clock
from twisted.web.client import ResponseFailed
from twisted.web.http_headers import Headers

import scrapy_onecaptcha.sandbox
from scrapy_onecaptcha.sandbox import FAULTS, GATES, Sandbox, ServiceOptions
from scrapy_onecaptcha.sandbox.__main__ import main
from scrapy_onecaptcha.sandbox.messages import Reply, Visit
from scrapy_onecaptcha.sandbox.web import AnswerResource

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Twisted keeps one in reserve to the end, of which Python 3.10 may complain.
SPARE = "ignore:unclosed file <_io.TextIOWrapper name='/dev/null':ResourceWarning"
PYTHON = [sys.executable, "-W", "error", "-W", SPARE]
COMMAND = [*PYTHON, "-m", "scrapy_onecaptcha.sandbox"]
#: Seconds after which what has not come is taken for lost.
HANGS = 60.0
# No proxy of this machine may come between us and loopback.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [*COMMAND, "--json", "--until-eof", *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
        out, errors = process.communicate(timeout=HANGS)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert (process.returncode, out, errors) == (0, "", "")


def fetch(url: str) -> tuple[int, str]:
    try:
        with OPENER.open(url, timeout=HANGS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_process_serves_until_its_input_ends() -> None:
    with running("--site", "wall", "--site", "plain", "--balance", "70") as (_, told):
        assert list(told) == ["service", "siteverify", "sites", "settings"]
        assert list(told["sites"]) == ["wall", "plain"]
        assert told["settings"]["ONECAPTCHA_API_URL"] == told["service"]
        status, page = fetch(f"{told['sites']['plain']}/page/1")
        assert (status, "Page 1 of plain" in page) == (200, True)
        status, page = fetch(f"{told['sites']['wall']}/page/1")
        assert (status, "h-captcha" in page) == (503, True)
        _, ledger = fetch(f"{told['service']}/_ledger")
        assert json.loads(ledger)["balance"] == 70
        assert json.loads(ledger)["sites"]["wall"] == {"/page/1": {"gates": 1}}
        status, answer = fetch(f"{told['siteverify']}?secret=x&response=y")
        assert json.loads(answer)["error-codes"] == ["invalid-input-secret"]


def test_every_gate_is_passed_over_http() -> None:
    with running("--latency", "0", "--resp-key", "E0_key") as (_, told):
        for name in GATED:
            remote = Remote(name, told["sites"][name], told["service"])
            browser = Browser(remote)
            body = pass_gate(remote, browser)
            if f"Page 3 of {name}".encode() not in body:
                body = browser.get("/page/3").body
            assert f"Page 3 of {name}".encode() in body
        ledger = json.loads(fetch(f"{told['service']}/_ledger")[1])
        assert ledger["rejections"] == ledger["clearances_refused"] == {}
        assert ledger["tokens_used"] == ledger["tasks_created"] == len(GATED)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    with running("--site", "plain") as (process, _):
        process.send_signal(number)  # at once
        assert process.wait(HANGS) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "createTask"], "CALL=FAULT"),
        (["--fault", "createTask=boom"], "no fault is called 'boom'"),
        (["--latency", "x"], "--latency"),
        (["--latency", "3-1"], "latency is seconds"),
        (["--failure-rate", "2"], "failure_rate"),
        (["--site", "nowhere"], "nowhere"),
    ],
)
def test_bad_arguments_are_explained(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


# Answers that are lost on the way


@contextmanager
def asked(service: str, keep: str = "close") -> Iterator[socket.socket]:
    """Yield a connection on which the balance was asked for."""
    host, port = service.removeprefix("http://").split(":")
    body = b'{"clientKey": "sandbox-key"}'
    head = (
        f"POST /getBalance HTTP/1.1\r\nHost: {host}\r\nConnection: {keep}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=HANGS) as connection:
        connection.sendall(head.encode() + body)
        yield connection


def received(connection: socket.socket) -> tuple[list[bytes], str]:
    """Return what arrives, piece by piece, and how it ends."""
    pieces = []
    try:
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    except ConnectionResetError:
        return pieces, "reset"
    return pieces, "closed"


def balance_of(answer: bytes) -> Any:
    return json.loads(answer.partition(b"\r\n\r\n")[2])["balance"]


def test_answers_break_off_as_they_are_told_to() -> None:
    faults = "drop,reset,truncated,drip:0.2,ok,reset-body,*"
    half = b'{"errorId": 0, "b'
    with running("--site", "plain", "--fault", f"getBalance={faults}") as (_, told):

        def ask() -> tuple[bytes, str]:
            with asked(told["service"]) as connection:
                pieces, end = received(connection)
            return b"".join(pieces), end

        def is_read_before_the_reset() -> bool:
            got, end = ask()
            assert end == "reset"
            return got.endswith(half)

        assert ask() == (b"", "closed")
        assert ask() == (b"", "reset")
        truncated, end = ask()
        assert (truncated.endswith(half), end) == (True, "closed")
        for _ in ("drip", "ok"):
            whole, end = ask()
            assert (balance_of(whole), end) == (1_000_000, "closed")
        # What nobody has read by then, a reset discards.
        assert any(is_read_before_the_reset() for _ in range(50))


def test_a_huge_answer_is_made_as_it_is_read() -> None:
    with running("--site", "plain", "--fault", "getBalance=huge") as (process, told):
        with asked(told["service"]) as connection:
            answer = connection.recv(1 << 16)
            length = int(re.findall(rb"Content-Length: (\d+)", answer)[0])
            assert length == (1 << 30) + len(b'{"errorId": 0, "balance": 1000000}')
            read = len(answer)
            while read < 64 << 20:
                read += len(connection.recv(1 << 20))
        # The client has hung up: the service goes on, and has stored nothing of it.
        with asked(told["service"]) as connection:
            assert balance_of(b"".join(received(connection)[0])) == 1_000_000
        status = Path(f"/proc/{process.pid}/status")
        if status.exists():
            (most,) = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())
            assert int(most) < 150_000


def test_a_service_that_goes_down_and_comes_back() -> None:
    # Longer each time: it may be back before this process has had another turn.
    faults = ",ok,".join(f"down:{seconds}" for seconds in (0.3, 1, 4, 16))
    with running("--site", "plain", "--fault", f"getBalance={faults}") as (_, told):

        def is_refused_meanwhile() -> bool:
            with asked(told["service"], "keep-alive") as connection:
                assert balance_of(b"".join(received(connection)[0])) == 1_000_000
            refused = 0
            give_up = time.monotonic() + HANGS
            while True:
                assert time.monotonic() < give_up
                try:
                    with asked(told["service"]) as connection:
                        assert balance_of(b"".join(received(connection)[0])) == 1e6
                        return refused > 0
                except ConnectionError:
                    refused += 1
                    time.sleep(0.01)

        assert any(is_refused_meanwhile() for _ in range(4))


def test_a_service_that_is_down_can_be_stopped() -> None:
    with running("--site", "plain", "--fault", "getBalance=down:60") as (_, told):
        with asked(told["service"]) as connection:
            assert balance_of(b"".join(received(connection)[0])) == 1_000_000
        fetch(told["sites"]["plain"])  # it is about the service alone


def test_the_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for name, meaning in FAULTS.items():
        line = rf"^  {re.escape(name)} +{re.escape(meaning)}$"
        assert re.search(line, shown, re.MULTILINE)


EMBEDDED = """
import sys
if sys.argv[1] == "asyncio":
    from twisted.internet import asyncioreactor as chosen
else:
    from twisted.internet import selectreactor as chosen
from scrapy_onecaptcha.sandbox import Sandbox, ServiceOptions
assert "twisted.internet.reactor" not in sys.modules
chosen.install()
from twisted.internet import defer, reactor, task
import treq
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.web.client import HTTPConnectionPool, ResponseFailed

async def until(reached):
    while not reached():
        await task.deferLater(reactor, 0.01, lambda: None)

async def until_refused(url, pool):
    while True:
        try:
            await (await treq.get(url, pool=pool)).content()
        except ConnectError:
            return
        except (ConnectionLost, ResponseFailed):
            pass  # it was about to close

async def scenario():
    faults = ("truncated", "drop", "stall-body", "stall", "drip:60")
    options = ServiceOptions(faults={"getBalance": faults})
    sandbox = Sandbox(service=options, sites=["plain", "bookshop"]).start()
    pool = HTTPConnectionPool(reactor, persistent=True)
    for url in sandbox.urls.values():
        answer = await treq.get(url, pool=pool)
        assert b"<h1" in await answer.content()
    url = sandbox.service_url + "/getBalance"
    asked = []
    for fault in faults:
        call = treq.post(url, json={"clientKey": "sandbox-key"}, pool=pool)
        call.addCallback(treq.content)
        call.addErrback(lambda failure: print(failure.type.__name__))
        asked.append(call)
        if fault in ("truncated", "drop"):
            await call
    await until(lambda: sandbox.ledger.calls["getBalance"] == len(faults))
    sandbox.go_down(60)
    sandbox.go_down(60)
    await defer.gatherResults(asked)
    await until_refused(url, pool)
    sandbox.come_back()
    sandbox.come_back()
    answer = await treq.post(url, json={"clientKey": "sandbox-key"}, pool=pool)
    print(await answer.content())
    sandbox.go_down(60)
    await until_refused(url, pool)
    await sandbox.stop()
    await sandbox.stop()
    sandbox.go_down(60)
    sandbox.come_back()
    await pool.closeCachedConnections()
    await until(lambda: not reactor.getDelayedCalls())

def ended(result):
    print(result)
    reactor.stop()

reactor.callWhenRunning(lambda: defer.ensureDeferred(scenario()).addBoth(ended))
reactor.run()
"""


@pytest.mark.parametrize("reactor", ["asyncio", "select"])
def test_it_runs_and_stops_within_a_running_reactor(reactor: str) -> None:
    ran = subprocess.run(
        [*PYTHON, "-c", EMBEDDED, reactor],
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    lines = ran.stdout.splitlines()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert sorted(lines[:5]) == [
        "ResponseFailed",
        "ResponseFailed",
        "ResponseFailed",
        "ResponseNeverReceived",
        "ResponseNeverReceived",
    ]
    assert lines[5].startswith('b\'{"errorId": 0')
    assert lines[6:] == ["None"]


# Over twisted.web, in memory


stub_treq: Any = StubTreq  # treq does not annotate it
new_clock: Any = Clock  # nor Twisted this


def get(reply: Reply) -> tuple[Any, bytes]:
    client = stub_treq(AnswerResource(lambda _: reply))
    done: list[Any] = []
    client.get(f"{ORIGIN}/x").addCallback(done.append)
    client.flush()
    body: list[bytes] = []
    done[0].content().addCallback(body.append)
    client.flush()
    return done[0], body[0]


def test_a_reply_is_sent_as_it_is() -> None:
    reply = Reply(
        status=503,
        body=b"\xff",
        content_type="text/html; charset=gbk",
        headers=(("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")),
    )
    answer, body = get(reply)
    assert (answer.code, body) == (503, b"\xff")
    assert answer.headers.getRawHeaders("content-type") == ["text/html; charset=gbk"]
    assert answer.headers.getRawHeaders("set-cookie") == ["a=1", "b=2"]
    assert answer.length == 1


def pieces_of(reply: Reply, clock: Any) -> tuple[Any, list[bytes], list[Any]]:
    """Return a client, and lists of what has come of *reply* and how it ended."""
    client = stub_treq(AnswerResource(lambda _: reply, reactor=clock))
    pieces: list[bytes] = []
    ended: list[Any] = []
    answer = client.get(f"{ORIGIN}/x")
    answer.addCallback(treq.collect, pieces.append).addBoth(ended.append)
    client.flush()
    return client, pieces, ended


def test_a_drip_comes_byte_by_byte() -> None:
    clock = new_clock()
    client, pieces, ended = pieces_of(
        Reply(body=b"abc", manner="drip", seconds=3), clock
    )
    assert (pieces, ended) == ([b"a"], [])
    clock.advance(0.5)
    client.flush()
    assert pieces == [b"a"]
    for _ in range(2):
        clock.advance(1)
        client.flush()
    assert (pieces, ended) == ([b"a", b"b", b"c"], [None])


def test_half_of_a_body_comes_before_the_reset() -> None:
    clock = new_clock()
    client, pieces, ended = pieces_of(Reply(body=b"abcd", manner="reset-body"), clock)
    assert (pieces, ended) == ([b"ab"], [])
    clock.advance(1)
    client.flush()
    assert pieces == [b"ab"]
    assert ended[0].check(ResponseFailed)


def test_a_204_has_no_length() -> None:
    answer, body = get(Reply(status=204))
    assert (answer.code, body) == (204, b"")
    assert not answer.headers.hasHeader("content-length")


def test_a_request_arrives_as_it_was_sent() -> None:
    seen: list[Visit] = []

    def answer(visit: Visit) -> Reply:
        seen.append(visit)
        return Reply()

    client = stub_treq(AnswerResource(answer))
    headers = Headers({"Cookie": ["a=1; b=2=3"], "Referer": [f"{ORIGIN}/y"]})
    headers.setRawHeaders("User-Agent", ["Ü/1"])
    client.post(f"{ORIGIN}/a%20b?q=%E9", data=b"x=1", headers=headers)
    client.flush()
    (visit,) = seen
    assert (visit.method, visit.uri, visit.body) == ("POST", "/a%20b?q=%E9", b"x=1")
    assert visit.path == "/a%20b"
    assert visit.query == ((b"q", b"\xe9"),)
    assert visit.user_agent == "Ü/1"
    assert visit.cookies == {"a": "1", "b": "2=3"}
    assert visit.origin == visit.referer_origin == ORIGIN


# The sandbox itself


def test_sites_are_named_or_made() -> None:
    gate = GATES["wall"]
    sandbox = Sandbox(sites={"mine": gate, "open": None}, clock=lambda: 0.0)
    assert b"h-captcha" in sandbox.sites["mine"].answer(Visit(uri="/page/1")).body
    assert b"Page 1 of open" in sandbox.sites["open"].answer(Visit(uri="/page/1")).body
    assert sandbox.ledger.total("gates", "mine") == 1
    with pytest.raises(ValueError, match="no site is called 'nowhere'"):
        Sandbox(sites=["nowhere"])
    with pytest.raises(ValueError, match="letters"):
        Sandbox(sites={"my site": gate})


def test_settings_name_the_key_that_is_accepted() -> None:
    sandbox = Sandbox(service=ServiceOptions(key="other"))
    assert sandbox.settings()["ONECAPTCHA_API_KEY"] == "other"


def test_it_imports_nothing_of_the_package_around_it() -> None:
    package = "scrapy_onecaptcha.sandbox"
    folder = Path(scrapy_onecaptcha.sandbox.__file__).parent
    allowed = {*sys.stdlib_module_names, "twisted", "zope"}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path.name
                names = [str(node.module)]
            for name in names:
                own = f"{name}.".startswith(f"{package}.")
                assert own or name.partition(".")[0] in allowed, f"{path.name}: {name}"


def test_its_modules_are_small() -> None:
    folder = Path(scrapy_onecaptcha.sandbox.__file__).parent
    for path in folder.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 400, path.name
