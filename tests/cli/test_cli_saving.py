"""What is kept of a page holds nothing of the person who asked for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_onecaptcha import detect
from scrapy_onecaptcha.cli.detect import show, tell
from scrapy_onecaptcha.cli.page_fetch import Look
from scrapy_onecaptcha.cli.saving import cleaned_url, save

if TYPE_CHECKING:
    from pathlib import Path

URL = (
    "https://ann:pw@shop.example:8443/users/ann@mail.example/orders/20481?q=ann&s=1#me"
)
GATE = (
    b"<title>Security check</title><form method=post action=/v?id=ann>"
    b"<input type=hidden name=csrf value=s3cret><div class=h-captcha "
    b"data-sitekey=338af34c-7bcb-4c7c-900b-acbec73d7d43></div><button>Go on</button>"
    b'<script src="https://js.hcaptcha.com/1/api.js"></script>'
)
CLEANED = "https://shop.example:8443/users/removed/orders/removed?q=removed&s=removed"


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        (URL, CLEANED),
        ("https://shop.example/books/tea", "https://shop.example/books/tea"),
        ("https://shop.example/?4111111111", "https://shop.example/?removed=removed"),
        ("https://shop.example/?a%40b=1", "https://shop.example/?removed=removed"),
        (f"https://shop.example/set/{'aB3-' * 8}", "https://shop.example/set/removed"),
        ("https://shop.example:99999/", "removed"),
        ("https://[", "removed"),
    ],
)
def test_an_address_without_personal_details(url: str, cleaned: str) -> None:
    assert cleaned_url(url) == cleaned


def test_page_headers_and_reading_are_kept(tmp_path: Path) -> None:
    request = Request(URL)
    response = HtmlResponse(
        URL,
        status=403,
        body=GATE,
        headers={
            "Content-Type": "text/html",
            "Set-Cookie": ["session=s3cret; Path=/", "b=s3cret"],
            "Location": "/u/20481/next?name=ann#ann",
            "Link": "<https://shop.example/u?name=ann>; rel=canonical",
        },
        request=request,
    )
    request.meta["redirect_urls"] = ["https://shop.example/?who=ann"]
    look = Look(URL, response, detect(response))
    place = save(tmp_path / "kept", 3, response, tell(look))
    assert place == tmp_path / "kept" / "03-shop.example"
    assert (place / "page.html").read_bytes() == GATE
    headers = (place / "headers.txt").read_text(encoding="utf-8")
    assert headers.startswith("HTTP 403\n")
    assert "Set-Cookie: session=removed" in headers
    assert "Content-Type: text/html\n" in headers
    assert "Location: /u/removed/next?name=removed\n" in headers
    reading = json.loads((place / "reading.json").read_text(encoding="utf-8"))
    assert (reading["verdict"], reading["status"]) == ("gate", 403)
    assert reading["evidence"]
    assert ["csrf", "removed"] in reading["submission"]["fields"]
    assert reading["submission"]["url"] == "https://shop.example:8443/v?id=removed"
    kept = headers + json.dumps(reading)
    for private in ("ann", "s3cret", "20481", "pw@"):
        assert private not in kept, private
    for file in place.iterdir():
        assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("Location", "next?token=s3cret", "next?token=removed"),
        ("Location", "?token=s3cret", "?token=removed"),
        ("Location", "next#access_token=s3cret", "next"),
        ("Location", "s3cret@mail.example", "removed"),
        ("Location", "https://s3cret:pw@h.example/a b?s3=s3cret c", None),
        ("Content-Location", "u;a=1?t=s3cret", "u;a=1?t=removed"),
        ("Refresh", "0; url=next?sid=s3cret", "0; url=next?sid=removed"),
        ("Refresh", "0; URL = 'next?sid=s3cret'", "0; URL ='next?sid=removed"),
        ("Refresh", "0;next?sid=s3cret#s3cret", "0;next?sid=removed"),
        ("Refresh", "5", "5"),
        ("Link", "<a?b=s3cret>; rel=next, <#s3cret>", "<a?b=removed>; rel=next, <>"),
        ("X-Original", "next?token=s3cret", "next?token=removed"),
        ("X-Question", "Who? You? s=1", "Who? You? s=1"),
    ],
)
def test_addresses_that_begin_nowhere(
    name: str, value: str, kept: str | None, tmp_path: Path
) -> None:
    response = HtmlResponse(URL, headers={name: value}, request=Request(URL))
    place = save(tmp_path, 1, response, {"why": f'href="{value}"'})
    headers = (place / "headers.txt").read_text(encoding="utf-8")
    assert "s3cret" not in headers
    assert kept is None or headers.endswith(f"\n{name}: {kept}\n")
    if "?" in value and "#" not in value:
        assert "s3cret" not in (place / "reading.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_password_in_a_target_is_not_shown(*, as_json: bool) -> None:
    url = "https://shop.example/"
    body = GATE.replace(b"action=/v", b"action=https://ann:s3cr@shop.example/v")
    response = HtmlResponse(url, status=403, body=body, request=Request(url))
    shown = show(tell(Look(url, response, detect(response))), as_json=as_json)
    assert "s3cr@" not in shown
    assert "https://***@shop.example/v?id=ann" in shown


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("application/json", "page.json"),
        ("text/plain", "page.txt"),
        ("image/png", "page.bin"),
    ],
)
def test_a_page_is_named_after_its_type(tmp_path: Path, kind: str, name: str) -> None:
    response = HtmlResponse(
        "https://../", body=b"x", headers={"Content-Type": kind}, request=Request(URL)
    )
    place = save(tmp_path, 1, response, {})
    assert place.parent == tmp_path
    assert (place / name).read_bytes() == b"x"
