"""How sessions are named in a store."""

from __future__ import annotations

from typing import Any

import pytest

from scrapy_onecaptcha.stores.naming import MAX_NAME_LENGTH, name_session, site_of

SITE = "https://shop.example"


@pytest.mark.parametrize("jar", [None, "", "jar", "ü", 0, 1, -7, 1.5])
def test_jars_that_are_named(jar: Any) -> None:
    name = name_session(SITE, jar, "", "host")
    assert name is not None
    assert name.isascii()
    assert site_of(name) == SITE


@pytest.mark.parametrize(
    "jar",
    [True, ("playwright", "default"), b"jar", float("nan"), float("inf"), object()],
)
def test_jars_that_stay_local(jar: Any) -> None:
    assert name_session(SITE, jar, "", "host") is None


def test_no_two_are_named_alike() -> None:
    names = [
        name_session(*parts)
        for parts in (
            (SITE, None, "", "host"),
            (SITE, "None", "", "host"),
            (SITE, "null", "", "host"),
            (SITE, 1, "", "host"),
            (SITE, "1", "", "host"),
            (SITE, None, "", "other"),
            (SITE, None, "proxy.example:8080#abc", "host"),
            ("http://shop.example", None, "", "host"),
            (f'{SITE}",null,"host"]', None, "", "host"),
        )
    ]
    assert len(set(names)) == len(names)


def test_where_a_proxy_is_the_host_does_not_matter() -> None:
    proxy = "proxy.example:8080#abc"
    assert name_session(SITE, 1, proxy, "one") == name_session(SITE, 1, proxy, "two")


def test_a_name_that_is_too_long_stays_local() -> None:
    assert name_session(SITE, "x" * MAX_NAME_LENGTH, "", "host") is None


@pytest.mark.parametrize(
    "text", ["", "x", "{}", "[]", "[1]", "null", "[", "7", '"site"']
)
def test_what_is_no_name(text: str) -> None:
    assert site_of(text) == ""
