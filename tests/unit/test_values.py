"""What all rooms do with values; the parsers are tested with the settings."""

from __future__ import annotations

import pytest

from scrapy_onecaptcha._values import Recent, is_within


def test_the_entries_that_were_set_last_are_kept() -> None:
    known: Recent[str, int] = Recent(2)
    known["a"], known["b"] = 1, 2
    known["a"] = 3
    known["c"] = 4
    assert dict(known) == {"a": 3, "c": 4}
    assert known.get("b") is None


@pytest.mark.parametrize(
    ("host", "domain", "within"),
    [
        ("shop.example", "shop.example", True),
        ("www.shop.example", "shop.example", True),
        ("myshop.example", "shop.example", False),
        ("shop.example", "www.shop.example", False),
        ("shop.example.evil.test", "shop.example", False),
    ],
)
def test_a_host_within_a_domain(host: str, domain: str, within: bool) -> None:
    assert is_within(host, domain) is within
