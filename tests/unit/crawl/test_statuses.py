"""What the status of an answer says."""

from __future__ import annotations

import pytest

from scrapy_onecaptcha.crawl.statuses import (
    is_error,
    is_success,
    shows_content,
    tells_nothing,
)


@pytest.mark.parametrize(
    ("status", "content", "nothing", "success", "error"),
    [
        (200, True, False, True, False),
        (206, True, False, True, False),
        (302, True, False, False, False),
        (403, False, False, False, True),
        (404, True, True, False, True),
        (410, True, True, False, True),
        (429, False, False, False, True),
        (500, False, True, False, True),
        (503, False, True, False, True),
    ],
)
def test_a_status(
    status: int, content: bool, nothing: bool, success: bool, error: bool
) -> None:
    assert shows_content(status) is content
    assert tells_nothing(status) is nothing
    assert is_success(status) is success
    assert is_error(status) is error
