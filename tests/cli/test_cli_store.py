"""``scrapy onecaptcha store``, in processes of its own, on files."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.exceptions import UsageError
from twisted.internet.defer import Deferred

from scrapy_onecaptcha.cli.store import StoreTool, in_words
from scrapy_onecaptcha.stores.base import Clearance, Lease, Limits
from scrapy_onecaptcha.stores.naming import name_session
from scrapy_onecaptcha.stores.sqlite import SqliteStore
from tests.python_process import STRICT
from tests.python_process import run as python

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

SHOP, NEWS = "https://shop.example", "https://news.example"
COOKIE = {"name": "clr", "value": "a-secret-value"}
EARNED = Clearance(
    cookies=(COOKIE,),
    url_pass=(("pass", "another-secret"),),
    user_agent="Mozilla/5.0",
    egress="host",
)


def filled(folder: Path) -> Path:
    """Return the path of a store that knows a clearance of each site."""
    path = folder / "onecaptcha.db"

    async def fill() -> None:
        store = SqliteStore(path, "one", Limits(), namespace="scrapybot")
        for site in (SHOP, NEWS):
            session = name_session(site, None, "", "host")
            assert session is not None
            lease = await store.take(session, "sitekey")
            assert isinstance(lease, Lease)
            assert await store.publish(lease, EARNED, 3600)
        await store.close()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await Deferred.fromCoroutine(fill()).asFuture(loop)

    asyncio.run(main())
    return path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if "ONECAPTCHA" not in k}
    return python(
        ["-m", "scrapy", "onecaptcha", "store", *arguments],
        cwd=folder,
        env=environment,
        warnings=STRICT,
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_it_shows_and_forgets(tmp_path: Path) -> None:
    url = f"-sONECAPTCHA_STORE=sqlite:///{filled(tmp_path)}"
    shown = run(tmp_path, "show", url)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.count("cookies: clr") == 2
    assert shown.stdout.count("pass in the URL: pass") == 2
    assert "secret" not in shown.stdout
    elsewhere = run(tmp_path, "show", url, "-sONECAPTCHA_STORE_NAMESPACE=other").stdout
    assert "No site is known to the store (namespace 'other': " in elsewhere
    news, shop = lines(run(tmp_path, "show", "--json", url))
    assert (news["site"], shop["site"]) == (NEWS, SHOP)
    assert (shop["generation"], shop["cookies"]) == (2, ["clr"])
    forgotten = run(tmp_path, "forget", SHOP, url)
    assert forgotten.stdout == "Forgotten: 1 session.\n"
    assert [each["site"] for each in lines(run(tmp_path, "show", "--json", url))] == [
        NEWS
    ]
    assert lines(run(tmp_path, "clear", "--json", url)) == [{"forgotten": 1}]
    assert "No site is known to the store" in run(tmp_path, "show", url).stdout


def test_the_store_of_a_jobdir(tmp_path: Path) -> None:
    filled(tmp_path)
    shown = lines(run(tmp_path.parent, "show", "--json", f"-sJOBDIR={tmp_path}"))
    assert [each["site"] for each in shown] == [NEWS, SHOP]


@pytest.mark.parametrize(
    ("setting", "status", "said"),
    [
        ("JOBDIR=", 2, "there is no store: set ONECAPTCHA_STORE, or JOBDIR"),
        ("JOBDIR=nowhere", 2, "there is no store yet: nowhere/onecaptcha.db"),
        ("ONECAPTCHA_STORE=nothing", 2, "ONECAPTCHA_STORE is 'nothing'; allowed: "),
        ("ONECAPTCHA_STORE=unix:///nowhere.sock", 1, "unix:///nowhere.sock: "),
        ("ONECAPTCHA_STORE=sqlite:///open.db", 1, "run: chmod 600 open.db"),
    ],
)
def test_a_store_that_cannot_be_used(
    tmp_path: Path, setting: str, status: int, said: str
) -> None:
    (tmp_path / "open.db").touch()
    (tmp_path / "open.db").chmod(0o644)  # whatever the umask is
    done = run(tmp_path, "show", f"-s{setting}")
    assert done.returncode == status, done
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["list"],
        ["show", SHOP],
        ["forget"],
        ["forget", SHOP, NEWS],
        ["forget", "shop.example"],
        ["forget", f"{SHOP}/list"],
        ["clear", "all"],
    ],
)
def test_a_wrong_command_line(arguments: list[str]) -> None:
    options: Any = None
    with pytest.raises(UsageError):
        StoreTool().check(arguments, options)


@pytest.mark.parametrize(("count", "said"), [(0, "0 sessions"), (1, "1 session")])
def test_counts_are_plain_english(count: int, said: str) -> None:
    assert in_words({"forgotten": count}) == [f"Forgotten: {said}."]
