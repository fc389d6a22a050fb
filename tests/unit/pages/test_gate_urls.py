"""URLs that exist only to show a gate."""

from __future__ import annotations

import pytest

from scrapy_onecaptcha.pages.gate_urls import names, says_so

ASKED = "https://shop.example/list?page=2"


@pytest.mark.parametrize(
    "gated",
    [
        "https://shop.example/check?next=/list%3Fpage%3D2",
        "https://shop.example/check?a=1&next=/list%3Fpage%3D2",
        "https://shop.example/check?to=https%3A%2F%2Fshop.example%2Flist%3Fpage%3D2",
        "https://shop.example/check?to=https%253A%252F%252Fshop.example%252Flist",
        "https://shop.example/check?next=/list",
        "https://shop.example/check#/list",
        "https://shop.example/check?/list",
        "https://other.example/b?back=https://shop.example/list?page=2",
    ],
)
def test_query_or_fragment_name_the_page(gated: str) -> None:
    assert names(gated, ASKED)


@pytest.mark.parametrize(
    "gated",
    [
        "https://shop.example/check",
        "https://shop.example/list?page=2",
        "https://shop.example/check?next=/other",
        "https://shop.example/check?next=/list/more",
        "https://shop.example/search?q=list",
    ],
)
def test_they_name_another_or_none(gated: str) -> None:
    assert not names(gated, ASKED)


def test_the_first_page_of_a_site_is_named_by_a_slash_alone() -> None:
    assert names("https://shop.example/check?next=/", "https://shop.example/")
    assert names("https://shop.example/check?next=%2F", "https://shop.example")
    assert not names("https://shop.example/a?next=/b", "https://shop.example/")


@pytest.mark.parametrize(
    "path",
    [
        "/captcha",
        "/hcaptcha/start",
        "/challenge",
        "/user/verify",
        "/antibot.php",
        "/anti-bot",
        "/bot_check",
        "/are-you-human",
        "/security-check/",
        "/Captcha",
    ],
)
def test_the_path_says_so(path: str) -> None:
    assert says_so(f"https://shop.example{path}?a=b")


@pytest.mark.parametrize(
    "path", ["/", "/page", "/challenges", "/verifying", "/captchas/list", "/robots"]
)
def test_the_path_says_nothing(path: str) -> None:
    assert not says_so(f"https://shop.example{path}?captcha=1")
